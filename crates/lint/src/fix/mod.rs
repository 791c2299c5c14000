//! Repairs. In: texts, settings and what a run of the rules found. Out: the texts repaired, with every repair tried out
//! before it counts: the finding must be gone, nothing worse may appear, and the engine must confirm what the repair
//! claims to do.

mod batch;
mod confirm;
mod own_nodes;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use ringfence_manifest as manifest;
use ringfence_model::origin::SourceId;

use self::batch::batch;
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

/// How many repairs are tried out together at most: reading and judging a cluster takes as long for one as for many.
const WIDTH: usize = 64;

/// Makes every repair that can be confirmed. Repairs are made one after the other, each on the texts that the one before
/// left, until none of those that are offered do: making them again changes nothing. Those that have nothing to do with each
/// other are made together, and one by one if that does not do.
#[must_use]
pub fn plan(texts: &[manifest::Input], settings: &Settings) -> Planned {
    plan_seen(texts, settings, |_, _, _| ())
}

/// [`plan`], with somebody who looks on: every repair that is made, and the input before and after it (and after those that
/// are made together with it).
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
    let mut width = WIDTH;
    let mut seen = BTreeSet::from([fingerprint(&current)]);
    loop {
        let offered = checked.findings.iter().filter(|finding| !tried.contains(&identity(finding)));
        let chosen = batch(offered, width, &current);
        if chosen.is_empty() {
            // What did not do at first may do now that others are made.
            if planned.refused.is_empty() || planned.applied.len() == round {
                break;
            }
            round = planned.applied.len();
            tried.clear();
            planned.refused.clear();
            continue;
        }
        let attempted = attempt(&current, &input, &checked, &chosen, settings).and_then(|attempt| {
            let new = seen.insert(fingerprint(&attempt.texts));
            new.then_some(attempt).ok_or_else(|| "another repair undoes it".to_owned())
        });
        match (attempted, chosen.as_slice()) {
            (Ok(Attempt { texts, input: new_input, checked: new_checked }), _) => {
                for (finding, fix) in chosen {
                    made(fix, &input, &new_input);
                    planned.applied.push((finding.rule.code, fix.title.clone()));
                }
                current = texts;
                input = new_input;
                checked = new_checked;
                width = (2 * width).min(WIDTH);
            }
            (Err(reason), [(finding, _)]) => {
                tried.insert(identity(finding));
                planned.refused.push(((*finding).clone(), reason));
            }
            (Err(_), several) => width = several.len() / 2,
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

/// Tries repairs together; the reason if they do not do.
fn attempt(
    texts: &[manifest::Input],
    before: &Input,
    checked: &Checked,
    chosen: &[(&Finding, &Fix)],
    settings: &Settings,
) -> Result<Attempt, String> {
    let fixes: Vec<&Fix> = chosen.iter().map(|(_, fix)| *fix).collect();
    let texts = edited(texts, &fixes)?;
    let after = Input::read(texts.clone(), settings);
    if unreadable(&after) > unreadable(before) {
        return Err("the API server would reject the result".to_owned());
    }
    let now = check(&after, settings);
    let (known, left) = (counted(checked), counted(&now));
    let wanted = counted_of(chosen.iter().map(|(finding, _)| *finding));
    let number = |counts: &BTreeMap<Identity, usize>, one| counts.get(one).copied().unwrap_or_default();
    if wanted.iter().any(|(one, repaired)| number(&left, one) + repaired > number(&known, one)) {
        return Err("it does not make the finding go away".to_owned());
    }
    let worse = now
        .findings
        .iter()
        .find(|other| other.severity == Severity::Error && !known.contains_key(&identity(other)));
    if let Some(worse) = worse {
        return Err(format!("it brings another error: {} {}", worse.rule.code, worse.message));
    }
    let claims = chosen.iter().map(|(_, fix)| &fix.claim);
    confirm::confirm(claims, &before.compiled, &after.compiled)?;
    Ok(Attempt { texts, input: after, checked: now })
}

fn counted(checked: &Checked) -> BTreeMap<Identity, usize> {
    counted_of(&checked.findings)
}

/// How many findings of each identity there are.
fn counted_of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeMap<Identity, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(identity(finding)).or_default() += 1;
    }
    counts
}

/// The texts with the edits of repairs.
pub(crate) fn edited(texts: &[manifest::Input], fixes: &[&Fix]) -> Result<Vec<manifest::Input>, String> {
    let mut texts = texts.to_vec();
    let edits = || fixes.iter().flat_map(|fix| &fix.edits);
    let sources: BTreeSet<SourceId> = edits().map(|edit| edit.origin.source).collect();
    for source in sources {
        let Some(text) = texts.get_mut(source.0 as usize) else {
            return Err("it changes a text that is not there".to_owned());
        };
        let edits: Vec<_> = edits().filter(|edit| edit.origin.source == source).cloned().collect();
        text.text = manifest::edit::apply(&text.text, &edits).map_err(|error| error.to_string())?;
    }
    Ok(texts)
}

/// How many errors the reader found.
fn unreadable(input: &Input) -> usize {
    use ringfence_model::diagnostic::Severity;
    input.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
}
