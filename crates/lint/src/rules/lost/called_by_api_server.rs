//! Services that the API server calls and cannot reach. In: the callers of one sort. Out: findings.

use std::collections::BTreeMap;

use ringfence_model::{caller::ServiceCaller, cilium::Entity, origin::Origin, verdict::Direction};

use super::{
    missing::{Missing, port},
    openings::{Opening, Policies, Who},
    outside::{nobody_gets_in, none_gets_in},
    passage::{Cut, blame, called},
    references::Services,
    targets::{Targets, at},
};
use crate::{context::Context, finding::Findings, rule::Severity};

/// The namespace of the pods through which some providers tunnel the API server's calls (konnectivity).
const TUNNEL: &str = "kube-system";

/// Reports the callers that a rule is about.
pub(super) fn report(context: &Context<'_>, about: impl Fn(&ServiceCaller) -> bool, findings: &mut Findings) {
    if context.cluster.nodes.len() == 1 {
        return;
    }
    let services = Services::new(context.cluster);
    let policies = Policies::new(context);
    let mut by_port: BTreeMap<(&str, &str, u16), Vec<&ServiceCaller>> = BTreeMap::new();
    for caller in context.cluster.callers.iter().filter(|caller| about(caller)) {
        by_port.entry((&caller.namespace, &caller.service, caller.port)).or_default().push(caller);
    }
    for ((namespace, name, number), callers) in by_port {
        let Some(service) = services.get(namespace, name) else { continue };
        let Some(targets) = at(context.cluster, service, number) else { continue };
        if let Some((cut, tunnel)) = cut_off(context, &policies, &targets) {
            unreachable(context, &callers, &targets, &cut, tunnel, findings);
        }
    }
}

/// A sample, and the peer by which pods of the tunnel's namespace may get in.
fn cut_off(
    context: &Context<'_>,
    policies: &Policies<'_>,
    targets: &Targets,
) -> Option<(Cut, Option<Origin>)> {
    let known: Vec<_> = context.facts().api_server.iter().map(|server| server.address.ip()).collect();
    if !known.is_empty() {
        return none_gets_in(context, &known, targets).map(|cut| (cut, None));
    }
    let outside = |opening: &Opening<'_>| match opening.who {
        Who::Everyone | Who::Addresses | Who::Address | Who::Name | Who::Other => true,
        Who::Entity(entity) => !matches!(
            entity,
            Entity::None | Entity::Ingress | Entity::Init | Entity::Health | Entity::Unmanaged
        ),
        Who::Pods { .. } => false,
    };
    let tunnelled = |opening: &Opening<'_>| match opening.who {
        Who::Pods { own: Some(own), .. } => **own == *TUNNEL,
        Who::Pods { namespaces: Some(selector), .. } => policies.may_select(selector, TUNNEL),
        Who::Pods { .. } => true,
        _ => false,
    };
    let cut = nobody_gets_in(context, policies, targets, outside)?;
    let tunnel = targets.pods.iter().find_map(|(pod, port)| {
        let openings = policies.openings(*pod, Direction::Ingress, Some((targets.protocol, *port)));
        openings.iter().find(|opening| tunnelled(opening)).map(|opening| opening.origin)
    });
    Some((cut, tunnel))
}

fn unreachable(
    context: &Context<'_>,
    callers: &[&ServiceCaller],
    targets: &Targets,
    cut: &Cut,
    tunnel: Option<Origin>,
    findings: &mut Findings,
) {
    let Some((caller, more)) = callers.split_first() else { return };
    let Some((pod, number)) = targets.pods.first().copied() else { return };
    let name = called(context.cluster, pod);
    let kind = caller.kind.as_str();
    let finding = findings.report(
        caller.origin,
        format!(
            "the API server cannot call the Service `{}/{}` of {kind} `{}`",
            caller.namespace, caller.service, caller.name
        ),
    );
    finding.label(format!("leads to `{name}` at port {number}, which lets no API server in"));
    if let Some(peer) = tunnel {
        finding.severity(Severity::Warning).related(
            peer,
            "this lets pods in, and the API server is none, unless it calls through a tunnel that runs as pods",
        );
    }
    blame(context, finding, cut, Direction::Ingress, &name);
    for caller in more.iter().take(3) {
        finding.related(caller.origin, format!("{} `{}` needs it too", caller.kind.as_str(), caller.name));
    }
    let otherwise = format!(
        "let everybody in at port {number} of `{name}`: the callers are not pods, and prove who they are by TLS"
    );
    let Some(pod) = context.cluster.pod(pod) else { return };
    let help =
        ringfence_analysis::explain::labels::for_workload(context.cluster, pod.workload).map(|chosen| {
            let missing = Missing::opening(
                context,
                &pod.namespace,
                &format!("{}-from-api-server", pod.name),
                chosen.selector,
                Direction::Ingress,
                Vec::new(),
                &[port(targets.protocol, number)],
                &[cut],
            );
            missing.help(
                context,
                "the API server in (its address is nothing that a selector finds)",
                &otherwise,
            )
        });
    finding.help(help.unwrap_or(otherwise));
}
