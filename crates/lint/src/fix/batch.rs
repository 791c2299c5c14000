//! Which repairs can be tried out together. In: the findings in their order. Out: those of the first ones whose repairs do not
//! get into each other's way, so that reading and judging the cluster once serves them all.

use std::{collections::BTreeSet, mem};

use ringfence_manifest::{Input, edit::Edit};
use ringfence_model::flow::Endpoint;

use crate::finding::{Claim, Finding, Fix};

/// As many of these findings as may be repaired in one step, at most `width`: the first one, and those behind it that claim
/// the same kind of change about other connections, in other places. Empty if there are none.
pub(super) fn batch<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    width: usize,
    texts: &[Input],
) -> Vec<(&'a Finding, &'a Fix)> {
    let mut chosen: Vec<(&Finding, &Fix)> = Vec::new();
    let mut connections = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for finding in findings {
        if chosen.len() == width {
            break;
        }
        let Some(fix) = &finding.fix else { continue };
        let concerned = concerned(&fix.claim);
        let independent = chosen.iter().all(|(_, other)| {
            mem::discriminant(&fix.claim) == mem::discriminant(&other.claim) && apart(fix, other, texts)
        });
        if independent && !titles.contains(&fix.title) && concerned.is_disjoint(&connections) {
            connections.extend(concerned);
            titles.insert(fix.title.clone());
            chosen.push((finding, fix));
        }
    }
    chosen
}

/// The ends of the connections that a claim names. What several repairs name could be the work of one of them alone.
fn concerned(claim: &Claim) -> BTreeSet<(Endpoint, Endpoint)> {
    let none = Vec::new();
    let (opened, cut) = match claim {
        Claim::ChangesNothing => (&none, &none),
        Claim::Opens(opened) => (opened, &none),
        Claim::Cuts(cut) => (&none, cut),
        Claim::Moves(opened, cut) => (opened, cut),
    };
    opened.iter().chain(cut).map(|flow| (flow.from.clone(), flow.to.clone())).collect()
}

/// Whether two repairs edit different places. Two documents may be added behind the last line of one text.
fn apart(fix: &Fix, other: &Fix, texts: &[Input]) -> bool {
    let ends_in_line = |edit: &Edit| {
        let text = texts.get(edit.origin.source.0 as usize).map_or("", |text| text.text.as_str());
        edit.origin.start as usize == text.len() && text.ends_with('\n')
    };
    fix.edits.iter().all(|edit| {
        other.edits.iter().all(|other| {
            let (a, b) = (edit.origin, other.origin);
            a.source != b.source
                || a.end < b.start
                || b.end < a.start
                || (ends_in_line(edit) && ends_in_line(other))
        })
    })
}
