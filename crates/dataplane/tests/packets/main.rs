//! Packets over the loopback of network namespaces of their own: what the log's reader makes of them, and whether the kernel does with
//! them what the interpreter says.
//!
//! As root or where user namespaces are allowed. In CI it is a failure if neither is so, or if `nft` is missing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod endings;
#[path = "../kernel/namespace.rs"]
#[expect(dead_code, reason = "the tests of loaded programs use all of it")]
mod namespace;
mod reader;
mod semantics;
mod switch;

use std::os::fd::AsRawFd as _;

use libtest_mimic::Arguments;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};

fn main() {
    let arguments = Arguments::from_args();
    let able = namespace::enter();
    let tests = reader::TESTS.iter().chain(semantics::TESTS).chain(endings::TESTS).chain(switch::TESTS);
    let trials = tests.map(|(name, test)| namespace::trial(name, *test, &able)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// Lets packets pass over the loopback of this thread's network namespace.
fn loopback_up() {
    let flags = SockFlag::SOCK_CLOEXEC;
    let route = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).unwrap();
    // RTM_NEWLINK with NLM_F_REQUEST for interface 1: set IFF_UP.
    let mut message = 32_u32.to_ne_bytes().to_vec();
    message.extend(16_u16.to_ne_bytes());
    message.extend(1_u16.to_ne_bytes());
    message.extend([0; 12]);
    for number in [1_u32, 1, 1] {
        message.extend(number.to_ne_bytes());
    }
    sendto(route.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
}
