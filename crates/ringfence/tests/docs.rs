//! The generated documents are what the program says. In: docs. Out: what differs; with `UPDATE_DOCS` set it is written anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use ringfence::documents;

fn docs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

#[test]
fn generated_documents_are_up_to_date() {
    let mut wrong = Vec::new();
    for document in documents() {
        let path = docs().join(&document.path);
        if fs::read_to_string(&path).unwrap_or_default() == document.text {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, document.text).unwrap();
        } else {
            wrong.push(document.path);
        }
    }
    assert!(wrong.is_empty(), "write them anew with `cargo xtask docs`: {}", wrong.join(", "));
}

#[test]
fn every_page_has_a_rule() {
    let known: BTreeSet<String> = documents().into_iter().map(|document| document.path).collect();
    let pages = fs::read_dir(docs().join("rules")).unwrap();
    let names = pages.map(|page| format!("rules/{}", page.unwrap().file_name().to_string_lossy()));
    let unknown: Vec<String> = names.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "pages of no rule: {}", unknown.join(", "));
}
