//! What is said over a lab's socket. In: plain values. Out: JSON, one object a line.

use ringfence_model::{
    observed::{FlowRecord, Seen},
    origin::Sources,
};
use serde::{Deserialize, Serialize};

use crate::run::words::decided;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Which pods there are.
    List,
    /// How to enter a pod. The connection stays open; its end is the lab's.
    Enter {
        /// The name, as people write it.
        pod: String,
    },
    /// What the nodes logged so far.
    Flows {
        /// And what they log from now on.
        follow: bool,
    },
}

/// What a lab answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// To [`Request::List`].
    Lab(LabFacts),
    /// To [`Request::Enter`].
    Enter(Door),
    /// To [`Request::Flows`], one for each record.
    Flow(Box<FlowFacts>),
    /// Flows that a slow client missed.
    Missed(u64),
    /// No flows follow.
    End,
    /// A request that cannot be met.
    Error {
        /// Why.
        message: String,
        /// What to do next.
        help: Option<String>,
    },
}

/// A lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabFacts {
    /// Its process.
    pub pid: u32,
    /// Its pods.
    pub pods: Vec<PodFacts>,
}

/// A pod of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodFacts {
    /// `namespace/name`, with `#2` and so on for further stand-ins of a workload.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// How to enter a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The lab's process: its user namespace is `/proc/PID/ns/user`.
    pub pid: u32,
    /// The network namespace is `/proc/PID/fd/` with this number.
    pub network_fd: i32,
    /// The full name of what is entered.
    pub name: String,
    /// What `/etc/resolv.conf` says there.
    pub resolv_conf: String,
    /// Who answers probes: the numbers of listeners with the names of their pods.
    pub listeners: Vec<(u32, String)>,
}

/// One record of a node's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowFacts {
    /// When, in seconds since the beginning of 1970.
    pub time: f64,
    /// The node.
    pub node: String,
    /// `denied`, `allowed` or `would-deny`.
    pub verdict: String,
    /// `egress` or `ingress`.
    pub direction: String,
    /// Where the packet came from.
    pub from: FlowEnd,
    /// Where it went to.
    pub to: FlowEnd,
    /// `TCP`, or the number of a protocol without a name here.
    pub protocol: String,
    /// What decided, in words.
    pub rule: String,
    /// Where that is written, `file:line` each.
    pub places: Vec<String>,
}

/// An end of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowEnd {
    /// The pod or node, or the address if nothing of the cluster has it.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl FlowFacts {
    /// A record of a node's log, with the texts that its rules come from.
    #[must_use]
    pub fn of(node: &str, record: &FlowRecord, sources: &Sources) -> Self {
        let (mut rule, places) = decided(&record.reasons, sources);
        if rule.is_empty() {
            rule = record.policy.to_string();
        }
        Self {
            time: record.time.as_secs_f64(),
            node: node.to_owned(),
            verdict: record.treatment.as_str().to_owned(),
            direction: record.direction.as_str().to_owned(),
            from: end(&record.source),
            to: end(&record.destination),
            protocol: record.protocol.map_or_else(|| "?".to_owned(), protocol),
            rule,
            places,
        }
    }
}

fn end(seen: &Seen) -> FlowEnd {
    let address = seen.address.to_string();
    let name = seen.party.as_ref().map_or_else(|| address.clone(), ToString::to_string);
    FlowEnd { name, address, port: seen.port }
}

/// By the numbers of the IANA's registry.
fn protocol(number: u8) -> String {
    match number {
        1 => "ICMP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        58 => "ICMPv6".to_owned(),
        132 => "SCTP".to_owned(),
        other => other.to_string(),
    }
}
