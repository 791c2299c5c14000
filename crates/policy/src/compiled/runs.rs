//! Where rules can change their minds. In: rules. Out: the runs of ports, and the ranges of addresses, within which every
//! rule answers alike.

use std::{collections::BTreeSet, net::IpAddr};

use ringfence_model::{
    address::{Family, IpRange, IpSet, bits},
    cilium::Entity,
    port::{PortSpec, Protocol},
};

use super::{
    Compiled,
    matching::End,
    rule::{PeerMatch, Rule, RuleSet},
};

/// The runs of ports within which no rule changes its mind, from `lowest` to 65535. The outcome can change only where
/// one of the rules' port ranges starts or ends; `to` is the destination, whose ports named ports mean.
pub(super) fn runs_of<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    protocol: Protocol,
    to: &End<'_>,
    lowest: u16,
) -> Vec<(u16, u16)> {
    let mut starts = BTreeSet::from([u32::from(lowest)]);
    let mut add = |first: u16, last: u16| {
        starts.insert(u32::from(first.max(lowest)));
        starts.insert(u32::from(last) + 1);
    };
    for entry in rules.flat_map(|rule| &rule.ports).filter(|entry| entry.protocols.contains(protocol)) {
        match &entry.ports {
            PortSpec::All => {}
            PortSpec::Range(first, last) => add(*first, *last),
            PortSpec::Named(name) => {
                if let End::Pod(_, pod, _) = to {
                    pod.named_ports(name, protocol).for_each(|port| add(port, port));
                }
            }
        }
    }
    let starts: Vec<u16> = starts.into_iter().filter_map(|start| u16::try_from(start).ok()).collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    starts.iter().copied().zip(ends).collect()
}

/// The ranges of a family within which no rule of the set can tell addresses outside the cluster apart, and none of
/// which lies across the bounds of `more`. Together, they are the whole space.
pub(super) fn regions(compiled: &Compiled, set: &RuleSet, family: Family, more: &IpSet) -> Vec<IpRange> {
    let mut starts: BTreeSet<IpAddr> = BTreeSet::new();
    let whole: Vec<IpRange> = IpSet::family(family).ranges().collect();
    let Some(whole) = whole.first() else { return Vec::new() };
    starts.insert(whole.first);
    let mut add = |set: &IpSet| {
        for range in set.ranges().filter(|range| Family::of(range.first) == family) {
            starts.insert(range.first);
            starts.extend(after(range.last));
        }
    };
    add(more);
    for peer in set.rules().flat_map(|rule| rule.peers.iter().flatten()) {
        match &peer.what {
            PeerMatch::Block(block) | PeerMatch::World(block) => add(&block.addresses),
            PeerMatch::Services { addresses, .. } => add(addresses),
            PeerMatch::Entity(Entity::KubeApiserver) | PeerMatch::Reserved(_) => {
                compiled.facts.api_servers().into_iter().for_each(&mut add);
            }
            _ => {}
        }
    }
    let starts: Vec<IpAddr> = starts.into_iter().collect();
    let ends = starts.iter().skip(1).filter_map(|next| before(*next)).chain([whole.last]);
    starts.iter().copied().zip(ends).map(|(first, last)| IpRange { first, last }).collect()
}

/// The next address, if there is one.
pub(super) fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(_) => bits(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(1).map(|last| IpAddr::V4(last.into())),
        IpAddr::V6(_) => bits(address).checked_sub(1).map(|last| IpAddr::V6(last.into())),
    }
}
