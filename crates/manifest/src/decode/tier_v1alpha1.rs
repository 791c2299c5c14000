//! `policy.networking.k8s.io/v1alpha1` AdminNetworkPolicy and BaselineAdminNetworkPolicy. In: the object's mapping.
//! Out: a tier policy.

use ringfence_model::{
    network_policy::PolicyKind,
    port::{PortMatch, PortSpec, Protocol},
    tier::{Action, Tier, TierPolicy},
};

use crate::{
    decode::{
        cursor::{Decoder, Map, quoted},
        meta,
        network_policy::OBJECT_FIELDS,
        port,
        tier::{self, Dialect},
    },
    tree::Node,
};

const ADMIN: Dialect = Dialect {
    actions: &[("Allow", Action::Accept), ("Deny", Action::Deny), ("Pass", Action::Pass)],
    ports: "ports",
    port: port_entry,
    most: 100,
    egress_peers: &["namespaces", "pods", "nodes", "networks", "domainNames"],
    any_namespace: false,
};

const BASELINE: Dialect = Dialect {
    actions: &[("Allow", Action::Accept), ("Deny", Action::Deny)],
    egress_peers: &["namespaces", "pods", "nodes", "networks"],
    ..ADMIN
};

/// An AdminNetworkPolicy.
pub(crate) fn admin(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<TierPolicy> {
    d.only(root, "this AdminNetworkPolicy", &OBJECT_FIELDS);
    let meta = meta::policy_meta(d, root, PolicyKind::AdminNetworkPolicy, None);
    let Some(spec) = root.get("spec") else {
        d.missing(root, "this AdminNetworkPolicy", "spec");
        return None;
    };
    let place = "the spec of an AdminNetworkPolicy";
    let spec = d.strict_map(spec, place, &["priority", "subject", "ingress", "egress"])?;
    let priority = priority(d, &spec, place);
    let subject = tier::subject(d, &spec, &ADMIN);
    let ingress = tier::rules(d, &spec, "ingress", &ADMIN);
    let egress = tier::rules(d, &spec, "egress", &ADMIN);
    Some(TierPolicy {
        meta: meta?,
        tier: Tier::Admin,
        priority: priority?,
        subject: subject?,
        ingress,
        egress,
    })
}

/// A BaselineAdminNetworkPolicy, of which there is one, named `default`.
pub(crate) fn baseline(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<TierPolicy> {
    d.only(root, "this BaselineAdminNetworkPolicy", &OBJECT_FIELDS);
    let meta = meta::policy_meta(d, root, PolicyKind::BaselineAdminNetworkPolicy, None);
    if let Some(meta) = &meta
        && *meta.name != *"default"
    {
        d.push(
            ringfence_model::diagnostic::Diagnostic::error(
                "invalid-name",
                meta.origin,
                format!("a BaselineAdminNetworkPolicy cannot be named `{}`", meta.name),
            )
            .with_label("the only one of a cluster is named `default`"),
        );
    }
    let Some(spec) = root.get("spec") else {
        d.missing(root, "this BaselineAdminNetworkPolicy", "spec");
        return None;
    };
    let place = "the spec of a BaselineAdminNetworkPolicy";
    let spec = d.strict_map(spec, place, &["subject", "ingress", "egress"])?;
    let subject = tier::subject(d, &spec, &BASELINE);
    let ingress = tier::rules(d, &spec, "ingress", &BASELINE);
    let egress = tier::rules(d, &spec, "egress", &BASELINE);
    Some(TierPolicy { meta: meta?, tier: Tier::Baseline, priority: 0, subject: subject?, ingress, egress })
}

/// `priority`: 0 is evaluated first.
pub(crate) fn priority(d: &mut Decoder<'_>, spec: &Map<'_, '_>, place: &str) -> Option<i32> {
    let Some(node) = spec.get("priority") else {
        d.missing(spec, place, "priority");
        return None;
    };
    d.integer(node, "`priority`", 0, 1000).and_then(|priority| i32::try_from(priority).ok())
}

fn port_entry(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<PortMatch> {
    const FIELDS: [&str; 3] = ["portNumber", "namedPort", "portRange"];
    let map = d.strict_map(item, "an entry of `ports`", &FIELDS)?;
    let [(key, value)] = map.entries else {
        d.error(
            item,
            "port-fields",
            "this entry of `ports` must have one field",
            format!("exactly one of {}", quoted(FIELDS)),
        );
        return None;
    };
    let (protocol, ports): (Option<Protocol>, PortSpec) = match key.text()? {
        "portNumber" => {
            let map = d.strict_map(value, "`portNumber`", &["protocol", "port"])?;
            let protocol = port::protocol(d, &map);
            let port = required_port(d, &map, "`portNumber`", "port");
            (Some(protocol?), port.map(|port| PortSpec::Range(port, port))?)
        }
        "portRange" => {
            let map = d.strict_map(value, "`portRange`", &["protocol", "start", "end"])?;
            let protocol = port::protocol(d, &map);
            let start = required_port(d, &map, "`portRange`", "start");
            let end = required_port(d, &map, "`portRange`", "end");
            let (start, end) = start.zip(end)?;
            if start > end {
                let message = format!("`end` {end} is less than `start` {start}");
                d.error(value, "end-port", message, format!("`end` from {start} to 65535"));
                return None;
            }
            (Some(protocol?), PortSpec::Range(start, end))
        }
        "namedPort" => (None, PortSpec::Named(port::any_name(d, value)?)),
        // An unknown field has been noted.
        _ => return None,
    };
    Some(PortMatch { protocol, ports, origin: d.origin(item) })
}

/// A required port number.
pub(crate) fn required_port(d: &mut Decoder<'_>, map: &Map<'_, '_>, place: &str, field: &str) -> Option<u16> {
    if !map.has(field) {
        d.missing(map, place, field);
    }
    port::number_field(d, map, field)
}
