//! Programs inside a lab. In: a namespace and a command. Out: the command running there, with the lab's DNS in its
//! `/etc/resolv.conf`.

use std::{
    fs, io,
    process::{Child, Command},
    thread,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use crate::namespace::Namespace;

/// Where a file system in memory is mounted for a moment, in a mount namespace that only the program sees.
const SCRATCH: &str = "/tmp";

/// Starts a command in a network namespace, with a text as its `/etc/resolv.conf`. What it sees of files is otherwise what the
/// caller sees; it is not bound to the caller's life, so whoever starts it waits for it.
///
/// # Errors
/// When the command cannot be started, or the file cannot be put there (a machine without `/etc/resolv.conf`).
pub fn spawn(place: &Namespace, resolv_conf: &str, command: &mut Command) -> io::Result<Child> {
    // A child is born into the namespaces of the thread that starts it; the thread ends with them.
    thread::scope(|scope| {
        let start = move || -> io::Result<Child> {
            place.join().map_err(io::Error::other)?;
            unshare(CloneFlags::CLONE_NEWNS)?;
            name_server(resolv_conf)?;
            command.spawn()
        };
        let thread = thread::Builder::new().name("exec".to_owned()).spawn_scoped(scope, start)?;
        thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

fn name_server(text: &str) -> io::Result<()> {
    let nothing = None::<&str>;
    let file = format!("{SCRATCH}/resolv.conf");
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    mount(Some("tmpfs"), SCRATCH, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("size=64k"))?;
    fs::write(&file, text)?;
    mount(Some(file.as_str()), "/etc/resolv.conf", nothing, MsFlags::MS_BIND, nothing).map_err(|cause| {
        io::Error::other(format!("cannot put the lab's DNS into `/etc/resolv.conf`: {}", cause.desc()))
    })?;
    // The file stays where it is bound; `/tmp` is the caller's again.
    umount2(SCRATCH, MntFlags::MNT_DETACH)?;
    Ok(())
}
