//! Objects of kinds on which no verdict depends, read where someone asks for details. In: an object's mapping and its
//! kind. Out: the decoded object. Nothing here is ever an error, and an object that makes no sense is left out.

use ringfence_model::{
    Text,
    caller::{CallerKind, ServiceCaller},
    monitor::{Monitor, MonitorKind},
    origin::Origin,
};

use crate::{
    decode::{
        api_service,
        config_map::{self, ConfigMap},
        conversion_webhook,
        cursor::{Decoder, Map},
        lenient, monitor, webhook,
    },
    tree::Node,
};

/// A kind that is read for details alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FactKind {
    ConfigMap,
    Caller(CallerKind),
    Monitor(MonitorKind),
}

/// Kinds with their groups and the versions that are read.
const KINDS: [(&str, &[&str], FactKind); 7] = [
    ("", &["v1"], FactKind::ConfigMap),
    ("admissionregistration.k8s.io", &["v1", "v1beta1"], FactKind::Caller(CallerKind::ValidatingWebhook)),
    ("admissionregistration.k8s.io", &["v1", "v1beta1"], FactKind::Caller(CallerKind::MutatingWebhook)),
    ("apiextensions.k8s.io", &["v1", "v1beta1"], FactKind::Caller(CallerKind::ConversionWebhook)),
    ("apiregistration.k8s.io", &["v1", "v1beta1"], FactKind::Caller(CallerKind::ApiService)),
    ("monitoring.coreos.com", &["v1"], FactKind::Monitor(MonitorKind::ServiceMonitor)),
    ("monitoring.coreos.com", &["v1"], FactKind::Monitor(MonitorKind::PodMonitor)),
];

impl FactKind {
    /// The kind of an object that is read for details alone.
    pub(crate) fn lookup(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut known =
            KINDS.iter().filter(|(known, versions, _)| *known == group && versions.contains(&version));
        known.find(|(_, _, known)| known.as_str() == kind).map(|(_, _, known)| *known)
    }

    /// The kind's name in the API.
    fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Caller(kind) => kind.as_str(),
            Self::Monitor(kind) => kind.as_str(),
        }
    }
}

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// Its namespace; empty for cluster-scoped kinds.
    pub(crate) namespace: Text,
    /// Its name.
    pub(crate) name: Text,
    /// Where the name is written.
    pub(crate) origin: Origin,
}

impl Name {
    /// The name of an object; `namespace` is for namespaced objects that name none.
    pub(crate) fn of(d: &mut Decoder<'_>, root: &Map<'_, '_>, namespace: Option<&str>) -> Option<Self> {
        let metadata = root.map("metadata")?;
        let node = metadata.get("name")?;
        let name = lenient::string(node).filter(|name| !name.is_empty())?;
        let namespace = namespace.map_or("", |default| metadata.str("namespace").unwrap_or(default));
        Some(Self { namespace: d.intern(namespace), name: d.intern(name), origin: d.origin(node) })
    }
}

/// A decoded object.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    ConfigMap(ConfigMap),
    /// All that one object makes the API server call, and its kind and name.
    Callers(CallerKind, Text, Vec<ServiceCaller>),
    Monitor(Monitor),
}

/// Decodes an object. `namespace` is for namespaced objects that name none.
pub(crate) fn decode(
    d: &mut Decoder<'_>,
    root: &Map<'_, '_>,
    kind: FactKind,
    namespace: &str,
) -> Option<Fact> {
    match kind {
        FactKind::ConfigMap => config_map::decode(d, root, namespace).map(Fact::ConfigMap),
        FactKind::Caller(kind) => {
            let Name { name, .. } = Name::of(d, root, None)?;
            let services = match kind {
                CallerKind::ValidatingWebhook | CallerKind::MutatingWebhook => webhook::services(root),
                CallerKind::ConversionWebhook => conversion_webhook::service(root).into_iter().collect(),
                CallerKind::ApiService => api_service::service(root).into_iter().collect(),
            };
            let callers = services.iter().filter_map(|service| caller(d, kind, &name, service)).collect();
            Some(Fact::Callers(kind, name, callers))
        }
        FactKind::Monitor(kind) => monitor::decode(d, root, kind, namespace).map(Fact::Monitor),
    }
}

/// A reference to a Service as webhooks and APIServices write it: `namespace`, `name`, `port` (443 if absent).
fn caller(
    d: &mut Decoder<'_>,
    kind: CallerKind,
    name: &Text,
    service: &Map<'_, '_>,
) -> Option<ServiceCaller> {
    let port = match service.get("port") {
        None => ringfence_model::caller::DEFAULT_CALLER_PORT,
        Some(node) => lenient::port_number(node)?,
    };
    let (namespace, to) = service.str("namespace").zip(service.str("name"))?;
    Some(ServiceCaller {
        kind,
        name: name.clone(),
        namespace: d.intern(namespace),
        service: d.intern(to),
        port,
        origin: d.origin(service.node),
    })
}

/// The `service` of a webhook's `clientConfig`; nothing if it has a `url`.
pub(crate) fn client_service<'n, 'a>(config: &Map<'n, 'a>) -> Option<Map<'n, 'a>> {
    if config.get("url").and_then(Node::text).is_some() {
        return None;
    }
    config.map("service")
}
