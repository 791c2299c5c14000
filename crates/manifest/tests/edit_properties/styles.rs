//! Random documents, written in random styles. In: a seed. Out: a text, and what its documents mean.

use std::fmt::Write as _;

use ringfence_manifest::edit::Value;

/// Numbers from a seed (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A value at most `depth` levels deep. No sequence is an item: its bytes could be those of the one that it is in.
    pub(super) fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 3 } else { 6 }) {
            0 => Value::Int(i64::try_from(self.below(70_000)).unwrap()),
            1 if self.chance(20) => Value::Bool(self.chance(50)),
            1 | 2 => Value::Text(self.word().to_owned()),
            3 => {
                let item = |random: &mut Self| match random.value(depth - 1) {
                    Value::Seq(_) => random.map(depth - 1),
                    other => other,
                };
                Value::Seq((0..self.below(4)).map(|_| item(self)).collect())
            }
            _ => self.map(depth - 1),
        }
    }

    /// A mapping; the keys of most are its own, so that two can be joined.
    pub(super) fn map(&mut self, depth: usize) -> Value {
        let count = self.below(4);
        let own = self.below(1000);
        let key = |at: usize| format!("{}{own}x{at}", ["port", "app.io/name", "k"][at % 3]);
        Value::Map((0..count).map(|at| (key(at), self.value(depth))).collect())
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 16] = [
            "web",
            "TCP",
            "true",
            "80",
            "10.0.0.0/8",
            "a b",
            "it's",
            "say \"no\"",
            "a: b",
            "# no",
            "",
            "- x",
            "[x",
            "é",
            "x:",
            "two\nlines",
        ];
        WORDS[self.below(WORDS.len())]
    }
}

/// A text and what it means.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) documents: Vec<Value>,
    pub(super) crlf: bool,
}

struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    step: usize,
    dash_indent: usize,
    dash_gap: usize,
    comments: usize,
    flow: usize,
}

impl Text {
    pub(super) fn random(random: &mut Random) -> Self {
        let documents: Vec<Value> = (0..1 + random.below(3))
            .map(|_| {
                loop {
                    let value = random.map(4);
                    if !matches!(&value, Value::Map(entries) if entries.is_empty()) {
                        break value;
                    }
                }
            })
            .collect();
        let crlf = random.chance(30);
        let mut text = if random.chance(10) { "\u{feff}".to_owned() } else { String::new() };
        for (at, document) in documents.iter().enumerate() {
            if at > 0 {
                text.push_str("---\n");
            }
            text.push_str(&write(random, document));
        }
        if random.chance(30) {
            text.truncate(text.trim_end_matches('\n').len());
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        // A text of one line does not say how its lines end.
        let crlf = text.contains('\r');
        Self { text, documents, crlf }
    }
}

/// A document, with a final line break.
fn write(random: &mut Random, document: &Value) -> String {
    let step = [2, 2, 4, 3][random.below(4)];
    let (json, lines) = (random.chance(15), random.chance(50));
    let dash_indent = if random.chance(50) { 0 } else { step };
    let dash_gap = if random.chance(80) { 1 } else { 3 };
    let comments = if random.chance(50) { 25 } else { 0 };
    let flow = [0, 20, 50][random.below(3)];
    let mut writer = Writer { random, out: String::new(), step, dash_indent, dash_gap, comments, flow };
    if json {
        writer.flow(document, true, lines.then_some(0));
        writer.out.push('\n');
    } else {
        writer.comment_lines(0);
        writer.block(document, 0);
    }
    writer.out
}

impl Writer<'_> {
    fn indent(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    fn comment_lines(&mut self, column: usize) {
        while self.random.chance(self.comments) {
            self.indent(column);
            let number = self.random.below(1000);
            let _ = writeln!(self.out, "# comment {number}: {{- it's");
        }
        if self.random.chance(self.comments / 3) {
            self.out.push('\n');
        }
    }

    fn end_line(&mut self) {
        if self.random.chance(self.comments) {
            let number = self.random.below(1000);
            let _ = write!(self.out, "  # behind {number}: [");
        }
        self.out.push('\n');
    }

    /// A collection with its first key or dash at the current position, in column `column`.
    fn block(&mut self, value: &Value, column: usize) {
        match value {
            Value::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        self.comment_lines(column);
                        self.indent(column);
                    }
                    self.scalar(&Value::Text(key.clone()), false, false);
                    self.out.push(':');
                    self.below_key(value, column);
                }
            }
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.comment_lines(column);
                        self.indent(column);
                    }
                    self.out.push('-');
                    self.indent(self.dash_gap);
                    let is_block = matches!(item, Value::Map(entries) if !entries.is_empty());
                    if is_block && !self.random.chance(self.flow) {
                        self.block(item, column + 1 + self.dash_gap);
                    } else {
                        self.flow(item, false, None);
                        self.end_line();
                    }
                }
            }
            other => self.scalar(other, false, false),
        }
    }

    fn below_key(&mut self, value: &Value, column: usize) {
        let below = match value {
            Value::Map(entries) if !entries.is_empty() => column + self.step,
            Value::Seq(items) if !items.is_empty() => column + self.dash_indent,
            Value::Text(text) if text == "two\nlines" => {
                self.out.push_str(" |-\n");
                for line in text.lines() {
                    self.indent(column + self.step);
                    self.out.push_str(line);
                    self.out.push('\n');
                }
                return;
            }
            _ => column,
        };
        if below == column && !matches!(value, Value::Seq(items) if !items.is_empty())
            || self.random.chance(self.flow)
        {
            self.out.push(' ');
            self.flow(value, false, None);
            self.end_line();
        } else {
            self.end_line();
            self.comment_lines(below);
            self.indent(below);
            self.block(value, below);
        }
    }

    /// In flow style; `lines` is the indentation where every item has a line of its own.
    fn flow(&mut self, value: &Value, json: bool, lines: Option<usize>) {
        let (open, close, count) = match value {
            Value::Seq(items) => ('[', ']', items.len()),
            Value::Map(entries) => ('{', '}', entries.len()),
            other => return self.scalar(other, true, json),
        };
        self.out.push(open);
        let inner = lines.filter(|_| count > 0).map(|column| column + self.step);
        for at in 0..count {
            if at > 0 {
                self.out.push(',');
            }
            match inner {
                Some(column) => {
                    self.out.push('\n');
                    self.indent(column);
                }
                None if at > 0 => self.out.push(' '),
                None => {}
            }
            match value {
                Value::Seq(items) => self.flow(&items[at], json, inner),
                Value::Map(entries) => {
                    self.scalar(&Value::Text(entries[at].0.clone()), true, json);
                    self.out.push_str(": ");
                    self.flow(&entries[at].1, json, inner);
                }
                _ => {}
            }
        }
        if let (Some(_), Some(column)) = (inner, lines) {
            self.out.push('\n');
            self.indent(column);
        }
        self.out.push(close);
    }

    fn scalar(&mut self, value: &Value, flow: bool, json: bool) {
        let text = match value {
            Value::Int(number) => return self.out.push_str(&number.to_string()),
            Value::Bool(value) => return self.out.push_str(&value.to_string()),
            Value::Text(text) => text,
            Value::Seq(_) | Value::Map(_) => return self.flow(value, json, None),
        };
        let simple = text.starts_with(|c: char| c.is_alphabetic())
            && text != "true"
            && !text.contains([':', '\n', '#', ','])
            || (text == "10.0.0.0/8" && !flow);
        match self.random.below(4) {
            0 | 1 if simple && !json => self.out.push_str(text),
            2 if !json && !text.contains('\n') => {
                let _ = write!(self.out, "'{}'", text.replace('\'', "''"));
            }
            _ => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(self.out, "\"{escaped}\"");
            }
        }
    }
}
