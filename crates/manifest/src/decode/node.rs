//! `v1` Node. In: the object's mapping. Out: its labels, addresses and pod networks.

use ringfence_model::workload::Node as ClusterNode;

use crate::{
    decode::{
        cidr,
        cursor::{Decoder, Map},
        meta::{self, Meta, Rules},
        names,
    },
    tree::Node,
};

/// A Node.
pub(crate) fn decode(d: &mut Decoder<'_>, root: &Map<'_, '_>) -> Option<ClusterNode> {
    let rules = Rules { kind: "Node", namespace: None, grammar: names::dns_subdomain, generated: false };
    let Meta { name, labels, origin, .. } = meta::meta(d, root, rules)?;
    let mut addresses = Vec::new();
    if let Some(status) = root.get("status").and_then(Map::of) {
        for item in d.list(&status, "addresses") {
            let Some(map) = Map::of(item) else { continue };
            if matches!(map.get("type").and_then(Node::text), Some("InternalIP" | "ExternalIP")) {
                addresses.extend(map.get("address").and_then(cidr::address));
            }
        }
    }
    let mut pod_cidrs = Vec::new();
    if let Some(spec) = root.get("spec").and_then(Map::of) {
        let listed = d.list(&spec, "podCIDRs");
        let alone = if listed.is_empty() { spec.get("podCIDR") } else { None };
        for item in listed.iter().chain(alone) {
            pod_cidrs.extend(cidr::cidr(d, item, "the pod CIDR"));
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    Some(ClusterNode { name, labels, addresses, pod_cidrs, origin })
}
