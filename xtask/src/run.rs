//! Running other programs from the project's root. In: a program and its arguments. Out: an error unless it ends well.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program that runs in the project's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program; its output is shown.
///
/// # Errors
/// If it cannot be started, or fails.
pub(crate) fn go(command: &mut Command) -> Result<()> {
    go_to(command, 0)
}

/// Runs a program that is to end with an exit code; its output is shown.
///
/// # Errors
/// If it cannot be started, or ends otherwise.
pub(crate) fn go_to(command: &mut Command, code: i32) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if status.code() != Some(code) {
        bail!("`{shown}` failed ({status}, not exit code {code})");
    }
    Ok(())
}

/// The output of a program; what it says on standard error is shown.
///
/// # Errors
/// If it cannot be started, fails, or prints something else than text.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something else than text"))
}

/// Whether a program is there and answers.
pub(crate) fn works(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> bool {
    let output = command(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
