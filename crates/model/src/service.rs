//! Services, their endpoints, and the objects that let connections in from outside. In: decoded objects.
//! Out: plain values.

use std::net::IpAddr;

use crate::{Text, address::Family, label::Labels, origin::Origin, port::Protocol};

/// How a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// From inside the cluster.
    ClusterIp,
    /// Also on a port of every node.
    NodePort,
    /// Also through a load balancer.
    LoadBalancer,
    /// A DNS alias.
    ExternalName(Text),
}

/// Where a Service port leads on the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// A container port's name, resolved per backend pod.
    Name(Text),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, if it has one.
    pub name: Option<Text>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port that clients use.
    pub port: u16,
    /// The port on the backend.
    pub target: TargetPort,
    /// The port on the nodes.
    pub node_port: Option<u16>,
    /// Where it is written.
    pub origin: Origin,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// Its type.
    pub kind: ServiceType,
    /// Whether `clusterIP: None`: clients connect to the pods themselves.
    pub headless: bool,
    /// The labels that its backends have; nothing if EndpointSlices are written by hand.
    pub selector: Option<Labels>,
    /// `clusterIPs`, where given.
    pub cluster_ips: Vec<IpAddr>,
    /// `externalIPs` and the addresses of `status.loadBalancer`.
    pub external_ips: Vec<IpAddr>,
    /// `ipFamilies`, where given.
    pub families: Vec<Family>,
    /// Whether pods that are not ready are backends too (`publishNotReadyAddresses`).
    pub publish_not_ready: bool,
    /// Whether connections from outside stay on the node that they reach (`externalTrafficPolicy: Local`), so that the
    /// backend sees the client's address.
    pub external_traffic_local: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Where it is written.
    pub origin: Origin,
}

/// One endpoint of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it receives connections (`conditions.ready`, absent counts as true).
    pub ready: bool,
    /// The pod that `targetRef` names.
    pub pod: Option<Text>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// The Service that its label `kubernetes.io/service-name` names.
    pub service: Option<Text>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
    /// Its ports: name, protocol, number.
    pub ports: Vec<(Option<Text>, Protocol, Option<u16>)>,
    /// Where it is written.
    pub origin: Origin,
}

/// A port of a Service as an Ingress or a route names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPort {
    /// By number.
    Number(u16),
    /// By name.
    Name(Text),
}

/// A Service that an entry point leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The Service's namespace.
    pub namespace: Text,
    /// The Service's name.
    pub service: Text,
    /// The Service's port, if named.
    pub port: Option<BackendPort>,
}

/// The kinds of entry points. (Services of the types NodePort and LoadBalancer are entry points too.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryPointKind {
    /// `networking.k8s.io/v1` Ingress.
    Ingress,
    /// `gateway.networking.k8s.io` Gateway.
    Gateway,
    /// `gateway.networking.k8s.io` HTTPRoute.
    HttpRoute,
}

impl EntryPointKind {
    /// The kind's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Gateway => "Gateway",
            Self::HttpRoute => "HTTPRoute",
        }
    }
}

/// An object that lets connections in from outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its kind.
    pub kind: EntryPointKind,
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// The ingress or gateway class, if named.
    pub class: Option<Text>,
    /// Host names that it serves.
    pub hosts: Vec<Text>,
    /// Gateways that a route hangs from: namespace and name.
    pub parents: Vec<(Text, Text)>,
    /// The Services that it leads to, without repeats, in the order written.
    pub backends: Vec<Backend>,
    /// Where it is written.
    pub origin: Origin,
}
