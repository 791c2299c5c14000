//! The nearest missing rules. In: a question that was denied. Out: policies that let it through, as YAML, after they have
//! been added to the cluster and the question has been asked again; or why none can.

use ringfence_model::{
    cluster::Cluster,
    flow::{Endpoint, Flow},
    verdict::{Direction, Outcome, Verdict},
};
use ringfence_policy::Judge;

use super::{
    plan::{Addition, Plan},
    steps::Teller,
    yaml,
};
use crate::question::{
    Answer, Part, PortAsk, Question, Ruling,
    name::{End, full_name},
};

/// How a denied question could be let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// The policies to add: with all of them the connections pass, which has been checked. Empty if none would do.
    pub proposals: Vec<Proposal>,
    /// What policies cannot do here, what else blocks, what to look out for.
    pub notes: Vec<String>,
}

/// A policy to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What it does: `lets `shop/web` out to `shop/api``.
    pub purpose: String,
    /// The manifest.
    pub yaml: String,
}

/// Looks for the policies that are missing for what an answer denies; nothing if it denies nothing. `compile` makes a judge
/// of a cluster.
pub fn repair<J: Judge>(
    question: &Question,
    answer: &Answer,
    cluster: &Cluster,
    compile: impl FnOnce(Cluster) -> J,
) -> Option<Repair> {
    let denied: Vec<(&Part, &Verdict, &Flow)> = answer
        .parts
        .iter()
        .filter_map(|part| match &part.ruling {
            Ruling::Judged { verdict, sample } if verdict.outcome == Outcome::Deny => {
                Some((part, &**verdict, sample))
            }
            _ => None,
        })
        .collect();
    if denied.is_empty() {
        return None;
    }
    let mut plan = Plan::new(question, cluster);
    if question.ports == PortAsk::All {
        plan.note("name a port to be shown the rule that is missing for it".to_owned());
        return Some(Repair { proposals: Vec::new(), notes: plan.notes });
    }
    for (part, verdict, _) in &denied {
        plan.side(part, Direction::Egress, &verdict.egress);
        plan.side(part, Direction::Ingress, &verdict.ingress);
    }
    if question.request.is_some() && !plan.additions.is_empty() {
        plan.note("these rules know no requests: they open the port for all of them".to_owned());
    }
    let Plan { additions, mut notes, stuck, .. } = plan;
    if additions.is_empty() || stuck {
        return Some(Repair { proposals: Vec::new(), notes });
    }
    let mut changed = cluster.clone();
    additions.iter().for_each(|(addition, _)| apply(&mut changed, addition));
    let judge = compile(changed);
    let blocked = denied.iter().find_map(|(_, _, sample)| {
        let verdict = judge.verdict(sample);
        (!matches!(verdict.outcome, Outcome::Allow | Outcome::AllowIf))
            .then(|| still_blocked(&verdict, sample, cluster))
    });
    if let Some(reason) = blocked {
        notes.push(format!("a rule for this connection would not do: {reason}"));
        return Some(Repair { proposals: Vec::new(), notes });
    }
    let proposals = additions
        .into_iter()
        .map(|(addition, purpose)| Proposal {
            purpose,
            yaml: match &addition {
                Addition::Network(policy) => yaml::network_policy(policy),
                Addition::Tier(policy) => yaml::tier_policy(policy),
            },
        })
        .collect();
    Some(Repair { proposals, notes })
}

/// What still denies after the policies were added.
fn still_blocked(verdict: &Verdict, sample: &Flow, cluster: &Cluster) -> String {
    let name = |end: &Endpoint| match end {
        Endpoint::Pod(id) => full_name(cluster, &End::Pod(*id)),
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Name(name) => name.to_string(),
    };
    let (from, to) = (name(&sample.from), name(&sample.to));
    for (direction, side) in [(Direction::Egress, &verdict.egress), (Direction::Ingress, &verdict.ingress)] {
        if matches!(side.outcome, Outcome::Allow | Outcome::AllowIf) {
            continue;
        }
        let (subject, other) = if direction == Direction::Egress { (&from, &to) } else { (&to, &from) };
        let teller = Teller { cluster, flow: sample, direction, subject, other, port: Some(sample.port) };
        if let Some(step) = teller.steps(side).into_iter().next() {
            return step.text;
        }
    }
    "the verdict stays the same".to_owned()
}

fn apply(cluster: &mut Cluster, addition: &Addition) {
    match addition {
        Addition::Network(policy) => {
            cluster.network_policies.push(policy.clone());
            cluster
                .network_policies
                .sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
        }
        Addition::Tier(policy) => {
            cluster.tier_policies.push(policy.clone());
            cluster.tier_policies.sort_by(|a, b| {
                (a.tier, a.priority, &a.meta.name, a.meta.kind).cmp(&(
                    b.tier,
                    b.priority,
                    &b.meta.name,
                    b.meta.kind,
                ))
            });
        }
    }
}
