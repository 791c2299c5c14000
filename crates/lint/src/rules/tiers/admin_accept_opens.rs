//! An Accept of the Admin tier that makes default denies void.

use ringfence_model::{
    flow::Endpoint,
    tier::{Action, Tier},
    verdict::{Direction, Outcome},
};
use ringfence_policy::Judge as _;

use super::{
    rules::{self, Ruled},
    witness,
};
use crate::{
    context::Context,
    default_deny::{DefaultDeny, default_denies},
    finding::Findings,
    naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF605",
    name: "admin-accept-opens",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the Admin tier accepts every pod on every port, so that default denies of namespaces are void",
    what: "Reports a rule of the Admin tier that accepts connections with every pod of the cluster, on every port, for pods of \
           a namespace with a default deny in that direction. The engine confirms it with a connection from another namespace.",
    why: "What the Admin tier accepts, no NetworkPolicy can deny. The default deny is there, looks right, and does nothing \
          within the cluster.",
    bad: Example::new(EXAMPLE_OPEN),
    good: Example::new(EXAMPLE_PASSED),
    check,
};

const EXAMPLE_OPEN: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: inside}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  ingress:
    - action: Accept
      from:
        - namespaces: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

const EXAMPLE_PASSED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: inside}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces: {}
  ingress:
    - action: Pass
      from:
        - namespaces: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

/// Default denies that are related places.
const NAMED: usize = 3;

fn check(context: &Context<'_>, findings: &mut Findings) {
    let accepts = |ruled: &Ruled<'_>| {
        ruled.policy.tier == Tier::Admin
            && ruled.rule.action == Action::Accept
            && ruled.rule.ports.is_empty()
            && rules::names_every_pod(&ruled.rule.peers)
            && ruled.effect.reached == Some(true)
    };
    let denies = default_denies(context.cluster);
    for ruled in rules::all(context).into_iter().filter(accepts) {
        let of_direction = denies.iter().filter(|deny| deny.direction == ruled.direction);
        let void: Vec<&DefaultDeny<'_>> =
            of_direction.filter(|deny| is_void(context, &ruled, deny)).collect();
        if !void.is_empty() {
            report(context, &ruled, &void, findings);
        }
    }
}

/// Whether a pod of the namespace and one of another may connect because of the rule.
fn is_void(context: &Context<'_>, ruled: &Ruled<'_>, deny: &DefaultDeny<'_>) -> bool {
    let pods = &context.cluster.pods;
    let subject = context.scope.tier_subject(ruled.policy);
    let own = |id: &ringfence_model::workload::PodId| {
        pods.get(id.0 as usize).is_some_and(|pod| pod.namespace == *deny.namespace)
    };
    let subjects = witness::subjects(context, subject.iter().filter(own));
    let others: Vec<Endpoint> = (witness::ends(context, &[ruled.rule]).into_iter())
        .filter(|end| matches!(end, Endpoint::Pod(id) if !own(id)))
        .collect();
    let accepted = |flow: &ringfence_model::flow::Flow| {
        let verdict = context.compiled.verdict(flow);
        let side = match ruled.direction {
            Direction::Ingress => verdict.ingress,
            Direction::Egress => verdict.egress,
        };
        let by_rule = side.rules().any(|rule| {
            rules::is_same(&rule.policy, &ruled.policy.meta)
                && (rule.direction, rule.index) == (ruled.direction, ruled.effect.rule.index)
        });
        (side.outcome == Outcome::Allow && by_rule).then_some(())
    };
    witness::first(context, ruled.direction, &subjects, &others, &[], accepted).is_some()
}

fn report(context: &Context<'_>, ruled: &Ruled<'_>, void: &[&DefaultDeny<'_>], findings: &mut Findings) {
    let mut names: Vec<String> = void.iter().map(|deny| format!("`{}`", deny.namespace)).collect();
    names.sort();
    names.dedup();
    let finding = findings.report(
        ruled.place(context),
        format!("{} makes the default deny of {} void", ruled.called(), naming::listed_names(&names)),
    );
    finding.label("every pod of the cluster, every port");
    for deny in void.iter().take(NAMED) {
        finding
            .related(deny.subject, format!("`{}` denies nothing within the cluster", deny.meta.full_name()));
    }
    finding.help("`Pass` leaves the decision to the namespaces; or name the pods and ports that must always get through");
}
