//! `cilium.io/v2` CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. In: the object's mapping. Out: the policy,
//! unless the API server (by the CRD) or Cilium's agent (by its own checks) would reject it.

mod icmp;
mod peer;
mod ports;
mod rule;

use ringfence_model::{
    cilium::{CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject},
    network_policy::PolicyKind,
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        meta,
        selector::{self, Keys},
    },
    tree::{Kind, Node},
};

use self::rule::Section;

const OBJECT_FIELDS: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "specs", "status"];

const SPEC_FIELDS: [&str; 10] = [
    "endpointSelector",
    "nodeSelector",
    "ingress",
    "ingressDeny",
    "egress",
    "egressDeny",
    "enableDefaultDeny",
    "labels",
    "description",
    "log",
];

/// A CiliumNetworkPolicy.
pub(crate) fn namespaced(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: &str) -> Option<CiliumPolicy> {
    decode(d, root, PolicyKind::CiliumNetworkPolicy, Some(namespace))
}

/// A CiliumClusterwideNetworkPolicy.
pub(crate) fn clusterwide(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<CiliumPolicy> {
    decode(d, root, PolicyKind::CiliumClusterwideNetworkPolicy, None)
}

fn decode(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    kind: PolicyKind,
    namespace: Option<&str>,
) -> Option<CiliumPolicy> {
    let place = format!("this {}", kind.as_str());
    d.only(root, &place, &OBJECT_FIELDS);
    let meta = meta::policy_meta(d, root, kind, namespace);
    if !root.has("spec") && !root.has("specs") {
        d.missing(root, &place, "spec");
    }
    let owner = meta.as_ref().and_then(|meta| meta.namespace.clone());
    let mut specs = Vec::new();
    for node in root.get("spec").into_iter().chain(d.list(root, "specs")) {
        specs.extend(spec(d, node, owner.as_deref()));
    }
    Some(CiliumPolicy { meta: meta?, specs })
}

/// One rule set. `namespace` is that of a namespaced policy.
fn spec(d: &mut Decoder<'_>, node: &Node<'_>, namespace: Option<&str>) -> Option<CiliumSpec> {
    let place = "the spec of a Cilium policy";
    let map = d.strict_map(node, place, &SPEC_FIELDS)?;
    let subject = subject(d, &map, namespace);
    let on_nodes = matches!(subject, Some(CiliumSubject::Nodes(_)));
    if !["ingress", "ingressDeny", "egress", "egressDeny"].iter().any(|field| map.has(field)) {
        d.error(
            map.entries.first().map_or(node, |(key, _)| key),
            "missing-field",
            "this spec has no rules",
            "one of `ingress`, `ingressDeny`, `egress` and `egressDeny` is required; `ingress: [{}]` denies all ingress",
        );
    }
    let mut rules = |section: Section| -> Vec<CiliumRule> {
        let items = d.list(&map, section.field());
        items.iter().filter_map(|item| rule::decode(d, item, section, namespace, on_nodes)).collect()
    };
    let ingress = rules(Section::Ingress);
    let ingress_deny = rules(Section::IngressDeny);
    let egress = rules(Section::Egress);
    let egress_deny = rules(Section::EgressDeny);
    let (default_ingress, default_egress) = default_deny(d, &map);
    let (any_ingress, any_egress) =
        (has_rules(&map, "ingress", "ingressDeny"), has_rules(&map, "egress", "egressDeny"));
    // Cilium refuses a rule set of empty lists only (`Rule.Validate` of its API), whatever `enableDefaultDeny` says.
    let taken = any_ingress || any_egress;
    check_annotations(d, &map);
    Some(CiliumSpec {
        subject: subject?,
        isolates_ingress: taken && default_ingress.unwrap_or(any_ingress),
        isolates_egress: taken && default_egress.unwrap_or(any_egress),
        ingress,
        ingress_deny,
        egress,
        egress_deny,
        origin: d.origin(node),
    })
}

fn subject(d: &mut Decoder<'_>, map: &Map<'_, '_>, namespace: Option<&str>) -> Option<CiliumSubject> {
    match (map.get("endpointSelector"), map.get("nodeSelector")) {
        (Some(node), None) => {
            Some(CiliumSubject::Endpoints(selector::read(d, node, "`endpointSelector`", Keys::Sourced)))
        }
        (None, Some(node)) if namespace.is_none() => {
            let at = map.entry("nodeSelector").map_or(node, |(key, _)| key);
            d.note(
                at,
                "host-firewall",
                "a policy for nodes: verdicts are about pods, so it has no effect on any",
            );
            Some(CiliumSubject::Nodes(selector::read(d, node, "`nodeSelector`", Keys::Sourced)))
        }
        (None, Some(node)) => {
            let at = map.entry("nodeSelector").map_or(node, |(key, _)| key);
            let message = "`nodeSelector` in a CiliumNetworkPolicy";
            d.error(at, "unknown-field", message, "only a CiliumClusterwideNetworkPolicy selects nodes");
            None
        }
        (Some(_), Some(node)) => {
            let at = map.entry("nodeSelector").map_or(node, |(key, _)| key);
            let message = "`nodeSelector` beside `endpointSelector`";
            d.error(at, "conflicting-fields", message, "exactly one of them");
            None
        }
        (None, None) => {
            d.missing(map, "the spec of a Cilium policy", "endpointSelector");
            None
        }
    }
}

/// Whether a direction has a rule, be it one that matches nothing. That is when Cilium denies the rest by default.
fn has_rules(map: &Map<'_, '_>, allow: &str, deny: &str) -> bool {
    [allow, deny].iter().any(|field| {
        map.get(field).is_some_and(|node| matches!(&node.kind, Kind::Seq(items) if !items.is_empty()))
    })
}

fn default_deny(d: &mut Decoder<'_>, map: &Map<'_, '_>) -> (Option<bool>, Option<bool>) {
    let Some(node) = map.get("enableDefaultDeny") else { return (None, None) };
    let Some(map) = d.strict_map(node, "`enableDefaultDeny`", &["ingress", "egress"]) else {
        return (None, None);
    };
    (d.boolean_field(&map, "ingress"), d.boolean_field(&map, "egress"))
}

/// Fields that say nothing about what is allowed still have types.
fn check_annotations(d: &mut Decoder<'_>, map: &Map<'_, '_>) {
    d.string_field(map, "description");
    for item in d.list(map, "labels") {
        if let Some(label) = d.strict_map(item, "a label of the policy", &["key", "value", "source"]) {
            for field in ["key", "value", "source"] {
                d.string_field(&label, field);
            }
        }
    }
    if let Some(log) = map.get("log").and_then(|node| d.strict_map(node, "`log`", &["value"])) {
        d.string_field(&log, "value");
    }
}
