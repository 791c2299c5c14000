//! One mistake is one finding: what comes of it is told with it, and only where that is proved.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringfence_lint::{Checked, Input, Settings, Severity, check, fix};

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: front}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: registry.example.com/web:1, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: registry.example.com/api:1, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: proxy, namespace: front, labels: {app: proxy}}
spec: {containers: [{name: proxy, image: registry.example.com/proxy:1, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-dns, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-to-api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {app: api}}}]
      ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api-from-web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 8080}]
";

fn text(manifests: &str) -> ringfence_manifest::Input {
    ringfence_manifest::Input { name: "shop.yaml".to_owned(), text: manifests.trim_start().to_owned() }
}

fn checked(manifests: &str, toml: &str) -> Checked {
    let settings = Settings::parse("ringfence.toml", toml).unwrap();
    check(&Input::read(vec![text(manifests)], &settings), &settings)
}

/// `CODE severity` of all but the notes.
fn found(manifests: &str, toml: &str) -> Vec<String> {
    let findings = checked(manifests, toml).findings;
    let of_note = findings.iter().filter(|finding| finding.severity > Severity::Info);
    of_note.map(|finding| format!("{} {}", finding.rule.code, finding.severity)).collect()
}

fn edited(from: &str, to: &str) -> String {
    assert!(SHOP.contains(from), "{from}");
    SHOP.replacen(from, to, 1)
}

fn wrong_subject() -> String {
    edited(
        "api-from-web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: api}}",
        "api-from-web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: apis}}",
    )
}

#[test]
fn what_is_right_has_no_consequences() {
    assert!(found(SHOP, "").is_empty(), "{:?}", found(SHOP, ""));
}

#[test]
fn a_subject_is_told_with_the_connection_that_it_cuts() {
    let manifests = wrong_subject();
    let checked = checked(&manifests, "ignore = [\"RF409\", \"RF501\"]");
    let [finding] = checked.findings.as_slice() else { panic!("{}", checked.findings.len()) };
    assert_eq!((finding.rule.code, finding.severity), ("RF101", Severity::Error));
    assert!(finding.related.iter().any(|related| related.message.starts_with("so `shop/web-to-api`")));
    let planned = fix::plan(&[text(&manifests)], &Settings::default());
    assert_eq!((planned.checked.count(Severity::Error), planned.refused.len()), (0, 0));
    assert_eq!(planned.files[0].new, text(SHOP).text);
}

#[test]
fn without_the_cause_the_consequence_is_reported_itself() {
    let manifests = wrong_subject();
    assert_eq!(found(&manifests, "ignore = [\"RF101\"]"), ["RF304 error"]);
    let commented =
        manifests.replace("{app: apis}}", "{app: apis}} # ringfence: ignore[RF101] not there yet");
    assert_eq!(found(&commented, ""), ["RF304 error"]);
    assert_eq!(found(&manifests, "select = [\"RF3\"]"), ["RF304 error"]);
}

#[test]
fn a_stated_severity_is_kept() {
    assert_eq!(found(&wrong_subject(), "[severity]\nRF101 = \"warning\""), ["RF101 warning"]);
}

#[test]
fn other_causes_are_told_the_same_way() {
    let from_web = "- from: [{podSelector: {matchLabels: {app: web}}}]";
    for (from, to, code) in [
        ("api-from-web, namespace: shop", "api-from-web, namespace: front", "RF112"),
        (from_web, "- from: [{podSelector: {matchLabels: {app: wep}}}]", "RF102"),
        (from_web, "- from: [{podSelector: {matchLabels: {name: web}}}]", "RF102"),
        (
            from_web,
            "- from: [{namespaceSelector: {matchLabels: {name: shop}}, podSelector: {matchLabels: {app: web}}}]",
            "RF103",
        ),
        (
            "policyTypes: [Ingress]\n  ingress:",
            "policyTypes: [Egress]\n  egress: [{ports: [{port: 53}]}]\n  ingress:",
            "RF503",
        ),
    ] {
        assert_eq!(found(&edited(from, to), ""), [format!("{code} error")], "{to}");
    }
}

#[test]
fn a_guess_that_nothing_bears_out_is_no_repair() {
    // The connection is cut at the other end too, so the label is not what matters.
    let manifests = wrong_subject().replace("- to: [{podSelector: {matchLabels: {app: api}}}]", "- to: []");
    let checked = checked(&manifests, "");
    let finding = checked.findings.iter().find(|finding| finding.rule.code == "RF101").unwrap();
    assert_eq!((finding.severity, finding.fix.is_none()), (Severity::Warning, true));
}

#[test]
fn what_stays_after_the_repair_is_reported_without_what_goes() {
    // `web` asks for a label that the resolver's namespace does not have; `api` has no rule at all.
    let resolver = "
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: registry.k8s.io/coredns/coredns:v1.11.1, ports: [{containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api-to-web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {app: web}}}]
";
    let dns = "podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - ports:";
    let narrow = "podSelector: {matchLabels: {app: web}}\n  policyTypes: [Egress]\n  egress:\n    - to: [{namespaceSelector: {matchLabels: {name: kube-system}}}]\n      ports:";
    let manifests = edited(dns, narrow) + resolver;
    let checked = checked(&manifests, "select = [\"RF103\", \"RF301\"]");
    let messages: Vec<&str> = checked.findings.iter().map(|finding| &*finding.message).collect();
    assert!(messages.iter().any(|message| message.contains("selects no namespace")), "{messages:?}");
    let dns = checked.findings.iter().find(|finding| finding.rule.code == "RF301").unwrap();
    assert!(dns.message.contains("cuts `shop/api` off"), "{}", dns.message);
    // Its repair is one of the text as it stands.
    let edits = &dns.fix.as_ref().unwrap().edits;
    ringfence_manifest::edit::apply(&text(&manifests).text, edits).unwrap();
}
