//! Rules about too little: awkward inputs, and above all what they keep silent about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

/// What the rules of the subject find: `line CODE severity`.
fn found(manifests: &str) -> Vec<String> {
    let settings = Settings::default();
    let text =
        ringfence_manifest::Input { name: "test.yaml".to_owned(), text: manifests.trim_start().to_owned() };
    let input = Input::read(vec![text], &settings);
    let sources = &input.compiled.cluster().sources;
    let checked = check(&input, &settings);
    let of_subject = checked.findings.iter().filter(|finding| finding.rule.code.starts_with("RF5"));
    of_subject
        .map(|finding| {
            let line = sources.position(finding.origin).unwrap().line;
            format!("{line} {} {}", finding.rule.code, finding.severity)
        })
        .collect()
}

fn deployment(name: &str) -> String {
    in_namespace(name, "shop")
}

fn in_namespace(name: &str, namespace: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'registry.example.com/{name}:1'}}]}}
"
    )
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec: {spec}
"
    )
}

fn codes(found: &[String]) -> Vec<&str> {
    found.iter().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest).collect()
}

fn default_deny() -> String {
    policy("default-deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}")
}

#[test]
fn a_default_deny_with_allow_policies_is_right() {
    let pods = format!("{}{}", deployment("web"), deployment("api"));
    let dns = policy(
        "dns",
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}]}]}",
    );
    let api = policy(
        "api",
        "{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]}",
    );
    let web = policy(
        "web",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 8080}]}]}",
    );
    assert_eq!(found(&format!("{pods}{}{dns}{api}{web}", default_deny())), [""; 0]);
}

#[test]
fn a_few_that_are_not_isolated_were_forgotten_and_many_were_left_open() {
    let one =
        |app: &str| policy(app, &format!("{{podSelector: {{matchLabels: {{app: {app}}}}}, ingress: []}}"));
    let pods = ["a", "b", "c"].map(deployment).concat();
    let found = |policies: String| {
        let found = found(&format!("{pods}{policies}"));
        found.into_iter().filter(|line| line.contains("RF501")).collect::<Vec<_>>()
    };
    assert_eq!(codes(&found(one("a"))), ["RF501 info"]);
    assert_eq!(codes(&found(format!("{}{}", one("a"), one("b")))), ["RF501 warning"]);
    assert_eq!(found(["a", "b", "c"].map(one).concat()), [""; 0]);
}

#[test]
fn namespaces_without_policies_are_named_together() {
    let pods =
        format!("{}{}{}", deployment("web"), in_namespace("x", "one"), in_namespace("y", "kube-system"));
    assert_eq!(codes(&found(&pods)), ["RF501 info"]);
    let more = found(&format!("{pods}{}", default_deny()));
    assert_eq!(more, ["13 RF501 info"], "of `one`, which has none");
    let alone = format!("{}{}", deployment("web"), in_namespace("y", "kube-system"));
    assert_eq!(found(&format!("{alone}{}", default_deny())), [""; 0]);
}

#[test]
fn tiers_and_clusterwide_policies_count() {
    let clusterwide = "---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: closed}
spec: {endpointSelector: {}, ingress: [{}], egress: [{}]}
";
    assert_eq!(found(&format!("{}{clusterwide}", deployment("web"))), [""; 0]);
    let baseline = "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec:
  tier: Baseline
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]
";
    assert_eq!(found(&format!("{}{baseline}", deployment("web"))), [""; 0]);
}

#[test]
fn the_next_pod_is_thought_of() {
    let pods = deployment("web");
    let web =
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [], egress: []}";
    let own = policy("web", web);
    assert_eq!(found(&format!("{pods}{own}")), [""; 0], "nobody here has a default deny");
    let pods = format!("{pods}{}", default_deny().replace("namespace: shop", "namespace: data"));
    assert_eq!(codes(&found(&format!("{pods}{own}"))), ["RF506 info"]);
    // It selects pods without labels too.
    let rest = "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}, policyTypes: [Ingress, Egress]}";
    assert_eq!(found(&format!("{pods}{own}{}", policy("rest", rest))), [""; 0]);
}

#[test]
fn a_direction_without_rules_may_be_meant() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
";
    let only = |text: &str| {
        let found = found(text);
        let found = found.iter().filter(|line| line.contains("RF504") || line.contains("RF505"));
        found.cloned().collect::<Vec<_>>()
    };
    let web = deployment("web");
    let spec = |rest: &str| {
        policy(
            "web",
            &format!(
                "{{podSelector: {{matchLabels: {{app: web}}}}, {rest}egress: [{{to: [{{ipBlock: {{cidr: 203.0.113.7/32}}}}]}}]}}"
            ),
        )
    };
    let both = spec("policyTypes: [Ingress, Egress], ");
    assert_eq!(codes(&only(&format!("{web}{both}{service}"))), ["RF504 warning"]);
    assert_eq!(only(&format!("{web}{both}")), [""; 0], "nobody connects to it");
    let said = spec("policyTypes: [Ingress, Egress], ingress: [], ");
    assert_eq!(only(&format!("{web}{said}{service}")), [""; 0], "it says so");
    assert_eq!(
        only(&format!("{web}{both}{service}{}", default_deny())),
        [""; 0],
        "the namespace is closed anyway"
    );
    let neither = spec("");
    assert_eq!(codes(&only(&format!("{web}{neither}{service}"))), ["RF505 error"]);
    assert_eq!(codes(&only(&format!("{web}{neither}"))), ["RF505 warning"]);
    let other = policy("more", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}");
    assert_eq!(only(&format!("{web}{neither}{service}{other}")), [""; 0], "another policy lets somebody in");
    let named = policy(
        "web",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}]}",
    );
    assert_eq!(codes(&only(&format!("{web}{named}"))), ["RF504 info"]);
}

#[test]
fn a_database_needs_no_egress() {
    let database = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'postgres:17'}]}
";
    let named = policy(
        "db",
        "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}]}",
    );
    assert!(!found(&format!("{database}{named}")).iter().any(|line| line.contains("RF504")));
}

#[test]
fn a_default_deny_is_not_superfluous_where_every_pod_has_policies() {
    let web = policy(
        "web",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 203.0.113.7/32}}]}], egress: []}",
    );
    assert_eq!(found(&format!("{}{web}{}", deployment("web"), default_deny())), [""; 0]);
    // Two of them are one too many.
    let ingress = policy("deny-ingress", "{podSelector: {}, policyTypes: [Ingress]}");
    let twice = found(&format!("{}{}{ingress}", deployment("web"), default_deny()));
    assert_eq!(codes(&twice), ["RF507 info"]);
}

#[test]
fn labels_that_only_meet_today_cover_nothing() {
    let pods = deployment("web").replace("labels: {app: web}", "labels: {app: web, tier: front}")
        + &deployment("api");
    let from = |name: &str, label: &str| {
        policy(
            name,
            &format!(
                "{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{{label}}}}}}}]}}]}}"
            ),
        )
    };
    let idle = |text: &str| found(text).iter().any(|line| line.contains("RF507") || line.contains("RF509"));
    assert!(!idle(&format!("{pods}{}{}", from("a", "app: web"), from("b", "tier: front"))));
    assert!(idle(&format!("{pods}{}{}", from("a", "app: web"), from("b", "'app': web, tier: front"))));
}

#[test]
fn peers_that_are_yet_to_come_are_no_reason_to_remove_a_rule() {
    let pods = deployment("api");
    let rules = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}, {from: [{podSelector: {matchLabels: {app: web, tier: front}}}]}]}";
    let found = found(&format!("{pods}{}", policy("api", rules)));
    assert!(!found.iter().any(|line| line.contains("RF509")), "{found:?}");
}

#[test]
fn rules_for_dns_may_be_repeated() {
    let pods = format!("{}{}", deployment("web"), in_namespace("coredns", "kube-system"));
    let to = "to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}]";
    let dns =
        policy("dns", &format!("{{podSelector: {{}}, policyTypes: [Ingress, Egress], egress: [{{{to}}}]}}"));
    let own = policy(
        "web",
        &format!(
            "{{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [{{{to}}}, {{to: [{{ipBlock: {{cidr: 203.0.113.7/32}}}}]}}]}}"
        ),
    );
    let found = found(&format!("{pods}{dns}{own}"));
    assert!(!found.iter().any(|line| line.contains("RF509") || line.contains("RF507")), "{found:?}");
}

#[test]
fn a_copy_is_found_without_any_pod() {
    let spec = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {}}]}]}";
    let same = "{ingress: [{from: [{podSelector: {matchLabels: {}}}]}], podSelector: {matchExpressions: [{key: app, operator: In, values: [api]}]}, policyTypes: [Ingress]}";
    assert_eq!(codes(&found(&format!("{}{}", policy("a", spec), policy("b", same)))), ["RF508 warning"]);
    let other = policy("b", spec).replace("namespace: shop", "namespace: other");
    assert_eq!(found(&format!("{}{other}", policy("a", spec))), [""; 0]);
}

#[test]
fn an_allow_that_is_denied_in_part_is_right() {
    let cilium = |denied: &str| {
        format!(
            "{}{}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: api, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{app: api}}}}
  ingress: [{{fromEndpoints: [{{matchLabels: {{app: web}}}}]}}]
  ingressDeny: [{denied}]
",
            deployment("web"),
            deployment("api")
        )
    };
    let denied = |text: &str| found(text).iter().any(|line| line.contains("RF510"));
    assert!(denied(&cilium("{fromEndpoints: [{matchLabels: {app: web}}]}")));
    assert!(!denied(&cilium(
        "{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '22', protocol: TCP}]}]}"
    )));
}

#[test]
fn a_default_deny_stays_beside_policies_that_isolate_every_pod() {
    let dns = "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 203.0.113.7/32}}]}], egress: [{to: [{ipBlock: {cidr: 203.0.113.7/32}}]}]}";
    assert_eq!(found(&format!("{}{}{}", deployment("web"), default_deny(), policy("all", dns))), [""; 0]);
}

#[test]
fn what_is_open_in_both_directions_is_said_once() {
    let pods = ["a", "b", "c"].map(deployment).concat();
    let own = policy("a", "{podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress], ingress: []}");
    let once = found(&format!("{pods}{own}"));
    assert_eq!(codes(&once), ["RF501 info"]);
}

#[test]
fn a_job_without_ports_needs_no_ingress_policy() {
    let job = deployment("setup").replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: Job");
    let all = policy(
        "ingress",
        "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}, policyTypes: [Ingress, Egress], egress: [{}]}",
    );
    let pods = format!("{}{}{job}", deployment("web"), deployment("api"));
    assert_eq!(codes(&found(&format!("{pods}{all}"))).first(), Some(&"RF502 warning"));
}

#[test]
fn copies_of_every_kind_are_found_whatever_their_names_and_places() {
    let cilium = |name: &str, peer: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  endpointSelector: {{matchLabels: {{app: api}}}}\n  ingress: [{{fromEndpoints: [{{matchLabels: {{app: {peer}}}}}]}}]\n"
        )
    };
    let tier = |name: &str, tier: &str, priority: u8, action: &str| {
        format!(
            "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  tier: {tier}\n  priority: {priority}\n  subject: {{namespaces: {{}}}}\n  ingress: [{{action: {action}, from: [{{namespaces: {{matchLabels: {{team: a}}}}}}]}}]\n"
        )
    };
    let copies = |manifests: String| found(&manifests).iter().filter(|line| line.contains("RF508")).count();
    let tiers = |manifests: String| found(&manifests).len();
    assert_eq!(copies(cilium("a", "web") + &cilium("b", "web")), 1);
    assert_eq!(copies(cilium("a", "web") + &cilium("b", "worker")), 0);
    let other = cilium("b", "web").replace("namespace: shop", "namespace: data");
    assert_eq!(copies(cilium("a", "web") + &other), 0);
    assert_eq!(copies(tier("a", "Admin", 1, "Deny") + &tier("b", "Admin", 2, "Deny")), 1);
    assert_eq!(copies(tier("a", "Admin", 1, "Deny") + &tier("b", "Admin", 2, "Accept")), 0);
    assert_eq!(copies(tier("a", "Admin", 1, "Deny") + &tier("b", "Baseline", 2, "Deny")), 0);
    // The copy that comes later is the one too many.
    let lines = found(&(tier("a", "Admin", 9, "Deny") + &tier("b", "Admin", 2, "Deny")));
    assert_eq!(lines, ["4 RF508 warning"]);
    assert_eq!(tiers(tier("a", "Admin", 1, "Deny")), 0);
}
