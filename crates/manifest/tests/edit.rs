//! Edits change what they should and leave every other line alone: examples of each builder.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail as tests do")]

use ringfence_manifest::{
    edit::{self, Edit, EditError, Value, apply},
    locate::Locator,
};
use ringfence_model::origin::{Origin, SourceId, Sources};

fn place(text: &str, wanted: &str) -> Origin {
    let start = text.find(wanted).expect("the text holds it");
    let byte = |at: usize| u32::try_from(at).unwrap();
    Origin { source: SourceId(0), start: byte(start), end: byte(start + wanted.len()) }
}

/// The text after the edits that a builder gives.
fn edited(text: &str, build: impl FnOnce(&Locator<'_>) -> Option<Vec<Edit>>) -> Option<String> {
    let mut sources = Sources::default();
    sources.add("a.yaml", text);
    let edits = build(&Locator::new(&sources))?;
    Some(apply(text, &edits).expect("edits of one builder fit together"))
}

fn remove_item(text: &str, at: &str) -> Option<String> {
    edited(text, |locator| edit::remove_item(locator, place(text, at)))
}

fn remove_entry(text: &str, at: &str) -> Option<String> {
    edited(text, |locator| edit::remove_entry(locator, place(text, at)))
}

fn replace(text: &str, at: &str, value: impl Into<Value>) -> Option<String> {
    edited(text, |locator| edit::replace_scalar(locator, place(text, at), &value.into()))
}

fn append_item(text: &str, at: &str, value: &Value) -> Option<String> {
    edited(text, |locator| edit::append_item(locator, place(text, at), value))
}

fn append_entry(text: &str, at: &str, key: &str, value: &Value) -> Option<String> {
    edited(text, |locator| edit::append_entry(locator, place(text, at), key, value))
}

fn join(text: &str, first: &str, second: &str) -> Option<String> {
    edited(text, |locator| edit::join_items(locator, place(text, first), place(text, second)))
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn seq(items: &[Value]) -> Value {
    Value::Seq(items.to_vec())
}

#[test]
fn scalars_keep_their_quotes() {
    assert_eq!(replace("a: b # c\n", "b", "d").unwrap(), "a: d # c\n");
    assert_eq!(replace("a: \"b\"", "\"b\"", "d").unwrap(), "a: \"d\"");
    assert_eq!(replace("a: 'b'\r\nc: d\r\n", "'b'", "it's").unwrap(), "a: 'it''s'\r\nc: d\r\n");
    assert_eq!(replace("a: b\n", "b", "true").unwrap(), "a: \"true\"\n");
    assert_eq!(replace("a: [b, c]\n", "c", "x, y").unwrap(), "a: [b, \"x, y\"]\n");
    assert_eq!(replace("{\"a\": \"80\"}", "\"80\"", 80).unwrap(), "{\"a\": 80}");
    assert_eq!(replace("{\"a\": 80}", "80", "http").unwrap(), "{\"a\": \"http\"}");
    assert_eq!(replace("a: 10.0.0.1/24\n", "10.0.0.1/24", "2001:db8::/32").unwrap(), "a: 2001:db8::/32\n");
    assert_eq!(replace("a:  # none\nb: c\n", "a", false).unwrap(), "a: false  # none\nb: c\n");
    assert_eq!(replace("a: b\n", "a", "c"), None, "a key is no value");
    assert_eq!(replace("a: |\n  text\n", "text", "b"), None);
    assert_eq!(replace("a: &x b\nc: *x\n", "b", "d"), None);
    assert_eq!(replace("a: !!str 80\n", "80", 81), None);
}

#[test]
fn keys_get_other_names() {
    let rename = |text: &str, at, name| edited(text, |l| edit::rename_key(l, place(text, at), name));
    assert_eq!(rename("podselector: {}\n", "podselector", "podSelector").unwrap(), "podSelector: {}\n");
    assert_eq!(rename("{\"a\": 1}", "\"a\"", "b").unwrap(), "{\"b\": 1}");
    assert_eq!(rename("a: 1\nb: 2\n", "a", "b"), None, "given twice");
    assert_eq!(rename("a: b\n", "b", "c"), None);
}

#[test]
fn items_go_with_their_lines_and_comments() {
    let text =
        "ports:\n# all of them\n- 1 # one\n# two\n# and so on\n- 2\n\n# apart\n\n- 3\n# - 4\n- 5\nz: y\n";
    assert_eq!(
        remove_item(text, "1").unwrap(),
        text.replace("- 1 # one\n# two", "# two").replacen("# all of them\n", "", 1)
    );
    assert_eq!(remove_item(text, "2").unwrap(), text.replace("# two\n# and so on\n- 2\n", ""));
    assert_eq!(remove_item(text, "3").unwrap(), text.replace("- 3\n", ""));
    assert_eq!(remove_item(text, "5").unwrap(), text.replace("- 5\n", ""));
    // A comment above the first item may be about them all.
    assert_eq!(
        remove_item("a:\n  # all\n  - b: 1\n    c: 2\n  - d\n", "b: 1\n    c: 2").unwrap(),
        "a:\n  # all\n  - d\n"
    );
    assert_eq!(remove_item("a:\r\n- b\r\n- c: |\r\n    x\r\n", "x"), None, "no item");
    assert_eq!(remove_item("a:\r\n- b\r\n- c", "c").unwrap(), "a:\r\n- b");
    assert_eq!(remove_item("a:\n- b\n", "b"), None, "the only one");
    assert_eq!(remove_item("- - a\n  - b\n- c\n", "a").unwrap(), "- - b\n- c\n");
    assert_eq!(remove_item("- - a\n  # of b\n  - b\n", "a"), None);
    assert_eq!(remove_item("- &x a\n- b\n", "a"), None);
    assert_eq!(remove_item("- a\n- {<<: {b: c}}\n", "a"), None);
}

#[test]
fn items_go_from_brackets() {
    assert_eq!(remove_item("a: [b, c, d] # e\n", "b").unwrap(), "a: [c, d] # e\n");
    assert_eq!(remove_item("a: [b, c, d]\n", "c").unwrap(), "a: [b, d]\n");
    assert_eq!(remove_item("a: [b, c, d,]\n", "d").unwrap(), "a: [b, c,]\n");
    assert_eq!(remove_item("[\n  1,\n  2\n]", "2").unwrap(), "[\n  1\n]");
    assert_eq!(remove_item("[\n  1,\n  2\n]", "1").unwrap(), "[\n  2\n]");
    assert_eq!(remove_item("[\n  1, # one\n  2\n]", "1"), None);
    assert_eq!(remove_item("[1]", "1"), None);
}

#[test]
fn entries_go() {
    let text = "a: 1\n# about b\nb:\n- c\n- d # e\n# about f\nf: {g: 1, h: 2}\n";
    assert_eq!(remove_entry(text, "b:\n- c\n- d").unwrap(), "a: 1\n# about f\nf: {g: 1, h: 2}\n");
    assert_eq!(remove_entry(text, "h: 2").unwrap(), text.replace(", h: 2", ""));
    assert_eq!(remove_entry(text, "g").unwrap(), text.replace("g: 1, ", ""));
    assert_eq!(remove_entry("- a: 1 # x\n  b: 2\n- c\n", "a").unwrap(), "- b: 2\n- c\n");
    assert_eq!(remove_entry("a: 1\nb:\n", "b").unwrap(), "a: 1\n");
    assert_eq!(remove_entry("a: {b: 1}\n", "b"), None, "the only one");
    assert_eq!(remove_entry("a: |+\n  x\n\nb: 1\n", "b").unwrap(), "a: |+\n  x\n\n");
    assert_eq!(remove_entry("b: 1\na: c", "a").unwrap(), "b: 1");
    assert_eq!(remove_entry("a: 1 # c\r\n\r\nb: c", "b").unwrap(), "a: 1 # c");
    let json = "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n";
    assert_eq!(remove_entry(json, "\"b\"").unwrap(), "{\n  \"a\": 1\n}\n");
}

#[test]
fn collections_are_emptied() {
    let empty = |text: &str, at| edited(text, |l| edit::empty_collection(l, place(text, at)));
    assert_eq!(
        empty("a: # c\n  - b: c\n    d: e # f\ng: h\n", "b: c\n    d: e").unwrap(),
        "a: [] # c\ng: h\n"
    );
    assert_eq!(empty("a:\r\n  b: c", "b: c").unwrap(), "a: {}");
    assert_eq!(empty("{\"a\": [1,\n2]}", "[1,\n2]").unwrap(), "{\"a\": []}");
    assert_eq!(empty("a: b\n", "b"), None);
}

#[test]
fn items_come_as_their_neighbours_are() {
    let port = map(&[("port", 80.into()), ("protocol", "TCP".into())]);
    assert_eq!(
        append_item("p:\n- port: 1 # c\nq: r\n", "port: 1", &port).unwrap(),
        "p:\n- port: 1 # c\n- port: 80\n  protocol: TCP\nq: r\n"
    );
    assert_eq!(
        append_item("p:\r\n  -   port: 1", "port: 1", &port).unwrap(),
        "p:\r\n  -   port: 1\r\n  -   port: 80\r\n      protocol: TCP"
    );
    assert_eq!(
        append_item("p:\n- {port: 1}\n", "{port: 1}", &port).unwrap(),
        "p:\n- {port: 1}\n- {port: 80, protocol: TCP}\n"
    );
    assert_eq!(
        append_item("p: [Ingress]\n", "[Ingress]", &"Egress".into()).unwrap(),
        "p: [Ingress, Egress]\n"
    );
    assert_eq!(append_item("p: []\n", "[]", &"Egress".into()).unwrap(), "p: [Egress]\n");
    assert_eq!(append_item("{\"p\": []}", "[]", &"Egress".into()).unwrap(), "{\"p\": [\"Egress\"]}");
    assert_eq!(append_item("- 'a'\n", "'a'", &"b".into()).unwrap(), "- 'a'\n- 'b'\n");
    assert_eq!(append_item("[1,2]", "[1,2]", &3.into()).unwrap(), "[1,2,3]");
    let json = "{\n    \"p\": [\n        {\n            \"port\": 1\n        }\n    ]\n}\n";
    let item = "{\n            \"port\": 1\n        }";
    let added = "{\n            \"port\": 80,\n            \"protocol\": \"TCP\"\n        }";
    let insert =
        |text: &str, at, value: &Value| edited(text, |l| edit::insert_item_after(l, place(text, at), value));
    assert_eq!(insert(json, item, &port).unwrap(), json.replace(item, &format!("{item},\n        {added}")));
    assert_eq!(insert("- a # x\n# of b\n- b\n", "a", &"c".into()).unwrap(), "- a # x\n- c\n# of b\n- b\n");
    assert_eq!(insert("- - a\n  - b\n", "a", &"c".into()).unwrap(), "- - a\n  - c\n  - b\n");
    assert_eq!(insert("- a\n- &x b\n", "a", &"c".into()), None);
}

#[test]
fn entries_come_behind_others() {
    let behind = |text: &str, at: &str, key: &str| {
        let value = seq(&["Egress".into()]);
        edited(text, |locator| edit::insert_entry_after(locator, place(text, at), key, &value))
    };
    assert_eq!(
        behind(
            "spec:\n  podSelector:\n    matchLabels: {a: b} # why\n  egress: []\n",
            "podSelector",
            "policyTypes"
        )
        .unwrap(),
        "spec:\n  podSelector:\n    matchLabels: {a: b} # why\n  policyTypes:\n    - Egress\n  egress: []\n"
    );
    assert_eq!(
        behind("spec: {podSelector: {}, egress: []}\n", "podSelector", "policyTypes").unwrap(),
        "spec: {podSelector: {}, policyTypes: [Egress], egress: []}\n"
    );
    assert_eq!(behind("a: b\nc: d\n", "a", "c"), None, "there is one already");
    assert_eq!(behind("a: b\n", "b", "c"), None, "no key");
}

#[test]
fn entries_come_at_the_end() {
    let types = seq(&["Ingress".into(), "Egress".into()]);
    assert_eq!(
        append_entry(
            "spec:\n  podSelector: {}\n  ingress:\n  - {} # all\n---\n",
            "podSelector: {}\n  ingress:\n  - {}",
            "policyTypes",
            &types
        )
        .unwrap(),
        "spec:\n  podSelector: {}\n  ingress:\n  - {} # all\n  policyTypes:\n  - Ingress\n  - Egress\n---\n"
    );
    assert_eq!(
        append_entry("a:\n    b: c", "b: c", "d", &map(&[("e", types.clone())])).unwrap(),
        "a:\n    b: c\n    d:\n        e:\n          - Ingress\n          - Egress"
    );
    assert_eq!(
        append_entry("- a: 1\n  b: 2\n- c\n", "a: 1\n  b: 2", "d", &true.into()).unwrap(),
        "- a: 1\n  b: 2\n  d: true\n- c\n"
    );
    assert_eq!(append_entry("a: {}\n", "{}", "b", &"c".into()).unwrap(), "a: {b: c}\n");
    assert_eq!(
        append_entry("a: {b: c}\n", "{b: c}", "d", &types).unwrap(),
        "a: {b: c, d: [Ingress, Egress]}\n"
    );
    assert_eq!(
        append_entry("{\n  \"a\": 1\n}", "{\n  \"a\": 1\n}", "b", &seq(&[2.into()])).unwrap(),
        "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}"
    );
    assert_eq!(append_entry("\u{feff}a: 1\n", "a: 1", "b", &2.into()).unwrap(), "\u{feff}a: 1\nb: 2\n");
    assert_eq!(append_entry("a: 1\n", "a: 1", "a", &2.into()), None);
    assert_eq!(append_entry("a: {<<: {b: c}}\n", "{<<: {b: c}}", "d", &2.into()), None);
}

#[test]
fn two_items_become_one() {
    let text = "from:\n- namespaceSelector: {}\n# and these pods\n- podSelector:\n    matchLabels: {a: b} # c\n- x: y\n";
    let pods = "podSelector:\n    matchLabels: {a: b}";
    assert_eq!(
        join(text, "namespaceSelector: {}", pods).unwrap(),
        text.replace("- podSelector", "  podSelector")
    );
    assert_eq!(join(text, pods, "namespaceSelector: {}"), None, "in their order");
    assert_eq!(join(text, "namespaceSelector: {}", "x: y"), None, "neighbours");
    assert_eq!(join("- a: 1\n- a: 2\n", "a: 1", "a: 2"), None, "a common key");
    assert_eq!(join("- a: 1\n-  b: 2\n", "a: 1", "b: 2"), None, "other columns");
    assert_eq!(join("- a: 1\n- {b: 2}\n", "a: 1", "{b: 2}"), None, "other styles");
    assert_eq!(join("- &x\n  a: 1\n- b: 2\n", "a: 1", "b: 2"), None);
    assert_eq!(join("x: [{a: 1}, {b: 2}, {}]\n", "{a: 1}", "{b: 2}").unwrap(), "x: [{a: 1, b: 2}, {}]\n");
    assert_eq!(
        join("- {a: 1} # c\n# d\n- {b: 2}\n- e\n", "{a: 1}", "{b: 2}").unwrap(),
        "- {a: 1, b: 2} # c\n# d\n- e\n"
    );
    let json = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n";
    assert_eq!(
        join(json, "{\n    \"a\": 1\n  }", "{\n    \"b\": 2\n  }").unwrap(),
        "[\n  {\n    \"a\": 1,\n    \"b\": 2\n  }\n]\n"
    );
}

#[test]
fn documents_go() {
    let remove = |text: &str, at| edited(text, |l| edit::remove_document(l, place(text, at)));
    let text = "# licence\n\n# first\na: 1\n---\nb: 2\n---\n# third\nc: 3";
    assert_eq!(remove(text, "a").unwrap(), "# licence\n\n---\nb: 2\n---\n# third\nc: 3");
    assert_eq!(remove(text, "2").unwrap(), "# licence\n\n# first\na: 1\n---\n# third\nc: 3");
    assert_eq!(remove(text, "3").unwrap(), "# licence\n\n# first\na: 1\n---\nb: 2\n");
    assert_eq!(remove("a: 1\n", "a").unwrap(), "");
    assert_eq!(remove("{\"a\": 1}\n{\"b\": 2}\n", "1").unwrap(), "\n{\"b\": 2}\n");
    let list = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  x: 1\n- kind: B\n  x: 2\n";
    assert_eq!(remove(list, "2").unwrap(), "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  x: 1\n");
}

#[test]
fn documents_come() {
    let append = |text: &str, value: &Value| edited(text, |l| edit::append_document(l, SourceId(0), value));
    let value = map(&[("kind", "A".into()), ("x", seq(&[1.into()]))]);
    assert_eq!(append("a:\n- 1\n", &value).unwrap(), "a:\n- 1\n---\nkind: A\nx:\n- 1\n");
    assert_eq!(append("a: 1", &value).unwrap(), "a: 1\n---\nkind: A\nx:\n  - 1");
    assert_eq!(append("a: 1\r\n", &value).unwrap(), "a: 1\r\n---\r\nkind: A\r\nx:\r\n  - 1\r\n");
    assert_eq!(append("", &value).unwrap(), "kind: A\nx:\n  - 1\n");
    assert_eq!(append("a: 1\n---\n", &value).unwrap(), "a: 1\n---\nkind: A\nx:\n  - 1\n");
    assert_eq!(append("# only this\n", &value).unwrap(), "# only this\n---\nkind: A\nx:\n  - 1\n");
    assert_eq!(append("a: |\n  b", &value), None, "the line break would change the text");
    assert_eq!(
        append("{\"a\": 1}\n", &value).unwrap(),
        "{\"a\": 1}\n{\n  \"kind\": \"A\",\n  \"x\": [\n    1\n  ]\n}\n"
    );
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let edit = |start, end, text: &str| Edit {
        origin: Origin { source: SourceId(0), start, end },
        replacement: text.to_owned(),
    };
    let text = "aéb";
    assert_eq!(
        apply(text, &[edit(3, 4, "c"), edit(0, 0, "x"), edit(0, 1, "y"), edit(0, 0, "z")]).unwrap(),
        "xzyéc"
    );
    assert!(matches!(apply(text, &[edit(0, 3, ""), edit(1, 3, "")]), Err(EditError::Overlap { .. })));
    assert!(matches!(apply(text, &[edit(2, 3, "")]), Err(EditError::Outside(_))));
    assert!(matches!(apply(text, &[edit(4, 5, "")]), Err(EditError::Outside(_))));
    assert!(matches!(apply(text, &[edit(1, 0, "")]), Err(EditError::Outside(_))));
    let mut other = edit(3, 4, "");
    other.origin.source = SourceId(1);
    assert!(matches!(apply(text, &[edit(0, 1, ""), other]), Err(EditError::SeveralTexts(_))));
}
