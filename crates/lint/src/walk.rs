//! The rules of policies of all dialects in one form. In: a cluster. Out: every rule with its policy, its subject, its peers,
//! its ports and the networks that it names, with their places.

use std::sync::Arc;

use ringfence_manifest::{
    edit::{self, Edit, Value},
    locate::{Locator, Step},
};
use ringfence_model::{
    IpNet,
    address::IpSet,
    cilium::{CiliumPeer, CiliumPolicy, CiliumRule, CiliumSpec},
    cluster::Cluster,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, TierPeer, TierPolicy, TierRule},
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::compiled::{CellId, Choice, PodSet};

use crate::context::Context;

/// A rule that has an effect: its policy isolates, if it must, in the rule's direction.
#[derive(Clone, Copy)]
pub(crate) struct AnyRule<'a> {
    /// Its policy.
    pub(crate) meta: &'a Arc<PolicyMeta>,
    /// Its direction.
    pub(crate) direction: Direction,
    /// What it does.
    pub(crate) action: Action,
    /// Where it is written.
    pub(crate) origin: Origin,
    /// The rule itself.
    pub(crate) body: Body<'a>,
}

/// A rule as its dialect has it.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Of a NetworkPolicy.
    Network(&'a NetworkPolicy, &'a NetworkRule),
    /// Of a policy of the Admin or Baseline tier.
    Tier(&'a TierPolicy, &'a TierRule),
    /// Of a Cilium policy.
    Cilium(&'a CiliumPolicy, &'a CiliumSpec, &'a CiliumRule),
}

/// A network that a rule names as its peer.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// The network.
    pub(crate) cidr: IpNet,
    /// Parts of it that do not count.
    pub(crate) except: &'a [IpNet],
    /// Where the peer is written.
    peer: Origin,
    kind: Written,
}

/// How a network is written in its peer.
#[derive(Clone, Copy)]
enum Written {
    /// `ipBlock`.
    IpBlock,
    /// An item of `networks`.
    Networks,
    /// `toCIDR` (the peer is the network), or `toCIDRSet`.
    Cilium,
}

/// All rules, NetworkPolicies first, in the order of the cluster.
pub(crate) fn rules(cluster: &Cluster) -> impl Iterator<Item = AnyRule<'_>> {
    let network = cluster.network_policies.iter().flat_map(|policy| {
        let lists = [
            (Direction::Ingress, policy.isolates_ingress, &policy.ingress),
            (Direction::Egress, policy.isolates_egress, &policy.egress),
        ];
        lists.into_iter().filter(|(_, isolates, _)| *isolates).flat_map(move |(direction, _, rules)| {
            rules.iter().map(move |rule| AnyRule {
                meta: &policy.meta,
                direction,
                action: Action::Accept,
                origin: rule.origin,
                body: Body::Network(policy, rule),
            })
        })
    });
    let tiers = cluster.tier_policies.iter().flat_map(|policy| {
        let lists = [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)];
        lists.into_iter().flat_map(move |(direction, rules)| {
            rules.iter().map(move |rule| AnyRule {
                meta: &policy.meta,
                direction,
                action: rule.action,
                origin: rule.origin,
                body: Body::Tier(policy, rule),
            })
        })
    });
    let specs =
        cluster.cilium_policies.iter().flat_map(|policy| policy.specs.iter().map(move |spec| (policy, spec)));
    let cilium = specs.flat_map(|(policy, spec)| {
        let lists = [
            (Direction::Ingress, Action::Accept, &spec.ingress),
            (Direction::Ingress, Action::Deny, &spec.ingress_deny),
            (Direction::Egress, Action::Accept, &spec.egress),
            (Direction::Egress, Action::Deny, &spec.egress_deny),
        ];
        lists.into_iter().flat_map(move |(direction, action, rules)| {
            rules.iter().map(move |rule| AnyRule {
                meta: &policy.meta,
                direction,
                action,
                origin: rule.origin,
                body: Body::Cilium(policy, spec, rule),
            })
        })
    });
    network.chain(tiers).chain(cilium)
}

impl<'a> AnyRule<'a> {
    /// The pods that it is about.
    pub(crate) fn subject(&self, context: &Context<'_>) -> PodSet {
        context.scope.chosen(self.subject_choice())
    }

    /// The place that selects them.
    pub(crate) fn subject_choice(&self) -> Choice<'a> {
        match self.body {
            Body::Network(policy, _) => Choice::NetworkSubject(policy),
            Body::Tier(policy, _) => Choice::TierSubject(policy),
            Body::Cilium(policy, spec, _) => Choice::CiliumSubject(policy, spec),
        }
    }

    /// Its peers with their places.
    pub(crate) fn peers(&self) -> Vec<(Choice<'a>, Origin)> {
        match self.body {
            Body::Network(policy, rule) => {
                let peer = |peer: &'a NetworkPeer| match peer {
                    NetworkPeer::Pods { origin, .. } | NetworkPeer::IpBlock { origin, .. } => {
                        (Choice::NetworkPeer(policy, peer), *origin)
                    }
                };
                rule.peers.iter().map(peer).collect()
            }
            Body::Tier(_, rule) => {
                rule.peers.iter().map(|peer| (Choice::TierPeer(peer), tier_origin(peer))).collect()
            }
            Body::Cilium(policy, _, rule) => (rule.peers.iter().flatten())
                .map(|peer| (Choice::CiliumPeer(policy, peer), cilium_origin(peer)))
                .collect(),
        }
    }

    /// Its ports; none means every port.
    pub(crate) fn ports(&self) -> Vec<&'a PortMatch> {
        match self.body {
            Body::Network(_, rule) => rule.ports.iter().collect(),
            Body::Tier(_, rule) => rule.ports.iter().collect(),
            Body::Cilium(_, _, rule) => rule.ports.iter().flat_map(|entry| &entry.ports).collect(),
        }
    }

    /// Whether it lets a port of a protocol pass, as far as its ports say; a port's name counts as a maybe, thus no.
    pub(crate) fn has_port(&self, protocol: Protocol, port: u16) -> bool {
        let ports = self.ports();
        ports.is_empty()
            || ports.iter().any(|entry| {
                entry.protocol.is_none_or(|own| own == protocol)
                    && match entry.ports {
                        PortSpec::All => true,
                        PortSpec::Range(first, last) => (first..=last).contains(&port),
                        PortSpec::Named(_) => false,
                    }
            })
    }

    /// The networks that it names as peers.
    pub(crate) fn blocks(&self) -> Vec<Block<'a>> {
        match self.body {
            Body::Network(_, rule) => {
                let block = |peer: &'a NetworkPeer| match peer {
                    NetworkPeer::IpBlock { cidr, except, origin } => {
                        Some(Block { cidr: *cidr, except, peer: *origin, kind: Written::IpBlock })
                    }
                    NetworkPeer::Pods { .. } => None,
                };
                rule.peers.iter().filter_map(block).collect()
            }
            Body::Tier(_, rule) => {
                let nets = rule.peers.iter().filter_map(|peer| match peer {
                    TierPeer::Networks(nets, origin) => Some((nets, *origin)),
                    _ => None,
                });
                nets.flat_map(|(nets, peer)| {
                    nets.iter().map(move |cidr| Block {
                        cidr: *cidr,
                        except: &[],
                        peer,
                        kind: Written::Networks,
                    })
                })
                .collect()
            }
            Body::Cilium(_, _, rule) => {
                let block = |peer: &'a CiliumPeer| match peer {
                    CiliumPeer::Cidr { cidr, except, origin } => {
                        Some(Block { cidr: *cidr, except, peer: *origin, kind: Written::Cilium })
                    }
                    _ => None,
                };
                rule.peers.iter().flatten().filter_map(block).collect()
            }
        }
    }

    /// Whether its policy is of Cilium's own kinds.
    pub(crate) fn is_cilium(&self) -> bool {
        is_cilium(self.meta.kind)
    }
}

/// Whether a kind is one of Cilium's own.
pub(crate) fn is_cilium(kind: PolicyKind) -> bool {
    matches!(kind, PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy)
}

impl Block<'_> {
    /// Its addresses.
    pub(crate) fn addresses(&self) -> IpSet {
        IpSet::block(&self.cidr, self.except)
    }

    /// Where the network is written.
    pub(crate) fn place(&self, places: &Locator<'_>) -> Origin {
        let at = match self.kind {
            Written::IpBlock => places.value(self.peer, &["ipBlock".into(), "cidr".into()]),
            Written::Networks => self.item(places, &["networks".into()], &self.cidr),
            Written::Cilium => places.value(self.peer, &["cidr".into()]),
        };
        at.unwrap_or(self.peer)
    }

    /// The edits that add an exception; nothing where the dialect has none, or the text cannot be changed cleanly.
    pub(crate) fn add_except(&self, places: &Locator<'_>, net: &IpNet) -> Option<Vec<Edit>> {
        let map = match self.kind {
            Written::IpBlock => places.value(self.peer, &["ipBlock".into()])?,
            Written::Networks => return None,
            // `toCIDR` is a list of texts: there is no place for one.
            Written::Cilium => places.value(self.peer, &["cidr".into()]).map(|_| self.peer)?,
        };
        let value = Value::from(net.to_string().as_str());
        match places.value(map, &["except".into()]) {
            Some(list) => edit::append_item(places, list, &value),
            None => edit::append_entry(places, map, "except", &Value::Seq(vec![value])),
        }
    }

    /// Where one of the exceptions is written.
    pub(crate) fn except_place(&self, places: &Locator<'_>, except: &IpNet) -> Origin {
        let list: &[Step<'_>] = match self.kind {
            Written::IpBlock => &[Step::Key("ipBlock"), Step::Key("except")],
            Written::Networks => return self.peer,
            Written::Cilium => &[Step::Key("except")],
        };
        self.item(places, list, except).unwrap_or(self.peer)
    }

    /// The item of a list that is this network. Items that are none were left out when it was read.
    fn item(&self, places: &Locator<'_>, list: &[Step<'_>], wanted: &IpNet) -> Option<Origin> {
        let item = |index: usize| {
            let path: Vec<Step<'_>> = list.iter().copied().chain([index.into()]).collect();
            places.value(self.peer, &path)
        };
        let is_wanted = |origin: &Origin| {
            let text = places.text(*origin).unwrap_or_default();
            let text = text.trim_matches(['"', '\'']);
            text.parse::<IpNet>().is_ok_and(|net| net.trunc() == wanted.trunc())
        };
        (0..).map_while(item).find(is_wanted)
    }
}

fn tier_origin(peer: &TierPeer) -> Origin {
    match peer {
        TierPeer::Namespaces(_, origin)
        | TierPeer::Pods { origin, .. }
        | TierPeer::Nodes(_, origin)
        | TierPeer::Networks(_, origin)
        | TierPeer::DomainNames(_, origin)
        | TierPeer::Unknown(origin) => *origin,
    }
}

fn cilium_origin(peer: &CiliumPeer) -> Origin {
    match peer {
        CiliumPeer::Endpoints(_, origin)
        | CiliumPeer::Entity(_, origin)
        | CiliumPeer::Cidr { origin, .. }
        | CiliumPeer::Service(_, origin)
        | CiliumPeer::Fqdn(_, origin)
        | CiliumPeer::Nodes(_, origin)
        | CiliumPeer::Unresolved(_, origin) => *origin,
    }
}

/// One pod of each cell that some of the pods are in: together they stand for all of them.
pub(crate) fn representatives(context: &Context<'_>, pods: &PodSet) -> Vec<PodId> {
    let reach = context.reach();
    let mut cells: Vec<(CellId, PodId)> =
        pods.iter().filter_map(|pod| Some((reach.cell_of(pod)?, pod))).collect();
    cells.sort_unstable();
    cells.dedup_by_key(|(cell, _)| *cell);
    cells.into_iter().map(|(_, pod)| pod).collect()
}

/// `` `namespace/name` `` of a pod's workload.
pub(crate) fn pod_name(cluster: &Cluster, pod: PodId) -> String {
    let workload = cluster.pod(pod).and_then(|pod| cluster.workload(pod.workload));
    workload.map_or_else(String::new, |workload| format!("`{}/{}`", workload.namespace, workload.name))
}

/// The workloads of pods by name, the first few of them: `` `a/b`, `a/c` and 3 more ``.
pub(crate) fn workload_names(cluster: &Cluster, pods: &PodSet) -> String {
    let mut names: Vec<String> = pods.iter().map(|pod| pod_name(cluster, pod)).collect();
    names.sort_unstable();
    names.dedup();
    listed(&names)
}

/// The first few names of a list.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => String::new(),
        [only] => only.clone(),
        _ if names.len() > SHOWN => {
            let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("{} and {} more", shown.join(", "), names.len() - SHOWN)
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
