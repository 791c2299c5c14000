//! The crates depend on each other as ARCHITECTURE.md says and no otherwise. In: the table there, and what cargo knows
//! of the workspace. Out: every edge that is in one and not in the other.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

/// The line of ARCHITECTURE.md under which the table is.
const HEADING: &str = "## Allowed edges";

/// What a crate may use, and what its tests and benches may use beside that.
type Edges = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The edges between packages of the project, by the names of their directories.
fn edges_of_cargo() -> Edges {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (short(&package["name"]), edges_of(package))).collect()
}

/// The name of a crate as the table has it.
fn short(name: &Value) -> String {
    let name = name.as_str().unwrap();
    name.strip_prefix("ringfence-").unwrap_or(name).to_owned()
}

fn edges_of(package: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let own = short(&package["name"]);
    let of_project =
        package["dependencies"].as_array().unwrap().iter().filter(|edge| edge["path"].is_string());
    let (mut uses, mut tests_use) = (BTreeSet::new(), BTreeSet::new());
    for edge in of_project {
        let name = short(&edge["name"]);
        if edge["kind"].as_str() == Some("dev") {
            tests_use.insert(name)
        } else {
            uses.insert(name)
        };
    }
    // A crate may name itself to turn on a feature for its tests.
    tests_use.remove(&own);
    (&uses - &BTreeSet::from([own]), &tests_use - &uses)
}

/// The rows of the table: crate, uses, tests use too.
fn edges_of_document(text: &str) -> Edges {
    let (_, section) = text.split_once(HEADING).expect("ARCHITECTURE.md has the heading of the table");
    let rows = section.lines().map(str::trim).skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, uses, tests_use] = cells[..] else { panic!("three columns: {line}") };
        (name.trim_matches('`').to_owned(), (names(uses), names(tests_use)))
    };
    rows.map(row).collect()
}

/// Names in a cell; a dash means none.
fn names(cell: &str) -> BTreeSet<String> {
    let names = cell.split(',').map(|name| name.trim().trim_matches('`'));
    names.filter(|name| !matches!(*name, "" | "-")).map(str::to_owned).collect()
}

#[test]
fn crates_use_each_other_as_architecture_md_says() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (allowed, found) = (edges_of_document(&text), edges_of_cargo());
    let crates = |edges: &Edges| edges.keys().cloned().collect::<Vec<_>>();
    assert_eq!(crates(&allowed), crates(&found), "the crates of the table (left) and of the workspace");
    for (name, found) in found {
        assert_eq!(allowed[&name], found, "what {name} uses, and its tests: in the table (left) and in fact");
    }
}

#[test]
fn tables_are_read_by_their_cells() {
    let text =
        "## Allowed edges\n\ntext\n\n| a | b | c |\n|---|---|---|\n| `x` | `y`, `z` | - |\n\n| other |\n";
    let edges = edges_of_document(text);
    assert_eq!(edges.len(), 1);
    assert_eq!(edges["x"], (names("y, z"), BTreeSet::new()));
}
