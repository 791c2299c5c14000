//! Connections from ends that the input need not hold: the API server, clients outside, an ingress controller. In: pods and a
//! port. Out: a sample if nothing of the kind can get in, whatever its address or labels.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_model::{
    address::Family,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::{Direction, Outcome},
    workload::PodId,
};

use super::{
    openings::{Opening, Policies},
    passage::{Cut, different, flow},
    targets::Targets,
};
use crate::context::Context;

/// An address that nobody has (RFC 5737).
const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 253));
/// An address that nobody has (RFC 3849).
const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfdfd));

/// An address outside that nobody has.
pub(super) fn nobody(family: Family) -> IpAddr {
    if family == Family::V4 { NOBODY_V4 } else { NOBODY_V6 }
}

/// A sample if all of the pods are isolated, no rule is for anybody that `may` accepts, and the engine denies somebody unknown.
pub(super) fn nobody_gets_in(
    context: &Context<'_>,
    policies: &Policies<'_>,
    targets: &Targets,
    may: impl Fn(&Opening<'_>) -> bool,
) -> Option<Cut> {
    let mut sample = None;
    for (pod, port) in different(context.cluster, targets.pods.clone(), |(id, _)| *id) {
        let asked = Some((targets.protocol, port));
        if policies.isolating(pod, Direction::Ingress).is_empty()
            || policies.openings(pod, Direction::Ingress, asked).iter().any(&may)
        {
            return None;
        }
        for family in context.facts().families.iter().copied() {
            let cut = from_address(context, nobody(family), pod, targets.protocol, port)?;
            sample.get_or_insert(cut);
        }
    }
    sample
}

/// A sample if none of the addresses gets in.
pub(super) fn none_gets_in(context: &Context<'_>, addresses: &[IpAddr], targets: &Targets) -> Option<Cut> {
    let mut sample = None;
    for (pod, port) in &targets.pods {
        for address in addresses {
            let cut = from_address(context, *address, *pod, targets.protocol, *port)?;
            sample.get_or_insert(cut);
        }
    }
    sample
}

fn from_address(
    context: &Context<'_>,
    from: IpAddr,
    to: PodId,
    protocol: Protocol,
    port: u16,
) -> Option<Cut> {
    let flow: Flow = flow(Endpoint::Address(from), Endpoint::Pod(to), Family::of(from), protocol, port);
    if context.compiled.outcome(&flow) != Outcome::Deny {
        return None;
    }
    Some(Cut::of(context.compiled, flow))
}
