//! What runs: namespaces, nodes, pods and the workloads that own them. In: decoded objects. Out: plain values.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use crate::{Text, details::PodDetails, label::Labels, origin::Origin, port::Protocol};

/// The label that the API server puts on every namespace with its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Text,
    /// Its labels, [`NAMESPACE_NAME_LABEL`] included.
    pub labels: Labels,
    /// Whether the input holds the object; otherwise it exists only because something uses it.
    pub given: bool,
    /// Where it is written.
    pub origin: Origin,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// `status.addresses` of the types InternalIP and ExternalIP.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// Where it is written.
    pub origin: Origin,
}

/// The kinds of objects that own pods. The kind is part of a workload's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` ReplicaSet.
    ReplicaSet,
    /// `v1` ReplicationController.
    ReplicationController,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `batch/v1` Job.
    Job,
    /// `batch/v1` CronJob.
    CronJob,
    /// A pod that nothing owns.
    Pod,
    /// A kind that an owner reference names and the input does not show (an Argo Rollout, say).
    Other(Text),
}

impl WorkloadKind {
    /// The kind's name in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
            Self::Other(kind) => kind,
        }
    }

    /// The kind with this name; an unknown one becomes [`Self::Other`].
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "Deployment" => Self::Deployment,
            "ReplicaSet" => Self::ReplicaSet,
            "ReplicationController" => Self::ReplicationController,
            "StatefulSet" => Self::StatefulSet,
            "DaemonSet" => Self::DaemonSet,
            "Job" => Self::Job,
            "CronJob" => Self::CronJob,
            "Pod" => Self::Pod,
            other => Self::Other(other.into()),
        }
    }
}

/// Number of a workload within [`crate::cluster::Cluster::workloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId(pub u32);

/// Number of a pod within [`crate::cluster::Cluster::pods`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u32);

/// The top owner of some pods, or a pod that nothing owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its pods, ascending. Never empty: a workload without pods in the input has stand-ins.
    pub pods: Vec<PodId>,
    /// The Service that governs a StatefulSet (`spec.serviceName`), where given.
    pub service_name: Option<Text>,
    /// Where it is written; nothing if only an owner reference names it.
    pub origin: Origin,
}

/// A declared container port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// Its name, if it has one.
    pub name: Option<Text>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// A pod, or a stand-in for the replicas of a workload whose pods the input does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Text,
    /// Its name; a stand-in bears the name of its workload.
    pub name: Text,
    /// The workload that it belongs to.
    pub workload: WorkloadId,
    /// Its labels.
    pub labels: Labels,
    /// The declared ports of its containers, sorted (init containers with `restartPolicy: Always` included).
    pub ports: Vec<ContainerPort>,
    /// Whether it uses its node's network. Policies never select such a pod; as a peer it is its node.
    pub host_network: bool,
    /// The node that it runs on, if known.
    pub node: Option<Text>,
    /// `status.podIPs`; empty if not known. A host-network pod has its node's addresses (`status.hostIPs`).
    pub addresses: Vec<IpAddr>,
    /// Its service account (Cilium selects on it).
    pub service_account: Text,
    /// Whether a Service sends it connections. Unknown readiness counts as ready.
    pub ready: bool,
    /// Whether its phase is Succeeded or Failed: for policies it does not exist, and no verdict is about it.
    pub finished: bool,
    /// Whether the input does not list it: it stands for the replicas of its workload. A workload that may have
    /// several replicas has two stand-ins, so that replica to replica can be judged.
    pub stand_in: bool,
    /// What its containers are and do; nothing unless details were asked for.
    pub details: Option<Arc<PodDetails>>,
    /// Where it (or its workload) is written.
    pub origin: Origin,
}

impl Pod {
    /// The number of its container port with this name and protocol. The API resolves a named port per pod; the
    /// same name may exist once per protocol.
    pub fn named_ports<'a>(&'a self, name: &'a str, protocol: Protocol) -> impl Iterator<Item = u16> + 'a {
        self.ports
            .iter()
            .filter(move |port| port.protocol == protocol && port.name.as_deref() == Some(name))
            .map(|port| port.port)
    }
}
