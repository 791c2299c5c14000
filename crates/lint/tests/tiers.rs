//! Awkward inputs for the rules about tiers: where they must keep silent, and what they say where only part is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

/// Pods `front/web`, `shop/api` and `shop/db`.
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: main, image: api, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
";

/// A ClusterNetworkPolicy with ingress rules.
fn policy(name: &str, tier: &str, priority: u32, rules: &str) -> String {
    let rules = rules.trim().replace('\n', "\n    ");
    format!(
        "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {{name: {name}}}
spec:
  tier: {tier}
  priority: {priority}
  subject:
    namespaces:
      matchLabels: {{kubernetes.io/metadata.name: shop}}
  ingress:
    {rules}
"
    )
}

/// A rule for pods of a namespace.
fn from(action: &str, namespace: &str, ports: &str) -> String {
    let ports = match ports {
        "" => String::new(),
        port => format!("\n  protocols: [{{tcp: {{destinationPort: {{number: {port}}}}}}}]"),
    };
    format!(
        "- action: {action}{ports}\n  from: [{{namespaces: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}]\n"
    )
}

const EVERYBODY: &str = "- action: Deny\n  from: [{namespaces: {}}]\n";

const ISOLATED: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
";

/// What the rules about tiers find: code, severity and line.
fn found(texts: &[&str]) -> Vec<String> {
    let settings = Settings { select: vec!["RF6".to_owned(), "RF002".to_owned()], ..Settings::default() };
    let text = texts.concat().trim_start().to_owned();
    let input = Input::read(vec![ringfence_manifest::Input { name: "a.yaml".to_owned(), text }], &settings);
    let sources = &input.compiled.cluster().sources;
    let checked = check(&input, &settings);
    let line = |finding: &ringfence_lint::Finding| {
        let text = sources.get(finding.origin.source).unwrap();
        let line = text.line(text.position(finding.origin.start).line).trim().to_owned();
        format!("{} {} {line}", finding.rule.code, finding.severity)
    };
    checked.findings.iter().map(line).collect()
}

#[test]
fn equal_priorities_that_agree_or_never_meet_are_fine() {
    let accept = policy("a", "Admin", 5, &from("Accept", "front", ""));
    let deny = policy("b", "Admin", 5, &from("Deny", "front", ""));
    assert_eq!(found(&[PODS, &accept, &deny]), ["RF601 error priority: 5"]);
    let same = policy("b", "Admin", 5, &from("Accept", "front", "8080"));
    assert!(!found(&[PODS, &accept, &same]).iter().any(|line| line.starts_with("RF601")));
    // Other ports, another tier, another priority.
    let web = policy("a", "Admin", 5, &from("Accept", "front", "80"));
    let ssh = policy("b", "Admin", 5, &from("Deny", "front", "22"));
    assert!(found(&[PODS, &web, &ssh]).is_empty());
    let baseline = policy("b", "Baseline", 5, &from("Deny", "elsewhere", ""));
    assert!(!found(&[PODS, &accept, &baseline]).iter().any(|line| line.starts_with("RF601")));
    // An earlier priority decides.
    let first = policy("c", "Admin", 1, &from("Deny", "front", ""));
    let lines = found(&[PODS, &accept, &deny, &first]);
    assert!(!lines.iter().any(|line| line.starts_with("RF601")), "{lines:?}");
    // Nobody to disagree about.
    assert!(found(&[&accept, &deny]).is_empty());
}

#[test]
fn an_audit_policy_disagrees_with_nobody() {
    let accept = policy("a", "Admin", 5, &from("Accept", "front", ""));
    let deny = policy("b", "Admin", 5, &from("Deny", "front", ""))
        .replace("{name: b}", "{name: b, annotations: {ringfence.dev/audit: \"true\"}}");
    assert!(found(&[PODS, &accept, &deny]).is_empty());
}

#[test]
fn a_rule_behind_others_is_never_reached() {
    let both = from("Accept", "front", "") + &from("Deny", "front", "22");
    assert_eq!(found(&[PODS, &policy("a", "Admin", 5, &both)]), ["RF602 warning - action: Deny"]);
    let other = from("Deny", "front", "22") + &from("Accept", "front", "");
    assert!(found(&[PODS, &policy("a", "Admin", 5, &other)]).is_empty());
    let alike = from("Deny", "front", "") + &from("Deny", "front", "22");
    assert_eq!(found(&[PODS, &policy("a", "Admin", 5, &alike)]), ["RF602 info - action: Deny"]);
}

#[test]
fn a_rule_for_the_rest_is_not_never_reached() {
    // Only `front` and `shop` are given, and both are decided about before.
    let rules = from("Accept", "front", "") + &from("Accept", "shop", "") + EVERYBODY;
    assert!(found(&[PODS, &policy("a", "Admin", 5, &rules)]).is_empty());
    let rules = format!("{EVERYBODY}{}", from("Accept", "front", ""));
    assert_eq!(found(&[PODS, &policy("a", "Admin", 5, &rules)]), ["RF602 warning - action: Accept"]);
    // Nobody gave the pods of `elsewhere`.
    let rules = from("Accept", "elsewhere", "") + &from("Deny", "elsewhere", "");
    assert!(found(&[PODS, &policy("a", "Admin", 5, &rules)]).is_empty());
}

#[test]
fn a_pass_needs_somebody_behind_it() {
    let rules = from("Pass", "front", "") + EVERYBODY;
    let passing = policy("a", "Admin", 5, &rules);
    assert!(found(&[PODS, &passing]).is_empty(), "policies may be elsewhere");
    let elsewhere = ISOLATED.replace("shop", "front");
    assert_eq!(found(&[PODS, &passing, &elsewhere]), ["RF603 warning - action: Pass"]);
    assert!(found(&[PODS, &passing, ISOLATED]).is_empty());
    let baseline = policy("b", "Baseline", 5, EVERYBODY);
    assert!(found(&[PODS, &passing, &baseline]).is_empty());
    let alone = policy("a", "Admin", 5, &from("Pass", "front", ""));
    assert_eq!(found(&[PODS, &alone, &elsewhere]), ["RF603 info - action: Pass"]);
}

#[test]
fn a_baseline_denial_is_in_force_until_somebody_allows() {
    let denial = policy("b", "Baseline", 5, &from("Deny", "front", ""));
    assert!(found(&[PODS, &denial, ISOLATED]).is_empty(), "it is denied all the same");
    let allowing = ISOLATED.to_owned() + "  ingress: [{from: [{namespaceSelector: {}}]}]\n";
    assert_eq!(found(&[PODS, &denial, &allowing]), ["RF604 warning - action: Deny"]);
    let of_one = allowing.replace("podSelector: {}\n  pol", "podSelector: {matchLabels: {app: api}}\n  pol");
    assert_eq!(found(&[PODS, &denial, &of_one]), ["RF604 info - action: Deny"]);
    let default = policy("b", "Baseline", 5, EVERYBODY);
    assert!(found(&[PODS, &default, &allowing]).is_empty(), "a default is to be lifted");
}

#[test]
fn an_accept_of_everybody_undoes_default_denies() {
    let open = policy("a", "Admin", 5, "- action: Accept\n  from: [{namespaces: {}}]\n");
    assert_eq!(found(&[PODS, &open, ISOLATED]), ["RF605 warning - action: Accept"]);
    assert!(found(&[PODS, &open]).is_empty());
    let port = "- action: Accept\n  from: [{namespaces: {}}]\n  protocols: [{tcp: {destinationPort: {number: 9090}}}]\n";
    assert!(found(&[PODS, &policy("a", "Admin", 5, port), ISOLATED]).is_empty());
    let elsewhere = ISOLATED.replace("shop", "front");
    assert!(found(&[PODS, &open, &elsewhere]).is_empty());
}

#[test]
fn what_takes_in_the_system_depends_on_what_is_known() {
    let of = |subject: &str| {
        let text = policy("a", "Admin", 5, EVERYBODY);
        text.replace("matchLabels: {kubernetes.io/metadata.name: shop}\n", &format!("{subject}\n"))
    };
    let not = |key: &str, value: &str| {
        of(&format!("matchExpressions: [{{key: {key}, operator: NotIn, values: [{value}]}}]"))
    };
    assert!(found(&[PODS, &not("kubernetes.io/metadata.name", "kube-system")]).is_empty());
    assert_eq!(found(&[PODS, &not("kubernetes.io/metadata.name", "shop")]), ["RF607 warning - action: Deny"]);
    let unknown = not("team", "platform");
    assert!(found(&[PODS, &unknown]).is_empty(), "labels of the namespace are not known");
    let system = |labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: kube-system, labels: {{{labels}}}}}\n"
        )
    };
    assert!(found(&[PODS, &unknown, &system("team: platform")]).is_empty());
    assert_eq!(found(&[PODS, &unknown, &system("team: x")]), ["RF607 warning - action: Deny"]);
}

#[test]
fn versions_of_the_api_are_mixed_within_a_tier() {
    let new = policy("a", "Admin", 5, &from("Accept", "front", ""));
    let old = "---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: old}
spec:
  priority: 5
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress:
    - action: Deny
      from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: front}}}]
";
    let lines = found(&[PODS, &new, old]);
    assert_eq!(lines, ["RF606 warning metadata: {name: old}"], "and no word about their order");
    let baseline = policy("a", "Baseline", 5, &from("Accept", "shop", ""));
    assert!(found(&[PODS, &baseline, old]).is_empty());
}
