//! What pods may open to the addresses outside the cluster. In: pods. Out: whether the engine lets them.

use ringfence_model::{
    address::{Family, IpSet},
    port::Protocol,
    verdict::Direction,
    workload::PodId,
};

use crate::context::Context;

/// How much of a set of addresses a pod may open a port to (egress), or they to it (ingress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    None,
    Some,
    All,
}

/// The share of some addresses for a pod, a protocol and a port.
pub(super) fn share(
    context: &Context<'_>,
    pod: PodId,
    direction: Direction,
    (protocol, port): (Protocol, u16),
    addresses: &IpSet,
) -> Share {
    let reach = context.reach();
    let Some(cell) = reach.cell_of(pod) else { return Share::None };
    let open = reach.external(cell, direction).into_iter().filter(|(_, permit)| {
        permit.allowed.iter().any(|(own, ports)| *own == protocol && ports.contains(port))
    });
    let open = open.fold(IpSet::empty(), |all, (set, _)| all.union(&set)).intersection(addresses);
    if open.is_empty() {
        Share::None
    } else if open == *addresses {
        Share::All
    } else {
        Share::Some
    }
}

/// The public addresses of both families.
pub(super) fn internet(context: &Context<'_>) -> IpSet {
    Family::BOTH.iter().fold(IpSet::empty(), |all, family| all.union(context.internet(*family)))
}
