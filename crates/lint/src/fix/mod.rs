//! Repairs. In: texts, settings and what a run of the rules found. Out: the texts repaired, with every repair tried out
//! before it counts: the finding must be gone, nothing worse may appear, and the engine must confirm what the repair
//! claims to do.

mod confirm;

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use ringfence_manifest as manifest;
use ringfence_model::origin::SourceId;

use crate::{
    finding::{Finding, Fix},
    input::Input,
    rule::Severity,
    run::{Checked, check},
    settings::Settings,
};

/// One text, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What it was.
    pub old: String,
    /// What it is to be.
    pub new: String,
}

/// What repairs come to.
#[derive(Debug, Default)]
pub struct Planned {
    /// The texts that change, in their order.
    pub files: Vec<Changed>,
    /// What each repair does, in the order in which they were made: the rule's code and the repair's title.
    pub applied: Vec<(&'static str, String)>,
    /// The findings whose repair was not made, and why. Their places are in the texts as repaired.
    pub refused: Vec<(Finding, String)>,
    /// The input as repaired.
    pub input: Option<Input>,
    /// What the rules find in it.
    pub checked: Checked,
}

/// What makes a finding the same one in texts that have changed.
type Identity = (&'static str, String);

fn identity(finding: &Finding) -> Identity {
    (finding.rule.code, finding.message.clone())
}

/// Makes every repair that can be confirmed. Repairs are made one after the other, each on the texts that the one before
/// left, until none of those that are offered do: making them again changes nothing.
#[must_use]
pub fn plan(texts: &[manifest::Input], settings: &Settings) -> Planned {
    plan_seen(texts, settings, |_, _, _| ())
}

/// [`plan`], with somebody who looks on: every repair that is made, and the input before and after it.
#[must_use]
pub fn plan_seen(
    texts: &[manifest::Input],
    settings: &Settings,
    mut made: impl FnMut(&Fix, &Input, &Input),
) -> Planned {
    let mut current = texts.to_vec();
    let mut input = Input::read(current.clone(), settings);
    let mut checked = check(&input, settings);
    let mut planned = Planned::default();
    let mut tried: BTreeSet<Identity> = BTreeSet::new();
    let mut round = 0;
    let mut seen = BTreeSet::from([fingerprint(&current)]);
    loop {
        let next = checked
            .findings
            .iter()
            .find(|finding| finding.fix.is_some() && !tried.contains(&identity(finding)));
        let Some((finding, fix)) = next.and_then(|finding| Some((finding, finding.fix.as_ref()?))) else {
            // What did not do at first may do now that others are made.
            if planned.refused.is_empty() || planned.applied.len() == round {
                break;
            }
            round = planned.applied.len();
            tried.clear();
            planned.refused.clear();
            continue;
        };
        let attempted = attempt(&current, &input, &checked, finding, fix, settings).and_then(|attempt| {
            let new = seen.insert(fingerprint(&attempt.texts));
            new.then_some(attempt).ok_or_else(|| "another repair undoes it".to_owned())
        });
        match attempted {
            Ok(Attempt { texts, input: new_input, checked: new_checked }) => {
                made(fix, &input, &new_input);
                planned.applied.push((finding.rule.code, fix.title.clone()));
                current = texts;
                input = new_input;
                checked = new_checked;
            }
            Err(reason) => {
                tried.insert(identity(finding));
                planned.refused.push((finding.clone(), reason));
            }
        }
    }
    planned.files = texts
        .iter()
        .zip(current)
        .filter(|(old, new)| old.text != new.text)
        .map(|(old, new)| Changed { name: new.name, old: old.text.clone(), new: new.text })
        .collect();
    // The places of what was refused may have moved since.
    for (refused, _) in &mut planned.refused {
        if let Some(now) = checked.findings.iter().find(|finding| identity(finding) == identity(refused)) {
            *refused = now.clone();
        }
    }
    planned.input = Some(input);
    planned.checked = checked;
    planned
}

/// A number for a state of the texts, so that repairs that undo each other come to an end.
fn fingerprint(texts: &[manifest::Input]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.iter().for_each(|text| text.text.hash(&mut hasher));
    hasher.finish()
}

/// The state after a repair that was confirmed.
struct Attempt {
    texts: Vec<manifest::Input>,
    input: Input,
    checked: Checked,
}

/// Tries one repair; the reason if it does not do.
fn attempt(
    texts: &[manifest::Input],
    before: &Input,
    checked: &Checked,
    finding: &Finding,
    fix: &Fix,
    settings: &Settings,
) -> Result<Attempt, String> {
    let texts = edited(texts, fix)?;
    let after = Input::read(texts.clone(), settings);
    if unreadable(&after) > unreadable(before) {
        return Err("the API server would reject the result".to_owned());
    }
    let now = check(&after, settings);
    let wanted = identity(finding);
    let count = |checked: &Checked| checked.findings.iter().filter(|other| identity(other) == wanted).count();
    if count(&now) >= count(checked) {
        return Err("it does not make the finding go away".to_owned());
    }
    let known: BTreeSet<Identity> = checked.findings.iter().map(identity).collect();
    let worse = now
        .findings
        .iter()
        .find(|other| other.severity == Severity::Error && !known.contains(&identity(other)));
    if let Some(worse) = worse {
        return Err(format!("it brings another error: {} {}", worse.rule.code, worse.message));
    }
    confirm::confirm(&fix.claim, &before.compiled, &after.compiled)?;
    Ok(Attempt { texts, input: after, checked: now })
}

/// The texts with the edits of a repair.
pub(crate) fn edited(texts: &[manifest::Input], fix: &Fix) -> Result<Vec<manifest::Input>, String> {
    let mut texts = texts.to_vec();
    let sources: BTreeSet<SourceId> = fix.edits.iter().map(|edit| edit.origin.source).collect();
    for source in sources {
        let Some(text) = texts.get_mut(source.0 as usize) else {
            return Err("it changes a text that is not there".to_owned());
        };
        let edits: Vec<_> = fix.edits.iter().filter(|edit| edit.origin.source == source).cloned().collect();
        text.text = manifest::edit::apply(&text.text, &edits).map_err(|error| error.to_string())?;
    }
    Ok(texts)
}

/// How many errors the reader found.
fn unreadable(input: &Input) -> usize {
    use ringfence_model::diagnostic::Severity;
    input.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
}
