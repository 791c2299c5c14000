//! What is fuzzed. In: any bytes. Out: nothing; a panic if a parser does what it must not. The inputs that fuzzing kept
//! are replayed by `cargo test`.

use ringfence_analysis::matrix::{csv, markdown};
use ringfence_manifest::{Input, Options, document, parse, tree::Node};

/// A target: takes any bytes, panics if something is wrong.
pub type Target = fn(&[u8]);

/// All targets by their names, which are also those of the directories below `corpus`.
pub const TARGETS: [(&str, Target); 3] = [("tree", tree), ("manifest", manifest), ("matrix", matrix)];

/// Documents and their trees: the documents are all of the text, and where the quick reader gives a tree it is the
/// general parser's.
pub fn tree(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let documents = document::split(text);
    let joined: String = documents.iter().map(|document| document.text).collect();
    assert_eq!(joined, text.strip_prefix('\u{feff}').unwrap_or(text), "documents are the text");
    for document in &documents {
        check_tree(document.text);
    }
}

fn check_tree(text: &str) {
    let general: Result<Option<Node<'_>>, _> = parse::parse_general(text, 0);
    let Some(quick) = parse::parse_quick(text, 0) else { return };
    match general {
        Ok(general) => assert_eq!(general.as_ref(), Some(&quick), "both readers give one tree"),
        // Like `kubectl`, the quick reader takes tabs between tokens and any indentation inside of brackets, which the
        // general parser refuses. That the trees are right all the same is tested beside the readers.
        Err(error) => assert!(text.contains(['\t', '[', '{']), "only the quick reader takes it: {error:?}"),
    }
}

/// Whole inputs: no panic, and every diagnostic points into the text.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let inputs = vec![Input { name: "input.yaml".to_owned(), text: text.to_owned() }];
    let loaded = ringfence_manifest::read(inputs, &Options::default());
    for found in &loaded.diagnostics {
        let related = found.related.iter().map(|related| related.origin);
        for origin in std::iter::once(found.origin).chain(related).filter(|origin| origin.is_some()) {
            let place = origin.start as usize..origin.end as usize;
            assert!(text.get(place).is_some(), "{found:?} points into the text");
        }
    }
}

/// Test matrices: no panic, and no row outside of the text.
pub fn matrix(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.lines().count().max(1);
    for matrix in [markdown::read(text), csv::read(text)] {
        let rows = matrix.tables.iter().flat_map(|table| &table.rows).map(|row| row.line);
        let faults = matrix.faults.iter().map(|fault| fault.line);
        for line in rows.chain(faults) {
            assert!((line as usize) <= lines, "line {line} of {lines}");
        }
    }
}
