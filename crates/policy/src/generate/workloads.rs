//! What runs: random namespaces, nodes, pods, Services and their endpoints. In: dice. Out: a cluster without policies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    label::Labels,
    origin::Origin,
    port::Protocol,
    service::{EndpointSlice, Service, ServicePort, ServiceType, SliceEndpoint, TargetPort},
    workload::{
        ContainerPort, NAMESPACE_NAME_LABEL, Namespace, Node, Pod, PodId, Workload, WorkloadId, WorkloadKind,
    },
};

use super::{Size, dice::Dice, parts};

/// Fills an empty cluster.
pub(super) fn fill(dice: &mut Dice, size: &Size, cluster: &mut Cluster) {
    let names = ["alpha", "beta", "gamma", "default"];
    for name in names.into_iter().take(dice.number(1, size.namespaces)) {
        let mut labels = parts::labels(dice, &parts::NAMESPACE_KEYS);
        labels.insert(NAMESPACE_NAME_LABEL, name);
        cluster.namespaces.push(Namespace { name: name.into(), labels, given: true, origin: dice.origin() });
    }
    let families: &[Family] = match dice.number(0, 9) {
        0..=5 => &[Family::V4],
        6..=8 => &Family::BOTH,
        _ => &[Family::V6],
    };
    let cidrs_known = dice.chance(50);
    for number in 0..dice.number(0, size.nodes) {
        let node = node(dice, number, families, cidrs_known);
        cluster.nodes.push(node);
    }
    if dice.chance(25) {
        cluster.pod_cidrs.extend(families.iter().map(|family| pod_network(*family)));
    }
    if dice.chance(25) {
        cluster.service_cidrs.extend(["10.96.0.0/16".parse::<IpNet>()].into_iter().flatten());
    }
    for number in 0..dice.number(1, size.workloads) {
        workload(dice, number, families, cluster);
    }
    for number in 0..dice.number(0, size.services) {
        service(dice, &format!("svc{number}"), families, cluster);
    }
    if dice.chance(25) {
        api_server(dice, cluster);
    }
}

fn pod_network(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::new(Ipv4Addr::new(10, 244, 0, 0).into(), 16),
        Family::V6 => IpNet::new(Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 0).into(), 32),
    }
    .unwrap_or_else(|_| IpNet::from(IpAddr::from([10, 244, 0, 0])))
}

/// The address of this number in the pod network of a node (0: of no node).
fn pod_address(family: Family, node: usize, number: usize) -> IpAddr {
    let (node, number) = (u8::try_from(node).unwrap_or(u8::MAX), u8::try_from(number).unwrap_or(u8::MAX));
    match family {
        Family::V4 => Ipv4Addr::new(10, 244, node, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x244, node.into(), 0, 0, 0, 0, number.into()).into(),
    }
}

fn node_address(family: Family, number: usize) -> IpAddr {
    let number = u8::try_from(number + 10).unwrap_or(u8::MAX);
    match family {
        Family::V4 => Ipv4Addr::new(192, 168, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x192, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

fn node(dice: &mut Dice, number: usize, families: &[Family], cidrs_known: bool) -> Node {
    let mut addresses: Vec<IpAddr> =
        families.iter().filter(|_| dice.chance(90)).map(|family| node_address(*family, number)).collect();
    if dice.chance(15) {
        // An ExternalIP, in the middle of a network that rules like to name.
        addresses.push(Ipv4Addr::new(203, 0, 113, u8::try_from(number + 120).unwrap_or(u8::MAX)).into());
    }
    addresses.sort();
    let cidr = |family: &Family| {
        let prefix = if *family == Family::V4 { 24 } else { 48 };
        IpNet::new(pod_address(*family, number + 1, 0), prefix).ok()
    };
    Node {
        name: format!("node{number}").into(),
        labels: parts::labels(dice, &parts::NODE_KEYS),
        addresses,
        pod_cidrs: if cidrs_known { families.iter().filter_map(cidr).collect() } else { Vec::new() },
        origin: dice.origin(),
    }
}

/// One workload with its pods: pods that the input lists, or stand-ins.
fn workload(dice: &mut Dice, number: usize, families: &[Family], cluster: &mut Cluster) {
    let namespace = parts::a_namespace(dice, cluster);
    let name: Text = format!("app{number}").into();
    let kind = dice.pick(&[WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::Pod]);
    let stand_in = kind != WorkloadKind::Pod && dice.chance(30);
    let host_network = dice.chance(15);
    let (mut labels, ports) = (parts::labels(dice, &parts::POD_KEYS), container_ports(dice));
    if stand_in && labels.is_empty() {
        // The selector of a workload may not be empty.
        labels.insert("app", "a");
    }
    let service_account: Text = if dice.chance(80) { "default".into() } else { "robot".into() };
    let id = WorkloadId(u32::try_from(cluster.workloads.len()).unwrap_or(u32::MAX));
    let count = if kind == WorkloadKind::Pod { 1 } else { dice.number(1, if stand_in { 2 } else { 3 }) };
    let mut pods = Vec::new();
    for replica in 0..count {
        let (node, addresses, finished, ready) = if stand_in {
            (None, Vec::new(), false, true)
        } else {
            let (node, addresses) = place(dice, host_network, families, cluster);
            (node, addresses, dice.chance(4), dice.chance(90))
        };
        // Replicas of one owner may differ: a rollout is under way.
        let rolled = !stand_in && replica > 0 && dice.chance(20);
        pods.push(PodId(u32::try_from(cluster.pods.len()).unwrap_or(u32::MAX)));
        cluster.pods.push(Pod {
            namespace: namespace.clone(),
            name: match kind {
                WorkloadKind::Pod => name.clone(),
                _ if stand_in => name.clone(),
                _ => format!("{name}-{replica}").into(),
            },
            workload: id,
            labels: if rolled { parts::labels(dice, &parts::POD_KEYS) } else { labels.clone() },
            ports: if rolled { container_ports(dice) } else { ports.clone() },
            host_network,
            node,
            addresses,
            service_account: service_account.clone(),
            ready,
            finished,
            stand_in,
            details: None,
            origin: dice.origin(),
        });
    }
    let origin = if stand_in { dice.origin() } else { Origin::NONE };
    cluster.workloads.push(Workload { namespace, name, kind, pods, service_name: None, origin });
}

/// Where a listed pod runs and which addresses it has; either may not be known.
fn place(
    dice: &mut Dice,
    host_network: bool,
    families: &[Family],
    cluster: &Cluster,
) -> (Option<Text>, Vec<IpAddr>) {
    let nodes: Vec<usize> = (0..cluster.nodes.len()).collect();
    let node = dice.maybe_pick(&nodes).filter(|_| dice.chance(75));
    let number = cluster.pods.len() + 5;
    let mut addresses = Vec::new();
    if dice.chance(65) {
        if host_network {
            let known = node.and_then(|node| cluster.nodes.get(node));
            addresses.extend(known.iter().flat_map(|node| node.addresses.iter().copied()));
        } else {
            let at = node.map_or(0, |node| node + 1);
            let mut own: Vec<Family> = families.iter().copied().filter(|_| dice.chance(85)).collect();
            if own.is_empty() && dice.chance(50) {
                own.push(Family::V6);
            }
            addresses.extend(own.into_iter().map(|family| pod_address(family, at, number)));
        }
    }
    let name = match node.and_then(|node| cluster.nodes.get(node)) {
        Some(node) => Some(node.name.clone()),
        // A node that the input does not show.
        None => dice.chance(25).then(|| "elsewhere".into()),
    };
    (name, addresses)
}

fn container_ports(dice: &mut Dice) -> Vec<ContainerPort> {
    let mut ports: Vec<ContainerPort> = Vec::new();
    for port in dice.several(0, 4, |dice| ContainerPort {
        name: dice.chance(85).then(|| dice.pick(&parts::PORT_NAMES).into()),
        protocol: dice.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]),
        port: dice.pick(&parts::PORTS),
    }) {
        // The API lets one name stand once per protocol and container; several containers may share it.
        if !ports.iter().any(|known| known.protocol == port.protocol && known.port == port.port) {
            ports.push(port);
        }
    }
    ports.sort();
    ports
}

fn service(dice: &mut Dice, name: &str, families: &[Family], cluster: &mut Cluster) {
    let namespace = parts::a_namespace(dice, cluster);
    let labels = parts::labels(dice, &parts::POD_KEYS);
    let selector = if dice.chance(65) {
        let mut selector = Labels::default();
        selector.insert(dice.pick(&parts::POD_KEYS), dice.pick(&parts::VALUES));
        Some(selector)
    } else {
        slice(dice, &namespace, name, families, cluster);
        None
    };
    let port = ServicePort {
        name: Some("main".into()),
        protocol: parts::protocol(dice),
        port: dice.pick(&parts::PORTS),
        target: if dice.chance(50) {
            TargetPort::Name(dice.pick(&parts::PORT_NAMES).into())
        } else {
            TargetPort::Number(dice.pick(&parts::PORTS))
        },
        node_port: None,
        origin: dice.origin(),
    };
    let headless = dice.chance(20);
    let number = u8::try_from(cluster.services.len() + 10).unwrap_or(u8::MAX);
    let cluster_ips = if !headless && families.contains(&Family::V4) && dice.chance(70) {
        vec![Ipv4Addr::new(10, 96, 0, number).into()]
    } else {
        Vec::new()
    };
    cluster.services.push(Service {
        namespace,
        name: name.into(),
        labels,
        kind: ServiceType::ClusterIp,
        headless,
        selector,
        cluster_ips,
        external_ips: Vec::new(),
        families: Vec::new(),
        publish_not_ready: false,
        external_traffic_local: false,
        ports: vec![port],
        origin: dice.origin(),
    });
}

/// Endpoints written by hand: an address outside, a pod's or a node's.
fn slice(dice: &mut Dice, namespace: &Text, name: &str, families: &[Family], cluster: &mut Cluster) {
    let mut pool: Vec<IpAddr> = (cluster.pods.iter().flat_map(|pod| &pod.addresses))
        .chain(cluster.nodes.iter().flat_map(|node| &node.addresses))
        .copied()
        .collect();
    pool.push(Ipv4Addr::new(203, 0, 113, 7).into());
    let family = dice.pick(families);
    pool.retain(|address| Family::of(*address) == family);
    let endpoints = dice.several(0, 2, |dice| SliceEndpoint {
        addresses: dice.maybe_pick(&pool).into_iter().collect(),
        ready: dice.chance(90),
        pod: None,
    });
    cluster.endpoint_slices.push(EndpointSlice {
        namespace: namespace.clone(),
        name: format!("{name}-x").into(),
        service: Some(name.into()),
        endpoints: endpoints.into_iter().filter(|endpoint| !endpoint.addresses.is_empty()).collect(),
        ports: vec![(Some("main".into()), Protocol::Tcp, Some(dice.pick(&parts::PORTS)))],
        origin: dice.origin(),
    });
}

/// The endpoints of the API server: a node's address or one outside.
fn api_server(dice: &mut Dice, cluster: &mut Cluster) {
    let mut pool: Vec<IpAddr> = cluster.nodes.iter().flat_map(|node| &node.addresses).copied().collect();
    pool.retain(IpAddr::is_ipv4);
    pool.push(Ipv4Addr::new(203, 0, 113, 7).into());
    let address = dice.pick(&pool);
    if !cluster.namespaces.iter().any(|namespace| &*namespace.name == "default") {
        let labels = [(NAMESPACE_NAME_LABEL, "default")].into_iter().collect();
        cluster.namespaces.push(Namespace {
            name: "default".into(),
            labels,
            given: true,
            origin: dice.origin(),
        });
    }
    cluster.endpoint_slices.push(EndpointSlice {
        namespace: "default".into(),
        name: "kubernetes".into(),
        service: Some("kubernetes".into()),
        endpoints: vec![SliceEndpoint { addresses: vec![address], ready: true, pod: None }],
        ports: vec![(Some("https".into()), Protocol::Tcp, Some(6443))],
        origin: dice.origin(),
    });
}
