//! Two judges side by side. In: a cluster and two judges of it. Out: whether they say the same of random flows, and the
//! smallest case in which they do not.

use std::collections::BTreeSet;

use ringfence_model::{
    cluster::Cluster,
    flow::Flow,
    origin::Origin,
    verdict::{Outcome, Reason, RuleRef, Side, Verdict},
};

use super::{case, flow, rng, shrink};
use crate::Judge;

/// A judge of a cluster.
pub type Make = for<'a> fn(&'a Cluster) -> Box<dyn Judge + 'a>;

/// The random flows of a cluster that go with a seed.
#[must_use]
pub fn flows(seed: u64, cluster: &Cluster, count: usize) -> Vec<Flow> {
    let mut rng = rng(seed ^ 0x5eed);
    (0..count).map(|_| flow(cluster, &mut rng)).collect()
}

/// What of a side must be the same whoever judges: the reasons only where they decide, and as a set.
fn essence(side: &Side) -> (Outcome, Vec<String>, BTreeSet<Reason>) {
    let facts = match side.outcome {
        Outcome::AllowIf => side.conditions.iter().map(|one| format!("{one:?}")).collect(),
        Outcome::Unknown => side.missing.iter().map(|one| format!("{one:?}")).collect(),
        Outcome::Allow | Outcome::Deny => Vec::new(),
    };
    let reasons = match side.outcome {
        Outcome::Unknown => BTreeSet::new(),
        _ => side.reasons.iter().filter(|reason| !matches!(reason, Reason::NearMiss(_))).cloned().collect(),
    };
    (side.outcome, facts, reasons)
}

/// Whether the first verdict, of which the second is exact, is only less sure: it calls a side unknown that is allowed
/// under conditions, or leaves out a missing fact that matters only together with others that are missing.
#[must_use]
pub fn less_sure(verdict: &Verdict, exact: &Verdict) -> bool {
    let side = |side: &Side, exact: &Side| {
        essence(side) == essence(exact)
            || side.outcome == Outcome::Unknown
                && match exact.outcome {
                    Outcome::AllowIf => true,
                    Outcome::Unknown => side.missing.iter().all(|fact| exact.missing.contains(fact)),
                    Outcome::Allow | Outcome::Deny => false,
                }
    };
    side(&verdict.egress, &exact.egress) && side(&verdict.ingress, &exact.ingress)
}

/// Whether two verdicts say the same.
#[must_use]
pub fn same(left: &Verdict, right: &Verdict) -> bool {
    left.outcome == right.outcome
        && essence(&left.egress) == essence(&right.egress)
        && essence(&left.ingress) == essence(&right.ingress)
}

/// A verdict in a few lines.
#[must_use]
pub fn describe(verdict: &Verdict) -> String {
    let rule = |rule: &RuleRef| {
        let peer = if rule.peer == Origin::NONE { "-".to_owned() } else { rule.peer.start.to_string() };
        format!(
            "{:?} {} {:?}[{}] peer {peer}",
            rule.action,
            rule.policy.full_name(),
            rule.direction,
            rule.index
        )
    };
    let reason = |reason: &Reason| match reason {
        Reason::Rule(one) => rule(one),
        Reason::Passed(one) => format!("passed by {}", rule(one)),
        Reason::Isolated(policy) => format!("isolated by {}", policy.full_name()),
        Reason::NearMiss(_) => "near miss".to_owned(),
        other => format!("{other:?}"),
    };
    let side = |name: &str, side: &Side| {
        let reasons: Vec<String> = side.reasons.iter().map(reason).collect();
        format!(
            "  {name}: {:?} if {:?} missing {:?} because {reasons:?}",
            side.outcome, side.conditions, side.missing
        )
    };
    format!(
        "{:?}\n{}\n{}",
        verdict.outcome,
        side("egress", &verdict.egress),
        side("ingress", &verdict.ingress)
    )
}

/// Judges random flows of a cluster twice. How often the first judge was only less sure than the second, the exact
/// one.
///
/// # Errors
///
/// The first flow about which they differ, shrunk, as a file of the corpus.
pub fn compare(
    seed: u64,
    cluster: &Cluster,
    count: usize,
    first: Make,
    exact: Make,
) -> Result<usize, String> {
    let judges = (first(cluster), exact(cluster));
    let mut unsure = 0;
    for flow in flows(seed, cluster, count) {
        let (verdict, right) = (judges.0.verdict(&flow), judges.1.verdict(&flow));
        if same(&verdict, &right) {
            continue;
        }
        if less_sure(&verdict, &right) {
            unsure += 1;
            continue;
        }
        let differs = |cluster: &Cluster, flow: &Flow| {
            let (verdict, right) = (first(cluster).verdict(flow), exact(cluster).verdict(flow));
            !same(&verdict, &right) && !less_sure(&verdict, &right)
        };
        let (cluster, flow) = shrink(cluster.clone(), flow, differs);
        let (verdict, right) = (first(&cluster).verdict(&flow), exact(&cluster).verdict(&flow));
        let shows = format!("Seed {seed}.\nFirst {}\nExact {}", describe(&verdict), describe(&right));
        return Err(case("The judges differ", &shows, &cluster, &flow, right.outcome));
    }
    Ok(unsure)
}
