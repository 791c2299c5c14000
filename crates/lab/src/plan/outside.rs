//! The host outside the cluster, which has every address that nothing else has. In: what policies and the caller mention.
//! Out: the addresses that are worth a packet, one for each way in which policies can look at an address, and addresses for
//! DNS names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{
    IpNet,
    address::{Family, IpSet},
};

use super::{
    Draft, Obstacle,
    address::{self, Purpose},
    mentioned::plain,
};

/// An outside address and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representative {
    /// The address.
    pub address: IpAddr,
    /// The mentioned network that it lies in, and in no smaller one; nothing if it lies in none, or the caller names it.
    pub within: Option<IpNet>,
}

/// The outside host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Its own addresses, one a family: the source of packets that choose none. No policy mentions them if that can be.
    pub own: Vec<IpAddr>,
    /// The addresses worth probing, sorted by family and network, those of the caller last; the own ones are among them.
    pub addresses: Vec<Representative>,
    /// Addresses that the caller named and that no packet can have, with the reason.
    pub unusable: Vec<(IpAddr, &'static str)>,
}

/// Finds the addresses, and gives one of each family to every name.
pub(super) fn place(
    draft: &mut Draft<'_>,
    extra: &[IpAddr],
    names: &[String],
) -> (Outside, BTreeMap<String, Vec<IpAddr>>) {
    let mut outside = Outside::default();
    let mut by_name: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    let wanted: BTreeSet<String> = names.iter().map(|name| plain(name)).chain(concrete(draft)).collect();
    for family in draft.families.clone() {
        let Some(net) = address::network(draft, Purpose::Outside, family) else { continue };
        let give = |draft: &mut Draft<'_>, owner: &str, before: Option<&Vec<IpAddr>>| {
            let kept = before.and_then(|known| known.iter().find(|address| Family::of(**address) == family));
            if let Some(address) = kept.filter(|address| !draft.book.is_taken(**address)) {
                draft.book.take(*address, || owner.to_owned());
                return Some(*address);
            }
            let found = address::free(draft, &net, &|| owner.to_owned());
            if found.is_none() {
                draft
                    .book
                    .obstacles
                    .push(Obstacle::Exhausted { owner: owner.to_owned(), family: family.as_str() });
            }
            found
        };
        let earlier = draft.earlier;
        outside.own.extend(give(draft, "the outside host", earlier.map(|earlier| &earlier.outside.own)));
        // Names of before first: a new one must not get the address of an old one.
        let before = |name: &String| earlier.and_then(|earlier| earlier.names.get(name));
        let (old, new): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|name| before(name).is_some());
        for name in old.into_iter().chain(new) {
            by_name.entry(name.clone()).or_default().extend(give(draft, &format!("`{name}`"), before(name)));
        }
    }
    outside
        .addresses
        .extend(outside.own.iter().map(|address| Representative { address: *address, within: None }));
    let regions: Vec<Representative> =
        draft.mentioned.nets.iter().filter_map(|net| representative(draft, net)).collect();
    outside.addresses.extend(regions);
    for address in extra {
        let known = outside.addresses.iter().any(|known| known.address == *address);
        let own = draft.book.is_taken(*address) && !outside.own.contains(address);
        if let Some(why) = address::unusable(*address) {
            outside.unusable.push((*address, why));
        } else if !draft.families.contains(&Family::of(*address)) {
            outside.unusable.push((*address, "of a family that the cluster does not have"));
        } else if !known && !own {
            outside.addresses.push(Representative { address: *address, within: None });
        }
    }
    (outside, by_name)
}

/// The first address of a mentioned network that is in no smaller one and that nothing in the lab has. The networks are nested
/// or apart, so these parts are all that policies can tell apart.
fn representative(draft: &Draft<'_>, net: &IpNet) -> Option<Representative> {
    if !draft.families.contains(&Family::of_net(net)) {
        return None;
    }
    let inside = |known: &&IpNet| known.prefix_len() > net.prefix_len() && net.contains(*known);
    let part =
        IpSet::block(net, &[]).difference(&IpSet::from_nets(draft.mentioned.nets.iter().filter(inside)));
    // Public addresses first: a private one in 0.0.0.0/0 may look as if it were a pod's.
    let internet = draft.cluster.internet(Family::of_net(net));
    let choices = [part.intersection(&internet), part.difference(&draft.cluster.pod_networks()), part];
    choices
        .iter()
        .find_map(|set| free_in(draft, set))
        .map(|address| Representative { address, within: Some(*net) })
}

/// The first usable address of a set that nothing in the lab has; the first of a range only if the range has no second, as it
/// looks like a network's own.
fn free_in(draft: &Draft<'_>, set: &IpSet) -> Option<IpAddr> {
    /// Ranges are searched this far: what is taken or unusable comes in runs, and a run longer than that is a whole block.
    const SEARCHED: u128 = 1024;
    let usable = |address: &IpAddr| address::unusable(*address).is_none() && !draft.book.is_taken(*address);
    set.ranges().find_map(|range| {
        let family = Family::of(range.first);
        let (first, last) =
            (ringfence_model::address::bits(range.first), ringfence_model::address::bits(range.last));
        let start = if first < last { first + 1 } else { first };
        let mut numbers = start..=last.min(start.saturating_add(SEARCHED));
        numbers
            .find_map(|number| Some(address::of_bits(family, number)).filter(usable))
            .or_else(|| Some(range.first).filter(usable))
    })
}

/// The names that policies mention; a pattern stands for one name below it.
fn concrete(draft: &Draft<'_>) -> Vec<String> {
    draft.mentioned.names.iter().map(|name| name.replace("**", "*").replace('*', "any")).collect()
}
