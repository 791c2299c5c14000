//! How a text is cut into documents.

use ringfence_manifest::document::{MAX_BYTES, check_size, split};

/// The documents of a text, after checking that their spans are theirs and that they leave nothing out.
fn texts(text: &str) -> Vec<&str> {
    let documents = split(text);
    let joined: String = documents.iter().map(|document| document.text).collect();
    assert_eq!(joined, text.trim_start_matches('\u{feff}'));
    for document in &documents {
        let (start, end) = (document.span.start as usize, document.span.end as usize);
        assert_eq!(text.get(start..end), Some(document.text));
    }
    documents.into_iter().map(|document| document.text).collect()
}

#[test]
fn one_document() {
    assert_eq!(texts(""), [""; 0]);
    assert_eq!(texts("a: b\n"), ["a: b\n"]);
    assert_eq!(texts("---\na: b\n"), ["---\na: b\n"]);
    assert_eq!(texts("\u{feff}a: b\n"), ["a: b\n"]);
    assert_eq!(texts("\u{feff}---\na: b\n"), ["---\na: b\n"]);
}

#[test]
fn markers_open_documents() {
    assert_eq!(texts("a: b\n---\nc: d\n"), ["a: b\n", "---\nc: d\n"]);
    assert_eq!(texts("# c\n---\na: b\n--- # d\nc: d"), ["# c\n", "---\na: b\n", "--- # d\nc: d"]);
    assert_eq!(texts("a: b\r\n---\r\nc: d\r\n"), ["a: b\r\n", "---\r\nc: d\r\n"]);
    assert_eq!(texts("a\n---\n---\nb"), ["a\n", "---\n", "---\nb"]);
    assert_eq!(texts("--- {a: b}\n--- |\n x\n---"), ["--- {a: b}\n", "--- |\n x\n", "---"]);
    assert_eq!(texts("a\n---\tb"), ["a\n", "---\tb"]);
}

#[test]
fn what_only_looks_like_a_marker() {
    for text in ["a: |\n  ---\n  b\n", "a\n----\nb\n", "a\n---b\n", "a: ---\n", "a\n....\nb\n", "a ---\nb\n"]
    {
        assert_eq!(texts(text), [text]);
    }
}

#[test]
fn dots_end_documents() {
    assert_eq!(texts("a: b\n...\nc: d\n"), ["a: b\n...\n", "c: d\n"]);
    assert_eq!(texts("a: b\n...\n---\nc: d\n"), ["a: b\n...\n", "---\nc: d\n"]);
    assert_eq!(texts("a: b\n... # c\n"), ["a: b\n... # c\n"]);
}

#[test]
fn directives_belong_to_the_document_below() {
    assert_eq!(texts("%YAML 1.2\n---\na: b\n---\nc: d\n"), ["%YAML 1.2\n---\na: b\n", "---\nc: d\n"]);
    assert_eq!(
        texts("a: b\n...\n# c\n%YAML 1.2\n---\nc: d\n"),
        ["a: b\n...\n", "# c\n%YAML 1.2\n---\nc: d\n"]
    );
    assert_eq!(texts("a: b # %\n---\nc: d\n"), ["a: b # %\n", "---\nc: d\n"]);
}

#[test]
fn json_objects_in_a_row() {
    assert_eq!(texts("{\"a\": \"}{\"}\n{\"b\": \"\\\"}\"}\n"), ["{\"a\": \"}{\"}", "\n{\"b\": \"\\\"}\"}\n"]);
    assert_eq!(texts("{}{}\n{}"), ["{}", "{}", "\n{}"]);
    assert_eq!(texts("{\"a\": {}}\n"), ["{\"a\": {}}\n"]);
    assert_eq!(texts("{a: b}: c\n"), ["{a: b}: c\n"]);
    assert_eq!(texts("{{ template }}\n"), ["{{ template }}\n"]);
    assert_eq!(texts("{\"a\": \"\\"), ["{\"a\": \"\\"]);
}

#[test]
fn a_text_that_is_too_large_is_refused() {
    assert_eq!(check_size(MAX_BYTES), Ok(()));
    assert_eq!(
        check_size(100_000_000),
        Err("the text has 96 MiB, more than the 64 MiB that are read; split it into several files".to_owned())
    );
}
