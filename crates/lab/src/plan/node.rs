//! Nodes. In: those of the manifests and how many there should be. Out: nodes with addresses and pod networks of every family.

use std::collections::BTreeSet;

use ringfence_model::{IpNet, Text, address::Family, label::Labels, origin::Origin, workload::Node};

use super::{
    DEFAULT_NODES, Draft, NodePlace, Obstacle,
    address::{self, Purpose},
};

/// Invents the nodes that are missing and completes all of them.
pub(super) fn place(draft: &mut Draft<'_>, wanted: Option<usize>) -> Vec<NodePlace> {
    invent(draft, wanted);
    for family in draft.families.clone() {
        adopt_host_addresses(draft, family);
        give_addresses(draft, family);
        give_networks(draft, family);
    }
    let nodes: Vec<(Text, Vec<std::net::IpAddr>)> =
        draft.cluster.nodes.iter().map(|node| (node.name.clone(), node.addresses.clone())).collect();
    let place = |(name, addresses): (Text, Vec<std::net::IpAddr>)| {
        let earlier = draft.earlier.and_then(|earlier| earlier.nodes.iter().find(|node| node.name == name));
        let link = earlier.map_or_else(|| draft.links.link(), |node| node.link);
        NodePlace { name, addresses, link }
    };
    nodes.into_iter().map(place).collect()
}

/// Nodes that pods name and the input does not show, then as many as wanted.
fn invent(draft: &mut Draft<'_>, wanted: Option<usize>) {
    let mut known: BTreeSet<Text> = draft.cluster.nodes.iter().map(|node| node.name.clone()).collect();
    let mut new: BTreeSet<Text> = draft.cluster.pods.iter().filter_map(|pod| pod.node.clone()).collect();
    new.retain(|name| !known.contains(name));
    // Nodes of the earlier topology stay, so that pods stay where they are.
    for node in draft.earlier.into_iter().flat_map(|earlier| &earlier.nodes) {
        if !known.contains(&node.name) {
            new.insert(node.name.clone());
        }
    }
    known.extend(new.iter().cloned());
    let wanted = wanted.unwrap_or(if known.is_empty() { DEFAULT_NODES } else { 1 }).max(1);
    for number in 1.. {
        if known.len() >= wanted {
            break;
        }
        let name: Text = format!("node-{number}").into();
        if known.insert(name.clone()) {
            new.insert(name);
        }
    }
    let invented = new.into_iter().map(|name| Node {
        labels: Labels::from_iter([("kubernetes.io/hostname", &*name), ("kubernetes.io/os", "linux")]),
        name,
        addresses: Vec::new(),
        pod_cidrs: Vec::new(),
        origin: Origin::NONE,
    });
    draft.cluster.nodes.extend(invented);
    draft.cluster.nodes.sort_by(|a, b| a.name.cmp(&b.name));
}

/// A host-network pod's address is its node's: where the input gives only the pod's, the node has it.
fn adopt_host_addresses(draft: &mut Draft<'_>, family: Family) {
    let given: BTreeSet<(Text, std::net::IpAddr)> = (draft.cluster.pods.iter())
        .filter(|pod| pod.host_network && !pod.finished)
        .filter_map(|pod| pod.node.clone().map(|node| (node, pod)))
        .flat_map(|(node, pod)| pod.addresses.iter().map(move |address| (node.clone(), *address)))
        .filter(|(_, address)| Family::of(*address) == family)
        .collect();
    for (name, address) in given {
        let Some(node) = draft.cluster.nodes.iter_mut().find(|node| node.name == name) else { continue };
        if !node.addresses.contains(&address) {
            node.addresses.push(address);
            draft.book.take(address, || format!("the node `{name}`"));
        }
    }
}

/// An address of the family for each node that has none.
fn give_addresses(draft: &mut Draft<'_>, family: Family) {
    let lacking = |node: &Node| !node.addresses.iter().any(|address| Family::of(*address) == family);
    if !draft.cluster.nodes.iter().any(lacking) {
        return;
    }
    let net = address::network(draft, Purpose::Nodes, family);
    for at in 0..draft.cluster.nodes.len() {
        let Some(node) = draft.cluster.nodes.get(at).filter(|node| lacking(node)) else { continue };
        let name = node.name.clone();
        let owner = || format!("the node `{name}`");
        let kept = (draft.earlier.and_then(|earlier| earlier.nodes.iter().find(|known| known.name == name)))
            .and_then(|known| known.addresses.iter().find(|address| Family::of(**address) == family))
            .filter(|address| !draft.book.is_taken(**address))
            .copied();
        let found = match kept {
            Some(address) => {
                draft.book.take(address, owner);
                Some(address)
            }
            None => net.and_then(|net| address::free(draft, &net, &owner)),
        };
        match (found, draft.cluster.nodes.get_mut(at)) {
            (Some(address), Some(node)) => node.addresses.push(address),
            _ => {
                draft.book.obstacles.push(Obstacle::Exhausted { owner: owner(), family: family.as_str() });
            }
        }
    }
}

/// A pod network of the family for each node that has none, as large as its pods need. A stated network that is too small to
/// be cut up is left to all nodes together.
fn give_networks(draft: &mut Draft<'_>, family: Family) {
    let lacking = |node: &Node| !node.pod_cidrs.iter().any(|net| Family::of_net(net) == family);
    if !draft.cluster.nodes.iter().any(lacking) {
        return;
    }
    let stated = draft.cluster.pod_cidrs.iter().copied().find(|net| Family::of_net(net) == family);
    let Some(pool) = stated.or_else(|| address::network(draft, Purpose::Pods, family)) else { return };
    let length = match family {
        Family::V4 => {
            let a_node = draft.cluster.pods.len().div_ceil(draft.cluster.nodes.len().max(1)) + 8;
            let bits = a_node.next_power_of_two().trailing_zeros().clamp(8, 16);
            32 - u8::try_from(bits).unwrap_or(8)
        }
        Family::V6 => 64,
    };
    let Ok(subnets) = pool.subnets(length.max(pool.prefix_len())) else { return };
    let used: Vec<IpNet> = (draft.cluster.nodes.iter().flat_map(|node| &node.pod_cidrs).copied())
        .chain(
            draft
                .earlier
                .into_iter()
                .flat_map(|earlier| earlier.cluster.nodes.iter().flat_map(|node| node.pod_cidrs.clone())),
        )
        .collect();
    let mut free = subnets.filter(|net| !used.iter().any(|known| address::overlap(known, net)));
    let cut = length > pool.prefix_len();
    for node in draft.cluster.nodes.iter_mut().filter(|node| lacking(node)) {
        let kept = (draft.earlier.and_then(|earlier| earlier.cluster.node(&node.name)))
            .and_then(|known| known.pod_cidrs.iter().find(|net| Family::of_net(net) == family))
            .copied();
        let chosen = kept.or_else(|| if cut { free.next() } else { None });
        node.pod_cidrs.extend(chosen);
    }
}
