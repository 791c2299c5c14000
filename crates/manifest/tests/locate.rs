//! Values and keys are found from the place of another value.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail as tests do")]

use ringfence_manifest::locate::{Locator, Step};
use ringfence_model::origin::{Origin, Sources};

fn sources(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add("other.yaml", "a: b\n");
    sources.add("a.yaml", text);
    sources
}

/// The origin of the first bytes `wanted`.
fn place(sources: &Sources, wanted: &str) -> Origin {
    let (id, source) = sources.iter().last().unwrap();
    let start = source.text.find(wanted).expect("the text holds it");
    let byte = |at: usize| u32::try_from(at).unwrap();
    Origin { source: id, start: byte(start), end: byte(start + wanted.len()) }
}

/// What is asked of a locator.
type Ask = for<'s> fn(&Locator<'s>, Origin, &[Step<'_>]) -> Option<Origin>;

fn ask(text: &str, at: &str, path: &[Step<'_>], ask: Ask) -> Option<(String, u32)> {
    let sources = sources(text);
    let locator = Locator::new(&sources);
    let found = ask(&locator, place(&sources, at), path)?;
    Some((locator.text(found).unwrap().to_owned(), found.start))
}

fn value(text: &str, at: &str, path: &[Step<'_>]) -> Option<String> {
    ask(text, at, path, |l, at, path| l.value(at, path)).map(|(text, _)| text)
}

fn key(text: &str, at: &str, path: &[Step<'_>]) -> Option<String> {
    ask(text, at, path, |l, at, path| l.key(at, path)).map(|(text, _)| text)
}

fn root_value(text: &str, at: &str, path: &[Step<'_>]) -> Option<String> {
    ask(text, at, path, |l, at, path| l.root_value(at, path)).map(|(text, _)| text)
}

fn root_key(text: &str, at: &str, path: &[Step<'_>]) -> Option<String> {
    ask(text, at, path, |l, at, path| l.root_key(at, path)).map(|(text, _)| text)
}

const RULE: &str =
    "from:\n    - podSelector: {}\n    ports:\n    - port: 80\n    - {port: web, protocol: TCP}";

fn policy() -> String {
    format!("kind: NetworkPolicy\nspec:\n  ingress:\n  - {RULE}\n  policyTypes: [Ingress]\n")
}

#[test]
fn a_path_leads_from_a_node_to_a_value() {
    let text = policy();
    assert_eq!(value(&text, "{port: web, protocol: TCP}", &["port".into()]).unwrap(), "web");
    assert_eq!(value(&text, "[Ingress]", &[0.into()]).unwrap(), "Ingress");
    assert_eq!(value(&text, "[Ingress]", &[1.into()]), None);
    assert_eq!(value(&text, "[Ingress]", &["a".into()]), None);
    assert_eq!(value(&text, "web", &["a".into()]), None);
    assert_eq!(key(&text, "{port: web, protocol: TCP}", &["protocol".into()]).unwrap(), "protocol");
    assert_eq!(key(&text, "[Ingress]", &[]).unwrap(), "policyTypes");
    assert_eq!(key(&text, "[Ingress]", &[0.into()]), None);
}

#[test]
fn of_nodes_with_the_same_bytes_the_outermost_that_the_path_fits_counts() {
    let text = policy();

    // The sequence of rules and its only rule are the same bytes.
    let path = ["ports".into(), 1.into(), "port".into()];
    assert_eq!(value(&text, RULE, &path).unwrap(), "web");
    assert_eq!(value(&text, RULE, &[0.into(), "ports".into(), 0.into()]).unwrap(), "port: 80");
    assert_eq!(key(&text, RULE, &[]).unwrap(), "ingress");
    // A key without a value: the mapping, the key and the value that is not there.
    assert_eq!(value("- port:\n- b\n", "port", &["port".into()]).unwrap(), "port");
    assert_eq!(key("- port:\n- b\n", "port", &["port".into()]).unwrap(), "port");
}

#[test]
fn the_root_is_that_of_the_object() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {kind: A, x: 1}\n- kind: ServiceList\n  apiVersion: v1\n  \
                items:\n  - name: deep\n    x: 2\n  x: 3\nx: 4\n";
    let x = ["x".into()];
    assert_eq!(root_value(list, "{kind: A, x: 1}", &x).unwrap(), "1");
    assert_eq!(root_value(list, "A", &x).unwrap(), "1");
    assert_eq!(root_value(list, "eep", &x).unwrap(), "2");
    assert_eq!(root_value(list, "ServiceList", &x).unwrap(), "3");
    assert_eq!(root_value(list, "List", &x).unwrap(), "4");
    assert_eq!(root_value(list, "items:\n- {kind", &x).unwrap(), "4");
    let (text, start) = ask(list, "deep", &x, |l, at, path| l.root_key(at, path)).unwrap();
    assert_eq!((text.as_str(), start as usize), ("x", list.find("x: 2").unwrap()));
    // A sequence named `items` is no list of objects.
    assert_eq!(root_value("kind: Menu\nitems:\n- {a: b}\nx: 1\n", "{a: b}", &x).unwrap(), "1");
}

#[test]
fn json_and_several_documents() {
    let text = "{\"kind\": \"A\", \"x\": [1, {\"y\": 2}]}{\"kind\": \"B\", \"x\": 3}";
    assert_eq!(root_value(text, "\"A\"", &["x".into(), 1.into(), "y".into()]).unwrap(), "2");
    assert_eq!(root_value(text, "\"B\"", &["x".into()]).unwrap(), "3");
    assert_eq!(root_key(text, "\"B\"", &["x".into()]).unwrap(), "\"x\"");
    let text = "\u{feff}# café\na: é\r\n---\r\na: [\r\n---\r\na: ü\r\nb:\r\n- c\r\n---\n";
    assert_eq!(root_value(text, "é\r\n---", &["a".into()]), None, "not within one document");
    assert_eq!(root_value(text, "a: é", &["a".into()]).unwrap(), "é");
    assert_eq!(root_value(text, "a: [", &["a".into()]), None, "a document with an error");
    assert_eq!(root_value(text, "ü", &["b".into(), 0.into()]).unwrap(), "c");
    assert_eq!(value(text, "c\r", &[]), None);
}

#[test]
fn what_an_alias_brings_in_stands_at_its_anchor() {
    let text = "x: &x\n  a: 1\n  b: [2]\ny: *x\nz:\n  <<: *x\n  a: 3\nlist: [&i {j: k}, *i]\nn: end\n";
    assert_eq!(value(text, "[2]", &[0.into()]).unwrap(), "2");
    assert_eq!(key(text, "a: 1\n  b: [2]", &[]).unwrap(), "x");
    assert_eq!(root_value(text, "end", &["z".into(), "b".into()]).unwrap(), "[2]");
    assert_eq!(root_value(text, "end", &["z".into(), "a".into()]).unwrap(), "3");
    assert_eq!(root_value(text, "end", &["list".into(), 1.into(), "j".into()]).unwrap(), "k");
    assert_eq!(value(text, "{j: k}", &["j".into()]).unwrap(), "k");
}

#[test]
fn any_origin_may_be_asked_about() {
    let text = policy() + "---\n" + &policy().replace("Ingress", "Égress") + "---\n[a, *b]\n---\n- \n-\n";
    let sources = sources(&text);
    let locator = Locator::new(&sources);
    let length = u32::try_from(text.len()).unwrap() + 2;
    for source in 0..4 {
        let source = ringfence_model::origin::SourceId(source);
        for start in 0..length {
            for end in [0, start.saturating_sub(1), start, start + 1, start + 7, length, u32::MAX] {
                let at = Origin { source, start, end };
                let _ = locator.text(at);
                for path in [&[][..], &["spec".into()], &[0.into()]] {
                    let _ = (locator.value(at, path), locator.key(at, path));
                    let _ = (locator.root_value(at, path), locator.root_key(at, path));
                }
            }
        }
    }
    assert_eq!(locator.value(Origin::NONE, &[]), None);
    assert_eq!(locator.text(Origin::NONE), None);
}
