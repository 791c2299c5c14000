//! Pods and the workloads that they fold into.

use ringfence_manifest::{Input, Loaded, Options, read};

use super::clean;

/// Each workload as `Kind/name: pods`, a stand-in marked by `~` and a finished pod by `!`.
fn workloads(loaded: &Loaded) -> Vec<String> {
    let cluster = &loaded.cluster;
    (cluster.workloads.iter())
        .map(|workload| {
            let pods: Vec<String> = (workload.pods.iter())
                .filter_map(|id| cluster.pod(*id))
                .map(|pod| {
                    let mark = if pod.stand_in { "~" } else { "" };
                    format!("{mark}{}{}", pod.name, if pod.finished { "!" } else { "" })
                })
                .collect();
            format!("{}/{}: {}", workload.kind.as_str(), workload.name, pods.join(" "))
        })
        .collect()
}

/// A manifest of a workload of `apps/v1` with a line of its spec.
fn workload(kind: &str, name: &str, owner: &str, line: &str) -> String {
    format!(
        "
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, ownerReferences: [{owner}]}}
spec: {{{line}selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}}}}}
"
    )
}

/// A manifest of a pod.
fn pod(name: &str, labels: &str, owner: &str, phase: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{{labels}}}, ownerReferences: [{owner}]}}
status: {{phase: {phase}}}
"
    )
}

fn owner(kind: &str, name: &str) -> String {
    format!("{{kind: {kind}, name: {name}, controller: true}}")
}

#[test]
fn a_deployment_stands_for_its_replicas() {
    let loaded = clean(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      hostNetwork: false
      serviceAccountName: robot
      initContainers:
      - {name: proxy, restartPolicy: Always, ports: [{containerPort: 15001}]}
      - {name: setup, ports: [{containerPort: 1}]}
      containers:
      - name: web
        ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]
",
    );
    let cluster = loaded.cluster;
    assert_eq!(cluster.workloads.len(), 1);
    assert_eq!(cluster.pods.len(), 2);
    let pod = &cluster.pods[0];
    assert!(pod.stand_in && pod.ready && !pod.finished && !pod.host_network);
    assert_eq!((&*pod.namespace, &*pod.name, &*pod.service_account), ("shop", "web", "robot"));
    let ports: Vec<_> =
        pod.ports.iter().map(|port| (port.name.as_deref(), port.protocol.as_str(), port.port)).collect();
    assert_eq!(ports, [(None, "TCP", 15001), (Some("dns"), "UDP", 53), (Some("http"), "TCP", 8080)]);
    assert_eq!(&*cluster.namespaces[0].name, "shop");
    assert!(!cluster.namespaces[0].given);
    assert_eq!(loaded.diagnostics.len(), 1);
    assert_eq!(loaded.objects, 1);
}

#[test]
fn stand_ins_are_two_where_there_may_be_several_replicas() {
    let loaded = clean(
        &[
            workload("Deployment", "one", "", "replicas: 1, "),
            workload("Deployment", "none", "", "replicas: 0, "),
            workload("Deployment", "unsaid", "", ""),
            workload("StatefulSet", "many", "", "replicas: 5, "),
            workload("DaemonSet", "all", "", ""),
        ]
        .concat(),
    );
    assert_eq!(
        workloads(&loaded),
        [
            "DaemonSet/all: ~all ~all",
            "StatefulSet/many: ~many ~many",
            "Deployment/none: ~none",
            "Deployment/one: ~one",
            "Deployment/unsaid: ~unsaid"
        ]
    );
}

#[test]
fn pods_fold_into_the_top_owner() {
    let loaded = clean(
        &[
            workload("Deployment", "web", "", "replicas: 2, "),
            workload("ReplicaSet", "web-1", &owner("Deployment", "web"), "replicas: 0, "),
            workload("ReplicaSet", "web-2", &owner("Deployment", "web"), "replicas: 2, "),
            pod("web-2-a", "", &owner("ReplicaSet", "web-2"), "Running"),
            // Its ReplicaSet is not shown, but the Deployment's name and the hash give it away.
            pod("web-77-b", "pod-template-hash: \"77\"", &owner("ReplicaSet", "web-77"), "Running"),
            pod("web-78-c", "pod-template-hash: \"77\"", &owner("ReplicaSet", "web-78"), "Running"),
            pod("alone", "", "", "Running"),
            pod("etcd-node1", "", &owner("Node", "node1"), "Running"),
            pod("exotic-1", "", &owner("Rollout", "exotic"), "Running"),
            pod("second", "", "{kind: Foo, name: f}, {kind: Bar, name: b, controller: true}", "Running"),
        ]
        .concat(),
    );
    assert_eq!(
        workloads(&loaded),
        [
            "Pod/alone: alone",
            "Bar/b: second",
            "Pod/etcd-node1: etcd-node1",
            "Rollout/exotic: exotic-1",
            "Deployment/web: web-2-a web-77-b",
            "ReplicaSet/web-78: web-78-c",
        ]
    );
}

#[test]
fn a_named_owner_that_is_not_shown_gets_its_stand_ins_from_its_largest_replica_set() {
    let loaded = clean(
        &[
            workload("ReplicaSet", "r-1", &owner("Rollout", "r"), "replicas: 0, "),
            workload("ReplicaSet", "r-2", &owner("Rollout", "r"), "replicas: 3, "),
        ]
        .concat(),
    );
    assert_eq!(workloads(&loaded), ["Rollout/r: ~r ~r"]);
}

#[test]
fn a_job_whose_pods_are_finished_has_a_stand_in_for_its_next_run() {
    let loaded = clean(
        &[
            "
apiVersion: batch/v1
kind: CronJob
metadata: {name: night}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {a: b}}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: night-1, ownerReferences: [{kind: CronJob, name: night}]}
spec: {parallelism: 4, template: {}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: wide}
spec: {parallelism: 4, template: {}}
"
            .to_owned(),
            pod("night-1-a", "", &owner("Job", "night-1"), "Succeeded"),
            pod("wide-a", "", &owner("Job", "wide"), "Failed"),
            pod("wide-b", "", &owner("Job", "wide"), "Running"),
            pod("done", "", "", "Succeeded"),
        ]
        .concat(),
    );
    assert_eq!(
        workloads(&loaded),
        ["Pod/done: done!", "CronJob/night: ~night night-1-a!", "Job/wide: wide-a! wide-b"]
    );
}

#[test]
fn circles_of_owners_end() {
    let loaded = clean(
        &[
            workload("ReplicaSet", "a", &owner("ReplicaSet", "b"), ""),
            workload("ReplicaSet", "b", &owner("ReplicaSet", "a"), ""),
        ]
        .concat(),
    );
    assert_eq!(loaded.cluster.workloads.len(), 2);
}

#[test]
fn the_kind_is_part_of_the_identity_of_a_workload() {
    let loaded =
        clean(&[workload("Deployment", "web", "", ""), workload("StatefulSet", "web", "", "")].concat());
    assert_eq!(workloads(&loaded), ["Deployment/web: ~web", "StatefulSet/web: ~web"]);
}

#[test]
fn generated_names_are_completed() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n---\n";
    let loaded = clean(&format!("{text}{text}apiVersion: v1\nkind: Pod\nmetadata: {{name: a-1}}\n"));
    assert_eq!(workloads(&loaded), ["Pod/a-1: a-1", "Pod/a-2: a-2", "Pod/a-3: a-3"]);
}

#[test]
fn the_order_of_files_does_not_matter() {
    let texts = [
        workload("Deployment", "web", "", "replicas: 2, "),
        workload("StatefulSet", "db", "", ""),
        pod("p", "", &owner("Rollout", "r"), "Running"),
        pod("q", "", &owner("Rollout", "r"), "Running"),
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: b}\nspec: {podSelector: {}}\n".to_owned(),
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}\n".to_owned(),
    ];
    let load = |order: &[usize]| {
        let inputs =
            order.iter().map(|at| Input { name: format!("{at}.yaml"), text: texts[*at].clone() }).collect();
        let loaded = read(inputs, &Options::default());
        let policies: Vec<String> =
            loaded.cluster.network_policies.iter().map(|policy| policy.meta.full_name()).collect();
        (workloads(&loaded), policies)
    };
    let first = load(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(first.1, ["default/a", "default/b"]);
    assert_eq!(load(&[5, 4, 3, 2, 1, 0]), first);
    assert_eq!(load(&[3, 0, 5, 1, 4, 2]), first);
}
