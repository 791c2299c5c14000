//! The kinds that matter, by API version. In: `apiVersion` and `kind`. Out: which decoder reads the object, or why none.

use ringfence_model::workload::WorkloadKind;

use crate::decode::cursor::nearest;

/// A kind that has a decoder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ObjectKind {
    Namespace,
    Node,
    /// A Pod, or a kind that makes pods.
    Workload(WorkloadKind),
    Service,
    EndpointSlice,
    Endpoints,
    Ingress,
    Gateway,
    HttpRoute,
    NetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
}

impl ObjectKind {
    /// The kind's name in the API.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Workload(kind) => kind.as_str(),
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Endpoints => "Endpoints",
            Self::Ingress => "Ingress",
            Self::Gateway => "Gateway",
            Self::HttpRoute => "HTTPRoute",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Self::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
        }
    }

    /// Whether it is a policy, of which only valid ones count.
    pub(crate) fn is_policy(&self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::AdminNetworkPolicy
                | Self::BaselineAdminNetworkPolicy
                | Self::ClusterNetworkPolicy
                | Self::CiliumNetworkPolicy
                | Self::CiliumClusterwideNetworkPolicy
        )
    }
}

/// Where a kind lives: its group, the versions that are served, and those that were, with the release that dropped
/// them (the Kubernetes "Deprecated API Migration Guide").
struct Home {
    kind: ObjectKind,
    group: &'static str,
    versions: &'static [&'static str],
    removed: &'static [(&'static str, &'static str)],
}

const fn home(
    kind: ObjectKind,
    group: &'static str,
    versions: &'static [&'static str],
    removed: &'static [(&'static str, &'static str)],
) -> Home {
    Home { kind, group, versions, removed }
}

const V1: &[&str] = &["v1"];
const APPS: &[(&str, &str)] =
    &[("extensions/v1beta1", "1.16"), ("apps/v1beta1", "1.16"), ("apps/v1beta2", "1.16")];

static HOMES: [Home; 22] = [
    home(ObjectKind::Namespace, "", V1, &[]),
    home(ObjectKind::Node, "", V1, &[]),
    home(ObjectKind::Workload(WorkloadKind::Pod), "", V1, &[]),
    home(ObjectKind::Workload(WorkloadKind::ReplicationController), "", V1, &[]),
    home(ObjectKind::Workload(WorkloadKind::Deployment), "apps", V1, APPS),
    home(ObjectKind::Workload(WorkloadKind::ReplicaSet), "apps", V1, APPS),
    home(ObjectKind::Workload(WorkloadKind::StatefulSet), "apps", V1, APPS),
    home(ObjectKind::Workload(WorkloadKind::DaemonSet), "apps", V1, APPS),
    home(ObjectKind::Workload(WorkloadKind::Job), "batch", V1, &[]),
    home(
        ObjectKind::Workload(WorkloadKind::CronJob),
        "batch",
        V1,
        &[("batch/v1beta1", "1.25"), ("batch/v2alpha1", "1.21")],
    ),
    home(ObjectKind::Service, "", V1, &[]),
    home(ObjectKind::EndpointSlice, "discovery.k8s.io", V1, &[("discovery.k8s.io/v1beta1", "1.25")]),
    home(ObjectKind::Endpoints, "", V1, &[]),
    home(
        ObjectKind::Ingress,
        "networking.k8s.io",
        V1,
        &[("extensions/v1beta1", "1.22"), ("networking.k8s.io/v1beta1", "1.22")],
    ),
    home(ObjectKind::Gateway, "gateway.networking.k8s.io", &["v1", "v1beta1", "v1alpha2"], &[]),
    home(ObjectKind::HttpRoute, "gateway.networking.k8s.io", &["v1", "v1beta1", "v1alpha2"], &[]),
    home(ObjectKind::NetworkPolicy, "networking.k8s.io", V1, &[("extensions/v1beta1", "1.16")]),
    home(ObjectKind::AdminNetworkPolicy, "policy.networking.k8s.io", &["v1alpha1"], &[]),
    home(ObjectKind::BaselineAdminNetworkPolicy, "policy.networking.k8s.io", &["v1alpha1"], &[]),
    home(ObjectKind::ClusterNetworkPolicy, "policy.networking.k8s.io", &["v1alpha2"], &[]),
    home(ObjectKind::CiliumNetworkPolicy, "cilium.io", &["v2"], &[]),
    home(ObjectKind::CiliumClusterwideNetworkPolicy, "cilium.io", &["v2"], &[]),
];

impl Home {
    fn current(&self) -> String {
        let version = self.versions.first().copied().unwrap_or("v1");
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    fn serves(&self, group: &str, version: &str) -> bool {
        self.group == group && self.versions.contains(&version)
    }
}

/// What an `apiVersion` and a `kind` stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A kind with a decoder.
    Known(&'static ObjectKind),
    /// The same in an API version that newer API servers reject.
    Removed {
        /// The kind.
        kind: &'static ObjectKind,
        /// The Kubernetes release that dropped the version.
        release: &'static str,
        /// The version to write instead.
        current: String,
    },
    /// A kind that matters, in an API version that never had it.
    WrongVersion {
        /// The version to write instead.
        current: String,
    },
    /// Almost the name of a kind that matters, in its group.
    Misspelt {
        /// The kind's name.
        kind: &'static str,
    },
    /// A policy of a product whose policies are not read, though they would change verdicts.
    ForeignPolicy,
    /// A kind that does not matter.
    Other,
}

/// Groups whose policies of any kind are not read.
const FOREIGN_GROUPS: [&str; 6] = [
    "projectcalico.org",
    "crd.projectcalico.org",
    "crd.antrea.io",
    "policy.antrea.io",
    "networking.gke.io",
    "k8s.ovn.org",
];

/// Groups that Kubernetes itself serves: a kind in the wrong one of these is a mistake, not another product's kind.
const OWN_GROUPS: [&str; 9] = [
    "",
    "apps",
    "batch",
    "extensions",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy.networking.k8s.io",
    "gateway.networking.k8s.io",
    "cilium.io",
];

/// Kinds whose names are near to one that matters.
const REAL_KINDS: [&str; 6] =
    ["NodeList", "Role", "PodTemplate", "IngressClass", "GatewayClass", "CiliumNode"];

/// Finds the decoder of an object.
pub(crate) fn lookup(api_version: &str, kind: &str) -> Lookup {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let mut named = HOMES.iter().filter(|home| home.kind.name() == kind);
    if let Some(home) = named.clone().find(|home| home.serves(group, version)) {
        return Lookup::Known(&home.kind);
    }
    let removed = named.clone().find_map(|home| {
        let (_, release) = home.removed.iter().find(|(known, _)| *known == api_version)?;
        Some(Lookup::Removed { kind: &home.kind, release, current: home.current() })
    });
    if let Some(removed) = removed {
        return removed;
    }
    if FOREIGN_GROUPS.contains(&group) && kind.ends_with("Policy") {
        return Lookup::ForeignPolicy;
    }
    if !OWN_GROUPS.contains(&group) {
        return Lookup::Other;
    }
    if let Some(home) = named.next() {
        return Lookup::WrongVersion { current: home.current() };
    }
    let here = HOMES.iter().filter(|home| home.group == group).map(|home| home.kind.name());
    match nearest(kind, here) {
        Some(near) if !REAL_KINDS.contains(&kind) => Lookup::Misspelt { kind: near },
        _ => Lookup::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_group_and_version() {
        assert_eq!(
            lookup("networking.k8s.io/v1", "NetworkPolicy"),
            Lookup::Known(&ObjectKind::NetworkPolicy)
        );
        assert!(matches!(
            lookup("extensions/v1beta1", "NetworkPolicy"),
            Lookup::Removed { release: "1.16", .. }
        ));
        assert_eq!(
            lookup("v1", "NetworkPolicy"),
            Lookup::WrongVersion { current: "networking.k8s.io/v1".to_owned() }
        );
        assert_eq!(lookup("apps/v1", "Deploymnet"), Lookup::Misspelt { kind: "Deployment" });
        assert_eq!(lookup("projectcalico.org/v3", "NetworkPolicy"), Lookup::ForeignPolicy);
        assert_eq!(lookup("serving.knative.dev/v1", "Service"), Lookup::Other);
        assert_eq!(lookup("networking.k8s.io/v1", "IngressClass"), Lookup::Other);
        assert_eq!(lookup("v1", "Secret"), Lookup::Other);
    }
}
