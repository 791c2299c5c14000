//! Suppressions in comments. In: a text. Out: suppressions with what they are about. A `#` in a string or a block scalar begins
//! no comment: the documents' trees say what is a scalar.

use std::ops::Range;

use memchr::memmem;
use ringfence_manifest::{
    document, parse,
    tree::{Kind, Node},
};
use ringfence_model::origin::{Origin, SourceId};

use super::{
    Extent, Malformed, Suppression,
    words::{listed, offset, reason},
};

/// What a comment to the linter begins with.
const CALL: &str = "ringfence:";

/// Reads the comments of a text. What stands in a document that cannot be parsed is no comment.
pub(super) fn read(
    source: SourceId,
    text: &str,
    found: &mut Vec<Suppression>,
    malformed: &mut Vec<Malformed>,
) {
    let comments = candidates(text);
    if comments.is_empty() || document::check_size(text.len()).is_err() {
        return;
    }
    for document in document::split(text) {
        let span = document.span.clone();
        let from = comments.partition_point(|comment| comment.bytes.start < span.start);
        let to = comments.partition_point(|comment| comment.bytes.start < span.end);
        let here = comments.get(from..to).unwrap_or_default();
        if here.is_empty() {
            continue;
        }
        let Ok(Some(root)) = parse::parse(document.text, span.start) else { continue };
        let layout = Layout::new(&root, span);
        for comment in here.iter().filter(|comment| !layout.is_in_scalar(comment.bytes.start)) {
            match comment.suppression(source, &layout) {
                Ok(suppression) => found.push(suppression),
                Err(problem) => malformed.push(Malformed { origin: comment.origin(source), problem }),
            }
        }
    }
}

/// What may be a comment to the linter.
struct Comment<'t> {
    /// From the `#` to the end of the line, without blanks behind it.
    bytes: Range<u32>,
    /// What it says behind [`CALL`], and where that begins.
    says: (&'t str, u32),
    /// Its line.
    line: Range<u32>,
    /// Whether nothing stands before it on its line.
    alone: bool,
}

fn candidates(text: &str) -> Vec<Comment<'_>> {
    let mut comments: Vec<Comment<'_>> = Vec::new();
    for hit in memmem::find_iter(text.as_bytes(), CALL) {
        let line_start = text.get(..hit).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = text.get(hit..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| hit + at);
        let Some(before) = text.get(line_start..hit) else { continue };
        let Some(ahead) = before.trim_end().strip_suffix('#') else { continue };
        let hash = line_start + ahead.len();
        let behind_another = comments.last().is_some_and(|last| offset(hash) < last.bytes.end);
        if behind_another || ahead.ends_with(|letter: char| !letter.is_whitespace()) {
            continue;
        }
        let says = text.get(hit + CALL.len()..line_end).unwrap_or_default().trim_end();
        let end = hit + CALL.len() + says.len();
        let ahead = ahead.trim();
        comments.push(Comment {
            bytes: offset(hash)..offset(end),
            says: (says, offset(hit + CALL.len())),
            line: offset(line_start)..offset(line_end),
            alone: ahead.is_empty() || ahead == "---" || ahead.starts_with('#'),
        });
    }
    comments
}

impl Comment<'_> {
    fn origin(&self, source: SourceId) -> Origin {
        Origin { source, start: self.bytes.start, end: self.bytes.end }
    }

    fn suppression(&self, source: SourceId, layout: &Layout) -> Result<Suppression, &'static str> {
        let (says, start) = self.says;
        let call = says.trim_start().strip_prefix("ignore").ok_or("what it asks for is not `ignore[...]`")?;
        let list = call.trim_start().strip_prefix('[').ok_or("the rules are not in brackets")?;
        let (list, rest) = list.split_once(']').ok_or("the bracket is not closed")?;
        let first = start.saturating_add(offset(says.len() - rest.len() - 1 - list.len()));
        let words = listed(list, Origin { source, start: first, end: first });
        if words.is_empty() {
            return Err("it names no rule");
        }
        let within = |bytes: Range<u32>| Origin { source, start: bytes.start, end: bytes.end };
        let extent = if self.alone {
            Extent::Within(within(layout.next(self.bytes.end)))
        } else {
            Extent::Begin(within(self.line.clone()))
        };
        Ok(Suppression { origin: self.origin(source), extent, words, reason: reason(rest) })
    }
}

/// Where the parts of a document stand.
struct Layout {
    document: Range<u32>,
    /// The scalars, by their first bytes.
    scalars: Vec<Range<u32>>,
    /// The entries of mappings and the items of sequences, by their first bytes, the outermost first.
    parts: Vec<Range<u32>>,
}

impl Layout {
    fn new(root: &Node<'_>, document: Range<u32>) -> Self {
        let mut layout = Self { document, scalars: Vec::new(), parts: Vec::new() };
        layout.add(root);
        layout.scalars.sort_by_key(|span| (span.start, span.end));
        layout.parts.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        layout
    }

    fn add(&mut self, node: &Node<'_>) {
        match &node.kind {
            Kind::Scalar { .. } => self.scalars.push(node.span.clone()),
            Kind::Seq(items) => {
                for item in items {
                    self.parts.push(item.span.clone());
                    self.add(item);
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    // An alias brings in what was written before.
                    let end = if value.span.start < key.span.end { key.span.end } else { value.span.end };
                    self.parts.push(key.span.start..end);
                    self.add(key);
                    self.add(value);
                }
            }
        }
    }

    fn is_in_scalar(&self, at: u32) -> bool {
        // Scalars are apart from each other, but for copies.
        let behind = self.scalars.partition_point(|span| span.start <= at);
        let last = behind.checked_sub(1).and_then(|last| self.scalars.get(last));
        last.is_some_and(|span| at < span.end)
    }

    /// What a comment alone on its line, which ends there, is about: the document if nothing stands before it, nothing if nothing
    /// comes behind it.
    fn next(&self, at: u32) -> Range<u32> {
        let before = self.parts.partition_point(|span| span.start < at);
        match self.parts.get(before) {
            _ if before == 0 => self.document.clone(),
            Some(next) => next.clone(),
            None => at..at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each suppression is about, as text.
    fn about(text: &str) -> Vec<String> {
        let (mut found, mut malformed) = (Vec::new(), Vec::new());
        read(SourceId(0), text, &mut found, &mut malformed);
        let bytes = |at: Origin| text.get(at.start as usize..at.end as usize).unwrap().to_owned();
        let known = found.iter().map(|one| {
            let words: Vec<String> = one.words.iter().map(|word| bytes(word.origin)).collect();
            format!("{}: {:?} {}", words.join("+"), bytes(one.extent.bytes()), one.reason)
        });
        known.chain(malformed.iter().map(|one| format!("{}: {}", bytes(one.origin), one.problem))).collect()
    }

    #[test]
    fn behind_something_it_is_about_its_line() {
        assert_eq!(
            about("a:\n- b # ringfence: ignore[RF1 ,RF2] - why\n"),
            ["RF1+RF2: \"- b # ringfence: ignore[RF1 ,RF2] - why\" why"]
        );
        assert_eq!(
            about("a: | # ringfence: ignore[RF1] why\n  b\n")[0],
            "RF1: \"a: | # ringfence: ignore[RF1] why\" why"
        );
    }

    #[test]
    fn alone_it_is_about_the_next_entry_or_item() {
        let text = "a:\n  # ringfence: ignore[RF1] x\n\n  # more\n  - b: 1\n    c: 2\n  - d\n";
        assert_eq!(about(text), ["RF1: \"b: 1\\n    c: 2\" x"]);
        assert_eq!(about("a: 1\n# ringfence: ignore[RF1]\nb:\n  c: 2\nd: 3\n"), ["RF1: \"b:\\n  c: 2\" "]);
        assert_eq!(about("a: 1\n# ringfence: ignore[RF1]\n---\nb: 2\n"), ["RF1: \"\" "]);
    }

    #[test]
    fn before_everything_it_is_about_the_document() {
        let text = "a: 1\n--- # ringfence: ignore[RF1] x\nb: 2\nc: 3\n";
        assert_eq!(about(text), ["RF1: \"--- # ringfence: ignore[RF1] x\\nb: 2\\nc: 3\\n\" x"]);
    }

    #[test]
    fn strings_are_no_comments() {
        assert!(about("a: |\n  # ringfence: ignore[RF1] x\nb: 1\n").is_empty());
        assert!(about("a: \"\n  # ringfence: ignore[RF1] x\"\n").is_empty());
        assert!(about("a: x#ringfence: ignore[RF1]\n").is_empty());
        assert!(about("{\"a\": \"# ringfence: ignore[RF1] x\"}").is_empty());
        assert!(about("a: [\n# ringfence: ignore[RF1] x\n").is_empty(), "nobody can read this");
    }

    #[test]
    fn slips_are_said() {
        let problem = |comment: &str| about(&format!("a: 1\n{comment}\n")).remove(0);
        assert!(problem("# ringfence: ignore RF1").ends_with("not in brackets"));
        assert!(problem("# ringfence: ignore[RF1").ends_with("not closed"));
        assert!(problem("# ringfence: ignore[ ]").ends_with("no rule"));
        assert!(problem("#ringfence: disable[RF1]").ends_with("not `ignore[...]`"));
    }
}
