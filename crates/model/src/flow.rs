//! A question to a judge: one connection. In: two ends, a protocol and a port. Out: a plain value.

use std::net::IpAddr;

use crate::{Text, address::Family, port::Protocol, workload::PodId};

/// One end of a connection, after DNAT: a Service is never an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod of the cluster.
    Pod(PodId),
    /// An address. If a node has it, the end is that node; it is not a pod's (a front end resolves those).
    Address(IpAddr),
    /// A DNS name outside the cluster, whose address is not known.
    Name(Text),
}

/// What is asked over the connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// An HTTP request.
    Http {
        /// `GET`.
        method: Text,
        /// `/path`.
        path: Text,
        /// The host asked for, if stated.
        host: Option<Text>,
        /// Headers, if stated: names and values.
        headers: Vec<(Text, Text)>,
    },
    /// A DNS question: the name asked for, lower case, without the final dot.
    Dns(Text),
}

/// One connection: its first packet, as seen at the pods (after DNAT).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who connects.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// The family of the packets. It matters where both ends could use either.
    pub family: Family,
    /// The protocol.
    pub protocol: Protocol,
    /// The destination port (the type, for ICMP).
    pub port: u16,
    /// What is asked, if the question is about layer 7.
    pub request: Option<Request>,
}
