//! Which CNI a cluster has. In: what is stated, else the DaemonSets and ConfigMaps of the manifests. Out: its profile and
//! dialect, its version where an image tells it, and what shows it; nothing if nothing does, or if several do.

use ringfence_model::{
    dialect::{Dialect, Fact, Support},
    network_policy::PolicyKind,
    profile::Profile,
    workload::{Pod, Workload, WorkloadKind},
};

use super::Evidence;
use crate::context::Context;

/// The CNI of a cluster.
#[derive(Clone, Debug)]
pub struct Cni {
    /// Its profile.
    pub profile: Profile,
    /// What is known about it.
    pub dialect: Dialect,
    /// Major and minor version, where an image's tag shows it.
    pub version: Option<(u32, u32)>,
    /// How it is known.
    pub evidence: Evidence,
}

impl Cni {
    /// The CNI, if one is stated or shown.
    #[must_use]
    pub fn find(context: &Context<'_>) -> Option<Self> {
        let profile = context.settings.cluster.profile;
        let profile = profile
            .or_else(|| (context.cluster.profile != Profile::UPSTREAM).then_some(context.cluster.profile));
        match profile {
            Some(profile) => Some(Self {
                profile,
                dialect: Dialect::of(&profile),
                version: None,
                evidence: Evidence::stated(),
            }),
            None => shown(context),
        }
    }

    /// Whether it is stated rather than shown.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        !self.evidence.origin.is_some()
    }

    /// Whether it reads policies of a kind; true if that is not known.
    #[must_use]
    pub fn reads(&self, kind: PolicyKind) -> bool {
        !matches!(self.dialect.kind(kind), Some(Fact { value: Support::No(_), .. }))
    }

    /// How one knows: a clause for messages.
    #[must_use]
    pub fn known_by(&self) -> String {
        if self.is_stated() {
            format!("the CNI profile `{}` is stated", self.profile.name)
        } else {
            format!("{} shows that the cluster has {}", self.evidence.words, self.dialect.title)
        }
    }
}

/// What a DaemonSet's image may be called, and what it enforces. The first that is found counts: those that enforce
/// policies come first, because Flannel often runs beneath one of them.
const IMAGES: [(&str, Profile); 7] = [
    ("/cilium:", Profile::CILIUM),
    ("/cilium@", Profile::CILIUM),
    ("/calico/node:", Profile::CALICO),
    ("/kube-router:", Profile::KUBE_ROUTER),
    ("/azure-npm:", Profile::AZURE),
    ("/amazon-k8s-cni:", Profile::AWS),
    ("/flannel:", Profile::FLANNEL),
];

/// Images of controllers that enforce NetworkPolicy whatever the CNI is.
const OTHERS: [&str; 4] = ["/kube-network-policies:", "/antrea-agent", "/ovn-kube", "/weave-npc:"];

fn shown(context: &Context<'_>) -> Option<Cni> {
    let cluster = context.cluster;
    let daemons = cluster.workloads.iter().filter(|workload| workload.kind == WorkloadKind::DaemonSet);
    let mut found: Vec<(Profile, &Workload, &Pod, String)> = Vec::new();
    for workload in daemons {
        let Some(pod) = workload.pods.first().and_then(|id| cluster.pod(*id)) else { continue };
        let images = pod.details.iter().flat_map(|details| &details.containers);
        for image in images.filter_map(|container| container.image.as_deref()) {
            let image = format!("/{image}");
            if OTHERS.iter().any(|other| image.contains(other)) {
                return None;
            }
            let known = IMAGES.iter().find(|(part, _)| image.contains(part));
            if let Some((_, profile)) = known
                && found.iter().all(|(other, ..)| other != profile)
            {
                found.push((*profile, workload, pod, image));
            }
        }
    }
    if found.iter().any(|(profile, ..)| profile.enforces) {
        found.retain(|(profile, ..)| profile.enforces);
    }
    // Two that enforce: a chain of CNIs, of which this knows nothing.
    let [(profile, workload, pod, image)] = found.as_slice() else { return None };
    let version = version(image);
    let profile = match (*profile, version) {
        (Profile::KUBE_ROUTER, Some((0 | 1, _))) => Profile::KUBE_ROUTER_1,
        (Profile::CILIUM, Some((1, minor))) if minor < 16 => Profile { end_port: false, ..Profile::CILIUM },
        (Profile::CILIUM, _) if image.contains("mcr.microsoft.com") => Profile::AZURE_CILIUM,
        (Profile::AWS, _) if !aws_enforces(pod) => Profile { enforces: false, ..Profile::AWS },
        (profile, _) => profile,
    };
    let words = format!("DaemonSet `{}/{}`", workload.namespace, workload.name);
    let evidence = Evidence::new(workload.origin, words);
    Some(Cni { profile, dialect: Dialect::of(&profile), version, evidence })
}

/// Whether the agent of the Amazon VPC CNI is told to enforce policies, which it is not by default.
fn aws_enforces(pod: &Pod) -> bool {
    let arguments = (pod.details.iter().flat_map(|details| &details.containers))
        .flat_map(|container| &container.arguments);
    let on = ["--enable-network-policy=true", "--enable-network-policy"];
    arguments.into_iter().any(|argument| on.contains(&&**argument))
}

/// Major and minor version of an image's tag (`v1.15.3`, `1.15`).
fn version(image: &str) -> Option<(u32, u32)> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let tag = name.split_once(':')?.1;
    let mut parts = tag.trim_start_matches('v').split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
