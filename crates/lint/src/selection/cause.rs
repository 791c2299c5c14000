//! Why a place selects nothing. In: the parts of all policies and the labels of pods. Out: for every place without pods the
//! most telling reason, so that one mistake is reported by one rule.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    Text,
    label::{Operator, Requirement, Selector},
    network_policy::PolicyKind,
    workload::{NAMESPACE_NAME_LABEL, Namespace, PodId, WorkloadId},
};

use super::{
    LabelSet, LabelSets, Near, Part, Place, RuleView, Selections, contradiction, is_slip,
    keys::{is_never_on_pods, is_set_by_a_platform, is_system, means_the_name},
    neighbours::near,
    others_keys,
    torn::{torn, torn_rules},
};
use crate::context::Context;

/// Why a place selects nothing.
#[derive(Clone, Debug)]
pub(crate) enum Cause<'a> {
    /// Two of its requirements exclude each other.
    Contradiction,
    /// It asks for labels of a source that pods' labels do not have, or for a service account.
    Source,
    /// What its labels choose are host-network pods, which selectors never mean.
    HostNetwork,
    /// The whole policy is in a namespace where it is not meant to be.
    Misplaced(Misplaced<'a>),
    /// No namespace is selected.
    Namespace(NamespaceReason<'a>),
    /// It and its neighbour were meant to be one peer.
    Torn,
    /// The labels are there, in other namespaces.
    Elsewhere(Vec<&'a Text>),
    /// The labels of a workload are mistyped, not those of the policy.
    MistypedLabel(Near<'a>),
    /// Nobody has these labels; who is nearest.
    Nobody(Option<Near<'a>>),
    /// Something else that is reported explains it.
    Explained,
    /// The input does not show enough to say.
    Unknown,
}

/// A policy in the wrong namespace.
#[derive(Clone, Debug)]
pub(crate) struct Misplaced<'a> {
    /// Where its selectors mean something.
    pub(crate) namespaces: Vec<&'a Text>,
    /// Whether nothing else can be meant.
    pub(crate) certain: bool,
    /// Whether the manifest names a namespace.
    pub(crate) written: bool,
    /// Whether peers of it are in its own namespace: it is written where the clients are.
    pub(crate) peers_at_home: bool,
}

/// Why a namespace selector selects nothing.
#[derive(Clone, Debug)]
pub(crate) enum NamespaceReason<'a> {
    /// The value is the name of a namespace, which has no such label.
    Name {
        /// The requirement.
        requirement: Requirement,
        /// The namespace.
        namespace: &'a Namespace,
        /// Whether the label could not be one of another namespace, or of this one by hand.
        certain: bool,
    },
    /// The key or the value is mistyped.
    Slip {
        /// The requirement.
        requirement: Requirement,
        /// The namespace that is meant.
        namespace: &'a Namespace,
        /// What it has instead.
        instead: (&'a Text, &'a Text),
    },
    /// It is a label of pods.
    PodLabel(Requirement, LabelSet<'a>),
    /// Namespaces have other values of the key.
    OtherValues(Requirement, Vec<(&'a Text, &'a Namespace)>),
    /// No namespace of the input has the key.
    Nobody(Requirement),
    /// Each requirement is met by some namespace, and no namespace meets all.
    NotTogether,
}

/// Explains every place that selects nothing.
pub(super) fn explain<'a>(context: &Context<'a>, selections: &mut Selections<'a>) {
    let causes: Vec<Causes<'a>> = {
        let reasons = Reasons::new(context, selections);
        selections.parts.iter().map(|part| reasons.of_part(part)).collect()
    };
    for (part, (subject, rules)) in selections.parts.iter_mut().zip(causes) {
        part.subject.cause = subject;
        for (rule, causes) in part.rules.iter_mut().zip(rules) {
            for (peer, cause) in rule.peers.iter_mut().flatten().zip(causes) {
                if let super::Peer::Pods(place) = peer {
                    place.cause = cause;
                }
            }
        }
    }
}

/// Of a subject, and of the peers of each rule.
type Causes<'a> = (Option<Cause<'a>>, Vec<Vec<Option<Cause<'a>>>>);

/// A label that policies or Services ask for: namespace, key, value.
type Wanted<'a> = (&'a Text, &'a str, &'a str);

struct Reasons<'c, 'a> {
    context: &'c Context<'a>,
    labels: &'c LabelSets<'a>,
    /// Who asks for a label.
    wanted: BTreeMap<Wanted<'c>, BTreeSet<(PolicyKind, &'c Text)>>,
    /// Labels that Services ask for.
    served: BTreeSet<Wanted<'c>>,
    /// By namespace: words of custom resources, whose operators make pods at run time.
    operated: BTreeMap<&'c str, BTreeSet<String>>,
}

impl<'c, 'a> Reasons<'c, 'a> {
    fn new(context: &'c Context<'a>, selections: &'c Selections<'a>) -> Self {
        let mut wanted: BTreeMap<Wanted<'c>, BTreeSet<(PolicyKind, &'c Text)>> = BTreeMap::new();
        for place in selections.parts.iter().flat_map(Part::places).filter(|place| place.pods.is_empty()) {
            let Some(home) = place.home else { continue };
            for requirement in place.pod.iter().flat_map(|pod| &pod.requirements) {
                for value in &requirement.values {
                    let who = (place.meta.kind, &place.meta.name);
                    wanted.entry((home, &requirement.key, value)).or_default().insert(who);
                }
            }
        }
        let served = context.cluster.services.iter().flat_map(|service| {
            let selector = service.selector.iter().flat_map(|selector| selector.iter());
            selector.map(|(key, value)| (&service.namespace, &**key, &**value))
        });
        Self {
            context,
            labels: &selections.labels,
            wanted,
            served: served.collect(),
            operated: operated(context),
        }
    }

    fn of_part(&self, part: &Part<'a>) -> Causes<'a> {
        let subject = part.subject.pods.is_empty().then(|| self.subject(part));
        let misplaced = matches!(subject, Some(Cause::Misplaced(_)));
        let torn_rules = torn_rules(self.context, self.labels, &part.rules);
        let peers = |(number, rule): (usize, &RuleView<'a>)| {
            let torn = torn(self.context, self.labels, rule);
            let torn_from_another = torn_rules.iter().any(|pair| pair.contains(number));
            let cause = |(at, peer): (usize, &super::Peer<'a>)| {
                let place = peer.place().filter(|place| place.pods.is_empty())?;
                Some(if torn_from_another || torn.iter().any(|pair| pair.contains(at)) {
                    Cause::Torn
                } else if misplaced && place.home.is_some() {
                    Cause::Explained
                } else {
                    self.peer(place, rule)
                })
            };
            rule.peers.iter().flatten().enumerate().map(cause).collect()
        };
        (subject, part.rules.iter().enumerate().map(peers).collect())
    }

    /// What can be said of any place without looking at labels.
    fn plain(&self, place: &Place<'a>) -> Option<Cause<'a>> {
        let contradicts = |selector: &Option<Selector>| {
            contradiction(selector.iter().flat_map(|one| &one.requirements)).is_some()
        };
        if contradicts(&place.namespace)
            || contradicts(&place.pod)
            || contradiction(place.derived.iter().copied()).is_some()
        {
            Some(Cause::Contradiction)
        } else if !place.derived.is_empty() || place.pod.iter().any(asks_what_pods_never_have) {
            Some(Cause::Source)
        } else if !self.context.scope.host_network_pods(place.choice).is_empty() {
            Some(Cause::HostNetwork)
        } else {
            None
        }
    }

    fn subject(&self, part: &Part<'a>) -> Cause<'a> {
        let place = &part.subject;
        if let Some(plain) = self.plain(place) {
            return plain;
        }
        if let Some(misplaced) = self.misplaced(part) {
            return Cause::Misplaced(misplaced);
        }
        self.labels(place, |_| false)
    }

    fn peer(&self, place: &Place<'a>, rule: &RuleView<'a>) -> Cause<'a> {
        let others_cover = |sets: &[LabelSet<'a>]| {
            let in_another = |pod: &PodId| rule.places().any(|place| place.pods.contains(*pod));
            let firsts = sets.iter().filter_map(|set| set.workload.pods.first());
            firsts.into_iter().all(in_another)
        };
        self.plain(place).unwrap_or_else(|| self.labels(place, others_cover))
    }

    /// By namespaces and labels. `covered`: whether pods are in the rule anyway.
    fn labels(&self, place: &Place<'a>, covered: impl Fn(&[LabelSet<'a>]) -> bool) -> Cause<'a> {
        if let Some(namespace) = &place.namespace
            && let namespaces = self.context.scope.namespaces(namespace)
            && namespaces.iter().all(|one| place.home.is_some_and(|own| *own != one.name))
        {
            return if place.home.is_some() { Cause::Source } else { self.namespace(namespace) };
        }
        let sets = self.labels.asked(self.context, place);
        let Some(pod) = place.pod.as_ref().filter(|pod| !pod.is_empty()) else { return Cause::Unknown };
        if sets.is_empty() {
            return Cause::Unknown;
        }
        let near = near(sets.iter().copied(), pod);
        let elsewhere = self.labels.meant(self.context, None, pod);
        if !elsewhere.is_empty() && (place.home.is_some() || place.namespace.is_some()) {
            return if covered(&elsewhere) {
                Cause::Explained
            } else {
                Cause::Elsewhere(namespaces_of(&elsewhere))
            };
        }
        if let Some(near) = near.as_ref().filter(|near| near.is_slip()) {
            return if self.is_the_workloads(place, near) {
                Cause::MistypedLabel(near.clone())
            } else {
                Cause::Nobody(Some(near.clone()))
            };
        }
        let shown: BTreeSet<&str> = sets.iter().map(|set| &*set.workload.namespace).collect();
        // Where the namespaces are not named, there may be more of them than the input shows.
        if !is_named(place, &shown) || shown.iter().any(|namespace| self.is_operated(namespace, pod)) {
            return Cause::Unknown;
        }
        Cause::Nobody(near)
    }

    /// Whether the slip is in the workload's labels: others ask for the same label as the policy does, or the workload is called
    /// as the policy calls it.
    fn is_the_workloads(&self, place: &Place<'a>, near: &Near<'a>) -> bool {
        let [set] = near.sets.as_slice() else { return false };
        let requirement = &near.requirement;
        let named = requirement.values.contains(&set.workload.name);
        let asked = requirement.values.iter().any(|value| {
            place.home.is_some_and(|home| {
                let wanted = (home, &*requirement.key, &**value);
                self.served.contains(&wanted) || self.wanted.get(&wanted).is_some_and(|who| who.len() > 1)
            })
        });
        // A Service that finds the pods by what they have says that they are right.
        let right = near.instead.is_some_and(|(key, value)| {
            self.served.contains(&(&set.workload.namespace, &**key, &**value)) || *value == set.workload.name
        });
        (named || asked) && !right
    }

    /// Whether a custom resource of the namespace is called as a selector asks: its operator makes the pods.
    fn is_operated(&self, namespace: &str, pod: &Selector) -> bool {
        self.operated.get(namespace).is_some_and(|words| {
            let values = pod.requirements.iter().flat_map(|one| &one.values);
            values.into_iter().any(|value| words.contains(&value.to_ascii_lowercase()))
                || pod.requirements.iter().any(|one| {
                    one.key.split(['/', '.']).any(|part| words.contains(&part.to_ascii_lowercase()))
                })
        })
    }

    fn misplaced(&self, part: &Part<'a>) -> Option<Misplaced<'a>> {
        let place = &part.subject;
        let home = place.home?;
        let shown = !self.labels.of(home).is_empty();
        let written = (self.context.places)
            .root_value(place.meta.origin, &["metadata".into(), "namespace".into()])
            .is_some();
        if !place.asks_pods() {
            let namespaces: Vec<&'a Text> =
                self.labels.namespaces().filter(|name| !is_system(name)).collect();
            let lost = !written && !shown && place.is_everything() && !namespaces.is_empty();
            return lost.then_some(Misplaced { namespaces, certain: false, written, peers_at_home: false });
        }
        if shown
            && near(self.labels.of(home).iter().copied(), place.pod.as_ref()?)
                .is_some_and(|near| near.is_slip())
        {
            return None;
        }
        let there = namespaces_of(&self.labels.meant(self.context, None, place.pod.as_ref()?));
        if there.is_empty() {
            return None;
        }
        let bound: Vec<&Place<'a>> =
            part.peers().filter(|peer| peer.home.is_some() && peer.asks_pods()).collect();
        let peers_at_home = bound.iter().any(|peer| !peer.pods.is_empty());
        let found: Vec<Vec<&'a Text>> = bound
            .iter()
            .filter_map(|peer| {
                Some(namespaces_of(&self.labels.meant(self.context, None, peer.pod.as_ref()?)))
            })
            .collect();
        let fits = |name: &&'a Text| found.iter().all(|names| names.contains(name));
        let fitting: Vec<&'a Text> = there.iter().copied().filter(fits).collect();
        let only = fitting.len() == 1 && there.len() == 1;
        let certain = if shown {
            only && !bound.is_empty() && !peers_at_home
        } else if written {
            let given = self.context.cluster.namespace(home).is_some_and(|one| one.given);
            let slips: Vec<&'a Text> = there.iter().copied().filter(|name| is_slip(home, name)).collect();
            return (!given && !slips.is_empty()).then_some(Misplaced {
                certain: slips.len() == 1,
                namespaces: slips,
                written,
                peers_at_home,
            });
        } else {
            only
        };
        let namespaces = if fitting.is_empty() { there } else { fitting };
        Some(Misplaced { namespaces, certain, written, peers_at_home })
    }

    /// Why a selector that no namespace meets does not find any.
    fn namespace(&self, selector: &Selector) -> Cause<'a> {
        let all = &self.context.cluster.namespaces;
        let met = |one: &Requirement| {
            all.iter().any(|namespace| one.holds(namespace.labels.get(&one.key).map(|value| &**value)))
        };
        let every_given =
            all.iter().all(|namespace| namespace.given || self.labels.of(&namespace.name).is_empty());
        let given = || all.iter().filter(|namespace| namespace.given);
        let Some(requirement) = selector.requirements.iter().find(|one| !met(one)) else {
            let known = every_given && given().count() > 1;
            return if known { Cause::Namespace(NamespaceReason::NotTogether) } else { Cause::Unknown };
        };
        let own = |requirement: &Requirement| requirement.clone();
        if *requirement.key == *NAMESPACE_NAME_LABEL {
            let shown = |one: &&Namespace| one.given || !self.labels.of(&one.name).is_empty();
            let slip = all.iter().filter(shown).find_map(|namespace| {
                let value = namespace.labels.iter().find(|(key, _)| ***key == *NAMESPACE_NAME_LABEL)?;
                requirement.values.iter().any(|wanted| is_slip(wanted, value.1)).then_some((namespace, value))
            });
            return slip.map_or(Cause::Unknown, |(namespace, instead)| {
                Cause::Namespace(NamespaceReason::Slip { requirement: own(requirement), namespace, instead })
            });
        }
        if is_set_by_a_platform(&requirement.key) {
            return Cause::Unknown;
        }
        let slip = given().find_map(|namespace| {
            let instead = namespace.labels.iter().find(|(key, value)| {
                let same_key = **key == requirement.key;
                requirement.values.iter().any(|wanted| {
                    (same_key && is_slip(wanted, value))
                        || (wanted == *value
                            && ***key != *NAMESPACE_NAME_LABEL
                            && others_keys(&requirement.key, key))
                })
            });
            Some((namespace, instead?))
        });
        if let Some((namespace, instead)) = slip {
            return Cause::Namespace(NamespaceReason::Slip {
                requirement: own(requirement),
                namespace,
                instead,
            });
        }
        let named = requirement.values.iter().find_map(|value| self.context.cluster.namespace(value));
        if let Some(namespace) = named.filter(|one| one.given || is_system(&one.name) || self.shows(one)) {
            let certain = namespace.given && means_the_name(&requirement.key);
            return Cause::Namespace(NamespaceReason::Name {
                requirement: own(requirement),
                namespace,
                certain,
            });
        }
        let system = requirement.values.iter().any(|value| is_system(value));
        if system && means_the_name(&requirement.key) {
            // The namespace is in every cluster, even if the input does not mention it.
            return Cause::Namespace(NamespaceReason::Nobody(own(requirement)));
        }
        let of_pods = self.labels.all().iter().find(|set| {
            set.labels.get(&requirement.key).is_some_and(|value| requirement.values.contains(value))
        });
        if let Some(set) = of_pods {
            return Cause::Namespace(NamespaceReason::PodLabel(own(requirement), *set));
        }
        let values: Vec<(&'a Text, &'a Namespace)> = given()
            .filter_map(|namespace| Some((namespace.labels.get(&requirement.key)?, namespace)))
            .collect();
        if !every_given || given().count() < 2 {
            Cause::Unknown
        } else if values.is_empty() {
            Cause::Namespace(NamespaceReason::Nobody(own(requirement)))
        } else {
            Cause::Namespace(NamespaceReason::OtherValues(own(requirement), values))
        }
    }

    fn shows(&self, namespace: &Namespace) -> bool {
        !self.labels.of(&namespace.name).is_empty()
    }
}

/// The namespaces of label sets, each once.
fn namespaces_of<'a>(sets: &[LabelSet<'a>]) -> Vec<&'a Text> {
    let mut names: Vec<&'a Text> = sets.iter().map(|set| &set.workload.namespace).collect();
    names.dedup();
    names
}

/// Whether a selector of pods asks for a label that only namespaces have, or that Cilium derives.
fn asks_what_pods_never_have(pod: &Selector) -> bool {
    pod.requirements.iter().any(is_never_on_pods)
}

/// Whether all namespaces that a place is about are called by their names, and are shown.
fn is_named(place: &Place<'_>, shown: &BTreeSet<&str>) -> bool {
    place.home.is_some()
        || place.namespace.iter().flat_map(|one| &one.requirements).any(|one| {
            *one.key == *NAMESPACE_NAME_LABEL
                && one.operator == Operator::In
                && one.values.iter().all(|value| shown.contains(&**value))
        })
}

/// By namespace: the kinds, names and label values of custom resources, in lower case.
fn operated<'c>(context: &'c Context<'_>) -> BTreeMap<&'c str, BTreeSet<String>> {
    const BY_NO_OPERATOR: [&str; 5] =
        ["ServiceMonitor", "PodMonitor", "PrometheusRule", "Probe", "CiliumNetworkPolicy"];
    let default = context.settings.cluster.namespace.as_deref().unwrap_or("default");
    let mut words: BTreeMap<&'c str, BTreeSet<String>> = BTreeMap::new();
    for object in context.documents {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        let custom = group.contains('.') && !group.ends_with("k8s.io");
        if !custom || BY_NO_OPERATOR.contains(&&*object.kind) {
            continue;
        }
        let words = words.entry(object.namespace.as_deref().unwrap_or(default)).or_default();
        let values = object.labels.iter().map(|(_, value)| value);
        words.extend(
            [&object.kind, &object.name].into_iter().chain(values).map(|word| word.to_ascii_lowercase()),
        );
    }
    words
}

/// The workloads that no policy with a selector of its own selects.
pub(crate) fn unselected(context: &Context<'_>, parts: &[Part<'_>]) -> BTreeSet<WorkloadId> {
    let name = |meta: &ringfence_model::network_policy::PolicyMeta| {
        (meta.kind, meta.namespace.clone(), meta.name.clone())
    };
    let specific: BTreeSet<_> =
        parts.iter().filter(|part| part.subject.asks_pods()).map(|part| name(part.subject.meta)).collect();
    let groups = context.groups().iter().filter(|group| {
        let policies = group.ingress.selecting.iter().chain(&group.egress.selecting);
        policies.into_iter().all(|meta| !specific.contains(&name(meta)))
    });
    groups.flat_map(|group| &group.pods).filter_map(|id| Some(context.cluster.pod(*id)?.workload)).collect()
}
