//! One rule of a Cilium policy. In: its mapping and the section it is in. Out: its peers, ports and ICMP types.

use ringfence_model::cilium::CiliumRule;

use crate::{
    decode::{
        cursor::{Decoder, Map},
        selector::{self, Keys},
    },
    tree::{Kind, Node},
};

use super::{icmp, peer, ports};

/// The list that a rule is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Ingress,
    IngressDeny,
    Egress,
    EgressDeny,
}

const FROM: [&str; 6] =
    ["fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet", "fromGroups", "fromNodes"];
const TO: [&str; 8] =
    ["toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toServices", "toFQDNs", "toGroups", "toNodes"];
const TO_DENY: [&str; 7] =
    ["toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toServices", "toGroups", "toNodes"];

impl Section {
    /// The field of the spec.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::IngressDeny => "ingressDeny",
            Self::Egress => "egress",
            Self::EgressDeny => "egressDeny",
        }
    }

    /// Whether its rules are about connections to the subject.
    pub(super) fn is_ingress(self) -> bool {
        matches!(self, Self::Ingress | Self::IngressDeny)
    }

    /// Whether its rules deny.
    pub(super) fn denies(self) -> bool {
        matches!(self, Self::IngressDeny | Self::EgressDeny)
    }

    fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Ingress | Self::IngressDeny => &FROM,
            Self::Egress => &TO,
            Self::EgressDeny => &TO_DENY,
        }
    }

    fn requires(self) -> &'static str {
        if self.is_ingress() { "fromRequires" } else { "toRequires" }
    }
}

/// A rule; nothing if it is only about protocols that no verdict is about.
pub(super) fn decode(
    d: &mut Decoder<'_>,
    item: &Node<'_>,
    section: Section,
    namespace: Option<&str>,
    on_nodes: bool,
) -> Option<CiliumRule> {
    let mut allowed = section.peers().to_vec();
    allowed.extend([section.requires(), "toPorts", "icmps"]);
    if !section.denies() {
        allowed.push("authentication");
    }
    let place = format!("a rule of `{}`", section.field());
    let map = d.strict_map(item, &place, &allowed)?;
    one_family(d, &map, section.peers());
    let mut peers = None;
    for field in section.peers() {
        if let Some(node) = map.get(field) {
            let list = peers.get_or_insert_with(Vec::new);
            for item in d.items(node, &format!("`{field}`")) {
                list.extend(peer::decode(d, item, field, namespace));
            }
        }
    }
    let requires = requires(d, &map, section.requires());
    let given = d.list(&map, "toPorts");
    let mut only_foreign = !given.is_empty();
    let mut port_rules = Vec::new();
    for item in given {
        if let Some(ports::PortRule { rule, foreign }) = ports::decode(d, item, section, on_nodes) {
            only_foreign &= foreign;
            if !foreign {
                port_rules.push(rule);
            }
        }
    }
    let icmps = icmp::decode(d, &map);
    let has_icmps =
        map.get("icmps").is_some_and(|node| matches!(&node.kind, Kind::Seq(items) if !items.is_empty()));
    if has_icmps && !given.is_empty() {
        let at = map.entry("icmps").map_or(item, |(key, _)| key);
        d.error(
            at,
            "conflicting-fields",
            "`icmps` beside `toPorts` in one rule",
            "make it a rule of its own",
        );
    }
    if let Some((key, _)) = map.entry("toServices").filter(|_| !given.is_empty() && map.has("toServices")) {
        let message = "`toServices` beside `toPorts`";
        d.warning(key, "version-dependent", message, "many versions of Cilium reject this combination");
    }
    authentication(d, &map);
    if only_foreign {
        return None;
    }
    if peers.is_none() && given.is_empty() && !has_icmps {
        // A rule without peers and ports matches nothing: `ingress: [{}]` is Cilium's default deny.
        peers = Some(Vec::new());
    }
    Some(CiliumRule { peers, requires, ports: port_rules, icmps, origin: d.origin(item) })
}

/// A rule has peers of one family.
fn one_family(d: &mut Decoder<'_>, map: &Map<'_, '_>, peers: &[&str]) {
    let filled = |field: &&&str| {
        map.get(field).is_some_and(|node| matches!(&node.kind, Kind::Seq(items) if !items.is_empty()))
    };
    let mut given = peers.iter().filter(filled);
    if let (Some(first), Some(second)) = (given.next(), given.next())
        && let Some((key, _)) = map.entry(second)
    {
        let message = format!("`{first}` and `{second}` in one rule");
        d.error(key, "conflicting-fields", message, "Cilium does not combine them: make two rules of it");
    }
}

fn requires(d: &mut Decoder<'_>, map: &Map<'_, '_>, field: &str) -> Vec<ringfence_model::label::Selector> {
    let items = d.list(map, field);
    if let Some((key, _)) = map.entry(field).filter(|_| !items.is_empty()) {
        let message = format!("`{field}` is deprecated");
        d.warning(key, "deprecated", message, "newer versions of Cilium reject it");
    }
    items
        .iter()
        .map(|item| selector::read(d, item, &format!("an item of `{field}`"), Keys::Sourced))
        .collect()
}

fn authentication(d: &mut Decoder<'_>, map: &Map<'_, '_>) {
    const MODES: [(&str, ()); 3] = [("disabled", ()), ("required", ()), ("test-always-fail", ())];
    let Some((key, _)) = map.entry("authentication").filter(|_| map.has("authentication")) else { return };
    let Some(node) = map.get("authentication") else { return };
    let Some(fields) = d.strict_map(node, "`authentication`", &["mode"]) else { return };
    match fields.get("mode") {
        Some(mode) => {
            d.choice(mode, "authentication mode", &MODES);
        }
        None => d.missing(&fields, "`authentication`", "mode"),
    }
    d.note(key, "not-judged", "verdicts take it for granted that authentication succeeds");
}
