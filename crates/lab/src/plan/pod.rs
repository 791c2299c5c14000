//! Pods. In: those of the manifests. Out: each running one with a node, addresses and a link.

use std::{collections::BTreeMap, net::IpAddr};

use ringfence_model::{
    IpNet, Text,
    address::Family,
    workload::{Pod, PodId},
};

use super::{
    Draft, Link, NodePlace, Obstacle, PodKey, PodPlace,
    address::{self, Purpose},
    called,
};

/// Puts pods without a node on the nodes in turn and gives addresses to those without.
pub(super) fn place(draft: &mut Draft<'_>, nodes: &[NodePlace]) -> Vec<PodPlace> {
    let earlier: BTreeMap<PodKey, PodPlace> = (draft.earlier.into_iter())
        .flat_map(|earlier| earlier.pods.iter().map(|pod| (pod.key.clone(), pod.clone())))
        .collect();
    let mut places = Vec::new();
    let mut homes = Vec::new();
    let (mut turn, mut last): (usize, Option<PodKey>) = (0, None);
    for (at, pod) in draft.cluster.pods.iter().enumerate() {
        let ordinal = match &last {
            Some(last) if last.namespace == pod.namespace && last.name == pod.name => last.ordinal + 1,
            _ => 0,
        };
        let key = PodKey { namespace: pod.namespace.clone(), name: pod.name.clone(), ordinal };
        last = Some(key.clone());
        if pod.finished {
            continue;
        }
        let before = earlier.get(&key);
        let node_before =
            before.and_then(|place| draft.earlier.and_then(|earlier| earlier.nodes.get(place.node)));
        let wanted = pod.node.as_ref().or_else(|| node_before.map(|node| &node.name));
        let node =
            wanted.and_then(|name| nodes.iter().position(|node| node.name == *name)).unwrap_or_else(|| {
                turn += 1;
                (turn - 1) % nodes.len().max(1)
            });
        let id = PodId(u32::try_from(at).unwrap_or(u32::MAX));
        homes.push((id, key, node, pod.host_network));
    }
    // Addresses of before are taken first, so that no new pod gets one of them.
    let mut kept: BTreeMap<PodId, Vec<IpAddr>> = BTreeMap::new();
    for (id, key, _, host) in &homes {
        let Some(before) = earlier.get(key).filter(|before| !host && before.link.is_some()) else { continue };
        for address in &before.addresses {
            let Some(pod) = draft.cluster.pod(*id) else { continue };
            if needs(draft, pod, Family::of(*address)) && !draft.book.is_taken(*address) {
                draft.book.take(*address, || key.to_string());
                kept.entry(*id).or_default().push(*address);
            }
        }
    }
    for (id, key, node, host) in homes {
        let Some(home) = nodes.get(node) else { continue };
        let addresses = if host {
            home.addresses.clone()
        } else {
            complete(draft, id, home, &kept.remove(&id).unwrap_or_default())
        };
        let link = (!host).then(|| same_link(&earlier, &key, home, draft, &addresses));
        if let Some(pod) = draft.cluster.pods.get_mut(id.0 as usize) {
            pod.node = Some(home.name.clone());
            pod.addresses.clone_from(&addresses);
        }
        places.push(PodPlace { id, key, node, addresses, link });
    }
    places
}

/// The link of before, if nothing about the pod's place has changed.
fn same_link(
    earlier: &BTreeMap<PodKey, PodPlace>,
    key: &PodKey,
    home: &NodePlace,
    draft: &mut Draft<'_>,
    addresses: &[IpAddr],
) -> Link {
    let before = earlier.get(key).filter(|before| before.addresses == addresses);
    let node_before: Option<&Text> = before
        .and_then(|place| draft.earlier.and_then(|earlier| earlier.nodes.get(place.node)))
        .map(|node| &node.name);
    before
        .filter(|_| node_before == Some(&home.name))
        .and_then(|place| place.link)
        .unwrap_or_else(|| draft.links.link())
}

/// Whether the lab gives the pod an address of the family. What the input lists is taken as complete, unless both families
/// are asked for.
fn needs(draft: &Draft<'_>, pod: &Pod, family: Family) -> bool {
    let has = |family| pod.addresses.iter().any(|address| Family::of(*address) == family);
    (pod.addresses.is_empty() || draft.dual_stack) && !has(family)
}

/// The pod's addresses, the missing ones from its node's pod network (or from one for all if that is full or unknown).
fn complete(draft: &mut Draft<'_>, id: PodId, home: &NodePlace, kept: &[IpAddr]) -> Vec<IpAddr> {
    let Some(pod) = draft.cluster.pod(id).cloned() else { return Vec::new() };
    let mut addresses = pod.addresses.clone();
    addresses.extend(kept);
    for family in draft.families.clone() {
        if !needs(draft, &pod, family) || kept.iter().any(|address| Family::of(*address) == family) {
            continue;
        }
        let own = draft.cluster.node(&home.name).into_iter().flat_map(|node| &node.pod_cidrs).copied();
        let stated = draft.cluster.pod_cidrs.iter().copied();
        let nets: Vec<IpNet> = own.chain(stated).filter(|net| Family::of_net(net) == family).collect();
        let found = nets.iter().find_map(|net| address::free(draft, net, &|| called(&pod)));
        let found = found.or_else(|| {
            let spare = address::network(draft, Purpose::Pods, family)?;
            // From here on it is a pod network of the cluster, so that the next pod without room is put there too.
            draft.cluster.pod_cidrs.push(spare);
            address::free(draft, &spare, &|| called(&pod))
        });
        match found {
            Some(address) => addresses.push(address),
            None => {
                draft
                    .book
                    .obstacles
                    .push(Obstacle::Exhausted { owner: called(&pod), family: family.as_str() });
            }
        }
    }
    addresses
}
