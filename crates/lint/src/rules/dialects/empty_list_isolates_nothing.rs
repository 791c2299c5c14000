//! An empty list of rules in a Cilium policy, which is not what it is in a NetworkPolicy.

use ringfence_manifest::edit::{Value, append_item};
use ringfence_model::{origin::Origin, verdict::Direction};
use ringfence_policy::compiled::PodSet;

use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
    walk::workload_names,
};

pub(super) static RULE: Rule = Rule {
    code: "RF718",
    name: "empty-list-isolates-nothing",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "`ingress: []` in a Cilium policy denies nothing: it takes `ingress: [{}]`",
    what: "Reports `ingress: []` and `egress: []` (or no value) in a Cilium policy that has no rule of the direction at all, where \
           the engine finds pods of the policy that nothing isolates in that direction. Silent where `enableDefaultDeny` says \
           what is meant.",
    why: "In a NetworkPolicy an empty list of rules denies everything. Cilium isolates pods only for a list with a rule in \
          it, be it the empty one: the policy is accepted and does nothing.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  endpointSelector: {}
  ingress: []
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  endpointSelector: {}
  ingress: [{}]
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for policy in context.cluster.cilium_policies.iter().filter(|policy| !policy.meta.audit) {
        for spec in &policy.specs {
            let lists = [
                (Direction::Ingress, spec.isolates_ingress, &spec.ingress, &spec.ingress_deny),
                (Direction::Egress, spec.isolates_egress, &spec.egress, &spec.egress_deny),
            ];
            for (direction, isolates, allows, denies) in lists {
                if isolates || !allows.is_empty() || !denies.is_empty() {
                    continue;
                }
                let word = direction.as_str();
                let places = &context.places;
                // Most policies do not speak of the direction: they need not be parsed.
                if !places.text(spec.origin).is_some_and(|text| text.contains(word)) {
                    continue;
                }
                let stated = places.value(spec.origin, &["enableDefaultDeny".into(), word.into()]).is_some();
                let Some(key) = places.key(spec.origin, &[word.into()]).filter(|_| !stated) else { continue };
                let list: Option<Origin> = places.value(spec.origin, &[word.into()]);
                let subject = context.scope.cilium_subject(policy, spec);
                let open = context.groups().iter().filter(|group| !group.of(direction).is_isolated());
                let open: PodSet = open
                    .flat_map(|group| group.pods.iter().copied())
                    .filter(|pod| subject.contains(*pod))
                    .collect();
                if open.is_empty() {
                    continue;
                }
                let message = format!(
                    "`{}` isolates nothing for {word}: {} stays open",
                    policy.meta.full_name(),
                    workload_names(context.cluster, &open)
                );
                let finding = findings.report(key, message);
                finding
                    .label("an empty list of rules has no effect in a Cilium policy")
                    .help(format!("write `{word}: [{{}}]` to deny all {word}, or remove the list"));
                let rule = Value::Map(Vec::new());
                finding.fix(
                    format!("deny all {word}"),
                    list.and_then(|list| append_item(places, list, &rule)),
                    Claim::Cuts(Vec::new()),
                );
            }
        }
    }
}
