//! What goes wrong between here and the kernel, in words. In: error numbers. Out: which object, what it means, what to do.

use nix::errno::Errno;

/// Why the kernel was not changed or not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error(
        "cannot open a netlink socket for nf_tables: {0}; this needs the capability CAP_NET_ADMIN in the network namespace and a kernel with CONFIG_NF_TABLES"
    )]
    Open(#[source] std::io::Error),
    /// The kernel refuses a change; nothing of the transaction is applied.
    #[error("{}", .0)]
    Refused(Refusal),
    /// The transaction does not go through the socket in one piece, and no safe way to split it exists; nothing is applied.
    #[error(
        "the change needs {bytes} bytes in one transaction and the socket takes {room}: raise net.core.wmem_max, or run with CAP_NET_ADMIN in the first user namespace; nothing was changed"
    )]
    TooBig {
        /// Bytes of the transaction.
        bytes: usize,
        /// Bytes that the socket takes.
        room: usize,
    },
    /// Something keeps the kernel busy.
    #[error("the kernel did not take the change in {tries} tries ({errno}); try again later")]
    Busy {
        /// How often it was tried.
        tries: u32,
        /// The last answer.
        errno: Errno,
    },
    /// The answer to a transaction got lost: it may or may not have happened.
    #[error("the kernel's answer got lost, so the change may or may not be in effect; read the table back")]
    Uncertain,
    /// There is no program that a change could be made to.
    #[error(
        "no program is known to be in the kernel, so nothing can be changed in it; set a whole program first"
    )]
    Unknown,
    /// The kernel's answer is none that nf_tables gives.
    #[error("reading nf_tables failed: {0}")]
    Read(Errno),
    /// Others keep changing the ruleset while it is read.
    #[error("the ruleset changed {0} times while it was read; try again when it is quiet")]
    Unquiet(u32),
    /// The program breaks a limit of the kernel; nothing was sent.
    #[error(transparent)]
    Limit(#[from] crate::nft::TooLarge),
    /// The table belongs to another process.
    #[error(
        "the table `{0}` belongs to the process with netlink port {1}: stop it first (it may be another agent), or use another table name"
    )]
    Owned(String, u32),
    /// The socket broke.
    #[error("the netlink socket failed: {0}")]
    Socket(#[source] std::io::Error),
}

/// The message that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the message was to do.
    pub what: String,
    /// The error number.
    pub errno: Errno,
    /// What the kernel says about it, if anything.
    pub detail: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel refuses to {}: {}", self.what, meaning(self.errno))?;
        match &self.detail {
            Some(detail) => write!(f, " (`{detail}`)"),
            None => Ok(()),
        }
    }
}

/// What an error number means in a transaction of nf_tables, and what to do.
fn meaning(errno: Errno) -> String {
    let text = match errno {
        Errno::EPERM => {
            "not permitted; this needs CAP_NET_ADMIN in the network namespace, and a table that no other process owns"
        }
        Errno::ENOENT => {
            "it, or something that it refers to, is not there; the table was changed by someone else, or the kernel lacks a module"
        }
        Errno::EEXIST => "it is there already, or an interval overlaps another",
        Errno::EBUSY => "something still refers to it",
        Errno::EINVAL => "the kernel finds it malformed",
        Errno::EMLINK => "chains lead into one another more than 16 deep",
        Errno::ELOOP => "chains lead in a circle",
        Errno::ENFILE => "the set is full",
        Errno::ENOTEMPTY => "an interval overlaps another in part",
        Errno::EOPNOTSUPP => {
            "this kernel does not support it here; `ringfence` lists what the kernel lacks at start"
        }
        Errno::EOVERFLOW | Errno::ERANGE => "a number is out of the kernel's range",
        Errno::ENAMETOOLONG => "the name is too long",
        Errno::ENOMEM | Errno::ENOBUFS => "no memory; see the limits of the cgroup",
        Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT => {
            "this kernel has no tables of family inet; it needs CONFIG_NF_TABLES_INET"
        }
        _ => return errno.desc().to_lowercase(),
    };
    text.to_owned()
}
