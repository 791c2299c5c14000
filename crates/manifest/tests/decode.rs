//! Manifests to the cluster: what each kind becomes, and how objects fold together.

use ringfence_manifest::{Input, Loaded, Options, read};
use ringfence_model::diagnostic::Severity;

fn load(text: &str) -> Loaded {
    read(vec![Input { name: "a.yaml".to_owned(), text: text.to_owned() }], &Options::default())
}

/// Loads texts that have nothing wrong with them but notes.
fn clean(text: &str) -> Loaded {
    let loaded = load(text);
    let bad: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity != Severity::Note).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    loaded
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
