//! Ingress from every pod of every namespace.

use std::collections::BTreeMap;

use ringfence_model::{
    label::Selector,
    network_policy::{NetworkPeer, PolicyMeta},
    origin::Origin,
    verdict::Direction,
};
use ringfence_policy::compiled::PodSet;

use super::{everything::has_pods, metrics::only_metrics, sensitive_exposed};
use crate::{
    allow::{Allow, Body, Outside, allows},
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF405",
    name: "any-namespace",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "an ingress rule lets in pods of every namespace",
    what: "Reports, once for each namespace, an ingress peer that is every pod of every namespace (`namespaceSelector: {}`, Cilium's entity `cluster`). \
           Only worth knowing if the rule is for metrics alone, or if a `podSelector` beside the empty \
           `namespaceSelector` narrows it to pods with a label. Silent where `sensitive-exposed` reports the rule.",
    why: "Namespaces that do not exist yet are included, and so is everybody who may create one. A rule that is meant for \
          connections from outside does not let them in this way: a `namespaceSelector` is about pods only.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  ingress:
    - from:
        - namespaceSelector: {}
      ports:
        - port: 8080
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: ingress-nginx
      ports:
        - port: 8080
",
    ),
    check,
};

/// How many other rules a finding points to.
const POINTED: usize = 3;

fn check(context: &Context<'_>, findings: &mut Findings) {
    let exposed: Vec<Origin> = sensitive_exposed::rules(context);
    // What a namespace opens is said once.
    let mut found: BTreeMap<_, Vec<Open<'_>>> = BTreeMap::new();
    for allow in allows(context.cluster) {
        if allow.direction != Direction::Ingress || matches!(allow.body, Body::Tier(..)) {
            continue;
        }
        let breadth = allow.breadth(context);
        if breadth.outside != Outside::Part {
            continue;
        }
        let labelled = if breadth.pods { None } else { any_with_label(&allow) };
        let at = match labelled {
            Some(at) => at,
            None if breadth.pods => breadth.at,
            None => continue,
        };
        if exposed.contains(&at) {
            continue;
        }
        let subject = allow.subject(context);
        if subject.is_empty() && has_pods(context, allow.meta.namespace.as_deref()) {
            continue;
        }
        let mild = labelled.is_some()
            || only_metrics(context, &allow, &subject)
            || matches!(allow.body, Body::Cilium(..));
        let key = (allow.meta.namespace.as_ref(), mild, labelled.is_some());
        found.entry(key).or_default().push((at, allow.meta, subject));
    }
    for ((_, mild, labelled), rules) in &found {
        report(context, rules, *mild, *labelled, findings);
    }
}

/// A rule: the peer, its policy, its pods.
type Open<'a> = (Origin, &'a PolicyMeta, PodSet);

/// Reports rules of one namespace.
fn report(context: &Context<'_>, rules: &[Open<'_>], mild: bool, labelled: bool, findings: &mut Findings) {
    let Some(((at, _, _), rest)) = rules.split_first() else { return };
    let who = who(context, rules);
    let finding = if labelled {
        let message = format!("pods of any namespace may connect to {who} if they wear the label");
        findings
            .report(*at, message)
            .label("an empty `namespaceSelector`: whoever creates a pod chooses its labels")
            .help("name the namespace: `kubernetes.io/metadata.name`")
    } else {
        findings
            .report(*at, format!("every pod of every namespace may connect to {who}"))
            .label("every namespace, those that do not exist yet too")
            .help("name the namespaces (`kubernetes.io/metadata.name`) or the pods; addresses outside the cluster need an `ipBlock`")
    };
    if mild {
        finding.severity(Severity::Info);
    }
    for one in rest.iter().take(POINTED) {
        finding.related(one.0, format!("this one is for {}", self::who(context, std::slice::from_ref(one))));
    }
}

/// The pods of some rules, or of their policies if none is given.
fn who(context: &Context<'_>, rules: &[Open<'_>]) -> String {
    let pods = rules.iter().flat_map(|(_, _, pods)| pods.iter());
    let known = naming::listed_pods(context.cluster, pods);
    if !known.is_empty() {
        return known;
    }
    let mut names: Vec<String> = rules.iter().map(|(_, meta, _)| format!("`{}`", meta.full_name())).collect();
    names.dedup();
    format!("the pods of {}", naming::listed_names(&names))
}

/// A peer that is pods with a label in any namespace.
fn any_with_label(allow: &Allow<'_>) -> Option<Origin> {
    let Body::Network(_, rule) = allow.body else { return None };
    rule.peers.iter().find_map(|peer| match peer {
        NetworkPeer::Pods { namespace: Some(namespace), pod: Some(pod), origin }
            if Selector::is_empty(namespace) && !pod.is_empty() =>
        {
            Some(*origin)
        }
        _ => None,
    })
}
