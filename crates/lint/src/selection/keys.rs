//! Well-known label keys and namespaces. In: keys, names, requirements. Out: whose they are.

use ringfence_model::{cilium::derived, label::Requirement, workload::NAMESPACE_NAME_LABEL};

use super::is_slip;

/// Whether a requirement on pods asks for a label that the API server sets on namespaces, or that Cilium derives for pods.
pub(crate) fn is_never_on_pods(requirement: &Requirement) -> bool {
    let derived = [derived::NAMESPACE, derived::SERVICE_ACCOUNT, derived::CLUSTER, NAMESPACE_NAME_LABEL];
    !requirement.holds(None)
        && (derived.contains(&&*requirement.key) || requirement.key.starts_with(derived::NAMESPACE_LABELS))
}

/// Namespaces that every cluster has.
pub(crate) fn is_system(name: &str) -> bool {
    ["kube-system", "kube-public", "kube-node-lease", "default"].contains(&name)
}

/// Whether people write this key when they mean the name of a namespace.
pub(super) fn means_the_name(key: &str) -> bool {
    ["name", "ns", "namespace", "namespace-name", "kubernetes.io/name", "kubernetes.io/namespace"]
        .contains(&key)
        || is_slip(key, NAMESPACE_NAME_LABEL)
        || NAMESPACE_NAME_LABEL.ends_with(key)
}

/// Keys that a platform sets on namespaces, whatever their manifests say.
pub(super) fn is_set_by_a_platform(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    ["openshift.io", "cattle.io", "gke.io", "azure.com", "kubesphere.io"]
        .iter()
        .any(|platform| prefix == *platform || prefix.ends_with(&format!(".{platform}")))
}
