//! The file of a baseline: JSON, one finding a line of a diff, sorted. In: known findings, or a text. Out: the other.

use ringfence_model::{
    diagnostic::Diagnostic,
    origin::{Origin, Sources},
};
use serde::{Deserialize, Serialize};

use super::{Baseline, Known};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    findings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    rule: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    object: String,
    hash: String,
    count: usize,
}

impl Baseline {
    /// Reads the text of a baseline file.
    ///
    /// # Errors
    /// What is wrong with it, with the text as its only source.
    pub fn parse(name: &str, text: &str) -> Result<Self, Box<(Diagnostic, Sources)>> {
        let mistake = |offset: usize, message: String| {
            let mut sources = Sources::default();
            let source = sources.add(name, text);
            let at = u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
            let error = Diagnostic::error("baseline", Origin { source, start: at, end: at }, message)
                .with_help("write it anew with `ringfence check --write-baseline FILE`");
            Box::new((error, sources))
        };
        let file: File = serde_json::from_str(text).map_err(|error| {
            let offset = offset_of(text, error.line(), error.column());
            let message = error.to_string();
            // The place is shown beside the message.
            let end = message.rfind(" at line ").unwrap_or(message.len());
            mistake(offset, message.get(..end).unwrap_or(&message).to_owned())
        })?;
        if file.version != VERSION {
            return Err(mistake(0, format!("unknown version {} of a baseline", file.version)));
        }
        let mut baseline = Self::default();
        for Entry { file, rule, object, hash, count } in file.findings {
            *baseline.counts.entry(Known { file, rule, object, hash }).or_default() += count;
        }
        Ok(baseline)
    }

    /// The text of a baseline file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let findings = self.iter().map(|(known, count)| {
            let Known { file, rule, object, hash } = known.clone();
            Entry { file, rule, object, hash, count }
        });
        let file = File { version: VERSION, findings: findings.collect() };
        // Strings and numbers always can be written.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The byte at a line and a column (in bytes), both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
