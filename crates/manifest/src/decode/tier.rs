//! What the policies of the Admin and Baseline tiers have in common. In: nodes. Out: subjects, peers and rules.
//!
//! The CRDs of `policy.networking.k8s.io` differ between versions in field names and limits; those are the
//! [`Dialect`].

use ipnet::IpNet;
use ringfence_model::{
    Text,
    diagnostic::Diagnostic,
    label::Selector,
    port::{PortMatch, PortSpec},
    tier::{Action, TierPeer, TierRule, TierSubject},
};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map, nearest, quoted},
        selector,
    },
    tree::{Kind, Node},
};

/// Where the versions of the API differ.
pub(crate) struct Dialect {
    /// The actions of a rule.
    pub(crate) actions: &'static [(&'static str, Action)],
    /// The field of a rule that holds ports.
    pub(crate) ports: &'static str,
    /// Reads one entry of it.
    pub(crate) port: fn(&mut Decoder<'_>, &Node<'_>) -> Option<PortMatch>,
    /// The most rules, peers and ports.
    pub(crate) most: usize,
    /// The kinds of egress peers.
    pub(crate) egress_peers: &'static [&'static str],
    /// Whether `pods` may leave out `namespaceSelector`.
    pub(crate) any_namespace: bool,
}

const INGRESS_PEERS: [&str; 2] = ["namespaces", "pods"];
/// Peers that have no pods, and so no named ports.
const ADDRESS_PEERS: [&str; 3] = ["nodes", "networks", "domainNames"];
const MOST_NETWORKS: usize = 25;
const LONGEST_NAME: usize = 100;

/// The subject of a policy.
pub(crate) fn subject(d: &mut Decoder<'_>, spec: &Map<'_, '_>, dialect: &Dialect) -> Option<TierSubject> {
    let Some(node) = spec.get("subject") else {
        d.missing(spec, "the spec", "subject");
        return None;
    };
    let map = d.strict_map(node, "`subject`", &INGRESS_PEERS)?;
    match (map.get("namespaces"), map.get("pods")) {
        (Some(node), None) => Some(TierSubject::Namespaces(namespaces(d, node))),
        (None, Some(node)) => {
            let (namespace, pod) = pods(d, node, dialect)?;
            Some(TierSubject::Pods { namespace, pod })
        }
        (None, None) => {
            d.error(
                node,
                "empty-subject",
                "this subject selects nothing",
                "exactly one of `namespaces` and `pods`",
            );
            None
        }
        (Some(_), Some(_)) => {
            let at = map.entries.last().map_or(node, |(key, _)| key);
            let message = "`namespaces` beside `pods` in one subject";
            d.error(at, "conflicting-fields", message, "exactly one of `namespaces` and `pods`");
            None
        }
    }
}

/// A namespace selector. Early versions of the API had it one level deeper.
fn namespaces(d: &mut Decoder<'_>, node: &Node<'_>) -> Selector {
    if let Some((key, _)) = Map::of(node).and_then(|map| {
        ["namespaceSelector", "sameLabels", "notSameLabels"].iter().find_map(|field| map.entry(field))
    }) {
        let name = key.text().unwrap_or_default();
        d.push(
            Diagnostic::error("unknown-field", d.origin(key), format!("unknown field `{name}` in `namespaces`"))
                .with_label("`namespaces` is the selector itself: `matchLabels` or `matchExpressions`")
                .with_help("this is the shape of the first versions of v1alpha1; a newer API server drops the field, and `namespaces: {}` is every namespace"),
        );
        return Selector::default();
    }
    selector::selector(d, node, "`namespaces`")
}

fn pods(d: &mut Decoder<'_>, node: &Node<'_>, dialect: &Dialect) -> Option<(Selector, Selector)> {
    let map = d.strict_map(node, "`pods`", &["namespaceSelector", "podSelector"])?;
    let namespace = match map.get("namespaceSelector") {
        Some(node) => Some(selector::selector(d, node, "`namespaceSelector`")),
        None if dialect.any_namespace => Some(Selector { requirements: Vec::new(), origin: d.origin(node) }),
        None => {
            d.missing(&map, "`pods`", "namespaceSelector");
            None
        }
    };
    let pod = match map.get("podSelector") {
        Some(node) => Some(selector::selector(d, node, "`podSelector`")),
        None => {
            d.missing(&map, "`pods`", "podSelector");
            None
        }
    };
    namespace.zip(pod)
}

/// The rules of one direction.
pub(crate) fn rules(
    d: &mut Decoder<'_>,
    spec: &Map<'_, '_>,
    field: &str,
    dialect: &Dialect,
) -> Vec<TierRule> {
    d.at_most(spec, field, dialect.most);
    d.list(spec, field).iter().filter_map(|item| rule(d, item, field == "egress", dialect)).collect()
}

fn rule(d: &mut Decoder<'_>, item: &Node<'_>, egress: bool, dialect: &Dialect) -> Option<TierRule> {
    let (field, place) = if egress { ("to", "an egress rule") } else { ("from", "an ingress rule") };
    let map = d.strict_map(item, place, &["name", "action", field, dialect.ports])?;
    let name = rule_name(d, &map);
    let action = match map.get("action") {
        Some(node) => self::action(d, node, dialect),
        None => {
            d.missing(&map, "this rule", "action");
            None
        }
    };
    required_list(d, &map, field, dialect.most);
    let peers: Vec<TierPeer> =
        d.list(&map, field).iter().filter_map(|item| peer(d, item, egress, action, dialect)).collect();
    if map.has(dialect.ports) {
        required_list(d, &map, dialect.ports, dialect.most);
    }
    let ports: Vec<PortMatch> =
        d.list(&map, dialect.ports).iter().filter_map(|item| (dialect.port)(d, item)).collect();
    named_ports_need_pods(d, &map, field, &ports);
    Some(TierRule { name, action: action?, peers, ports, origin: d.origin(item) })
}

/// An action. v1alpha1 says Allow where v1alpha2 says Accept, which is easily mixed up.
fn action(d: &mut Decoder<'_>, node: &Node<'_>, dialect: &Dialect) -> Option<Action> {
    let accept = dialect
        .actions
        .iter()
        .find(|(_, action)| *action == Action::Accept)
        .map_or("Accept", |(name, _)| name);
    if let Some(name @ ("Accept" | "Allow")) = node.text()
        && name != accept
    {
        let list = quoted(dialect.actions.iter().map(|(known, _)| *known));
        let allowed = format!("this API version says `{accept}`; allowed: {list}");
        d.error(node, "unknown-value", format!("unknown action `{name}`"), allowed);
        return None;
    }
    d.choice(node, "action", dialect.actions)
}

fn rule_name(d: &mut Decoder<'_>, map: &Map<'_, '_>) -> Option<Text> {
    let node = map.get("name")?;
    let name = d.string(node, "`name`")?;
    if name.chars().count() > LONGEST_NAME {
        d.error(
            node,
            "invalid-name",
            "this rule name is too long",
            format!("at most {LONGEST_NAME} characters"),
        );
    }
    Some(d.intern(name))
}

/// Checks a list that must have from one to `most` items.
fn required_list(d: &mut Decoder<'_>, map: &Map<'_, '_>, field: &str, most: usize) {
    match map.entry(field).filter(|_| map.has(field)) {
        None => d.missing(map, "this rule", field),
        Some((key, Node { kind: Kind::Seq(items), .. })) if items.is_empty() => {
            let message = format!("`{field}` is an empty list");
            d.error(key, "empty-list", message, "at least one item");
        }
        Some(_) => d.at_most(map, field, most),
    }
}

/// A named port is looked up in the destination pod: beside nodes, networks and domain names there is none.
fn named_ports_need_pods(d: &mut Decoder<'_>, rule: &Map<'_, '_>, field: &str, ports: &[PortMatch]) {
    let Some(named) = ports.iter().find(|port| matches!(port.ports, PortSpec::Named(_))) else { return };
    let peers = rule.get(field).map(|node| &node.kind);
    let Some(Kind::Seq(peers)) = peers else { return };
    let other = peers
        .iter()
        .filter_map(Map::of)
        .find_map(|map| ADDRESS_PEERS.iter().find_map(|field| map.entry(field)).map(|(key, _)| key));
    if let Some(key) = other {
        let message = format!("a named port in a rule with `{}`", key.text().unwrap_or_default());
        d.push(
            Diagnostic::error("named-port", named.origin, message)
                .with_label("a port number: only pods have named ports")
                .with_related(d.origin(key), "this peer has no named ports"),
        );
    }
}

fn peer(
    d: &mut Decoder<'_>,
    item: &Node<'_>,
    egress: bool,
    action: Option<Action>,
    dialect: &Dialect,
) -> Option<TierPeer> {
    let allowed = if egress { dialect.egress_peers } else { &INGRESS_PEERS };
    let map = d.map(item, "a peer")?;
    let origin = d.origin(item);
    let [(key, value)] = map.entries else {
        let found =
            if map.entries.is_empty() { "this peer selects nothing" } else { "this peer has several fields" };
        let list = quoted(allowed.iter().copied());
        d.error(item, "peer-fields", found, format!("exactly one of {list}"));
        return None;
    };
    let field = key.text().unwrap_or_default();
    if !allowed.contains(&field) {
        return unknown_peer(d, &map, key, field, allowed);
    }
    match field {
        "namespaces" => Some(TierPeer::Namespaces(namespaces(d, value), origin)),
        "pods" => {
            let (namespace, pod) = pods(d, value, dialect)?;
            Some(TierPeer::Pods { namespace, pod, origin })
        }
        "nodes" => Some(TierPeer::Nodes(selector::selector(d, value, "`nodes`"), origin)),
        "networks" => Some(TierPeer::Networks(networks(d, &map, value), origin)),
        _ => {
            let names = domain_names(d, &map, value);
            match action {
                Some(Action::Deny | Action::Pass) => {
                    d.push(
                        Diagnostic::warning(
                            "domain-names",
                            d.origin(key),
                            "`domainNames` in a rule that does not accept",
                        )
                        .with_label("only Accept rules may name domains")
                        .with_help("the rule fails closed: a Deny matches every destination, a Pass none"),
                    );
                    Some(TierPeer::Unknown(origin))
                }
                Some(Action::Accept) | None => Some(TierPeer::DomainNames(names, origin)),
            }
        }
    }
}

/// A peer that the API does not have. A slip of the pen is an error; anything else may come from a newer version of
/// the API, which the specification wants to fail closed.
fn unknown_peer(
    d: &mut Decoder<'_>,
    map: &Map<'_, '_>,
    key: &Node<'_>,
    field: &str,
    allowed: &[&str],
) -> Option<TierPeer> {
    let known = INGRESS_PEERS.iter().chain(&ADDRESS_PEERS).copied();
    let old = ["namespaceSelector", "podSelector", "ipBlock"];
    if nearest(field, known.clone()).is_some() || old.contains(&field) {
        d.only(map, "a peer", allowed);
        return None;
    }
    d.push(
        Diagnostic::warning("unknown-peer", d.origin(key), format!("unknown kind of peer `{field}`"))
            .with_label(format!("known here: {}", quoted(allowed.iter().copied())))
            .with_help(
                "the rule fails closed: a Deny matches everything by this peer, an Accept or Pass nothing",
            ),
    );
    Some(TierPeer::Unknown(d.origin(map.node)))
}

fn networks(d: &mut Decoder<'_>, map: &Map<'_, '_>, value: &Node<'_>) -> Vec<IpNet> {
    required_list(d, map, "networks", MOST_NETWORKS);
    let mut nets: Vec<IpNet> = Vec::new();
    for item in d.items(value, "`networks`") {
        let Some(net) = cidr::cidr(d, item, "the network") else { continue };
        if nets.contains(&net) {
            d.error(item, "repeated", format!("network `{net}` is listed twice"), "every network once");
        }
        nets.push(net);
    }
    nets
}

fn domain_names(d: &mut Decoder<'_>, map: &Map<'_, '_>, value: &Node<'_>) -> Vec<Text> {
    required_list(d, map, "domainNames", MOST_NETWORKS);
    let mut names: Vec<Text> = Vec::new();
    for item in d.items(value, "`domainNames`") {
        let Some(name) = d.string(item, "a domain name") else { continue };
        if !is_domain_name(name) {
            let allowed =
                "at least two labels, such as `example.com`; `*.example.com` is every name below it";
            d.error(item, "invalid-name", format!("`{name}` is not a domain name"), allowed);
        }
        let name = d.intern(name);
        if names.contains(&name) {
            d.error(item, "repeated", format!("domain name `{name}` is listed twice"), "every name once");
        }
        names.push(name);
    }
    names
}

fn is_domain_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.contains('.') && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_have_two_labels_and_at_most_one_leading_star() {
        for name in ["example.com", "*.example.com", "a-b.c_d.e.", "*.a.b"] {
            assert!(is_domain_name(name), "{name}");
        }
        for name in ["com", "*", "*.com", "a.*.com", "-a.com", "a..com", ""] {
            assert!(!is_domain_name(name), "{name}");
        }
    }
}
