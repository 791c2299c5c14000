//! `monitoring.coreos.com/v1` ServiceMonitor and PodMonitor. In: the object's mapping. Out: what is scraped.

use ringfence_model::{
    label::Selector,
    monitor::{Monitor, MonitorKind, MonitorNamespaces, MonitorPort},
};

use crate::{
    decode::{
        cursor::{Decoder, Map},
        fact::Name,
        lenient, selector,
    },
    scalar::Scalar,
    tree::Node,
};

/// A monitor; nothing if its name or its selector cannot be read.
pub(crate) fn decode(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    kind: MonitorKind,
    namespace: &str,
) -> Option<Monitor> {
    let Name { namespace, name, origin } = Name::of(d, root, Some(namespace))?;
    let spec = root.map("spec")?;
    let selector: Selector =
        spec.get("selector").and_then(|node| d.quietly(|d| selector::selector(d, node, "`selector`")))?;
    let (field, targets): (&str, &[&str]) = match kind {
        MonitorKind::ServiceMonitor => ("endpoints", &["targetPort"]),
        MonitorKind::PodMonitor => ("podMetricsEndpoints", &["portNumber", "targetPort"]),
    };
    let ports = spec.maps(field).map(|endpoint| port(d, &endpoint, targets)).collect();
    let namespaces = namespaces(d, &spec);
    Some(Monitor { kind, namespace, name, namespaces, selector, ports, origin })
}

fn namespaces(d: &mut Decoder<'_>, spec: &Map<'_, '_>) -> MonitorNamespaces {
    let Some(map) = spec.map("namespaceSelector") else { return MonitorNamespaces::Own };
    if map.get("any").and_then(Node::scalar) == Some(Scalar::Bool(true)) {
        return MonitorNamespaces::Any;
    }
    let names = map.items("matchNames").iter().filter_map(lenient::string);
    let names: Vec<_> = names.map(|name| d.intern(name)).collect();
    if names.is_empty() { MonitorNamespaces::Own } else { MonitorNamespaces::Named(names) }
}

/// A port; `targets` are the fields that name it by its target, the first one that is given counts.
fn port(d: &mut Decoder<'_>, endpoint: &Map<'_, '_>, targets: &[&str]) -> MonitorPort {
    let name = endpoint.str("port").map(|name| d.intern(name));
    let node = targets.iter().find_map(|field| endpoint.get(field));
    let target = node.and_then(|node| lenient::target_port(d, node));
    let written = if name.is_some() { endpoint.get("port") } else { node.filter(|_| target.is_some()) };
    MonitorPort { name, target, origin: d.origin(written.unwrap_or(endpoint.node)) }
}
