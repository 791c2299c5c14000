//! Network namespaces and the oracle. In: a test. Out: the test run where it can break nothing.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

use libtest_mimic::{Failed, Trial};
use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid},
};

/// Gets the right to make network namespaces; ordinary users need a user namespace, entered while there is one thread.
pub(crate) fn enter() -> Result<(), String> {
    if Command::new("nft").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err("the oracle `nft` is not installed (package nftables)".into());
    }
    let (user, group) = (Uid::current(), Gid::current());
    if user.is_root() {
        return thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET))
            .join()
            .unwrap()
            .map_err(|error| format!("no network namespaces ({error})"));
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|error| {
        format!("no user namespaces ({error}); see kernel.unprivileged_userns_clone, or run as root")
    })?;
    std::fs::write("/proc/self/setgroups", "deny").map_err(|error| error.to_string())?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).map_err(|error| error.to_string())?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1")).map_err(|error| error.to_string())
}

/// A test in a namespace of its own; left out if there can be none, except in CI, where that fails.
pub(crate) fn trial(name: &'static str, test: fn(), able: &Result<(), String>) -> Trial {
    match able {
        Ok(()) => Trial::test(name, move || {
            inside(test);
            Ok(())
        }),
        Err(reason) if std::env::var_os("CI").is_some() => {
            let reason = reason.clone();
            Trial::test(name, move || Err(Failed::from(reason)))
        }
        Err(reason) => {
            eprintln!("{name} is left out: {reason}");
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
    }
}

/// Runs something in a new network namespace.
pub(crate) fn inside<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
                run()
            })
            .join()
    });
    match result {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs `nft` in this thread's network namespace.
pub(crate) fn nft(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The whole ruleset without counts.
pub(crate) fn list() -> String {
    nft(&["-s", "list", "ruleset"], "").unwrap()
}

/// The whole ruleset as JSON, without counts and handles.
pub(crate) fn list_json() -> String {
    let text = nft(&["-s", "-j", "list", "ruleset"], "").unwrap();
    let mut value = text.as_str();
    let mut out = String::new();
    // Handles differ from one namespace to another.
    while let Some((before, after)) = value.split_once("\"handle\": ") {
        out.push_str(before);
        value = after.trim_start_matches(|char: char| char.is_ascii_digit());
    }
    out.push_str(value);
    out
}
