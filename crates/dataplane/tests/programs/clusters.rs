//! Random clusters that could be real ones: every pod runs on a node and has addresses. In: a seed. Out: a cluster, and
//! flows between ends that packets can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::Labels,
    origin::Origin,
    port::Protocol,
    workload::Node,
};
use ringfence_policy::generate::{self, Size};

/// The cluster that a seed stands for.
pub(crate) fn cluster(seed: u64) -> Cluster {
    let mut cluster = generate::cluster(seed, &Size::SMALL);
    let families = cluster.families();
    if cluster.nodes.is_empty() {
        cluster.nodes.push(Node {
            name: "node0".into(),
            labels: Labels::default(),
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
            origin: Origin::NONE,
        });
    }
    for (number, node) in (0_u8..).zip(&mut cluster.nodes) {
        for family in &families {
            if !node.addresses.iter().any(|address| Family::of(*address) == *family) {
                node.addresses.push(match family {
                    Family::V4 => Ipv4Addr::new(192, 168, 1, number).into(),
                    Family::V6 => Ipv6Addr::new(0xfd00, 0x192, 1, 0, 0, 0, 0, number.into()).into(),
                });
            }
        }
    }
    for (number, pod) in (0_u8..).zip(&mut cluster.pods) {
        let known = pod.node.as_ref().and_then(|name| cluster.nodes.iter().find(|node| node.name == *name));
        let node =
            known.unwrap_or_else(|| cluster.nodes.get(usize::from(number) % cluster.nodes.len()).unwrap());
        pod.node = Some(node.name.clone());
        if pod.host_network {
            pod.addresses.clone_from(&node.addresses);
        } else if pod.addresses.is_empty() {
            pod.addresses.extend(families.iter().map(|family| match family {
                Family::V4 => IpAddr::from(Ipv4Addr::new(10, 244, 1 + number % 3, 100 + number)),
                Family::V6 => Ipv6Addr::new(0xfd00, 0x244, 1, 0, 0, 0, 1, number.into()).into(),
            }));
        }
    }
    cluster
}

/// Random flows of a cluster that packets can show.
pub(crate) fn flows(seed: u64, cluster: &Cluster, count: usize) -> Vec<Flow> {
    let mut flows = generate::flows(seed, cluster, count);
    for flow in &mut flows {
        flow.request = None;
    }
    flows.retain(|flow| {
        let ends = [&flow.from, &flow.to].into_iter().all(|end| !matches!(end, Endpoint::Name(_)));
        let icmp = match flow.protocol {
            // Neighbour discovery always passes.
            Protocol::Icmpv6 => flow.family == Family::V6 && !(133..=137).contains(&flow.port),
            Protocol::Icmp => flow.family == Family::V4,
            _ => return ends,
        };
        ends && icmp && flow.port < 256
    });
    flows
}
