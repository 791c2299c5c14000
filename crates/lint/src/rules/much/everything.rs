//! Rules that allow everything. In: the rules that allow. Out: those that open a direction to every peer on every port, and
//! the default denies that they make void.

use ringfence_model::{verdict::Direction, workload::PodId};
use ringfence_policy::{compiled::PodSet, permit::Permit};

use crate::{
    allow::{Allow, Breadth, By, allows},
    context::Context,
    default_deny::{DefaultDeny, default_denies, denying},
};

/// A rule that allows everything.
pub(super) struct Everything<'a> {
    pub allow: Allow<'a>,
    pub breadth: Breadth,
    pub subject: PodSet,
    /// The default denies of other policies for the direction that it makes void, for its pods.
    pub undoes: Vec<DefaultDeny<'a>>,
}

/// Whether it opens its direction to every peer on every port. A network that holds all addresses is for egress a matter of its
/// own: see `egress-to-anywhere`.
pub(super) fn is_everything(allow: &Allow<'_>, breadth: &Breadth) -> bool {
    let by_network = breadth.by == By::Network && allow.direction == Direction::Egress;
    breadth.is_everyone() && !by_network && allow.is_every_port() && !allow.has_denials_beside()
}

/// Every such rule that is about some pod, or about a namespace of which no pod is given.
pub(super) fn everything<'a>(context: &Context<'a>) -> Vec<Everything<'a>> {
    let denies = default_denies(context.cluster);
    let mut found = Vec::new();
    for allow in allows(context.cluster) {
        let breadth = allow.breadth(context);
        if !is_everything(&allow, &breadth) {
            continue;
        }
        let subject = allow.subject(context);
        if subject.is_empty() && has_pods(context, allow.meta.namespace.as_deref()) {
            continue;
        }
        let undoes = undone(context, &allow, &subject, &denies);
        found.push(Everything { allow, breadth, subject, undoes });
    }
    found
}

/// Whether a pod of the namespace is given; of any namespace, if none is named.
pub(super) fn has_pods(context: &Context<'_>, namespace: Option<&str>) -> bool {
    let pods = &context.cluster.pods;
    let Some(namespace) = namespace else { return !pods.is_empty() };
    let at = pods.partition_point(|pod| *pod.namespace < *namespace);
    pods.get(at).is_some_and(|pod| *pod.namespace == *namespace)
}

fn undone<'a>(
    context: &Context<'a>,
    allow: &Allow<'a>,
    subject: &PodSet,
    denies: &[DefaultDeny<'a>],
) -> Vec<DefaultDeny<'a>> {
    if allow.meta.audit {
        return Vec::new();
    }
    let in_force = |deny: &&DefaultDeny<'a>| deny.meta != allow.meta;
    let found: Vec<DefaultDeny<'a>> = match &allow.meta.namespace {
        Some(namespace) => denying(denies, namespace, allow.direction).filter(in_force).copied().collect(),
        // A clusterwide policy: the namespaces of the pods that it is about.
        None => {
            let selected = |deny: &&DefaultDeny<'a>| {
                subject
                    .iter()
                    .filter_map(|pod| context.cluster.pod(pod))
                    .any(|pod| pod.namespace == *deny.namespace)
            };
            let of_direction = denies.iter().filter(|deny| deny.direction == allow.direction);
            of_direction.filter(in_force).filter(selected).copied().collect()
        }
    };
    let open = subject.iter().next().is_none_or(|pod| is_open(context, pod, allow.direction));
    if open { found } else { Vec::new() }
}

/// Whether the engine lets everything pass between a pod and every public address.
fn is_open(context: &Context<'_>, pod: PodId, direction: Direction) -> bool {
    let reach = context.reach();
    let Some(cell) = reach.cell_of(pod) else { return false };
    let all = Permit::all();
    let open = reach.external(cell, direction).into_iter().filter(|(_, permit)| *permit == all);
    let open = open.fold(ringfence_model::address::IpSet::empty(), |sum, (set, _)| sum.union(&set));
    context.families().iter().all(|family| open.contains_set(context.internet(*family)))
}
