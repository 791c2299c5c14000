//! Random Cilium policies. In: dice and a cluster. Out: the cluster with policies.

use ringfence_model::{
    Text,
    cilium::{
        CiliumPeer, CiliumPolicy, CiliumPortRule, CiliumRule, CiliumSpec, CiliumSubject, Entity, FqdnMatch,
        HttpMatch, IcmpMatch, L7Match, ServiceRef,
    },
    cluster::Cluster,
    label::Selector,
    network_policy::PolicyKind,
    port::{PortSpec, Protocol},
};

use super::{dice::Dice, parts};

/// Names and patterns of `toFQDNs` and DNS rules.
pub(super) const NAMES: [&str; 3] = ["api.example.com", "example.com", "Db.internal.example.com."];
const PATTERNS: [&str; 5] = ["*.example.com", "**.example.com", "*", "api*.example.com", "*.internal.*.com"];
/// ICMP types.
pub(super) const ICMP_TYPES: [u8; 4] = [0, 3, 8, 128];

/// Adds at most so many.
pub(super) fn fill(dice: &mut Dice, most: usize, cluster: &mut Cluster) {
    for number in 0..dice.number(1, most) {
        let policy = policy(dice, cluster, &format!("cilium{number}"));
        cluster.cilium_policies.push(policy);
    }
}

fn policy(dice: &mut Dice, cluster: &Cluster, name: &str) -> CiliumPolicy {
    let (kind, namespace) = if dice.chance(65) {
        (PolicyKind::CiliumNetworkPolicy, Some(parts::a_namespace(dice, cluster)))
    } else {
        (PolicyKind::CiliumClusterwideNetworkPolicy, None)
    };
    let meta = parts::meta(dice, kind, namespace.clone(), name);
    let most = if dice.chance(30) { 3 } else { 1 };
    CiliumPolicy { meta, specs: dice.several(1, most, |dice| spec(dice, cluster, namespace.as_ref())) }
}

fn spec(dice: &mut Dice, cluster: &Cluster, namespace: Option<&Text>) -> CiliumSpec {
    let subject = if namespace.is_none() && dice.chance(10) {
        CiliumSubject::Nodes(parts::node_selector(dice))
    } else if dice.chance(50) {
        CiliumSubject::Endpoints(parts::pod_selector(dice))
    } else {
        CiliumSubject::Endpoints(sourced_selector(dice, cluster, false))
    };
    let of_nodes = matches!(subject, CiliumSubject::Nodes(_));
    let side = |dice: &mut Dice, egress: bool| -> (Vec<CiliumRule>, Vec<CiliumRule>, bool) {
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        if dice.chance(65) {
            allow = dice.several(0, 3, |dice| rule(dice, cluster, namespace, egress, false));
        }
        if of_nodes {
            // Cilium refuses layer 7 for the host firewall.
            allow.iter_mut().flat_map(|rule| &mut rule.ports).for_each(|ports| ports.l7.clear());
        }
        if dice.chance(20) {
            deny = dice.several(0, 2, |dice| rule(dice, cluster, namespace, egress, true));
        }
        let default = !allow.is_empty() || !deny.is_empty();
        let isolates = if dice.chance(15) { dice.chance(50) } else { default };
        (allow, deny, isolates)
    };
    let (ingress, ingress_deny, isolates_ingress) = side(dice, false);
    let (egress, egress_deny, isolates_egress) = side(dice, true);
    // Cilium refuses a rule set without any rule.
    let taken = [&ingress, &ingress_deny, &egress, &egress_deny].iter().any(|rules| !rules.is_empty());
    CiliumSpec {
        subject,
        isolates_ingress: taken && isolates_ingress,
        isolates_egress: taken && isolates_egress,
        ingress,
        ingress_deny,
        egress,
        egress_deny,
        origin: dice.origin(),
    }
}

/// A selector whose keys bear label sources, derived labels and, for peers, reserved identities among them.
fn sourced_selector(dice: &mut Dice, cluster: &Cluster, peer: bool) -> Selector {
    let namespaces: Vec<Text> = cluster.namespaces.iter().map(|namespace| namespace.name.clone()).collect();
    let values = parts::VALUES.map(Text::from);
    match dice.number(0, if peer { 9 } else { 6 }) {
        0..=2 => {
            let keys = ["app", "k8s:app", "any:role", "k8s:tier", "container:app"].map(Text::from);
            parts::selector(dice, &keys, &values)
        }
        3 | 4 => {
            let keys = ["io.kubernetes.pod.namespace", "k8s:io.kubernetes.pod.namespace"].map(Text::from);
            let mut selector = parts::selector(dice, &keys, &namespaces);
            if dice.chance(50) {
                let more = parts::pod_selector(dice);
                selector.requirements.extend(more.requirements);
                as_labels_first(&mut selector);
            }
            selector
        }
        5 => {
            let keys = ["io.cilium.k8s.namespace.labels.env", "k8s:io.cilium.k8s.namespace.labels.team"];
            parts::selector(dice, &keys.map(Text::from), &values)
        }
        6 => {
            let keys = ["io.cilium.k8s.policy.serviceaccount", "k8s:io.cilium.k8s.policy.serviceaccount"];
            parts::selector(dice, &keys.map(Text::from), &["default", "robot"].map(Text::from))
        }
        _ => {
            let keys = ["host", "remote-node", "world", "kube-apiserver", "init", "health"];
            let key = format!("reserved:{}", dice.pick(&keys)).into();
            parts::selector(dice, &[key], &["".into()])
        }
    }
}

/// Brings requirements into the order of a decoded selector: `matchLabels` by key, then expressions.
fn as_labels_first(selector: &mut Selector) {
    use ringfence_model::label::Operator;
    selector.requirements.sort_by(|a, b| {
        let rank = |one: &ringfence_model::label::Requirement| {
            let label = one.operator == Operator::In && one.values.len() == 1;
            (!label, if label { one.key.clone() } else { "".into() })
        };
        rank(a).cmp(&rank(b))
    });
}

fn rule(
    dice: &mut Dice,
    cluster: &Cluster,
    namespace: Option<&Text>,
    egress: bool,
    deny: bool,
) -> CiliumRule {
    let peers = dice.chance(85).then(|| peers(dice, cluster, namespace, egress, deny));
    let requires = if dice.chance(8) {
        dice.several(1, 1, |dice| sourced_selector(dice, cluster, false))
    } else {
        Vec::new()
    };
    // A rule has ports or ICMP types, not both.
    let (ports, icmps) = match dice.number(0, 9) {
        0..=3 => (Vec::new(), Vec::new()),
        4 => (Vec::new(), dice.several(1, 2, icmp)),
        _ => (dice.several(1, 2, |dice| port_rule(dice, egress, deny)), Vec::new()),
    };
    // A rule that says nothing is for nobody: it only isolates.
    let peers = if ports.is_empty() && icmps.is_empty() { peers.or(Some(Vec::new())) } else { peers };
    CiliumRule { peers, requires, ports, icmps, origin: dice.origin() }
}

/// The peers of one rule are all of one kind: Cilium does not combine peer fields.
fn peers(
    dice: &mut Dice,
    cluster: &Cluster,
    namespace: Option<&Text>,
    egress: bool,
    deny: bool,
) -> Vec<CiliumPeer> {
    match dice.number(
        0,
        if !egress {
            69
        } else if deny {
            84
        } else {
            99
        },
    ) {
        0..=29 => dice.several(0, 2, |dice| {
            let selector = if dice.chance(50) {
                parts::pod_selector(dice)
            } else {
                sourced_selector(dice, cluster, true)
            };
            CiliumPeer::Endpoints(selector, dice.origin())
        }),
        30..=44 => dice.several(0, 2, |dice| {
            let (_, entity) = dice.pick(&Entity::NAMES);
            CiliumPeer::Entity(entity, dice.origin())
        }),
        45..=61 => dice.several(0, 2, |dice| {
            let (cidr, except) = parts::block(dice, cluster);
            CiliumPeer::Cidr { cidr, except, origin: dice.origin() }
        }),
        62..=66 => dice.several(1, 1, |dice| CiliumPeer::Nodes(parts::node_selector(dice), dice.origin())),
        67..=69 => {
            let what = dice.pick(&["toGroups", "cidrGroupRef"]);
            let what = if egress { what } else { "cidrGroupRef" };
            vec![CiliumPeer::Unresolved(what, dice.origin())]
        }
        70..=84 => {
            dice.several(1, 2, |dice| CiliumPeer::Service(service(dice, cluster, namespace), dice.origin()))
        }
        _ => dice.several(1, 2, |dice| CiliumPeer::Fqdn(fqdn(dice), dice.origin())),
    }
}

fn service(dice: &mut Dice, cluster: &Cluster, namespace: Option<&Text>) -> ServiceRef {
    if dice.chance(70) {
        let known: Vec<(Text, Text)> = (cluster.services.iter())
            .map(|service| (service.namespace.clone(), service.name.clone()))
            .collect();
        let (namespace, name) = dice
            .maybe_pick(&known)
            .filter(|_| dice.chance(90))
            .unwrap_or_else(|| (namespace.cloned().unwrap_or_else(|| "alpha".into()), "unheard-of".into()));
        return ServiceRef::Named { namespace, name };
    }
    let mut selector = parts::pod_selector(dice);
    while selector.is_empty() {
        selector = parts::pod_selector(dice);
    }
    ServiceRef::Selected { namespace: dice.chance(50).then(|| parts::a_namespace(dice, cluster)), selector }
}

fn fqdn(dice: &mut Dice) -> FqdnMatch {
    if dice.chance(50) {
        FqdnMatch::Name(dice.pick(&NAMES).into())
    } else {
        FqdnMatch::Pattern(dice.pick(&PATTERNS).into())
    }
}

fn icmp(dice: &mut Dice) -> IcmpMatch {
    IcmpMatch {
        protocol: dice.pick(&[Protocol::Icmp, Protocol::Icmpv6]),
        kind: dice.pick(&ICMP_TYPES),
        origin: dice.origin(),
    }
}

fn port_rule(dice: &mut Dice, egress: bool, deny: bool) -> CiliumPortRule {
    // Layer 7 goes with single ports: HTTP with TCP, DNS with UDP, TCP or any, at egress only.
    let l7 = if deny { 0 } else { dice.number(0, 9) };
    match l7 {
        7 | 8 => {
            let ports = dice.several(1, 2, |dice| {
                let port = single_or_named(dice);
                parts::entry(dice, Some(Protocol::Tcp), port)
            });
            let l7 = if dice.chance(85) {
                dice.several(0, 2, |dice| L7Match::Http(http(dice)))
            } else {
                vec![L7Match::Other("kafka".into())]
            };
            CiliumPortRule { ports, l7, origin: dice.origin() }
        }
        9 if egress => {
            let protocol = dice.pick(&[None, Some(Protocol::Udp), Some(Protocol::Tcp)]);
            let port = parts::entry(dice, protocol, PortSpec::Range(53, 53));
            let l7 = dice.several(1, 2, |dice| L7Match::Dns(fqdn(dice)));
            CiliumPortRule { ports: vec![port], l7, origin: dice.origin() }
        }
        _ => {
            let ports = dice.several(0, 2, |dice| {
                let protocol = dice.chance(70).then(|| parts::protocol(dice));
                let ports = match dice.number(0, 9) {
                    0 => PortSpec::All,
                    1 | 2 => parts::named(dice),
                    _ => parts::port_range(dice, false),
                };
                parts::entry(dice, protocol, ports)
            });
            CiliumPortRule { ports, l7: Vec::new(), origin: dice.origin() }
        }
    }
}

fn single_or_named(dice: &mut Dice) -> PortSpec {
    if dice.chance(20) {
        return parts::named(dice);
    }
    let port = dice.pick(&parts::PORTS);
    PortSpec::Range(port, port)
}

fn http(dice: &mut Dice) -> HttpMatch {
    let mut headers: Vec<(Text, Option<Text>)> = Vec::new();
    if dice.chance(20) {
        headers.push(("X-Token".into(), dice.chance(50).then(|| "secret".into())));
    }
    let mut one = |texts: &[&str]| dice.chance(60).then(|| Text::from(dice.pick(texts)));
    HttpMatch {
        method: one(&["GET", "POST|PUT", "G.T"]),
        path: one(&["/", "/api/.*", "/api", "/(api|health)"]),
        host: one(&["api\\.example\\.com", ".*"]).filter(|host| &**host != ".*"),
        headers,
    }
}
