//! Labels that only namespaces have, or that only Cilium knows, where pods' own labels are asked for.

use ringfence_manifest::edit::rename_key;
use ringfence_model::{
    cilium::derived, label::Requirement, network_policy::PolicyKind, profile::Profile, tier::Action,
    workload::NAMESPACE_NAME_LABEL,
};

use super::{repair, words};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    selection::{Place, is_never_on_pods},
};

pub(super) static RULE: Rule = Rule {
    code: "RF114",
    name: "label-of-another-source",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a pod selector asks for a label that pods never have",
    what: "Reports pod selectors on `kubernetes.io/metadata.name` (a label of namespaces), and on labels that Cilium derives \
           (`io.kubernetes.pod.namespace`, `io.cilium.k8s.*`) in policies of other dialects; the latter is a warning, \
           because Cilium itself understands it there, and silent with the `cilium` profile. In Cilium policies it reports label \
           sources that pods' labels do not have (only `k8s` and `any` do, `reserved` is for entities), and a subject of another \
           namespace than the policy's.",
    why: "No pod has such a label, so the selector means nobody.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - podSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-dns
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for part in &context.selections().parts {
        let peers = part.rules.iter().flat_map(|rule| rule.places().map(|place| (place, Some(rule.action))));
        let places = std::iter::once((&part.subject, None)).chain(peers);
        for (place, action) in places.filter(|(place, _)| place.pods.is_empty()) {
            let cilium = matches!(
                place.meta.kind,
                PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy
            );
            for requirement in place.pod.iter().flat_map(|pod| &pod.requirements) {
                if is_never_on_pods(requirement) {
                    of_namespaces(context, place, requirement, cilium, action, findings);
                }
            }
            for requirement in &place.derived {
                of_source(place, requirement, findings);
            }
        }
        subject(context, &part.subject, findings);
    }
}

fn report<'f>(
    place: &Place<'_>,
    requirement: &Requirement,
    findings: &'f mut Findings,
) -> &'f mut crate::Finding {
    findings.report(
        requirement.origin,
        format!("a selector of `{}` asks for a label that no pod has", place.meta.full_name()),
    )
}

fn of_namespaces(
    context: &Context<'_>,
    place: &Place<'_>,
    requirement: &Requirement,
    cilium: bool,
    action: Option<Action>,
    findings: &mut Findings,
) {
    let values = requirement.values.iter().map(|value| &**value).collect::<Vec<_>>().join(", ");
    if *requirement.key == *NAMESPACE_NAME_LABEL {
        let finding = report(place, requirement, findings);
        finding.label("the API server sets this on namespaces, not on pods");
        if cilium {
            finding.help(format!("write `k8s:{}: {values}`", derived::NAMESPACE));
        } else {
            finding.help(format!(
                "ask for it in a `namespaceSelector`: `matchLabels: {{{NAMESPACE_NAME_LABEL}: {values}}}`"
            ));
            let alone = place.namespace.is_none()
                && place.pod.as_ref().is_some_and(|pod| pod.requirements.len() == 1);
            let key = context.places.key(place.origin, &["podSelector".into()]).filter(|_| alone);
            if let (Some(key), Some(claim)) = (key, action.and_then(repair::more_peers)) {
                finding.fix(
                    "select namespaces",
                    rename_key(&context.places, key, "namespaceSelector"),
                    claim,
                );
            }
        }
        return;
    }
    if cilium || context.cluster.profile == Profile::CILIUM {
        return;
    }
    let finding = report(place, requirement, findings);
    finding.label("only Cilium derives this label for pods").severity(Severity::Warning);
    if *requirement.key == *derived::NAMESPACE {
        finding.help(format!(
            "ask for it in a `namespaceSelector`: `matchLabels: {{{NAMESPACE_NAME_LABEL}: {values}}}`"
        ));
    } else {
        finding.help(
            "state the `cilium` profile if that is what the cluster runs, or select by labels that pods have",
        );
    }
}

/// A key of a Cilium selector with a source that pods' labels do not have.
fn of_source(place: &Place<'_>, requirement: &Requirement, findings: &mut Findings) {
    let Some((source, key)) = requirement.key.split_once(':') else { return };
    if ["k8s", "any", "reserved"].contains(&source) || requirement.holds(None) {
        return;
    }
    report(place, requirement, findings)
        .label(format!("pods' labels have the source `k8s`, not `{source}`"))
        .help(format!("write `k8s:{key}`, or `{key}` alone"));
}

/// A subject of a namespaced Cilium policy that asks for another namespace.
fn subject(context: &Context<'_>, place: &Place<'_>, findings: &mut Findings) {
    let (Some(home), Some(selector)) = (place.home, &place.namespace) else { return };
    let Some(own) = context.cluster.namespace(home) else { return };
    let missed = selector.requirements.iter().find(|one| {
        let known = own.given || *one.key == *NAMESPACE_NAME_LABEL;
        known && !one.holds(own.labels.get(&one.key).map(|value| &**value))
    });
    if let Some(requirement) = missed {
        findings
            .report(
                requirement.origin,
                format!("`{}` selects pods of another namespace", place.meta.full_name()),
            )
            .label(format!(
                "the policy applies to pods of `{home}` only, which does not meet {}",
                words::requirement(requirement)
            ))
            .help("move the policy into that namespace, or make it a CiliumClusterwideNetworkPolicy");
    }
}
