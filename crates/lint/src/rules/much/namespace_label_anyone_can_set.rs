//! Ingress peers chosen by namespace labels that whoever creates a namespace may set.

use ringfence_model::{
    label::Operator, network_policy::NetworkPeer, verdict::Direction, workload::NAMESPACE_NAME_LABEL,
};

use crate::{
    allow::{Body, allows},
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF406",
    name: "namespace-label-anyone-can-set",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: true,
    summary: "an ingress peer is chosen by a namespace label other than the namespace's name",
    what: "Reports the labels by which an ingress rule chooses namespaces when `kubernetes.io/metadata.name` is not among \
           them. Only the API server sets that one.",
    why: "Whoever may create or label a namespace can give it the label and connect. Where only administrators may do that, \
          such labels are a good way to name groups of namespaces: that is why this rule has to be turned on.",
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
        - namespaceSelector:
            matchLabels:
              team: platform
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
              kubernetes.io/metadata.name: platform
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for allow in allows(context.cluster) {
        let Body::Network(_, rule) = allow.body else { continue };
        if allow.direction != Direction::Ingress {
            continue;
        }
        for peer in &rule.peers {
            let NetworkPeer::Pods { namespace: Some(selector), .. } = peer else { continue };
            let named = selector
                .requirements
                .iter()
                .any(|wanted| *wanted.key == *NAMESPACE_NAME_LABEL && wanted.operator == Operator::In);
            let Some(first) = selector.requirements.first().filter(|_| !named) else { continue };
            findings
                .report(first.origin, format!("whoever may label a namespace `{}` may connect", first.key))
                .label("not a label that only the API server sets")
                .help(format!("choose the namespaces by `{NAMESPACE_NAME_LABEL}`"));
        }
    }
}
