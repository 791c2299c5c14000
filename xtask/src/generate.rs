//! `generate-cluster`. In: sizes and a seed. Out: the manifests of a realistic cluster in a directory, or on standard
//! output.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ringfence_scenario::{File, Scenario};

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
    let files = scenario.files();
    let bytes = write(&files, &args.out)?;
    let (files, megabytes) = (files.len(), bytes / 1_000_000);
    println!("{pods} pods and {policies} policies in {files} files, {megabytes} MB: {}", args.out.display());
    Ok(())
}

/// Writes the files of a cluster; how many bytes that were.
///
/// # Errors
/// If the directory has something in it, or cannot be written.
pub(crate) fn write(files: &[File], directory: &Path) -> Result<usize> {
    if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("`{}` is not empty: name another directory", directory.display());
    }
    for file in files {
        let path = directory.join(&file.name);
        let cannot = || format!("cannot write `{}`", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(cannot)?;
        }
        std::fs::write(&path, &file.text).with_context(cannot)?;
    }
    Ok(files.iter().map(|file| file.text.len()).sum())
}
