//! Tests that need a process of their own: this program runs itself again and tells the child what it is for.

use std::{
    env, fs, io,
    process::{Child, Command, ExitCode, Stdio},
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{getegid, geteuid},
};

use crate::{Outcome, gone, machine};

/// The variable that says it.
const ROLE: &str = "RINGFENCE_LAB_TEST";

/// Runs as what the environment says, if it says something.
#[expect(clippy::print_stderr, reason = "tells the parent")]
pub(crate) fn role() -> Option<ExitCode> {
    let done = match env::var(ROLE).ok()?.as_str() {
        "counts" => gone::counts(),
        "read-only" => machine::read_only(),
        "forbidden" => machine::forbidden(),
        "late" => machine::late(),
        way => gone::hold(way),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    })
}

/// Starts a child.
pub(crate) fn start(role: &str) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// Starts a child and waits until it has succeeded.
pub(crate) fn finish(role: &str) -> Outcome {
    let output = start(role)?.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(())
}

/// A user namespace of the child's own, whose limits it may set.
pub(crate) fn own_user_namespace() -> Outcome {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(())
}
