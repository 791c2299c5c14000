//! `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy. In: the object's mapping. Out: a tier policy.

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
        tier_v1alpha1::{priority, required_port},
    },
    tree::Node,
};

const DIALECT: Dialect = Dialect {
    actions: &[("Accept", Action::Accept), ("Deny", Action::Deny), ("Pass", Action::Pass)],
    ports: "protocols",
    port: protocol_entry,
    most: 25,
    egress_peers: &["namespaces", "pods", "nodes", "networks", "domainNames"],
    any_namespace: true,
};

const TIERS: [(&str, Tier); 2] = [("Admin", Tier::Admin), ("Baseline", Tier::Baseline)];

/// A ClusterNetworkPolicy.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<TierPolicy> {
    d.only(root, "this ClusterNetworkPolicy", &OBJECT_FIELDS);
    let meta = meta::policy_meta(d, root, PolicyKind::ClusterNetworkPolicy, None);
    let Some(spec) = root.get("spec") else {
        d.missing(root, "this ClusterNetworkPolicy", "spec");
        return None;
    };
    let place = "the spec of a ClusterNetworkPolicy";
    let spec = d.strict_map(spec, place, &["tier", "priority", "subject", "ingress", "egress"])?;
    let tier = match spec.get("tier") {
        Some(node) => d.choice(node, "tier", &TIERS),
        None => {
            d.missing(&spec, place, "tier");
            None
        }
    };
    let priority = priority(d, &spec, place);
    let subject = tier::subject(d, &spec, &DIALECT);
    let ingress = tier::rules(d, &spec, "ingress", &DIALECT);
    let egress = tier::rules(d, &spec, "egress", &DIALECT);
    Some(TierPolicy { meta: meta?, tier: tier?, priority: priority?, subject: subject?, ingress, egress })
}

fn protocol_entry(d: &mut Decoder<'_>, item: &Node<'_>) -> Option<PortMatch> {
    const FIELDS: [&str; 4] = ["tcp", "udp", "sctp", "destinationNamedPort"];
    let map = d.strict_map(item, "an entry of `protocols`", &FIELDS)?;
    let [(key, value)] = map.entries else {
        let message = "this entry of `protocols` must have one field";
        d.error(item, "port-fields", message, format!("exactly one of {}", quoted(FIELDS)));
        return None;
    };
    let field = key.text()?;
    let protocol = match field {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        "destinationNamedPort" => None,
        // An unknown field has been noted.
        _ => return None,
    };
    let ports = match protocol {
        None => PortSpec::Named(port::any_name(d, value)?),
        Some(_) => {
            let place = format!("`{field}`");
            let map = d.strict_map(value, &place, &["destinationPort"])?;
            let Some(port) = map.get("destinationPort") else {
                let allowed = "every port is `destinationPort: {range: {start: 1, end: 65535}}`";
                d.error(key, "missing-field", format!("{place} has no `destinationPort`"), allowed);
                return None;
            };
            destination_port(d, port)?
        }
    };
    Some(PortMatch { protocol, ports, origin: d.origin(item) })
}

fn destination_port(d: &mut Decoder<'_>, node: &Node<'_>) -> Option<PortSpec> {
    const FIELDS: [&str; 2] = ["number", "range"];
    let map = d.strict_map(node, "`destinationPort`", &FIELDS)?;
    let [(key, value)] = map.entries else {
        let message = "`destinationPort` must have one field";
        d.error(node, "port-fields", message, format!("exactly one of {}", quoted(FIELDS)));
        return None;
    };
    if key.text() == Some("number") {
        let port = port::number(d, value, "`number`")?;
        return Some(PortSpec::Range(port, port));
    }
    let range = d.strict_map(value, "`range`", &["start", "end"])?;
    let start = required_port(d, &range, "`range`", "start");
    let end = required_port(d, &range, "`range`", "end");
    let (start, end) = start.zip(end)?;
    if start >= end {
        let message = format!("`end` {end} is not greater than `start` {start}");
        d.error(value, "end-port", message, "`start` must be less than `end`; one port is `number`");
        return None;
    }
    Some(PortSpec::Range(start, end))
}
