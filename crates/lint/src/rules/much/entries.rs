//! Where something leads from outside. In: Services, Ingresses, routes and what the API server calls. Out: the pods at the
//! end.

use std::collections::BTreeSet;

use ringfence_model::{
    service::{Service, ServiceType},
    verdict::Direction,
    workload::PodId,
};
use ringfence_policy::compiled::PodSet;

use crate::{context::Context, facts::backends};

/// Pods that are reached from outside.
pub(super) struct Entries {
    /// By a Service of type NodePort or LoadBalancer, one with external addresses, an Ingress or a route.
    public: BTreeSet<PodId>,
    /// By the API server.
    called: BTreeSet<PodId>,
}

impl Entries {
    /// All of a cluster.
    pub(super) fn new(context: &Context<'_>) -> Self {
        let cluster = context.cluster;
        let open = |service: &&Service| {
            matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer)
                || !service.external_ips.is_empty()
        };
        let routes = cluster.entry_points.iter().flat_map(|entry| &entry.backends);
        let routed = routes.filter_map(|backend| cluster.service(&backend.namespace, &backend.service));
        let public = cluster.services.iter().filter(open).chain(routed);
        let callers = cluster.callers.iter();
        let called = callers.filter_map(|caller| cluster.service(&caller.namespace, &caller.service));
        Self {
            public: public.flat_map(|service| backends::backends(cluster, service)).collect(),
            called: called.flat_map(|service| backends::backends(cluster, service)).collect(),
        }
    }

    /// Whether something leads to one of the pods.
    pub(super) fn lead_to(&self, pods: &PodSet) -> bool {
        pods.iter().any(|pod| self.public.contains(&pod) || self.called.contains(&pod))
    }

    /// Whether an entry for people is known in the namespace, so that the input shows entries.
    pub(super) fn are_known_in(&self, context: &Context<'_>, namespace: Option<&str>) -> bool {
        let mut pods = self.public.iter().filter_map(|pod| context.cluster.pod(*pod));
        pods.any(|pod| Some(&*pod.namespace) == namespace)
    }

    /// Whether everything may come in for these pods with some reason: something leads to them.
    pub(super) fn excuse(&self, direction: Direction, pods: &PodSet) -> bool {
        direction == Direction::Ingress && self.lead_to(pods)
    }
}
