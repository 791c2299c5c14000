//! `ringfence test` from the outside. In: the shop, matrices that it keeps and does not keep. Out: every format as it was,
//! and the exit codes that scripts rely on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn ringfence(arguments: &[&str]) -> Output {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Command::new(env!("CARGO_BIN_EXE_ringfence")).current_dir(root).args(arguments).output().unwrap()
}

/// Runs `test` on the shop: the exit code and standard output.
fn test(matrix: &str, format: &str) -> (i32, String) {
    let output = ringfence(&["test", matrix, "examples/shop", "--format", format, "--color", "never"]);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

const PROMISES: &str = "crates/ringfence/tests/matrices/promises.md";

#[test]
fn the_shop_keeps_its_own_matrix() {
    for format in ["text", "md", "json", "junit", "tap", "github"] {
        let (code, out) = test("examples/shop/matrix.md", format);
        assert_eq!(code, 0, "{out}");
        insta::assert_snapshot!(format!("shop_{format}"), out);
    }
}

#[test]
fn broken_promises_are_explained_and_the_other_rows_still_run() {
    for format in ["text", "md", "json", "junit", "tap", "github"] {
        let (code, out) = test(PROMISES, format);
        assert_eq!(code, 2, "a row cannot be read: {out}");
        insta::assert_snapshot!(format!("promises_{format}"), out);
    }
}

#[test]
fn rows_that_cannot_be_read_are_shown_with_their_line_and_near_names() {
    let output = ringfence(&["test", PROMISES, "examples/shop", "--color", "never", "--quiet"]);
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap());
}

#[test]
fn other_kinds_of_matrices() {
    assert_eq!(test("crates/ringfence/tests/matrices/promises.yaml", "text").0, 0);
    assert_eq!(test("crates/ringfence/tests/matrices/netassert.yaml", "tap").0, 0);
    let (code, out) = test("crates/ringfence/tests/matrices/promises.csv", "md");
    assert_eq!(code, 1);
    insta::assert_snapshot!(out);
}

#[test]
fn usage_that_makes_no_sense_ends_in_2() {
    assert_eq!(test("examples/shop", "text").0, 2);
    assert_eq!(test("examples/shop/no-such.md", "text").0, 2);
    assert_eq!(ringfence(&["test", PROMISES]).status.code(), Some(2));
}

#[test]
fn a_matrix_among_the_manifests_is_not_read_as_one() {
    let matrix = "crates/ringfence/tests/matrices/promises.yaml";
    let output = ringfence(&["test", matrix, "examples/shop", matrix, "--color", "never"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
