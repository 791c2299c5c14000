//! The probes of a container. In: the container's mapping. Out: what the kubelet does.

use ringfence_model::details::{Probe, ProbeAction, ProbeKind};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        lenient,
    },
    tree::Node,
};

const FIELDS: [(&str, ProbeKind); 3] = [
    ("livenessProbe", ProbeKind::Liveness),
    ("readinessProbe", ProbeKind::Readiness),
    ("startupProbe", ProbeKind::Startup),
];

/// The probes of a container that concern its pod: one that names another `host` does not.
pub(crate) fn probes(d: &mut Decoder<'_>, container: &Map<'_, '_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (field, kind) in FIELDS {
        if let Some(map) = container.map(field)
            && let Some((action, node)) = action(d, &map)
        {
            probes.push(Probe { kind, action, origin: d.origin(node) });
        }
    }
    probes
}

/// The action of a probe, and the node of its port.
fn action<'n, 'a>(d: &mut Decoder<'_>, probe: &Map<'n, 'a>) -> Option<(ProbeAction, &'n Node<'a>)> {
    let here = |map: &Map<'n, 'a>| map.str("host").is_none();
    if let Some(map) = probe.map("httpGet").filter(here) {
        let node = map.get("port")?;
        let port = lenient::target_port(d, node)?;
        let path = map.str("path").map(|path| d.intern(path));
        return Some((ProbeAction::Http { port, path }, node));
    }
    if let Some(map) = probe.map("tcpSocket").filter(here) {
        let node = map.get("port")?;
        return Some((ProbeAction::Tcp { port: lenient::target_port(d, node)? }, node));
    }
    if let Some(map) = probe.map("grpc") {
        let node = map.get("port")?;
        return Some((ProbeAction::Grpc { port: lenient::port_number(node)? }, node));
    }
    probe.map("exec").map(|map| (ProbeAction::Exec, map.node))
}
