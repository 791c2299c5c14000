//! Pods, nodes and namespaces.

use std::net::IpAddr;

use ringfence_manifest::{Input, Options, read};

use super::{clean, load};

#[test]
fn the_status_of_a_pod_is_read() {
    let loaded = clean(
        "
apiVersion: v1
kind: PodList
items:
- metadata: {name: a, namespace: x}
  spec: {nodeName: n1}
  status:
    phase: Running
    podIP: 10.0.0.1
    podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]
    hostIP: 192.168.0.1
    conditions: [{type: Ready, status: \"False\"}]
- metadata: {name: b, namespace: x, deletionTimestamp: 2026-01-01T00:00:00Z}
  spec: {hostNetwork: true}
  status: {podIP: 192.168.0.1, hostIPs: [{ip: 192.168.0.1}, {ip: 'fd01::1'}]}
- metadata: {name: c, namespace: x}
",
    );
    let [a, b, c] = &loaded.cluster.pods[..] else { panic!("three pods") };
    assert_eq!(a.addresses, ["10.0.0.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    assert_eq!((a.node.as_deref(), a.ready, a.finished, a.host_network), (Some("n1"), false, false, false));
    assert_eq!(b.addresses, ["192.168.0.1".parse::<IpAddr>().unwrap(), "fd01::1".parse().unwrap()]);
    assert!(b.host_network && b.ready && !b.finished);
    assert!(c.ready && c.addresses.is_empty());
    assert_eq!(&*c.service_account, "default");
}

#[test]
fn nodes_and_namespaces() {
    let loaded = load(
        "
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {zone: a}}
spec: {podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24, 'fd00:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: Hostname, address: n1}, {type: ExternalIP, address: 1.2.3.4}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: other, team: a}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: unused}
",
    );
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["namespace-label", "implied-namespace"]);
    assert!(loaded.diagnostics[1].message.contains("namespace `default` is used but not given"));
    let node = &loaded.cluster.nodes[0];
    assert_eq!(node.addresses.len(), 2);
    assert_eq!(node.pod_cidrs.len(), 2);
    let names: Vec<(&str, bool)> = loaded.cluster.namespaces.iter().map(|n| (&*n.name, n.given)).collect();
    assert_eq!(names, [("default", false), ("shop", true)]);
    let shop = loaded.cluster.namespace("shop").unwrap();
    assert_eq!(shop.labels.get("kubernetes.io/metadata.name").map(|v| &**v), Some("shop"));
    assert_eq!(loaded.ignored.get("v1/ConfigMap"), Some(&1));
    assert_eq!(loaded.objects, 4);
}

#[test]
fn options_name_the_namespace() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: z}\n";
    let options = Options { namespace: Some("x".to_owned()), ..Options::default() };
    let loaded = read(vec![Input { name: "-".to_owned(), text: text.to_owned() }], &options);
    let pods: Vec<&str> = loaded.cluster.pods.iter().map(|pod| &*pod.namespace).collect();
    assert_eq!(pods, ["x", "z"]);
}
