//! Smaller cases that still fail. In: a cluster, a flow and a test. Out: a cluster and flow of which nothing more can
//! be taken away.

use super::visit::{labels, selectors};
use ringfence_model::{
    cilium::{CiliumPeer, CiliumRule},
    cluster::Cluster,
    flow::{Endpoint, Flow, Request},
    label::Labels,
    network_policy::{NetworkPeer, NetworkRule},
    profile::Profile,
    tier::TierRule,
    workload::{NAMESPACE_NAME_LABEL, PodId, WorkloadId},
};

/// Takes things away, greedily, while `still_fails` holds: policies, rules, peers, ports, pods, namespaces, labels.
#[must_use]
pub fn shrink(
    mut cluster: Cluster,
    mut flow: Flow,
    still_fails: impl Fn(&Cluster, &Flow) -> bool,
) -> (Cluster, Flow) {
    let still_fails = |cluster: &Cluster, flow: &Flow| decodable(cluster) && still_fails(cluster, flow);
    loop {
        let mut smaller = false;
        // What comes earlier takes more away.
        smaller |= drop_pods(&mut cluster, &mut flow, &still_fails);
        let flow_now = flow.clone();
        let holds = |cluster: &Cluster| still_fails(cluster, &flow_now);
        smaller |= drop_items(&mut cluster, &holds);
        smaller |= drop_from_policies(&mut cluster, &holds);
        smaller |= simplify_selectors(&mut cluster, &holds);
        smaller |= simplify_world(&mut cluster, &holds);
        if flow.request.is_some() {
            let plain = Flow { request: None, ..flow.clone() };
            if still_fails(&cluster, &plain) {
                flow = plain;
                smaller = true;
            }
        }
        if let Some(Request::Http { headers, .. }) = &flow.request
            && !headers.is_empty()
        {
            let mut plain = flow.clone();
            if let Some(Request::Http { headers, .. }) = &mut plain.request {
                headers.clear();
            }
            if still_fails(&cluster, &plain) {
                flow = plain;
                smaller = true;
            }
        }
        if !smaller {
            return (cluster, flow);
        }
    }
}

/// Whether manifests can say it: a Cilium rule that says nothing at all is for nobody, not for everybody, and the
/// selector of a workload may not be empty.
fn decodable(cluster: &Cluster) -> bool {
    let mut rules = (cluster.cilium_policies.iter().flat_map(|policy| &policy.specs))
        .flat_map(|spec| [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny])
        .flatten();
    rules.all(|rule| rule.peers.is_some() || !rule.ports.is_empty() || !rule.icmps.is_empty())
        && !cluster.pods.iter().any(|pod| pod.stand_in && pod.labels.is_empty())
}

/// Tries to take each item out of a list that `list` finds in the cluster: all, then halves, then one by one.
fn thin<T: Clone>(
    cluster: &mut Cluster,
    still_fails: &impl Fn(&Cluster) -> bool,
    list: impl Fn(&mut Cluster) -> Option<&mut Vec<T>>,
) -> bool {
    let mut smaller = false;
    let Some(count) = list(cluster).map(|items| items.len()) else { return false };
    let mut step = count;
    while step > 0 {
        let mut at = 0;
        loop {
            let mut candidate = cluster.clone();
            let Some(items) = list(&mut candidate) else { break };
            if at >= items.len() {
                break;
            }
            let to = (at + step).min(items.len());
            items.drain(at..to);
            if still_fails(&candidate) {
                *cluster = candidate;
                smaller = true;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    smaller
}

/// Tries one change.
fn attempt(
    cluster: &mut Cluster,
    still_fails: &impl Fn(&Cluster) -> bool,
    change: impl FnOnce(&mut Cluster) -> bool,
) -> bool {
    let mut candidate = cluster.clone();
    if change(&mut candidate) && still_fails(&candidate) {
        *cluster = candidate;
        return true;
    }
    false
}

fn drop_items(cluster: &mut Cluster, holds: &impl Fn(&Cluster) -> bool) -> bool {
    let mut smaller = false;
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.network_policies));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.tier_policies));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.cilium_policies));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.services));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.endpoint_slices));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.nodes));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.pod_cidrs));
    smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.service_cidrs));
    smaller
}

/// Takes out pods that the flow does not speak of, with workloads that are then empty.
fn drop_pods(cluster: &mut Cluster, flow: &mut Flow, still_fails: &impl Fn(&Cluster, &Flow) -> bool) -> bool {
    let mut smaller = false;
    for number in (0..cluster.pods.len()).rev() {
        let Ok(id) = u32::try_from(number).map(PodId) else { continue };
        if [&flow.from, &flow.to].contains(&&Endpoint::Pod(id)) {
            continue;
        }
        let (mut candidate, mut moved) = (cluster.clone(), flow.clone());
        remove_pod(&mut candidate, id);
        for end in [&mut moved.from, &mut moved.to] {
            if let Endpoint::Pod(pod) = end
                && pod.0 > id.0
            {
                pod.0 -= 1;
            }
        }
        if still_fails(&candidate, &moved) {
            (*cluster, *flow) = (candidate, moved);
            smaller = true;
        }
    }
    let used: Vec<_> = cluster.pods.iter().map(|pod| pod.namespace.clone()).collect();
    let flow = flow.clone();
    for name in cluster.namespaces.iter().map(|namespace| namespace.name.clone()).collect::<Vec<_>>() {
        if !used.contains(&name) {
            smaller |= attempt(cluster, &|cluster| still_fails(cluster, &flow), |cluster| {
                cluster.namespaces.retain(|namespace| namespace.name != name);
                cluster.network_policies.retain(|policy| policy.meta.namespace.as_ref() != Some(&name));
                cluster.cilium_policies.retain(|policy| policy.meta.namespace.as_ref() != Some(&name));
                cluster.services.retain(|service| service.namespace != name);
                cluster.endpoint_slices.retain(|slice| slice.namespace != name);
                true
            });
        }
    }
    smaller
}

fn remove_pod(cluster: &mut Cluster, id: PodId) {
    let at = id.0 as usize;
    if at >= cluster.pods.len() {
        return;
    }
    let workload = cluster.pods.remove(at).workload;
    for owner in &mut cluster.workloads {
        owner.pods.retain(|pod| *pod != id);
        for pod in &mut owner.pods {
            if pod.0 > id.0 {
                pod.0 -= 1;
            }
        }
    }
    if cluster.workload(workload).is_some_and(|owner| owner.pods.is_empty()) {
        cluster.workloads.remove(workload.0 as usize);
        for pod in &mut cluster.pods {
            if pod.workload.0 > workload.0 {
                pod.workload = WorkloadId(pod.workload.0 - 1);
            }
        }
    }
}

fn drop_from_policies(cluster: &mut Cluster, holds: &impl Fn(&Cluster) -> bool) -> bool {
    let mut smaller = false;
    for at in 0..cluster.network_policies.len() {
        for egress in [false, true] {
            smaller |= thin(cluster, holds, |cluster| rules_of_network(cluster, at, egress));
            for rule in 0..rules_of_network(cluster, at, egress).map_or(0, |rules| rules.len()) {
                smaller |= thin(cluster, holds, |cluster| {
                    Some(&mut rules_of_network(cluster, at, egress)?.get_mut(rule)?.peers)
                });
                smaller |= thin(cluster, holds, |cluster| {
                    Some(&mut rules_of_network(cluster, at, egress)?.get_mut(rule)?.ports)
                });
                let peers = rules_of_network(cluster, at, egress)
                    .and_then(|rules| rules.get(rule).map(|rule| rule.peers.len()))
                    .unwrap_or(0);
                for peer in 0..peers {
                    smaller |= thin(cluster, holds, |cluster| {
                        let rule = rules_of_network(cluster, at, egress)?.get_mut(rule)?;
                        match rule.peers.get_mut(peer)? {
                            NetworkPeer::IpBlock { except, .. } => Some(except),
                            NetworkPeer::Pods { .. } => None,
                        }
                    });
                }
            }
        }
    }
    for at in 0..cluster.tier_policies.len() {
        for egress in [false, true] {
            smaller |= thin(cluster, holds, |cluster| rules_of_tier(cluster, at, egress));
            for rule in 0..rules_of_tier(cluster, at, egress).map_or(0, |rules| rules.len()) {
                smaller |= thin(cluster, holds, |cluster| {
                    Some(&mut rules_of_tier(cluster, at, egress)?.get_mut(rule)?.ports)
                });
                let peers = rules_of_tier(cluster, at, egress)
                    .and_then(|rules| rules.get(rule).map(|rule| rule.peers.len()))
                    .unwrap_or(0);
                for peer in (0..peers).rev() {
                    smaller |= attempt(cluster, holds, |cluster| {
                        let rule = rules_of_tier(cluster, at, egress).and_then(|rules| rules.get_mut(rule));
                        // The API asks for at least one peer.
                        rule.is_some_and(|rule| {
                            rule.peers.len() > 1 && peer < rule.peers.len() && {
                                rule.peers.remove(peer);
                                true
                            }
                        })
                    });
                }
            }
        }
    }
    for at in 0..cluster.cilium_policies.len() {
        smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.cilium_policies.get_mut(at)?.specs));
        for spec in 0..cluster.cilium_policies.get(at).map_or(0, |policy| policy.specs.len()) {
            for list in 0..4 {
                smaller |= thin(cluster, holds, |cluster| rules_of_cilium(cluster, at, spec, list));
                for rule in 0..rules_of_cilium(cluster, at, spec, list).map_or(0, |rules| rules.len()) {
                    let find = [at, spec, list, rule];
                    smaller |= thin(cluster, holds, |cluster| cilium_rule(cluster, find)?.peers.as_mut());
                    smaller |=
                        thin(cluster, holds, |cluster| Some(&mut cilium_rule(cluster, find)?.requires));
                    smaller |= thin(cluster, holds, |cluster| Some(&mut cilium_rule(cluster, find)?.ports));
                    smaller |= thin(cluster, holds, |cluster| Some(&mut cilium_rule(cluster, find)?.icmps));
                    let ports = cilium_rule(cluster, find).map_or(0, |rule| rule.ports.len());
                    for port in 0..ports {
                        smaller |= thin(cluster, holds, |cluster| {
                            Some(&mut cilium_rule(cluster, find)?.ports.get_mut(port)?.ports)
                        });
                        smaller |= thin(cluster, holds, |cluster| {
                            Some(&mut cilium_rule(cluster, find)?.ports.get_mut(port)?.l7)
                        });
                    }
                    let peers =
                        cilium_rule(cluster, find).map_or(0, |rule| rule.peers.as_ref().map_or(0, Vec::len));
                    for peer in 0..peers {
                        smaller |= thin(cluster, holds, |cluster| {
                            match cilium_rule(cluster, find)?.peers.as_mut()?.get_mut(peer)? {
                                CiliumPeer::Cidr { except, .. } => Some(except),
                                _ => None,
                            }
                        });
                    }
                }
            }
        }
    }
    smaller
}

fn rules_of_network(cluster: &mut Cluster, at: usize, egress: bool) -> Option<&mut Vec<NetworkRule>> {
    let policy = cluster.network_policies.get_mut(at)?;
    Some(if egress { &mut policy.egress } else { &mut policy.ingress })
}

fn rules_of_tier(cluster: &mut Cluster, at: usize, egress: bool) -> Option<&mut Vec<TierRule>> {
    let policy = cluster.tier_policies.get_mut(at)?;
    Some(if egress { &mut policy.egress } else { &mut policy.ingress })
}

fn rules_of_cilium(
    cluster: &mut Cluster,
    at: usize,
    spec: usize,
    list: usize,
) -> Option<&mut Vec<CiliumRule>> {
    let spec = cluster.cilium_policies.get_mut(at)?.specs.get_mut(spec)?;
    Some(match list {
        0 => &mut spec.ingress,
        1 => &mut spec.ingress_deny,
        2 => &mut spec.egress,
        _ => &mut spec.egress_deny,
    })
}

fn cilium_rule(cluster: &mut Cluster, [at, spec, list, rule]: [usize; 4]) -> Option<&mut CiliumRule> {
    rules_of_cilium(cluster, at, spec, list)?.get_mut(rule)
}

/// Takes requirements out of selectors, in every place that has one.
fn simplify_selectors(cluster: &mut Cluster, holds: &impl Fn(&Cluster) -> bool) -> bool {
    let mut smaller = false;
    for at in 0..selectors(cluster).len() {
        smaller |= thin(cluster, holds, |cluster| {
            selectors(cluster).into_iter().nth(at).map(|selector| &mut selector.requirements)
        });
    }
    smaller
}

/// Takes labels, ports, addresses and the like from what runs.
fn simplify_world(cluster: &mut Cluster, holds: &impl Fn(&Cluster) -> bool) -> bool {
    let mut smaller = attempt(cluster, holds, |cluster| {
        let other = cluster.profile != Profile::UPSTREAM;
        cluster.profile = Profile::UPSTREAM;
        other
    });
    for at in 0..cluster.pods.len() {
        smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.pods.get_mut(at)?.ports));
        smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.pods.get_mut(at)?.addresses));
        smaller |= attempt(cluster, holds, |cluster| {
            cluster.pods.get_mut(at).is_some_and(|pod| pod.node.take().is_some())
        });
    }
    for at in 0..cluster.nodes.len() {
        smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.nodes.get_mut(at)?.addresses));
        smaller |= thin(cluster, holds, |cluster| Some(&mut cluster.nodes.get_mut(at)?.pod_cidrs));
    }
    let count = labels(cluster).len();
    for at in 0..count {
        let keys: Vec<_> = labels(cluster)
            .get(at)
            .map(|labels| labels.iter().map(|(key, _)| key.clone()).collect())
            .unwrap_or_default();
        for key in keys {
            if &*key == NAMESPACE_NAME_LABEL {
                continue;
            }
            smaller |= attempt(cluster, holds, |cluster| {
                let mut all = labels(cluster);
                let Some(labels) = all.get_mut(at) else { return false };
                let kept: Labels = labels.iter().filter(|(known, _)| **known != key).map(owned).collect();
                **labels = kept;
                true
            });
        }
    }
    smaller
}

fn owned<A: Clone, B: Clone>((key, value): (&A, &B)) -> (A, B) {
    (key.clone(), value.clone())
}
