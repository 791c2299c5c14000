//! A policy of a tier that denies everything, to the system's own pods too.

use ringfence_model::{
    Text,
    label::{Labels, Selector},
    tier::{Action, Tier, TierPolicy, TierSubject},
    verdict::Direction,
    workload::NAMESPACE_NAME_LABEL,
};

use super::rules;
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF607",
    name: "subject-includes-system-namespaces",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a policy of a tier denies all traffic of all pods, also to the pods of `kube-system`",
    what: "Reports a policy of the Admin or Baseline tier that denies connections with every pod, or every address, on every \
           port, and whose subject takes in the pods of `kube-system`. It keeps silent about subjects that choose pods by \
           labels of their own, about ports that are named, and where it depends on labels of the namespace that nobody gave.",
    why: "The resolver, the metrics server and the pods of the CNI run there, mostly without a NetworkPolicy that would lift a \
          denial. A denial that they are under stops the cluster's name resolution.",
    bad: Example::new(
        "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: default-deny}
spec:
  tier: Baseline
  priority: 0
  subject:
    namespaces: {}
  ingress:
    - action: Deny
      from:
        - namespaces: {}
",
    ),
    good: Example::new(
        "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: default-deny}
spec:
  tier: Baseline
  priority: 0
  subject:
    namespaces:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
    - action: Deny
      from:
        - namespaces: {}
",
    ),
    check,
};

/// The system's namespace.
const SYSTEM: &str = "kube-system";

fn check(context: &Context<'_>, findings: &mut Findings) {
    let policies = context.cluster.tier_policies.iter();
    for policy in policies.filter(|policy| !policy.meta.audit && takes_in_system(context, policy)) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let every = |rule: &&ringfence_model::tier::TierRule| {
                rule.action == Action::Deny
                    && rule.ports.is_empty()
                    && (rules::names_every_pod(&rule.peers) || rules::names_every_address(&rule.peers))
            };
            let Some(rule) = rules::of(policy, direction).iter().find(every) else { continue };
            let what = match direction {
                Direction::Ingress => "to",
                Direction::Egress => "from",
            };
            let (TierSubject::Namespaces(selector) | TierSubject::Pods { namespace: selector, .. }) =
                &policy.subject;
            let finding = findings.report(
                rules::action_place(context, rule),
                format!("`{}` denies all traffic {what} the pods of `{SYSTEM}` too", policy.meta.name),
            );
            finding
                .label(match policy.tier {
                    Tier::Admin => "no NetworkPolicy can lift this",
                    Tier::Baseline => "in force where no NetworkPolicy isolates the pods",
                })
                .related(selector.origin, "this subject takes them in")
                .help(format!(
                    "leave the namespace out: `matchExpressions: [{{key: {NAMESPACE_NAME_LABEL}, operator: NotIn, values: \
                     [{SYSTEM}]}}]`"
                ));
        }
    }
}

/// Whether the subject is, for certain, every pod of the system's namespace.
fn takes_in_system(context: &Context<'_>, policy: &TierPolicy) -> bool {
    let namespace = match &policy.subject {
        TierSubject::Namespaces(namespace) => namespace,
        TierSubject::Pods { namespace, pod } if pod.is_empty() => namespace,
        TierSubject::Pods { .. } => return false,
    };
    match context.cluster.namespace(SYSTEM).filter(|known| known.given) {
        Some(known) => namespace.matches(&known.labels),
        None => by_name_alone(namespace),
    }
}

/// Whether a selector takes in the namespace, whatever labels it has beside its name.
fn by_name_alone(selector: &Selector) -> bool {
    let labels: Labels = [(Text::from(NAMESPACE_NAME_LABEL), Text::from(SYSTEM))].into_iter().collect();
    selector.requirements.iter().all(|requirement| &*requirement.key == NAMESPACE_NAME_LABEL)
        && selector.matches(&labels)
}
