//! `ringfence connections` from the outside. In: the shop, and a small awkward cluster. Out: every format as it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{Run, ringfence};

const AWKWARD: &str = "crates/ringfence/tests/clusters/awkward.yaml";
const FORMATS: [&str; 7] = ["text", "json", "csv", "md", "dot", "mermaid", "svg"];

fn connections(path: &str, arguments: &[&str]) -> String {
    let mut all = vec!["connections", path, "--quiet"];
    all.extend(arguments);
    let Run { code, out, err } = ringfence(&all);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
    out
}

#[test]
fn the_shop_in_every_format() {
    for format in FORMATS {
        insta::assert_snapshot!(
            format!("shop_{format}"),
            connections("examples/shop", &["--format", format])
        );
    }
}

#[test]
fn an_awkward_cluster_in_every_format() {
    for format in FORMATS {
        insta::assert_snapshot!(format!("awkward_{format}"), connections(AWKWARD, &["--format", format]));
    }
}

#[test]
fn pods_and_replicas() {
    for format in ["text", "json", "csv"] {
        let arguments = ["--pods", "--self", "--format", format];
        insta::assert_snapshot!(format!("awkward_pods_{format}"), connections(AWKWARD, &arguments));
    }
}

#[test]
fn filters() {
    let shop = |arguments: &[&str]| connections("examples/shop", arguments);
    insta::assert_snapshot!("shop_from_and_to", shop(&["--from", "shop/*", "--to", "data/postgres"]));
    insta::assert_snapshot!("shop_port", shop(&["--port", "5432", "--port", "53/UDP"]));
    insta::assert_snapshot!("shop_external", shop(&["--external"]));
    insta::assert_snapshot!("shop_denied", shop(&["--denied", "--port", "5432", "--to", "postgres"]));
    insta::assert_snapshot!("shop_one_address", shop(&["--to", "203.0.113.20", "--format", "json"]));
}

#[test]
fn json_has_the_documented_shape() {
    for path in ["examples/shop", AWKWARD] {
        let all: serde_json::Value = serde_json::from_str(&connections(path, &["--format", "json"])).unwrap();
        assert_eq!(all["version"], 1);
        let endpoints = all["endpoints"].as_array().unwrap();
        let connections = all["connections"].as_array().unwrap();
        assert!(!endpoints.is_empty() && !connections.is_empty());
        for connection in connections {
            for end in [&connection["from"], &connection["to"]] {
                let known = || {
                    endpoints.iter().any(|endpoint| {
                        endpoint["name"] == end["workload"] && endpoint["kind"] == end["kind"]
                    })
                };
                assert!(end["cidr"].is_array() || known(), "{end}");
            }
            assert_ne!(connection["from"], connection["to"]);
            assert!(
                connection["maybe"].is_null()
                    || connection["maybe"].as_array().is_some_and(|list| !list.is_empty())
            );
            let open = connection["allowed"].as_array().unwrap();
            assert!(!open.is_empty() || connection["maybe"].is_array());
            for entry in open {
                assert!(
                    entry["protocol"].is_string()
                        && entry["ports"].as_array().is_some_and(|ports| !ports.is_empty())
                );
            }
        }
    }
}

#[test]
fn an_end_that_does_not_exist_is_an_error_with_the_nearest_name() {
    let run = ringfence(&["connections", "examples/shop", "--quiet", "--to", "postgress"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!("no_such_end", run.err);
}
