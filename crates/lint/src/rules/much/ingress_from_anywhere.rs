//! Ingress from every address for pods to which nothing leads from outside.

use std::collections::BTreeSet;

use ringfence_model::{
    cluster::Cluster,
    origin::Origin,
    service::{Service, ServiceType},
    verdict::Direction,
    workload::PodId,
};

use super::{everything::has_pods, peers_and_ports_apart, sensitive_exposed};
use crate::{
    allow::{By, Outside, allows},
    context::Context,
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF410",
    name: "ingress-from-anywhere",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule lets in everybody, though nothing leads to the pods from outside",
    what: "Reports an ingress rule without `from`, or one from every address, for pods that no Service of type NodePort or \
           LoadBalancer, no Ingress and no route leads to, and that the API server does not call. A warning if the \
           same namespace has such an entry for other pods, so that entries are known; else only worth knowing. Silent \
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

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut told: BTreeSet<Origin> = sensitive_exposed::rules(context).into_iter().collect();
    told.extend(peers_and_ports_apart::slips(context.cluster).into_iter().map(|slip| slip.ports));
    let mut entries: Option<BTreeSet<PodId>> = None;
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
        let entries = entries.get_or_insert_with(|| entered(context.cluster));
        if subject.iter().any(|pod| entries.contains(&pod)) {
            continue;
        }
        let who = naming::listed_pods(context.cluster, subject.iter());
        let finding = findings.report(
            breadth.at,
            format!("everybody may connect to {who}, though nothing leads there from outside"),
        );
        let mut neighbours = entries.iter().filter_map(|pod| context.cluster.pod(*pod));
        if !neighbours.any(|pod| allow.meta.namespace.as_ref() == Some(&pod.namespace)) {
            finding.severity(Severity::Info);
        }
        finding
            .label(match breadth.by {
                By::NoPeers => "no `from`: every pod and every address",
                By::Selector | By::Network => "every address",
            })
            .help("name the clients in `from`");
    }
}

/// The pods to which something leads from outside, or that the API server calls.
fn entered(cluster: &Cluster) -> BTreeSet<PodId> {
    let mut services: Vec<&Service> = (cluster.services.iter())
        .filter(|service| {
            matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer)
                || !service.external_ips.is_empty()
        })
        .collect();
    let routes = cluster.entry_points.iter().flat_map(|entry| &entry.backends);
    services.extend(routes.filter_map(|backend| cluster.service(&backend.namespace, &backend.service)));
    services.extend(
        cluster.callers.iter().filter_map(|caller| cluster.service(&caller.namespace, &caller.service)),
    );
    let mut pods = BTreeSet::new();
    for service in services {
        let Some(selector) = &service.selector else { continue };
        let start = cluster.pods.partition_point(|pod| pod.namespace < service.namespace);
        let of_namespace = cluster.pods.iter().enumerate().skip(start);
        let of_namespace = of_namespace.take_while(|(_, pod)| pod.namespace == service.namespace);
        let selected = of_namespace.filter(|(_, pod)| pod.labels.contains_all(selector));
        pods.extend(selected.filter_map(|(at, _)| u32::try_from(at).ok()).map(PodId));
    }
    pods
}
