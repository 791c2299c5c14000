//! One object of a manifest to the model. In: its mapping and its kind. Out: the decoded object, unless the API server
//! would reject it as a policy, and diagnostics.
//!
//! A policy with an error has no effect in a cluster, because the API server would not take it: it is left out here
//! too. Of other objects the good part is kept.

mod api_service;
mod cidr;
mod cilium;
mod cluster_network_policy;
pub(crate) mod config_map;
mod conversion_webhook;
pub(crate) mod cursor;
pub(crate) mod details;
mod endpoints;
pub(crate) mod fact;
mod gateway;
mod ingress;
pub(crate) mod kind;
mod labels;
mod lenient;
pub(crate) mod meta;
mod monitor;
pub(crate) mod names;
pub(crate) mod namespace;
mod network_policy;
mod node;
pub(crate) mod outline;
pub(crate) mod pod;
mod port;
mod probe;
mod selector;
mod service;
mod tier;
mod tier_v1alpha1;
mod webhook;
pub(crate) mod workload;

use ringfence_model::{
    cilium::CiliumPolicy,
    diagnostic::Severity,
    network_policy::NetworkPolicy,
    service::{EndpointSlice, EntryPoint, Service},
    tier::TierPolicy,
    workload::{Namespace, Node as ClusterNode, WorkloadKind},
};

use self::{
    cursor::{Decoder, Map},
    kind::ObjectKind,
    pod::PodObject,
    workload::{SelectorRule, WorkloadObject},
};

/// A decoded object.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Namespace(Namespace),
    Node(ClusterNode),
    Pod(Box<PodObject>),
    Workload(Box<WorkloadObject>),
    Service(Box<Service>),
    EndpointSlice(EndpointSlice),
    /// The subsets of an Endpoints object.
    Endpoints(Vec<EndpointSlice>),
    EntryPoint(Box<EntryPoint>),
    NetworkPolicy(NetworkPolicy),
    TierPolicy(TierPolicy),
    CiliumPolicy(CiliumPolicy),
}

/// Decodes an object of a kind. `old` says that its API version is no longer served; `namespace` is for namespaced
/// objects that name none.
pub(crate) fn object(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    kind: &ObjectKind,
    old: bool,
    namespace: &str,
) -> Option<Object> {
    let (errors, from) = (d.errors(), d.diagnostics.len());
    let object = match kind {
        ObjectKind::Namespace => namespace::decode(d, root).map(Object::Namespace),
        ObjectKind::Node => node::decode(d, root).map(Object::Node),
        ObjectKind::Workload(WorkloadKind::Pod) => {
            pod::decode(d, root, namespace).map(|pod| Object::Pod(Box::new(pod)))
        }
        ObjectKind::Workload(kind) => {
            let rule = if old { SelectorRule::Defaulted } else { SelectorRule::Required };
            workload::decode(d, root, namespace, kind, rule)
                .map(|workload| Object::Workload(Box::new(workload)))
        }
        ObjectKind::Service => {
            service::decode(d, root, namespace).map(|service| Object::Service(Box::new(service)))
        }
        ObjectKind::EndpointSlice => endpoints::slice(d, root, namespace).map(Object::EndpointSlice),
        ObjectKind::Endpoints => Some(Object::Endpoints(endpoints::endpoints(d, root, namespace))),
        ObjectKind::Ingress => {
            ingress::decode(d, root, namespace).map(|entry| Object::EntryPoint(Box::new(entry)))
        }
        ObjectKind::Gateway => {
            gateway::gateway(d, root, namespace).map(|entry| Object::EntryPoint(Box::new(entry)))
        }
        ObjectKind::HttpRoute => {
            gateway::route(d, root, namespace).map(|entry| Object::EntryPoint(Box::new(entry)))
        }
        ObjectKind::NetworkPolicy => network_policy::decode(d, root, namespace).map(Object::NetworkPolicy),
        ObjectKind::AdminNetworkPolicy => tier_v1alpha1::admin(d, root).map(Object::TierPolicy),
        ObjectKind::BaselineAdminNetworkPolicy => tier_v1alpha1::baseline(d, root).map(Object::TierPolicy),
        ObjectKind::ClusterNetworkPolicy => cluster_network_policy::decode(d, root).map(Object::TierPolicy),
        ObjectKind::CiliumNetworkPolicy => cilium::namespaced(d, root, namespace).map(Object::CiliumPolicy),
        ObjectKind::CiliumClusterwideNetworkPolicy => cilium::clusterwide(d, root).map(Object::CiliumPolicy),
    };
    if d.errors() == errors {
        return object;
    }
    let what = kind.name();
    let judge = if what.starts_with("Cilium") { "the API server or Cilium" } else { "the API server" };
    let (object, consequence) = if kind.is_policy() {
        (None, format!("{judge} would reject this {what}, so it has no effect on any verdict"))
    } else if object.is_some() {
        (object, format!("{judge} would reject this {what}; the rest of it is used"))
    } else {
        (None, format!("{judge} would reject this {what}; it is left out"))
    };
    // Once for each object will do: with the error that comes first in the text.
    let errors = d.diagnostics.iter_mut().skip(from).filter(|found| found.severity == Severity::Error);
    if let Some(first) = errors.min_by_key(|found| found.origin.start) {
        first.help = Some(match first.help.take() {
            Some(help) => format!("{help}; {consequence}"),
            None => consequence,
        });
    }
    object
}
