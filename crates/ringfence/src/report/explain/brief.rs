//! Reasons in one line, for tables. In: an answer. Out: which policies decided, without their places.

use ringfence_analysis::question::{Answer, Part, Ruling};
use ringfence_model::{
    cluster::Cluster,
    verdict::{Direction, Outcome, Reason, RuleRef, Side, Verdict},
};

/// The reasons of an answer: of its only part, or of each with its outcome.
pub(crate) fn reason(answer: &Answer, cluster: &Cluster) -> String {
    match answer.parts.as_slice() {
        [part] => of_part(part),
        parts => parts
            .iter()
            .map(|part| {
                let (from, to) = (part.from.describe(cluster), part.to.describe(cluster));
                format!("{} {from} -> {to}: {}", part.ruling.outcome().as_str(), of_part(part))
            })
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn of_part(part: &Part) -> String {
    match &part.ruling {
        Ruling::Refused(refusal) => refusal.describe(),
        Ruling::Judged { verdict, .. } => of_verdict(verdict),
    }
}

/// The sides that made the outcome what it is; for an allowed connection both did.
pub(crate) fn decisive(verdict: &Verdict) -> impl Iterator<Item = (Direction, &Side)> {
    let sides = [(Direction::Egress, &verdict.egress), (Direction::Ingress, &verdict.ingress)];
    sides.into_iter().filter(|(_, side)| side.outcome == verdict.outcome || verdict.outcome == Outcome::Allow)
}

/// The reasons of one verdict.
pub(crate) fn of_verdict(verdict: &Verdict) -> String {
    let decisive: Vec<String> = decisive(verdict)
        .filter_map(|(direction, side)| Some((direction, of_side(side)?)))
        .map(|(direction, reason)| format!("{}: {reason}", direction.as_str()))
        .collect();
    if decisive.is_empty() { "no policy isolates either end".to_owned() } else { decisive.join("; ") }
}

/// Nothing if no policy has a say.
fn of_side(side: &Side) -> Option<String> {
    if side.outcome == Outcome::Unknown {
        let facts: Vec<String> =
            side.missing.iter().map(ringfence_analysis::explain::steps::missing_text).collect();
        return Some(facts.join(", "));
    }
    let rules: Vec<String> = side.rules().map(rule).collect();
    if !rules.is_empty() {
        return Some(rules.join(", "));
    }
    let isolating: Vec<String> = side
        .reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Isolated(policy) => Some(format!("`{}`", policy.full_name())),
            _ => None,
        })
        .collect();
    if !isolating.is_empty() {
        return Some(format!("isolated by {}", isolating.join(", ")));
    }
    side.reasons.iter().find_map(|reason| match reason {
        Reason::SelfTraffic => Some("a pod reaches itself".to_owned()),
        Reason::OwnNode => Some("own node".to_owned()),
        Reason::NotEnforced => Some("policies are not enforced".to_owned()),
        Reason::NoAddress(family) => Some(format!("no {} address", family.as_str())),
        Reason::NoEndpoint => Some("no such running pod".to_owned()),
        _ => None,
    })
}

fn rule(rule: &RuleRef) -> String {
    format!("`{}` rule {}", rule.policy.full_name(), u64::from(rule.index) + 1)
}
