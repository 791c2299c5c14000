//! Edits of random documents in random styles come out as meant, or not at all; line ends, comments and other documents
//! stay. Arbitrary places never panic.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail as tests do"
)]

mod styles;

use proptest::prelude::*;
use ringfence_manifest::{
    document::split,
    edit::{self, Edit, Value, apply},
    locate::{Locator, Step},
    parse::parse,
    tree::{Kind, Node},
};
use ringfence_model::origin::{Origin, SourceId, Sources};

use self::styles::{Random, Text};

/// Whether a node is a value.
fn same(node: &Node<'_>, value: &Value) -> bool {
    use ringfence_manifest::scalar::Scalar;
    match (&node.kind, value) {
        (Kind::Scalar { .. }, Value::Bool(wanted)) => node.scalar() == Some(Scalar::Bool(*wanted)),
        (Kind::Scalar { .. }, Value::Int(wanted)) => node.scalar() == Some(Scalar::Int(*wanted)),
        (Kind::Scalar { .. }, Value::Text(wanted)) => node.scalar() == Some(Scalar::Str(wanted)),
        (Kind::Seq(items), Value::Seq(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| same(item, wanted))
        }
        (Kind::Map(entries), Value::Map(wanted)) => {
            entries.len() == wanted.len()
                && (entries.iter().zip(wanted))
                    .all(|((key, value), (name, wanted))| key.text() == Some(name) && same(value, wanted))
        }
        _ => false,
    }
}

fn assert_reads_as(text: &str, meant: &[Value], what: &str) {
    let documents = split(text);
    let roots: Vec<Node<'_>> = documents
        .iter()
        .filter_map(|document| {
            parse(document.text, document.span.start).unwrap_or_else(|e| panic!("{e:?}\n{what}\n{text}"))
        })
        .collect();
    assert_eq!(roots.len(), meant.len(), "{what}\n{text}");
    for (root, value) in roots.iter().zip(meant) {
        assert!(same(root, value), "{what}\nmeant {value:?}\n{text}");
    }
}

/// A step of a path that outlives the tree that it was found in.
#[derive(Clone, Debug)]
enum Way {
    Key(String),
    Index(usize),
}

fn steps(path: &[Way]) -> Vec<Step<'_>> {
    let step = |way| match way {
        &Way::Index(at) => Step::Index(at),
        Way::Key(key) => Step::Key(key),
    };
    path.iter().map(step).collect()
}

fn paths(value: &Value, path: &mut Vec<Way>, out: &mut Vec<Vec<Way>>) {
    out.push(path.clone());
    let mut below = |way, child: &Value| {
        path.push(way);
        paths(child, path, out);
        path.pop();
    };
    match value {
        Value::Seq(items) => items.iter().enumerate().for_each(|(at, item)| below(Way::Index(at), item)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| below(Way::Key(key.clone()), value)),
        Value::Bool(_) | Value::Int(_) | Value::Text(_) => {}
    }
}

fn at<'v>(value: &'v mut Value, path: &[Way]) -> &'v mut Value {
    path.iter().fold(value, |value, way| match (value, way) {
        (Value::Seq(items), Way::Index(at)) => &mut items[*at],
        (Value::Map(entries), Way::Key(key)) => {
            &mut entries.iter_mut().find(|(known, _)| known == key).expect("a path of this tree").1
        }
        (value, _) => panic!("no path of {value:?}"),
    })
}

/// A change of a document: what the builder says and what it should mean. Nothing where the change does not apply.
fn change(
    random: &mut Random,
    locator: &Locator<'_>,
    place: Origin,
    document: &Value,
) -> Option<(String, Option<Vec<Edit>>, Value)> {
    let mut all = Vec::new();
    paths(document, &mut Vec::new(), &mut all);
    let path = all.swap_remove(random.below(all.len()));
    let found = locator.root_value(place, &steps(&path)).expect("every value has a place");
    let new = random.value(2);
    let mut meant = document.clone();
    let value = at(&mut meant, &path);
    let (parent, last) = match path.split_last() {
        Some((last, parent)) => (parent, Some(last.clone())),
        None => (&path[..], None),
    };
    let operation = random.below(9);
    let edits = match (operation, value, last) {
        (0, _, Some(Way::Index(index))) => {
            let Value::Seq(items) = at(&mut meant, parent) else { return None };
            items.remove(index);
            let edits = edit::remove_item(locator, found);
            assert_eq!(edits.is_none(), items.is_empty(), "all but the only item go");
            edits
        }
        (1, _, Some(Way::Key(key))) => {
            let Value::Map(entries) = at(&mut meant, parent) else { return None };
            entries.retain(|(known, _)| *known != key);
            edit::remove_entry(
                locator,
                locator.root_key(place, &steps(&path)).expect("every key has a place"),
            )
        }
        (2, _, Some(Way::Index(index))) => {
            let Value::Seq(items) = at(&mut meant, parent) else { return None };
            items.insert(index + 1, new.clone());
            edit::insert_item_after(locator, found, &new)
        }
        (3, Value::Seq(items), _) => {
            items.push(new.clone());
            edit::append_item(locator, found, &new)
        }
        (4, Value::Map(entries), _) => {
            entries.push(("added".to_owned(), new.clone()));
            edit::append_entry(locator, found, "added", &new)
        }
        (5, Value::Seq(items), _) => {
            let first = random.below(items.len().saturating_sub(1).max(1));
            let place_of = |index: usize| {
                let mut item = path.clone();
                item.push(Way::Index(index));
                locator.root_value(place, &steps(&item))
            };
            let (a, b) = (place_of(first)?, place_of(first + 1)?);
            let Value::Map(more) = items.remove(first + 1) else { return None };
            let Value::Map(entries) = &mut items[first] else { return None };
            entries.extend(more);
            edit::join_items(locator, a, b)
        }
        (6, value @ (Value::Text(_) | Value::Int(_) | Value::Bool(_)), _) => {
            let new = random.value(0);
            *value = new.clone();
            edit::replace_scalar(locator, found, &new)
        }
        (7, _, Some(Way::Key(key))) => {
            let Value::Map(entries) = at(&mut meant, parent) else { return None };
            entries
                .iter_mut()
                .filter(|(known, _)| *known == key)
                .for_each(|(known, _)| "renamed".clone_into(known));
            edit::rename_key(locator, locator.root_key(place, &steps(&path))?, "renamed")
        }
        (8, value @ (Value::Seq(_) | Value::Map(_)), Some(Way::Key(_))) => {
            *value = if matches!(value, Value::Seq(_)) { Value::Seq(vec![]) } else { Value::Map(vec![]) };
            edit::empty_collection(locator, found)
        }
        _ => return None,
    };
    assert!(
        edits.is_some() || !matches!(operation, 2 | 3 | 4 | 7 | 8),
        "operation {operation} at {path:?} can be done"
    );
    Some((format!("operation {operation} at {path:?}"), edits, meant))
}

/// Whether every line ends as the text's lines do, and the last as it did.
fn assert_ends_as(before: &str, after: &str, text: &Text, what: &str) {
    assert_eq!(before.ends_with('\n'), after.ends_with('\n'), "{what}\n{after:?}");
    if text.crlf {
        let bare = after.bytes().filter(|byte| *byte == b'\n').count();
        assert_eq!(after.matches("\r\n").count(), bare, "{what}\n{after:?}");
    } else {
        assert!(!after.contains('\r'), "{what}\n{after:?}");
    }
}

/// What an edit did: nothing to ask, refused, or done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Refused,
    Edited,
}

fn one(seed: u64) -> Done {
    let mut random = Random::new(seed);
    let text = Text::random(&mut random);
    let mut sources = Sources::default();
    sources.add("a.yaml", &*text.text);
    let locator = Locator::new(&sources);
    let documents = split(&text.text);
    assert_eq!(documents.len(), text.documents.len(), "{}", text.text);
    let chosen = random.below(documents.len());
    let start = documents[chosen].span.start;
    let place = Origin { source: SourceId(0), start, end: start };
    let Some((what, edits, meant)) = change(&mut random, &locator, place, &text.documents[chosen]) else {
        return Done::Nothing;
    };
    let what = format!("seed {seed}: {what} in\n{}", text.text);
    let Some(edits) = edits else { return Done::Refused };
    let after = apply(&text.text, &edits).expect("edits of one builder fit together");
    let mut all = text.documents.clone();
    all[chosen] = meant;
    assert_reads_as(&after, &all, &what);
    assert_ends_as(&text.text, &after, &text, &what);
    assert_lines_stay(&text.text, &after, &edits, &what);
    Done::Edited
}

/// Every line that no edit touches is there as it was, in its order.
fn assert_lines_stay(before: &str, after: &str, edits: &[Edit], what: &str) {
    let mut start = 0;
    let mut rest = after;
    for line in before.split_inclusive('\n') {
        let end = start + line.len();
        let touched = edits.iter().any(|edit| {
            let (from, to) = (edit.origin.start as usize, edit.origin.end as usize);
            from < end && to > start || (from == to && (start..end).contains(&from))
        });
        if !touched {
            let content = line.trim_end_matches(['\r', '\n']);
            let found = rest.find(content).unwrap_or_else(|| panic!("{content:?} is gone: {what}\n{after}"));
            rest = rest.split_at(found + content.len()).1;
        }
        start = end;
    }
}

#[test]
fn random_documents_come_out_as_meant() {
    let (mut edited, mut refused) = (0_u32, 0_u32);
    for seed in 0..10_000 {
        match one(seed) {
            Done::Edited => edited += 1,
            Done::Refused => refused += 1,
            Done::Nothing => {}
        }
    }
    // Only items, entries and styles that have no clean edit are refused.
    assert!(edited > 10 * refused, "{edited} edited, {refused} refused");
}

#[test]
fn documents_come_and_go() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let text = Text::random(&mut random);
        let mut sources = Sources::default();
        sources.add("a.yaml", &*text.text);
        let locator = Locator::new(&sources);
        let documents = split(&text.text);
        let chosen = random.below(documents.len());
        let start = documents[chosen].span.start;
        let place = Origin { source: SourceId(0), start, end: start };
        let mut all = text.documents.clone();
        let edits = if random.chance(50) {
            all.remove(chosen);
            edit::remove_document(&locator, place)
        } else {
            let new = Value::Map(vec![("new".to_owned(), random.value(3))]);
            all.push(new.clone());
            edit::append_document(&locator, SourceId(0), &new)
        };
        let edits = edits.unwrap_or_else(|| panic!("seed {seed}:\n{}", text.text));
        let after = apply(&text.text, &edits).unwrap();
        assert_reads_as(&after, &all, &format!("seed {seed}:\n{}", text.text));
        if text.crlf {
            assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "seed {seed}");
        }
    }
}

/// Every builder at a place.
fn ask_all(locator: &Locator<'_>, first: Origin, second: Origin) -> Vec<Option<Vec<Edit>>> {
    let value = Value::Map(vec![("a".to_owned(), Value::Seq(vec![1.into(), "b".into()]))]);
    vec![
        edit::remove_item(locator, first),
        edit::remove_entry(locator, first),
        edit::empty_collection(locator, first),
        edit::replace_scalar(locator, first, &"x".into()),
        edit::replace_scalar(locator, first, &value),
        edit::rename_key(locator, first, "x"),
        edit::append_item(locator, first, &value),
        edit::insert_item_after(locator, first, &value),
        edit::append_entry(locator, first, "x", &value),
        edit::join_items(locator, first, second),
        edit::remove_document(locator, first),
        edit::append_document(locator, first.source, &value),
    ]
}

/// Pieces of YAML in no order, so that anchors, tags, odd quotes and errors come up.
const PIECES: [&str; 40] = [
    "a",
    "b: ",
    "- ",
    "\n",
    "\r\n",
    "  ",
    "    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ":",
    "#",
    " # c\n",
    "\"",
    "'",
    "&x ",
    "*x",
    "<<: ",
    "!!str ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "? ",
    "é",
    "\u{feff}",
    "%YAML 1.2\n",
    "80",
    "null",
    "- a\n",
    "- b: c\n",
    "a:\n",
    "  - d\n",
    "{e: f}",
    "[g, h]",
    "\"i\": \"j\"",
    "kind: List\napiVersion: v1\nitems:\n",
    "\t",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_place_may_be_asked_about(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24),
        places in prop::collection::vec((0..60_u32, 0..60_u32), 8),
    ) {
        let text = pieces.concat();
        let mut sources = Sources::default();
        sources.add("a.yaml", &*text);
        let locator = Locator::new(&sources);
        let mut origins: Vec<Origin> =
            places.iter().map(|(start, end)| Origin { source: SourceId(0), start: *start, end: *end }).collect();
        // And places that hold something.
        fn nodes(node: &Node<'_>, out: &mut Vec<Origin>) {
            out.push(Origin { source: SourceId(0), start: node.span.start, end: node.span.end });
            match &node.kind {
                Kind::Scalar { .. } => {}
                Kind::Seq(items) => items.iter().for_each(|item| nodes(item, out)),
                Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                    nodes(key, out);
                    nodes(value, out);
                }),
            }
        }
        for document in split(&text) {
            if let Ok(Some(root)) = parse(document.text, document.span.start) {
                nodes(&root, &mut origins);
            }
        }
        for (at, origin) in origins.iter().enumerate() {
            let second = origins.get(at + 1).copied().unwrap_or_default();
            for edits in ask_all(&locator, *origin, second).into_iter().flatten() {
                let after = apply(&text, &edits);
                prop_assert!(after.is_ok(), "{:?} {:?}", after, edits);
            }
        }
    }
}
