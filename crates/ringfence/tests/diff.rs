//! `ringfence diff` from the outside. In: two states of a small cluster. Out: every format as it was, and the exit codes
//! that pipelines rely on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{path::Path, process::Command};

use support::{Run, ringfence, ringfence_in};

const BEFORE: &str = "crates/ringfence/tests/clusters/before.yaml";
const AFTER: &str = "crates/ringfence/tests/clusters/after.yaml";

#[test]
fn every_format() {
    for format in ["text", "json", "csv", "md", "dot", "svg"] {
        let Run { code, out, .. } = ringfence(&["diff", BEFORE, AFTER, "--quiet", "--format", format]);
        assert_eq!(code, 1);
        insta::assert_snapshot!(format!("diff_{format}"), out);
    }
}

#[test]
fn the_exit_code_says_whether_something_differs_or_opened() {
    let code = |arguments: &[&str]| ringfence(arguments).code;
    assert_eq!(code(&["diff", BEFORE, BEFORE]), 0);
    assert_eq!(code(&["diff", BEFORE, AFTER]), 1);
    assert_eq!(code(&["diff", BEFORE, AFTER, "--deny-opened"]), 1);
    assert_eq!(code(&["diff", "examples/shop", "examples/shop", "--self"]), 0);
    assert_eq!(code(&["diff", BEFORE]), 2);
    assert_eq!(code(&["diff", BEFORE, "no/such/path"]), 2);
}

#[test]
fn replicas_that_cannot_reach_each_other_any_more_are_mentioned() {
    let without = ringfence(&["diff", BEFORE, AFTER]);
    insta::assert_snapshot!("diff_replicas_note", without.err);
    let with = ringfence(&["diff", BEFORE, AFTER, "--self"]);
    assert!(with.out.contains("its other replicas") && with.err.is_empty(), "{}\n{}", with.out, with.err);
}

fn git(directory: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    let output =
        Command::new("git").arg("-C").arg(directory).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn against_a_git_revision() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("manifests/nested")).unwrap();
    std::fs::copy(root.join(BEFORE), at("manifests/nested/all.yaml")).unwrap();
    std::fs::write(at("manifests/.hidden.yaml"), "nonsense: [").unwrap();
    std::fs::write(at("manifests/ignored.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n")
        .unwrap();
    git(directory.path(), &["init", "--quiet"]);
    git(directory.path(), &["add", "--all"]);
    git(directory.path(), &["commit", "--quiet", "--message", "Before"]);
    std::fs::write(at(".gitignore"), "ignored.yaml\n").unwrap();

    let same = ringfence_in(directory.path(), &["diff", "--git", "HEAD", "manifests"], "");
    assert_eq!((same.code, same.out.as_str()), (0, "no connection differs\n"), "{}", same.err);

    std::fs::copy(root.join(AFTER), at("manifests/nested/all.yaml")).unwrap();
    let differs = ringfence_in(directory.path(), &["diff", "--git", "HEAD", "manifests", "--quiet"], "");
    assert_eq!(differs.code, 1, "{}", differs.err);
    insta::assert_snapshot!("diff_git", differs.out);

    let below = ringfence_in(&at("manifests"), &["diff", "--git", "HEAD", "nested/all.yaml", "--quiet"], "");
    assert_eq!(below.code, 1, "{}", below.err);

    std::fs::remove_file(at("manifests/nested/all.yaml")).unwrap();
    let deleted = ringfence_in(
        directory.path(),
        &["diff", "--git", "HEAD", "manifests/nested/all.yaml", "--quiet"],
        "",
    );
    assert_eq!(deleted.code, 1, "{}", deleted.err);
    assert!(deleted.out.contains("Removed workloads"), "{}", deleted.out);

    for wrong in [
        ["diff", "--git", "nope", "manifests"],
        ["diff", "--git", "HEAD", "nowhere"],
        ["diff", "--git", "HEAD", "-"],
    ] {
        let run = ringfence_in(directory.path(), &wrong, "");
        assert_eq!(run.code, 2, "{wrong:?}");
        assert!(run.err.starts_with("error[git]"), "{}", run.err);
    }
}
