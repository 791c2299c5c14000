//! Namespaces that exist only as file descriptors. In: nothing but the right to make them. Out: places in which closures run,
//! so that a socket can be made in one and used from anywhere. When the last descriptor closes (at the end of the process,
//! however it ends) the kernel removes the namespace and everything in it.

use std::{
    fmt, fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic,
    sync::Arc,
    thread,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::{Mode, fstat},
    },
    unistd::{Gid, Uid, getegid, geteuid},
};
use thiserror::Error;

/// Settings of the kernel and of distributions that can forbid user namespaces, the value that forbids them, and the one
/// that allows them.
const SWITCHES: &[(&str, &str, &str)] = &[
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("user.max_net_namespaces", "0", "15000"),
    ("user.max_mnt_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Why namespaces cannot be had.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// The kernel or the distribution does not let this user make them.
    #[error("{}", forbidden(.cause, .settings))]
    Forbidden {
        /// What the kernel answered.
        cause: Errno,
        /// The settings that forbid it and their values that would allow it, as `sysctl` takes them.
        settings: Vec<String>,
    },
    /// Other threads run already, and a process with threads cannot change its user namespace.
    #[error("namespaces of an ordinary user must be entered before the process starts a thread")]
    Threads,
    /// A system call or a file of the kernel failed.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: String,
        /// What the kernel answered.
        cause: io::Error,
    },
}

impl NamespaceError {
    /// Whether this machine or this user cannot have namespaces at all, as opposed to a failure on the way.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }
}

fn forbidden(cause: &Errno, settings: &[String]) -> String {
    let allow = if settings.is_empty() {
        "no known setting forbids them, so it may be a container's seccomp profile or a limit that is used up"
            .to_owned()
    } else {
        format!("`sysctl -w {}` as root allows them", settings.join(" "))
    };
    format!(
        "this user may not make user and network namespaces ({}): {allow}; running as root works too",
        cause.desc()
    )
}

fn failed(doing: &str) -> impl Fn(Errno) -> NamespaceError {
    move |cause| NamespaceError::System { doing: doing.to_owned(), cause: cause.into() }
}

/// A refusal of the kernel: a lack of rights with what would give them, or the plain failure.
fn refused(doing: &'static str) -> impl Fn(Errno) -> NamespaceError {
    move |cause| match cause {
        Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EUSERS => NamespaceError::Forbidden {
            cause,
            settings: forbidding_settings(&|path| fs::read_to_string(path).ok()),
        },
        _ => failed(doing)(cause),
    }
}

/// The assignments that would lift what forbids namespaces, as found by reading `/proc/sys`.
fn forbidding_settings(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let lifts = |(name, forbids, allows): &(&str, &str, &str)| {
        let value = read(&format!("/proc/sys/{}", name.replace('.', "/")))?;
        (value.trim() == *forbids).then(|| format!("{name}={allows}"))
    };
    SWITCHES.iter().filter_map(lifts).collect()
}

/// With which rights the lab's namespaces were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// As root of the machine (or of a container), without a user namespace.
    Root,
    /// As an ordinary user, who is root only inside a user namespace.
    User,
}

/// Leaves the machine's network and mounts for namespaces of our own: as root a network and a mount namespace, otherwise (or
/// if root lacks the capability) a user namespace in addition, in which the caller is root. Threads that are started
/// afterwards are in them too. Also raises the soft limit of open files to the hard one: a namespace costs a descriptor.
///
/// # Errors
/// When namespaces are forbidden, with the settings that would allow them; when threads run already and a user namespace is
/// needed.
pub fn enter() -> Result<Rights, NamespaceError> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let rights = match if geteuid().is_root() { unshare(own) } else { Err(Errno::EPERM) } {
        Ok(()) => Rights::Root,
        Err(Errno::EPERM) => {
            enter_user(own)?;
            Rights::User
        }
        Err(cause) => return Err(refused("make a network and a mount namespace")(cause)),
    };
    // What is mounted here later must not appear on the machine.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(refused("make the mounts private"))?;
    raise_file_limit()?;
    Ok(rights)
}

/// A user namespace in which the caller is root, and the others inside it.
fn enter_user(own: CloneFlags) -> Result<(), NamespaceError> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | own).map_err(|cause| match cause {
        Errno::EINVAL => NamespaceError::Threads,
        _ => refused("make a user namespace")(cause),
    })?;
    map_to_root(user, group)
}

fn map_to_root(user: Uid, group: Gid) -> Result<(), NamespaceError> {
    // The kernel lets an ordinary user map its group only after it has given up setgroups(2).
    write_own("setgroups", "deny")?;
    write_own("uid_map", &format!("0 {user} 1"))?;
    write_own("gid_map", &format!("0 {group} 1"))
}

fn write_own(file: &'static str, text: &str) -> Result<(), NamespaceError> {
    fs::write(format!("/proc/self/{file}"), text).map_err(|cause| match cause.raw_os_error() {
        Some(number) => refused("write the user namespace's map")(Errno::from_raw(number)),
        None => NamespaceError::System { doing: format!("write `/proc/self/{file}`"), cause },
    })
}

fn raise_file_limit() -> Result<(), NamespaceError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed("read the limit of open files"))?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed("raise the limit of open files"))?;
    }
    Ok(())
}

/// A network namespace. Clones are the same one; it is gone with the last of them (and of its sockets).
#[derive(Clone)]
pub struct Namespace {
    fd: Arc<OwnedFd>,
    inode: u64,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.inode)
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

impl Eq for Namespace {}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Namespace {
    /// A new one with nothing in it, not even a loopback that is up.
    ///
    /// # Errors
    /// When the caller may not make one, or a limit is reached.
    pub fn create() -> Result<Self, NamespaceError> {
        Self::create_with(|_| ()).map(|(made, ())| made)
    }

    /// A new one, and what a closure does in it at once.
    ///
    /// # Errors
    /// When the caller may not make one, or a limit is reached.
    pub fn create_with<T: Send>(first: impl FnOnce(&Self) -> T + Send) -> Result<(Self, T), NamespaceError> {
        on_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(refused("make a network namespace"))?;
            let made = Self::current()?;
            let result = first(&made);
            Ok((made, result))
        })?
    }

    /// The one that the calling thread is in.
    ///
    /// # Errors
    /// When `/proc` does not show it.
    pub fn current() -> Result<Self, NamespaceError> {
        let path = "/proc/thread-self/ns/net";
        let fd = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(failed("open `/proc/thread-self/ns/net`"))?;
        let inode = fstat(&fd).map_err(failed("look at a network namespace"))?.st_ino;
        Ok(Self { fd: Arc::new(fd), inode })
    }

    /// The number that `/proc/PID/ns/net` and `lsns` show.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Runs a closure in the namespace, on a thread of its own, and waits for it. A socket that it returns stays in the
    /// namespace whichever thread uses it. A panic goes on in the caller.
    ///
    /// # Errors
    /// When no thread can be started or it may not enter.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        on_thread(move || {
            self.join()?;
            Ok(inside())
        })?
    }

    /// Moves the calling thread into the namespace, for good. Meant for threads that do nothing else.
    ///
    /// # Errors
    /// When the thread may not.
    pub fn join(&self) -> Result<(), NamespaceError> {
        setns(self, CloneFlags::CLONE_NEWNET).map_err(failed("enter a network namespace"))
    }
}

/// Runs a closure on a thread that ends with it: what it does to its own namespaces ends there too.
fn on_thread<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    thread::scope(|scope| {
        let started = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, run);
        let thread =
            started.map_err(|cause| NamespaceError::System { doing: "start a thread".to_owned(), cause })?;
        thread.join().map_or_else(|panicked| panic::resume_unwind(panicked), Ok)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_names_the_settings_that_forbid_and_root() {
        let read = |path: &str| match path {
            "/proc/sys/user/max_user_namespaces" => Some("0\n".to_owned()),
            "/proc/sys/kernel/unprivileged_userns_clone" => Some("1\n".to_owned()),
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns" => Some("1\n".to_owned()),
            _ => None,
        };
        let settings = forbidding_settings(&read);
        let error = NamespaceError::Forbidden { cause: Errno::EPERM, settings };
        assert_eq!(
            error.to_string(),
            "this user may not make user and network namespaces (Operation not permitted): `sysctl -w user.max_user_namespaces=15000 \
             kernel.apparmor_restrict_unprivileged_userns=0` as root allows them; running as root works too"
        );
        assert!(error.is_forbidden());
    }

    #[test]
    fn a_refusal_without_a_known_setting_says_what_else_it_may_be() {
        let error =
            NamespaceError::Forbidden { cause: Errno::ENOSPC, settings: forbidding_settings(&|_| None) };
        assert!(error.to_string().contains("seccomp"), "{error}");
    }
}
