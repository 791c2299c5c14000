//! What the property tests share: which clusters they look at, and how two judges are compared.

use std::{collections::BTreeSet, ops::Range};

use ringfence_model::{
    cluster::Cluster,
    flow::Flow,
    origin::Origin,
    verdict::{Outcome, Reason, RuleRef, Side, Verdict},
};
use ringfence_policy::{Judge, generate};

pub(crate) use ringfence_policy::generate::Size;

/// A judge of a cluster.
pub(crate) type Make = for<'a> fn(&'a Cluster) -> Box<dyn Judge + 'a>;

/// The seeds to look at. `RINGFENCE_SEED` asks for one alone, `RINGFENCE_CLUSTERS` for more or fewer.
pub(crate) fn clusters(usual: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("RINGFENCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGFENCE_CLUSTERS").unwrap_or(usual),
    }
}

/// Random flows of a cluster.
pub(crate) fn flows(seed: u64, cluster: &Cluster, count: usize) -> Vec<Flow> {
    let mut rng = generate::rng(seed ^ 0x5eed);
    (0..count).map(|_| generate::flow(cluster, &mut rng)).collect()
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

/// Whether two verdicts say the same.
pub(crate) fn same(left: &Verdict, right: &Verdict) -> bool {
    left.outcome == right.outcome
        && essence(&left.egress) == essence(&right.egress)
        && essence(&left.ingress) == essence(&right.ingress)
}

/// A verdict in a few lines.
pub(crate) fn describe(verdict: &Verdict) -> String {
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

/// Judges random flows of a cluster twice. The first flow about which the two differ, shrunk, as a file of the corpus.
pub(crate) fn difference(
    seed: u64,
    cluster: &Cluster,
    count: usize,
    left: Make,
    right: Make,
) -> Option<String> {
    let (first, second) = (left(cluster), right(cluster));
    let flow = flows(seed, cluster, count)
        .into_iter()
        .find(|flow| !same(&first.verdict(flow), &second.verdict(flow)))?;
    let differs =
        |cluster: &Cluster, flow: &Flow| !same(&left(cluster).verdict(flow), &right(cluster).verdict(flow));
    let (cluster, flow) = generate::shrink(cluster.clone(), flow, differs);
    let (first, second) = (left(&cluster).verdict(&flow), right(&cluster).verdict(&flow));
    let shows = format!("Seed {seed}.\nFirst {}\nSecond {}", describe(&first), describe(&second));
    Some(generate::case("The judges differ", &shows, &cluster, &flow, second.outcome))
}
