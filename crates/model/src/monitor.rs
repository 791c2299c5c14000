//! What Prometheus scrapes, as its operator is told (`monitoring.coreos.com/v1`). In: decoded objects. Out: plain
//! values.

use crate::{Text, label::Selector, origin::Origin, service::TargetPort};

/// The kinds of monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonitorKind {
    /// ServiceMonitor: the backends of the Services that it selects are scraped.
    ServiceMonitor,
    /// PodMonitor: the pods that it selects are scraped.
    PodMonitor,
}

impl MonitorKind {
    /// The kind's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
        }
    }
}

/// The namespaces in which a monitor selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorNamespaces {
    /// Its own.
    Own,
    /// All.
    Any,
    /// These, as written.
    Named(Vec<Text>),
}

/// A port that is scraped: by the name of a port of the Service or container, or by the target port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorPort {
    /// `port`: the name of a Service port (ServiceMonitor) or a container port (PodMonitor). It comes before `target`.
    pub name: Option<Text>,
    /// `targetPort`, or `portNumber` of a PodMonitor: a container port.
    pub target: Option<TargetPort>,
    /// Where the port is written; the endpoint where it names none.
    pub origin: Origin,
}

/// A ServiceMonitor or a PodMonitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Its kind.
    pub kind: MonitorKind,
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Where it selects.
    pub namespaces: MonitorNamespaces,
    /// What it selects, by their labels: Services or pods.
    pub selector: Selector,
    /// The ports that are scraped, in the order written.
    pub ports: Vec<MonitorPort>,
    /// Where its name is written.
    pub origin: Origin,
}
