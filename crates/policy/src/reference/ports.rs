//! Ports of rules, the same for every dialect. In: one entry of a list of ports. Out: whether the flow's protocol and
//! destination port are in it.

use ringfence_model::port::{PortMatch, PortSpec, Protocol};

use super::matching::Context;

/// Whether a list of ports covers the flow. An empty one covers every port of every protocol, ICMP too.
/// `end_port` is false where the CNI takes only the first port of a range.
pub(super) fn covered(context: &Context<'_>, entries: &[PortMatch], end_port: bool) -> bool {
    entries.is_empty() || entries.iter().any(|entry| entry_covers(context, entry, end_port))
}

fn entry_covers(context: &Context<'_>, entry: &PortMatch, end_port: bool) -> bool {
    let (protocol, port) = (context.flow.protocol, context.flow.port);
    let protocol_agrees = match entry.protocol {
        Some(named) => named == protocol,
        None => Protocol::WITH_PORTS.contains(&protocol),
    };
    protocol_agrees
        && match &entry.ports {
            PortSpec::All => true,
            PortSpec::Range(first, last) => {
                let last = if end_port { last } else { first };
                (*first..=*last).contains(&port)
            }
            // Each destination pod resolves the name by its own container ports.
            PortSpec::Named(name) => (context.destination())
                .is_some_and(|pod| pod.named_ports(name, protocol).any(|number| number == port)),
        }
}
