//! Which policies would have to be added. In: the sides of a question's parts that deny. Out: policies that allow them, and
//! what no new policy can do.

use std::{collections::BTreeSet, sync::Arc};

use ringfence_model::{
    IpNet, Text,
    address::{Family, private},
    cluster::Cluster,
    label::Labels,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSet, PortSpec, Protocol},
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::{Direction, Outcome, Reason, RuleRef, Side},
    workload::{PodId, WorkloadId},
};

use super::{labels, tier};
use crate::question::{
    Part, Place, Question,
    name::{End, full_name},
};

/// Names of policies are cut to so many characters; the API server takes 253.
const LONGEST_NAME: usize = 200;

/// A policy that is tried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addition {
    Network(NetworkPolicy),
    Tier(TierPolicy),
}

/// What is to be added, as far as it is known.
pub(super) struct Plan<'a> {
    question: &'a Question,
    cluster: &'a Cluster,
    pub(super) additions: Vec<(Addition, String)>,
    pub(super) notes: Vec<String>,
    /// Whether something is in the way that no new policy can move.
    pub(super) stuck: bool,
}

/// One side of a part that denies.
struct Denied<'a> {
    direction: Direction,
    /// The pods at which it is denied.
    subjects: &'a [PodId],
    /// The other end.
    other: &'a Place,
    /// What the other end is in the question.
    asked: &'a End,
    ports: Vec<PortMatch>,
}

impl<'a> Plan<'a> {
    /// A plan for a question, empty yet.
    pub(super) fn new(question: &'a Question, cluster: &'a Cluster) -> Self {
        Self { question, cluster, additions: Vec::new(), notes: Vec::new(), stuck: false }
    }

    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Says why no new policy helps.
    fn give_up(&mut self, why: String) {
        self.stuck = true;
        self.note(why);
    }

    pub(super) fn side(&mut self, part: &Part, direction: Direction, side: &Side) {
        if side.outcome != Outcome::Deny {
            return;
        }
        let (subject, other, asked) = match direction {
            Direction::Egress => (&part.from, &part.to, &self.question.to.end),
            Direction::Ingress => (&part.to, &part.from, &self.question.from.end),
        };
        let Place::Pods(subjects) = subject else { return };
        let Some(ports) = port_matches(&part.ports) else {
            return self.give_up(
                "NetworkPolicy has no way to name ICMP: a rule without `ports` would open everything"
                    .to_owned(),
            );
        };
        let denied = Denied { direction, subjects, other, asked, ports };
        let deny = side.rules().find(|rule| rule.action == Action::Deny);
        match deny {
            Some(rule) => self.against_rule(&denied, rule),
            None if side.reasons.iter().any(|reason| matches!(reason, Reason::Isolated(_))) => {
                self.allow(&denied);
            }
            None => self.give_up("no policy denies this, so none can allow it".to_owned()),
        }
    }

    /// A new NetworkPolicy for every workload of the subjects.
    fn allow(&mut self, denied: &Denied<'_>) {
        for workload in workloads(self.cluster, denied.subjects) {
            let Some((namespace, subject)) = self.selector(workload) else { return };
            let Some(peers) = self.network_peers(denied, &namespace) else { return };
            let rule = NetworkRule { peers, ports: denied.ports.clone(), origin: Origin::NONE };
            let is_egress = denied.direction == Direction::Egress;
            let (name, purpose) = self.name(workload, denied);
            let taken = |name: &str| {
                let of_cluster = self.cluster.network_policies.iter().map(|policy| &policy.meta);
                let planned = self.additions.iter().filter_map(|(addition, _)| match addition {
                    Addition::Network(policy) => Some(&policy.meta),
                    Addition::Tier(_) => None,
                });
                of_cluster
                    .chain(planned)
                    .any(|meta| meta.namespace.as_ref() == Some(&namespace) && *meta.name == *name)
            };
            let mut policy = NetworkPolicy {
                meta: meta(PolicyKind::NetworkPolicy, Some(namespace.clone()), &name),
                subject,
                isolates_ingress: !is_egress,
                isolates_egress: is_egress,
                ingress: Vec::new(),
                egress: Vec::new(),
            };
            if is_egress {
                policy.egress.push(rule);
            } else {
                policy.ingress.push(rule);
            }
            if self.has(&Addition::Network(policy.clone())) {
                continue;
            }
            if taken(&name) {
                policy.meta =
                    meta(PolicyKind::NetworkPolicy, Some(namespace.clone()), &free_name(&name, taken));
            }
            self.additions.push((Addition::Network(policy), purpose));
        }
    }

    fn has(&self, addition: &Addition) -> bool {
        self.additions.iter().any(|(known, _)| known == addition)
    }

    /// A rule that denies outright: only a rule before it can let the connection through.
    fn against_rule(&mut self, denied: &Denied<'_>, rule: &RuleRef) {
        let place =
            self.cluster.sources.place(rule.origin).map(|place| format!(" ({place})")).unwrap_or_default();
        let name = format!("{} `{}`", rule.policy.kind.as_str(), rule.policy.full_name());
        let which =
            format!("{} rule {} of {name}{place}", rule.direction.as_str(), u64::from(rule.index) + 1);
        let Some(policy) = tier::find(self.cluster, &rule.policy) else {
            return self.give_up(format!("a Cilium deny rule wins over every allow rule: change {which}"));
        };
        match policy.tier {
            Tier::Admin => self.note(format!("{which} denies this in the Admin tier: no NetworkPolicy can open it")),
            Tier::Baseline => self.note(format!(
                "{which} denies this in the Baseline tier; a NetworkPolicy for the pod would replace the whole tier for it, so a rule before that one is the smaller change"
            )),
        }
        if policy.meta.kind == PolicyKind::BaselineAdminNetworkPolicy {
            return self.give_up(format!(
                "there is one BaselineAdminNetworkPolicy only: put an Allow rule before {which}"
            ));
        }
        let used: BTreeSet<i32> = self
            .cluster
            .tier_policies
            .iter()
            .filter(|known| known.tier == policy.tier)
            .map(|p| p.priority)
            .collect();
        let Some(priority) = (0..policy.priority).rev().find(|priority| !used.contains(priority)) else {
            return self.give_up(format!(
                "no priority before {} is free: put an Accept rule before {which}",
                policy.priority
            ));
        };
        let (kind, tier) = (policy.meta.kind, policy.tier);
        for workload in workloads(self.cluster, denied.subjects) {
            let Some((namespace, pod)) = self.selector(workload) else { return };
            let Some(peers) = self.tier_peers(denied) else { return };
            let (name, purpose) = self.name(workload, denied);
            let name = format!("{namespace}-{name}");
            let taken =
                |name: &str| self.cluster.tier_policies.iter().any(|policy| *policy.meta.name == *name);
            let rule = TierRule {
                name: None,
                action: Action::Accept,
                peers,
                ports: denied.ports.clone(),
                origin: Origin::NONE,
            };
            let (ingress, egress) = match denied.direction {
                Direction::Ingress => (vec![rule], Vec::new()),
                Direction::Egress => (Vec::new(), vec![rule]),
            };
            let policy = TierPolicy {
                meta: meta(kind, None, &free_name(&name, taken)),
                tier,
                priority,
                subject: TierSubject::Pods { namespace: labels::for_namespace(&namespace), pod },
                ingress,
                egress,
            };
            let addition = Addition::Tier(policy);
            if !self.has(&addition) {
                self.additions.push((addition, purpose));
            }
        }
    }

    /// A workload's namespace and selector.
    fn selector(&mut self, workload: WorkloadId) -> Option<(Text, ringfence_model::label::Selector)> {
        let namespace = self.cluster.workload(workload)?.namespace.clone();
        let name = full_name(self.cluster, &End::Workload(workload));
        let Some(chosen) = labels::for_workload(self.cluster, workload) else {
            self.give_up(format!("the pods of `{name}` have no lasting label that a policy could select them by: label them first"));
            return None;
        };
        if !chosen.also.is_empty() {
            self.note(format!(
                "no label tells `{name}` from {}: the policy selects them all",
                chosen.also.join(", ")
            ));
        }
        Some((namespace, chosen.selector))
    }

    fn network_peers(&mut self, denied: &Denied<'_>, own: &Text) -> Option<Vec<NetworkPeer>> {
        let block = |cidr, except| NetworkPeer::IpBlock { cidr, except, origin: Origin::NONE };
        match denied.other {
            Place::Pods(pods) => {
                let mut peers = Vec::new();
                for workload in workloads(self.cluster, pods) {
                    if let Some(nets) = self.node_nets(workload, pods)? {
                        peers.extend(nets.into_iter().map(|net| block(net, Vec::new())));
                        continue;
                    }
                    let (namespace, pod) = self.selector(workload)?;
                    let namespace = (namespace != *own).then(|| labels::for_namespace(&namespace));
                    peers.push(NetworkPeer::Pods { namespace, pod: Some(pod), origin: Origin::NONE });
                }
                Some(peers)
            }
            Place::Addresses(set) => Some(match denied.asked {
                End::Internet => set
                    .families()
                    .filter_map(|family| {
                        let all = match family {
                            Family::V4 => "0.0.0.0/0",
                            Family::V6 => "::/0",
                        };
                        Some(block(all.parse().ok()?, private().only(family).nets()))
                    })
                    .collect(),
                End::Network(net) => vec![block(*net, Vec::new())],
                _ => set.nets().into_iter().map(|net| block(net, Vec::new())).collect(),
            }),
            Place::Name(name) => {
                self.no_names(name);
                None
            }
        }
    }

    fn tier_peers(&mut self, denied: &Denied<'_>) -> Option<Vec<TierPeer>> {
        if let (Place::Addresses(_), Direction::Ingress) = (denied.other, denied.direction) {
            self.give_up(
                "an ingress rule of this tier cannot name addresses: the rule that denies has to be changed"
                    .to_owned(),
            );
            return None;
        }
        match denied.other {
            Place::Pods(pods) => {
                let mut peers = Vec::new();
                for workload in workloads(self.cluster, pods) {
                    if let Some(nets) = self.node_nets(workload, pods)? {
                        peers.push(TierPeer::Networks(nets, Origin::NONE));
                        continue;
                    }
                    let (namespace, pod) = self.selector(workload)?;
                    let namespace = labels::for_namespace(&namespace);
                    peers.push(TierPeer::Pods { namespace, pod, origin: Origin::NONE });
                }
                Some(peers)
            }
            Place::Addresses(set) => {
                let nets = match denied.asked {
                    End::Network(net) => vec![*net],
                    _ => set.nets(),
                };
                Some(vec![TierPeer::Networks(nets, Origin::NONE)])
            }
            Place::Name(name) => Some(vec![TierPeer::DomainNames(vec![name.clone()], Origin::NONE)]),
        }
    }

    /// The addresses by which host-network pods must be named; nothing for other pods.
    fn node_nets(&mut self, workload: WorkloadId, pods: &[PodId]) -> Option<Option<Vec<IpNet>>> {
        let of_workload =
            pods.iter().filter_map(|id| self.cluster.pod(*id)).filter(|pod| pod.workload == workload);
        let hosts: Vec<_> = of_workload.filter(|pod| pod.host_network).collect();
        if hosts.is_empty() {
            return Some(None);
        }
        let mut nets: Vec<IpNet> = hosts
            .iter()
            .flat_map(|pod| {
                let node = pod.node.as_deref().and_then(|node| self.cluster.node(node));
                pod.addresses.iter().chain(node.into_iter().flat_map(|node| &node.addresses))
            })
            .map(|address| IpNet::from(*address))
            .collect();
        nets.sort_unstable();
        nets.dedup();
        if nets.is_empty() {
            let name = full_name(self.cluster, &End::Workload(workload));
            self.give_up(format!("`{name}` uses its node's network, so a rule must name the nodes' addresses, which the input does not show"));
            return None;
        }
        Some(Some(nets))
    }

    fn no_names(&mut self, name: &str) {
        self.give_up(format!(
            "a NetworkPolicy cannot name `{name}`: an ipBlock needs its addresses (Cilium's `toFQDNs` and the `domainNames` of a ClusterNetworkPolicy can)"
        ));
    }

    /// The name of a policy for a workload, and what it is for.
    fn name(&self, workload: WorkloadId, denied: &Denied<'_>) -> (String, String) {
        let subject = full_name(self.cluster, &End::Workload(workload));
        let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let other = match denied.other {
            Place::Pods(pods) => {
                let names: Vec<String> = workloads(self.cluster, pods)
                    .into_iter()
                    .map(|workload| full_name(self.cluster, &End::Workload(workload)))
                    .collect();
                names.join(", ")
            }
            _ if *denied.asked == End::Internet => "internet".to_owned(),
            place => place.describe(self.cluster),
        };
        let (word, purpose) = match denied.direction {
            Direction::Egress => ("to", format!("lets `{subject}` out to `{other}`")),
            Direction::Ingress => ("from", format!("lets `{other}` in to `{subject}`")),
        };
        let last = match denied.other {
            Place::Pods(_) => short(other.split(',').next().unwrap_or(&other)),
            Place::Addresses(_) if other == "internet" => other,
            Place::Addresses(_) => "address".to_owned(),
            Place::Name(_) => "name".to_owned(),
        };
        let name = format!("{}-{word}-{last}", short(&subject)).to_ascii_lowercase();
        (name.chars().take(LONGEST_NAME).collect(), purpose)
    }
}

fn meta(kind: PolicyKind, namespace: Option<Text>, name: &str) -> Arc<PolicyMeta> {
    Arc::new(PolicyMeta {
        kind,
        namespace,
        name: name.into(),
        labels: Labels::default(),
        annotations: Labels::default(),
        audit: false,
        origin: Origin::NONE,
    })
}

/// The name, with a number if it is taken.
fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..u32::MAX).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// The workloads of some pods, ascending.
fn workloads(cluster: &Cluster, pods: &[PodId]) -> Vec<WorkloadId> {
    let of: BTreeSet<WorkloadId> =
        pods.iter().filter_map(|id| cluster.pod(*id)).map(|pod| pod.workload).collect();
    of.into_iter().collect()
}

/// Entries of a rule for these ports; nothing if one is of ICMP.
fn port_matches(ports: &[(Protocol, PortSet)]) -> Option<Vec<PortMatch>> {
    let mut matches = Vec::new();
    for (protocol, set) in ports {
        if !Protocol::WITH_PORTS.contains(protocol) {
            return None;
        }
        let of = |ports| PortMatch { protocol: Some(*protocol), ports, origin: Origin::NONE };
        if set.is_all() {
            matches.push(of(PortSpec::All));
        } else {
            matches.extend(set.ranges().iter().map(|(first, last)| of(PortSpec::Range(*first, *last))));
        }
    }
    Some(matches)
}
