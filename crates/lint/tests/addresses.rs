//! Rules about addresses on awkward input: what they say, and above all when they keep silent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

/// What the rules of the subject find, as `CODE severity line: message`.
fn found(settings: &str, manifests: &str) -> Vec<String> {
    let mut settings = Settings::parse("ringfence.toml", settings).unwrap();
    settings.select = vec!["RF2".to_owned()];
    let text = ringfence_manifest::Input { name: "test.yaml".to_owned(), text: manifests.to_owned() };
    let input = Input::read(vec![text], &settings);
    let sources = &input.compiled.cluster().sources;
    let line = |finding: &ringfence_lint::Finding| {
        let line = sources.position(finding.origin).map_or(0, |position| position.line);
        format!("{} {} {line}: {}", finding.rule.code, finding.severity, finding.message)
    };
    check(&input, &settings).findings.iter().map(line).collect()
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop, labels: {app: app}}
spec: {containers: [{name: app, image: app, ports: [{containerPort: 8080}]}]}
---
";

fn egress(rules: &str) -> String {
    format!(
        "{POD}apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: out, namespace: shop}}\nspec:\n  \
         podSelector: {{}}\n  policyTypes: [Egress]\n  egress: {rules}\n"
    )
}

#[test]
fn the_api_server_s_default_address_needs_no_facts_and_yields_to_them() {
    let policy = egress("[{to: [{ipBlock: {cidr: 10.96.0.1/32}}]}]");
    assert_eq!(
        found("", &policy),
        [
            "RF201 warning 13: `shop/out` allows nothing: `10.96.0.1` is the address that kubeadm gives the Service `default/kubernetes`"
        ]
    );
    assert!(found("cluster.service-cidrs = [\"172.30.0.0/16\"]", &policy).is_empty());
    assert!(found("cluster.node-cidrs = [\"10.96.0.0/24\"]", &policy).is_empty());
    assert!(found("cluster.profile = \"aws\"", &policy).is_empty());
    // Another address of the range means nothing without a Service there.
    assert!(found("", &egress("[{to: [{ipBlock: {cidr: 10.96.0.7/32}}]}]")).is_empty());
}

#[test]
fn a_stated_service_network_decides_and_wider_blocks_do_not_count() {
    let stated = "cluster.service-cidrs = [\"172.30.0.0/16\"]";
    assert_eq!(
        found(stated, &egress("[{to: [{ipBlock: {cidr: 172.30.0.0/24}}]}]")),
        ["RF201 warning 13: `shop/out` allows nothing: `172.30.0.0/24` is in the network of Services"]
    );
    assert!(found(stated, &egress("[{to: [{ipBlock: {cidr: 172.16.0.0/12}}]}]")).is_empty());
}

#[test]
fn a_service_that_is_reached_otherwise_is_worth_knowing_only() {
    let service = "---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: db}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.0.7.7, selector: {app: db}, ports: [{port: 5432}]}
";
    let both = egress("[{to: [{ipBlock: {cidr: 10.0.7.7/32}}, {podSelector: {matchLabels: {app: db}}}]}]");
    assert_eq!(
        found("", &format!("{both}{service}")),
        ["RF201 info 13: `shop/out` allows nothing: `10.0.7.7` is the address of the Service `shop/db`"]
    );
    let alone = egress("[{to: [{ipBlock: {cidr: 10.0.7.7/32}}]}]");
    assert_eq!(
        found("", &format!("{alone}{service}")),
        ["RF201 error 13: `shop/out` allows nothing: `10.0.7.7` is the address of the Service `shop/db`"]
    );
}

#[test]
fn pod_networks_as_a_whole_are_no_fault() {
    let nodes = "---
apiVersion: v1
kind: Node
metadata: {name: a}
spec: {podCIDRs: [10.244.0.0/24]}
---
apiVersion: v1
kind: Node
metadata: {name: b}
spec: {podCIDRs: [10.244.1.0/24]}
";
    let to = |cidr: &str| format!("{}{nodes}", egress(&format!("[{{to: [{{ipBlock: {{cidr: {cidr}}}}}]}}]")));
    assert!(found("", &to("10.244.0.0/16")).is_empty());
    assert!(found("", &to("10.244.0.0/23")).is_empty());
    assert_eq!(
        found("", &to("10.244.1.0/25")),
        [
            "RF202 warning 13: `shop/out` names the address of a pod: `10.244.1.0/25` is in the network of the pods of node `b`"
        ]
    );
    assert!(found("cluster.profile = \"cilium\"", &to("10.244.1.0/25")).is_empty());
    // The whole of what is stated is no part.
    assert!(found("cluster.pod-cidrs = [\"10.244.0.0/16\"]", &to("10.244.0.0/16")).is_empty());
}

#[test]
fn metadata_is_what_is_stated_and_a_rule_for_it_alone_is_deliberate() {
    let private = "except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]";
    let wide = egress(&format!("[{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, {private}}}}}]}}]"));
    assert_eq!(
        found("", &wide),
        ["RF206 warning 13: `shop/out` lets pods reach the metadata service at `169.254.169.254`"]
    );
    assert_eq!(
        found("cluster.metadata-addresses = [\"100.100.100.200\"]", &wide),
        ["RF206 warning 13: `shop/out` lets pods reach the metadata service at `100.100.100.200`"]
    );
    assert!(found("", &egress("[{to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]")).is_empty());
    // On other ports it cannot be asked.
    let https =
        egress(&format!("[{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, {private}}}}}], ports: [{{port: 443}}]}}]"));
    assert!(found("", &https).is_empty());
    // A denial of the Admin tier holds.
    let denial = "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-metadata}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{networks: [169.254.169.254/32]}]}]
";
    assert!(found("", &format!("{wide}{denial}")).is_empty());
}

#[test]
fn an_exception_is_judged_pod_by_pod() {
    let other = "---
apiVersion: v1
kind: Pod
metadata: {name: free, namespace: shop, labels: {app: free}}
spec: {containers: [{name: free, image: free}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more, namespace: shop}
spec:
  podSelector: {matchLabels: {app: free}}
  policyTypes: [Egress]
  egress: [{ports: [{port: 80}]}]
";
    let policy =
        egress("[{to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.7/32]}}], ports: [{port: 80}]}]");
    assert_eq!(
        found("", &format!("{policy}{other}")),
        [
            "RF204 warning 13: `shop/out` does not shut out `203.0.113.7/32`: `shop/more` opens it for `shop/free`"
        ]
    );
    assert!(found("", &policy).is_empty());
    // More ports than the other policy opens: the exception still counts.
    let wider = egress("[{to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.7/32]}}]}]");
    assert!(found("", &format!("{wider}{other}")).is_empty());
}

#[test]
fn selectors_on_web_ports_are_no_fault_where_pods_listen_there() {
    let rule = "[{to: [{namespaceSelector: {}}], ports: [{port: 443}]}]";
    assert_eq!(
        found("", &egress(rule)),
        [
            "RF205 warning 13: `shop/out` opens every pod of the cluster on port 443, and nothing outside of it"
        ]
    );
    let listener = "---
apiVersion: v1
kind: Service
metadata: {name: tls, namespace: other}
spec: {selector: {app: tls}, ports: [{port: 8443, targetPort: 443}]}
";
    assert!(found("", &format!("{}{listener}", egress(rule))).is_empty());
    let both = "[{to: [{namespaceSelector: {}}], ports: [{port: 443}]},
     {to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 443}]}]";
    assert!(found("", &egress(both)).is_empty());
    assert!(
        found("", &egress("[{to: [{namespaceSelector: {}}], ports: [{port: 443}, {port: 8080}]}]"))
            .is_empty()
    );
}

#[test]
fn one_family_matters_in_a_dual_stack_cluster_alone() {
    let rule = "[{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]}}]}]";
    assert!(found("", &egress(rule)).is_empty());
    assert_eq!(
        found("cluster.dual-stack = true", &egress(rule)),
        ["RF208 warning 13: `shop/out` allows all of IPv4, and IPv6 is shut"]
    );
    let more = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: six, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: '2000::/3'}}]}]
";
    assert!(found("cluster.dual-stack = true", &format!("{}{more}", egress(rule))).is_empty());
}

#[test]
fn a_default_deny_beside_host_network_pods_is_no_fault() {
    let pods = "
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop, labels: {app: host}}
spec: {hostNetwork: true, containers: [{name: host, image: host}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
";
    assert!(found("", &format!("{POD}{pods}")).is_empty());
    assert_eq!(
        found("", pods),
        [
            "RF209 warning 10: `shop/deny` has no effect: all of its pods use their nodes' network (`shop/host`)"
        ]
    );
}

#[test]
fn the_amazon_cni_matches_host_network_peers() {
    let manifests = "
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: edge, labels: {app: host}}
spec: {hostNetwork: true, containers: [{name: host, image: host}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: host}}}]}]
";
    assert_eq!(
        found("", manifests),
        ["RF210 warning 12: `shop/in` has a peer that matches nothing: `edge/host` use their nodes' network"]
    );
    assert!(found("cluster.profile = \"aws\"", manifests).is_empty());
}

#[test]
fn a_load_balancer_that_connects_to_pods_hides_nobody() {
    let with = |annotation: &str| {
        format!(
            "{POD}apiVersion: v1
kind: Service
metadata: {{name: app, namespace: shop, annotations: {{{annotation}}}}}
spec: {{type: LoadBalancer, selector: {{app: app}}, ports: [{{port: 443, targetPort: 8080}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: in, namespace: shop}}
spec:
  podSelector: {{}}
  ingress: [{{from: [{{ipBlock: {{cidr: 203.0.113.0/24}}}}], ports: [{{port: 8080}}]}}]
"
        )
    };
    assert_eq!(
        found("", &with("")),
        [
            "RF211 warning 17: `shop/in` lets in clients by their addresses, which the Service `shop/app` hides"
        ]
    );
    let direct = "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip";
    assert!(found("", &with(direct)).is_empty());
}

#[test]
fn the_internet_by_selectors_of_cilium() {
    let cilium = |kind: &str, peers: &str| {
        let namespace = if kind.contains("Clusterwide") { "" } else { ", namespace: shop" };
        format!(
            "{POD}apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: out{namespace}}}\nspec:\n  \
             endpointSelector: {{matchLabels: {{app: app}}}}\n  egress: [{{{peers}, toPorts: [{{ports: [{{port: '443'}}]}}]}}]\n"
        )
    };
    let any =
        "toEndpoints: [{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}]}]";
    for (kind, peers) in [
        ("CiliumNetworkPolicy", "toEntities: [cluster]"),
        ("CiliumNetworkPolicy", any),
        ("CiliumClusterwideNetworkPolicy", "toEndpoints: [{}]"),
    ] {
        let lines = found("", &cilium(kind, peers));
        assert!(matches!(lines.as_slice(), [one] if one.starts_with("RF205 warning")), "{peers}: {lines:?}");
    }
    let own = found("", &cilium("CiliumNetworkPolicy", "toEndpoints: [{}]"));
    assert!(own.is_empty(), "the pods of the own namespace: {own:?}");
}

#[test]
fn a_block_for_the_internet_leaves_out_the_nodes_too() {
    let stated = "cluster.node-cidrs = [\"192.168.50.0/24\"]";
    let rule = |except: &str, ports: &str| {
        egress(&format!("[{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [{except}]}}}}], ports: [{ports}]}}]"))
    };
    let of_nodes = |manifests: &str| -> Vec<String> {
        let lines = found(stated, manifests).into_iter().filter(|line| line.starts_with("RF207"));
        lines.map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(of_nodes(&rule("10.0.0.0/8", "{port: 443}")), ["RF207 info 13"]);
    assert_eq!(of_nodes(&rule("10.0.0.0/8", "{port: 10250}")), ["RF207 warning 13"]);
    assert!(of_nodes(&rule("10.0.0.0/8, 192.168.0.0/16", "{port: 443}")).is_empty());
    let unknown = found("", &rule("10.0.0.0/8", "{port: 443}"));
    assert!(!unknown.iter().any(|line| line.starts_with("RF207")), "{unknown:?}");
}
