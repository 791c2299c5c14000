//! What passes connections from outside on to Services. In: workloads, IngressClasses, Gateways; what is stated. Out: ingress
//! controllers and the pods of gateways.

use ringfence_model::workload::{Pod, PodId, WorkloadId};

use super::{Evidence, images, stated_workload};
use crate::context::Context;

/// The well-known kinds of ingress controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ingress-nginx, and the controllers of NGINX.
    Nginx,
    /// Traefik.
    Traefik,
    /// HAProxy.
    Haproxy,
    /// Kong.
    Kong,
    /// Contour: its Envoy pods.
    Contour,
    /// An ingress gateway of Istio.
    Istio,
    /// Another one, which is stated or serves a Gateway.
    Other,
}

impl Family {
    /// The word that is part of the names of its IngressClasses' controllers, and mostly its default class.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx"),
            Self::Traefik => Some("traefik"),
            Self::Haproxy => Some("haproxy"),
            Self::Kong => Some("kong"),
            Self::Contour => Some("contour"),
            Self::Istio => Some("istio"),
            Self::Other => None,
        }
    }
}

/// An ingress controller, or the pods of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// The workload.
    pub workload: WorkloadId,
    /// Its pods, ascending.
    pub pods: Vec<PodId>,
    /// Its kind.
    pub family: Family,
    /// The classes that its arguments name.
    pub classes: Vec<String>,
    /// The Gateway that it serves, if it serves one: namespace and name.
    pub gateway: Option<(String, String)>,
    /// How it is known.
    pub evidence: Evidence,
}

/// Repositories of images, by their ends.
const IMAGES: [(&str, Family); 9] = [
    ("ingress-nginx/controller", Family::Nginx),
    ("nginx-ingress-controller", Family::Nginx),
    ("nginx/nginx-ingress", Family::Nginx),
    ("nginx-ingress", Family::Nginx),
    ("traefik", Family::Traefik),
    ("haproxy-ingress", Family::Haproxy),
    ("haproxytech/kubernetes-ingress", Family::Haproxy),
    ("kong/kong", Family::Kong),
    ("kong/kong-gateway", Family::Kong),
];

/// Arguments that name the class which a controller serves.
const CLASS_ARGUMENTS: [&str; 4] = [
    "--ingress-class=",
    "--ingressclass=",
    "--providers.kubernetesingress.ingressclass=",
    "--ingress.class=",
];

/// Labels of the pods that serve a Gateway, with its name.
const GATEWAY_LABELS: [&str; 3] = [
    "gateway.networking.k8s.io/gateway-name",
    "gateway.envoyproxy.io/owning-gateway-name",
    "istio.io/gateway-name",
];

pub(super) fn controllers(context: &Context<'_>) -> Vec<Controller> {
    let cluster = context.cluster;
    let stated = &context.settings.cluster.ingress_controllers;
    if !stated.is_empty() {
        let found = stated.iter().filter_map(|name| {
            let (workload, pods) = stated_workload(cluster, name)?;
            let first = pods.first().and_then(|id| cluster.pod(*id))?;
            Some(Controller {
                workload,
                family: recognised(first).map_or(Family::Other, |(family, _)| family),
                classes: class_arguments(first),
                gateway: gateway(first),
                pods,
                evidence: Evidence::stated(),
            })
        });
        return found.collect();
    }
    let mut found = Vec::new();
    for (id, workload) in (0..).map(WorkloadId).zip(&cluster.workloads) {
        let Some(pod) = workload.pods.first().and_then(|id| cluster.pod(*id)) else { continue };
        let gateway = gateway(pod);
        let known = match (recognised(pod), &gateway) {
            (Some(known), _) => known,
            (None, Some((_, name))) => (Family::Other, format!("its pods serve the Gateway `{name}`")),
            (None, None) => continue,
        };
        found.push(Controller {
            workload: id,
            pods: workload.pods.clone(),
            family: known.0,
            classes: class_arguments(pod),
            gateway,
            evidence: Evidence::new(workload.origin, known.1),
        });
    }
    found
}

/// What a pod shows it is, and how.
fn recognised(pod: &Pod) -> Option<(Family, String)> {
    for container in images::containers(pod) {
        let Some(image) = container.image.as_deref().map(images::repository) else { continue };
        let known = IMAGES.iter().find(|(end, _)| {
            image.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        });
        if let Some((_, family)) = known {
            return Some((*family, format!("its image is `{image}`")));
        }
        let label = |key: &str, value: &str| pod.labels.get(key).is_some_and(|own| **own == *value);
        if images::last_name(container) == Some("envoy")
            && (label("app", "envoy") || label("app.kubernetes.io/component", "envoy"))
        {
            return Some((Family::Contour, "its Envoy pods are labelled so".to_owned()));
        }
    }
    let istio = pod.labels.get("istio").filter(|value| value.ends_with("ingressgateway"));
    istio.map(|value| (Family::Istio, format!("its pods are labelled `istio={value}`")))
}

fn gateway(pod: &Pod) -> Option<(String, String)> {
    let name = GATEWAY_LABELS.iter().find_map(|key| pod.labels.get(key))?;
    let namespace =
        pod.labels.get("gateway.envoyproxy.io/owning-gateway-namespace").unwrap_or(&pod.namespace);
    Some((namespace.to_string(), name.to_string()))
}

fn class_arguments(pod: &Pod) -> Vec<String> {
    let arguments = images::containers(pod).flat_map(|container| &container.arguments);
    let class = |argument: &ringfence_model::Text| {
        CLASS_ARGUMENTS.iter().find_map(|prefix| argument.strip_prefix(prefix)).map(str::to_owned)
    };
    arguments.filter_map(class).filter(|class| !class.is_empty()).collect()
}

/// The IngressClasses of the input: name and controller.
pub(super) fn classes(context: &Context<'_>) -> Vec<(String, String)> {
    let classes = context.documents.iter().filter(|object| *object.kind == *"IngressClass");
    let controller = |object: &ringfence_model::object::ObjectRef| {
        let origin = context.places.root_value(object.origin, &["spec".into(), "controller".into()])?;
        Some(context.places.text(origin)?.trim_matches(['"', '\'']).to_owned())
    };
    classes.filter_map(|object| Some((object.name.to_string(), controller(object)?))).collect()
}
