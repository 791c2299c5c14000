//! Laws that hold whatever the policies are, for both judges on random clusters.

use std::sync::Arc;

use rand::{Rng as _, seq::SliceRandom as _};
use ringfence_model::{
    Text,
    cilium::{CiliumRule, CiliumSpec},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    network_policy::NetworkPolicy,
    origin::Origin,
    tier::{Action, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::{Missing, Outcome, Side, Verdict},
    workload::{Pod, PodId},
};
use ringfence_policy::generate::{self, Make, Names, Rng, describe, flows, same};

use crate::common::{JUDGES, Size, clusters};

/// A change to a cluster, with numbers of its own that are the same each time. Beside the cluster, where each pod went;
/// nothing if they stayed.
type Change = fn(&Cluster, &mut Rng) -> (Cluster, Vec<PodId>);

/// Whether the verdict before a change and the one after it go together.
type Law = fn(&Verdict, &Verdict) -> bool;

/// The same flow between pods with other numbers.
fn moved(flow: &Flow, numbers: &[PodId]) -> Flow {
    let end = |end: &Endpoint| match end {
        Endpoint::Pod(id) => Endpoint::Pod(numbers.get(id.0 as usize).copied().unwrap_or(*id)),
        other => other.clone(),
    };
    Flow { from: end(&flow.from), to: end(&flow.to), ..flow.clone() }
}

/// Where a law is broken, shrunk.
fn broken(seed: u64, judge: Make, change: Change, law: Law) -> Option<String> {
    let cluster = generate::cluster(seed, &Size::SMALL);
    let (changed, numbers) = change(&cluster, &mut generate::rng(seed));
    let (before, after) = (judge(&cluster), judge(&changed));
    let flow = flows(seed, &cluster, 20)
        .into_iter()
        .find(|flow| !law(&before.verdict(flow), &after.verdict(&moved(flow, &numbers))))?;
    let breaks = |cluster: &Cluster, flow: &Flow| {
        let (changed, numbers) = change(cluster, &mut generate::rng(seed));
        !law(&judge(cluster).verdict(flow), &judge(&changed).verdict(&moved(flow, &numbers)))
    };
    let (cluster, flow) = generate::shrink(cluster.clone(), flow, breaks);
    let (changed, numbers) = change(&cluster, &mut generate::rng(seed));
    let (before, after) = (judge(&cluster).verdict(&flow), judge(&changed).verdict(&moved(&flow, &numbers)));
    let shows = format!(
        "Seed {seed}.\nBefore {}\nAfter {}\nChanged:\n{}",
        describe(&before),
        describe(&after),
        generate::manifests(&changed)
    );
    Some(generate::case("A law is broken", &shows, &cluster, &flow, before.outcome))
}

fn check(count: u64, change: Change, law: Law) {
    for (name, judge) in JUDGES {
        let mut cases = clusters(count).filter_map(|seed| broken(seed, judge, change, law));
        let case = cases.next();
        assert!(
            case.is_none(),
            "{name}: {}\n{} more clusters break the law",
            case.unwrap_or_default(),
            cases.count()
        );
    }
}

/// Rules of another cluster, so that they are as random as those that they join.
fn donor(rng: &mut Rng) -> Cluster {
    generate::cluster(rng.random_range(0..1_000_000), &Size::SMALL)
}

fn insert<T>(list: &mut Vec<T>, item: T, rng: &mut Rng) {
    let at = rng.random_range(0..=list.len());
    list.insert(at, item);
}

/// One more rule in each policy that has a rule in the direction already, or isolates in it.
fn add_rules(cluster: &Cluster, rng: &mut Rng, deny: bool) -> (Cluster, Vec<PodId>) {
    let donor = donor(rng);
    let mut changed = cluster.clone();
    let rules: Vec<_> = donor.network_policies.iter().flat_map(|policy| &policy.ingress).cloned().collect();
    for policy in changed.network_policies.iter_mut().filter(|_| !deny) {
        for (isolates, list) in
            [(policy.isolates_ingress, &mut policy.ingress), (policy.isolates_egress, &mut policy.egress)]
        {
            if let Some(rule) = rules.get(rng.random_range(0..=rules.len()))
                && isolates
            {
                insert(list, rule.clone(), rng);
            }
        }
    }
    let action = if deny { Action::Deny } else { Action::Accept };
    let rules = |egress: bool| -> Vec<TierRule> {
        let all = donor.tier_policies.iter().flat_map(|one| if egress { &one.egress } else { &one.ingress });
        let known = all.filter(|rule| !rule.peers.iter().any(|peer| matches!(peer, TierPeer::Unknown(_))));
        known.map(|rule| TierRule { action, ..rule.clone() }).collect()
    };
    for (egress, rules) in [(false, rules(false)), (true, rules(true))] {
        for policy in &mut changed.tier_policies {
            if let Some(rule) = rules.get(rng.random_range(0..=rules.len())) {
                insert(if egress { &mut policy.egress } else { &mut policy.ingress }, rule.clone(), rng);
            }
        }
    }
    let specs: Vec<&CiliumSpec> = donor.cilium_policies.iter().flat_map(|policy| &policy.specs).collect();
    for spec in changed.cilium_policies.iter_mut().flat_map(|policy| &mut policy.specs) {
        let Some(from) = specs.get(rng.random_range(0..=specs.len())) else { continue };
        let pairs = if deny {
            [(&mut spec.ingress_deny, &from.ingress_deny), (&mut spec.egress_deny, &from.egress_deny)]
        } else {
            [(&mut spec.ingress, &from.ingress), (&mut spec.egress, &from.egress)]
        };
        for (list, rules) in pairs {
            // Whether the spec isolates stays as it is.
            // What it requires would narrow the other rules: that is no matter of adding a rule.
            for rule in rules {
                insert(list, CiliumRule { requires: Vec::new(), ..rule.clone() }, rng);
            }
        }
    }
    (changed, Vec::new())
}

#[test]
fn adding_an_allow_rule_never_cuts() {
    check(
        200,
        |cluster, rng| add_rules(cluster, rng, false),
        |before, after| match before.outcome {
            Outcome::Allow => after.outcome == Outcome::Allow,
            Outcome::AllowIf | Outcome::Unknown => after.outcome != Outcome::Deny,
            Outcome::Deny => true,
        },
    );
}

#[test]
fn adding_a_deny_rule_never_opens() {
    check(
        200,
        |cluster, rng| add_rules(cluster, rng, true),
        |before, after| match before.outcome {
            Outcome::Allow => true,
            Outcome::AllowIf | Outcome::Unknown => after.outcome != Outcome::Allow,
            Outcome::Deny => after.outcome == Outcome::Deny,
        },
    );
}

/// Whether two sides come to the same, apart from their reasons. The facts of the first are renamed. The fast judge may
/// leave out a fact that matters only together with others that are missing, and in another order another one.
fn sides_agree(before: &Side, after: &Side, rename: fn(&Missing) -> Missing) -> bool {
    let renamed: Vec<Missing> = before.missing.iter().map(rename).collect();
    before.outcome == after.outcome
        && before.conditions == after.conditions
        && (renamed.iter().all(|fact| after.missing.contains(fact))
            || after.missing.iter().all(|fact| renamed.contains(fact)))
}

fn answers_agree(before: &Verdict, after: &Verdict, rename: fn(&Missing) -> Missing) -> bool {
    sides_agree(&before.egress, &after.egress, rename) && sides_agree(&before.ingress, &after.ingress, rename)
}

/// Policies under other names, which sort otherwise; lists whose order says nothing, shuffled.
fn reorder(cluster: &Cluster, rng: &mut Rng) -> (Cluster, Vec<PodId>) {
    let mut changed = cluster.clone();
    let same = |name: &str| name.to_owned();
    generate::rename(&mut changed, &Names { namespace: same, key: same, value: same, policy: mirrored });
    for policy in &mut changed.network_policies {
        for list in [&mut policy.ingress, &mut policy.egress] {
            list.shuffle(rng);
            for rule in list {
                rule.peers.shuffle(rng);
                rule.ports.shuffle(rng);
            }
        }
    }
    for rule in changed.tier_policies.iter_mut().flat_map(|one| one.ingress.iter_mut().chain(&mut one.egress))
    {
        rule.peers.shuffle(rng);
        rule.ports.shuffle(rng);
    }
    for policy in &mut changed.cilium_policies {
        policy.specs.shuffle(rng);
        for spec in &mut policy.specs {
            for list in [&mut spec.ingress, &mut spec.ingress_deny, &mut spec.egress, &mut spec.egress_deny] {
                list.shuffle(rng);
                for rule in list {
                    rule.peers.iter_mut().for_each(|peers| peers.shuffle(rng));
                    rule.ports.shuffle(rng);
                    for ports in &mut rule.ports {
                        ports.ports.shuffle(rng);
                        ports.l7.shuffle(rng);
                    }
                }
            }
        }
    }
    changed.network_policies.shuffle(rng);
    changed.tier_policies.shuffle(rng);
    changed.cilium_policies.shuffle(rng);
    changed.services.shuffle(rng);
    changed.nodes.shuffle(rng);
    let numbers = generate::sort(&mut changed);
    (changed, numbers)
}

/// A name that sorts the other way round.
fn mirrored(name: &str) -> String {
    name.chars()
        .map(|next| match next {
            '0'..='9' => char::from(b'9' - (next as u8 - b'0')),
            'a'..='z' => char::from(b'z' - (next as u8 - b'a')),
            other => other,
        })
        .collect()
}

fn mirrored_policies(missing: &Missing) -> Missing {
    match missing {
        Missing::PriorityOrder(names) => {
            let mut names: Vec<Text> = names.iter().map(|name| mirrored(name).into()).collect();
            names.sort();
            Missing::PriorityOrder(names)
        }
        other => other.clone(),
    }
}

#[test]
fn the_order_of_policies_rules_and_peers_never_matters() {
    check(200, reorder, |before, after| answers_agree(before, after, mirrored_policies));
}

/// A namespace under another name; `default` is where the API server is.
fn other_namespace(name: &str) -> String {
    if name == "default" { name.to_owned() } else { mirrored(name) }
}

const OTHER_WORDS: Names = Names {
    namespace: other_namespace,
    key: |key| format!("x-{}", mirrored(key)),
    value: |value| format!("{}-x", mirrored(value)),
    policy: mirrored,
};

fn in_other_words(missing: &Missing) -> Missing {
    let pod = |name: &Text| -> Text {
        match name.split_once('/') {
            Some((namespace, name)) => format!("{}/{name}", other_namespace(namespace)).into(),
            None => name.clone(),
        }
    };
    match missing {
        Missing::PodAddress(name) => Missing::PodAddress(pod(name)),
        Missing::NodeAddress(name) => Missing::NodeAddress(pod(name)),
        Missing::PodNode(name) => Missing::PodNode(pod(name)),
        other => mirrored_policies(other),
    }
}

#[test]
fn the_names_of_namespaces_labels_and_policies_never_matter() {
    let change = |cluster: &Cluster, _: &mut Rng| {
        let mut changed = cluster.clone();
        generate::rename(&mut changed, &OTHER_WORDS);
        let numbers = generate::sort(&mut changed);
        (changed, numbers)
    };
    check(200, change, |before, after| answers_agree(before, after, in_other_words));
}

/// Whether no pod is the subject of the policy.
fn selects_nobody(cluster: &Cluster, subject: impl Fn(&Pod) -> bool) -> bool {
    !cluster.pods.iter().any(|pod| !pod.host_network && !pod.finished && subject(pod))
}

fn without_idle_policies(cluster: &Cluster, _: &mut Rng) -> (Cluster, Vec<PodId>) {
    let mut changed = cluster.clone();
    changed.network_policies.retain(|policy: &NetworkPolicy| {
        let subject = |pod: &Pod| {
            policy.meta.namespace.as_ref() == Some(&pod.namespace) && policy.subject.matches(&pod.labels)
        };
        !selects_nobody(cluster, subject)
    });
    let in_namespace = |pod: &Pod, selector: &ringfence_model::label::Selector| {
        cluster.namespace(&pod.namespace).is_some_and(|namespace| selector.matches(&namespace.labels))
    };
    changed.tier_policies.retain(|policy: &TierPolicy| {
        let subject = |pod: &Pod| match &policy.subject {
            TierSubject::Namespaces(namespace) => in_namespace(pod, namespace),
            TierSubject::Pods { namespace, pod: pods } => {
                in_namespace(pod, namespace) && pods.matches(&pod.labels)
            }
        };
        !selects_nobody(cluster, subject)
    });
    // Of Cilium's policies the simplest kind: of a namespace without pods.
    changed.cilium_policies.retain(|policy| {
        let namespace = policy.meta.namespace.as_ref();
        !selects_nobody(cluster, |pod| namespace.is_none_or(|namespace| pod.namespace == *namespace))
    });
    (changed, Vec::new())
}

#[test]
fn a_policy_that_selects_nobody_changes_nothing() {
    check(200, without_idle_policies, same);
}

/// Two policies that say the same are as good as one.
#[test]
fn saying_it_twice_changes_nothing() {
    let change = |cluster: &Cluster, _: &mut Rng| {
        let mut changed = cluster.clone();
        let again = |policy: &NetworkPolicy| {
            let mut again = policy.clone();
            let mut meta = (*again.meta).clone();
            meta.name = format!("{}-again", meta.name).into();
            meta.origin = Origin::NONE;
            again.meta = Arc::new(meta);
            again
        };
        changed.network_policies.extend(cluster.network_policies.iter().map(again));
        let numbers = generate::sort(&mut changed);
        (changed, numbers)
    };
    check(150, change, |before, after| answers_agree(before, after, Missing::clone));
}
