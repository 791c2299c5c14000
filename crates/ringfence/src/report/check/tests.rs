//! Every format on a small awkward input, and what the formats promise to others: SARIF its schema, all of them the same
//! bytes for the same input.

use std::{path::Path, process::Command};

use ringfence_lint::{
    Checked, Finding, Input, Reason, Settings, Severity, check,
    finding::{Claim, Fix},
    rules,
};
use ringfence_manifest::{self as manifest, edit::Edit};
use ringfence_model::{
    diagnostic::{Diagnostic, Related},
    origin::{Origin, SourceId},
};

use super::{Hidden, Report, github, json, junit, md, sarif, text};

/// Names and texts that every format must escape in its own way.
const POLICIES: &str = "\
# \u{fc}ber all: 100%, <b>::error::</b>
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Ingress]
  egress:
    - to: []
    - to: []
";

fn texts() -> Vec<manifest::Input> {
    let text = |name: &str, text: &str| manifest::Input { name: name.to_owned(), text: text.to_owned() };
    vec![
        text("policies/a b,c:100%.yaml", POLICIES),
        text("web.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"),
    ]
}

fn at(source: u32, needle: &str) -> Origin {
    let start = texts()[source as usize].text.find(needle).unwrap();
    Origin { source: SourceId(source), start: start as u32, end: (start + needle.len()) as u32 }
}

fn finding(code: &str, origin: Origin, message: &str) -> Finding {
    let rule = rules::find(code).unwrap();
    Finding {
        rule,
        severity: rule.severity,
        origin,
        message: message.to_owned(),
        label: None,
        help: None,
        related: Vec::new(),
        fix: None,
        likely_fix: None,
    }
}

fn found() -> Checked {
    let list = Origin { end: at(0, "- to: []\n").end + 13, ..at(0, "- to: []\n") };
    let findings = vec![
        Finding {
            label: Some("the `\u{fc}|ber` has _no_ say, 50% of <it>".to_owned()),
            help: Some("add this policy::\n\napiVersion: v1\nkind: \"```\"\n---\nkind: b".to_owned()),
            related: vec![
                Related { origin: at(0, "[Ingress]"), message: "the directions, `a|b`".to_owned() },
                Related { origin: at(1, "web"), message: "and the namespace".to_owned() },
            ],
            fix: Some(Fix {
                title: "list `Egress`".to_owned(),
                edits: vec![
                    Edit {
                        origin: Origin { start: at(0, "]").start, ..at(0, "]") },
                        replacement: ", Egress]".to_owned(),
                    },
                    Edit { origin: at(1, "web"), replacement: "x".to_owned() },
                ],
                claim: Claim::ChangesNothing,
            }),
            ..finding("RF503", at(0, "egress"), "the egress rules of `shop/api` have\tno effect")
        },
        Finding {
            severity: Severity::Warning,
            help: Some("remove it".to_owned()),
            ..finding("RF503", list, "a mild one, over several lines")
        },
        Finding { severity: Severity::Info, ..finding("RF003", Origin::NONE, "about the input as a whole") },
    ];
    let reason = Reason { text: "agreed on | 2026-01-01".to_owned(), in_source: true };
    let old = finding("RF503", at(0, "[Ingress]"), "an old one");
    Checked {
        findings: findings.into_iter().chain([old]).collect(),
        suppressed: vec![(finding("RF503", at(0, "name: api"), "a suppressed one"), reason)],
    }
}

/// The report of the awkward input.
fn with_report(use_it: impl FnOnce(&Report<'_>)) {
    let input = Input::read(texts(), &Settings::default());
    let checked = found();
    let problems = [Diagnostic::error("unreadable", Origin::NONE, "not allowed to read `c,d.yaml`")];
    let mut report = Report::new(&input, &checked, &problems, Severity::Error);
    report.hide(|reported| (reported.finding.message == "an old one").then_some(Hidden::Baseline));
    report.gone = 3;
    use_it(&report);
}

type Write = fn(&Report<'_>, &mut dyn std::io::Write) -> std::io::Result<()>;

fn written(report: &Report<'_>, write: Write) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

#[test]
fn every_format_shows_all_of_it() {
    let formats: [(&str, Write); 5] = [
        ("text", text::write),
        ("json", json::write),
        ("github", github::write),
        ("junit", junit::write),
        ("md", md::write),
    ];
    for (name, write) in formats {
        with_report(|report| insta::assert_snapshot!(name, written(report, write)));
    }
}

#[test]
fn sarif_shows_all_of_it() {
    with_report(|report| {
        let mut log: serde_json::Value = serde_json::from_str(&written(report, sarif::write)).unwrap();
        // Pages have documents, and a drift test, of their own.
        for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
            for text in ["shortDescription", "fullDescription"] {
                assert!(!rule[text]["text"].as_str().unwrap().is_empty());
                rule[text]["text"] = "of the rule".into();
            }
            for text in ["text", "markdown"] {
                let page = rule["help"][text].as_str().unwrap();
                assert!(page.starts_with(&format!("# {}", rule["id"].as_str().unwrap())), "{page}");
                rule["help"][text] = "the page".into();
            }
        }
        insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&log).unwrap());
    });
}

/// The schema of SARIF 2.1.0 by OASIS, which the package of SARIF's types carries.
fn schema() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let text = std::fs::read_to_string(manifest.with_file_name("src").join("schema.json")).unwrap();
    // The pattern of a language that is not written here is none by ECMA 262.
    let text = text.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = schema["$id"].as_str().unwrap();
    assert!(id.ends_with("oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"), "{id}");
    schema
}

fn assert_valid(log: &str, validator: &jsonschema::Validator) {
    let value: serde_json::Value = serde_json::from_str(log).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The types of a consumer agree.
    let log: serde_sarif::sarif::Sarif = serde_json::from_str(log).unwrap();
    let run = &log.runs[0];
    for result in run.results.iter().flatten() {
        let index = usize::try_from(result.rule_index.unwrap()).unwrap();
        assert_eq!(run.tool.driver.rules.as_ref().unwrap()[index].id, *result.rule_id.as_ref().unwrap());
    }
}

#[test]
fn sarif_is_valid() {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    // The schema is one that refuses.
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{"tool": {}}]})));
    with_report(|report| assert_valid(&written(report, sarif::write), &validator));
    // What the rules themselves say of their examples, and nothing at all.
    let manifests = rules::all()
        .into_iter()
        .map(|rule| rule.bad.manifests)
        .chain(["kind: List\napiVersion: v1\nitems: []\n"]);
    for manifests in manifests {
        let text = manifest::Input { name: "example.yaml".to_owned(), text: manifests.to_owned() };
        let input = Input::read(vec![text], &Settings::default());
        let checked = check(&input, &Settings::default());
        let report = Report::new(&input, &checked, &[], Severity::Error);
        assert_valid(&written(&report, sarif::write), &validator);
    }
}

#[test]
fn a_summary_names_what_there_is() {
    let input = Input::read(texts(), &Settings::default());
    let none = Checked::default();
    assert_eq!(
        Report::new(&input, &none, &[], Severity::Error).summary(),
        "no findings in 1 policy, 2 objects"
    );
    with_report(|report| {
        assert_eq!(
            report.summary(),
            "1 error, 1 warning, 1 info in 1 policy, 2 objects; 1 can be fixed with --fix; 1 suppressed, \
             1 in the baseline; 3 baseline entries are gone: rewrite it"
        );
    });
}
