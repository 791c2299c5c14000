//! What a pod's containers are and do, as far as it tells whom they talk to. In: decoded pods and templates, read only
//! where someone asks for details. Out: plain values.

use crate::{Text, label::Labels, origin::Origin, service::TargetPort};

/// What a pod or the template that it is made from says beside what policies see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDetails {
    /// The annotations of the pod or the template.
    pub annotations: Labels,
    /// `dnsPolicy`, where given.
    pub dns_policy: Option<Text>,
    /// Its containers, then its init containers, each in the order written.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name; empty if it has none.
    pub name: Text,
    /// Its image.
    pub image: Option<Text>,
    /// `command`, then `args`.
    pub arguments: Vec<Text>,
    /// Its environment: `envFrom` first, then `env`, in the order written. A later variable of a name replaces an
    /// earlier one, as it does in the container; each name is there once.
    pub env: Vec<EnvVar>,
    /// Its probes: liveness, readiness, startup.
    pub probes: Vec<Probe>,
    /// Whether it is one of `initContainers`.
    pub init: bool,
    /// Where it is written: the whole item.
    pub origin: Origin,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: Text,
    /// Its value, `$(NAME)` not resolved; nothing if the input does not say (a Secret, a field of the pod, a
    /// ConfigMap that is not given).
    pub value: Option<Text>,
    /// Where the value is written; the item that stands for it where the value is not known.
    pub origin: Origin,
}

/// The kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `startupProbe`.
    Startup,
}

impl ProbeKind {
    /// The field's name in the API without `Probe`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
            Self::Startup => "startup",
        }
    }
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `httpGet`: the kubelet sends a request to the pod.
    Http {
        /// The port.
        port: TargetPort,
        /// The path, where given.
        path: Option<Text>,
    },
    /// `tcpSocket`: the kubelet opens a connection to the pod.
    Tcp {
        /// The port.
        port: TargetPort,
    },
    /// `grpc`: the kubelet asks the gRPC health service of the pod.
    Grpc {
        /// The port.
        port: u16,
    },
    /// `exec`: a command within the container.
    Exec,
}

/// A probe of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// When it runs.
    pub kind: ProbeKind,
    /// What it does.
    pub action: ProbeAction,
    /// Where its port is written; the action for [`ProbeAction::Exec`].
    pub origin: Origin,
}
