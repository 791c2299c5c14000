//! Parts that all kinds of objects share. In: dice. Out: labels, selectors, ports and networks from small pools.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use ringfence_model::{
    Text,
    cluster::Cluster,
    label::{Labels, Operator, Requirement, Selector},
    network_policy::{AUDIT_ANNOTATION, PolicyKind, PolicyMeta},
    port::{PortMatch, PortSpec, Protocol},
};

use super::dice::Dice;

/// Keys and values of the labels of pods.
pub(super) const POD_KEYS: [&str; 3] = ["app", "role", "tier"];
/// Values of all labels; the empty value is one of them.
pub(super) const VALUES: [&str; 4] = ["a", "b", "c", ""];
/// Keys of the labels of namespaces.
pub(super) const NAMESPACE_KEYS: [&str; 2] = ["env", "team"];
/// Keys of the labels of nodes.
pub(super) const NODE_KEYS: [&str; 2] = ["disk", "zone"];
/// Names of container ports.
pub(super) const PORT_NAMES: [&str; 3] = ["dns", "metrics", "web"];
/// Port numbers, the ends of the range and neighbours among them.
pub(super) const PORTS: [u16; 9] = [1, 53, 80, 81, 443, 8080, 8081, 8090, 65535];

/// Labels with some of the keys.
pub(super) fn labels(dice: &mut Dice, keys: &[&str]) -> Labels {
    let mut labels = Labels::default();
    for key in keys {
        if dice.chance(60) {
            // The first value is the commonest.
            let value = if dice.chance(40) { "a" } else { dice.pick(&VALUES) };
            labels.insert(*key, value);
        }
    }
    labels
}

/// A selector over some keys, often `{}`. The keys may be ones that the objects lack.
pub(super) fn selector(dice: &mut Dice, keys: &[Text], values: &[Text]) -> Selector {
    let mut requirements: Vec<Requirement> = Vec::new();
    if !dice.chance(30) {
        for key in keys {
            if dice.chance(60 / u32::try_from(keys.len()).unwrap_or(60).max(1) + 10) {
                let values = vec![dice.pick(values)];
                requirements.push(Requirement {
                    key: key.clone(),
                    operator: Operator::In,
                    values,
                    origin: dice.origin(),
                });
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        if dice.chance(50) {
            let expressions = dice.several(1, 2, |dice| {
                use Operator::{DoesNotExist, Exists, In, NotIn};
                let operator = dice.pick(&[In, NotIn, NotIn, Exists, DoesNotExist]);
                let values = match operator {
                    In | NotIn => dice.several(1, 2, |dice| dice.pick(values)),
                    Exists | DoesNotExist => Vec::new(),
                };
                Requirement { key: dice.pick(keys), operator, values, origin: dice.origin() }
            });
            requirements.extend(expressions);
        }
    }
    Selector { requirements, origin: dice.origin() }
}

/// A selector on pods.
pub(super) fn pod_selector(dice: &mut Dice) -> Selector {
    selector(dice, &POD_KEYS.map(Text::from), &VALUES.map(Text::from))
}

/// A selector on namespaces, by their labels or by name.
pub(super) fn namespace_selector(dice: &mut Dice, cluster: &Cluster) -> Selector {
    if dice.chance(30) {
        let names: Vec<Text> = cluster.namespaces.iter().map(|namespace| namespace.name.clone()).collect();
        return selector(dice, &[ringfence_model::workload::NAMESPACE_NAME_LABEL.into()], &names);
    }
    selector(dice, &NAMESPACE_KEYS.map(Text::from), &VALUES.map(Text::from))
}

/// A selector on nodes.
pub(super) fn node_selector(dice: &mut Dice) -> Selector {
    selector(dice, &NODE_KEYS.map(Text::from), &VALUES.map(Text::from))
}

/// A protocol, mostly TCP.
pub(super) fn protocol(dice: &mut Dice) -> Protocol {
    dice.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

/// A port or a range of ports; `longer` asks for at least two.
pub(super) fn port_range(dice: &mut Dice, longer: bool) -> PortSpec {
    let first = dice.pick(&PORTS);
    if !longer && dice.chance(60) {
        return PortSpec::Range(first, first);
    }
    let second = dice.pick(&PORTS);
    let (first, last) = (first.min(second), first.max(second));
    match (longer && first == last, last) {
        (true, u16::MAX) => PortSpec::Range(first - 1, last),
        (true, _) => PortSpec::Range(first, last + 1),
        (false, _) => PortSpec::Range(first, last),
    }
}

/// A port by its name.
pub(super) fn named(dice: &mut Dice) -> PortSpec {
    PortSpec::Named(dice.pick(&PORT_NAMES).into())
}

/// One entry of a list of ports.
pub(super) fn entry(dice: &mut Dice, protocol: Option<Protocol>, ports: PortSpec) -> PortMatch {
    PortMatch { protocol, ports, origin: dice.origin() }
}

/// A network near to the addresses of the cluster: of one pod or node, of its neighbours, of all, or outside.
pub(super) fn network(dice: &mut Dice, cluster: &Cluster) -> IpNet {
    let fixed = [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.244.0.0/16",
        "10.244.0.0/17",
        "10.244.1.0/24",
        "10.244.2.0/24",
        "192.168.0.0/24",
        "192.168.0.0/16",
        "203.0.113.0/24",
        "203.0.113.0/25",
        "203.0.113.128/25",
        "203.0.113.7/32",
        "::/0",
        "fd00::/8",
        "fd00:244::/32",
        "fd00:244:1::/48",
        "2001:db8::/32",
        "2001:db8::7/128",
    ];
    let addresses: Vec<IpAddr> = (cluster.pods.iter().flat_map(|pod| &pod.addresses))
        .chain(cluster.nodes.iter().flat_map(|node| &node.addresses))
        .copied()
        .collect();
    match dice.maybe_pick(&addresses) {
        Some(address) if dice.chance(40) => {
            let prefix =
                if address.is_ipv4() { dice.pick(&[32, 31, 28, 24]) } else { dice.pick(&[128, 127, 64]) };
            // Decoders leave out the bits beyond the prefix.
            IpNet::new(address, prefix).unwrap_or_else(|_| IpNet::from(address)).trunc()
        }
        _ => dice.pick(&fixed).parse().unwrap_or_else(|_| IpNet::from(IpAddr::from([203, 0, 113, 7]))),
    }
}

/// A network and parts of it that do not count.
pub(super) fn block(dice: &mut Dice, cluster: &Cluster) -> (IpNet, Vec<IpNet>) {
    let cidr = network(dice, cluster);
    let mut except = Vec::new();
    if dice.chance(45) {
        let pool: Vec<IpNet> = (0..12)
            .map(|_| network(dice, cluster))
            .chain(cidr.subnets(cidr.prefix_len() + 1).into_iter().flatten())
            .filter(|net| cidr.contains(net) && net.prefix_len() > cidr.prefix_len())
            .collect();
        except.extend(dice.maybe_pick(&pool));
        if dice.chance(40) {
            except.extend(dice.maybe_pick(&pool));
        }
        except.dedup();
    }
    (cidr, except)
}

/// What every policy has.
pub(super) fn meta(
    dice: &mut Dice,
    kind: PolicyKind,
    namespace: Option<Text>,
    name: &str,
) -> Arc<PolicyMeta> {
    let audit = dice.chance(8);
    let mut annotations = Labels::default();
    if audit {
        annotations = [(AUDIT_ANNOTATION, Text::from("true"))].into_iter().collect();
    }
    Arc::new(PolicyMeta {
        kind,
        namespace,
        name: name.into(),
        labels: Labels::default(),
        annotations,
        audit,
        origin: dice.origin(),
    })
}

/// The name of one of the namespaces.
pub(super) fn a_namespace(dice: &mut Dice, cluster: &Cluster) -> Text {
    let names: Vec<Text> = cluster.namespaces.iter().map(|namespace| namespace.name.clone()).collect();
    dice.maybe_pick(&names).unwrap_or_else(|| "alpha".into())
}
