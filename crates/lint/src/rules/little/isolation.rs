//! Which workloads nothing isolates, by namespace. In: the engine's groups of pods under the same policies. Out: per namespace
//! and direction those that are isolated, and those that are not.

use std::collections::BTreeMap;

use ringfence_model::{
    Text,
    network_policy::PolicyMeta,
    origin::Origin,
    tier::Action,
    verdict::Direction,
    workload::{WorkloadId, WorkloadKind},
};

use crate::{allow::field, context::Context, finding::Findings, naming, rule::Severity};

/// A namespace in one direction.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Workloads that a policy isolates, or for which a tier denies something.
    pub isolated: Vec<WorkloadId>,
    /// Workloads with a pod that nothing isolates.
    pub open: Vec<WorkloadId>,
}

/// The standing of every namespace with pods that policies can select. Namespaces of Kubernetes itself are left out.
pub(super) fn standings(context: &Context<'_>, direction: Direction) -> BTreeMap<Text, Standing> {
    let denying: Vec<&PolicyMeta> = (context.cluster.tier_policies.iter())
        .filter(|policy| {
            let rules = match direction {
                Direction::Ingress => &policy.ingress,
                Direction::Egress => &policy.egress,
            };
            rules.iter().any(|rule| rule.action == Action::Deny)
        })
        .map(|policy| &*policy.meta)
        .collect();
    let mut found: BTreeMap<Text, Standing> = BTreeMap::new();
    for group in context.groups() {
        let policies = group.of(direction);
        let closed = policies.is_isolated()
            || (!denying.is_empty() && policies.selecting.iter().any(|meta| denying.contains(&&**meta)));
        for id in naming::workloads(context.cluster, group.pods.iter().copied()) {
            let Some(workload) = context.cluster.workload(id) else { continue };
            if workload.namespace.starts_with("kube-") {
                continue;
            }
            let standing = found.entry(workload.namespace.clone()).or_default();
            if closed { &mut standing.isolated } else { &mut standing.open }.push(id);
        }
    }
    for standing in found.values_mut() {
        for list in [&mut standing.isolated, &mut standing.open] {
            list.sort_unstable();
            list.dedup();
        }
        let open = std::mem::take(&mut standing.open);
        standing.isolated.retain(|id| open.binary_search(id).is_err());
        standing.open = open;
    }
    found
}

/// Where a workload is written, or its pods.
pub(super) fn place(context: &Context<'_>, id: WorkloadId) -> Origin {
    let Some(workload) = context.cluster.workload(id) else { return Origin::NONE };
    let pods = workload.pods.iter().filter_map(|pod| context.cluster.pod(*pod)).map(|pod| pod.origin);
    [workload.origin].into_iter().chain(pods).find(|origin| origin.is_some()).unwrap_or_default()
}

/// How many other workloads a finding points to.
const POINTED: usize = 3;

/// What nothing isolates in a namespace, in one direction.
struct Open {
    workloads: Vec<WorkloadId>,
    /// How many others of the namespace are isolated, if these few were forgotten.
    forgotten: Option<usize>,
}

/// Reports what nothing isolates in a direction: once for each namespace. Where it is only worth knowing in both directions,
/// it is said once, with ingress.
pub(super) fn report(context: &Context<'_>, direction: Direction, findings: &mut Findings) {
    if !context.cluster.profile.enforces {
        return;
    }
    let infrastructure = infrastructure(context);
    let (ingress, egress) = (standings(context, Direction::Ingress), standings(context, Direction::Egress));
    // Namespaces without any policy, each with its workloads.
    let mut bare: Vec<(Text, Vec<WorkloadId>)> = Vec::new();
    // `sensitive-exposed` says more about these.
    let told: Vec<WorkloadId> = context
        .exposed()
        .iter()
        .filter(|one| one.rules.is_empty())
        .map(|one| one.sensitive.workload)
        .collect();
    for (namespace, inward) in &ingress {
        let Some(outward) = egress.get(namespace) else { continue };
        let open_in =
            open(context, inward, |id| told.contains(&id) || is_finite(context, id), &infrastructure);
        if inward.isolated.is_empty() && outward.isolated.is_empty() {
            let untold: Vec<WorkloadId> =
                inward.open.iter().copied().filter(|id| !told.contains(id)).collect();
            if !untold.iter().all(|id| infrastructure.contains(id)) {
                bare.push((namespace.clone(), untold));
            }
            continue;
        }
        let open_out = open(context, outward, |_| false, &infrastructure);
        match (direction, open_in, open_out) {
            (Direction::Ingress, Some(open_in), Some(open_out))
                if open_in.forgotten.is_none() && open_out.forgotten.is_none() =>
            {
                of_both(context, namespace, &open_in.workloads, &open_out.workloads, findings);
            }
            (Direction::Ingress, Some(open), _) => {
                of_namespace(context, direction, namespace, &open, findings);
            }
            (Direction::Egress, open_in, Some(open))
                if open.forgotten.is_some()
                    || open_in.as_ref().is_none_or(|open_in| open_in.forgotten.is_some()) =>
            {
                of_namespace(context, direction, namespace, &open, findings);
            }
            _ => {}
        }
    }
    // Said once, of ingress.
    if direction == Direction::Ingress {
        without_policies(context, &bare, findings);
    }
}

/// The workloads that are open, but for some. A few among many that are isolated were forgotten; many beside a few were left
/// open, as are those that serve the whole cluster.
fn open(
    context: &Context<'_>,
    standing: &Standing,
    leave_out: impl Fn(WorkloadId) -> bool,
    infrastructure: &[WorkloadId],
) -> Option<Open> {
    let forgotten = (standing.isolated.len() > standing.open.len()).then_some(standing.isolated.len());
    let controllers = &context.facts().controllers;
    let serves = |id: &WorkloadId| match forgotten {
        Some(_) => controllers.iter().any(|controller| controller.workload == *id),
        None => infrastructure.contains(id),
    };
    let workloads: Vec<WorkloadId> =
        standing.open.iter().copied().filter(|id| !leave_out(*id) && !serves(id)).collect();
    (!workloads.is_empty()).then_some(Open { workloads, forgotten })
}

/// Whether a workload runs to its end and offers no port: nobody connects to it.
fn is_finite(context: &Context<'_>, id: WorkloadId) -> bool {
    let Some(workload) = context.cluster.workload(id) else { return false };
    let mut pods = workload.pods.iter().filter_map(|pod| context.cluster.pod(*pod));
    matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob) && pods.all(|pod| pod.ports.is_empty())
}

/// What serves the whole cluster: controllers, what scrapes, what resolves names. Nobody expects policies in their namespaces
/// from the authors of an application's.
fn infrastructure(context: &Context<'_>) -> Vec<WorkloadId> {
    let facts = context.facts();
    let resolvers = facts.dns.iter().flat_map(|resolver| resolver.pods.iter().copied());
    let mut found = naming::workloads(context.cluster, resolvers);
    found.extend(facts.controllers.iter().map(|controller| controller.workload));
    found.extend(facts.prometheus.iter().map(|scraper| scraper.workload));
    found
}

fn of_namespace(
    context: &Context<'_>,
    direction: Direction,
    namespace: &str,
    open: &Open,
    findings: &mut Findings,
) {
    let Some((first, rest)) = open.workloads.split_first() else { return };
    let word = field(direction);
    let names = naming::listed(context.cluster, &open.workloads);
    let finding = findings.report(place(context, *first), format!("nothing isolates {names} for {word}"));
    let free = match direction {
        Direction::Ingress => "everybody may connect, on every port",
        Direction::Egress => "free to connect to everything",
    };
    match open.forgotten {
        Some(1) => finding.label(format!("{free}; 1 other workload of `{namespace}` is isolated")),
        Some(others) => {
            finding.label(format!("{free}; {others} other workloads of `{namespace}` are isolated"))
        }
        None => finding.severity(Severity::Info).label(free),
    };
    finding.help(help(namespace, Some(direction)));
    for id in rest.iter().take(POINTED) {
        finding.related(place(context, *id), format!("not isolated for {word} either"));
    }
}

/// What is open in both directions, where it is only worth knowing.
fn of_both(
    context: &Context<'_>,
    namespace: &str,
    ingress: &[WorkloadId],
    egress: &[WorkloadId],
    findings: &mut Findings,
) {
    let Some(first) = ingress.first() else { return };
    let names = naming::listed(context.cluster, ingress);
    let message = if ingress == egress {
        format!("nothing isolates {names} in either direction")
    } else {
        let others = naming::listed(context.cluster, egress);
        format!("nothing isolates {names} for ingress, and {others} for egress")
    };
    let finding = findings.report(place(context, *first), message);
    finding
        .severity(Severity::Info)
        .label("everybody may connect, on every port")
        .help(help(namespace, None));
}

fn without_policies(context: &Context<'_>, bare: &[(Text, Vec<WorkloadId>)], findings: &mut Findings) {
    let Some(((first, workloads), rest)) = bare.split_first() else { return };
    let names: Vec<String> = bare.iter().map(|(namespace, _)| format!("`{namespace}`")).collect();
    let pods = if bare.len() == 1 { "the pods of" } else { "the pods of namespaces" };
    let at = workloads.first().map_or(Origin::NONE, |id| place(context, *id));
    let message = format!("no policy isolates {pods} {}", naming::listed_names(&names));
    let finding = findings.report(at, message);
    finding.severity(Severity::Info).label("everybody may connect to them, and they to everything");
    finding.help(help(first, None));
    for (namespace, workloads) in rest.iter().take(POINTED) {
        let at = workloads.first().map_or(Origin::NONE, |id| place(context, *id));
        finding.related(at, format!("`{namespace}` has no policy either"));
    }
}

/// A default deny in one direction, or in both.
fn help(namespace: &str, direction: Option<Direction>) -> String {
    let (name, types) = match direction {
        None => ("default-deny", "    - Ingress\n    - Egress\n"),
        Some(Direction::Ingress) => ("default-deny-ingress", "    - Ingress\n"),
        Some(Direction::Egress) => ("default-deny-egress", "    - Egress\n"),
    };
    let dns = if direction == Some(Direction::Ingress) { "" } else { ", DNS first" };
    format!(
        "allow what they need{dns}, then deny the rest of the namespace:\n\
         apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  podSelector: {{}}\n  policyTypes:\n{types}"
    )
}
