//! What runs where. In: how many pods. Out: namespaces with applications, their workloads, pods on nodes with
//! addresses.

use std::net::Ipv4Addr;

use crate::{
    dice::Dice,
    names::{self, ENVIRONMENTS},
};

/// Pods per namespace, about.
const PODS_PER_NAMESPACE: usize = 200;
/// Namespaces of applications that there are at least, beside a platform's.
const FEWEST_NAMESPACES: usize = 3;
/// Pods per node, about.
const PODS_PER_NODE: usize = 60;
/// From this number of pods on there is an ingress controller, a monitoring stack and agents on the nodes.
const PODS_OF_A_PLATFORM: usize = 50;

/// A container port: name, protocol, number.
pub(crate) type Port = (&'static str, &'static str, u16);

const METRICS: Port = ("metrics", "TCP", 9090);

/// What a workload is for. It decides about its kind, size, ports and callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Web,
    Api,
    Worker,
    Database,
    Cache,
    Queue,
    Search,
    Report,
    Toolbox,
    Dns,
    Ingress,
    Prometheus,
    NodeAgent,
    LogAgent,
}

impl Role {
    /// The suffix of the workload's name, and its component label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Database => "db",
            Self::Cache => "cache",
            Self::Queue => "queue",
            Self::Search => "index",
            Self::Report => "report",
            Self::Toolbox => "toolbox",
            Self::Dns => "dns",
            Self::Ingress => "controller",
            Self::Prometheus => "prometheus",
            Self::NodeAgent => "node-agent",
            Self::LogAgent => "log-agent",
        }
    }

    pub(crate) fn ports(self) -> &'static [Port] {
        match self {
            Self::Web => &[("http", "TCP", 8080), METRICS],
            Self::Api => &[("http", "TCP", 8080), ("grpc", "TCP", 9000), METRICS],
            Self::Worker => &[METRICS],
            Self::Database => &[("postgres", "TCP", 5432), ("metrics", "TCP", 9187)],
            Self::Cache => &[("redis", "TCP", 6379), ("metrics", "TCP", 9121)],
            Self::Queue => &[("amqp", "TCP", 5672), ("management", "TCP", 15672), ("metrics", "TCP", 15692)],
            Self::Search => &[("http", "TCP", 9200), ("transport", "TCP", 9300)],
            Self::Report | Self::Toolbox => &[],
            Self::Dns => &[("dns", "UDP", 53), ("dns-tcp", "TCP", 53), ("metrics", "TCP", 9153)],
            Self::Ingress => &[("http", "TCP", 80), ("https", "TCP", 443), ("metrics", "TCP", 10254)],
            Self::Prometheus => &[("web", "TCP", 9090)],
            Self::NodeAgent => &[("metrics", "TCP", 9100)],
            Self::LogAgent => &[("http", "TCP", 2020)],
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Web | Self::Api | Self::Worker | Self::Dns | Self::Ingress => Kind::Deployment,
            Self::Database | Self::Cache | Self::Queue | Self::Search | Self::Prometheus => Kind::StatefulSet,
            Self::NodeAgent | Self::LogAgent => Kind::DaemonSet,
            Self::Report => Kind::CronJob,
            Self::Toolbox => Kind::Pod,
        }
    }

    /// Fewest and most replicas.
    fn replicas(self) -> (usize, usize) {
        match self {
            Self::Web => (2, 12),
            Self::Api => (2, 20),
            Self::Worker => (1, 40),
            Self::Database => (1, 5),
            Self::Cache => (1, 3),
            Self::Queue | Self::Search => (3, 3),
            Self::Report => (1, 4),
            Self::Toolbox => (1, 1),
            Self::Dns | Self::Ingress | Self::Prometheus => (2, 2),
            Self::NodeAgent | Self::LogAgent => (1, usize::MAX),
        }
    }
}

/// The kinds of workloads that are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
    Pod,
}

pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) team: String,
    pub(crate) environment: &'static str,
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) pod_cidr: String,
    pub(crate) zone: &'static str,
}

pub(crate) struct Pod {
    pub(crate) name: String,
    /// Number of its node.
    pub(crate) node: usize,
    pub(crate) address: Ipv4Addr,
}

pub(crate) struct Workload {
    /// Number of its namespace.
    pub(crate) namespace: usize,
    /// Number of its application.
    pub(crate) application: usize,
    /// The application's name, the `part-of` label.
    pub(crate) part_of: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) kind: Kind,
    /// The suffix of its ReplicaSet, Job or revision.
    pub(crate) revision: String,
    /// A Deployment may have been given without its pods, as in a repository of manifests.
    pub(crate) replicas: usize,
    pub(crate) pods: Vec<Pod>,
}

impl Workload {
    pub(crate) fn host_network(&self) -> bool {
        self.role == Role::NodeAgent
    }
}

/// A planned cluster.
pub(crate) struct Layout {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) workloads: Vec<Workload>,
}

impl Layout {
    pub(crate) fn namespace_of(&self, workload: &Workload) -> &str {
        self.namespaces.get(workload.namespace).map_or("default", |namespace| &namespace.name)
    }

    /// The namespace and name of the platform's workload with a role, if there is one.
    pub(crate) fn platform(&self, role: Role) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.role == role)
    }
}

/// Plans a cluster of so many pods.
pub(crate) fn layout(dice: &mut Dice, pods: usize) -> Layout {
    let mut planner = Planner {
        layout: Layout { namespaces: Vec::new(), nodes: nodes(pods), workloads: Vec::new() },
        left: pods,
        on_node: vec![0; pods.div_ceil(PODS_PER_NODE).max(1)],
        dice,
    };
    if pods >= PODS_OF_A_PLATFORM {
        planner.platform();
    }
    planner.applications(pods);
    planner.layout
}

fn nodes(pods: usize) -> Vec<Node> {
    let zones = ["zone-a", "zone-b", "zone-c"];
    let count = pods.div_ceil(PODS_PER_NODE).max(1);
    let node = |at: usize| {
        let (high, low) = (at / 250, at % 250);
        Node {
            name: format!("node-{:04}", at + 1),
            address: address([172, 20, high, low + 1]),
            pod_cidr: format!("10.{}.{}.0/24", 64 + at / 256, at % 256),
            zone: zones.get(at % zones.len()).copied().unwrap_or_default(),
        }
    };
    (0..count).map(node).collect()
}

/// An address of four parts, each taken modulo 256.
pub(crate) fn address(parts: [usize; 4]) -> Ipv4Addr {
    Ipv4Addr::from(parts.map(|part| u8::try_from(part % 256).unwrap_or_default()))
}

struct Planner<'a> {
    layout: Layout,
    /// Pods still to be placed.
    left: usize,
    /// Pods on each node so far.
    on_node: Vec<usize>,
    dice: &'a mut Dice,
}

impl Planner<'_> {
    fn platform(&mut self) {
        let system = self.namespace("kube-system".to_owned(), "platform".to_owned(), "production");
        let ingress = self.namespace("ingress-nginx".to_owned(), "platform".to_owned(), "production");
        let monitoring = self.namespace("monitoring".to_owned(), "platform".to_owned(), "production");
        // Numbers of applications from the end: those of the applications proper start at 0.
        let own = [
            (system, "kube", Role::Dns),
            (ingress, "ingress-nginx", Role::Ingress),
            (monitoring, "observability", Role::Prometheus),
            (monitoring, "observability", Role::NodeAgent),
            (monitoring, "observability", Role::LogAgent),
        ];
        for (namespace, part_of, role) in own {
            self.workload(namespace, usize::MAX, part_of, role);
        }
    }

    fn applications(&mut self, pods: usize) {
        let platform = self.layout.namespaces.len();
        let fewest = if platform == 0 { 1 } else { FEWEST_NAMESPACES };
        let wanted = (pods / PODS_PER_NAMESPACE).max(fewest);
        let mut application = 0;
        while self.left > 0 || application < wanted.min(pods) {
            // The first round opens the namespaces; later applications go anywhere.
            let namespace = if application < wanted {
                let environment = ENVIRONMENTS.get(application % 3).copied().unwrap_or_default();
                let team = names::team(application / 3);
                self.namespace(format!("{team}-{environment}"), team, environment)
            } else {
                platform + self.dice.number(0, wanted - 1)
            };
            self.application(namespace, application);
            application += 1;
        }
    }

    fn application(&mut self, namespace: usize, number: usize) {
        let name = names::application(number);
        let mut roles = vec![Role::Web, Role::Api];
        for (role, percent) in [
            (Role::Worker, 70),
            (Role::Database, 60),
            (Role::Cache, 45),
            (Role::Queue, 20),
            (Role::Search, 10),
            (Role::Report, 30),
            (Role::Toolbox, 10),
        ] {
            if self.dice.chance(percent) {
                roles.push(role);
            }
        }
        for role in roles {
            self.workload(namespace, number, &name, role);
        }
    }

    fn namespace(&mut self, name: String, team: String, environment: &'static str) -> usize {
        self.layout.namespaces.push(Namespace { name, team, environment });
        self.layout.namespaces.len() - 1
    }

    fn workload(&mut self, namespace: usize, application: usize, part_of: &str, role: Role) {
        let (fewest, most) = role.replicas();
        let nodes = self.layout.nodes.len();
        let replicas = match role.kind() {
            Kind::DaemonSet => nodes,
            // Small ones are more usual than large ones.
            _ => self.dice.number(fewest, most).min(self.dice.number(fewest, most)),
        };
        let mut workload = Workload {
            namespace,
            application,
            part_of: part_of.to_owned(),
            name: format!("{part_of}-{}", role.as_str()),
            role,
            kind: role.kind(),
            revision: self.dice.suffix(10),
            replicas,
            pods: Vec::new(),
        };
        let without_pods =
            workload.kind == Kind::Deployment && application != usize::MAX && self.dice.chance(4);
        if !without_pods {
            for number in 0..replicas.min(self.left) {
                let pod = self.pod(&workload, number);
                workload.pods.push(pod);
            }
        }
        // A bare pod is nothing but its pod.
        if workload.kind != Kind::Pod || !workload.pods.is_empty() {
            self.left -= workload.pods.len();
            self.layout.workloads.push(workload);
        }
    }

    fn pod(&mut self, workload: &Workload, number: usize) -> Pod {
        let (name, revision) = (&workload.name, &workload.revision);
        let suffix = self.dice.pod_suffix(number);
        let name = match workload.kind {
            Kind::Deployment | Kind::CronJob => format!("{name}-{revision}-{suffix}"),
            Kind::StatefulSet => format!("{name}-{number}"),
            Kind::DaemonSet => format!("{name}-{suffix}"),
            Kind::Pod => name.clone(),
        };
        let node = match workload.kind {
            Kind::DaemonSet => number,
            _ => self.dice.number(0, self.layout.nodes.len() - 1),
        };
        let used = self.on_node.get_mut(node).map_or(0, |used| {
            *used += usize::from(!workload.host_network());
            *used
        });
        let address = match self.layout.nodes.get(node) {
            Some(node) if workload.host_network() => node.address,
            _ => address([10, 64 + node / 256, node % 256, used + 1]),
        };
        Pod { name, node, address }
    }
}
