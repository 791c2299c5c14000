//! `generate-cluster`. In: sizes and a seed. Out: the manifests of a realistic cluster in a directory, or on standard
//! output.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ringfence_scenario::Scenario;

/// What to generate, and where to.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many pods
    #[arg(long, value_name = "N")]
    pods: usize,
    /// How many policies
    #[arg(long, value_name = "N")]
    policies: usize,
    /// The same seed gives the same cluster
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Make some of the policies ClusterNetworkPolicies
    #[arg(long)]
    tiers: bool,
    /// Make one policy in ten a CiliumNetworkPolicy
    #[arg(long)]
    cilium: bool,
    /// A directory that is empty or does not exist yet; `-` is standard output
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Generates a cluster.
///
/// # Errors
/// If the directory has something in it, or cannot be written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Args { pods, policies, seed, tiers, cilium, .. } = *args;
    let scenario = Scenario { pods, policies, seed, tiers, cilium };
    if args.out == Path::new("-") {
        let mut out = std::io::stdout().lock();
        for file in scenario.files() {
            out.write_all(file.text.as_bytes()).context("cannot write to standard output")?;
        }
        return Ok(());
    }
    let (files, bytes) = write(&scenario, &args.out)?;
    let megabytes = bytes / 1_000_000;
    println!("{pods} pods and {policies} policies in {files} files, {megabytes} MB: {}", args.out.display());
    Ok(())
}

/// Writes a cluster; how many files and bytes that were.
///
/// # Errors
/// If the directory has something in it, or cannot be written.
pub(crate) fn write(scenario: &Scenario, directory: &Path) -> Result<(usize, usize)> {
    if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("`{}` is not empty: name another directory", directory.display());
    }
    let files = scenario.files();
    for file in &files {
        let path = directory.join(&file.name);
        let cannot = || format!("cannot write `{}`", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(cannot)?;
        }
        std::fs::write(&path, &file.text).with_context(cannot)?;
    }
    Ok((files.len(), files.iter().map(|file| file.text.len()).sum()))
}
