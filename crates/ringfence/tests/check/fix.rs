//! `ringfence check --fix` from the outside. In: files with faults, in every shape that files have. Out: what is left of them.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use tempfile::TempDir;

use crate::support::{Run, ringfence_in};

/// Its egress rules have no effect (RF503).
const FAULTY: &str = "\
# Who may speak to whom.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: shop}
spec:
    podSelector: {}   # everybody
    policyTypes:
        - 'Ingress'   # and nothing else

    egress:
        - to: [{podSelector: {matchLabels: {app: db}}}]
";

fn faulty(name: &str) -> String {
    FAULTY.replace("NAME", name)
}

fn repaired(name: &str) -> String {
    faulty(name).replace("nothing else\n", "nothing else\n        - 'Egress'\n")
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".git")).unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn fix(directory: &TempDir, arguments: &[&str]) -> Run {
    let all: Vec<&str> = ["check", "--select=RF503", "--fix"].iter().chain(arguments).copied().collect();
    ringfence_in(directory.path(), &all, "")
}

fn read(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(name)).unwrap()
}

/// Repairs one file, which must come out as it is meant, and stay so.
fn becomes(name: &str, before: &str, after: &str) {
    let directory = directory(&[(name, before)]);
    let run = fix(&directory, &[name]);
    assert_eq!(read(&directory, name), after, "{run:?}");
    assert_eq!(run.code, 0, "{run:?}");
    let again = fix(&directory, &[name]);
    assert_eq!((again.code, read(&directory, name).as_str()), (0, after), "{again:?}");
    assert!(again.out.contains("0 repairs made"), "{again:?}");
}

#[test]
fn the_diff_shows_what_is_then_done() {
    let (a, b) = (faulty("a"), faulty("b"));
    let directory = directory(&[("a.yaml", &a), ("b.yaml", &b), ("c.yaml", &repaired("c"))]);
    let shown = fix(&directory, &[".", "--diff"]);
    let hunk = |name: &str| {
        format!(
            "--- a/{name}.yaml\n+++ b/{name}.yaml\n@@ -6,6 +6,7 @@\n     podSelector: {{}}   # everybody\n     policyTypes:\n         - 'Ingress'   # and nothing else\n+        - 'Egress'\n \n     egress:\n         - to: [{{podSelector: {{matchLabels: {{app: db}}}}}}]\n"
        )
    };
    assert_eq!(shown.out, hunk("a") + &hunk("b"));
    assert!(shown.err.contains("2 repairs in 2 files"), "{shown:?}");
    assert_eq!((shown.code, read(&directory, "a.yaml")), (1, a));
    let made = fix(&directory, &["."]);
    assert!(made.code == 0 && made.out.contains("2 repairs made in 2 files"), "{made:?}");
    assert_eq!(read(&directory, "a.yaml"), repaired("a"));
    assert_eq!(read(&directory, "b.yaml"), repaired("b"));
    assert_eq!(read(&directory, "c.yaml"), repaired("c"));
    let files = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 4, "nothing else is left behind");
}

#[test]
fn line_ends_and_byte_order_marks_stay() {
    let windows = |text: String| text.replace('\n', "\r\n");
    becomes("a.yaml", &windows(faulty("a")), &windows(repaired("a")));
    becomes("a.yaml", &format!("\u{feff}{}", faulty("a")), &format!("\u{feff}{}", repaired("a")));
    becomes("a.yaml", faulty("a").trim_end(), repaired("a").trim_end());
}

#[test]
fn other_documents_stay_as_they_are() {
    let around = |text: String| {
        format!(
            "# Note.\n---\n{text}---\napiVersion:   v1\nkind: Namespace\nmetadata: {{name: shop,}}\n...\n"
        )
    };
    becomes("a.yaml", &around(faulty("a")), &around(repaired("a")));
}

#[test]
fn items_of_lists_are_repaired() {
    let list = |types: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata: {{name: a, namespace: shop}}\n  spec:\n    podSelector: {{}}\n    policyTypes: {types} # why\n    egress:\n    - to:\n      - podSelector: {{}}\n"
        )
    };
    becomes("a.yaml", &list("[Ingress]"), &list("[Ingress, Egress]"));
}

#[test]
fn json_stays_json() {
    let json = |types: &str| {
        format!(
            "{{\n  \"apiVersion\": \"networking.k8s.io/v1\",\n  \"kind\": \"NetworkPolicy\",\n  \"metadata\": {{\"name\": \"a\"}},\n  \"spec\": {{\n    \"podSelector\": {{}},\n    \"policyTypes\": [\n      \"Ingress\"{types}\n    ],\n    \"egress\": [{{\"to\": [{{\"podSelector\": {{}}}}]}}]\n  }}\n}}\n"
        )
    };
    becomes("a.json", &json(""), &json(",\n      \"Egress\""));
}

#[test]
fn permissions_and_links_stay() {
    let directory = directory(&[("real.yml", &faulty("a"))]);
    let real = directory.path().join("real.yml");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let link = directory.path().join("link.yaml");
    symlink("real.yml", &link).unwrap();
    let owner =
        |path: &Path| fs::metadata(path).map(|known| (known.uid(), known.gid(), known.mode())).unwrap();
    let before = owner(&real);
    let run = fix(&directory, &["link.yaml"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&directory, "real.yml"), repaired("a"));
    assert_eq!(owner(&real), before);
}

#[test]
fn nothing_is_written_if_a_file_is_read_only() {
    let (a, b) = (faulty("a"), faulty("b"));
    let directory = directory(&[("a.yaml", &a), ("b.yaml", &b)]);
    let locked = directory.path().join("b.yaml");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o444)).unwrap();
    let run = fix(&directory, &["."]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("cannot write `b.yaml`: it is read-only"), "{run:?}");
    assert_eq!((read(&directory, "a.yaml"), read(&directory, "b.yaml")), (a, b));
}

#[test]
fn standard_input_is_shown_and_never_written() {
    let directory = directory(&[]);
    let run = |arguments: &[&str]| ringfence_in(directory.path(), arguments, &faulty("a"));
    let shown = run(&["check", "-", "--select=RF503", "--fix", "--diff"]);
    assert!(shown.out.contains("+        - 'Egress'\n"), "{shown:?}");
    let refused = run(&["check", "-", "--fix"]);
    assert!(refused.code == 2 && refused.err.contains("standard input"), "{refused:?}");
}

#[test]
fn the_exit_code_is_about_what_is_left() {
    let with_anchor = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {}
  policyTypes: &types [Ingress]
  egress: [{}]
";
    let directory = directory(&[("a.yaml", &faulty("a")), ("b.yaml", with_anchor)]);
    let run = fix(&directory, &["."]);
    assert_eq!(read(&directory, "a.yaml"), repaired("a"));
    assert_eq!(read(&directory, "b.yaml"), with_anchor, "anchors are left alone");
    assert!(run.code == 1 && run.out.contains("`shop/b`"), "{run:?}");
}

#[test]
fn what_is_missing_is_added_beside_its_like() {
    let example = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/microsegmentation"));
    let directory = directory(&[]);
    for file in fs::read_dir(example).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    let all = |arguments: &[&str]| {
        let all: Vec<&str> = ["check", ".", "--fix"].iter().chain(arguments).copied().collect();
        ringfence_in(directory.path(), &all, "")
    };
    let shown = all(&["--diff"]);
    insta::assert_snapshot!("microsegmentation_repaired", shown.out);
    let made = all(&[]);
    assert!(made.out.contains("2 repairs made in 1 file"), "{made:?}");
    let again = all(&["--diff"]);
    assert_eq!(again.out, "", "nothing more to repair");
}
