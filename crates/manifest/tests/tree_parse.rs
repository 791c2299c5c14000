//! Trees and the places of their nodes, and what the reader of a broken document is told.

#![expect(clippy::panic, clippy::expect_used, reason = "the helpers of a test fail as tests do")]

use std::fmt::Write as _;

use ringfence_manifest::{
    document::split,
    parse::{ParseError, parse},
    tree::{Kind, Node},
};

/// A document's tree in one line: scalars as the text they take in the source, and their value where that is another.
fn tree(text: &str) -> String {
    let root = parse(text, 0).unwrap_or_else(|error| panic!("{error:?}\n{text}")).expect("a tree");
    let mut out = String::new();
    write(&root, text, &mut out);
    out
}

fn source<'a>(node: &Node<'_>, text: &'a str) -> &'a str {
    text.get(node.span.start as usize..node.span.end as usize).expect("a span of the text")
}

fn write(node: &Node<'_>, text: &str, out: &mut String) {
    match &node.kind {
        Kind::Scalar { text: value, .. } => {
            let written = source(node, text);
            out.push_str(written);
            if written != value {
                let _ = write!(out, "={value:?}");
            }
        }
        Kind::Seq(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write(item, text, out);
            }
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write(key, text, out);
                out.push_str(": ");
                write(value, text, out);
            }
            out.push('}');
        }
    }
}

fn error(text: &str) -> ParseError {
    match parse(text, 0) {
        Err(error) => error,
        Ok(tree) => panic!("{tree:?}\n{text}"),
    }
}

/// The message for a broken document, and the text that it points at.
fn complaint(text: &str) -> (String, &str) {
    let error = error(text);
    assert!(error.help.is_some(), "{error:?}");
    (error.message, text.get(error.span.start as usize..error.span.end as usize).expect("a span of the text"))
}

#[test]
fn nothing() {
    for text in ["", "\n", "# c\n", "---\n", "--- # c\n# d\n", "---", "  \r\n"] {
        assert_eq!(parse(text, 0), Ok(None), "{text:?}");
    }
}

#[test]
fn places_of_scalars() {
    assert_eq!(tree("a: b # c\n"), "{a: b}");
    assert_eq!(tree("a:   b c  \n"), "{a: b c}");
    assert_eq!(tree("a: \"b\"  # c\n"), "{a: \"b\"=\"b\"}");
    assert_eq!(tree("a: 'it''s'\n"), "{a: 'it''s'=\"it's\"}");
    assert_eq!(tree("\"k\" : \"\\u00e9\"\n"), "{\"k\"=\"k\": \"\\u00e9\"=\"é\"}");
    assert_eq!(tree("a: b\n  c\n"), "{a: b\n  c=\"b c\"}");
    assert_eq!(tree("a: |\n\n  b\n   c\n\nd: e\n"), "{a: b\n   c=\"\\nb\\n c\\n\", d: e}");
    assert_eq!(tree("a: >-  # c\n  b\n  c\n"), "{a: b\n  c=\"b c\"}");
    assert_eq!(tree("a: |+\n  b\n\n"), "{a: b=\"b\\n\\n\"}");
    assert_eq!(tree("a: |2\n   b\n"), "{a: b=\" b\\n\"}");
    assert_eq!(tree("a: |\n  b"), "{a: b}");
}

#[test]
fn an_absent_value_takes_its_key() {
    assert_eq!(tree("a:\nb: c\n"), "{a: a=\"\", b: c}");
    assert_eq!(tree("a: # c\n"), "{a: a=\"\"}");
    assert_eq!(tree("{a: , b}\n"), "{a: a=\"\", b: b=\"\"}");
    assert_eq!(tree("a: &x\nb: *x\n"), "{a: a=\"\", b: a=\"\"}");
}

#[test]
fn places_of_collections() {
    let text = "a:\n  - b: c\n    d:\n  - [e, f ]  # g\nh: {i: j,}\n";
    let root = parse(text, 0).expect("YAML").expect("a tree");
    let a = root.get("a").expect("a");
    assert_eq!(source(&root, text), "a:\n  - b: c\n    d:\n  - [e, f ]  # g\nh: {i: j,}");
    assert_eq!(source(a, text), "b: c\n    d:\n  - [e, f ]");
    let Kind::Seq(items) = &a.kind else { panic!("{a:?}") };
    let items: Vec<_> = items.iter().map(|item| source(item, text)).collect();
    assert_eq!(items, ["b: c\n    d", "[e, f ]"]);
    assert_eq!(root.get("h").map(|h| source(h, text)), Some("{i: j,}"));
}

#[test]
fn places_behind_characters_of_several_bytes() {
    // Long enough for several steps of the table from characters to bytes; with an anchor, so that all goes the long way.
    let comment = "# äöü 日本語 😀\n".repeat(20);
    for (anchor, alias) in [("", ""), ("&x ", "")] {
        let text = format!("{comment}é: \"ü\" # ß\n日本: |\n  😀 ä\n  b\nc: {anchor}[ö, 'ä']{alias}\nd: e\n");
        let expected = "{é: \"ü\"=\"ü\", 日本: 😀 ä\n  b=\"😀 ä\\nb\\n\", c: [ö, 'ä'=\"ä\"], d: e}";
        assert_eq!(tree(&text), expected);
        assert_eq!(tree(&text.replace('\n', "\r\n")), expected.replace("ä\n", "ä\r\n"));
    }
}

#[test]
fn places_are_those_of_the_source() {
    let text = "# ä\n---\na: b\n---\nc: &x d\n---\ne: [\n";
    let documents = split(text);
    let mut words = Vec::new();
    for document in documents.iter().take(3) {
        if let Ok(Some(root)) = parse(document.text, document.span.start) {
            words.push(source(&root, text));
        }
    }
    assert_eq!(words, ["a: b", "c: &x d"]);
    let last = documents.last().expect("documents");
    let error = parse(last.text, last.span.start).expect_err("an open bracket");
    assert!(error.span.start >= last.span.start && error.span.end <= last.span.end, "{error:?}");
}

#[test]
fn keys_are_text() {
    assert_eq!(
        tree("on: a\n0x50: b\n1.10: c\n~x: d\n"),
        "{on=\"true\": a, 0x50=\"80\": b, 1.10=\"1.1\": c, ~x: d}"
    );
    assert_eq!(tree("\"on\": a\n"), "{\"on\"=\"on\": a}");
    assert_eq!(
        tree("1e6: a\n-.inf: b\n.nan: c\n1e-7: d\n0.0001: e\n"),
        "{1e6=\"1e+06\": a, -.inf: b, .nan: c, 1e-7=\"1e-07\": d, 0.0001: e}"
    );
    assert_eq!(complaint("~: a\n"), ("a key is empty".to_owned(), "~"));
    assert_eq!(complaint("? [a]\n: b\n"), ("a mapping or list is used as a key".to_owned(), "[a]"));
    assert_eq!(complaint("a: {{ b }}\n"), ("a mapping or list is used as a key".to_owned(), "{ b }"));
}

#[test]
fn a_key_given_twice() {
    let twice = |key: &str| format!("key `{key}` is given twice in the same mapping");
    assert_eq!(complaint("a: 1\nb: 2\n\"a\": 3\n"), (twice("a"), "\"a\""));
    assert_eq!(complaint("{a: 1, a: 2}"), (twice("a"), "a"));
    assert_eq!(complaint("1: a\n\"1\": b\n"), (twice("1"), "\"1\""));
    let many: String = (0..100).map(|i| format!("k{i}: v\n")).collect();
    assert_eq!(complaint(&format!("{many}k7: v\n")).0, twice("k7"));
    assert!(parse(&many, 0).is_ok());
}

#[test]
fn anchors_aliases_and_merge_keys() {
    assert_eq!(tree("a: &x {k: 1}\nb: *x\n"), "{a: {k: 1}, b: {k: 1}}");
    assert_eq!(tree("a: &x {k: 1, j: 2}\nb:\n  <<: *x\n  k: 3\n"), "{a: {k: 1, j: 2}, b: {j: 2, k: 3}}");
    assert_eq!(
        tree("a: &x {k: 1}\nb: &y {k: 2, j: 3}\nc:\n  <<: [*x, *y]\n"),
        "{a: {k: 1}, b: {k: 2, j: 3}, c: {k: 1, j: 3}}"
    );
    assert_eq!(tree("\"<<\": {a: b}\n"), "{\"<<\"=\"<<\": {a: b}}");
    assert_eq!(complaint("a: &x [*x]\n").1, "*x");
    assert_eq!(complaint("a: *x\n"), ("this alias names no anchor".to_owned(), "*x"));
    assert_eq!(complaint("a: *.example.com\n").0, "this alias names no anchor");
    assert_eq!(
        complaint("<<: [a]\nb: c\n"),
        ("a merge key `<<` takes a mapping or a list of mappings".to_owned(), "a")
    );
    // Here `kubectl` takes 1, and the specification of merge keys 3.
    assert_eq!(
        complaint("a: &x {k: 1}\nb:\n  k: 3\n  <<: *x\n"),
        ("key `k` stands before a merge key `<<` that also brings it in".to_owned(), "k")
    );
}

#[test]
fn tags() {
    let resolved = |text: &str| {
        let root = parse(text, 0).expect("YAML").expect("a tree");
        format!("{:?}", root.get("a").and_then(Node::scalar).expect("a scalar"))
    };
    assert_eq!(resolved("a: !!str 80\n"), "Str(\"80\")");
    assert_eq!(resolved("a: ! 80\n"), "Str(\"80\")");
    assert_eq!(resolved("a: !!str\n"), "Str(\"\")");
    assert_eq!(resolved("a: !!int \"80\"\n"), "Int(80)");
    assert_eq!(resolved("a: !!float 80\n"), "Int(80)");
    assert_eq!(resolved("a: !!bool \"yes\"\n"), "Bool(true)");
    assert_eq!(resolved("a: !!null ~\n"), "Null");
    assert_eq!(tree("a: !!map {b: !!seq [c]}\n"), "{a: {b: [c]}}");
    assert_eq!(complaint("a: !!bool 80\n"), ("`80` does not fit its tag `!!bool`".to_owned(), "!!bool 80"));
    assert_eq!(complaint("a: !secret b\n"), ("tag `!secret` is not known".to_owned(), "!secret"));
    assert_eq!(complaint("a: !!set {b, c}\n"), ("tag `!!set` is not known".to_owned(), "!!set"));
}

#[test]
fn json() {
    let text = "{\n\t\"a\": [1, -2.5e3, true, null, \"x\\/\\\"\\ud83d\\ude00\"],\r\n\t\"b\":{}\n}\n";
    let expected =
        "{\"a\"=\"a\": [1, -2.5e3, true, null, \"x\\/\\\"\\ud83d\\ude00\"=\"x/\\\"😀\"], \"b\"=\"b\": {}}";
    assert_eq!(tree(text), expected);
    assert_eq!(tree("{\"a\":\"b\",\"c\":[]}"), "{\"a\"=\"a\": \"b\"=\"b\", \"c\"=\"c\": []}");
}

#[test]
fn brackets_may_close_anywhere() {
    assert_eq!(tree("a: [\n  \"b\"\n]\nc: {\n\"d\": e\n}\n"), "{a: [\"b\"=\"b\"], c: {\"d\"=\"d\": e}}");
}

#[test]
fn what_the_reader_is_told() {
    let table = [
        ("a:\n\tb: c\n", "a tab is used for indentation", "\t"),
        ("a: \"b\nc: d\n", "this quote is not closed on its line", "\"b"),
        ("a: 'b\n  c: d\n", "this quote is never closed", "'b"),
        ("a: b: c\n", "a `:` that makes a key is not allowed here", ": c"),
        ("a: 'b' c\n", "something follows the closing quote", "c"),
        ("a: \"\\q\"\n", "an escape in double quotes is not known", "\"\\q\""),
        ("a:\n  b: c\n d: e\n", "this line fits no mapping or list above it", "d: e"),
        ("a: - b\n", "a list item `- ` cannot start here", "- b"),
        ("a: @b\n", "a value cannot start with this character", "@b"),
        ("a: `b`\n", "a value cannot start with this character", "`b`"),
        ("a: [b, c\nd: e\n", "brackets or commas do not match here", ": e"),
        ("a: b\nc\nd: e\n", "a `:` is missing behind this key", "c"),
        ("a: b\u{1}\n", "a control character (U+0001) is not allowed here", "\u{1}"),
        ("a: b\u{2028}c\n", "this text has an invisible line or paragraph separator in it", "b\u{2028}c"),
        ("  a: b\nc: d\n", "the document ends above this line", "c: d"),
        ("a: b\n---\nc: d\n", "a second document starts here", "-"),
    ];
    for (text, message, place) in table {
        assert_eq!(complaint(text), (message.to_owned(), place), "{text}");
    }
}
