//! Services by DNAT. In: a completed cluster. Out: one nftables table, the same for every node and for the fabric, that sends
//! connections to a Service's address to a random ready backend, as kube-proxy does; what has no backend is refused.
//!
//! The client's address is kept (as under `externalTrafficPolicy: Local`), except where a pod reaches itself through its
//! Service: the answer would not come back otherwise. The connection table keeps a session with its backend.

mod backend;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_dataplane::nft::{
    Chain, Element, Field, Hook, HookPoint, KeyType, Map, Random, Reject, Rule, Set, Statement, Table, Value,
    Verdict,
};
use ringfence_model::{address::Family, cluster::Cluster, port::Protocol, service::Service};

pub use self::backend::{Target, targets};
pub(crate) use self::backend::{port_of, reached, selected, slices};

/// The table's name.
pub const TABLE: &str = "ringfence_lab_services";

/// Number of TCP.
const TCP: u8 = 6;

/// Where DNAT happens.
const DSTNAT: i32 = -100;
/// Where masquerading happens.
const SRCNAT: i32 = 100;
/// Before the enforcement program, which would judge an address that nothing has.
const REFUSAL: i32 = -10;

/// The addresses of Services that nothing else has: ClusterIPs, external addresses, load balancers.
#[must_use]
pub fn virtual_addresses(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let families = cluster.families();
    let running = cluster.pods.iter().filter(|pod| !pod.finished);
    let real: BTreeSet<IpAddr> = (cluster.nodes.iter().flat_map(|node| &node.addresses))
        .chain(running.flat_map(|pod| &pod.addresses))
        .copied()
        .collect();
    let of_service = |service: &Service| -> Vec<IpAddr> {
        service.cluster_ips.iter().chain(&service.external_ips).copied().collect()
    };
    let all = cluster.services.iter().flat_map(of_service);
    all.filter(|address| {
        families.contains(&Family::of(*address))
            && !real.contains(address)
            && crate::plan::unusable(*address).is_none()
    })
    .collect()
}

/// The table for a completed cluster.
#[must_use]
pub fn table(cluster: &Cluster) -> Table {
    let mut table = Table::new(TABLE);
    let addresses = virtual_addresses(cluster);
    let mut ways: BTreeMap<(Family, Element), Verdict> = BTreeMap::new();
    for (at, service) in cluster.services.iter().enumerate() {
        for (number, port) in service.ports.iter().enumerate() {
            let Some(protocol) = protocol_number(port.protocol) else { continue };
            for family in Family::BOTH {
                let targets = targets(cluster, service, port, family);
                if targets.is_empty() {
                    continue;
                }
                let own = service
                    .cluster_ips
                    .iter()
                    .chain(&service.external_ips)
                    .filter(|address| addresses.contains(*address));
                let nodes = cluster.nodes.iter().flat_map(|node| &node.addresses);
                let doors = own
                    .map(|address| (*address, port.port))
                    .chain(nodes.flat_map(|address| port.node_port.map(|node_port| (*address, node_port))));
                let name = format!("svc_{at}_{number}_{}", suffix(family));
                let mut used = false;
                for (address, port) in doors.filter(|(address, _)| Family::of(*address) == family) {
                    let key = vec![value(address), Value::Protocol(protocol), Value::Port(port)];
                    // Of two Services with one door the first has it.
                    ways.entry((family, key)).or_insert_with(|| {
                        used = true;
                        Verdict::Goto(name.as_str().into())
                    });
                }
                if used {
                    table.chains.insert(name.into(), spread(&targets, service));
                }
            }
        }
    }
    for family in Family::BOTH {
        add_family(&mut table, cluster, family, &addresses, &ways);
    }
    add_hooks(&mut table);
    table
}

fn suffix(family: Family) -> &'static str {
    match family {
        Family::V4 => "4",
        Family::V6 => "6",
    }
}

fn key_type(family: Family) -> KeyType {
    match family {
        Family::V4 => KeyType::Ipv4,
        Family::V6 => KeyType::Ipv6,
    }
}

fn value(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(v4) => Value::Ipv4(v4),
        IpAddr::V6(v6) => Value::Ipv6(v6),
    }
}

fn protocol_number(protocol: Protocol) -> Option<u8> {
    match protocol {
        Protocol::Tcp => Some(TCP),
        Protocol::Udp => Some(17),
        Protocol::Sctp => Some(132),
        Protocol::Icmp | Protocol::Icmpv6 => None,
    }
}

/// A chain that chooses one of the targets, each as likely as the others.
fn spread(targets: &[Target], service: &Service) -> Chain {
    let mut rules = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let left = u32::try_from(targets.len() - at).unwrap_or(u32::MAX);
        let mut statements = Vec::new();
        if left > 1 {
            statements.push(Statement::Random(Random { one_in: left }));
        }
        statements.push(Statement::Dnat(target.address, target.port));
        let comment = (at == 0).then(|| comment(service));
        rules.push(Rule { statements, comment });
    }
    Chain { hook: None, rules }
}

/// The Service's name, as much of it as fits.
fn comment(service: &Service) -> String {
    let name = format!("{}/{}", service.namespace, service.name);
    name.chars().take(ringfence_dataplane::nft::Limits::COMMENT).collect()
}

fn add_family(
    table: &mut Table,
    cluster: &Cluster,
    family: Family,
    addresses: &BTreeSet<IpAddr>,
    ways: &BTreeMap<(Family, Element), Verdict>,
) {
    let (address, suffix) = (key_type(family), suffix(family));
    let own = ways.iter().filter(|((of, _), _)| *of == family);
    let elements = own.map(|((_, key), way)| (key.clone(), way.clone())).collect();
    let key = vec![address, KeyType::Protocol, KeyType::Port];
    table.maps.insert(format!("doors{suffix}").into(), Map { key, interval: false, size: None, elements });

    let unserved = addresses.iter().filter(|address| Family::of(**address) == family);
    let elements = unserved.map(|address| vec![value(*address)]).collect();
    table.sets.insert(
        format!("virtual{suffix}").into(),
        Set { key: vec![address], interval: false, size: None, elements },
    );

    let pods = cluster.pods.iter().filter(|pod| !pod.finished && !pod.host_network);
    let pods = pods.flat_map(|pod| &pod.addresses).filter(|address| Family::of(**address) == family);
    let elements = pods.map(|address| vec![value(*address), value(*address)]).collect();
    table.sets.insert(
        format!("self{suffix}").into(),
        Set { key: vec![address, address], interval: false, size: None, elements },
    );
}

fn add_hooks(table: &mut Table) {
    let rule = |statements: Vec<Statement>| Rule { statements, comment: None };
    let doors = |family| {
        let fields = vec![Field::Destination(family), Field::Protocol, Field::DestinationPort];
        rule(vec![Statement::VerdictMap { fields, map: format!("doors{}", suffix(family)).into() }])
    };
    let hairpin = |family| {
        let fields = vec![Field::Source(family), Field::Destination(family)];
        let set = format!("self{}", suffix(family)).into();
        rule(vec![Statement::In { fields, set, negated: false }, Statement::Masquerade])
    };
    let refuse = |family| {
        let fields = vec![Field::Destination(family)];
        let set = format!("virtual{}", suffix(family)).into();
        rule(vec![
            Statement::In { fields, set, negated: false },
            Statement::Verdict(Verdict::Goto("refuse".into())),
        ])
    };
    let nat = |point, priority| Some(Hook { point, nat: true, priority });
    let filter = |point| Some(Hook { point, nat: false, priority: REFUSAL });
    let both = |of: &dyn Fn(Family) -> Rule| Family::BOTH.into_iter().map(of).collect::<Vec<_>>();
    let mut add = |name: &str, hook, rules| table.chains.insert(name.into(), Chain { hook, rules });
    add("prerouting", nat(HookPoint::Prerouting, DSTNAT), both(&doors));
    add("output", nat(HookPoint::Output, DSTNAT), both(&doors));
    add("postrouting", nat(HookPoint::Postrouting, SRCNAT), both(&hairpin));
    // Whatever still has a Service's address here has no backend, or a port that the Service lacks.
    add("unserved_forward", filter(HookPoint::Forward), both(&refuse));
    add("unserved_output", filter(HookPoint::Output), both(&refuse));
    let tcp = Statement::Is { field: Field::Protocol, value: Value::Protocol(TCP), negated: false };
    let refusals = vec![
        rule(vec![tcp, Statement::Reject(Reject::TcpReset)]),
        rule(vec![Statement::Reject(Reject::AdminProhibited)]),
    ];
    add("refuse", None, refusals);
}

#[cfg(test)]
mod tests;
