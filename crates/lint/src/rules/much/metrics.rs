//! Ports that metrics are read from. In: a rule. Out: whether it is for such ports alone.

use ringfence_model::{port::PortSpec, service::TargetPort};
use ringfence_policy::compiled::PodSet;

use crate::{allow::Allow, context::Context};

/// Whether a port's name says that metrics are read from it.
fn is_name(name: &str) -> bool {
    name.contains("metrics") || name.contains("prom") || name == "monitoring"
}

/// Whether a rule for ingress is for metrics alone: every port of it is called so, by the rule, by the pods, by a Service or by
/// a monitor.
pub(super) fn only_metrics(context: &Context<'_>, allow: &Allow<'_>, subject: &PodSet) -> bool {
    let ports = allow.ports();
    !allow.is_every_port()
        && !ports.is_empty()
        && ports.iter().all(|port| match &port.ports {
            PortSpec::Named(name) => is_name(name),
            PortSpec::Range(first, last) => first == last && called(context, subject, *first),
            PortSpec::All => false,
        })
}

fn called(context: &Context<'_>, subject: &PodSet, number: u16) -> bool {
    let Some(pod) = subject.iter().next().and_then(|pod| context.cluster.pod(pod)) else { return false };
    let by_container =
        pod.ports.iter().any(|port| port.port == number && port.name.as_deref().is_some_and(is_name));
    let services = context.cluster.services.iter().filter(|service| {
        service.namespace == pod.namespace
            && service
                .selector
                .as_ref()
                .is_some_and(|selector| !selector.is_empty() && pod.labels.contains_all(selector))
    });
    let mut ports = services.flat_map(|service| &service.ports);
    by_container
        || ports.any(|port| {
            port.target == TargetPort::Number(number) && port.name.as_deref().is_some_and(is_name)
        })
}
