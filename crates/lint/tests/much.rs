//! Rules about too much: awkward inputs, and above all what they keep silent about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

/// What the rules of the subject find: `line CODE severity`.
fn found(manifests: &str) -> Vec<String> {
    found_with(manifests, &Settings::default())
}

fn found_with(manifests: &str, settings: &Settings) -> Vec<String> {
    let text =
        ringfence_manifest::Input { name: "test.yaml".to_owned(), text: manifests.trim_start().to_owned() };
    let input = Input::read(vec![text], settings);
    let sources = &input.compiled.cluster().sources;
    let checked = check(&input, settings);
    let of_subject = checked.findings.iter().filter(|finding| finding.rule.code.starts_with("RF4"));
    of_subject
        .map(|finding| {
            let line = sources.position(finding.origin).unwrap().line;
            format!("{line} {} {}", finding.rule.code, finding.severity)
        })
        .collect()
}

/// A Deployment of `registry.example.com/NAME:1` with the label `app: NAME` in `shop`.
fn deployment(name: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'registry.example.com/{name}:1'}}]}}
"
    )
}

/// A NetworkPolicy of `shop`; its spec in flow style.
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

fn only_codes(found: &[String]) -> Vec<&str> {
    found.iter().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest).collect()
}

#[test]
fn an_empty_list_denies_and_an_empty_rule_allows() {
    let web = deployment("web");
    assert_eq!(found(&format!("{web}{}", policy("web", "{podSelector: {}, ingress: []}"))), [""; 0]);
    let open = found(&format!("{web}{}", policy("web", "{podSelector: {}, ingress: [{}]}")));
    assert_eq!(only_codes(&open), ["RF401 warning"]);
    let open = found(&format!("{web}{}", policy("web", "{podSelector: {}, ingress: [{from: []}]}")));
    assert_eq!(only_codes(&open), ["RF401 warning"]);
}

#[test]
fn a_name_says_what_is_meant() {
    let web = deployment("web");
    let of = |name: &str| found(&format!("{web}{}", policy(name, "{podSelector: {}, ingress: [{}]}")));
    assert_eq!(only_codes(&of("allow-all-ingress")), ["RF401 info"]);
    assert_eq!(only_codes(&of("deny-all")), ["RF401 error"]);
    // It denies egress, and says nothing else.
    let both = policy("default-deny", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}]}");
    assert_eq!(only_codes(&found(&format!("{web}{both}"))), ["RF401 warning"]);
}

#[test]
fn a_policy_about_ingress_may_leave_egress_open() {
    let web = deployment("web");
    let spec = "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{}]}";
    assert_eq!(found(&format!("{web}{}", policy("web", spec))), [""; 0]);
    let only_egress = "{podSelector: {}, policyTypes: [Egress], egress: [{}]}";
    assert_eq!(only_codes(&found(&format!("{web}{}", policy("web", only_egress)))), ["RF401 info"]);
}

#[test]
fn ciliums_empty_rule_is_a_default_deny() {
    let cilium = |rules: &str| {
        format!(
            "{}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: web, namespace: shop}}
spec: {{endpointSelector: {{}}, {rules}}}
",
            deployment("web")
        )
    };
    assert_eq!(found(&cilium("ingress: [{}]")), [""; 0]);
    assert_eq!(only_codes(&found(&cilium("ingress: [{fromEntities: [all]}]"))), ["RF401 warning"]);
    // The way to deny a little under Cilium.
    let deny = "ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [world]}]";
    assert_eq!(found(&cilium(deny)), [""; 0]);
    assert_eq!(only_codes(&found(&cilium("ingress: [{fromEntities: [cluster]}]"))), ["RF405 info"]);
    // Of the policy's own namespace.
    assert_eq!(found(&cilium("ingress: [{fromEndpoints: [{}]}]")), [""; 0]);
}

#[test]
fn a_default_deny_is_undone_for_all_or_for_some() {
    let pods = format!("{}{}", deployment("web"), deployment("api"));
    let deny = policy("deny", "{podSelector: {}, policyTypes: [Ingress]}");
    let all = policy("monitoring", "{podSelector: {}, ingress: [{}]}");
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{all}"))), ["RF402 error"]);
    let some = policy("monitoring", "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}");
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{some}"))), ["RF402 warning"]);
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
";
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{some}{service}"))), ["RF402 info"]);
    // Said once of several.
    let more = policy("more", "{podSelector: {matchLabels: {app: api}}, ingress: [{}]}");
    let entries = service.replace("app: web", "part: shop");
    let pods_of_service = pods.replace("labels: {app", "labels: {part: shop, app");
    let several = found(&format!("{pods_of_service}{deny}{some}{more}{entries}"));
    assert_eq!(only_codes(&several), ["RF402 info"]);
    // The other direction.
    let egress = policy("out", "{podSelector: {}, policyTypes: [Egress], egress: [{}]}");
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{egress}"))), ["RF401 info"]);
    // The administrator denies it all the same.
    let admin = "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress:
    - {action: Deny, to: [{networks: [0.0.0.0/0]}]}
";
    let deny = policy("deny", "{podSelector: {}, policyTypes: [Egress]}");
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{egress}"))), ["RF402 error"]);
    assert_eq!(only_codes(&found(&format!("{pods}{deny}{egress}{admin}"))), ["RF401 info"]);
}

#[test]
fn every_address_is_not_the_same_as_every_public_one() {
    let web = deployment("web");
    let to = |block: &str| {
        let spec =
            format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {block}}}]}}]}}");
        found(&format!("{web}{}", policy("web", &spec)))
    };
    let of_subject =
        |found: Vec<String>| found.into_iter().filter(|line| line.contains("RF404")).collect::<Vec<_>>();
    assert_eq!(only_codes(&of_subject(to("{cidr: 0.0.0.0/0}"))), ["RF404 warning"]);
    let private = "{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}";
    assert_eq!(only_codes(&of_subject(to(private))), ["RF404 info"]);
    assert_eq!(of_subject(to("{cidr: 203.0.113.0/24}")), [""; 0]);
    // Half of the world and the other half.
    let halves = "[{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1}}]";
    let spec = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: {halves}}}]}}");
    assert_eq!(only_codes(&of_subject(found(&format!("{web}{}", policy("web", &spec))))), ["RF404 warning"]);
}

#[test]
fn metrics_may_be_read_from_every_namespace() {
    let pods = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'registry.example.com/web:1', ports: [{containerPort: 9090, name: metrics}]}]}
";
    let from = |port: &str| {
        let spec = format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {{}}}}], ports: [{{port: {port}}}]}}]}}"
        );
        found(&format!("{pods}{}", policy("web", &spec)))
    };
    assert_eq!(only_codes(&from("metrics")), ["RF405 info"]);
    assert_eq!(only_codes(&from("9090")), ["RF405 info"]);
    assert_eq!(only_codes(&from("8080")), ["RF405 warning"]);
}

#[test]
fn a_policy_for_pods_that_are_not_there_is_another_rules_matter() {
    let other = policy("api", "{podSelector: {matchLabels: {app: api}}, ingress: [{}]}");
    assert_eq!(found(&format!("{}{other}", deployment("web"))), [""; 0]);
    // No pod of the namespace is given.
    assert_eq!(only_codes(&found(&other)), ["RF401 warning"]);
}

#[test]
fn databases_are_recognised_and_jobs_are_their_clients() {
    let workload = |kind: &str, spec: &str, pod: &str| {
        format!(
            "---
apiVersion: {}
kind: {kind}
metadata: {{name: thing, namespace: data}}
spec:
  {spec}
    metadata: {{labels: {{app: thing}}}}
    spec: {{restartPolicy: Always, containers: [{pod}]}}
",
            if kind == "Job" { "batch/v1" } else { "apps/v1" }
        )
    };
    let set = "selector: {matchLabels: {app: thing}}\n  template:";
    let web = deployment("web");
    let exposed = |kind: &str, pod: &str| {
        let spec = if kind == "Job" { "template:" } else { set };
        !found(&format!("{web}{}", workload(kind, spec, pod))).is_empty()
    };
    assert!(exposed("StatefulSet", "{name: a, image: 'docker.io/library/postgres:17'}"));
    assert!(exposed("Deployment", "{name: a, image: redis}"));
    assert!(exposed(
        "Deployment",
        "{name: db, image: 'example.com/own:1', ports: [{containerPort: 3306, name: mysql}]}"
    ));
    assert!(!exposed("Deployment", "{name: a, image: postgres, command: [sleep, infinity]}"));
    assert!(!exposed(
        "Deployment",
        "{name: a, image: 'example.com/postgres-exporter:1', ports: [{containerPort: 9187}]}"
    ));
    assert!(!exposed(
        "Deployment",
        "{name: a, image: 'example.com/own:1', ports: [{containerPort: 9000, name: http}]}"
    ));
    assert!(!exposed("Job", "{name: dump, image: 'docker.io/library/postgres:17'}"));
}

#[test]
fn what_is_stated_about_sensitive_workloads_wins() {
    let pods = format!("{}{}", deployment("web"), deployment("ledger"));
    assert_eq!(found(&pods), [""; 0]);
    let mut settings = Settings::default();
    settings.cluster.sensitive = vec!["shop/ledger".to_owned()];
    assert_eq!(only_codes(&found_with(&pods, &settings)), ["RF407 warning"]);
    let named = policy(
        "ledger",
        "{podSelector: {matchLabels: {app: ledger}}, ingress: [{from: [{podSelector: {}}]}]}",
    );
    assert_eq!(found_with(&format!("{pods}{named}"), &settings), [""; 0]);
    let all =
        policy("ledger", "{podSelector: {matchLabels: {app: ledger}}, ingress: [{ports: [{port: 80}]}]}");
    assert_eq!(only_codes(&found_with(&format!("{pods}{all}"), &settings)), ["RF407 warning"]);
    settings.cluster.not_sensitive = vec!["shop/ledger".to_owned()];
    assert_eq!(found_with(&pods, &settings), [""; 0]);
}

#[test]
fn the_cluster_may_protect_a_database_from_above() {
    let database = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres, namespace: data}
spec:
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec: {containers: [{name: postgres, image: 'postgres:17'}]}
";
    let baseline = "---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: closed}
spec: {endpointSelector: {}, ingress: [{}]}
";
    let web = deployment("web");
    assert_eq!(only_codes(&found(&format!("{web}{database}"))), ["RF407 warning"]);
    assert_eq!(found(&format!("{web}{database}{baseline}")), [""; 0]);
}

#[test]
fn what_something_leads_to_from_outside_may_let_everybody_in() {
    let web = format!(
        "{}---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{selector: {{app: web}}, ports: [{{port: 8080}}]}}
",
        deployment("web")
    );
    let open = policy("web", "{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}");
    assert_eq!(only_codes(&found(&format!("{web}{open}"))), ["RF410 info"]);
    let ingress = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 8080}}}}
";
    assert_eq!(found(&format!("{web}{open}{ingress}")), [""; 0]);
    // An entry is known, and it leads elsewhere.
    let api = deployment("api");
    let open = policy("api", "{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 8080}]}]}");
    assert_eq!(only_codes(&found(&format!("{web}{api}{open}{ingress}"))), ["RF410 warning"]);
}

#[test]
fn names_may_be_asked_of_the_resolver_and_by_it_of_anybody() {
    let web = deployment("web");
    let open = policy(
        "dns",
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}",
    );
    assert_eq!(only_codes(&found(&format!("{web}{open}"))), ["RF409 info"]);
    let more = policy(
        "dns",
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}, {port: 443}]}]}",
    );
    assert_eq!(found(&format!("{web}{more}")), [""; 0]);
    let resolver = web.replace("app: web", "k8s-app: kube-dns");
    assert_eq!(found(&format!("{resolver}{open}")), [""; 0]);
}

#[test]
fn a_rule_for_everybody_is_named_once_with_what_it_makes_pointless() {
    let pods = format!("{}{}", deployment("web"), deployment("api"));
    let narrow = policy(
        "api",
        "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]}",
    );
    let broad = policy(
        "monitoring",
        "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {}}]}]}",
    );
    let codes = found(&format!("{pods}{narrow}{broad}"));
    assert_eq!(only_codes(&codes), ["RF403 warning", "RF405 warning"]);
    let other = policy(
        "monitoring",
        "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 9090}]}]}",
    );
    assert_eq!(only_codes(&found(&format!("{pods}{narrow}{other}"))), ["RF405 warning"]);
}

#[test]
fn what_a_namespace_opens_to_everybody_is_said_once() {
    let pods = format!("{}{}", deployment("web"), deployment("api"));
    let open = |name: &str, rule: &str| {
        policy(name, &format!("{{podSelector: {{matchLabels: {{app: {name}}}}}, ingress: [{rule}]}}"))
    };
    let anybody = "{ports: [{port: 8080}]}";
    let twice = format!("{pods}{}{}", open("web", anybody), open("api", anybody));
    assert_eq!(only_codes(&found(&twice)), ["RF410 info"]);
    let cluster = "{from: [{namespaceSelector: {}}], ports: [{port: 8080}]}";
    let twice = format!("{pods}{}{}", open("web", cluster), open("api", cluster));
    assert_eq!(only_codes(&found(&twice)), ["RF405 warning"]);
}

#[test]
fn any_namespace_in_the_words_of_cilium() {
    let rule = |peer: &str| {
        deployment("api")
            + &format!(
                "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: api, namespace: shop}}\nspec:\n  endpointSelector: {{matchLabels: {{app: api}}}}\n  ingress: [{{fromEndpoints: [{{{peer}}}], toPorts: [{{ports: [{{port: '8080', protocol: TCP}}]}}]}}]\n"
            )
    };
    let any = "matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}]";
    assert_eq!(found(&rule(any)).len(), 1, "{:?}", found(&rule(any)));
    assert!(found(&rule("")).is_empty(), "the pods of its own namespace");
    assert!(found(&rule(&format!("matchLabels: {{app: web}}, {any}"))).is_empty());
}

#[test]
fn a_policy_that_opens_a_namespace_is_one_finding() {
    let postgres = deployment("db").replace("registry.example.com/db:1", "postgres:16");
    let deny = policy("default-deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
    let open = "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}";
    let both = found(&format!("{postgres}{deny}{}", policy("allow-all", open)));
    assert_eq!(only_codes(&both), ["RF402 error"], "{both:?}");
    let named = found(&format!("{postgres}{}", policy("deny-all", "{podSelector: {}, ingress: [{}]}")));
    assert_eq!(only_codes(&named), ["RF401 error"], "{named:?}");
    // A rule for one port of it is about the database.
    let port = "{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 5432}]}]}";
    let port = found(&format!("{postgres}{deny}{}", policy("allow-5432", port)));
    assert!(only_codes(&port).contains(&"RF407 warning"), "{port:?}");
}
