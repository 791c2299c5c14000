//! Settings of a network namespace. In: what the namespace is for. Out: files under `/proc/sys/net` written by the calling
//! thread, whose namespace they belong to.

use std::{fs, io};

use nix::mount::{MsFlags, mount};
use ringfence_model::address::Family;
use thiserror::Error;

/// What a namespace does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends and receives for itself: a pod.
    Host,
    /// Passes packets on: a node, the fabric.
    Router,
    /// Sends from and receives at any address: the outside host.
    Anybody,
}

/// Why a setting could not be written.
#[derive(Debug, Error)]
pub enum SettingError {
    /// `/proc/sys` cannot be written and no other can be mounted.
    #[error(
        "`/proc/sys` is read-only here ({0}), and the lab must set up forwarding: run it outside of the container, or in one \
         whose `/proc/sys` is writable (`--privileged`, or `--security-opt systempaths=unconfined`)"
    )]
    ReadOnly(io::Error),
    /// A setting was refused.
    #[error("cannot set `{name}` to {value}: {cause}")]
    Refused {
        /// The setting.
        name: &'static str,
        /// The value.
        value: &'static str,
        /// What the kernel answered.
        cause: io::Error,
    },
}

/// A setting and its value; the last field says whether a kernel without it will do.
type Setting = (&'static str, &'static str, bool);

/// IPv4, every role. A new namespace inherits values from the machine, so those that matter are set whatever the default.
const V4: &[Setting] = &[
    // Replies take the way that the routes say; no packet is dropped for having come another way.
    ("net/ipv4/conf/all/rp_filter", "0", false),
    ("net/ipv4/conf/default/rp_filter", "0", false),
    // Every refused probe is answered, however many there are.
    ("net/ipv4/icmp_ratemask", "0", false),
    ("net/ipv4/icmp_ratelimit", "0", false),
    ("net/ipv4/conf/all/accept_local", "0", false),
    // Echo requests need no raw socket. Group 0 is the only one that a user namespace is sure to have.
    ("net/ipv4/ping_group_range", "0 0", true),
];

const V4_ROUTER: &[Setting] = &[
    ("net/ipv4/ip_forward", "1", false),
    // A packet between two pods of a node leaves by another interface than it came; no sender is told of a better way.
    ("net/ipv4/conf/all/send_redirects", "0", false),
    ("net/ipv4/conf/default/send_redirects", "0", false),
];

const V4_ANYBODY: &[Setting] = &[("net/ipv4/ip_nonlocal_bind", "1", false)];

/// IPv6, every role: addresses are usable at once, and nothing is configured but by the lab.
const V6: &[Setting] = &[
    ("net/ipv6/conf/all/disable_ipv6", "0", false),
    ("net/ipv6/conf/default/disable_ipv6", "0", false),
    ("net/ipv6/conf/default/accept_dad", "0", false),
    ("net/ipv6/conf/default/accept_ra", "0", false),
    ("net/ipv6/conf/default/router_solicitations", "0", true),
    // No link-local addresses of the kernel's own making, and so no reports of their groups.
    ("net/ipv6/conf/default/addr_gen_mode", "1", true),
    ("net/ipv6/icmp/ratelimit", "0", false),
];

const V6_ROUTER: &[Setting] = &[("net/ipv6/conf/all/forwarding", "1", false)];

const V6_ANYBODY: &[Setting] = &[("net/ipv6/ip_nonlocal_bind", "1", false)];

/// Sets up the calling thread's network namespace.
///
/// # Errors
/// The first setting that cannot be written.
pub fn apply(role: Role, families: &[Family]) -> Result<(), SettingError> {
    let of_family = |family: &Family| {
        let (common, router, anybody) = match family {
            Family::V4 => (V4, V4_ROUTER, V4_ANYBODY),
            Family::V6 => (V6, V6_ROUTER, V6_ANYBODY),
        };
        let special = match role {
            Role::Host => &[],
            Role::Router => router,
            Role::Anybody => anybody,
        };
        common.iter().chain(special)
    };
    for (name, value, optional) in families.iter().flat_map(of_family) {
        match write(name, value) {
            Err(cause) if *optional && cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) if cause.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Err(SettingError::ReadOnly(cause));
            }
            Err(cause) => return Err(SettingError::Refused { name, value, cause }),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn write(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/{name}"), value)
}

/// Makes `/proc/sys` writable for this process if it is mounted read-only, as in most containers: in the process's own mount
/// namespace, so that nobody else notices.
///
/// # Errors
/// When the kernel lets us mount neither.
pub fn make_writable() -> Result<(), SettingError> {
    let nothing = None::<&str>;
    let again = mount(nothing, "/proc/sys", nothing, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, nothing);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    again
        .or_else(|_| mount(Some("proc"), "/proc", Some("proc"), flags, nothing))
        .map_err(|cause| SettingError::ReadOnly(cause.into()))
}
