//! Suppressions: where they reach, what they leave, and what is said about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Checked, Input, Settings, check};

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress:
    - to:
        - podSelector: {}
";

/// What the rules about suppressions, RF503 and RF001 to RF003 find, and what is suppressed, one line each.
fn lines_with(texts: &[(&str, &str)], settings: &str) -> Vec<String> {
    let mut settings = Settings::parse("ringfence.toml", settings).unwrap();
    if settings.select.is_empty() {
        settings.select = vec!["RF0".to_owned(), "RF503".to_owned()];
    }
    let texts = texts
        .iter()
        .map(|(name, text)| ringfence_manifest::Input { name: (*name).to_owned(), text: (*text).to_owned() });
    let input = Input::read(texts.collect(), &settings);
    let Checked { findings, suppressed, .. } = check(&input, &settings);
    let sources = &input.compiled.cluster().sources;
    let place = |origin| sources.place(origin).unwrap_or_default();
    let found = findings.iter().map(|one| format!("{} {}", place(one.origin), one.rule.code));
    let hidden =
        suppressed.iter().map(|(one, reason)| format!("{} {} ({reason})", place(one.origin), one.rule.code));
    found.chain(hidden).collect()
}

fn lines(text: &str) -> Vec<String> {
    lines_with(&[("a.yaml", text)], "")
}

#[test]
fn a_comment_behind_the_line_suppresses_what_begins_there() {
    let text = POLICY.replace("  egress:\n", "  egress: # ringfence: ignore[RF503] later\n");
    assert_eq!(lines(&text), ["a.yaml:9 RF503 (later)"]);
    // One line off.
    let text = POLICY.replace("[Ingress]\n", "[Ingress] # ringfence: ignore[RF503] later\n");
    assert_eq!(lines(&text), ["a.yaml:8 RF010", "a.yaml:9 RF503"]);
}

#[test]
fn a_comment_alone_suppresses_in_the_next_entry() {
    let text =
        POLICY.replace("  egress:\n", "  # ringfence: ignore[policy-types-omit-rules] later\n\n  egress:\n");
    assert_eq!(lines(&text), ["a.yaml:11 RF503 (later)"]);
    let text = POLICY.replace("spec:\n", "# ringfence: ignore[RF5] later\nspec:\n");
    assert_eq!(lines(&text), ["a.yaml:10 RF503 (later)"]);
    let text = POLICY
        .replace("  podSelector: {}\n  pol", "  # ringfence: ignore[RF503] later\n  podSelector: {}\n  pol");
    assert_eq!(lines(&text), ["a.yaml:7 RF010", "a.yaml:10 RF503"]);
}

#[test]
fn a_comment_before_everything_suppresses_in_its_document_only() {
    let text =
        format!("# ringfence: ignore[ALL] later\n{POLICY}---\n{}", POLICY.replace("name: api", "name: b"));
    assert_eq!(lines(&text), ["a.yaml:22 RF503", "a.yaml:10 RF503 (later)"]);
}

#[test]
fn an_item_of_a_list_is_suppressed_alone() {
    let item = |name: &str| {
        let inner = POLICY.replace("name: api", &format!("name: {name}")).replace('\n', "\n    ");
        format!("  - {}", inner.trim_end_matches(' '))
    };
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("a"), item("b"));
    let text = list.replacen("  - api", "  # ringfence: ignore[RF503] later\n  - api", 1);
    assert_eq!(lines(&text), ["a.yaml:24 RF503", "a.yaml:13 RF503 (later)"]);
}

#[test]
fn an_annotation_suppresses_in_its_object() {
    let annotated = |value: &str| {
        POLICY.replace("spec:\n", &format!("  annotations:\n    ringfence.dev/ignore: {value}\nspec:\n"))
    };
    assert_eq!(lines(&annotated("RF503 later")), ["a.yaml:11 RF503 (later)"]);
    assert_eq!(
        lines(&annotated("'RF002 no; RF503, RF001: later'")),
        ["a.yaml:7 RF010", "a.yaml:7 RF010", "a.yaml:11 RF503 (later)"]
    );
    assert_eq!(lines(&annotated("RF503")), ["a.yaml:7 RF011", "a.yaml:11 RF503 ()"]);
    assert_eq!(lines(&annotated("RF999 x")), ["a.yaml:7 RF012", "a.yaml:11 RF503"]);
    assert_eq!(lines(&annotated("';'")), ["a.yaml:7 RF013", "a.yaml:11 RF503"]);
    let json = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
 "metadata": {"name": "a", "namespace": "shop", "annotations": {"ringfence.dev/ignore": "RF503 later"}},
 "spec": {"podSelector": {}, "policyTypes": ["Ingress"],
  "egress": [{}]}}"#;
    assert_eq!(lines_with(&[("a.json", json)], ""), ["a.json:4 RF503 (later)"]);
}

#[test]
fn the_narrowest_reason_is_given_and_all_are_used() {
    let text = POLICY.replace("  egress:\n", "  egress: # ringfence: ignore[RF503] here\n");
    let text = format!("# ringfence: ignore[RF503] everywhere\n{text}");
    assert_eq!(lines(&text), ["a.yaml:10 RF503 (here)"]);
}

#[test]
fn suppressions_do_not_hide_themselves() {
    let text = format!("# ringfence: ignore[RF010,RF011]\n{POLICY}");
    assert_eq!(lines(&text), ["a.yaml:1 RF011", "a.yaml:1 RF010", "a.yaml:1 RF010", "a.yaml:10 RF503"]);
    assert_eq!(lines_with(&[("a.yaml", &text)], "ignore = [\"RF01\"]").len(), 1, "settings can");
}

#[test]
fn what_does_not_run_is_not_unused() {
    let text = format!("# ringfence: ignore[RF503] later\n{}", POLICY.replace("[Ingress]", "[Egress]"));
    let run = |select: &str| lines_with(&[("a.yaml", &text)], &format!("select = [{select}]"));
    assert!(run("\"RF0\"").is_empty());
    assert_eq!(run("\"RF0\", \"RF503\""), ["a.yaml:1 RF010"]);
}

#[test]
fn settings_ignore_rules_in_some_files() {
    let texts = [("legacy/a/b.yaml", POLICY), ("new/c.yaml", &POLICY.replace("name: api", "name: b"))];
    let settings = "[[per-path]]\npath = \"legacy/**\"\nignore = [\"RF503\"]\n";
    let found = lines_with(&texts, settings);
    assert_eq!(found[0], "new/c.yaml:9 RF503");
    assert_eq!(found[1], "legacy/a/b.yaml:9 RF503 (the settings ignore it in `legacy/**`)");
    let (mistakes, _) = Settings::parse("x", "[[per-path]]\npath = \"a[\"\nignore = []\n").unwrap_err();
    assert!(mistakes[0].message.contains("no pattern of paths"), "{}", mistakes[0].message);
}

#[test]
fn an_unreadable_document_is_found_and_the_others_are_checked() {
    let text = format!("# ringfence: ignore[RF001] no\na: [\napiVersion: v1\n---\n{POLICY}");
    let found = lines(&text);
    assert!(found[0].ends_with("RF001") && found[1].ends_with("RF503"), "{found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn a_diagnostic_is_said_once() {
    let text = POLICY
        .replace("  policyTypes: [Ingress]\n", "")
        .replace("egress:\n    - to:\n        - podSelector: {}", "egress: []");
    assert_eq!(lines(&text), ["a.yaml:8 RF003"], "no other rule says so");
    assert_eq!(lines(POLICY), ["a.yaml:9 RF503"]);
}
