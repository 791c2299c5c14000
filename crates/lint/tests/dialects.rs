//! Rules about what CNIs do otherwise: from what they take the CNI, what they say, and when they keep silent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

/// What the rules of the subject find, as `CODE severity: message`.
fn found(settings: &str, manifests: &str) -> Vec<String> {
    let mut settings = Settings::parse("ringfence.toml", settings).unwrap();
    settings.select = vec!["RF7".to_owned()];
    let text = ringfence_manifest::Input { name: "test.yaml".to_owned(), text: manifests.to_owned() };
    let input = Input::read(vec![text], &settings);
    let line = |finding: &ringfence_lint::Finding| {
        format!("{} {}: {}", finding.rule.code, finding.severity, finding.message)
    };
    check(&input, &settings).findings.iter().map(line).collect()
}

const POLICIES: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: range, namespace: shop}
spec:
  podSelector: {}
  ingress: [{ports: [{port: 1000, endPort: 2000}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: admin}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {matchLabels: {evil: 'yes'}}}]}]
";

fn daemons(images: &[&str]) -> String {
    let container = |image: &&str| format!("{{name: c{}, image: \"{image}\", args: [--x]}}", image.len());
    let containers: Vec<String> = images.iter().map(container).collect();
    format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: net, namespace: kube-system}}
spec:
  selector: {{matchLabels: {{app: net}}}}
  template:
    metadata: {{labels: {{app: net}}}}
    spec: {{hostNetwork: true, containers: [{}]}}
{POLICIES}",
        containers.join(", ")
    )
}

#[test]
fn without_a_known_cni_nothing_is_said() {
    assert!(found("", POLICIES).is_empty());
    assert!(found("cluster.profile = \"upstream\"", &daemons(&["flannel/flannel:v0.26"])).is_empty());
    assert!(found("", &daemons(&["registry.example.com/monitoring/cilium-exporter:v1"])).is_empty());
}

#[test]
fn an_image_shows_the_cni_and_its_version() {
    let old = found("", &daemons(&["quay.io/cilium/cilium:v1.14.2@sha256:00"]));
    assert_eq!(
        old,
        [
            "RF702 error: `shop/range` opens port 1000 alone: Cilium ignores `endPort`",
            "RF707 warning: `admin` has no effect: it is a ClusterNetworkPolicy, and under Cilium nothing reads the policy"
        ]
    );
    let new = found("", &daemons(&["quay.io/cilium/cilium:v1.16.0"]));
    assert!(new.iter().all(|line| !line.starts_with("RF702")), "{new:?}");
    // A digest alone tells no version, and nothing is guessed from it.
    let digest = found("", &daemons(&["quay.io/cilium/cilium@sha256:00"]));
    assert!(digest.iter().all(|line| !line.starts_with("RF702")), "{digest:?}");
}

#[test]
fn flannel_counts_only_where_nothing_enforces_beside_it() {
    let all =
        "RF701 warning: all 2 policies have no effect: Flannel without a policy controller enforces none";
    assert_eq!(found("", &daemons(&["ghcr.io/flannel-io/flannel:v0.26.1"])), [all]);
    for other in [
        "docker.io/calico/node:v3.32.0",
        "registry.k8s.io/networking/kube-network-policies:v1",
        "cloudnativelabs/kube-router:v2.1",
    ] {
        let both = found("", &daemons(&["ghcr.io/flannel-io/flannel:v0.26.1", other]));
        assert!(both.iter().all(|line| !line.starts_with("RF701")), "{other}: {both:?}");
    }
    assert_eq!(found("cluster.profile = \"flannel\"", POLICIES), [all.replace("warning", "error")]);
}

#[test]
fn the_amazon_cni_enforces_where_it_is_told_to() {
    let image = "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.19.0";
    let off = found("", &daemons(&[image]));
    assert_eq!(off, ["RF701 warning: all 2 policies have no effect: the Amazon VPC CNI enforces none"]);
    let on = found("", &daemons(&[image]).replace("--x", "--enable-network-policy=true"));
    assert!(on.iter().all(|line| !line.starts_with("RF701")), "{on:?}");
}

#[test]
fn blocks_of_pods_are_shut_under_cilium_and_open_elsewhere() {
    let policy = |cidr: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: in, namespace: shop}}
spec:
  podSelector: {{}}
  ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]
"
        )
    };
    let cilium = "cluster.profile = \"cilium\"\ncluster.pod-cidrs = [\"10.244.0.0/16\"]";
    let error = [
        "RF703 error: `shop/in` allows nothing with `10.244.3.0/24`: blocks do not match pods of the cluster",
    ];
    assert_eq!(found(cilium, &policy("10.244.3.0/24")), error);
    assert_eq!(found(&cilium.replace("cilium", "azure-cilium"), &policy("10.244.3.0/24")), error);
    assert!(found(&cilium.replace("cilium", "calico"), &policy("10.244.3.0/24")).is_empty());
    assert!(found("cluster.profile = \"cilium\"", &policy("10.244.3.0/24")).is_empty());
    // Wider than the pods: it matches what is outside.
    assert!(found(cilium, &policy("10.0.0.0/8")).is_empty());
}

const CILIUM_PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: b}}
spec: {containers: [{name: b, image: b}]}
---
";

fn cilium(spec: &str) -> String {
    format!(
        "{CILIUM_PODS}apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    )
}

#[test]
fn a_dns_rule_counts_for_the_pods_that_it_is_for() {
    let names = cilium("{endpointSelector: {}, egress: [{toFQDNs: [{matchName: api.example.com}]}]}");
    assert_eq!(
        found("", &names),
        [
            "RF705 error: `shop/p` allows `shop/a` and `shop/b` nothing by name: no rule lets Cilium see their DNS answers"
        ]
    );
    let dns = |selector: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: dns, namespace: shop}}\nspec:
  endpointSelector: {selector}
  egress: [{{toEntities: [all], toPorts: [{{ports: [{{port: '53', protocol: ANY}}], rules: {{dns: [{{matchPattern: '*'}}]}}}}]}}]\n"
        )
    };
    assert!(found("", &format!("{names}{}", dns("{}"))).is_empty());
    assert_eq!(
        found("", &format!("{names}{}", dns("{matchLabels: {app: a}}"))),
        ["RF705 error: `shop/p` allows `shop/b` nothing by name: no rule lets Cilium see their DNS answers"]
    );
}

#[test]
fn denials_that_isolate_are_known_by_what_else_isolates() {
    let deny = "{endpointSelector: {matchLabels: {app: a}}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: b}}]}]}";
    assert_eq!(
        found("", &cilium(deny)),
        ["RF714 warning: `shop/p` lets nobody reach `shop/a`: it denies, and nothing allows"]
    );
    let isolated = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: in, namespace: shop}\nspec: \
                    {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n";
    let both = found("", &format!("{}{isolated}", cilium(deny)));
    assert!(both.iter().all(|line| !line.starts_with("RF714")), "{both:?}");
    let everyone = "{endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}";
    assert!(found("", &cilium(everyone)).is_empty());
}

#[test]
fn conditions_are_undone_by_a_network_policy_only_if_it_opens_the_same() {
    let paths = cilium(
        "{endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{matchLabels: {app: b}}], \
         toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}",
    );
    let network = |port: u16| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: in, namespace: shop}}\nspec: \
             {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}], ports: [{{port: {port}}}]}}]}}\n"
        )
    };
    let same = found("", &format!("{paths}{}", network(80)));
    assert_eq!(
        same,
        [
            "RF706 warning: the conditions of `shop/p` do not bind: `shop/in` lets `shop/b` reach `shop/a` on port 80 without any"
        ]
    );
    let other = found("", &format!("{paths}{}", network(81)));
    assert_eq!(
        other,
        ["RF706 info: `shop/p` and the NetworkPolicy `shop/in` both isolate `shop/a` for ingress"]
    );
    let deny = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec: \
                {podSelector: {}}\n";
    assert!(found("", &format!("{paths}{deny}")).is_empty());
}

#[test]
fn settings_of_cilium_are_read_where_they_are_given() {
    let config = |key: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cilium-config, namespace: kube-system}}\ndata: {{{key}: '{value}'}}\n---\n"
        )
    };
    let http = cilium(
        "{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}",
    );
    assert_eq!(
        found("", &format!("{}{http}", config("enable-l7-proxy", "false"))),
        ["RF704 error: `shop/p` has rules about requests, and Cilium's proxy is off"]
    );
    assert!(found("", &format!("{}{http}", config("enable-l7-proxy", "true"))).is_empty());
    let sctp =
        cilium("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '3868', protocol: SCTP}]}]}]}");
    let stated = "cluster.profile = \"cilium\"";
    assert_eq!(found(stated, &sctp).len(), 1);
    assert!(found(stated, &format!("{}{sctp}", config("enable-sctp", "true"))).is_empty());
    assert!(found("", &sctp).is_empty());
}

#[test]
fn a_name_of_a_port_beside_addresses_is_lost_for_egress_everywhere() {
    let policy = |direction: &str, peers: &str, kind: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{podSelector: {{}}, \
             policyTypes: [{kind}], {direction}: [{{{peers}: [{{ipBlock: {{cidr: 203.0.113.0/24}}}}], ports: [{{port: web}}]}}]}}\n"
        )
    };
    assert_eq!(found("", &policy("egress", "to", "Egress")).len(), 1);
    assert!(found("", &policy("ingress", "from", "Ingress")).is_empty());
    assert_eq!(found("cluster.profile = \"aws\"", &policy("ingress", "from", "Ingress")).len(), 1);
}

#[test]
fn a_star_before_svc_is_no_service_unless_another_pattern_is_for_them() {
    let policy = |patterns: &str| {
        format!(
            "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: dns, namespace: shop}}
spec:
  endpointSelector: {{}}
  egress:
    - toEndpoints: [{{matchLabels: {{k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}}}]
      toPorts: [{{ports: [{{port: '53', protocol: ANY}}], rules: {{dns: [{patterns}]}}}}]
"
        )
    };
    let message =
        |pattern: &str| format!("RF717 error: `{pattern}` in `shop/dns` matches the name of no Service");
    for pattern in ["*.svc.cluster.local", "*.svc.cluster.local.", "db*.svc.cluster.local"] {
        let entries = format!("{{matchName: api.example.com}}, {{matchPattern: '{pattern}'}}");
        assert_eq!(found("", &policy(&entries)), [message(pattern)]);
    }
    for right in ["*", "*.*.svc.cluster.local", "**.svc.cluster.local", "**.cluster.local"] {
        let entries = format!("{{matchPattern: '*.svc.cluster.local'}}, {{matchPattern: '{right}'}}");
        assert_eq!(found("", &policy(&entries)), [""; 0], "{right}");
    }
    for other in ["*.shop.svc.cluster.local", "*.example.com", "kubernetes.default.svc.cluster.local"] {
        assert_eq!(found("", &policy(&format!("{{matchPattern: '{other}'}}"))), [""; 0], "{other}");
    }
}

#[test]
fn an_empty_list_of_cilium_isolates_nothing_unless_something_else_does() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {app: a}}\nspec: {containers: [{name: c, image: c}]}\n";
    let policy = |spec: &str| {
        format!(
            "{pod}---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{endpointSelector: {{}}, {spec}}}\n"
        )
    };
    let lines = found("", &policy("ingress: [], egress: []"));
    let refused = "RF718 error: `shop/p` has no rule, so Cilium refuses it and enforces nothing";
    assert_eq!(lines, [refused]);
    assert_eq!(found("", &policy("ingress: [], enableDefaultDeny: {ingress: true}")), [refused]);
    let beside = found("", &policy("ingress: [], egress: [{toEntities: [world]}]"));
    assert_eq!(beside, ["RF718 error: `shop/p` isolates nothing for ingress: `shop/a` stays open"]);
    for fine in [
        "ingress: [{}]",
        "ingress: [], egress: [{}], enableDefaultDeny: {ingress: true}",
        "ingress: [], egress: [{}], enableDefaultDeny: {ingress: false}",
        "ingress: [], ingressDeny: [{fromEntities: [world]}]",
    ] {
        let lines = found("", &policy(fine));
        assert!(!lines.iter().any(|line| line.starts_with("RF718")), "{fine}: {lines:?}");
    }
    let other = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";
    let lines = found("", &(policy("ingress: [], egress: [{}]") + other));
    assert!(!lines.iter().any(|line| line.starts_with("RF718")), "{lines:?}");
}

#[test]
fn ports_of_several_rules_for_one_peer_add_up_with_the_amazon_vpc_cni() {
    let ports =
        |from: u16| -> String { (from..from + 15).map(|port| format!("{{port: {port}}}, ")).collect() };
    let rule = |name: &str, peer: &str, from: u16| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{app: a}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {peer}}}}}}}], ports: [{}]}}]}}\n",
            ports(from)
        )
    };
    let both = rule("one", "web", 1000) + &rule("two", "web", 2000);
    let aws = "cluster.profile = \"aws\"";
    let of_ports = |settings: &str, manifests: &str| -> Vec<String> {
        found(settings, manifests).into_iter().filter(|line| line.starts_with("RF712")).collect()
    };
    assert_eq!(of_ports(aws, &both).len(), 1);
    assert!(of_ports("cluster.profile = \"cilium\"", &both).is_empty(), "Cilium's limit is for one rule");
    assert!(of_ports("", &both).is_empty());
    assert!(of_ports(aws, &(rule("one", "web", 1000) + &rule("two", "other", 2000))).is_empty());
    assert!(
        of_ports(aws, &(rule("one", "web", 1000) + &rule("two", "web", 1000))).is_empty(),
        "the same ports"
    );
}
