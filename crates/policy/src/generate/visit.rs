//! Everything of one kind in a cluster, wherever it stands. In: a cluster. Out: its selectors, its sets of labels; and
//! the cluster with other names.

use std::sync::Arc;

use ringfence_model::{
    Text,
    cilium::{CiliumPeer, CiliumSubject, ServiceRef, derived},
    cluster::Cluster,
    label::{Labels, Selector},
    network_policy::{NetworkPeer, PolicyMeta},
    tier::{TierPeer, TierSubject},
    workload::NAMESPACE_NAME_LABEL,
};

/// Every selector of every policy.
pub(super) fn selectors(cluster: &mut Cluster) -> Vec<&mut Selector> {
    let mut all = Vec::new();
    for policy in &mut cluster.network_policies {
        all.push(&mut policy.subject);
        for peer in policy.ingress.iter_mut().chain(&mut policy.egress).flat_map(|rule| &mut rule.peers) {
            if let NetworkPeer::Pods { namespace, pod, .. } = peer {
                all.extend(namespace.iter_mut().chain(pod));
            }
        }
    }
    for policy in &mut cluster.tier_policies {
        match &mut policy.subject {
            TierSubject::Namespaces(namespace) => all.push(namespace),
            TierSubject::Pods { namespace, pod } => all.extend([namespace, pod]),
        }
        for peer in policy.ingress.iter_mut().chain(&mut policy.egress).flat_map(|rule| &mut rule.peers) {
            match peer {
                TierPeer::Namespaces(selector, _) | TierPeer::Nodes(selector, _) => all.push(selector),
                TierPeer::Pods { namespace, pod, .. } => all.extend([namespace, pod]),
                TierPeer::Networks(..) | TierPeer::DomainNames(..) | TierPeer::Unknown(_) => {}
            }
        }
    }
    for spec in cluster.cilium_policies.iter_mut().flat_map(|policy| &mut policy.specs) {
        let (CiliumSubject::Endpoints(subject) | CiliumSubject::Nodes(subject)) = &mut spec.subject;
        all.push(subject);
        let lists = [&mut spec.ingress, &mut spec.ingress_deny, &mut spec.egress, &mut spec.egress_deny];
        for rule in lists.into_iter().flatten() {
            all.extend(&mut rule.requires);
            for peer in rule.peers.iter_mut().flatten() {
                match peer {
                    CiliumPeer::Endpoints(selector, _)
                    | CiliumPeer::Nodes(selector, _)
                    | CiliumPeer::Service(ServiceRef::Selected { selector, .. }, _) => all.push(selector),
                    _ => {}
                }
            }
        }
    }
    all
}

/// Every set of labels that policies or Services look at.
pub(super) fn labels(cluster: &mut Cluster) -> Vec<&mut Labels> {
    (cluster.namespaces.iter_mut().map(|namespace| &mut namespace.labels))
        .chain(cluster.nodes.iter_mut().map(|node| &mut node.labels))
        .chain(cluster.pods.iter_mut().map(|pod| &mut pod.labels))
        .chain(cluster.services.iter_mut().map(|service| &mut service.labels))
        .collect()
}

/// The names of a cluster in other words.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Namespaces.
    pub namespace: fn(&str) -> String,
    /// Label keys, without a source.
    pub key: fn(&str) -> String,
    /// Label values; the empty one stays.
    pub value: fn(&str) -> String,
    /// Policies.
    pub policy: fn(&str) -> String,
}

/// The same cluster in other words. Its order is that of the old names: see [`sort`](super::sort).
pub fn rename(cluster: &mut Cluster, names: &Names) {
    let namespace = |name: &mut Text| *name = (names.namespace)(name).into();
    for selector in selectors(cluster) {
        for one in &mut selector.requirements {
            let (key, of_namespaces) = renamed_key(&one.key, names);
            for value in &mut one.values {
                *value = renamed_value(&one.key, value, of_namespaces, names);
            }
            one.key = key;
        }
    }
    for labels in labels(cluster) {
        *labels = renamed(labels, names);
    }
    for one in &mut cluster.namespaces {
        namespace(&mut one.name);
    }
    for pod in &mut cluster.pods {
        namespace(&mut pod.namespace);
    }
    for workload in &mut cluster.workloads {
        namespace(&mut workload.namespace);
    }
    for service in &mut cluster.services {
        namespace(&mut service.namespace);
        if let Some(selector) = &mut service.selector {
            *selector = renamed(selector, names);
        }
    }
    for slice in &mut cluster.endpoint_slices {
        namespace(&mut slice.namespace);
    }
    let meta = |meta: &mut Arc<PolicyMeta>| {
        let mut new = PolicyMeta::clone(meta);
        new.name = (names.policy)(&new.name).into();
        new.namespace.iter_mut().for_each(namespace);
        *meta = Arc::new(new);
    };
    cluster.network_policies.iter_mut().for_each(|policy| meta(&mut policy.meta));
    cluster.tier_policies.iter_mut().for_each(|policy| meta(&mut policy.meta));
    for policy in &mut cluster.cilium_policies {
        meta(&mut policy.meta);
        for spec in &mut policy.specs {
            let lists = [&mut spec.ingress, &mut spec.ingress_deny, &mut spec.egress, &mut spec.egress_deny];
            for peer in lists.into_iter().flatten().flat_map(|rule| rule.peers.iter_mut().flatten()) {
                match peer {
                    CiliumPeer::Service(ServiceRef::Named { namespace: one, .. }, _)
                    | CiliumPeer::Service(ServiceRef::Selected { namespace: Some(one), .. }, _) => {
                        namespace(one);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn renamed(labels: &Labels, names: &Names) -> Labels {
    let pair = |(key, value): (&Text, &Text)| {
        let (new, of_namespaces) = renamed_key(key, names);
        (new, renamed_value(key, value, of_namespaces, names))
    };
    labels.iter().map(pair).collect()
}

/// The new key, and whether its values are names of namespaces. Keys with a meaning of their own stay.
fn renamed_key(key: &str, names: &Names) -> (Text, bool) {
    let (source, bare) = match key.split_once(':') {
        Some((source, bare)) => (format!("{source}:"), bare),
        None => (String::new(), key),
    };
    match bare.strip_prefix(derived::NAMESPACE_LABELS) {
        Some(label) => {
            let (new, of_namespaces) = renamed_key(label, names);
            (format!("{source}{}{new}", derived::NAMESPACE_LABELS).into(), of_namespaces)
        }
        None if bare == derived::NAMESPACE || bare == NAMESPACE_NAME_LABEL => (key.into(), true),
        None if source == "reserved:" || [derived::SERVICE_ACCOUNT, derived::CLUSTER].contains(&bare) => {
            (key.into(), false)
        }
        None => (format!("{source}{}", (names.key)(bare)).into(), false),
    }
}

fn renamed_value(key: &str, value: &Text, of_namespaces: bool, names: &Names) -> Text {
    if of_namespaces {
        return (names.namespace)(value).into();
    }
    if value.is_empty() || *renamed_key(key, names).0 == *key {
        return value.clone();
    }
    (names.value)(value).into()
}
