//! The lines that decided. In: where a rule and the peer of it that matters are written. Out: their lines with numbers, the
//! peer's marked.

use ringfence_analysis::explain::Step;
use ringfence_model::origin::{Origin, Sources};

/// So many lines are shown of a rule; of a longer one only the peer's lines, and no more of these.
const MOST_LINES: u32 = 20;

/// Longer lines are not shown: minified JSON would fill the screen.
const LONGEST_LINE: usize = 200;

/// One line of a text.
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// The text, without the indentation that all lines shown have in common.
    pub(crate) text: String,
    /// Whether it belongs to the peer that matters.
    pub(crate) marked: bool,
}

/// First and last line of a value.
fn lines_of(sources: &Sources, origin: Origin) -> Option<(u32, u32)> {
    let source = sources.get(origin.source)?;
    let first = source.position(origin.start).line;
    let last = source.position(origin.end.saturating_sub(1).max(origin.start)).line;
    Some((first, last))
}

/// The lines to show for a step; none if it has no place.
pub(crate) fn lines(step: &Step, sources: &Sources) -> Vec<Line> {
    let Some((mut first, mut last)) = lines_of(sources, step.origin) else { return Vec::new() };
    let mark = lines_of(sources, step.mark);
    if last - first >= MOST_LINES
        && let Some((mark_first, mark_last)) = mark
    {
        (first, last) = (mark_first, mark_last);
    }
    last = last.min(first + MOST_LINES - 1);
    let Some(source) = sources.get(step.origin.source) else { return Vec::new() };
    let texts: Vec<(u32, &str)> = (first..=last).map(|number| (number, source.line(number))).collect();
    if texts.iter().any(|(_, text)| text.len() > LONGEST_LINE) {
        return Vec::new();
    }
    let indent = |text: &str| text.len() - text.trim_start_matches(' ').len();
    let common = texts.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(_, text)| indent(text)).min();
    texts
        .into_iter()
        .map(|(number, text)| Line {
            number,
            text: text.get(common.unwrap_or(0)..).unwrap_or_default().trim_end().to_owned(),
            marked: mark.is_some_and(|(first, last)| (first..=last).contains(&number)),
        })
        .collect()
}

/// `file:line` of what a step is about: the peer where one is known, else the rule.
pub(crate) fn place(step: &Step, sources: &Sources) -> Option<String> {
    sources.place(step.mark).or_else(|| sources.place(step.origin))
}
