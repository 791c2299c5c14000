//! One form for the rules of every dialect. In: what the lowering found. Out: the types that matching and deciding
//! work on.

use std::sync::Arc;

use ringfence_model::{
    Text,
    address::IpSet,
    cilium::{Entity, FqdnMatch, L7Match},
    label::Selector,
    network_policy::{PolicyKind, PolicyMeta},
    origin::Origin,
    port::{PortSpec, Protocol},
    tier::Action,
    verdict::{Direction, RuleRef},
};

use super::matcher::{Matcher, MatcherId};

/// A network that rules name, with what it means for a pod whose address is not known.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) addresses: IpSet,
    /// As written: for people.
    pub(super) cidr: ringfence_model::IpNet,
    pub(super) except: Vec<ringfence_model::IpNet>,
    /// Whether pods and nodes can be in it.
    pub(super) matches_cluster: bool,
}

/// A selector of pods in a rule.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The matcher, shared by all selectors that say the same.
    pub(super) id: MatcherId,
    /// The selector as this rule has it: where its conditions are written is not shared.
    pub(super) written: Arc<Matcher>,
}

/// What one peer of a rule selects.
#[derive(Clone, Debug)]
pub(super) enum PeerMatch {
    /// Pods (never host-network ones).
    Pods(Selection),
    /// Addresses; those of pods and nodes if the block says so.
    Block(Block),
    /// Addresses outside the cluster only.
    World(Block),
    /// Nodes by label, host-network pods with them.
    Nodes(Selector),
    /// DNS names (tiers): exact, or `*.` and a suffix.
    Domains(Vec<Text>),
    /// A Cilium entity.
    Entity(Entity),
    /// Ends other than pods that are of every entity marked true and of none marked false.
    Reserved(Vec<(Entity, bool)>),
    /// Backends of Services: pods by matcher, and addresses written by hand.
    Services { pods: Vec<MatcherId>, addresses: IpSet },
    /// A DNS name or pattern (Cilium).
    Fqdn(FqdnMatch),
    /// Something outside the input.
    Unresolved(&'static str),
}

/// A peer and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) what: PeerMatch,
    pub(super) origin: Origin,
}

/// Which protocols a port entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocols {
    /// Every protocol, ICMP included.
    Every,
    /// TCP, UDP and SCTP.
    Transport,
    /// One.
    One(Protocol),
}

impl Protocols {
    pub(super) fn contains(self, protocol: Protocol) -> bool {
        match self {
            Self::Every => true,
            Self::Transport => Protocol::WITH_PORTS.contains(&protocol),
            Self::One(only) => only == protocol,
        }
    }
}

/// One entry of a rule's ports.
#[derive(Clone, Debug)]
pub(super) struct PortEntry {
    pub(super) protocols: Protocols,
    pub(super) ports: PortSpec,
    /// Layer 7 conditions, of which one must hold; empty if there are none.
    pub(super) l7: Vec<L7Match>,
}

/// A rule of any dialect.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) policy: Arc<PolicyMeta>,
    pub(super) direction: Direction,
    /// Its position in its list as written.
    pub(super) index: u32,
    pub(super) action: Action,
    pub(super) origin: Origin,
    /// Nothing means every end; an empty list means no end.
    pub(super) peers: Option<Vec<Peer>>,
    /// What a pod that an endpoint selector selects must meet too (Cilium's `fromRequires`, `toRequires`).
    pub(super) requires: Vec<Selection>,
    /// Empty means every port of every protocol.
    pub(super) ports: Vec<PortEntry>,
}

impl Rule {
    pub(super) fn reference(&self, peer: Origin) -> RuleRef {
        RuleRef {
            policy: self.policy.clone(),
            direction: self.direction,
            index: self.index,
            action: self.action,
            origin: self.origin,
            peer,
        }
    }

    pub(super) fn uses_named_ports(&self) -> bool {
        self.ports.iter().any(|entry| matches!(entry.ports, PortSpec::Named(_)))
    }
}

/// The tiers in the order in which they are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Layer {
    Admin,
    Network,
    Baseline,
}

/// A policy, or one spec of a Cilium policy: a subject and what applies to it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) meta: Arc<PolicyMeta>,
    pub(super) layer: Layer,
    /// Within the Admin and Baseline layers; smaller comes first.
    pub(super) priority: i32,
    /// Which of a Cilium policy's specs.
    pub(super) spec: u32,
    pub(super) subject: MatcherId,
    pub(super) isolates_ingress: bool,
    pub(super) isolates_egress: bool,
    pub(super) ingress: Vec<Arc<Rule>>,
    pub(super) egress: Vec<Arc<Rule>>,
}

impl Part {
    pub(super) fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolates_ingress,
            Direction::Egress => self.isolates_egress,
        }
    }

    pub(super) fn rules(&self, direction: Direction) -> &[Arc<Rule>] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The order in which parts are evaluated and reported, whatever the order of files.
    pub(super) fn order(&self) -> impl Ord + '_ {
        (self.layer, self.priority, &self.meta.namespace, &self.meta.name, self.meta.kind, self.spec)
    }
}

/// Policies of one priority, each with its rules in order.
pub(super) type Level = Vec<Vec<Arc<Rule>>>;

/// Everything that applies to a subject in one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleSet {
    pub(super) admin: Vec<Level>,
    /// Cilium deny rules.
    pub(super) deny: Vec<Arc<Rule>>,
    /// Rules of NetworkPolicies and Cilium allow rules.
    pub(super) allow: Vec<Arc<Rule>>,
    /// Policies that isolate the subject.
    pub(super) isolating: Vec<Arc<PolicyMeta>>,
    pub(super) baseline: Vec<Level>,
}

impl RuleSet {
    /// Of parts in their order.
    pub(super) fn new<'a>(parts: impl Iterator<Item = &'a Arc<Part>>, direction: Direction) -> Self {
        let mut set = Self::default();
        let mut open: Option<(Layer, i32)> = None;
        for part in parts {
            if part.isolates(direction) && set.isolating.last() != Some(&part.meta) {
                set.isolating.push(part.meta.clone());
            }
            let rules = part.rules(direction);
            if rules.is_empty() {
                continue;
            }
            let levels = match part.layer {
                Layer::Network => {
                    let (deny, allow): (Vec<_>, Vec<_>) =
                        rules.iter().cloned().partition(|rule| rule.action == Action::Deny);
                    set.deny.extend(deny);
                    set.allow.extend(allow);
                    continue;
                }
                Layer::Admin => &mut set.admin,
                Layer::Baseline => &mut set.baseline,
            };
            match levels.last_mut() {
                Some(level) if open == Some((part.layer, part.priority)) => level.push(rules.to_vec()),
                _ => levels.push(vec![rules.to_vec()]),
            }
            open = Some((part.layer, part.priority));
        }
        require(&mut set.deny);
        require(&mut set.allow);
        set
    }

    /// Whether it is made of the very rules and policies that another is made of.
    pub(super) fn same(&self, other: &Self) -> bool {
        let list = |a: &[Arc<Rule>], b: &[Arc<Rule>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let level = |a: &Level, b: &Level| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| list(a, b));
        let tier = |a: &[Level], b: &[Level]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| level(a, b));
        tier(&self.admin, &other.admin)
            && list(&self.deny, &other.deny)
            && list(&self.allow, &other.allow)
            && self.isolating == other.isolating
            && tier(&self.baseline, &other.baseline)
    }

    /// All rules, tier by tier.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let tier = |levels| <[Level]>::iter(levels).flatten().flatten();
        tier(&self.admin).chain(&self.deny).chain(&self.allow).chain(tier(&self.baseline))
    }
}

/// In Cilium, what one rule requires of the pods that it selects, every rule for the same subject and direction does
/// (docs.cilium.io, "Endpoints Based", fromRequires).
fn require(rules: &mut [Arc<Rule>]) {
    let all: Vec<Selection> = rules.iter().flat_map(|rule| rule.requires.iter().cloned()).collect();
    if all.is_empty() {
        return;
    }
    for rule in rules.iter_mut().filter(|rule| rule.policy.kind != PolicyKind::NetworkPolicy) {
        *rule = Arc::new(Rule { requires: all.clone(), ..Rule::clone(rule) });
    }
}
