//! Decoded objects to a cluster: repeated objects, workloads and their pods, namespaces that nobody gave, and the
//! order that makes the result independent of the order of files. In: objects. Out: a cluster.

mod facts;
mod workloads;

use std::{collections::hash_map::Entry, sync::Arc};

use ringfence_model::{
    Text, cluster::Cluster, diagnostic::Diagnostic, network_policy::PolicyMeta, origin::Origin,
    service::EndpointSlice,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    decode::{
        Object, fact::Fact, kind::ObjectKind, meta::Meta, namespace, pod::PodObject, workload::WorkloadObject,
    },
    read::{Found, Options},
};

/// What makes an object one of its kind.
type Identity<'o> = (&'static ObjectKind, Option<&'o Text>, &'o Text);

impl Object {
    /// Namespace, name and place; nothing for an object whose name the API server completes, or that holds nothing.
    fn identity(&self) -> Option<(Option<&Text>, &Text, Origin)> {
        let of_meta = |meta: &Arc<PolicyMeta>| -> Origin { meta.origin };
        match self {
            Self::Namespace(object) => Some((None, &object.name, object.origin)),
            Self::Node(object) => Some((None, &object.name, object.origin)),
            Self::Pod(object) => named(&object.meta),
            Self::Workload(object) => named(&object.meta),
            Self::Service(object) => Some((Some(&object.namespace), &object.name, object.origin)),
            Self::EndpointSlice(object) => Some((Some(&object.namespace), &object.name, object.origin)),
            Self::Endpoints(slices) => {
                slices.first().map(|slice| (Some(&slice.namespace), &slice.name, slice.origin))
            }
            Self::EntryPoint(object) => Some((Some(&object.namespace), &object.name, object.origin)),
            Self::NetworkPolicy(policy) => {
                Some((policy.meta.namespace.as_ref(), &policy.meta.name, of_meta(&policy.meta)))
            }
            Self::TierPolicy(policy) => {
                Some((policy.meta.namespace.as_ref(), &policy.meta.name, of_meta(&policy.meta)))
            }
            Self::CiliumPolicy(policy) => {
                Some((policy.meta.namespace.as_ref(), &policy.meta.name, of_meta(&policy.meta)))
            }
        }
    }
}

fn named(meta: &Meta) -> Option<(Option<&Text>, &Text, Origin)> {
    (!meta.generated).then_some((meta.namespace.as_ref(), &meta.name, meta.origin))
}

/// Marks which objects count: of the same object given twice, the first.
fn without_repeats(found: &[Found], diagnostics: &mut Vec<Diagnostic>) -> Vec<bool> {
    let mut first: FxHashMap<Identity<'_>, (u64, Origin)> = FxHashMap::default();
    let mut keep = Vec::with_capacity(found.len());
    for Found { kind, content, object } in found {
        let Some((namespace, name, origin)) = object.identity() else {
            keep.push(true);
            continue;
        };
        match first.entry((kind, namespace, name)) {
            Entry::Vacant(free) => {
                free.insert((*content, origin));
                keep.push(true);
            }
            Entry::Occupied(taken) => {
                let (first_content, first_origin) = *taken.get();
                diagnostics.push(repeat(
                    kind,
                    namespace,
                    name,
                    origin,
                    first_origin,
                    first_content == *content,
                ));
                keep.push(false);
            }
        }
    }
    keep
}

fn repeat(
    kind: &ObjectKind,
    namespace: Option<&Text>,
    name: &Text,
    origin: Origin,
    first: Origin,
    same: bool,
) -> Diagnostic {
    let kind = kind.name();
    let full = namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"));
    if same {
        Diagnostic::warning(
            "repeated-object",
            origin,
            format!("{kind} `{full}` is given twice with the same content"),
        )
        .with_label("this one is left out")
        .with_related(first, "the first one")
        .with_help("remove one of them")
    } else {
        Diagnostic::error(
            "repeated-object",
            origin,
            format!("{kind} `{full}` is given twice with different content"),
        )
        .with_label("this one is left out")
        .with_related(first, "the first one, which counts")
        .with_help("remove or rename one of them; in a cluster the one applied last would count")
    }
}

/// Fills a cluster with objects. Returns the namespaces that are used but not given, sorted.
pub(crate) fn cluster(
    found: Vec<Found>,
    facts: Vec<Fact>,
    options: &Options,
    cluster: &mut Cluster,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Text> {
    let keep = without_repeats(&found, diagnostics);
    let mut pods: Vec<PodObject> = Vec::new();
    let mut owners: Vec<WorkloadObject> = Vec::new();
    let mut endpoints: Vec<EndpointSlice> = Vec::new();
    for (Found { object, .. }, _) in found.into_iter().zip(keep).filter(|(_, keep)| *keep) {
        match object {
            Object::Namespace(namespace) => cluster.namespaces.push(namespace),
            Object::Node(node) => cluster.nodes.push(node),
            Object::Pod(pod) => pods.push(*pod),
            Object::Workload(workload) => owners.push(*workload),
            Object::Service(service) => cluster.services.push(*service),
            Object::EndpointSlice(slice) => cluster.endpoint_slices.push(slice),
            Object::Endpoints(slices) => endpoints.extend(slices),
            Object::EntryPoint(entry) => cluster.entry_points.push(*entry),
            Object::NetworkPolicy(policy) => cluster.network_policies.push(policy),
            Object::TierPolicy(policy) => cluster.tier_policies.push(policy),
            Object::CiliumPolicy(policy) => cluster.cilium_policies.push(policy),
        }
    }
    add_endpoints(cluster, endpoints);
    let maps = facts::add(cluster, facts);
    let specs = pods.iter_mut().map(|pod| (&pod.meta, &mut pod.spec));
    let templates = owners.iter_mut().map(|owner| (&owner.meta, &mut owner.spec));
    facts::complete(specs.chain(templates), &maps);
    (cluster.workloads, cluster.pods) = workloads::fold(pods, owners);
    let implied = imply_namespaces(cluster);
    sort(cluster);
    cluster.pod_cidrs.clone_from(&options.pod_cidrs);
    cluster.service_cidrs.clone_from(&options.service_cidrs);
    cluster.profile = options.profile;
    implied
}

/// Adds the endpoints of Services that have no EndpointSlices; of the others the control plane keeps both, alike.
fn add_endpoints(cluster: &mut Cluster, endpoints: Vec<EndpointSlice>) {
    let sliced: FxHashSet<(Text, Text)> = (cluster.endpoint_slices.iter())
        .filter_map(|slice| Some((slice.namespace.clone(), slice.service.clone()?)))
        .collect();
    cluster.endpoint_slices.extend(
        endpoints
            .into_iter()
            .filter(|slice| !sliced.contains(&(slice.namespace.clone(), slice.name.clone()))),
    );
}

/// Adds the namespaces that objects are in and that nobody gave.
fn imply_namespaces(cluster: &mut Cluster) -> Vec<Text> {
    let given: FxHashSet<&Text> = cluster.namespaces.iter().map(|namespace| &namespace.name).collect();
    let used = (cluster.workloads.iter().map(|workload| &workload.namespace))
        .chain(cluster.services.iter().map(|service| &service.namespace))
        .chain(cluster.endpoint_slices.iter().map(|slice| &slice.namespace))
        .chain(cluster.entry_points.iter().map(|entry| &entry.namespace))
        .chain(cluster.network_policies.iter().filter_map(|policy| policy.meta.namespace.as_ref()))
        .chain(cluster.cilium_policies.iter().filter_map(|policy| policy.meta.namespace.as_ref()));
    let mut implied: Vec<Text> = used.filter(|name| !given.contains(name)).cloned().collect();
    implied.sort_unstable();
    implied.dedup();
    cluster.namespaces.extend(implied.iter().cloned().map(namespace::implied));
    implied
}

/// Puts everything in the order that the model documents.
fn sort(cluster: &mut Cluster) {
    cluster.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    cluster.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    cluster.services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    cluster.endpoint_slices.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    cluster
        .entry_points
        .sort_by(|a, b| (&a.namespace, &a.name, a.kind).cmp(&(&b.namespace, &b.name, b.kind)));
    cluster
        .network_policies
        .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    cluster.tier_policies.sort_by(|a, b| {
        let key = |policy: &ringfence_model::tier::TierPolicy| (policy.tier, policy.priority);
        (key(a).cmp(&key(b)))
            .then_with(|| a.meta.name.cmp(&b.meta.name))
            .then_with(|| a.meta.kind.cmp(&b.meta.kind))
    });
    cluster
        .cilium_policies
        .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
}
