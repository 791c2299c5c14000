//! Everything but policies as YAML. In: a planned cluster. Out: files of namespaces, nodes, workloads, Services, pods.

use std::fmt::Write as _;

use crate::{
    File,
    layout::{Kind, Layout, Node, Pod, Role, Workload, address},
};

/// The files of a cluster, without its policies.
pub(crate) fn files(layout: &Layout) -> Vec<File> {
    let mut files = vec![namespaces(layout), nodes(layout)];
    let mut cluster_ip = 0;
    for (at, namespace) in layout.namespaces.iter().enumerate() {
        let (mut workloads, mut services, mut pods) = (String::new(), String::new(), String::new());
        for workload in layout.workloads.iter().filter(|workload| workload.namespace == at) {
            write_workload(&mut workloads, &namespace.name, workload);
            if !workload.role.ports().is_empty() {
                cluster_ip += 1;
                write_service(&mut services, &namespace.name, workload, cluster_ip);
            }
            for (number, pod) in workload.pods.iter().enumerate() {
                write_pod(&mut pods, layout, &namespace.name, workload, number, pod);
            }
        }
        for (kind, text) in [("workloads", workloads), ("services", services), ("pods", pods)] {
            if !text.is_empty() {
                files.push(File { name: format!("namespaces/{}/{kind}.yaml", namespace.name), text });
            }
        }
    }
    files
}

/// Appends formatted text. Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {{
        let _ = write!($out, $($arguments)*);
    }};
}
pub(crate) use put;

fn namespaces(layout: &Layout) -> File {
    let mut text = String::new();
    for namespace in &layout.namespaces {
        put!(
            text,
            "---
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    kubernetes.io/metadata.name: {name}
    team: {team}
    environment: {environment}
",
            name = namespace.name,
            team = namespace.team,
            environment = namespace.environment,
        );
    }
    File { name: "cluster/namespaces.yaml".to_owned(), text }
}

fn nodes(layout: &Layout) -> File {
    let mut text = String::new();
    for Node { name, address, pod_cidr, zone } in &layout.nodes {
        put!(
            text,
            "---
apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels:
    kubernetes.io/hostname: {name}
    kubernetes.io/os: linux
    topology.kubernetes.io/zone: {zone}
spec:
  podCIDR: {pod_cidr}
  podCIDRs:
  - {pod_cidr}
status:
  addresses:
  - type: InternalIP
    address: {address}
  - type: Hostname
    address: {name}
"
        );
    }
    File { name: "cluster/nodes.yaml".to_owned(), text }
}

/// `apiVersion` and `kind` of what owns the pods in the end.
fn top_kind(workload: &Workload) -> Option<(&'static str, &'static str)> {
    match workload.kind {
        Kind::Deployment => Some(("apps/v1", "Deployment")),
        Kind::StatefulSet => Some(("apps/v1", "StatefulSet")),
        Kind::DaemonSet => Some(("apps/v1", "DaemonSet")),
        Kind::CronJob => Some(("batch/v1", "CronJob")),
        Kind::Pod => None,
    }
}

/// The labels of the pod template, each line indented.
fn write_labels(out: &mut String, indent: usize, workload: &Workload) {
    let (name, component, part_of) = (&workload.name, workload.role.as_str(), &workload.part_of);
    put!(out, "{:indent$}app.kubernetes.io/name: {name}\n", "");
    put!(out, "{:indent$}app.kubernetes.io/component: {component}\n", "");
    put!(out, "{:indent$}app.kubernetes.io/part-of: {part_of}\n", "");
    if workload.role == Role::Dns {
        put!(out, "{:indent$}k8s-app: kube-dns\n", "");
    }
}

/// The pod's spec, each line indented.
fn write_pod_spec(out: &mut String, indent: usize, workload: &Workload) {
    let (name, part_of) = (workload.role.as_str(), &workload.part_of);
    put!(out, "{:indent$}serviceAccountName: {}\n", "", workload.name);
    if workload.host_network() {
        put!(out, "{:indent$}hostNetwork: true\n", "");
    }
    if workload.kind == Kind::CronJob {
        put!(out, "{:indent$}restartPolicy: OnFailure\n", "");
    }
    put!(out, "{:indent$}containers:\n", "");
    put!(out, "{:indent$}- name: {name}\n", "");
    put!(out, "{:indent$}  image: registry.example/{part_of}/{name}:1.4.2\n", "");
    if !workload.role.ports().is_empty() {
        put!(out, "{:indent$}  ports:\n", "");
    }
    for (name, protocol, number) in workload.role.ports() {
        put!(out, "{:indent$}  - name: {name}\n{:indent$}    containerPort: {number}\n", "", "");
        if *protocol != "TCP" {
            put!(out, "{:indent$}    protocol: {protocol}\n", "");
        }
    }
}

fn write_metadata(out: &mut String, (version, kind): (&str, &str), namespace: &str, name: &str) {
    put!(
        out,
        "---\napiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
    );
}

fn write_owner(out: &mut String, (version, kind): (&str, &str), name: &str) {
    put!(out, "  ownerReferences:\n  - apiVersion: {version}\n    kind: {kind}\n    name: {name}\n");
    put!(out, "    controller: true\n");
}

fn write_template(out: &mut String, indent: usize, workload: &Workload) {
    put!(out, "{:indent$}template:\n{:indent$}  metadata:\n{:indent$}    labels:\n", "", "", "");
    write_labels(out, indent + 6, workload);
    put!(out, "{:indent$}  spec:\n", "");
    write_pod_spec(out, indent + 4, workload);
}

fn write_workload(out: &mut String, namespace: &str, workload: &Workload) {
    let Some(top) = top_kind(workload) else { return };
    let (name, revision) = (&workload.name, &workload.revision);
    write_metadata(out, top, namespace, name);
    put!(out, "  labels:\n");
    write_labels(out, 4, workload);
    if workload.kind == Kind::CronJob {
        put!(out, "spec:\n  schedule: 15 2 * * *\n  jobTemplate:\n    spec:\n");
        write_template(out, 6, workload);
        if !workload.pods.is_empty() {
            write_metadata(out, ("batch/v1", "Job"), namespace, &format!("{name}-{revision}"));
            write_owner(out, top, name);
            put!(out, "spec:\n");
            write_template(out, 2, workload);
        }
        return;
    }
    let spec = |out: &mut String| {
        put!(out, "spec:\n");
        if workload.kind != Kind::DaemonSet {
            put!(out, "  replicas: {}\n", workload.replicas);
        }
        put!(out, "  selector:\n    matchLabels:\n      app.kubernetes.io/name: {name}\n");
    };
    spec(out);
    if workload.kind == Kind::StatefulSet {
        put!(out, "  serviceName: {name}\n");
    }
    write_template(out, 2, workload);
    if workload.kind == Kind::Deployment && !workload.pods.is_empty() {
        write_metadata(out, ("apps/v1", "ReplicaSet"), namespace, &format!("{name}-{revision}"));
        put!(out, "  labels:\n");
        write_labels(out, 4, workload);
        write_owner(out, top, name);
        spec(out);
        write_template(out, 2, workload);
    }
}

fn write_service(out: &mut String, namespace: &str, workload: &Workload, number: usize) {
    let name = &workload.name;
    write_metadata(out, ("v1", "Service"), namespace, name);
    let cluster_ip = address([10, 32 + number / 65_000, number / 250, number % 250 + 1]);
    match workload.kind {
        Kind::StatefulSet => put!(out, "spec:\n  clusterIP: None\n"),
        _ if workload.role == Role::Ingress => {
            put!(out, "spec:\n  type: LoadBalancer\n  clusterIP: {cluster_ip}\n");
        }
        _ => put!(out, "spec:\n  clusterIP: {cluster_ip}\n"),
    }
    put!(out, "  selector:\n    app.kubernetes.io/name: {name}\n  ports:\n");
    for (name, protocol, number) in workload.role.ports() {
        put!(out, "  - name: {name}\n    port: {number}\n    targetPort: {name}\n");
        if *protocol != "TCP" {
            put!(out, "    protocol: {protocol}\n");
        }
    }
}

fn write_pod(
    out: &mut String,
    layout: &Layout,
    namespace: &str,
    workload: &Workload,
    number: usize,
    pod: &Pod,
) {
    let Pod { name, node, address } = pod;
    let (owner, revision) = (&workload.name, &workload.revision);
    write_metadata(out, ("v1", "Pod"), namespace, name);
    put!(out, "  labels:\n");
    write_labels(out, 4, workload);
    match workload.kind {
        Kind::Deployment => {
            put!(out, "    pod-template-hash: {revision}\n");
            write_owner(out, ("apps/v1", "ReplicaSet"), &format!("{owner}-{revision}"));
        }
        Kind::StatefulSet => {
            put!(out, "    controller-revision-hash: {owner}-{revision}\n");
            put!(out, "    apps.kubernetes.io/pod-index: \"{number}\"\n");
            put!(out, "    statefulset.kubernetes.io/pod-name: {name}\n");
            write_owner(out, ("apps/v1", "StatefulSet"), owner);
        }
        Kind::DaemonSet => {
            put!(out, "    controller-revision-hash: {revision}\n");
            write_owner(out, ("apps/v1", "DaemonSet"), owner);
        }
        Kind::CronJob => {
            put!(out, "    batch.kubernetes.io/job-name: {owner}-{revision}\n");
            write_owner(out, ("batch/v1", "Job"), &format!("{owner}-{revision}"));
        }
        Kind::Pod => {}
    }
    put!(out, "spec:\n");
    if let Some(node) = layout.nodes.get(*node) {
        put!(out, "  nodeName: {}\n", node.name);
    }
    write_pod_spec(out, 2, workload);
    // All but the last pod of a Job are of earlier runs.
    let finished = workload.kind == Kind::CronJob && number + 1 < workload.pods.len();
    let phase = if finished { "Succeeded" } else { "Running" };
    put!(out, "status:\n  phase: {phase}\n");
    if let Some(node) = layout.nodes.get(*node) {
        put!(out, "  hostIP: {}\n", node.address);
    }
    put!(out, "  podIP: {address}\n  podIPs:\n  - ip: {address}\n");
}
