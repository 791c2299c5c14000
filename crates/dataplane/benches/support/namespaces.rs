//! Network namespaces for packets: client, node, server, joined by veths. In: nothing of the machine. Out: namespaces
//! that nothing but this process holds, so that they are gone with it; or why there can be none.

use std::{
    fs::File,
    io::Write as _,
    net::Ipv4Addr,
    process::{Command, Stdio},
    thread,
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    unistd::{getegid, geteuid},
};

use super::plan::NODE_ADDRESS;

/// Addresses of the links: the client's and the node's end of one, the node's and the server's end of the other.
const CLIENT: &str = "172.31.1.2";
const NODE_TO_CLIENT: &str = "172.31.1.1";
const NODE_TO_SERVER: &str = "172.31.2.1";
const SERVER: &str = "172.31.2.2";
/// Neighbours of the node that have nobody's hardware address: what is sent to them crosses the link and ends there.
const NOBODY_AT_CLIENT: &str = "172.31.1.3";
const NOBODY_AT_SERVER: &str = "172.31.2.3";
/// Hardware addresses.
pub(crate) const MAC_CLIENT: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub(crate) const MAC_NODE_TO_CLIENT: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub(crate) const MAC_NODE_TO_SERVER: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub(crate) const MAC_SERVER: [u8; 6] = [2, 0, 0, 0, 2, 2];
const MAC_NOBODY: [u8; 6] = [2, 0, 0, 0, 2, 3];
/// The interfaces of the client and the server.
pub(crate) const CLIENT_LINK: &str = "client0";
pub(crate) const SERVER_LINK: &str = "server0";

/// Leaves the machine's network for an empty one, as an ordinary user with a user namespace. To be called while the
/// process has a single thread.
///
/// # Errors
/// Why that is not possible, and what would help.
pub(crate) fn leave() -> Result<(), String> {
    for program in ["ip", "nft"] {
        let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!("`{program}` is missing; install iproute2 and nftables"));
        }
    }
    let (user, group) = (geteuid(), getegid());
    let flags = if user.is_root() {
        CloneFlags::CLONE_NEWNET
    } else {
        CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUSER
    };
    unshare(flags).map_err(|error| {
        format!("no network namespace: {error}; run as root or allow unprivileged user namespaces")
    })?;
    if !user.is_root() {
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {user} 1")),
            ("gid_map", format!("0 {group} 1")),
        ] {
            std::fs::write(format!("/proc/self/{file}"), text)
                .map_err(|error| format!("cannot write {file}: {error}"))?;
        }
    }
    Ok(())
}

/// A network namespace.
pub(crate) struct Namespace(File);

impl Namespace {
    /// A new one, with its loopback interface up.
    fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        let new = Self(thread::scope(|scope| scope.spawn(make).join().unwrap()));
        new.ip("link set lo up");
        new
    }

    /// Moves the calling thread in.
    pub(crate) fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Runs something in it, on a thread of its own.
    pub(crate) fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.enter();
            what()
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }

    /// Has `ip` do some lines.
    fn ip(&self, lines: &str) {
        self.run(|| feed(Command::new("ip").args(["-batch", "-"]), lines));
    }

    /// Has `nft` load a ruleset.
    pub(crate) fn nft(&self, text: &str) {
        self.run(|| feed(Command::new("nft").args(["-f", "-"]), text));
    }

    fn sysctl(&self, name: &str, value: &str) {
        self.run(|| std::fs::write(format!("/proc/sys/{name}"), value).expect(name));
    }

    /// A path to it for another process.
    fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn feed(command: &mut Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?} failed");
}

/// Three namespaces in a row: other nodes and the world, the node, the node's pods. The client and the server have one
/// address each for connections; all others are nobody's: packets to them are forwarded and then thrown away as cheaply
/// as the kernel can.
pub(crate) struct Row {
    pub(crate) client: Namespace,
    pub(crate) node: Namespace,
    pub(crate) server: Namespace,
}

impl Row {
    /// A row, with connections tracked on the node (and nothing else done to packets), and the addresses of the client and
    /// the server.
    pub(crate) fn new(from: Ipv4Addr, to: Ipv4Addr) -> Self {
        let (client, node, server) = (Namespace::new(), Namespace::new(), Namespace::new());
        let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        node.ip(&format!(
            "link add node0 address {} type veth peer name {CLIENT_LINK} address {} netns {}\n\
             link add node1 address {} type veth peer name {SERVER_LINK} address {} netns {}\n",
            mac(MAC_NODE_TO_CLIENT),
            mac(MAC_CLIENT),
            client.path(),
            mac(MAC_NODE_TO_SERVER),
            mac(MAC_SERVER),
            server.path(),
        ));
        for (namespace, other) in [(&node, true), (&client, false), (&server, false)] {
            for directory in ["all", "default"] {
                namespace.sysctl(&format!("net/ipv4/conf/{directory}/rp_filter"), "0");
                namespace.sysctl(&format!("net/ipv6/conf/{directory}/disable_ipv6"), "1");
            }
            namespace.sysctl("net/ipv4/ip_forward", if other { "1" } else { "0" });
        }
        client.ip(&format!(
            "addr add {CLIENT}/24 dev {CLIENT_LINK}\naddr add {from}/32 dev lo\nlink set {CLIENT_LINK} up\n\
             neigh replace {NODE_TO_CLIENT} lladdr {} dev {CLIENT_LINK} nud permanent\n\
             route add 10.64.0.0/24 via {NODE_TO_CLIENT} src {from}\n",
            mac(MAC_NODE_TO_CLIENT)
        ));
        node.ip(&format!(
            "addr add {NODE_TO_CLIENT}/24 dev node0\nlink set node0 up\naddr add {NODE_TO_SERVER}/24 dev node1\nlink set node1 up\n\
             addr add {NODE_ADDRESS}/32 dev lo\n\
             neigh replace {CLIENT} lladdr {} dev node0 nud permanent\nneigh replace {SERVER} lladdr {} dev node1 nud permanent\n\
             neigh replace {NOBODY_AT_CLIENT} lladdr {} dev node0 nud permanent\n\
             neigh replace {NOBODY_AT_SERVER} lladdr {} dev node1 nud permanent\n\
             route add default via {NOBODY_AT_CLIENT}\nroute add {from}/32 via {CLIENT}\n\
             route add 10.64.0.0/24 via {NOBODY_AT_SERVER}\nroute add {to}/32 via {SERVER}\n",
            mac(MAC_CLIENT), mac(MAC_SERVER), mac(MAC_NOBODY), mac(MAC_NOBODY),
        ));
        server.ip(&format!(
            "addr add {SERVER}/24 dev {SERVER_LINK}\naddr add {to}/32 dev lo\nlink set {SERVER_LINK} up\n\
             neigh replace {NODE_TO_SERVER} lladdr {} dev {SERVER_LINK} nud permanent\nroute add default via {NODE_TO_SERVER}\n",
            mac(MAC_NODE_TO_SERVER)
        ));
        // A rule that asks for a connection's state turns tracking on, wherever it stands; this chain is never entered.
        node.nft("table inet tracking { chain unused { ct state new; }; }");
        // Entries of connections that get no answer go soon, so that rounds do not fill the table.
        node.sysctl("net/netfilter/nf_conntrack_tcp_timeout_syn_sent", "1");
        Self { client, node, server }
    }

    /// Packets that have arrived at the server's link.
    pub(crate) fn arrived(&self) -> u64 {
        self.server.run(|| received(SERVER_LINK))
    }

    /// Packets that have come back to the client's link.
    pub(crate) fn returned(&self) -> u64 {
        self.client.run(|| received(CLIENT_LINK))
    }
}

fn received(link: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = table.lines().find_map(|line| line.trim().strip_prefix(link)?.strip_prefix(':')).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
