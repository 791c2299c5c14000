//! An empty list of rules in a Cilium policy, which is not what it is in a NetworkPolicy.

use ringfence_manifest::edit::{Edit, Value, append_item};
use ringfence_model::{
    cilium::{CiliumPolicy, CiliumSpec},
    network_policy::PolicyMeta,
    origin::Origin,
    verdict::Direction,
};
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
    what: "Reports a Cilium policy whose lists of rules are all empty: the API server takes it, and Cilium refuses it (`rule must \
           have at least one of Ingress, IngressDeny, Egress, EgressDeny`), whatever `enableDefaultDeny` says. Beside rules for \
           the other direction, reports `ingress: []` and `egress: []` where the engine finds pods of the policy that nothing \
           isolates in that direction; there `enableDefaultDeny` says what is meant.",
    why: "In a NetworkPolicy an empty list of rules denies everything. Cilium isolates pods only for a list with a rule in \
          it, be it the empty one: `kubectl apply` succeeds, nothing is enforced, and only the column `VALID` of `kubectl get cnp` \
          tells.",
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
            let lists = [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny];
            if lists.into_iter().all(Vec::is_empty) {
                refused(context, &policy.meta, spec, findings);
                continue;
            }
            one_list(context, policy, spec, findings);
        }
    }
}

/// Reports a spec without any rule.
fn refused(context: &Context<'_>, meta: &PolicyMeta, spec: &CiliumSpec, findings: &mut Findings) {
    let places = &context.places;
    let written: Vec<(Direction, Origin)> = [Direction::Ingress, Direction::Egress]
        .into_iter()
        .filter_map(|direction| Some((direction, places.key(spec.origin, &[direction.as_str().into()])?)))
        .collect();
    let at = written.first().map_or(meta.origin, |(_, key)| *key);
    let finding = findings
        .report(at, format!("`{}` has no rule, so Cilium refuses it and enforces nothing", meta.full_name()));
    finding.label("an empty list is no rule; the policy is created, and not valid");
    let whole: Vec<String> =
        written.iter().map(|(direction, _)| format!("`{}: [{{}}]`", direction.as_str())).collect();
    if whole.is_empty() {
        finding.help("write the rules that are meant");
    } else {
        finding.help(format!("write {} to deny everything", whole.join(" and ")));
    }
    if let [(_, key), more @ ..] = written.as_slice() {
        for (_, other) in more {
            finding.related(*other, "nor is this one");
        }
        let lists = written.iter().map(|(direction, _)| {
            let list = places.value(spec.origin, &[direction.as_str().into()])?;
            append_item(places, list, &Value::Map(Vec::new()))
        });
        let edits: Option<Vec<Vec<Edit>>> = lists.collect();
        // Where the list says nothing of the pods that are isolated already, the repair is refused.
        if key.is_some() && spec_is_open(context, spec) {
            finding.fix("deny everything", edits.map(|edits| edits.concat()), Claim::Cuts(Vec::new()));
        }
    }
}

/// Whether the spec isolates nothing as the engine reads it: `enableDefaultDeny` does not ask for it.
fn spec_is_open(context: &Context<'_>, spec: &CiliumSpec) -> bool {
    let stated = context.places.value(spec.origin, &["enableDefaultDeny".into()]).is_some();
    !stated && !spec.isolates_ingress && !spec.isolates_egress
}

/// Reports an empty list beside one with rules.
fn one_list(context: &Context<'_>, policy: &CiliumPolicy, spec: &CiliumSpec, findings: &mut Findings) {
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
        let subject = context.scope.cilium_subject(policy, spec);
        let open = context.groups().iter().filter(|group| !group.of(direction).is_isolated());
        let open: PodSet =
            open.flat_map(|group| group.pods.iter().copied()).filter(|pod| subject.contains(*pod)).collect();
        if open.is_empty() {
            continue;
        }
        let message = format!(
            "`{}` isolates nothing for {word}: {} stays open",
            policy.meta.full_name(),
            workload_names(context.cluster, &open)
        );
        let list = places.value(spec.origin, &[word.into()]);
        findings
            .report(key, message)
            .label("an empty list of rules has no effect in a Cilium policy")
            .help(format!("write `{word}: [{{}}]` to deny all {word}, or remove the list"))
            .fix(
                format!("deny all {word}"),
                list.and_then(|list| append_item(places, list, &Value::Map(Vec::new()))),
                Claim::Cuts(Vec::new()),
            );
    }
}
