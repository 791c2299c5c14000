//! A network for tests: hosts around one router, whose rules decide what passes. In: how many. Out: their namespaces and
//! addresses, dual stack.

use std::{
    fmt::Write as _,
    fs, io,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, AsRawFd},
    process::{Command, Stdio},
};

use ringfence_lab::{
    namespace::Namespace,
    probe::{Probe, Prober},
};
use ringfence_model::port::Protocol;

use crate::Outcome;

/// What keeps the kernel from rationing ICMP errors.
const UNRATIONED: [&str; 3] =
    ["net/ipv4/icmp_ratemask", "net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"];

pub(crate) struct Star {
    pub(crate) router: Namespace,
    pub(crate) hosts: Vec<Namespace>,
}

/// The address of a host.
pub(crate) fn v4(host: usize) -> IpAddr {
    Ipv4Addr::new(10, 9, byte(host), 2).into()
}

/// The other address of a host.
pub(crate) fn v6(host: usize) -> IpAddr {
    Ipv6Addr::new(0xfd09, 0, 0, byte(host).into(), 0, 0, 0, 2).into()
}

fn byte(host: usize) -> u8 {
    u8::try_from(host).unwrap_or(u8::MAX)
}

impl Star {
    pub(crate) fn new(hosts: usize) -> Outcome<Self> {
        let router = Namespace::create()?;
        let hosts = (0..hosts).map(|_| Namespace::create()).collect::<Result<Vec<_>, _>>()?;
        let mut batch = String::from("link set lo up\n");
        for (number, host) in hosts.iter().enumerate() {
            let there = format!("/proc/{}/fd/{}", std::process::id(), host.as_fd().as_raw_fd());
            writeln!(batch, "link add h{number} type veth peer name eth0 netns {there}")?;
            writeln!(batch, "addr add 10.9.{number}.1/24 dev h{number}")?;
            writeln!(batch, "addr add fd09:0:0:{number:x}::1/64 dev h{number} nodad")?;
            writeln!(batch, "link set h{number} up")?;
        }
        router.run(|| ip(&batch))??;
        router.run(|| {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
            unration()
        })??;
        for (number, host) in hosts.iter().enumerate() {
            let mut batch = String::from("link set lo up\nlink set eth0 up\n");
            writeln!(batch, "addr add {}/24 dev eth0", v4(number))?;
            writeln!(batch, "addr add {}/64 dev eth0 nodad", v6(number))?;
            writeln!(batch, "route add default via 10.9.{number}.1")?;
            writeln!(batch, "-6 route add default via fd09:0:0:{number:x}::1")?;
            host.run(|| ip(&batch))??;
            host.run(unration)??;
        }
        let star = Self { router, hosts };
        star.await_router()?;
        Ok(star)
    }

    /// Waits until every host reaches the router: the kernel takes up to a second to notice that a link is up.
    fn await_router(&self) -> Outcome {
        let mut probes = Vec::new();
        for from in 0..self.hosts.len() {
            let near = |to: String| {
                to.parse().map(|to: IpAddr| (to, if to.is_ipv4() { v4(from) } else { v6(from) }))
            };
            for (to, source) in [near(format!("10.9.{from}.1"))?, near(format!("fd09:0:0:{from:x}::1"))?] {
                probes.push(Probe { from, source, to, protocol: Protocol::Icmp, port: 0 });
            }
        }
        for _ in 0..5 {
            let came = Prober::default().run(&self.hosts, &probes)?;
            if came.iter().all(|came| came.passes() == Some(true)) {
                return Ok(());
            }
        }
        Err("the hosts do not reach their router".into())
    }

    /// Replaces the router's rules.
    pub(crate) fn rules(&self, rules: &str) -> Outcome {
        let text = format!("flush ruleset\n{rules}");
        self.router.run(|| fed("nft", &["-f", "-"], &text))??;
        Ok(())
    }

    /// Replaces the router's rules for what it forwards.
    pub(crate) fn forward(&self, rules: &str) -> Outcome {
        self.rules(&format!(
            "table inet t {{ chain f {{ type filter hook forward priority 0; policy accept;
             icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept\n{rules}\n}}\n}}\n"
        ))
    }
}

fn unration() -> io::Result<()> {
    UNRATIONED.iter().try_for_each(|name| fs::write(format!("/proc/sys/{name}"), "0"))
}

/// Has `ip` make links, addresses and routes in the calling thread's namespace.
pub(crate) fn ip(batch: &str) -> Outcome {
    let (six, four): (Vec<&str>, Vec<&str>) =
        batch.lines().map(str::trim_start).partition(|line| line.starts_with("-6 "));
    fed("ip", &["-batch", "-"], &four.join("\n"))?;
    let six: Vec<&str> = six.into_iter().filter_map(|line| line.strip_prefix("-6 ")).collect();
    if six.is_empty() { Ok(()) } else { fed("ip", &["-6", "-batch", "-"], &six.join("\n")) }
}

fn fed(program: &str, arguments: &[&str], text: &str) -> Outcome {
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program}` failed: {}\n{text}", String::from_utf8_lossy(&output.stderr)).into())
}
