//! The quick reader against the general parser: where the quick one gives a tree, it is the general one's, to the byte,
//! and it gives none where the general one has an error.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "the helpers of a test fail as tests do"
)]

use proptest::prelude::*;
use ringfence_manifest::{
    parse::{parse_general, parse_quick},
    tree::{Kind, Node},
};

/// Checks one text; returns whether the quick reader took it.
fn check(text: &str) -> bool {
    let Some(quick) = parse_quick(text, 1000) else { return false };
    match parse_general(text, 1000) {
        Ok(Some(general)) => assert_eq!(quick, general, "{text}"),
        other => {
            // The quick reader takes any indentation inside of brackets and quotes, and tabs between tokens, as `kubectl` does.
            // Spelled out with neither, the general parser must agree on all but places.
            let plain = without_liberties(text, &quick);
            let general =
                parse_general(&plain, 0).unwrap_or_else(|error| panic!("{error:?}\n{other:?}\n{text}"));
            let general = general.expect("a tree");
            assert_eq!(shape(&quick), shape(&general), "{text}\n{plain}");
        }
    }
    true
}

/// The text with tabs between tokens as spaces, and the lines inside of brackets and quotes indented deeply.
fn without_liberties(text: &str, root: &Node<'_>) -> String {
    let (mut scalars, mut flows) = (Vec::new(), Vec::new());
    places(root, text, &mut scalars, &mut flows);
    let within =
        |spans: &[(usize, usize)], at: usize| spans.iter().any(|(start, end)| (*start..*end).contains(&at));
    let mut out = String::new();
    for (at, character) in text.char_indices() {
        match character {
            '\t' if !within(&scalars, at) => out.push(' '),
            '\n' if within(&flows, at) => out.push_str(&format!("\n{}", " ".repeat(100))),
            other => out.push(other),
        }
    }
    out
}

fn places(node: &Node<'_>, text: &str, scalars: &mut Vec<(usize, usize)>, flows: &mut Vec<(usize, usize)>) {
    let span = (node.span.start as usize - 1000, node.span.end as usize - 1000);
    // A block sequence may start with a flow collection; a flow collection starts before its first item.
    let first = match &node.kind {
        Kind::Scalar { .. } => None,
        Kind::Seq(items) => items.first(),
        Kind::Map(entries) => entries.first().map(|(key, _)| key),
    };
    let flow = text[span.0..].starts_with(['{', '['])
        && first.is_none_or(|first| first.span.start > node.span.start);
    match &node.kind {
        Kind::Scalar { .. } => {
            scalars.push(span);
            flows.extend(text[span.0..].starts_with(['"', '\'']).then_some(span));
        }
        Kind::Seq(items) => {
            flows.extend(flow.then_some(span));
            items.iter().for_each(|item| places(item, text, scalars, flows));
        }
        Kind::Map(entries) => {
            flows.extend(flow.then_some(span));
            for (key, value) in entries {
                places(key, text, scalars, flows);
                places(value, text, scalars, flows);
            }
        }
    }
}

/// The tree without its places, and without telling tabs from spaces.
fn shape(node: &Node<'_>) -> String {
    match &node.kind {
        Kind::Scalar { text, plain } => {
            format!("{:?}{}", text.replace('\t', " "), if *plain { "" } else { "q" })
        }
        Kind::Seq(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        Kind::Map(entries) => {
            let entry = |(key, value): &(Node<'_>, Node<'_>)| format!("{}:{}", shape(key), shape(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
    }
}

const REAL: [&str; 3] = [
    include_str!("../benches/texts/policy.yaml"),
    include_str!("../benches/texts/deployment.yaml"),
    include_str!("../benches/texts/pod.yaml"),
];

#[test]
fn real_manifests_take_the_quick_way() {
    for text in REAL {
        assert!(check(text), "{text}");
        assert!(check(&text.replace('\n', "\r\n")), "{text}");
    }
}

#[test]
fn scalars_over_several_lines_take_the_quick_way() {
    for text in [
        "a: b c\n  d\n\n  - e\nf: g\n",
        "- a\n  b:c\n",
        "a: \"b  \n  c\n\n\n  d\\n\"\ne: f\n",
        "a: 'it''s\n  b'\n",
        "a: \"b\\\n  \\  c\\\n\n  d\"\n",
        "a: [\"b\n  c\", d]\n",
        "a:\n  b\n  c\nd: e\n",
    ] {
        assert!(check(text), "{text}");
        assert!(check(&text.replace('\n', "\r\n")), "{text}");
    }
}

/// What an edit puts in: tokens that mean something in one place or another.
const TOKENS: [&str; 78] = [
    " ",
    "  ",
    "    ",
    "\n",
    "\n  ",
    "\n\n",
    "\r\n",
    "\t",
    ":",
    ": ",
    ":\n",
    "- ",
    "-",
    "-\n",
    "- - ",
    "? ",
    "#",
    " # c",
    "# c\n",
    ",",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "[]",
    "{}",
    "\"",
    "'",
    "''",
    "\\",
    "\\n",
    "\\u00e9",
    "\\x41",
    "\\\"",
    "|",
    "|\n",
    ">\n",
    ">-\n",
    "|+\n",
    "|-\n  ",
    "|2\n",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "<<: ",
    "---\n",
    "\n---\n",
    "...\n",
    "%YAML 1.2\n",
    "null",
    "~",
    "true",
    "on: ",
    "80",
    "0x1F: ",
    "é",
    "日本",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "a",
    "ab c",
    "a: b",
    "\n  a: b",
    "\n- a: b",
    "key: [a, b]",
    "{a: b, c: [d]}",
    "\"a\":1",
    "'a': ",
    "::/0",
    "-1",
    "a#b",
    "a:b",
    "\n   ",
    "\n \t\n",
    "@",
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, usize),
    Delete(usize, usize),
    /// Indents a line, or takes spaces away.
    Indent(usize, i8),
    Repeat(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 0..TOKENS.len()).prop_map(|(at, token)| Edit::Insert(at.index(1 << 30), token)),
        2 => (any::<prop::sample::Index>(), 1usize..8).prop_map(|(at, length)| Edit::Delete(at.index(1 << 30), length)),
        2 => (any::<prop::sample::Index>(), -4i8..5).prop_map(|(line, by)| Edit::Indent(line.index(1 << 30), by)),
        1 => any::<prop::sample::Index>().prop_map(|line| Edit::Repeat(line.index(1 << 30))),
    ]
}

fn apply(text: &mut String, edit: &Edit) {
    let boundary = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let line =
        |text: &str, at: usize| text[..boundary(text, at)].rfind('\n').map_or(0, |newline| newline + 1);
    match edit {
        Edit::Insert(at, token) => {
            let at = boundary(text, at % (text.len() + 1));
            text.insert_str(at, TOKENS[*token]);
        }
        Edit::Delete(at, length) => {
            let start = boundary(text, at % (text.len() + 1));
            let end = boundary(text, (start + length).min(text.len()));
            text.replace_range(start..end.max(start), "");
        }
        Edit::Indent(at, by) => {
            let start = line(text, at % (text.len() + 1));
            if *by >= 0 {
                text.insert_str(start, &" ".repeat(*by as usize));
            } else {
                let spaces = text[start..].bytes().take_while(|byte| *byte == b' ').count();
                text.replace_range(start..start + spaces.min(usize::from(by.unsigned_abs())), "");
            }
        }
        Edit::Repeat(at) => {
            let start = line(text, at % (text.len() + 1));
            let end = text[start..].find('\n').map_or(text.len(), |length| start + length + 1);
            let copy = text[start..end].to_owned();
            text.insert_str(start, &copy);
        }
    }
}

/// A piece of a real manifest, whole lines, moved to the left.
fn piece(which: usize, start: usize, lines: usize) -> String {
    let all: Vec<&str> = REAL[which % REAL.len()].lines().collect();
    let start = start % all.len();
    let lines = &all[start..(start + lines).min(all.len())];
    let indent = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", &line[indent..])).collect()
}

/// Interprets numbers as choices and writes a text that is mostly YAML.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    out: String,
}

impl Writer<'_> {
    fn choose(&mut self, n: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % n)
    }

    fn pick(&mut self, from: &[&str]) {
        let choice = self.choose(u8::try_from(from.len()).expect("few"));
        self.out.push_str(from[usize::from(choice)]);
    }

    fn end_line(&mut self) {
        self.pick(&[
            "\n",
            "\n",
            "\n",
            "\n",
            "\n",
            "\r\n",
            " # c\n",
            "  \n",
            "\n\n",
            "\n# c\n",
            "\n  # c\n",
            " \t\n",
            "#x\n",
        ]);
    }

    fn scalar(&mut self) {
        self.pick(&[
            "a",
            "b c",
            "1.10",
            "true",
            "~",
            "null",
            "\"q\"",
            "'s'",
            "\"\"",
            "''",
            "\"a\\nb\"",
            "'it''s'",
            "x:y",
            "x#y",
            "-5",
            "10.0.0.0/8",
            "::1",
            "日本",
            "\"é\\u00e9\"",
            "a, b",
            "[a]",
            "{}",
            "a -",
            "?x",
            "\"a b \"",
            "' # '",
            "0x1F",
            "a\tb",
            "\"x\ty\"",
            "http://x:80/y?z=[1]",
            "\"\\x\"",
            "\"open",
            "*x",
            "a: b",
            "&x y",
            "!!str 1",
            "- a",
            "k]",
            "a\n    b",
            "a\n\n     - b:c",
            "\"a \n    b\"",
            "'a\n\n      b'",
            "\"a\\\n     b\"",
            "a # c\n     b",
            "a '\"",
        ]);
    }

    fn key(&mut self) {
        self.pick(&[
            "a",
            "b",
            "c",
            "d",
            "e",
            "name",
            "app.kubernetes.io/name",
            "\"q\"",
            "'s'",
            "on",
            "80",
            "key with blank",
            "ü",
            "<<",
            "f:x",
            "k:{\"name\":\"main\"}",
            "\"a\\tb\"",
            ".",
            "-x",
            "~",
            "{a: b}",
            "? x",
        ]);
    }

    fn flow(&mut self, depth: u8) {
        let space = ["", "", " ", "\n", "\n   ", " # c\n ", "\t"];
        match self.choose(if depth > 2 { 2 } else { 4 }) {
            0 | 1 => self.scalar(),
            2 => {
                self.out.push('[');
                for _ in 0..self.choose(4) {
                    self.pick(&space);
                    self.flow(depth + 1);
                    self.pick(&space);
                    self.pick(&[",", ",", ",", ",", ", ", ""]);
                }
                self.pick(&space);
                self.pick(&["]", "]", "]", "]", "]", "]", "}"]);
            }
            _ => {
                self.out.push('{');
                for _ in 0..self.choose(4) {
                    self.pick(&space);
                    self.key();
                    self.pick(&[": ", ": ", ": ", ":", " : ", ":\n ", "", " "]);
                    self.flow(depth + 1);
                    self.pick(&[",", ",", ",", ", ", " ,", ""]);
                }
                self.pick(&space);
                self.out.push('}');
            }
        }
    }

    fn block(&mut self, indent: usize, depth: u8) {
        let deeper = indent + 1 + usize::from(self.choose(4));
        if self.choose(3) == 0 {
            for _ in 0..=self.choose(3) {
                self.indent(indent);
                self.pick(&["-", "-", "-", "-", "-", "-  ", "- -"]);
                self.value(deeper, depth, true);
            }
        } else {
            for _ in 0..=self.choose(4) {
                self.indent(indent);
                self.entry(deeper, depth);
            }
        }
    }

    fn entry(&mut self, deeper: usize, depth: u8) {
        self.key();
        self.pick(&[":", ":", ":", ":", ":", ":", " :", ":\t", ""]);
        self.value(deeper, depth, false);
    }

    fn indent(&mut self, indent: usize) {
        let off = self.choose(24);
        let indent = match off {
            1 => indent + 1,
            2 => indent.saturating_sub(1),
            _ => indent,
        };
        self.out.push_str(&" ".repeat(indent));
    }

    fn value(&mut self, deeper: usize, depth: u8, item: bool) {
        match self.choose(if depth > 3 { 6 } else { 11 }) {
            0..=2 => {
                self.out.push(' ');
                self.scalar();
                self.end_line();
            }
            3 => {
                self.out.push(' ');
                self.flow(0);
                self.end_line();
            }
            4 => {
                self.pick(&[" |", " |", " |-", " |+", " >", " >-", " >+", " |2", " | # c", " |-1"]);
                self.end_line();
                for _ in 0..self.choose(4) {
                    self.indent(deeper);
                    self.pick(&[
                        "text", "text # t", "a: b", "", "", "  more", "\tx", "x  ", "- y", "   ", "é", "---",
                    ]);
                    self.pick(&["\n", "\n", "\n", "\r\n", "\n\n", ""]);
                }
            }
            5 => self.end_line(),
            6 | 7 if item => {
                self.out.push(' ');
                self.entry(deeper, depth + 1);
                for _ in 0..self.choose(3) {
                    self.indent(deeper);
                    self.entry(deeper + 2, depth + 1);
                }
            }
            8 if !item => {
                self.end_line();
                self.block(deeper.saturating_sub(1), depth + 1);
            }
            _ => {
                self.end_line();
                self.block(deeper, depth + 1);
            }
        }
    }
}

fn written(choices: &[u8]) -> String {
    let mut writer = Writer { choices: choices.iter(), out: String::new() };
    writer.pick(&["", "", "", "---\n", "# c\n", "--- # c\n", "\n", "---\r\n", "--- "]);
    writer.block(0, 0);
    writer.pick(&["", "", "", "...\n", "---\n", "# c", "  ", "x"]);
    writer.out
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(4000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn edited_manifests(
        which in 0usize..3,
        start in 0usize..200,
        lines in 1usize..40,
        edits in prop::collection::vec(edit(), 0..4),
    ) {
        let mut text = piece(which, start, lines);
        for edit in &edits {
            apply(&mut text, edit);
        }
        check(&text);
    }

    #[test]
    fn written_texts(choices in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&written(&choices));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }
}
