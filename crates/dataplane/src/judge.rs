//! Programs as a judge. In: a compiled cluster, the programs of its nodes, and a connection. Out: a verdict as the
//! engine's, found by running packets through the programs of the nodes that the connection crosses.

use std::{collections::BTreeMap, net::IpAddr};

use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::{Direction, Missing, Outcome, Reason, Side, Verdict},
    workload::Pod,
};
use ringfence_policy::{Compiled, Judge};

use crate::{
    compile::{Logs, Options, Program, compile},
    interpret::{Chance, Fate, ICMP, ICMPV6, Invalid, Machine, Packet, Ran, SCTP, TCP, Tracked, UDP, state},
    nft::HookPoint,
    prefix::{RuleId, parse_prefix},
};

/// Which packet of a connection is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The first.
    New,
    /// A later one in the same direction, after the policies have changed.
    Later,
    /// A reply, after the policies have changed.
    Reply,
    /// One that connection tracking does not know.
    Untracked,
}

/// All nodes of a cluster with their programs.
pub struct Programs<'a> {
    cluster: &'a Cluster,
    nodes: BTreeMap<Text, (Program, Machine)>,
}

/// The programs that looked at a packet, and what they did.
type Runs<'a> = Vec<(&'a Program, Option<Ran<'a>>)>;

/// One place where a packet is looked at.
type Stop<'a> = (&'a Text, HookPoint);

/// Where an end of a connection is.
struct Located<'a> {
    address: IpAddr,
    node: Option<&'a Text>,
    is_pod: bool,
}

impl<'a> Programs<'a> {
    /// Compiles the program of every node that the cluster has or that a pod names.
    ///
    /// # Errors
    /// A program that the kernel would refuse.
    pub fn new(
        compiled: &'a Compiled,
        audited: Option<&Compiled>,
        options: &Options,
    ) -> Result<Self, Invalid> {
        let cluster = compiled.cluster();
        let named = cluster.pods.iter().filter_map(|pod| pod.node.as_ref());
        let mut nodes = BTreeMap::new();
        for name in cluster.nodes.iter().map(|node| &node.name).chain(named) {
            if !nodes.contains_key(name) {
                let program = compile(compiled, audited, name, options);
                let machine = Machine::new(&program.table)?;
                nodes.insert(name.clone(), (program, machine));
            }
        }
        Ok(Self { cluster, nodes })
    }

    /// The program of a node.
    #[must_use]
    pub fn program(&self, node: &str) -> Option<&Program> {
        self.nodes.get(node).map(|(program, _)| program)
    }

    /// What becomes of a connection at one of its packets. Nothing if it has no such packet: an ICMP message of a type that
    /// nothing answers has no reply.
    #[must_use]
    pub fn judge(&self, flow: &Flow, moment: Moment) -> Option<Verdict> {
        let (protocol, head) = head(flow);
        self.judge_as(flow, moment, protocol, head)
    }

    /// As [`Self::judge`], for another protocol than the flow's. `head` is what the first four bytes after the IP header
    /// hold, as two numbers.
    #[must_use]
    pub fn judge_as(&self, flow: &Flow, moment: Moment, protocol: u8, head: (u16, u16)) -> Option<Verdict> {
        let runs = match self.run(flow, moment, protocol, head)? {
            Ok(runs) => runs,
            Err((egress, ingress)) => return Some(Verdict::new(egress, ingress)),
        };
        let mut sides = [passing(None), passing(None)];
        for (program, ran) in runs {
            let decided = match ran {
                Some(ran) if ran.fate == Fate::Accept => continue,
                Some(ran) => {
                    let logs = ran.trace.iter().rev().find_map(|place| logs_of(program, place.chain));
                    logs.map(|logs| (logs.direction, logs.reasons.clone()))
                }
                None => None,
            };
            let (direction, reasons) = decided.unwrap_or((Direction::Ingress, Vec::new()));
            let side = match direction {
                Direction::Egress => sides.first_mut(),
                Direction::Ingress => sides.last_mut(),
            };
            if let Some(side) = side {
                *side = Side { outcome: Outcome::Deny, reasons, ..passing(None) };
            }
        }
        let [egress, ingress] = sides;
        Some(Verdict::new(egress, ingress))
    }

    /// What the log says of a connection's first packet, node by node.
    #[must_use]
    pub fn logged(&self, flow: &Flow) -> Vec<&Logs> {
        let (protocol, head) = head(flow);
        let runs = self.run(flow, Moment::New, protocol, head).and_then(Result::ok).unwrap_or_default();
        let written = runs.into_iter().filter_map(|(program, ran)| Some((program, ran?.logs)));
        let meant = written.flat_map(|(program, logs)| logs.into_iter().map(move |log| (program, log)));
        meant.filter_map(|(program, log)| program.rules.get(&parse_prefix(&log.prefix)?.id)).collect()
    }

    /// Runs one packet of a connection wherever it is looked at; nothing stands for a run that does not end. If an end has
    /// no packets, both sides say why.
    fn run(
        &self,
        flow: &Flow,
        moment: Moment,
        protocol: u8,
        head: (u16, u16),
    ) -> Option<Result<Runs<'_>, (Side, Side)>> {
        let (from, to) = match (self.locate(&flow.from, flow.family), self.locate(&flow.to, flow.family)) {
            (Ok(from), Ok(to)) => (from, to),
            (from, to) => {
                let side = |end: Result<Located<'_>, Side>| end.err().unwrap_or_else(|| passing(None));
                return Some(Err((side(from), side(to))));
            }
        };
        let first = Packet::new(from.address, to.address, protocol, head.0, head.1);
        let mut runs = Vec::new();
        for (node, point) in stops(&from, &to) {
            let Some((program, machine)) = self.nodes.get(node) else { continue };
            let packet = at(first, moment, program)?;
            let point = if moment == Moment::Reply { against(point) } else { point };
            runs.push((program, machine.run(point, &packet, Chance::default()).ok()));
        }
        Some(Ok(runs))
    }

    /// Where an end's packets come from; the side that says why there are none.
    fn locate(&self, end: &Endpoint, family: Family) -> Result<Located<'_>, Side> {
        let nowhere = |reason| Side { outcome: Outcome::Deny, ..passing(Some(reason)) };
        match end {
            Endpoint::Pod(id) => {
                let pod = self.cluster.pod(*id).filter(|pod| !pod.finished);
                let pod = pod.ok_or_else(|| nowhere(Reason::NoEndpoint))?;
                let address = self.addresses(pod).iter().find(|address| Family::of(**address) == family);
                let address = *address.ok_or_else(|| nowhere(Reason::NoAddress(family)))?;
                Ok(Located { address, node: pod.node.as_ref(), is_pod: !pod.host_network })
            }
            Endpoint::Address(address) if Family::of(*address) != family => {
                Err(nowhere(Reason::NoAddress(family)))
            }
            Endpoint::Address(address) => {
                let node = self.cluster.node_of_address(*address).map(|node| &node.name);
                Ok(Located { address: *address, node, is_pod: false })
            }
            Endpoint::Name(name) => Err(Side {
                outcome: Outcome::Unknown,
                missing: vec![Missing::NameAddress(name.clone())],
                ..passing(None)
            }),
        }
    }

    fn addresses<'p>(&'p self, pod: &'p Pod) -> &'p [IpAddr] {
        let node = pod.node.as_ref().filter(|_| pod.host_network && pod.addresses.is_empty());
        let node = node.and_then(|name| self.cluster.node(name));
        node.map_or(&pod.addresses, |node| &node.addresses)
    }
}

impl Judge for Programs<'_> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        self.judge(flow, Moment::New).unwrap_or_else(|| Verdict::new(passing(None), passing(None)))
    }
}

fn passing(reason: Option<Reason>) -> Side {
    Side {
        outcome: Outcome::Allow,
        conditions: Vec::new(),
        missing: Vec::new(),
        reasons: reason.into_iter().collect(),
    }
}

/// The nodes and hooks that the connection's packets pass.
fn stops<'a>(from: &Located<'a>, to: &Located<'a>) -> Vec<Stop<'a>> {
    let mut stops = Vec::new();
    if let Some(node) = from.node {
        stops.push((
            node,
            match (from.is_pod, to.is_pod, to.node == Some(node)) {
                (false, ..) => HookPoint::Output,
                (true, false, true) => HookPoint::Input,
                (true, ..) => HookPoint::Forward,
            },
        ));
    }
    if let Some(node) = to.node {
        stops.push((
            node,
            match (to.is_pod, from.is_pod, from.node == Some(node)) {
                (false, ..) => HookPoint::Input,
                (true, false, true) => HookPoint::Output,
                (true, ..) => HookPoint::Forward,
            },
        ));
    }
    stops.dedup();
    stops
}

/// The flow's protocol, and its first packet's ports (or type and code, then the checksum) as two numbers.
fn head(flow: &Flow) -> (u8, (u16, u16)) {
    /// Where a client connects from.
    const CLIENT: u16 = 40_000;
    match flow.protocol {
        Protocol::Tcp => (TCP, (CLIENT, flow.port)),
        Protocol::Udp => (UDP, (CLIENT, flow.port)),
        Protocol::Sctp => (SCTP, (CLIENT, flow.port)),
        Protocol::Icmp => (ICMP, (flow.port << 8, 0)),
        Protocol::Icmpv6 => (ICMPV6, (flow.port << 8, 0)),
    }
}

/// The hook that replies pass on the same node.
fn against(point: HookPoint) -> HookPoint {
    match point {
        HookPoint::Input => HookPoint::Output,
        HookPoint::Output => HookPoint::Input,
        other => other,
    }
}

/// The connection's packet at a moment.
fn at(first: Packet, moment: Moment, program: &Program) -> Option<Packet> {
    // Any mark under the mask that is not the epoch.
    let lowest = program.mark_mask & program.mark_mask.wrapping_neg();
    let stale = if program.epoch_mark == lowest { lowest << 1 } else { lowest };
    match moment {
        Moment::New => Some(first),
        Moment::Later => {
            let state = state::ESTABLISHED;
            Some(first.tracked(Tracked::Connection { state, reply: false, mark: stale }))
        }
        Moment::Untracked => Some(first.tracked(Tracked::Untracked)),
        Moment::Reply => {
            let reply = first.reply(stale);
            let icmp = first.protocol == ICMP && first.source.is_ipv4()
                || first.protocol == ICMPV6 && first.source.is_ipv6();
            if !icmp {
                return Some(reply);
            }
            let [kind, ..] = first.transport?;
            let answer = match (first.protocol, kind) {
                (ICMP, 8) => 0,
                (ICMP, 13) => 14,
                (ICMP, 15) => 16,
                (ICMP, 17) => 18,
                (ICMPV6, 128) => 129,
                (ICMPV6, 139) => 140,
                _ => return None,
            };
            Some(Packet { transport: Some([answer, 0, 0, 0]), ..reply })
        }
    }
}

/// What the chain with this name logs.
fn logs_of<'p>(program: &'p Program, chain: &str) -> Option<&'p Logs> {
    let id = u32::from_str_radix(chain.strip_prefix("deny_")?, 16).ok()?;
    program.rules.get(&RuleId(id))
}
