//! Awkward inputs for the rules about hygiene.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Input, Settings, check};

fn found(text: &str, settings: &str) -> Vec<String> {
    let mut settings = Settings::parse("ringfence.toml", settings).unwrap();
    if settings.select.is_empty() {
        settings.select = vec!["RF8".to_owned()];
        settings.ignore =
            vec!["RF801".to_owned(), "RF802".to_owned(), "RF803".to_owned(), "RF804".to_owned()];
    }
    let text = ringfence_manifest::Input { name: "a.yaml".to_owned(), text: text.to_owned() };
    let input = Input::read(vec![text], &settings);
    let sources = &input.compiled.cluster().sources;
    let line = |finding: &ringfence_lint::Finding| {
        let line = sources.position(finding.origin).unwrap().line;
        format!("{line} {} {}", finding.rule.code, finding.severity)
    };
    check(&input, &settings).findings.iter().map(line).collect()
}

/// A NetworkPolicy with a name and the rest of its spec.
fn policy(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n"
    )
}

const TEMPLATE: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api-service-policy
  namespace: production
  annotations:
    description: \"Controls traffic for the API service\"
    owner: \"platform-team\"
    last-reviewed: \"2026-01-24\"
spec:
  podSelector:
    matchLabels:
      app: api
";

#[test]
fn the_guides_template_is_content() {
    let all = "select = [\"RF8\", \"RF801\", \"RF802\", \"RF803\", \"RF804\"]\n[hygiene]\nreviewed-since = \"2026-01-01\"\n";
    assert!(found(TEMPLATE, all).is_empty());
    assert_eq!(found(TEMPLATE, &all.replace("2026-01-01", "2026-02-01")), ["9 RF804 warning"]);
    assert_eq!(found(&TEMPLATE.replace("platform-team", " "), all), ["8 RF801 warning"]);
    assert_eq!(found(&TEMPLATE.replace("2026-01-24", "2026-02-30"), all), ["9 RF803 warning"]);
    assert_eq!(found(&TEMPLATE.replace("description", "note"), all), ["6 RF802 warning"]);
    let renamed = all.to_owned() + "reason = \"note\"\n";
    assert!(found(&TEMPLATE.replace("description", "note"), &renamed).is_empty());
}

#[test]
fn annotations_are_asked_for_only_where_they_are_wanted() {
    let text = policy("name: a, namespace: shop", "podSelector: {}");
    let settings = Settings::default();
    let text = vec![ringfence_manifest::Input { name: "a.yaml".to_owned(), text }];
    let input = Input::read(text, &settings);
    assert!(check(&input, &settings).findings.iter().all(|finding| !finding.rule.code.starts_with("RF80")));
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    for (wrong, says) in [
        ("reviewed-since = \"24.1.2026\"", "is no date"),
        ("name-pattern = \"(\"", "is no regular expression"),
    ] {
        let (mistakes, _) = Settings::parse("x", &format!("[hygiene]\n{wrong}\n")).unwrap_err();
        assert!(mistakes[0].message.contains(says), "{}", mistakes[0].message);
    }
}

#[test]
fn a_pattern_is_about_the_whole_name() {
    let text = policy("name: not-allow-dns, namespace: shop", "podSelector: {}");
    let settings = |pattern: &str| format!("select = [\"RF805\"]\n[hygiene]\nname-pattern = \"{pattern}\"\n");
    assert_eq!(found(&text, &settings("allow-[a-z]+|deny-[a-z]+")), ["3 RF805 warning"]);
    assert!(found(&text, &settings("[a-z-]+")).is_empty());
}

#[test]
fn names_contradict_in_clear_cases_only() {
    let named = |name: &str, spec: &str| found(&policy(&format!("name: {name}, namespace: shop"), spec), "");
    let ingress = "podSelector: {}, policyTypes: [Ingress]";
    let egress = "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443}]}]";
    assert_eq!(named("deny-all-egress", ingress), ["3 RF806 warning"]);
    assert!(named("deny-all-ingress", ingress).is_empty());
    assert!(named("deny-ingress-and-egress", ingress).is_empty());
    assert!(named("deny-all", ingress).is_empty());
    assert!(named("allow-egress", ingress).is_empty());
    assert_eq!(named("allow-dns", egress), ["3 RF806 warning"]);
    assert!(named("allow-dns", &egress.replace("443", "dns-tcp")).is_empty());
    assert!(named("allow-dns", &egress.replace("443", "1, endPort: 100")).is_empty());
    assert!(named("allow-dns", &egress.replace(", ports: [{port: 443}]", "")).is_empty());
    assert!(named("allow-dns", ingress).is_empty(), "it has no rules");
}

#[test]
fn objects_given_twice_are_errors_if_they_are_policies_that_differ() {
    let a = policy("name: a, namespace: shop", "podSelector: {}");
    let b = policy("name: a, namespace: shop", "podSelector: {}, policyTypes: [Egress]");
    assert_eq!(found(&format!("{a}---\n{b}"), ""), ["8 RF808 error"]);
    assert_eq!(found(&format!("{a}---\n{a}"), ""), ["8 RF808 warning"]);
    let namespace = |label: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{team: {label}}}}}\n")
    };
    assert_eq!(found(&format!("{}---\n{}", namespace("a"), namespace("b")), ""), ["7 RF808 warning"]);
}

#[test]
fn gone_versions_are_errors_and_a_policy_is_repaired() {
    let text = policy("name: a, namespace: shop", "podSelector: {}")
        .replace("networking.k8s.io/v1", "extensions/v1beta1");
    assert_eq!(found(&text, ""), ["1 RF807 error"]);
    let settings = Settings::default();
    let input =
        Input::read(vec![ringfence_manifest::Input { name: "a".to_owned(), text: text.clone() }], &settings);
    let checked = check(&input, &settings);
    let finding = checked.findings.iter().find(|finding| finding.rule.code == "RF807").unwrap();
    let edits = &finding.fix.as_ref().unwrap().edits;
    let repaired = ringfence_manifest::edit::apply(&text, edits).unwrap();
    assert!(repaired.starts_with("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"), "{repaired}");
    assert!(found(&repaired, "").is_empty());
    let ingress =
        "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\nspec: {}\n";
    assert_eq!(found(ingress, ""), ["1 RF807 error"]);
}

#[test]
fn a_namespace_is_missed_only_where_it_is_known() {
    let object = |kind: &str, namespace: &str| {
        let namespace =
            if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
        format!(
            "---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: api{namespace}, labels: {{app: api}}}}\n"
        )
    };
    let account = |namespace: &str| object("ServiceAccount", namespace);
    let policy = policy("name: a", "podSelector: {matchLabels: {app: api}}");
    assert!(found(&policy, "").is_empty());
    assert_eq!(found(&format!("{policy}{}", account("shop")), ""), ["3 RF809 warning"]);
    assert!(found(&format!("{policy}{}", account("")), "").is_empty(), "neither has one");
    assert!(
        found(&format!("{policy}{}{}", account("shop"), account("front")), "").is_empty(),
        "either may be meant"
    );
    let stated = "[cluster]\nnamespace = \"shop\"\n";
    assert!(found(&format!("{policy}{}", account("shop")), stated).is_empty());
    // RF112 knows that its pods are elsewhere, and says so as an error.
    assert!(found(&format!("{policy}{}", object("Pod", "shop")), "").is_empty());
    let cilium = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\nspec: {endpointSelector: {matchLabels: {app: api}}, ingress: [{}]}\n";
    assert_eq!(found(&format!("{cilium}{}", account("shop")), ""), ["3 RF809 warning"]);
}
