use std::collections::BTreeSet;

use ringfence_manifest::Input;

use super::*;

fn read(text: &str) -> Cluster {
    let input = Input { name: "test.yaml".to_owned(), text: text.to_owned() };
    let loaded = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default());
    let error = |found: &&ringfence_model::diagnostic::Diagnostic| {
        found.severity == ringfence_model::diagnostic::Severity::Error
    };
    assert!(loaded.diagnostics.iter().find(error).is_none(), "{:?}", loaded.diagnostics);
    loaded.cluster
}

/// Manifests of pods: name and what follows `metadata`.
fn pods(pods: &[(&str, &str)]) -> String {
    let pod = |(name, rest): &(&str, &str)| {
        format!("---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\n{rest}\n")
    };
    pods.iter().map(pod).collect()
}

const PLAIN: &str = "spec: {containers: [{name: c, image: i}]}";

fn at(address: &str) -> String {
    format!("{PLAIN}\nstatus: {{podIP: {address}, podIPs: [{{ip: {address}}}]}}")
}

fn addresses(topology: &Topology) -> Vec<String> {
    let of_pod = |pod: &PodPlace| {
        let list: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
        format!("{} on {}: {}", pod.key, topology.nodes[pod.node].name, list.join(" "))
    };
    topology.pods.iter().map(of_pod).collect()
}

fn networks(text: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{text}]}}]}}\n"
    )
}

#[test]
fn pods_without_anything_get_nodes_in_turn_and_addresses() {
    let cluster = read(&pods(&[("a", PLAIN), ("b", PLAIN), ("c", PLAIN)]));
    let options = Options { dual_stack: true, ..Options::default() };
    let topology = plan(&cluster, &options).unwrap();
    assert_eq!(
        addresses(&topology),
        [
            "shop/a on node-1: 10.244.0.2 fd00:10:244::2",
            "shop/b on node-2: 10.244.1.2 fd00:10:244:1::2",
            "shop/c on node-1: 10.244.0.3 fd00:10:244::3"
        ]
    );
    assert_eq!(addresses(&topology), addresses(&plan(&cluster, &options).unwrap()));
    // The engine is asked about what is there.
    let completed = &topology.cluster;
    assert_eq!(completed.pods[0].addresses, topology.pods[0].addresses);
    assert_eq!(completed.pods[1].node.as_deref(), Some("node-2"));
    assert_eq!(completed.nodes.len(), 2);
    assert!(completed.nodes.iter().all(|node| node.addresses.len() == 2 && node.pod_cidrs.len() == 2));
    let macs: BTreeSet<[u8; 6]> = (topology.pods.iter().filter_map(|pod| pod.link))
        .chain(topology.nodes.iter().map(|node| node.link))
        .chain([topology.outside_link])
        .flat_map(|link| [link.near_mac(), link.far_mac()])
        .collect();
    assert_eq!(macs.len(), 12);
    assert!(macs.iter().all(|mac| mac[0] & 3 == 2), "locally administered, unicast");
}

#[test]
fn what_is_given_is_kept() {
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.1.0.0/28]}\n\
                status: {addresses: [{type: InternalIP, address: 192.168.5.1}]}\n";
    let text = pods(&[
        ("a", &at("10.1.0.2")),
        ("b", PLAIN),
        ("elsewhere", &at("172.22.0.9")),
        ("host", "spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, image: i}]}"),
        ("over", "spec: {nodeName: n2, containers: [{name: c, image: i}]}"),
        (
            "done",
            &format!("{PLAIN}\nstatus: {{phase: Succeeded, podIP: 10.1.0.2, podIPs: [{{ip: 10.1.0.2}}]}}"),
        ),
    ]);
    let topology = plan(&read(&(text + node)), &Options { nodes: Some(3), ..Options::default() }).unwrap();
    let names: Vec<&str> = topology.nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["n1", "n2", "node-1"]);
    assert_eq!(
        addresses(&topology),
        [
            "shop/a on n1: 10.1.0.2",
            "shop/b on n2: 10.244.0.2",
            "shop/elsewhere on node-1: 172.22.0.9",
            "shop/host on n1: 192.168.5.1",
            "shop/over on n2: 10.244.0.3"
        ]
    );
    assert_eq!(topology.families, [Family::V4]);
    assert_eq!(topology.cluster.pods.len(), 6, "the finished pod keeps its number");
    assert!(topology.pods.iter().all(|pod| topology.model(pod).is_some_and(|model| !model.finished)));
}

#[test]
fn a_full_pod_network_overflows_into_one_more() {
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.1.0.0/30]}\n";
    let text = pods(&[("a", PLAIN), ("b", PLAIN), ("c", PLAIN)]);
    let topology = plan(&read(&(text + node)), &Options::default()).unwrap();
    assert_eq!(
        addresses(&topology),
        ["shop/a on n1: 10.1.0.2", "shop/b on n1: 10.244.0.2", "shop/c on n1: 10.244.0.3"]
    );
}

#[test]
fn collisions_and_unusable_addresses_are_named_all_at_once() {
    let text = pods(&[
        ("a", &at("10.1.0.2")),
        ("b", &at("10.1.0.2")),
        ("c", &at("127.0.0.5")),
        ("d", &at("224.0.0.9")),
    ]);
    let error = plan(&read(&text), &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pod `shop/a` and the pod `shop/b` both have the address `10.1.0.2`: give one of them another, or none; \
         the pod `shop/c` has the address `127.0.0.5`, which is a loopback address: give it another, or none; \
         the pod `shop/d` has the address `224.0.0.9`, which is a multicast address: give it another, or none"
    );
}

#[test]
fn networks_of_the_lab_keep_away_from_what_policies_mention() {
    let text =
        pods(&[("a", PLAIN)]) + &networks("{ipBlock: {cidr: 10.244.7.0/24}}, {ipBlock: {cidr: 0.0.0.0/0}}");
    let topology = plan(&read(&text), &Options::default()).unwrap();
    assert_eq!(addresses(&topology), ["shop/a on node-1: 10.42.0.2"]);
    // A block that holds every choice does not tell them apart.
    let text =
        pods(&[("a", PLAIN)]) + &networks("{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1}}");
    let topology = plan(&read(&text), &Options::default()).unwrap();
    assert_eq!(addresses(&topology), ["shop/a on node-1: 10.244.0.2"]);
}

#[test]
fn services_get_addresses_of_their_families() {
    let service = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}, ports: [{{port: 80}}]}}\n"
        )
    };
    let text = pods(&[("a", PLAIN)])
        + &service("both", "selector: {a: b}")
        + &service("given", "clusterIP: 10.96.0.2, clusterIPs: [10.96.0.2]")
        + &service("headless", "clusterIP: None")
        + &service("six", "ipFamilies: [IPv6]")
        + &service("alias", "type: ExternalName, externalName: api.example.com");
    let topology = plan(&read(&text), &Options { dual_stack: true, ..Options::default() }).unwrap();
    let of = |name: &str| {
        let service = topology.cluster.service("shop", name).unwrap();
        service.cluster_ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("both"), "10.43.0.2 fd00:10:96::2", "apart from the given one, whose network is not known");
    assert_eq!(of("given"), "10.96.0.2");
    assert_eq!(of("headless"), "");
    assert_eq!(of("six"), "fd00:10:96::3");
    assert_eq!(of("alias"), "");
    assert!(topology.names.contains_key("api.example.com"));
}

#[test]
fn outside_has_an_address_for_every_part_that_policies_tell_apart() {
    let blocks = "{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.64/26, 203.0.113.7/32]}}, {ipBlock: {cidr: 0.0.0.0/0}}, \
                  {ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: 8.8.8.8/32}}";
    let text = pods(&[("a", PLAIN)]) + &networks(blocks);
    let extra = ["1.2.3.4", "8.8.8.8", "127.0.0.1", "2001:db8::1", "10.244.0.2"];
    let options = Options {
        addresses: extra.iter().map(|address| address.parse().unwrap()).collect(),
        names: vec!["Api.Example.com.".to_owned()],
        ..Options::default()
    };
    let topology = plan(&read(&text), &options).unwrap();
    let shown = |one: &Representative| {
        let within = one.within.map_or_else(|| "-".to_owned(), |net| net.to_string());
        format!("{} in {within}", one.address)
    };
    let found: Vec<String> = topology.outside.addresses.iter().map(shown).collect();
    let own = topology.outside.own[0];
    assert_eq!(
        found,
        [
            format!("{own} in -"),
            "1.0.0.1 in 0.0.0.0/0".to_owned(),
            "8.8.8.8 in 8.8.8.8/32".to_owned(),
            "10.0.0.1 in 10.0.0.0/8".to_owned(),
            "203.0.113.1 in 203.0.113.0/24".to_owned(),
            "203.0.113.7 in 203.0.113.7/32".to_owned(),
            "203.0.113.65 in 203.0.113.64/26".to_owned(),
            "1.2.3.4 in -".to_owned(),
            "10.244.0.2 in -".to_owned(),
        ]
    );
    assert_eq!(topology.outside.unusable.len(), 2);
    assert_eq!(topology.names.keys().collect::<Vec<_>>(), ["api.example.com"]);
}

#[test]
fn a_changed_cluster_keeps_what_stays() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: SVC, namespace: shop}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n";
    let first = pods(&[("b", PLAIN), ("c", PLAIN), ("d", PLAIN)]) + &service.replace("SVC", "m");
    let before = plan(&read(&first), &Options::default()).unwrap();
    let second = pods(&[("a", PLAIN), ("b", PLAIN), ("d", PLAIN)])
        + &service.replace("SVC", "b")
        + &service.replace("SVC", "m");
    let after = replan(&read(&second), &Options::default(), &before).unwrap();
    let place = |topology: &Topology, name: &str| {
        topology.pods.iter().find(|pod| &*pod.key.name == name).unwrap().clone()
    };
    for name in ["b", "d"] {
        let (then, now) = (place(&before, name), place(&after, name));
        assert_eq!((then.addresses, then.link, then.node), (now.addresses, now.link, now.node));
    }
    assert!(before.pods.iter().all(|pod| pod.link != place(&after, "a").link), "a new link has a new number");
    let ip =
        |topology: &Topology, name: &str| topology.cluster.service("shop", name).unwrap().cluster_ips.clone();
    assert_eq!(ip(&before, "m"), ip(&after, "m"));
    assert_ne!(ip(&after, "b"), ip(&after, "m"));
    assert_eq!(before.nodes, after.nodes);
    // The same input again changes nothing.
    let same = replan(&read(&second), &Options::default(), &after).unwrap();
    assert_eq!((same.pods, same.nodes), (after.pods, after.nodes));
}

#[test]
fn stand_ins_of_one_workload_are_told_apart() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n\
                spec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n";
    let topology = plan(&read(text), &Options::default()).unwrap();
    assert_eq!(addresses(&topology), ["shop/web on node-1: 10.244.0.2", "shop/web#2 on node-2: 10.244.1.2"]);
}

#[test]
fn a_large_network_that_policies_single_out_is_passed_over_at_once() {
    let text =
        "apiVersion: v1\nkind: Node\nmetadata: {name: worker}\nspec: {podCIDRs: ['fd00:244:1::/48']}\n---\n"
            .to_owned()
            + &pods(&[("a", PLAIN)])
            + &networks("{ipBlock: {cidr: 'fd00:244:1::/64'}}");
    let topology = plan(&read(&text), &Options::default()).unwrap();
    let v6: Vec<String> = topology.pods[0].addresses.iter().map(ToString::to_string).collect();
    assert!(v6.contains(&"fd00:244:1:1::".to_owned()), "{v6:?}");
}

#[test]
fn pods_get_private_addresses_even_if_policies_mention_all_of_them() {
    let text = pods(&[("a", PLAIN)])
        + &networks("{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}}");
    let topology = plan(&read(&text), &Options::default()).unwrap();
    assert_eq!(addresses(&topology), ["shop/a on node-1: 10.244.0.2"]);
}
