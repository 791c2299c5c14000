//! Two peers where one was meant. In: a rule. Out: neighbouring peers that were most likely meant to be one.

use ringfence_model::{label::Selector, tier::Action, verdict::Direction, workload::NAMESPACE_NAME_LABEL};

use super::{LabelSet, LabelSets, Part, Place, RuleView};
use crate::context::Context;

/// Two neighbouring peers that were most likely meant to be one.
#[derive(Clone, Debug)]
pub(crate) struct Torn<'a> {
    /// The number of the earlier one; the other follows.
    pub(crate) first: usize,
    /// Whether the earlier one is about namespaces and the later one about pods.
    pub(crate) namespaces_first: bool,
    /// The pods that one peer of both would mean; empty if the input does not show the resolver that is meant.
    pub(crate) both: Vec<LabelSet<'a>>,
    /// Whether the peer about pods means nothing by itself.
    pub(crate) alone_empty: bool,
    /// Whether the peer about pods means nobody whom the other one does not mean too.
    pub(crate) contained: bool,
}

impl Torn<'_> {
    /// Whether it explains why a peer, or the only peer of a rule, means nobody.
    pub(super) fn contains(&self, number: usize) -> bool {
        // The peer about namespaces may be empty for reasons of its own.
        number == self.first + usize::from(self.namespaces_first)
    }
}

/// Neighbouring peers, one only about namespaces and one only about pods, where the labels of the latter are those of pods in
/// the former's namespaces, and that lets in more than the two together.
pub(crate) fn torn<'a>(context: &Context<'a>, labels: &LabelSets<'a>, rule: &RuleView<'_>) -> Vec<Torn<'a>> {
    let peers = rule.peers.as_deref().unwrap_or_default();
    let pairs = peers.iter().zip(peers.iter().skip(1)).enumerate();
    pairs
        .filter_map(|(first, (a, b))| {
            let torn = pair(context, labels, first, a.place()?, b.place()?)?;
            // Beside other peers a part of one of them is more likely to be left over.
            (!torn.contained || peers.len() == 2).then_some(torn)
        })
        .collect()
}

/// The same of neighbouring rules with one peer each, of which only one has ports: without a hyphen too many the two would
/// have had the same.
pub(crate) fn torn_rules<'a>(
    context: &Context<'a>,
    labels: &LabelSets<'a>,
    rules: &[RuleView<'_>],
) -> Vec<Torn<'a>> {
    let pairs = rules.iter().zip(rules.iter().skip(1)).enumerate();
    pairs
        .filter_map(|(first, (a, b))| {
            let alike =
                a.direction == b.direction && a.action == Action::Accept && b.action == Action::Accept;
            let ([one], [other]) = (a.peers.as_deref()?, b.peers.as_deref()?) else { return None };
            if !alike || a.ports.is_empty() == b.ports.is_empty() {
                return None;
            }
            pair(context, labels, first, one.place()?, other.place()?)
        })
        .collect()
}

/// A rule with peers and no ports, and its neighbour with ports and no peers, that were most likely meant to be one.
pub(crate) struct TornPorts<'p, 'a> {
    /// The earlier one.
    pub(crate) first: &'p RuleView<'a>,
    /// The later one.
    pub(crate) second: &'p RuleView<'a>,
    /// The one that has only peers.
    pub(crate) peers: &'p RuleView<'a>,
    /// The one that has only ports.
    pub(crate) ports: &'p RuleView<'a>,
}

/// Such rules, where they are all rules of their direction, and the peers are pods by their labels.
pub(crate) fn torn_ports<'p, 'a>(part: &'p Part<'a>) -> Vec<TornPorts<'p, 'a>> {
    let of = |direction: Direction| {
        let mut rules = part
            .rules
            .iter()
            .filter(move |rule| rule.direction == direction && rule.action == Action::Accept);
        let (Some(first), Some(second), None) = (rules.next(), rules.next(), rules.next()) else {
            return None;
        };
        let (peers, ports) = if first.peers.is_some() { (first, second) } else { (second, first) };
        let named = peers.only_pods() && peers.places().all(|place| place.asks_pods());
        let torn = named && peers.ports.is_empty() && ports.peers.is_none() && !ports.ports.is_empty();
        torn.then_some(TornPorts { first, second, peers, ports })
    };
    [Direction::Ingress, Direction::Egress].into_iter().filter_map(of).collect()
}

fn pair<'a>(
    context: &Context<'a>,
    labels: &LabelSets<'a>,
    first: usize,
    a: &Place<'_>,
    b: &Place<'_>,
) -> Option<Torn<'a>> {
    let only_namespaces = |place: &Place<'_>| place.namespace.is_some() && !place.asks_pods();
    let only_pods =
        |place: &Place<'_>| place.home.is_some() && place.namespace.is_none() && place.asks_pods();
    let (spaces, pods, namespaces_first) = if only_namespaces(a) && only_pods(b) {
        (a, b, true)
    } else if only_pods(a) && only_namespaces(b) {
        (b, a, false)
    } else {
        return None;
    };
    if !spaces.derived.is_empty() || !pods.derived.is_empty() {
        return None;
    }
    let both = labels.meant(context, spaces.namespace.as_ref(), pods.pod.as_ref()?);
    let alone_empty = pods.pods.is_empty();
    let contained = !alone_empty
        && spaces.asks_namespaces()
        && pods.pods.len() < spaces.pods.len()
        && pods.pods.is_subset(&spaces.pods);
    let torn = Torn { first, namespaces_first, both, alone_empty, contained };
    let more = torn.both.iter().map(|set| set.pods).sum::<usize>() < spaces.pods.len();
    if torn.both.is_empty() {
        (alone_empty && spaces.pods.is_empty() && is_resolver(spaces, pods)).then_some(torn)
    } else {
        let beside = torn.both.iter().any(|set| pods.home != Some(&set.workload.namespace));
        (contained || (beside && (alone_empty || more))).then_some(torn)
    }
}

/// Whether the peers are `kube-system` by its name and the labels that the cluster's resolver has in every distribution.
fn is_resolver(spaces: &Place<'_>, pods: &Place<'_>) -> bool {
    let asks = |place: &Option<Selector>, key: &str, value: &str| {
        let requirements = place.iter().flat_map(|selector| &selector.requirements);
        requirements
            .into_iter()
            .any(|one| *one.key == *key && one.values.iter().any(|known| **known == *value))
    };
    asks(&spaces.namespace, NAMESPACE_NAME_LABEL, "kube-system") && asks(&pods.pod, "k8s-app", "kube-dns")
}
