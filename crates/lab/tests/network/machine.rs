//! Machines that make it hard: what the lab gets around, and what it says where it cannot.

use std::{fs, thread};

use libtest_mimic::Trial;
use nix::{
    mount::{MsFlags, mount},
    unistd::{Uid, setuid},
};
use ringfence_lab::namespace::{self, NamespaceError};

use crate::{
    Outcome,
    children::{finish, own_user_namespace},
    gone::lab,
    trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_read_only_proc_is_no_obstacle,
        a_forbidden_namespace_says_what_allows_it,
        threads_are_named_as_the_obstacle
    ]
}

fn a_read_only_proc_is_no_obstacle() -> Outcome {
    finish("read-only")
}

/// As in a container: `/proc/sys` is there and cannot be written.
pub(crate) fn read_only() -> Outcome {
    namespace::enter()?;
    let (sys, nothing) = ("/proc/sys", None::<&str>);
    mount(Some(sys), sys, nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing)?;
    mount(nothing, sys, nothing, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, nothing)?;
    let error = fs::write("/proc/sys/net/ipv4/ip_forward", "1").err().ok_or("it can be written")?;
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    lab()?;
    Ok(())
}

fn a_forbidden_namespace_says_what_allows_it() -> Outcome {
    finish("forbidden")
}

pub(crate) fn forbidden() -> Outcome {
    own_user_namespace()?;
    fs::write("/proc/sys/user/max_net_namespaces", "0")?;
    let error = namespace::enter().err().ok_or("it may")?;
    let said = error.to_string();
    assert!(error.is_forbidden(), "{said}");
    assert!(said.contains("`sysctl -w user.max_net_namespaces=15000` as root allows them"), "{said}");
    assert!(said.contains("running as root works too"), "{said}");
    Ok(())
}

fn threads_are_named_as_the_obstacle() -> Outcome {
    finish("late")
}

/// A user that is not root (or is so only in a user namespace) and already has a thread.
pub(crate) fn late() -> Outcome {
    // Only the machine's root can become somebody else; the others are somebody already, and are root in a namespace.
    if setuid(Uid::from_raw(65534)).is_err() {
        return Ok(());
    }
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || receive.recv());
        let result = namespace::enter();
        drop(send);
        assert!(matches!(result, Err(NamespaceError::Threads)), "{result:?}");
    });
    Ok(())
}
