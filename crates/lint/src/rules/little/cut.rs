//! Directions that a policy cuts whole without a rule for them. In: NetworkPolicies, the engine's groups. Out: those after
//! which nothing passes.

use std::collections::BTreeSet;

use ringfence_model::{
    network_policy::{NetworkPolicy, PolicyMeta},
    origin::Origin,
    service::Service,
    verdict::Direction,
};
use ringfence_policy::compiled::PodSet;

use crate::{
    allow::{allows, field, isolates, rules},
    context::Context,
    default_deny::{default_denies, denying},
};

/// A direction that a policy cuts.
pub(super) struct Cut<'a> {
    pub policy: &'a NetworkPolicy,
    pub direction: Direction,
    /// Its pods for which nothing passes.
    pub pods: PodSet,
    /// Where `policyTypes` lists the direction; nothing if there is no `policyTypes`.
    pub types: Option<Origin>,
    /// A Service that leads to the pods.
    pub service: Option<&'a Service>,
}

/// The cuts of policies for particular pods that have rules for the other direction and no field for this one.
pub(super) fn cuts<'a>(context: &Context<'a>) -> Vec<Cut<'a>> {
    let cluster = context.cluster;
    let mut found = Vec::new();
    let denies = default_denies(cluster);
    let mut closed: Option<[PodSet; 2]> = None;
    for policy in &cluster.network_policies {
        for (direction, other) in
            [(Direction::Ingress, Direction::Egress), (Direction::Egress, Direction::Ingress)]
        {
            let lopsided = isolates(policy, direction)
                && rules(policy, direction).is_empty()
                && !rules(policy, other).is_empty();
            if !lopsided
                || policy.subject.is_empty()
                || policy.meta.audit
                || is_written(context, policy, direction)
            {
                continue;
            }
            let subject = context.scope.network_subject(policy);
            if subject.is_empty() {
                continue;
            }
            let denied = |namespace: &str| denying(&denies, namespace, direction).next().is_some();
            if policy.meta.namespace.as_deref().is_some_and(denied) {
                continue;
            }
            let [ingress, egress] = &*closed.get_or_insert_with(|| {
                [Direction::Ingress, Direction::Egress].map(|direction| closed_pods(context, direction))
            });
            let closed = if direction == Direction::Ingress { ingress } else { egress };
            let pods = subject.intersection(closed);
            if pods.is_empty() {
                continue;
            }
            let types = listed(context, policy, direction);
            let service = service(context, policy, &pods);
            found.push(Cut { policy, direction, pods, types, service });
        }
    }
    found
}

/// The pods that are isolated in a direction, and for which no rule allows anything.
fn closed_pods(context: &Context<'_>, direction: Direction) -> PodSet {
    let all = allows(context.cluster).into_iter().filter(|allow| allow.direction == direction);
    let allowing: BTreeSet<&PolicyMeta> = all.map(|allow| &**allow.meta).collect();
    let closed = context.groups().iter().filter(|group| {
        let policies = group.of(direction);
        policies.is_isolated() && !policies.selecting.iter().any(|meta| allowing.contains(&**meta))
    });
    closed.flat_map(|group| group.pods.iter().copied()).collect()
}

/// Whether the policy has the direction's field, if only as an empty list.
fn is_written(context: &Context<'_>, policy: &NetworkPolicy, direction: Direction) -> bool {
    context.places.root_key(policy.meta.origin, &["spec".into(), field(direction).into()]).is_some()
}

/// Where `policyTypes` lists a direction.
fn listed(context: &Context<'_>, policy: &NetworkPolicy, direction: Direction) -> Option<Origin> {
    let name = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    let items = (0..2).filter_map(|at| {
        context.places.root_value(policy.meta.origin, &["spec".into(), "policyTypes".into(), at.into()])
    });
    let mut named = items
        .filter(|item| context.places.text(*item).is_some_and(|text| text.trim_matches(['"', '\'']) == name));
    named.next()
}

fn service<'a>(context: &Context<'a>, policy: &NetworkPolicy, pods: &PodSet) -> Option<&'a Service> {
    let pods: Vec<_> = pods.iter().filter_map(|pod| context.cluster.pod(pod)).collect();
    context.cluster.services.iter().find(|service| {
        policy.meta.namespace.as_ref() == Some(&service.namespace)
            && service.selector.as_ref().is_some_and(|selector| {
                !selector.is_empty() && pods.iter().any(|pod| pod.labels.contains_all(selector))
            })
    })
}
