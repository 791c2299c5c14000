//! What rules about matches say of awkward inputs, and above all when they keep silent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check, fix};

/// `CODE severity`, of the rules about matches.
fn found(manifests: &str) -> Vec<String> {
    let settings = Settings { select: vec!["RF1".to_owned()], ..Settings::default() };
    let text =
        ringfence_manifest::Input { name: "a.yaml".to_owned(), text: manifests.trim_start().to_owned() };
    let input = Input::read(vec![text], &settings);
    let findings = check(&input, &settings).findings;
    findings.iter().map(|one| format!("{} {}", one.rule.code, one.severity)).collect()
}

fn codes(manifests: &str) -> Vec<String> {
    found(manifests).iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect()
}

fn pod(namespace: &str, name: &str, labels: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}\nspec: {{containers: [{{name: c, image: c}}]}}\n"
    )
}

/// A policy whose spec is written in one line.
fn policy(namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn allows(namespace: &str, peers: &str) -> String {
    policy(namespace, &format!("{{podSelector: {{}}, ingress: [{{from: [{peers}]}}]}}"))
}

#[test]
fn nothing_is_said_of_namespaces_whose_pods_are_not_shown() {
    let other = pod("other", "x", "app: x");
    for input in [
        policy("shop", "{podSelector: {matchLabels: {app: web}}}"),
        other.clone() + &policy("shop", "{podSelector: {matchLabels: {app: web}}}"),
        other.clone() + &allows("shop", "{podSelector: {matchLabels: {app: web}}}"),
        other.clone() + &allows("other", "{namespaceSelector: {matchLabels: {team: a}}}"),
        other.clone()
            + &allows(
                "other",
                "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gone}}, podSelector: {matchLabels: {app: a}}}",
            ),
        other.clone()
            + &allows("other", "{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}"),
        other + &policy("shop", "{podSelector: {matchLabels: {app: x}}}"),
    ] {
        assert!(found(&input).is_empty(), "{:?} of\n{input}", found(&input));
    }
}

#[test]
fn members_of_a_series_are_not_taken_for_each_other() {
    let input =
        pod("shop", "db-1", "app: db-1") + &policy("shop", "{podSelector: {matchLabels: {app: db-2}}}");
    assert_eq!(found(&input), ["RF101 warning"]);
}

#[test]
fn a_slip_is_a_warning_if_another_policy_selects_the_workload() {
    let slip =
        pod("shop", "x", "app: frontend") + &policy("shop", "{podSelector: {matchLabels: {app: fronted}}}");
    assert_eq!(found(&slip), ["RF101 error"]);
    let selected =
        slip + &policy("shop", "{podSelector: {matchLabels: {app: frontend}}}").replace("name: p", "name: q");
    assert_eq!(found(&selected), ["RF101 warning"]);
}

#[test]
fn a_default_deny_does_not_count_as_a_policy_for_the_workload() {
    let input = pod("shop", "x", "app: frontend")
        + &policy("shop", "{podSelector: {matchLabels: {app: fronted}}}")
        + &policy("shop", "{podSelector: {}}").replace("name: p", "name: deny");
    assert_eq!(found(&input), ["RF101 error"]);
}

#[test]
fn pods_that_operators_make_are_not_missed() {
    let input = pod("shop", "x", "app: x")
        + "---\napiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: k8s, namespace: shop}\n"
        + &policy("shop", "{podSelector: {matchLabels: {app: prometheus}}}");
    assert!(found(&input).is_empty());
}

#[test]
fn host_network_pods_are_for_other_rules() {
    let host = pod("shop", "x", "app: x").replace("spec: {", "spec: {hostNetwork: true, ");
    let input =
        host + &pod("shop", "y", "app: y") + &policy("shop", "{podSelector: {matchLabels: {app: x}}}");
    assert!(found(&input).is_empty());
}

#[test]
fn labels_to_opt_in_are_only_worth_knowing() {
    let input =
        pod("shop", "x", "app: x") + &allows("shop", "{podSelector: {matchLabels: {redis-client: 'true'}}}");
    assert_eq!(found(&input), ["RF102 info"]);
}

#[test]
fn one_mistake_is_reported_once() {
    let base = pod("kube-system", "dns", "k8s-app: kube-dns") + &pod("shop", "web", "app: web");
    let name = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}";
    let dns = "podSelector: {matchLabels: {k8s-app: kube-dns}}";
    assert_eq!(
        codes(
            &(base.clone()
                + &pod("kube-system", "x", "app: x")
                + &allows("shop", &format!("{{{name}}}, {{{dns}}}")))
        ),
        ["RF104"]
    );
    assert_eq!(codes(&(base.clone() + &allows("shop", &format!("{{{dns}}}")))), ["RF105"]);
    assert!(codes(&(base.clone() + &allows("shop", &format!("{{{name}, {dns}}}")))).is_empty());
    let old = name.replace("kubernetes.io/metadata.name", "name");
    assert_eq!(codes(&(base + &allows("shop", &format!("{{{old}, {dns}}}")))), ["RF103"]);
}

#[test]
fn the_resolver_is_known_without_its_pods() {
    let peers = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}, {podSelector: {matchLabels: {k8s-app: kube-dns}}}";
    assert_eq!(found(&(pod("shop", "web", "app: web") + &allows("shop", peers))), ["RF104 error"]);
}

#[test]
fn two_peers_that_are_meant_so_are_not_joined() {
    let base = pod("shop", "web", "app: web") + &pod("monitoring", "prometheus", "app: prometheus");
    let namespace = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}";
    for pods in ["{podSelector: {}}", "{podSelector: {matchLabels: {app: web}}}"] {
        let input = base.clone() + &allows("shop", &format!("{namespace}, {pods}"));
        assert!(found(&input).is_empty(), "{:?}", found(&input));
    }
}

#[test]
fn both_spellings_of_a_namespace_side_by_side_are_content() {
    let given = "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n".to_owned();
    let peers = "{namespaceSelector: {matchLabels: {name: kube-system}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}";
    assert!(found(&(given + &allows("shop", peers))).is_empty());
}

#[test]
fn a_namespace_is_found_by_a_mistyped_name() {
    let given = "apiVersion: v1\nkind: Namespace\nmetadata: {name: monitoring}\n".to_owned();
    let peer = |name: &str| {
        allows(
            "shop",
            &format!("{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}"),
        )
    };
    assert_eq!(found(&(given.clone() + &peer("montoring"))), ["RF103 error"]);
    assert!(found(&(given + &peer("logging"))).is_empty());
}

#[test]
fn a_policy_without_a_namespace_is_compared_with_where_its_pods_are() {
    let homeless = policy("x", "{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{podSelector: {matchLabels: {role: api}}}]}]}")
        .replace(", namespace: x", "");
    let prod = pod("prod", "db", "role: db") + &pod("prod", "api", "role: api");
    assert_eq!(found(&(prod.clone() + &homeless)), ["RF112 error"]);
    let dev = pod("dev", "db", "role: db") + &pod("dev", "api", "role: api");
    assert_eq!(found(&(prod + &dev + &homeless)), ["RF112 warning"]);
    assert!(found(&homeless).is_empty());
    let there = pod("default", "db", "role: db") + &pod("default", "api", "role: api");
    assert!(found(&(there + &homeless)).is_empty());
}

#[test]
fn the_workload_is_blamed_where_others_ask_for_the_label() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {selector: {app: LABEL}, ports: [{port: 80}]}\n";
    let base =
        pod("shop", "x", "app: fronted") + &policy("shop", "{podSelector: {matchLabels: {app: frontend}}}");
    assert_eq!(codes(&base), ["RF101"]);
    assert_eq!(codes(&(base.clone() + &service.replace("LABEL", "frontend"))), ["RF111"]);
    assert_eq!(codes(&(base + &service.replace("LABEL", "fronted"))), ["RF101"]);
}

fn ports(declared: &str, port: &str, service: &str) -> Vec<String> {
    let pod = pod("shop", "x", "app: x").replace("image: c", &format!("image: c, ports: [{declared}]"));
    let service = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: shop}}\nspec: {{selector: {{app: x}}, ports: [{service}]}}\n"
    );
    let policy = policy(
        "shop",
        &format!("{{podSelector: {{matchLabels: {{app: x}}}}, ingress: [{{ports: [{port}]}}]}}"),
    );
    found(&(pod + &service + &policy))
}

#[test]
fn ports_are_those_of_pods() {
    let declared = "{name: http, containerPort: 8080}";
    let service = "{name: web, port: 80, targetPort: 8080}";
    assert!(ports(declared, "{port: 8080}", service).is_empty());
    assert!(ports(declared, "{port: http}", service).is_empty());
    assert_eq!(ports(declared, "{port: web}", service), ["RF106 error"]);
    assert_eq!(ports(declared, "{port: http, protocol: UDP}", service), ["RF106 error"]);
    assert_eq!(ports(declared, "{port: 80}", service), ["RF107 error"]);
    assert_eq!(ports("", "{port: 80}", service), ["RF107 warning"]);
    assert_eq!(ports(declared, "{port: 9090}", service), ["RF109 warning"]);
    assert_eq!(ports(declared, "{port: 9090}, {port: 8080}", service), ["RF109 info"]);
}

#[test]
fn a_port_that_something_speaks_for_is_content() {
    let declared = "{name: http, containerPort: 8080}";
    let service = "{port: 80, targetPort: 8080}";
    assert!(ports("", "{port: 9090}", service).is_empty());
    assert!(ports(declared, "{port: 80}, {port: 8080}", service).is_empty());
    assert!(ports(declared, "{port: 9090}", "{port: 90, targetPort: 9090}").is_empty());
    assert!(ports(declared, "{port: 8000, endPort: 9000}", service).is_empty());
    assert!(ports("{containerPort: 8080}], args: ['--listen=:9090'", "{port: 9090}", service).is_empty());
    assert!(ports(&format!("{declared}, {{containerPort: 80}}"), "{port: 80}", service).is_empty());
    assert!(ports(declared, "{port: 15090}", service).is_empty());
}

#[test]
fn an_opt_out_by_a_label_is_content() {
    let out = "{podSelector: {matchExpressions: [{key: skip-policy, operator: DoesNotExist}]}}";
    assert!(found(&(pod("shop", "x", "app: x") + &policy("shop", out))).is_empty());
    let not =
        "{podSelector: {matchExpressions: [{key: app.kubernetes.io/name, operator: NotIn, values: [x]}]}}";
    assert_eq!(found(&(pod("shop", "x", "app: x") + &policy("shop", not))), ["RF113 warning"]);
}

#[test]
fn cilium_policies_are_asked_the_same() {
    let policy = |spec: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
        )
    };
    let base = pod("shop", "web", "app: web") + &pod("monitoring", "prometheus", "app: prometheus");
    let from = |labels: &str| {
        base.clone()
            + &policy(&format!(
                "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]}}"
            ))
    };
    assert_eq!(found(&from("app: prometheus")), ["RF105 error"]);
    assert!(found(&from("app: prometheus, 'k8s:io.kubernetes.pod.namespace': monitoring")).is_empty());
    assert_eq!(
        found(&from("'k8s:app': prometheus, 'k8s:io.kubernetes.pod.namespace': montoring")),
        ["RF103 error"]
    );
    assert_eq!(found(&from("'container:app': web")), ["RF114 error"]);
    assert_eq!(found(&from("kubernetes.io/metadata.name: monitoring")), ["RF114 error"]);
    assert!(found(&from("'reserved:host': ''")).is_empty());
    let elsewhere = policy(
        "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': monitoring}}, ingress: [{}]}",
    );
    assert_eq!(found(&(base + &elsewhere)), ["RF114 error"]);
}

#[test]
fn tier_policies_are_asked_the_same() {
    let policy = |subject: &str, from: &str| {
        format!(
            "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: p}}\nspec: {{tier: Admin, priority: 1, subject: {subject}, ingress: [{{action: Deny, from: [{from}]}}]}}\n"
        )
    };
    let base = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n".to_owned()
        + &pod("shop", "web", "app: frontend");
    let shop = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}";
    let all = "{namespaces: {}}";
    let fine = policy(&format!("{{pods: {{{shop}, podSelector: {{matchLabels: {{app: frontend}}}}}}}}"), all);
    assert!(found(&(base.clone() + &fine)).is_empty());
    let slip = policy(&format!("{{pods: {{{shop}, podSelector: {{matchLabels: {{app: fronted}}}}}}}}"), all);
    assert_eq!(found(&(base.clone() + &slip)), ["RF101 error"]);
    let named = policy("{namespaces: {matchLabels: {name: shop}}}", all);
    assert_eq!(found(&(base.clone() + &named)), ["RF103 error"]);
    let never =
        "{namespaces: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}";
    assert_eq!(found(&(base + &policy("{namespaces: {}}", never))), ["RF110 error"]);
}

#[test]
fn repairs_are_offered_and_confirmed() {
    for code in ["RF101", "RF102", "RF103", "RF104", "RF105", "RF107", "RF112", "RF114", "RF115"] {
        let rule = ringfence_lint::rules::find(code).unwrap();
        let settings = Settings { select: vec![code.to_owned()], ..Settings::default() };
        let text = ringfence_manifest::Input {
            name: "a.yaml".to_owned(),
            text: rule.bad.manifests.trim_start().to_owned(),
        };
        let planned = fix::plan(&[text], &settings);
        let [changed] = planned.files.as_slice() else { panic!("{code}: {:?}", planned.refused) };
        assert!(found(&changed.new).is_empty(), "{code}: {:?}\n{}", found(&changed.new), changed.new);
    }
}

/// Two ingress rules of a policy of `shop`, beside a monitoring namespace.
fn rules(first: &str, second: &str, more: &str) -> Vec<String> {
    found(&format!(
        "{}{}{}{more}{}",
        pod("shop", "api", "app: api"),
        pod("monitoring", "prometheus", "app: prometheus"),
        pod("monitoring", "grafana", "app: grafana"),
        policy(
            "shop",
            &format!("{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{{{first}}}, {{{second}}}]}}")
        ),
    ))
}

#[test]
fn one_rule_torn_into_two_is_found_if_one_has_no_ports() {
    let namespace =
        "from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]".to_owned();
    let pods = "from: [{podSelector: {matchLabels: {app: prometheus}}}]".to_owned();
    let ports = ", ports: [{port: 9090}]";
    assert_eq!(rules(&namespace, &(pods.clone() + ports), ""), ["RF104 error"]);
    assert_eq!(rules(&(namespace.clone() + ports), &pods, ""), ["RF104 error"]);
    assert_eq!(rules(&pods, &(namespace.clone() + ports), ""), ["RF104 error"]);
    // Somebody's own Prometheus may be meant.
    let own = pod("shop", "prometheus", "app: prometheus");
    assert_eq!(rules(&(namespace.clone() + ports), &pods, &own), ["RF104 warning"]);
    // Two rules with ports of their own are two rules.
    assert_eq!(rules(&(namespace.clone() + ports), &(pods + ports), &own), Vec::<String>::new());
    let others = "from: [{podSelector: {matchLabels: {app: api}}}]";
    assert!(rules(&(namespace + ports), others, "").is_empty(), "nobody there has that label");
}

#[test]
fn a_peer_that_the_other_one_contains_was_meant_to_narrow_it() {
    let input = |from: &str| {
        found(&format!(
            "{}{}{}{}",
            pod("prod", "db", "role: db"),
            pod("prod", "api", "role: api"),
            pod("prod", "web", "role: web"),
            policy(
                "prod",
                &format!("{{podSelector: {{matchLabels: {{role: db}}}}, ingress: [{{from: [{from}]}}]}}")
            ),
        ))
    };
    let (pods, namespace) = (
        "podSelector: {matchLabels: {role: api}}",
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prod}}",
    );
    assert_eq!(input(&format!("{{{pods}}}, {{{namespace}}}")), ["RF104 warning"]);
    assert!(input(&format!("{{{pods}, {namespace}}}")).is_empty());
    assert!(
        input(&format!("{{{pods}}}, {{{namespace}}}, {{podSelector: {{matchLabels: {{role: web}}}}}}"))
            .is_empty()
    );
    assert!(input(&format!("{{{pods}}}, {{namespaceSelector: {{}}}}")).is_empty());
}

#[test]
fn ports_before_their_peers_are_torn_apart_too() {
    let from = "from: [{podSelector: {matchLabels: {app: api}}}]";
    assert_eq!(rules(from, "ports: [{port: 80}]", ""), ["RF115 warning"]);
    assert_eq!(rules("ports: [{port: 80}]", from, ""), ["RF115 warning"]);
    assert!(rules("ports: [{port: 80}]", "ports: [{port: 81}]", "").is_empty());
}
