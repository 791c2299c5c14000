//! Namespaces whose pods are all isolated, and the next one will not be.

use ringfence_model::{
    Text,
    cilium::{CiliumSubject, derived},
    label::{Labels, Operator, Selector},
    origin::Origin,
    tier::{Action, TierSubject},
    verdict::Direction,
};

use super::isolation::{place, standings};
use crate::{
    allow::{field, isolates, spec_isolates},
    context::Context,
    default_deny::default_denies,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF506",
    name: "namespace-without-default-deny",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "a namespace isolates each of its pods, but not those that come later",
    what: "Reports a namespace whose workloads are all isolated in a direction, each by policies for its labels, \
           when a pod without labels would not be, and another namespace has a default deny: it was forgotten here. \
           Silent if no namespace has one, where `not-isolated-ingress` or `not-isolated-egress` has something to \
           say, about namespaces of Kubernetes itself, and where a clusterwide policy or a tier takes care of it.",
    why: "A new workload, a renamed label, a debug pod: what no policy selects is open to everybody and may connect \
          to everything. A default deny turns that around.",
    bad: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: registry.example.com/web:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: data
spec:
  podSelector: {}
  policyTypes:
    - Ingress
",
    ),
    good: Example::new(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: registry.example.com/web:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
    - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: data
spec:
  podSelector: {}
  policyTypes:
    - Ingress
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    if !context.cluster.profile.enforces {
        return;
    }
    let ingress = standings(context, Direction::Ingress);
    let egress = standings(context, Direction::Egress);
    // Where nobody has a default deny, none was forgotten.
    let denies = default_denies(context.cluster);
    let usual = [Direction::Ingress, Direction::Egress]
        .map(|direction| denies.iter().any(|deny| deny.direction == direction));
    for (namespace, standing) in &ingress {
        let mut open = Vec::new();
        let both = [(Direction::Ingress, Some(standing)), (Direction::Egress, egress.get(namespace))];
        for ((direction, standing), usual) in both.into_iter().zip(usual) {
            let all =
                standing.is_some_and(|standing| standing.open.is_empty() && !standing.isolated.is_empty());
            if usual && all && !closes_newcomers(context, namespace, direction) {
                open.push(direction);
            }
        }
        let words: Vec<&str> = open.iter().map(|direction| field(*direction)).collect();
        let Some(first) = words.first() else { continue };
        let directions = if words.len() == 2 { "either direction".to_owned() } else { (*first).to_owned() };
        let given =
            context.cluster.namespace(namespace).filter(|known| known.given).map(|known| known.origin);
        let workload = standing.isolated.first().or(standing.open.first()).map(|id| place(context, *id));
        let at = given.or(workload).unwrap_or(Origin::NONE);
        findings
            .report(at, format!("the next pod of `{namespace}` will not be isolated for {directions}"))
            .label("every pod is isolated by policies for its labels; other namespaces have a default deny, this one does not")
            .help(help(namespace, &open));
    }
}

fn help(namespace: &str, open: &[Direction]) -> String {
    let kinds = open.iter().map(|direction| match direction {
        Direction::Ingress => "    - Ingress\n",
        Direction::Egress => "    - Egress\n",
    });
    format!(
        "add a default deny:\n\
         apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata:\n  name: default-deny\n  namespace: {namespace}\n\
         spec:\n  podSelector: {{}}\n  policyTypes:\n{}",
        kinds.collect::<String>()
    )
}

/// Whether some policy isolates a pod of the namespace that has no labels.
fn closes_newcomers(context: &Context<'_>, namespace: &Text, direction: Direction) -> bool {
    let cluster = context.cluster;
    let bare = Labels::default();
    let by_network = cluster.network_policies.iter().any(|policy| {
        policy.meta.namespace.as_ref() == Some(namespace)
            && isolates(policy, direction)
            && policy.subject.matches(&bare)
    });
    let by_cilium = || {
        cluster.cilium_policies.iter().any(|policy| {
            policy.meta.namespace.as_ref().is_none_or(|own| own == namespace)
                && policy.specs.iter().any(|spec| {
                    let CiliumSubject::Endpoints(selector) = &spec.subject else { return false };
                    spec_isolates(spec, direction) && is_about_namespaces(selector)
                })
        })
    };
    let by_tier = || {
        let labels = cluster.namespace(namespace).map(|known| &known.labels);
        cluster.tier_policies.iter().any(|policy| {
            let rules = match direction {
                Direction::Ingress => &policy.ingress,
                Direction::Egress => &policy.egress,
            };
            let about = match &policy.subject {
                TierSubject::Namespaces(selector) => labels.is_some_and(|labels| selector.matches(labels)),
                TierSubject::Pods { namespace, pod } => {
                    labels.is_some_and(|labels| namespace.matches(labels)) && pod.matches(&bare)
                }
            };
            about && rules.iter().any(|rule| rule.action == Action::Deny)
        })
    };
    by_network || by_cilium() || by_tier()
}

/// Whether a selector asks for nothing of the pod itself.
fn is_about_namespaces(selector: &Selector) -> bool {
    selector.requirements.iter().all(|wanted| {
        let key = wanted.key.rsplit_once(':').map_or(&*wanted.key, |(_, key)| key);
        key == derived::NAMESPACE
            || key.starts_with(derived::NAMESPACE_LABELS)
            || matches!(wanted.operator, Operator::NotIn | Operator::DoesNotExist)
    })
}
