//! Two peers where one was meant. In: a rule. Out: neighbouring peers that were most likely meant to be one.

use ringfence_model::{label::Selector, workload::NAMESPACE_NAME_LABEL};

use super::{LabelSet, LabelSets, Place, RuleView};
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
}

impl Torn<'_> {
    pub(super) fn contains(&self, peer: usize) -> bool {
        // The peer about namespaces may be empty for reasons of its own.
        peer == self.first + usize::from(self.namespaces_first)
    }
}

/// Neighbouring peers, one only about namespaces and one only about pods, where the labels of the latter are those of pods in
/// the former's namespaces, and that lets in more than the two together.
pub(crate) fn torn<'a>(context: &Context<'a>, labels: &LabelSets<'a>, rule: &RuleView<'_>) -> Vec<Torn<'a>> {
    let peers = rule.peers.as_deref().unwrap_or_default();
    let pairs = peers.iter().zip(peers.iter().skip(1)).enumerate();
    let only_namespaces = |place: &Place<'_>| place.namespace.is_some() && !place.asks_pods();
    let only_pods = |place: &Place<'_>| place.home.is_some() && place.asks_pods();
    pairs
        .filter_map(|(first, (a, b))| {
            let (a, b) = (a.place()?, b.place()?);
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
            let torn = Torn { first, namespaces_first, both, alone_empty };
            let more = torn.both.iter().map(|set| set.pods).sum::<usize>() < spaces.pods.len();
            if torn.both.is_empty() {
                (alone_empty && spaces.pods.is_empty() && is_resolver(spaces, pods)).then_some(torn)
            } else {
                let beside = torn.both.iter().any(|set| pods.home != Some(&set.workload.namespace));
                (beside && (alone_empty || more)).then_some(torn)
            }
        })
        .collect()
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
