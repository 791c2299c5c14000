//! What the program reads, and what it says about what it cannot read. In: files, directories, standard input, good and
//! bad. Out: exit codes and messages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{fs, path::Path, process::Command};

use support::{Run, ringfence, ringfence_in};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{name: c}]}\n";

fn pod(name: &str) -> String {
    POD.replace("NAME", name)
}

fn connections(directory: &Path, paths: &[&str], stdin: &str) -> Run {
    let mut arguments = vec!["connections"];
    arguments.extend(paths);
    ringfence_in(directory, &arguments, stdin)
}

#[test]
fn directories_are_read_without_hidden_and_ignored_files() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    fs::create_dir(directory.path().join(".git")).unwrap();
    write(".gitignore", "build/\n");
    write("a/one.yaml", &pod("one"));
    write("a/two.YML", &pod("two"));
    write(
        "a/three.json",
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"three"},"spec":{"containers":[{"name":"c"}]}}"#,
    );
    write("a/notes.txt", "not: a manifest: at all");
    write(".hidden/four.yaml", &pod("four"));
    write("build/five.yaml", &pod("five"));
    #[cfg(unix)]
    std::os::unix::fs::symlink(directory.path(), directory.path().join("a/loop")).unwrap();
    let run = connections(directory.path(), &[".", "a", "a/one.yaml", "-"], &pod("six"));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("(4 workloads in the input)"), "{}", run.out);
    for name in ["one", "two", "three", "six"] {
        assert!(run.out.contains(&format!("default/{name}")), "{name}: {}", run.out);
    }
}

#[test]
fn one_bad_file_hides_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("good.yaml"), pod("good")).unwrap();
    fs::write(directory.path().join("latin.yaml"), b"name: caf\xe9\n").unwrap();
    fs::write(
        directory.path().join("policy.yaml"),
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  podSelector: {}\n  ingres: []\n",
    )
    .unwrap();
    let run = connections(directory.path(), &[".", "missing.yaml"], "");
    assert_eq!(run.code, 2);
    assert!(run.out.contains("default/good"), "{}", run.out);
    insta::assert_snapshot!("bad_input", run.err);
}

#[test]
fn nothing_to_read_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let messages = [&["."][..], &["no/such"], &["-"]].map(|paths| {
        let run = connections(directory.path(), paths, "");
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{paths:?}");
        run.err
    });
    insta::assert_snapshot!("nothing_to_read", messages.join("\n"));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = fs::File::create(directory.path().join("large.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    let run = connections(directory.path(), &["."], "");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`large.yaml` is larger than 64 MiB"), "{}", run.err);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["connections", "examples/shop", "--format", "svg", "--quiet"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let colored = ringfence(&["connections", "examples/shop", "--color", "always"]);
    assert!(colored.out.contains('\u{1b}') && colored.err.contains('\u{1b}'));
    let json = ringfence(&["connections", "examples/shop", "--color", "always", "--format", "json"]);
    assert!(!json.out.contains('\u{1b}'));
    let auto = ringfence(&["connections", "examples/shop"]);
    assert!(!auto.out.contains('\u{1b}') && !auto.err.contains('\u{1b}'));
}

#[test]
fn help_names_the_exit_codes_and_usage_errors_have_theirs() {
    for arguments in [&["--help"][..], &["connections", "--help"], &["diff", "--help"]] {
        let run = ringfence(arguments);
        assert_eq!(run.code, 0);
        assert!(run.out.contains("Exit codes:"), "{arguments:?}");
    }
    for wrong in [
        &["no-such-command"][..],
        &["connections"],
        &["connections", "--port", "0", "x"],
        &["man", "nope"],
        &[],
    ] {
        assert_eq!(ringfence(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(ringfence(&["--version"]).out, format!("ringfence {}\n", env!("CARGO_PKG_VERSION")));
}

#[cfg(unix)]
#[test]
fn as_a_plugin_of_kubectl_it_bears_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("kubectl-ringfence");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ringfence"), &plugin).unwrap();
    let output = Command::new(&plugin).args(["diff", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage: kubectl ringfence diff"), "{help}");
}

#[test]
fn completions_and_manual_pages() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = ringfence(&["completions", shell]);
        assert!(
            run.code == 0 && run.out.contains("connections") && run.out.contains("deny-opened"),
            "{shell}"
        );
    }
    for page in [&["man"][..], &["man", "connections"], &["man", "diff"]] {
        let run = ringfence(page);
        assert!(run.code == 0 && run.out.contains(".SH SYNOPSIS"), "{page:?}");
    }
}
