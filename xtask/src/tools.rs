//! Programs that the tests need beside a Rust toolchain. In: what is installed. Out: what was missing, installed; or an
//! error that names it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// Debian packages: the program, how it answers, the package, what for.
const PACKAGES: [(&str, &str, &str, &str); 3] = [
    ("git", "--version", "git", "tests of `diff --git`"),
    ("nft", "--version", "nftables", "checks of what the kernel has loaded"),
    ("dot", "-V", "graphviz", "checks that drawings in the dot language are valid"),
];

/// cargo-deny's version, pinned so that a run means the same tomorrow.
const CARGO_DENY: &str = "0.20.2";

/// Components of the toolchain: the cargo command and the component.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Sees to it that all components and Debian packages are there.
///
/// # Errors
/// If something is missing that cannot be installed from here; the message says how to.
pub(crate) fn set_up() -> Result<()> {
    for (command, component) in COMPONENTS {
        if !run::works(run::cargo().get_program(), &[command, "--version"]) {
            bail!("`cargo {command}` is missing: run `rustup component add {component}`");
        }
    }
    let missing: Vec<_> =
        PACKAGES.iter().filter(|(program, argument, ..)| !run::works(program, &[argument])).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(_, _, package, _)| *package).collect();
    for (program, _, package, what_for) in &missing {
        println!("`{program}` is missing (Debian package {package}): needed for {what_for}");
    }
    let by_hand =
        format!("install them: `apt-get install {}`, or what your system calls them", names.join(" "));
    let root = run::output(run::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || !run::works("apt-get", &["--version"]) {
        bail!("{by_hand}");
    }
    let install = || {
        run::go(run::command("apt-get").args(["update", "-q"]))?;
        let options = ["install", "-q", "-y", "--no-install-recommends"];
        run::go(run::command("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(options).args(&names))
    };
    install().with_context(|| by_hand.clone())
}

/// The path of cargo-deny: the one that is installed, or else one that is built into the target directory, once.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if run::works("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    let tools = run::target().join("tools");
    let program = tools.join("bin").join("cargo-deny");
    if run::works(&program, &["--version"]) {
        return Ok(program);
    }
    println!("cargo-deny is missing: building it into {}, which takes minutes, once", tools.display());
    let mut install = run::cargo();
    install
        .args(["install", "--locked", "--quiet", "--version", CARGO_DENY, "cargo-deny", "--root"])
        .arg(&tools);
    // Its dependencies are not built again when it is updated.
    install.env("CARGO_TARGET_DIR", run::target().join("tools-build"));
    run::go(&mut install).context("cannot install cargo-deny: run `cargo install --locked cargo-deny`")?;
    Ok(program)
}
