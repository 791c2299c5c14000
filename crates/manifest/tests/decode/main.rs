//! Manifests to the cluster: what each kind becomes, how objects fold together, and what is found wrong with them.

mod cilium;
mod cilium_errors;
mod documents;
mod entry_points;
mod network_policy;
mod network_policy_errors;
mod object_errors;
mod objects;
mod tiers;
mod workloads;

use std::fmt::Write as _;

use ringfence_manifest::{Input, Loaded, Options, read};
use ringfence_model::diagnostic::Severity;

/// Loads one text with a name.
fn load_as(name: &str, text: &str) -> Loaded {
    read(vec![Input { name: name.to_owned(), text: text.to_owned() }], &Options::default())
}

/// Loads one text.
fn load(text: &str) -> Loaded {
    load_as("a.yaml", text)
}

/// Loads texts that have nothing wrong with them but notes.
fn clean(text: &str) -> Loaded {
    let loaded = load(text);
    let bad: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity != Severity::Note).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    loaded
}

/// Every finding but the one about namespaces, as `line:column severity code: message | label`.
fn findings(loaded: &Loaded) -> String {
    let mut out = String::new();
    for found in loaded.diagnostics.iter().filter(|found| found.code != "implied-namespace") {
        let at = loaded.cluster.sources.position(found.origin);
        let at = at.map_or_else(|| "-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        let _ = write!(out, "{at} {} {}: {}", found.severity.as_str(), found.code, found.message);
        if let Some(label) = &found.label {
            let _ = write!(out, " | {label}");
        }
        out.push('\n');
    }
    out
}

/// Checks the findings in a manifest. The line after the opening quote is line 1.
#[track_caller]
fn check(manifest: &str, expected: &str) {
    let found = findings(&load(manifest.trim_start_matches('\n')));
    assert_eq!(found.trim_end(), expected.trim(), "\n{found}");
}
