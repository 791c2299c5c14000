//! Runs the program as people do. In: arguments and standard input. Out: the exit code and both outputs.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs the program at the root of the workspace.
pub(crate) fn ringfence(arguments: &[&str]) -> Run {
    ringfence_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")), arguments, "")
}

/// Runs the program in a directory, with a text on standard input.
pub(crate) fn ringfence_in(directory: &Path, arguments: &[&str], stdin: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .current_dir(directory)
        .args(arguments)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    // The program may end without reading all of it.
    let writer = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
