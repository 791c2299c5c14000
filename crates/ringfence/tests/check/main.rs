//! `ringfence check` from the outside. In: manifests with and without faults, settings, baselines. Out: exit codes, and what
//! is found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fix;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, path::Path};

use ringfence_lint::rules;
use support::{Run, ringfence, ringfence_in};
use tempfile::TempDir;

/// Its egress rules have no effect (RF503).
const FAULTY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress:
    - to: [{podSelector: {matchLabels: {app: db}}}]
";

fn faulty(name: &str) -> String {
    FAULTY.replace("NAME", name)
}

/// A directory that is a repository, with these files.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".git")).unwrap();
    for (name, text) in files {
        write(&directory, name, text);
    }
    directory
}

fn write(directory: &TempDir, name: &str, text: &str) {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs `check` with one rule, unless the arguments say otherwise.
fn check(directory: &TempDir, arguments: &[&str]) -> Run {
    check_in(directory.path(), arguments)
}

fn check_in(directory: &Path, arguments: &[&str]) -> Run {
    ringfence_in(directory, &[&["check"], arguments].concat(), "")
}

const ONLY: &str = "--select=RF503";

fn last_line(run: &Run) -> &str {
    run.out.lines().last().unwrap_or_default()
}

#[test]
fn exit_codes_say_whether_something_fails() {
    let directory = repository(&[("a.yaml", &faulty("api"))]);
    let run = check(&directory, &[".", ONLY]);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    assert_eq!(last_line(&run), "1 error in 1 policy, 1 object; 1 can be fixed with --fix");
    assert_eq!(check(&directory, &[".", "--select=RF001"]).code, 0);
    write(&directory, "mild.toml", "select = [\"RF503\"]\n[severity]\nRF503 = \"warning\"\n");
    assert_eq!(check(&directory, &[".", "--config=mild.toml"]).code, 0);
    assert_eq!(check(&directory, &[".", "--config=mild.toml", "--severity=warning"]).code, 1);
    assert_eq!(check(&directory, &[".", "--config=mild.toml", "--severity=info"]).code, 1);
}

#[test]
fn what_cannot_be_read_ends_in_2_and_the_rest_is_checked() {
    for (name, text) in [
        ("broken.yaml", "apiVersion: v1\nkind: [Pod,\n"),
        ("chart.yaml", "apiVersion: v1\nkind: {{ .Values.kind }}\n"),
    ] {
        let directory = repository(&[("a.yaml", &faulty("api")), (name, text)]);
        for rules in [ONLY, "--select=RF503,RF001"] {
            let run = check(&directory, &[".", rules]);
            assert_eq!(run.code, 2, "{name}: {}", run.out);
            assert!(run.out.contains("RF503"), "{name}: {}", run.out);
            let said =
                [&run.err, &run.out].iter().filter(|said| said.contains(&format!("--> {name}:"))).count();
            assert_eq!(said, 1, "{name}: once, by the rule or else as an error: {} {}", run.out, run.err);
        }
    }
    let directory = repository(&[("a.yaml", &faulty("api"))]);
    let run = check(&directory, &[".", "no-such.yaml", ONLY]);
    assert_eq!(run.code, 2);
    assert!(run.out.contains("RF503") && run.err.contains("`no-such.yaml`"));
    assert_eq!(check(&directory, &["no-such.yaml"]).code, 2);
}

#[test]
fn a_rejected_policy_is_a_finding() {
    let rejected = faulty("api").replace("policyTypes: [Ingress]", "policyTypes: [Sideways]");
    let directory = repository(&[("a.yaml", &rejected)]);
    let run = check(&directory, &["."]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.out.contains("error[RF002]"), "{}", run.out);
    assert_eq!(run.err, "");
}

#[test]
fn what_is_no_manifest_is_no_cluster_without_faults() {
    let directory = repository(&[("values.yaml", "replicas: 1\n"), ("notes.txt", "to do\n"), ("a.yaml", "")]);
    for name in ["values.yaml", "notes.txt", "a.yaml", "."] {
        let run = check(&directory, &[name]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{name}");
        assert!(run.err.contains("the input holds no Kubernetes objects"), "{name}: {}", run.err);
    }
}

#[test]
fn reports_show_no_secrets() {
    let pod = "apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: api, image: api, env: [{name: DB_PASSWORD, value: hunter2}, {name: URL, value: 'postgres://me:s3cret@db/x'}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";
    let directory = repository(&[("a.yaml", pod)]);
    for format in ["text", "json", "sarif", "github", "junit", "md"] {
        let run = check(&directory, &[".", "--format", format]);
        assert!(run.out.contains("RF313"), "{format}: {}", run.out);
        assert!(!run.out.contains("hunter2") && !run.out.contains("s3cret"), "{format}: {}", run.out);
    }
}

#[test]
fn usage_that_makes_no_sense_ends_in_2() {
    let directory = repository(&[("a.yaml", &faulty("api"))]);
    for wrong in [
        &["."; 0][..],
        &[".", "--select=RF999"],
        &[".", "--ignore=policy-types-omits-rules"],
        &[".", "--diff"],
        &[".", "--config=a.toml", "--no-config"],
        &[".", "--config=no-such.toml"],
        &[".", "--baseline=no-such.json"],
        &["-", "--fix"],
    ] {
        let run = check(&directory, wrong);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{wrong:?}");
        assert!(!run.err.is_empty(), "{wrong:?}");
    }
    let near = check(&directory, &[".", "--ignore=policy-types-omits-rules"]).err;
    assert!(near.contains("`RF503` (policy-types-omit-rules)"), "{near}");
}

#[test]
fn settings_are_found_above_the_first_path_up_to_the_repository() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("ringfence.toml"), "ignore = [\"ALL\"]").unwrap();
    let inside = outside.path().join("repository");
    fs::create_dir_all(inside.join(".git")).unwrap();
    fs::create_dir_all(inside.join("deploy/shop")).unwrap();
    fs::write(inside.join("deploy/shop/a.yaml"), faulty("api")).unwrap();
    let code = |directory: &Path, arguments: &[&str]| check_in(directory, arguments).code;
    assert_eq!(code(&inside, &["deploy"]), 1, "a file above the repository is not of it");
    fs::write(inside.join("ringfence.toml"), "ignore = [\"ALL\"]").unwrap();
    assert_eq!(code(&inside, &["deploy/shop/a.yaml"]), 0);
    assert_eq!(code(&inside.join("deploy/shop"), &["."]), 0);
    assert_eq!(code(&inside, &["deploy", "--no-config"]), 1);
    assert_eq!(code(&inside, &["deploy", ONLY]), 1, "what is selected on the command line runs");
    fs::write(inside.join("deploy/ringfence.toml"), "select = [\"RF503\"]").unwrap();
    assert_eq!(code(&inside, &["deploy/shop"]), 1, "the nearest one");
    assert_eq!(code(&inside, &["deploy/shop", "--ignore=RF503"]), 0);
    assert_eq!(code(&inside, &["deploy/shop", "--config=ringfence.toml"]), 0);
}

#[test]
fn paths_in_settings_are_relative_to_their_file() {
    let per_path = "select = [\"RF503\"]\n[[per-path]]\npath = \"legacy/**\"\nignore = [\"RF503\"]\n";
    let directory = repository(&[
        ("deploy/ringfence.toml", per_path),
        ("deploy/legacy/a.yaml", &faulty("old")),
        ("deploy/new/a.yaml", &faulty("new")),
    ]);
    for (place, path) in [(".", "deploy"), ("deploy", "."), ("deploy/legacy", "..")] {
        let run = check_in(&directory.path().join(place), &[path]);
        assert_eq!(
            last_line(&run),
            "1 error in 2 policies, 2 objects; 1 can be fixed with --fix; 1 suppressed",
            "{place}: {}",
            run.out
        );
        assert!(run.out.contains("shop/new"), "{place}: {}", run.out);
    }
}

#[test]
fn mistakes_in_settings_are_shown_where_they_are() {
    let directory = repository(&[("a.yaml", &faulty("api")), ("ringfence.toml", "\nselct = []\n")]);
    let run = check(&directory, &["."]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("--> ringfence.toml:2:1"), "{}", run.err);
}

#[test]
fn a_baseline_lets_old_findings_be() {
    let directory = repository(&[("k8s/a.yaml", &faulty("api")), ("k8s/b.yaml", &faulty("web"))]);
    let run = check(&directory, &["k8s", ONLY, "--write-baseline=ops/known.json"]);
    assert_eq!(run.code, 2, "the directory is not there: {}", run.out);
    fs::create_dir(directory.path().join("ops")).unwrap();
    let run = check(&directory, &["k8s", ONLY, "--write-baseline=ops/known.json"]);
    assert_eq!((run.code, last_line(&run)), (0, "no findings in 2 policies, 2 objects; 2 in the baseline"));
    let written = fs::read_to_string(directory.path().join("ops/known.json")).unwrap();
    insta::assert_snapshot!("baseline", written);

    // Other lines, another style beside it, another working directory, another order.
    let moved = faulty("api").replace("[Ingress]", "\n  - Ingress");
    write(&directory, "k8s/a.yaml", &format!("# why\n\n---\n{moved}"));
    let arguments = ["../k8s/b.yaml", "../k8s/a.yaml", ONLY, "--baseline=known.json"];
    let run = check_in(&directory.path().join("ops"), &arguments);
    assert_eq!((run.code, last_line(&run)), (0, "no findings in 2 policies, 2 objects; 2 in the baseline"));

    // A new one is one, and one that was repaired is gone.
    write(&directory, "k8s/c.yaml", &faulty("new"));
    write(&directory, "k8s/a.yaml", "");
    let run = check(&directory, &["k8s", ONLY, "--baseline=ops/known.json"]);
    let summary = "1 error in 2 policies, 2 objects; 1 can be fixed with --fix; 1 in the baseline; 1 baseline entry is gone: rewrite it";
    assert_eq!((run.code, last_line(&run)), (1, summary));
    assert!(run.out.contains("shop/new") && !run.out.contains("shop/web"), "{}", run.out);

    // Part of the input, or of the rules, says nothing about the rest.
    let run = check(&directory, &["k8s/b.yaml", ONLY, "--baseline=ops/known.json"]);
    assert_eq!(last_line(&run), "no findings in 1 policy, 1 object; 1 in the baseline");
    let run = check(&directory, &["k8s", "--select=RF001", "--baseline=ops/known.json"]);
    assert_eq!(last_line(&run), "no findings in 2 policies, 2 objects");
}

#[test]
fn a_baseline_counts_what_occurs_often() {
    let twice = format!("{}---\n{}", faulty("api"), faulty("api"));
    let directory = repository(&[("a.yaml", &twice)]);
    check(&directory, &["a.yaml", ONLY, "--write-baseline=known.json"]);
    let of = |text: &str| {
        write(&directory, "a.yaml", text);
        let run = check(&directory, &["a.yaml", ONLY, "--baseline=known.json"]);
        (run.code, last_line(&run).split_once("; ").unwrap_or_default().1.to_owned())
    };
    let known = of(&twice).1;
    assert!(known.ends_with("in the baseline"), "{known}");
    assert_eq!(of(&faulty("other")).0, 1);
}

#[test]
fn a_baseline_with_mistakes_is_not_used() {
    let directory = repository(&[("a.yaml", &faulty("api")), ("known.json", "{\"version\": 1}")]);
    let run = check(&directory, &[".", "--baseline=known.json"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("--> known.json:1:"), "{}", run.err);
}

#[test]
fn every_format_comes_out_of_the_command_line() {
    let directory = repository(&[("k8s/a.yaml", &faulty("api"))]);
    let here = directory.path().canonicalize().unwrap();
    for (format, hint) in [
        ("text", "error[RF503]"),
        ("json", "\"rule\": \"RF503\""),
        ("sarif", "\"ruleId\": \"RF503\""),
        ("github", "::error file=k8s/a.yaml,line=7,"),
        ("junit", "<failure "),
        ("md", "| ❌ error | RF503"),
    ] {
        let arguments = ["k8s", ONLY, "--format", format];
        let run = check(&directory, &arguments);
        assert_eq!(run.code, 1);
        assert!(run.out.contains(hint), "{format}: {}", run.out);
        assert!(!run.out.contains(&*here.to_string_lossy()), "{format}: an absolute path: {}", run.out);
        assert_eq!(run.out, check(&directory, &arguments).out, "{format}: the same again");
    }
}

#[test]
fn standard_input_is_checked() {
    let directory = repository(&[]);
    let run = ringfence_in(directory.path(), &["check", "-", ONLY], &faulty("api"));
    assert_eq!(run.code, 1);
    assert!(run.out.contains("--> <stdin>:7:3"), "{}", run.out);
}

#[test]
fn repairs_leave_what_cannot_be_repaired() {
    let text = faulty("api");
    let directory = repository(&[("a.yaml", &text)]);
    let run = check(&directory, &[".", "--select=RF001", "--fix", "--diff"]);
    assert_eq!((run.code, run.out.as_str()), (0, ""));
    assert!(run.err.contains("there is nothing that could be repaired"), "{}", run.err);
    let run = check(&directory, &[".", "--select=RF001", "--fix"]);
    assert_eq!(last_line(&run), "no findings in 1 policy, 1 object; 0 repairs made in 0 files");
    assert_eq!(fs::read_to_string(directory.path().join("a.yaml")).unwrap(), text);
}

#[test]
fn repairs_are_shown_and_then_made_once() {
    let rule = rules::find("peers-or-instead-of-and").unwrap();
    let text = format!("# kept\n{}", rule.bad.manifests.trim_start());
    let directory = repository(&[("k8s/a.yaml", &text)]);
    let only = format!("--select={}", rule.code);
    let now = || fs::read_to_string(directory.path().join("k8s/a.yaml")).unwrap();
    let before = check(&directory, &["k8s", &only]);
    assert!(before.out.contains("can be fixed with --fix"), "{}", before.out);

    let diff = check(&directory, &["k8s", &only, "--fix", "--diff"]);
    assert!(diff.out.starts_with("--- a/k8s/a.yaml\n+++ b/k8s/a.yaml\n@@ "), "{}", diff.out);
    assert!(diff.err.contains("without `--diff` they are made"), "{}", diff.err);
    assert_eq!((diff.code, now()), (before.code, text.clone()), "nothing is changed");

    let made = check(&directory, &["k8s", &only, "--fix"]);
    let repaired = now();
    assert!(made.out.contains(" made in 1 file"), "{}", made.out);
    assert!(repaired != text && repaired.starts_with("# kept\n"), "{repaired}");
    assert_eq!(made.code, 0, "{}", made.out);

    check(&directory, &["k8s", &only, "--fix"]);
    assert_eq!(now(), repaired, "made again, they change nothing");
}

#[test]
fn a_rule_has_a_page_and_unknown_ones_have_neighbours() {
    let by_code = ringfence(&["rule", "rf503"]);
    assert_eq!(by_code.code, 0);
    assert!(by_code.out.starts_with("# RF503 policy-types-omit-rules\n"), "{}", by_code.out);
    assert_eq!(ringfence(&["rule", "policy-types-omit-rules"]).out, by_code.out);
    let unknown = ringfence(&["rule", "policy-type-omits-rules"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("near are `RF503` (policy-types-omit-rules)"), "{}", unknown.err);
}

#[test]
fn rules_are_listed_in_three_formats() {
    for (format, hint) in [
        ("text", "RF503  policy-types-omit-rules"),
        ("json", "\"rule\": \"RF503\""),
        ("md", "| [RF503](RF503.md) policy-types-omit-rules |"),
    ] {
        let run = ringfence(&["rules", "--format", format]);
        assert!(run.code == 0 && run.out.contains(hint), "{format}: {}", run.out);
    }
}

/// An example of the project, from its root.
fn example(path: &str) -> Run {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    check_in(&root, &[path])
}

#[test]
fn a_well_kept_cluster_gets_silence() {
    let run = example("examples/shop");
    assert_eq!((run.code, last_line(&run).starts_with("no findings")), (0, true), "{}", run.out);
}

#[test]
fn the_example_of_a_guide_shows_its_two_faults() {
    let run = example("examples/microsegmentation");
    let codes: Vec<&str> = (run.out.lines())
        .filter(|line| line.starts_with(char::is_alphabetic) && line.contains("[RF"))
        .filter_map(|line| line.split_once(':').map(|(head, _)| head))
        .collect();
    assert_eq!(codes, ["error[RF104]", "error[RF305]"], "{}", run.out);
    assert!(!run.out.contains("the nearest rule"), "{}", run.out);
}
