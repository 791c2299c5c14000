//! Manifests of what runs. In: a cluster. Out: Namespaces, Nodes, Pods, the workloads of stand-ins, Services and
//! EndpointSlices.

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    label::Labels,
    service::{EndpointSlice, Service, TargetPort},
    workload::{Node, Pod, Workload, WorkloadKind},
};

use super::{Yaml, label_map, object};

/// All of them.
pub(super) fn all(cluster: &Cluster) -> Vec<Yaml> {
    let mut all: Vec<Yaml> = Vec::new();
    for namespace in &cluster.namespaces {
        all.push(object("v1", "Namespace", None, &namespace.name, &namespace.labels));
    }
    all.extend(cluster.nodes.iter().map(node));
    for pod in cluster.pods.iter().filter(|pod| !pod.stand_in) {
        all.push(listed(cluster, pod));
    }
    for workload in &cluster.workloads {
        let pods: Vec<&Pod> = workload.pods.iter().filter_map(|id| cluster.pod(*id)).collect();
        if let Some(first) = pods.first()
            && first.stand_in
        {
            all.push(template(workload, first, pods.len()));
        }
    }
    all.extend(cluster.services.iter().map(service));
    all.extend(cluster.endpoint_slices.iter().map(slice));
    all
}

fn node(node: &Node) -> Yaml {
    let object = object("v1", "Node", None, &node.name, &node.labels);
    let cidrs = Yaml::list(&node.pod_cidrs, |cidr| cidr.to_string().into());
    let spec = match node.pod_cidrs.first() {
        Some(first) => Yaml::one("podCIDR", first.to_string()).with("podCIDRs", cidrs),
        None => Yaml::Map(Vec::new()),
    };
    let addresses = Yaml::list(&node.addresses, |address| {
        Yaml::one("type", "InternalIP").with("address", address.to_string())
    });
    object.with_any("spec", spec).with_any("status", Yaml::Map(Vec::new()).with_any("addresses", addresses))
}

/// A pod that the input lists.
fn listed(cluster: &Cluster, pod: &Pod) -> Yaml {
    let mut object = object("v1", "Pod", Some(&pod.namespace), &pod.name, &pod.labels);
    if let Some(owner) = cluster.workload(pod.workload)
        && owner.kind != WorkloadKind::Pod
        && let Yaml::Map(fields) = &mut object
        && let Some((_, metadata)) = fields.iter_mut().find(|(key, _)| key == "metadata")
    {
        let reference = Yaml::one("apiVersion", "apps/v1")
            .with("kind", owner.kind.as_str())
            .with("name", &owner.name)
            .with("uid", format!("{}-{}", owner.namespace, owner.name))
            .with("controller", true);
        *metadata = metadata.clone().with("ownerReferences", Yaml::List(vec![reference]));
    }
    let spec = spec(pod).with_some("nodeName", pod.node.as_ref());
    let addresses = Yaml::list(&pod.addresses, |address| Yaml::one("ip", address.to_string()));
    let ready = Yaml::one("type", "Ready").with("status", if pod.ready { "True" } else { "False" });
    let first = pod.addresses.first().map(ToString::to_string);
    let (one, many) = if pod.host_network { ("hostIP", "hostIPs") } else { ("podIP", "podIPs") };
    let status = Yaml::one("phase", if pod.finished { "Succeeded" } else { "Running" })
        .with("conditions", Yaml::List(vec![ready]))
        .with_some(one, first)
        .with_any(many, addresses);
    object.with("spec", spec).with("status", status)
}

/// What a pod and the template of a workload share. Each port has a container of its own: a name may stand only once
/// in a container.
fn spec(pod: &Pod) -> Yaml {
    let container = |(at, ports): (usize, Option<Yaml>)| {
        Yaml::one("name", format!("c{at}")).with("image", "app").with_some("ports", ports)
    };
    let mut ports: Vec<Option<Yaml>> = pod
        .ports
        .iter()
        .map(|port| {
            let entry = Yaml::Map(Vec::new())
                .with_some("name", port.name.as_ref())
                .with("containerPort", port.port)
                .with("protocol", port.protocol.as_str());
            Some(Yaml::List(vec![entry]))
        })
        .collect();
    if ports.is_empty() {
        ports.push(None);
    }
    let mut spec = Yaml::Map(Vec::new());
    if pod.host_network {
        spec = spec.with("hostNetwork", true);
    }
    spec.with("serviceAccountName", &pod.service_account)
        .with("containers", Yaml::list(ports.into_iter().enumerate(), container))
}

/// The workload that stand-ins stand for.
fn template(workload: &Workload, pod: &Pod, replicas: usize) -> Yaml {
    let kind = workload.kind.as_str();
    let object = object("apps/v1", kind, Some(&workload.namespace), &workload.name, &Labels::default());
    let template = Yaml::one("metadata", Yaml::Map(Vec::new()).with("labels", label_map(&pod.labels)))
        .with("spec", spec(pod));
    let spec = Yaml::one("replicas", i32::try_from(replicas).unwrap_or(1))
        .with("selector", Yaml::one("matchLabels", label_map(&pod.labels)))
        .with("template", template);
    object.with("spec", spec)
}

fn service(service: &Service) -> Yaml {
    let ports = Yaml::list(&service.ports, |port| {
        let target: Yaml = match &port.target {
            TargetPort::Number(number) => (*number).into(),
            TargetPort::Name(name) => name.into(),
        };
        Yaml::Map(Vec::new())
            .with_some("name", port.name.as_ref())
            .with("protocol", port.protocol.as_str())
            .with("port", port.port)
            .with("targetPort", target)
    });
    let mut spec = Yaml::Map(Vec::new());
    if let Some(selector) = &service.selector {
        spec = spec.with("selector", label_map(selector));
    }
    if service.headless {
        spec = spec.with("clusterIP", "None");
    } else if let Some(first) = service.cluster_ips.first() {
        spec = spec
            .with("clusterIP", first.to_string())
            .with("clusterIPs", Yaml::list(&service.cluster_ips, |address| address.to_string().into()));
    }
    object("v1", "Service", Some(&service.namespace), &service.name, &service.labels)
        .with("spec", spec.with("ports", ports))
}

fn slice(slice: &EndpointSlice) -> Yaml {
    let labels: Labels =
        slice.service.iter().map(|name| ("kubernetes.io/service-name", name.clone())).collect();
    let first = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).next();
    let family = first.map_or(Family::V4, |address| Family::of(*address));
    let endpoints = Yaml::list(&slice.endpoints, |endpoint| {
        Yaml::one("addresses", Yaml::list(&endpoint.addresses, |address| address.to_string().into()))
            .with("conditions", Yaml::one("ready", endpoint.ready))
    });
    let ports = Yaml::list(&slice.ports, |(name, protocol, port)| {
        Yaml::Map(Vec::new())
            .with_some("name", name.as_ref())
            .with("protocol", protocol.as_str())
            .with_some("port", *port)
    });
    object("discovery.k8s.io/v1", "EndpointSlice", Some(&slice.namespace), &slice.name, &labels)
        .with("addressType", family.as_str())
        .with("endpoints", endpoints)
        .with("ports", ports)
}
