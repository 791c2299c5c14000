//! Ingress from every address for pods to which nothing leads from outside.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{origin::Origin, verdict::Direction};

use super::{entries::Entries, everything::has_pods, metrics::only_metrics, sensitive_exposed};
use crate::{
    allow::{By, Outside, allows},
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
    selection::torn_ports,
};

pub(super) static RULE: Rule = Rule {
    code: "RF410",
    name: "ingress-from-anywhere",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule lets in everybody, though nothing leads to the pods from outside",
    what: "Reports, once for each namespace, an ingress rule without `from`, or one from every address, for pods that no Service of type NodePort or \
           LoadBalancer, no Ingress and no route leads to, and that the API server does not call. A warning if the \
           same namespace has such an entry for other pods, so that entries are known; else, and for metrics, only worth knowing. Silent \
           where `sensitive-exposed` or `peers-and-ports-apart` reports the rule, and about pods that are not given.",
    why: "A rule without `from` lets in every pod of every namespace, and every address. For pods that nothing leads to from \
          outside, the clients are pods, and can be named.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: registry.example.com/api:1}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - ports:
        - port: 8080
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: registry.example.com/api:1}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {type: LoadBalancer, selector: {app: api}, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - ports:
        - port: 8080
",
    ),
    check,
};

/// How many other rules a finding points to.
const POINTED: usize = 3;

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut told: BTreeSet<Origin> = sensitive_exposed::rules(context).into_iter().collect();
    let parts = context.selections().parts.iter();
    told.extend(parts.flat_map(torn_ports).map(|torn| torn.ports.origin));
    let mut entries: Option<Entries> = None;
    // What a namespace opens is said once.
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for allow in allows(context.cluster) {
        // Rules for all ports are reported as `allows-everything`.
        let all = allow.is_every_port() || allow.has_denials_beside();
        if allow.direction != Direction::Ingress || all {
            continue;
        }
        let breadth = allow.breadth(context);
        if breadth.outside == Outside::Part || told.contains(&breadth.at) {
            continue;
        }
        let subject = allow.subject(context);
        if subject.is_empty() || !has_pods(context, allow.meta.namespace.as_deref()) {
            continue;
        }
        let entries = entries.get_or_insert_with(|| Entries::new(context));
        if entries.lead_to(&subject) {
            continue;
        }
        let known = entries.are_known_in(context, allow.meta.namespace.as_deref());
        let mild = !known || only_metrics(context, &allow, &subject);
        let severity = if mild { Severity::Info } else { Severity::Warning };
        found
            .entry((allow.meta.namespace.as_ref(), severity))
            .or_default()
            .push((breadth.at, breadth.by, subject));
    }
    for ((_, severity), rules) in found {
        let Some(((at, by, _), rest)) = rules.split_first() else { continue };
        let who = naming::listed_pods(context.cluster, rules.iter().flat_map(|(_, _, pods)| pods.iter()));
        let message = format!("everybody may connect to {who}, though nothing leads there from outside");
        let finding = findings.report(*at, message);
        finding
            .severity(severity)
            .label(match by {
                By::NoPeers => "no `from`: every pod and every address",
                By::Selector | By::Network => "every address",
            })
            .help("name the clients in `from`");
        for (at, _, pods) in rest.iter().take(POINTED) {
            let who = naming::listed_pods(context.cluster, pods.iter());
            finding.related(*at, format!("everybody may connect to {who} too"));
        }
    }
}
