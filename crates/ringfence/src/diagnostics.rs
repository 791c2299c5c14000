//! Diagnostics for people. In: findings and the texts they point into. Out: on standard error, in the manner of
//! rustc: severity, code, message, `file:line:column`, the lines with marks, help.

use std::{io::Write as _, ops::Range};

use annotate_snippets::{
    AnnotationKind, Group, Level, Origin as Place, Renderer, Snippet, renderer::DecorStyle,
};
use anstream::{AutoStream, ColorChoice};
use ringfence_model::{
    diagnostic::{Diagnostic, Severity},
    origin::{Origin, Source, Sources},
};

use crate::secrets::concealed;

/// Lines longer than this are not shown: minified JSON would fill the screen.
const LONGEST_LINE: usize = 400;

/// At most so many lines of a value that spans several are shown.
const MOST_LINES: u32 = 4;

/// Prints diagnostics on standard error. A closed standard error is not an error.
pub(crate) fn print<'a>(
    diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
    sources: &Sources,
    color: ColorChoice,
) {
    let mut stderr = AutoStream::new(std::io::stderr().lock(), color);
    for diagnostic in diagnostics {
        if writeln!(stderr, "{}\n", render(diagnostic, sources)).is_err() {
            return;
        }
    }
}

/// One diagnostic with terminal styles.
pub(crate) fn render(diagnostic: &Diagnostic, sources: &Sources) -> String {
    render_with(diagnostic, sources, None)
}

/// One diagnostic with terminal styles, and a line after its help that says what a repair would do.
pub(crate) fn render_with(diagnostic: &Diagnostic, sources: &Sources, fix: Option<&str>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    group =
        with_place(group, sources, diagnostic.origin, AnnotationKind::Primary, diagnostic.label.as_deref());
    for related in &diagnostic.related {
        group = with_place(group, sources, related.origin, AnnotationKind::Context, Some(&related.message));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if let Some(fix) = fix {
        group = group.element(Level::HELP.with_name("fix").message(fix));
    }
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group])
}

/// Adds a place and, if its lines are short enough for a screen, those lines with the value marked.
fn with_place<'a>(
    group: Group<'a>,
    sources: &'a Sources,
    origin: Origin,
    kind: AnnotationKind,
    label: Option<&'a str>,
) -> Group<'a> {
    let Some(source) = sources.get(origin.source) else {
        return match label {
            Some(label) => group.element(Level::NOTE.message(label)),
            None => group,
        };
    };
    let position = source.position(origin.start);
    match excerpt(source, origin) {
        Some(excerpt) => {
            let mark = kind.span(excerpt.mark).label(label);
            group.element(
                Snippet::source(concealed(excerpt.text))
                    .line_start(position.line as usize)
                    .path(&*source.name)
                    .annotation(mark),
            )
        }
        None => {
            let place =
                Place::path(&*source.name).line(position.line as usize).char_column(position.column as usize);
            let group = group.element(place);
            match label {
                Some(label) => group.element(Level::NOTE.message(label)),
                None => group,
            }
        }
    }
}

/// Some lines of a text and the bytes of them to mark.
struct Excerpt<'a> {
    text: &'a str,
    mark: Range<usize>,
}

/// The lines that a value takes, the first few of them if it is long; nothing if a line is too long to show.
fn excerpt(source: &Source, origin: Origin) -> Option<Excerpt<'_>> {
    let text: &str = &source.text;
    let start = origin.start as usize;
    let line = source.position(origin.start).line;
    let first = source.line_span(line)?.start;
    let wanted = (origin.end as usize).clamp(start.min(text.len()), text.len());
    let mut end = first;
    for line in line..line.saturating_add(MOST_LINES) {
        let Some(span) = source.line_span(line) else { break };
        if span.len() > LONGEST_LINE {
            return None;
        }
        end = span.end;
        if text.get(end..wanted).is_none_or(|rest| rest.trim().is_empty()) {
            break;
        }
    }
    let shown = text.get(first..end)?.trim_end_matches(['\n', '\r']);
    let mark_end = wanted.min(first + shown.len()).max(start);
    let mark = start.checked_sub(first)?..mark_end.checked_sub(first)?;
    (mark.start <= shown.len() && shown.is_char_boundary(mark.start) && shown.is_char_boundary(mark.end))
        .then_some(Excerpt { text: shown, mark })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_model::origin::SourceId;

    fn plain(diagnostic: &Diagnostic, sources: &Sources) -> String {
        anstream::adapter::strip_str(&render(diagnostic, sources)).to_string()
    }

    fn at(source: SourceId, text: &str, needle: &str) -> Origin {
        let start = text.find(needle).unwrap();
        Origin { source, start: start as u32, end: (start + needle.len()) as u32 }
    }

    #[test]
    fn an_error_shows_its_line_and_what_to_do() {
        let text = "kind: NetworkPolicy\nspec:\n  ingres: []\n";
        let mut sources = Sources::default();
        let id = sources.add("policies/a.yaml", text);
        let error = Diagnostic::error("unknown-field", at(id, text, "ingres"), "unknown field `ingres`")
            .with_label("not a field of a NetworkPolicy's spec")
            .with_help("did you mean `ingress`?");
        insta::assert_snapshot!(plain(&error, &sources));
    }

    #[test]
    fn long_lines_are_only_named() {
        let text = format!("{{\"a\": \"{}\"}}", "x".repeat(5000));
        let mut sources = Sources::default();
        let id = sources.add("a.json", text.as_str());
        let error = Diagnostic::error("x", at(id, &text, "\"a\""), "something");
        insta::assert_snapshot!(plain(&error, &sources));
    }

    #[test]
    fn a_place_past_the_end_or_inside_a_character_does_no_harm() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "é: 1\n");
        for (start, end) in [(0, 99), (5, 5), (6, 6), (99, 120), (1, 2), (4, 2)] {
            let error = Diagnostic::error("x", Origin { source: id, start, end }, "something");
            assert!(plain(&error, &sources).contains("a.yaml:"), "{start}..{end}");
        }
    }
}
