//! What audit policies would change. In: an answer, and a judge for which they are in force. Out: notes for people.

use std::collections::BTreeMap;

use ringfence_model::{
    cluster::Cluster,
    network_policy::PolicyMeta,
    verdict::{Direction, Outcome, Reason, Side, Verdict},
};
use ringfence_policy::Judge;

use crate::question::{Answer, Ruling};

/// What would become of the parts of an answer if the audit policies of the cluster were enforced, where that differs. `audited`
/// makes the judge for which they are; it is not asked for if the cluster has none.
#[must_use]
pub fn audit_notes<J: Judge>(
    answer: &Answer,
    cluster: &Cluster,
    audited: impl FnOnce(Cluster) -> J,
) -> Vec<String> {
    let metas = (cluster.network_policies.iter().map(|policy| &policy.meta))
        .chain(cluster.tier_policies.iter().map(|policy| &policy.meta))
        .chain(cluster.cilium_policies.iter().map(|policy| &policy.meta));
    if !metas.into_iter().any(|meta| meta.audit) {
        return Vec::new();
    }
    let judge = audited(cluster.clone());
    let mut judged = 0;
    let mut changes: BTreeMap<String, usize> = BTreeMap::new();
    for part in &answer.parts {
        if let Ruling::Judged { verdict, sample } = &part.ruling {
            judged += 1;
            let would = judge.verdict(sample);
            if would.outcome != verdict.outcome {
                *changes.entry(change(verdict, &would)).or_default() += 1;
            }
        }
    }
    let told = |(change, count): (String, usize)| {
        if count == judged { change } else { format!("{change}: {count} of {judged} parts") }
    };
    changes.into_iter().map(told).collect()
}

/// The difference in a sentence, with the audit policies that make it.
fn change(is: &Verdict, would: &Verdict) -> String {
    let what = match would.outcome {
        Outcome::Allow => "would allow this",
        Outcome::AllowIf => "would allow this under conditions",
        Outcome::Deny => "would deny this",
        Outcome::Unknown => "would leave this unknown",
    };
    let sides =
        [(Direction::Egress, &is.egress, &would.egress), (Direction::Ingress, &is.ingress, &would.ingress)];
    let by: Vec<String> = sides
        .into_iter()
        .filter(|(_, is, would)| is.outcome != would.outcome)
        .filter_map(|(direction, _, would)| {
            let policies = policies(would);
            (!policies.is_empty()).then(|| format!("{}: {}", direction.as_str(), policies.join(", ")))
        })
        .collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join("; ")) };
    format!("enforcing the audit policies {what}{by}")
}

/// The audit policies among the reasons of a side, each once.
fn policies(side: &Side) -> Vec<String> {
    let audit =
        |meta: &PolicyMeta| meta.audit.then(|| format!("{} `{}`", meta.kind.as_str(), meta.full_name()));
    let mut names: Vec<String> = (side.reasons.iter())
        .filter_map(|reason| match reason {
            Reason::Rule(rule) | Reason::Passed(rule) => audit(&rule.policy),
            Reason::Isolated(policy) => audit(policy),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
