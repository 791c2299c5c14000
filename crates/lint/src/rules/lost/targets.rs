//! Where connections to a Service's port end. In: a Service and one of its ports. Out: pods with the ports on them.

use ringfence_model::{
    cluster::Cluster,
    port::Protocol,
    service::{BackendPort, Service, ServicePort},
    workload::PodId,
};

use crate::facts::backends::{backends, number};

/// The pods behind a port of a Service and the ports on them.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub(super) pods: Vec<(PodId, u16)>,
    pub(super) protocol: Protocol,
}

/// Behind one port.
pub(super) fn through(cluster: &Cluster, service: &Service, port: &ServicePort) -> Option<Targets> {
    let pods: Vec<(PodId, u16)> = backends(cluster, service)
        .into_iter()
        .filter_map(|id| Some((id, number(cluster.pod(id)?, &port.target, port.protocol)?)))
        .collect();
    (!pods.is_empty()).then_some(Targets { pods, protocol: port.protocol })
}

/// Behind the port with a number, as clients see it: that of the pods themselves, for a headless Service.
pub(super) fn at(cluster: &Cluster, service: &Service, wanted: u16) -> Option<Targets> {
    if service.headless {
        let pods: Vec<(PodId, u16)> = backends(cluster, service).into_iter().map(|id| (id, wanted)).collect();
        return (!pods.is_empty()).then_some(Targets { pods, protocol: Protocol::Tcp });
    }
    let port = service.ports.iter().find(|port| port.port == wanted && port.protocol == Protocol::Tcp);
    let port = port.or_else(|| service.ports.iter().find(|port| port.port == wanted))?;
    through(cluster, service, port)
}

/// The port that an Ingress or a route names; the only one, if it names none.
pub(super) fn backend_port<'s>(
    service: &'s Service,
    wanted: Option<&BackendPort>,
) -> Option<&'s ServicePort> {
    match (wanted, service.ports.as_slice()) {
        (Some(BackendPort::Number(number)), ports) => ports.iter().find(|port| port.port == *number),
        (Some(BackendPort::Name(name)), ports) => ports.iter().find(|port| port.name.as_ref() == Some(name)),
        (None, [one]) => Some(one),
        (None, _) => None,
    }
}
