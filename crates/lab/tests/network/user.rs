//! All of these tests once more as an ordinary user, whose namespaces are inside a user namespace.

use std::{fs, os::unix::process::CommandExt, process::Command};

use libtest_mimic::Trial;

use crate::{Outcome, trials};

/// The user and group `nobody`.
const NOBODY: u32 = 65534;

pub(crate) fn trials() -> Vec<Trial> {
    trials![everything_as_an_ordinary_user]
}

fn everything_as_an_ordinary_user() -> Outcome {
    // The directory of the build may be closed to others.
    let place = tempfile::Builder::new().prefix("ringfence-lab-").tempdir()?;
    let program = place.path().join("network");
    fs::copy(std::env::current_exe()?, &program)?;
    for path in [place.path(), &program] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    let run = Command::new(&program).current_dir("/").uid(NOBODY).gid(NOBODY).output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    if !run.status.success() {
        return Err(format!("{said}\n{}", String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(())
}
