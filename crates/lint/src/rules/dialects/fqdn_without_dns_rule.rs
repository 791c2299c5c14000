//! DNS names as peers where nothing learns what they resolve to.

use ringfence_model::{
    cilium::{CiliumPeer, CiliumSubject, L7Match},
    verdict::Direction,
};
use ringfence_policy::compiled::{Choice, PodSet};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body, workload_names},
};

pub(super) static RULE: Rule = Rule {
    code: "RF705",
    name: "fqdn-without-dns-rule",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "`toFQDNs` matches nothing unless a rule with `rules.dns` lets Cilium see the pods' questions",
    what: "Reports rules with `toFQDNs` for pods that no Cilium policy of the input gives an egress rule with `rules.dns`. \
           Without pods in the input it is a warning, and only if no policy for the namespace has such a rule.",
    why: "Cilium learns the addresses of names by reading the answers that pods get, and reads only what a DNS rule sends \
          through its proxy. Without one the rule allows nothing.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop, labels: {app: worker}}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: worker}}
  egress:
    - toEndpoints:
        - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
      toPorts:
        - ports: [{port: \"53\", protocol: ANY}]
    - toFQDNs:
        - matchName: api.example.com
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop, labels: {app: worker}}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: worker, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: worker}}
  egress:
    - toEndpoints:
        - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
      toPorts:
        - ports: [{port: \"53\", protocol: ANY}]
          rules:
            dns: [{matchPattern: \"*\"}]
    - toFQDNs:
        - matchName: api.example.com
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let mut seen = PodSet::default();
    let mut namespaces: Vec<Option<&str>> = Vec::new();
    let egress = || walk::rules(context.cluster).filter(|rule| rule.direction == Direction::Egress);
    for rule in egress() {
        let Body::Cilium(policy, _, cilium) = rule.body else { continue };
        let dns = |l7: &L7Match| matches!(l7, L7Match::Dns(_));
        if cilium.ports.iter().any(|entry| entry.l7.iter().any(dns)) {
            seen = seen.union(&rule.subject(context));
            namespaces.push(policy.meta.namespace.as_deref());
        }
    }
    for rule in egress() {
        let named = |(peer, _): &(Choice<'_>, _)| matches!(peer, Choice::CiliumPeer(_, CiliumPeer::Fqdn(..)));
        let Some((_, at)) = rule.peers().into_iter().find(named) else { continue };
        let Body::Cilium(policy, spec, _) = rule.body else { continue };
        if !matches!(spec.subject, CiliumSubject::Endpoints(_)) {
            continue;
        }
        let subject = rule.subject(context);
        let blind = subject.difference(&seen);
        let own = policy.meta.namespace.as_deref();
        let covered = || own.is_none() || namespaces.iter().any(|known| known.is_none() || *known == own);
        if (!subject.is_empty() && blind.is_empty())
            || (subject.is_empty() && covered() && !namespaces.is_empty())
        {
            continue;
        }
        let message = if blind.is_empty() {
            format!("`{}` allows nothing by name: no rule lets Cilium see DNS answers", rule.meta.full_name())
        } else {
            format!(
                "`{}` allows {} nothing by name: no rule lets Cilium see their DNS answers",
                rule.meta.full_name(),
                workload_names(context.cluster, &blind)
            )
        };
        let finding = findings.report(at, message);
        finding.label("no egress rule for the same pods has `rules.dns`").help(
            "give the rule for the resolver (port 53) `rules: {dns: [{matchPattern: \"*\"}]}`, or the names that may be asked for",
        );
        if subject.is_empty() {
            finding.severity(Severity::Warning);
        }
    }
}
