//! Lost paths in awkward inputs: what is certain is reported, and nothing is said where a fact is missing.

use ringfence_lint::{Checked, Input, Settings, check};

fn run(manifests: &str) -> Checked {
    let settings = Settings { select: vec!["RF3".to_owned()], ..Settings::default() };
    let text =
        ringfence_manifest::Input { name: "input.yaml".to_owned(), text: manifests.trim_start().to_owned() };
    let input = Input::read(vec![text], &settings);
    check(&input, &settings)
}

fn codes(manifests: &str) -> Vec<String> {
    let checked = run(manifests);
    checked.findings.iter().map(|finding| format!("{} {}", finding.rule.code, finding.severity)).collect()
}

const APP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop, labels: {app: app}}
spec: {containers: [{name: app, image: registry.example.com/app:1}]}
---
";

const RESOLVER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: dns-default, namespace: openshift-dns, labels: {dns.operator.openshift.io/daemonset-dns: default}}
spec: {containers: [{name: dns, image: registry.example.com/coredns, ports: [{name: dns, containerPort: 5353, protocol: UDP}, {name: dns-tcp, containerPort: 5353}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: dns-default, namespace: openshift-dns}
spec:
  selector: {dns.operator.openshift.io/daemonset-dns: default}
  ports: [{name: dns, port: 53, targetPort: dns, protocol: UDP}, {name: dns-tcp, port: 53, targetPort: dns-tcp}]
---
";

fn egress(peers: &str, ports: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: out, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: app}}}}
  policyTypes: [Egress]
  egress: [{{to: [{peers}], ports: [{ports}]}}]
"
    )
}

const BOTH: &str = "{port: 53, protocol: UDP}, {port: 53}";

#[test]
fn the_port_of_the_resolvers_pods_counts_not_that_of_its_service() {
    let to = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: openshift-dns}}}";
    assert_eq!(codes(&format!("{APP}{RESOLVER}{}", egress(to, BOTH))), ["RF301 error"]);
    let right = "{port: 5353, protocol: UDP}, {port: 5353}";
    assert_eq!(codes(&format!("{APP}{RESOLVER}{}", egress(to, right))), [""; 0]);
}

#[test]
fn a_resolver_that_is_not_given_may_be_what_a_rule_is_for() {
    for to in [
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}",
        "{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}",
        "{namespaceSelector: {matchLabels: {purpose: infrastructure}}}",
        "{ipBlock: {cidr: 169.254.20.10/32}}",
        "",
    ] {
        assert_eq!(codes(&format!("{APP}{}", egress(to, BOTH))), [""; 0], "{to}");
    }
    // Pods of its own namespace, none of which could be one.
    let own = "{podSelector: {matchLabels: {k8s-app: kube-dns}}}";
    assert_eq!(codes(&format!("{APP}{}", egress(own, BOTH))), ["RF301 error"]);
}

#[test]
fn policies_without_pods_are_silent() {
    let nobody = egress("{podSelector: {matchLabels: {app: db}}}", "{port: 5432}");
    assert_eq!(codes(&nobody), [""; 0]);
}

#[test]
fn a_pod_with_a_resolver_of_its_own_needs_no_rule() {
    let app = APP.replace("{containers", "{dnsPolicy: None, containers");
    assert_eq!(
        codes(&format!("{app}{}", egress("{podSelector: {matchLabels: {app: db}}}", "{port: 5432}"))),
        [""; 0]
    );
}

#[test]
fn the_proposed_policies_do_what_they_say() {
    let db = "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: data, labels: {app: db}}
spec: {containers: [{name: db, image: registry.example.com/db:1, ports: [{containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: data}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
";
    let to = "{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}, {ipBlock: {cidr: 0.0.0.0/0}}";
    let input = format!("{APP}{db}{}", egress(to, "{port: 5432}, {port: 53}, {port: 53, protocol: UDP}"));
    let checked = run(&input);
    assert_eq!(codes(&input), ["RF304 error"]);
    let help = checked.findings.first().and_then(|finding| finding.help.clone()).unwrap_or_default();
    let (_, yaml) = help.split_once('\n').unwrap_or_default();
    assert!(yaml.contains("kind: NetworkPolicy"), "{help}");
    assert_eq!(codes(&format!("{input}---\n{yaml}")), [""; 0], "{help}");
}

#[test]
fn addresses_for_others_and_names_of_nobody_are_no_dependencies() {
    let app = |name: &str, value: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: app, namespace: shop, labels: {{app: app}}}}
spec: {{containers: [{{name: app, image: registry.example.com/app:1, env: [{{name: {name}, value: '{value}'}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: shop, labels: {{app: db}}}}
spec: {{containers: [{{name: db, image: registry.example.com/db:1}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: db, namespace: shop}}
spec: {{selector: {{app: db}}, ports: [{{port: 5432}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: db}}}}, policyTypes: [Ingress]}}
"
        )
    };
    for (name, value) in [("DB_URL", "postgres://u:p@db/x"), ("DB_HOST", "db"), ("DB", "db.shop.svc:5432")] {
        assert_eq!(codes(&app(name, value)), ["RF313 error"], "{name}");
    }
    for (name, value) in [
        ("CORS_ORIGINS", "http://db:5432"),
        ("DB_URL", "postgres://elsewhere:5432/x"),
        ("DB_URL", "postgres://db:9999/x"),
        ("BACKEND", "db"),
        ("DB_URL", "postgres://$(HOST):5432"),
    ] {
        assert_eq!(codes(&app(name, value)), [""; 0], "{name}");
    }
}

/// A demonstration that asks a list of Services, some of which are denied on purpose.
#[test]
fn a_service_in_a_list_of_several_may_be_one_to_try() {
    let input = |urls: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: probe, namespace: shop, labels: {{app: probe}}}}
spec: {{containers: [{{name: p, image: registry.example.com/p:1, args: ['--urls={urls}']}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: shop, labels: {{app: db}}}}
spec: {{containers: [{{name: db, image: registry.example.com/db:1, ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: db, namespace: shop}}
spec: {{selector: {{app: db}}, ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: probe, namespace: shop}}
spec: {{selector: {{app: probe}}, ports: [{{port: 80}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: db, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: db}}}}, policyTypes: [Ingress]}}
"
        )
    };
    assert_eq!(codes(&input("http://db/a,http://probe/b")), ["RF313 warning"]);
    assert_eq!(codes(&input("http://db/a,http://db/b")), ["RF313 error"]);
}

#[test]
fn a_rule_for_ports_without_sources_lets_the_api_server_in() {
    let input = |rule: &str| {
        format!(
            "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.x.example.com}}
spec: {{group: x.example.com, version: v1, groupPriorityMinimum: 1, versionPriority: 1, service: {{name: x, namespace: ops}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: x, namespace: ops}}
spec: {{selector: {{app: x}}, ports: [{{port: 443, targetPort: 6443}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: x, namespace: ops, labels: {{app: x}}}}
spec: {{containers: [{{name: x, image: registry.example.com/x:1}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: x, namespace: ops}}
spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{rule}]}}
"
        )
    };
    assert_eq!(codes(&input("{ports: [{port: 6443}]}")), [""; 0]);
    assert_eq!(codes(&input("{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}")), [""; 0]);
    assert_eq!(codes(&input("{ports: [{port: 443}]}")), ["RF308 error"], "the port of the Service");
    assert_eq!(
        codes(&input("{from: [{namespaceSelector: {}}]}")),
        ["RF308 warning"],
        "a tunnel may run as pods"
    );
}

/// A pod of `shop` with an environment.
fn told(name: &str, env: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: c, image: registry.example.com/{name}:1, {env}}}]}}\n"
    )
}

const DENY: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

const ALLOW_DNS: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-dns, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 53}, {port: 53, protocol: UDP}]}]}
";

fn service(name: &str, port: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
    )
}

#[test]
fn who_is_told_names_needs_a_resolver() {
    let web = told("web", "env: []");
    assert_eq!(codes(&format!("{web}{DENY}")), ["RF301 warning"], "nobody knows what it asks for");
    let db = told("db", "env: []") + &service("db", 5432);
    let told_db = told("web", "env: [{name: DB, value: \"postgres://db:5432/a\"}]");
    assert_eq!(codes(&format!("{told_db}{db}{DENY}")), ["RF313 error", "RF301 error"]);
    // The database beside pods that may ask is meant to be closed.
    assert_eq!(codes(&format!("{web}{}{DENY}{ALLOW_DNS}", told("db", "env: []"))), ["RF301 info"]);
    let backup = egress("{ipBlock: {cidr: 192.168.5.10/32}}", "{port: 80}");
    assert_eq!(codes(&format!("{APP}{backup}")), ["RF301 info"], "it is told an address");
    let outside = egress("{ipBlock: {cidr: 0.0.0.0/0}}", "{port: 443}");
    assert_eq!(codes(&format!("{APP}{outside}")), ["RF301 warning"]);
    let app = APP.replace("app:1", "app:1, env: [{name: PAY, value: \"https://pay.example.com\"}]");
    assert_eq!(codes(&format!("{app}{outside}")), ["RF301 error"]);
}

#[test]
fn commands_name_hosts_in_words() {
    let db = told("db", "env: []") + &service("db", 5432);
    let others = format!("{db}{DENY}{}", ALLOW_DNS.replace("{app: web}", ""));
    for arguments in [
        "args: [pg_dump, -h, db]",
        "args: [nc, -z, db, \"5432\"]",
        "command: [sh, -c, \"until nc -z db 5432; do sleep 1; done\"]",
        "command: [sh, -c, \"pg_dump --host db app > /backup/app.sql\"]",
        "env: [{name: PGHOST, value: db}]",
    ] {
        assert_eq!(codes(&format!("{}{others}", told("web", arguments))), ["RF313 error"], "{arguments}");
    }
    for arguments in ["args: [echo, db, \"1\"]", "args: [--db, db]", "command: [sh, -c, \"sleep 5432\"]"] {
        assert!(codes(&format!("{}{others}", told("web", arguments))).is_empty(), "{arguments}");
    }
}

#[test]
fn hosts_outside_are_missed_where_nothing_outside_is_open() {
    let dns = ALLOW_DNS.replace("{app: web}", "");
    let of =
        |env: &str, more: &str| codes(&format!("{}{DENY}{dns}{more}", told("web", &format!("env: [{env}]"))));
    let pay = "{name: PAYMENT_API, value: \"https://api.payments.example/v1\"}";
    assert_eq!(of(pay, ""), ["RF314 warning"]);
    for env in [
        "{name: PUBLIC_URL, value: \"https://shop.example.com\"}",
        "{name: OIDC_ISSUER, value: \"https://login.example.com\"}",
        "{name: GF_SERVER_ROOT_URL, value: \"https://grafana.example.com\"}",
        "{name: API, value: \"http://api.other.svc.cluster.local\"}",
        "{name: API, value: \"http://api.corp.internal\"}",
        "{name: API, value: \"http://192.0.2.1\"}",
        "{name: IMAGE, value: registry.example.com/app}",
        "{name: FORMAT, value: \"see https://a.example.com and https://b.example.com\"}",
    ] {
        assert!(of(env, "").is_empty(), "{env}");
    }
    let served = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\nspec: {rules: [{host: api.payments.example}]}\n";
    assert!(of(pay, served).is_empty(), "it is its own");
    let out = egress("{ipBlock: {cidr: 198.51.100.0/24}}", "{port: 443}").replace("app: app", "app: web");
    assert!(of(pay, &format!("---{out}")).is_empty());
    let other_port = out.replace("443", "8443");
    assert_eq!(of(pay, &format!("---{other_port}")), ["RF314 warning"]);
}

#[test]
fn a_peer_for_the_whole_cluster_means_nobody_in_particular() {
    let dns = ALLOW_DNS.replace("{app: web}", "");
    let policies = |from: &str| {
        format!(
            "{DENY}{dns}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Ingress], ingress: [{{from: [{from}], ports: [{{port: 80}}]}}]}}\n"
        )
    };
    let pods = told("web", "ports: [{containerPort: 80}]") + &told("api", "env: []");
    assert!(codes(&format!("{pods}{}", policies("{namespaceSelector: {}}"))).is_empty());
    assert_eq!(
        codes(&format!("{pods}{}", policies("{podSelector: {matchLabels: {app: api}}}"))),
        ["RF305 error"]
    );
}

#[test]
fn the_ports_of_a_load_balancer_are_one_finding() {
    let service = service("web", 80)
        .replace("spec: {", "spec: {type: LoadBalancer, ")
        .replace("ports: [{port: 80}]", "ports: [{name: http, port: 80}, {name: https, port: 443}]");
    let dns = ALLOW_DNS.replace("{app: web}", "");
    let manifests = format!("{}{service}{DENY}{dns}", told("web", "env: []"));
    let checked = run(&manifests);
    let [finding] = checked.findings.as_slice() else { panic!("{}", checked.findings.len()) };
    assert_eq!(finding.rule.code, "RF311");
    let help = finding.help.clone().unwrap_or_default();
    assert!(help.contains("port: 80\n") && help.contains("port: 443\n"), "{help}");
}
