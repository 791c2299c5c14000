//! Manifests to the cluster: what each kind becomes, how objects fold together, and what is found wrong with them.

mod cilium;
mod cilium_errors;
mod details;
mod documents;
mod entry_points;
mod facts;
mod network_policy;
mod network_policy_errors;
mod object_errors;
mod objects;
mod tiers;
mod workloads;

use std::fmt::Write as _;

use ringfence_manifest::{Input, Loaded, Options, read};
use ringfence_model::diagnostic::Severity;

/// Loads one text with a name. With details, nothing else is found wrong with it, and the same objects are taken.
#[track_caller]
fn load_as(name: &str, text: &str) -> Loaded {
    let inputs = || vec![Input { name: name.to_owned(), text: text.to_owned() }];
    let loaded = read(inputs(), &Options::default());
    let detailed = read(inputs(), &Options { details: true, ..Options::default() });
    assert_eq!(findings(&loaded), findings(&detailed));
    assert_eq!(taken(&loaded), taken(&detailed));
    loaded
}

/// How many objects there are, and how many of them are in the cluster.
fn taken(loaded: &Loaded) -> [usize; 7] {
    let cluster = &loaded.cluster;
    [
        loaded.objects,
        cluster.namespaces.len(),
        cluster.pods.len(),
        cluster.services.len(),
        cluster.network_policies.len(),
        cluster.tier_policies.len(),
        cluster.cilium_policies.len(),
    ]
}

/// Loads one text with details.
fn detailed(text: &str) -> Loaded {
    let input = Input { name: "a.yaml".to_owned(), text: text.to_owned() };
    read(vec![input], &Options { details: true, ..Options::default() })
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
