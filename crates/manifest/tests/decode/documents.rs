//! Documents: lists, JSON, and texts that are no manifests.

use ringfence_manifest::{Input, Options, read};
use ringfence_model::diagnostic::Severity;

use super::{check, clean, findings, load, load_as};

#[test]
fn documents_that_are_no_manifests() {
    check(
        r#"
apiVersion: v1
kind: NetworkPolicy
metadata: {name: x}
---
apiVersion: apps/v1
kind: Deploymnet
---
metadata: {name: a}
spec: {}
---
kind: Service
metadata: {name: a}
---
foo: bar
---
- 1
---
a: [
"#,
        r#"
1:13 error unknown-api-version: there is no NetworkPolicy in `v1` | a NetworkPolicy is in `networking.k8s.io/v1`
6:7 error unknown-kind: there is no kind `Deploymnet` in `apps/v1` | did you mean `Deployment`?
8:1 error missing-field: this object has no `apiVersion` and no `kind` | both are required here
11:1 error missing-field: this object has no `apiVersion` | `apiVersion` is required here
14:1 warning not-a-manifest: this document is not a Kubernetes object | a manifest has `apiVersion` and `kind`
16:3 warning not-a-manifest: this document is not a Kubernetes object | a manifest has `apiVersion` and `kind`
19:1 error syntax: brackets or commas do not match here"#,
    );
}

#[test]
fn templates_are_recognised() {
    for text in [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: '{{ .Release.Name }}'}\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {b: \"{{ index .x \"y\" }}\"}}\n",
        "{{- if .Values.enabled }}\napiVersion: v1\nkind: Service\n{{- end }}\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ include \"x\" . }}\n---\nname: {{ .Values.x }}\n",
    ] {
        let loaded = load_as("templates/a.yaml", text);
        assert_eq!(loaded.diagnostics.len(), 1, "{}", findings(&loaded));
        let found = &loaded.diagnostics[0];
        assert_eq!(found.code, "helm-template", "{text}");
        assert_eq!(
            found.help.as_deref(),
            Some("pipe the rendered manifests: `helm template . | ringfence ... -`")
        );
    }
    let alert =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: '{{ $labels.pod }} is down'}\n";
    assert_eq!(findings(&load(alert)), "");
}

#[test]
fn a_kustomization_says_which_command_to_pipe() {
    for (name, text, directory) in [
        ("overlays/prod/kustomization.yaml", "resources: [../base]\n", "overlays/prod"),
        ("kustomization.yml", "resources: []\n", "."),
        ("x/k.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "x"),
    ] {
        let loaded = load_as(name, text);
        assert_eq!(loaded.diagnostics.len(), 1);
        assert_eq!(loaded.diagnostics[0].code, "kustomization");
        let help = format!("pipe its result: `kubectl kustomize {directory} | ringfence ... -`");
        assert_eq!(loaded.diagnostics[0].help.as_deref(), Some(&*help));
    }
    // What Flux calls a Kustomization is an ordinary object.
    let flux = load("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n");
    assert_eq!(findings(&flux), "");
    assert_eq!(flux.ignored.get("kustomize.toolkit.fluxcd.io/v1/Kustomization"), Some(&1));
}

#[test]
fn ordinary_yaml_is_one_note() {
    for (name, text) in [
        ("docker-compose.yaml", "version: '3'\nservices: {}\n---\nmore: 1\n"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\ntype: application\n"),
        ("chart/values-prod.yaml", "kind: Deployment\nspec: {}\n"),
        ("list.json", "[1, 2]"),
        ("text.yaml", "just text"),
    ] {
        let loaded = load_as(name, text);
        let found = findings(&loaded);
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(
            found.contains(" note not-a-manifest: this text is not a Kubernetes manifest; it is ignored")
        );
    }
}

#[test]
fn one_broken_document_hides_nothing_else() {
    let loaded = load("kind: [\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nx: [\n");
    assert_eq!(loaded.cluster.namespaces.len(), 1);
    assert_eq!(loaded.diagnostics.iter().filter(|found| found.code == "syntax").count(), 2);
}

#[test]
fn lists_and_json_are_read() {
    let loaded = clean(
        r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "p", "namespace": "a"}}]},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
        ]}"#,
    );
    assert_eq!(loaded.cluster.namespaces.len(), 1);
    assert_eq!(loaded.cluster.pods.len(), 1);
    assert_eq!(loaded.objects, 3);
    assert_eq!(loaded.ignored.len(), 1);
}

#[test]
fn a_broken_file_of_another_tool_is_a_warning_among_manifests() {
    let manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    let severity = |texts: &[&str]| {
        let inputs =
            texts.iter().map(|text| Input { name: "a.yaml".to_owned(), text: (*text).to_owned() }).collect();
        let loaded = read(inputs, &Options::default());
        loaded.diagnostics.iter().find(|found| found.code == "syntax").map(|found| found.severity)
    };
    let broken = "markdown_extensions: !!python/name:material.emoji\n";
    assert_eq!(severity(&[manifest, broken]), Some(Severity::Warning));
    assert_eq!(severity(&[broken]), Some(Severity::Error));
    assert_eq!(severity(&[manifest, "apiVersion: [\n"]), Some(Severity::Error));
    assert_eq!(severity(&[&format!("{manifest}---\nx: [\n")]), Some(Severity::Error));
}
