//! `networking.k8s.io/v1` NetworkPolicy. In: the object's mapping. Out: the policy with its defaults applied, unless the
//! API server would reject it (`pkg/apis/networking/validation`).

use ringfence_model::{
    diagnostic::Diagnostic,
    label::Selector,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule, PolicyKind},
};

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map},
        meta, port, selector,
    },
    tree::{Kind, Node},
};

/// The top-level fields of a policy.
pub(crate) const OBJECT_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

const TYPES: [(&str, Direction); 2] = [("Ingress", Direction::Ingress), ("Egress", Direction::Egress)];

/// A NetworkPolicy.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<NetworkPolicy> {
    d.only(root, "this NetworkPolicy", &OBJECT_FIELDS);
    let meta = meta::policy_meta(d, root, PolicyKind::NetworkPolicy, Some(namespace));
    let place = "the spec of a NetworkPolicy";
    let spec = match root.get("spec") {
        Some(spec) => d.strict_map(spec, place, &["podSelector", "policyTypes", "ingress", "egress"])?,
        // An empty spec is valid: it denies all ingress of the namespace.
        None => Map { node: root.entry("kind").map_or(root.node, |(key, _)| key), entries: &[] },
    };
    let subject = subject(d, &spec);
    let ingress = rules(d, &spec, Direction::Ingress);
    let egress = rules(d, &spec, Direction::Egress);
    let errors = d.errors();
    let (isolates_ingress, isolates_egress) = policy_types(d, &spec, !egress.is_empty());
    if d.errors() == errors {
        warn_of_ineffective_rules(d, &spec, isolates_ingress, isolates_egress);
    }
    Some(NetworkPolicy { meta: meta?, subject, isolates_ingress, isolates_egress, ingress, egress })
}

fn subject(d: &mut Decoder<'_>, spec: &Map<'_, '_>) -> Selector {
    match spec.get("podSelector") {
        Some(node) => selector::selector(d, node, "`podSelector`"),
        None => {
            let at = spec.entries.first().map_or(spec.node, |(key, _)| key);
            d.warning(
                at,
                "missing-field",
                "this spec has no `podSelector`",
                "the policy selects every pod of its namespace; write `podSelector: {}` to say so",
            );
            Selector { requirements: Vec::new(), origin: d.origin(spec.node) }
        }
    }
}

/// The two directions that the policy isolates. Without `policyTypes`: ingress always, egress if there is a rule.
fn policy_types(d: &mut Decoder<'_>, spec: &Map<'_, '_>, has_egress: bool) -> (bool, bool) {
    let items = d.list(spec, "policyTypes");
    if items.is_empty() {
        if let Some((key, Node { kind: Kind::Seq(rules), .. })) = spec.entry("egress")
            && rules.is_empty()
        {
            d.push(
                Diagnostic::warning(
                    "no-effect",
                    d.origin(key),
                    "`egress: []` without `policyTypes` has no effect",
                )
                .with_label("an empty list does not make the policy isolate for egress")
                .with_help("add `policyTypes: [Ingress, Egress]` to deny all egress, or remove `egress`"),
            );
        }
        return (true, has_egress);
    }
    d.at_most(spec, "policyTypes", 2);
    let mut types = Vec::new();
    for item in items {
        let Some(direction) = d.choice(item, "policy type", &TYPES) else { continue };
        if types.contains(&direction) {
            d.warning(item, "repeated", "this policy type is listed twice", "one is enough");
        }
        types.push(direction);
    }
    (types.contains(&Direction::Ingress), types.contains(&Direction::Egress))
}

fn warn_of_ineffective_rules(d: &mut Decoder<'_>, spec: &Map<'_, '_>, ingress: bool, egress: bool) {
    for (field, kind, isolates) in [("ingress", "Ingress", ingress), ("egress", "Egress", egress)] {
        if let Some((key, Node { kind: Kind::Seq(rules), .. })) = spec.entry(field)
            && !rules.is_empty()
            && !isolates
        {
            d.push(
                Diagnostic::warning(
                    "no-effect",
                    d.origin(key),
                    format!("these {field} rules have no effect"),
                )
                .with_label(format!("`policyTypes` does not list `{kind}`"))
                .with_help(format!("add `{kind}` to `policyTypes`, or remove the rules")),
            );
        }
    }
}

fn rules(d: &mut Decoder<'_>, spec: &Map<'_, '_>, direction: Direction) -> Vec<NetworkRule> {
    let (field, peers, place) = match direction {
        Direction::Ingress => ("ingress", "from", "an ingress rule"),
        Direction::Egress => ("egress", "to", "an egress rule"),
    };
    d.list(spec, field).iter().filter_map(|item| rule(d, item, peers, place)).collect()
}

fn rule(d: &mut Decoder<'_>, item: &Node<'_>, field: &str, place: &str) -> Option<NetworkRule> {
    if super::cursor::is_null(item) {
        d.warning(item, "empty-rule", "this rule is empty", "it allows everything; write `{}` to say so");
    }
    let map = d.strict_map(item, place, &[field, "ports"])?;
    let peers = d.list(&map, field).iter().filter_map(|item| peer(d, item)).collect();
    let ports = d.list(&map, "ports").iter().filter_map(|item| port::network_policy_port(d, item)).collect();
    Some(NetworkRule { peers, ports, origin: d.origin(item) })
}

fn peer(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<NetworkPeer> {
    let map = d.strict_map(item, "a peer", &["podSelector", "namespaceSelector", "ipBlock"])?;
    let origin = d.origin(item);
    let pod = map.get("podSelector").map(|node| selector::selector(d, node, "`podSelector`"));
    let namespace =
        map.get("namespaceSelector").map(|node| selector::selector(d, node, "`namespaceSelector`"));
    let block = map.get("ipBlock");
    match (block, pod.is_some() || namespace.is_some()) {
        (None, true) => Some(NetworkPeer::Pods { namespace, pod, origin }),
        (Some(_), true) => {
            let at = map.entry("ipBlock").map_or(item, |(key, _)| key);
            d.error(
                at,
                "conflicting-fields",
                "`ipBlock` beside a selector in one peer",
                "make it a peer of its own: put `- ` before it",
            );
            None
        }
        // A field that the API does not have has been noted.
        (None, false) if map.entries.iter().any(|(_, value)| !super::cursor::is_null(value)) => None,
        (None, false) => {
            d.error(
                item,
                "empty-peer",
                "this peer selects nothing",
                "give `podSelector`, `namespaceSelector` or `ipBlock`; `podSelector: {}` is every pod of the namespace",
            );
            None
        }
        (Some(block), false) => {
            let block = d.strict_map(block, "`ipBlock`", &["cidr", "except"])?;
            let Some(node) = block.get("cidr") else {
                d.missing(&block, "`ipBlock`", "cidr");
                return None;
            };
            let cidr = cidr::cidr(d, node, "`cidr`");
            let except = d.list(&block, "except");
            let except = cidr::except(d, except, cidr, true);
            Some(NetworkPeer::IpBlock { cidr: cidr?, except, origin })
        }
    }
}
