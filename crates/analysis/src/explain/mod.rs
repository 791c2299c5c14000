//! Explanations. In: a question with its answer. Out: for every part of the answer the derivation of both sides as
//! sentences with their places, and for what is denied the missing rules, tried out before they are offered.

mod audit;
pub mod labels;
mod plan;
pub mod repair;
pub mod steps;
mod tier;
pub mod yaml;

use ringfence_model::{
    cluster::Cluster,
    flow::Endpoint,
    verdict::{Direction, Outcome, Side},
};

use crate::question::{
    Answer, Part, Question, Ruling,
    name::{End, full_name},
};
pub use audit::audit_notes;
pub use repair::{Repair, repair};
pub use steps::{Detail, Step, StepKind};

/// Why a part of an answer is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Both sides, egress first; none if the connection comes to nothing before a policy is asked.
    pub sides: Vec<SideStory>,
}

/// Why one side of a connection decided as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideStory {
    /// Which side.
    pub direction: Direction,
    /// The end at which it is decided: `shop/web`.
    pub subject: String,
    /// What this side alone would do.
    pub outcome: Outcome,
    /// Why, the tiers in order.
    pub steps: Vec<Step>,
}

/// The stories of all parts of an answer, in their order.
#[must_use]
pub fn stories(question: &Question, answer: &Answer, cluster: &Cluster) -> Vec<Story> {
    answer.parts.iter().map(|part| story(question, part, cluster)).collect()
}

/// The story of one part.
#[must_use]
pub fn story(question: &Question, part: &Part, cluster: &Cluster) -> Story {
    let Ruling::Judged { verdict, sample } = &part.ruling else { return Story { sides: Vec::new() } };
    let from = called(&sample.from, &part.from.describe(cluster), &question.from.end, cluster);
    let to = called(&sample.to, &part.to.describe(cluster), &question.to.end, cluster);
    let port = match part.ports.as_slice() {
        [(_, set)] => match set.ranges() {
            [(first, last)] if first == last => Some(*first),
            _ => None,
        },
        _ => None,
    };
    let side = |direction, side: &Side| {
        let (subject, other) = match direction {
            Direction::Egress => (&from, &to),
            Direction::Ingress => (&to, &from),
        };
        let teller = steps::Teller { cluster, flow: sample, direction, subject, other, port };
        SideStory { direction, subject: subject.clone(), outcome: side.outcome, steps: teller.steps(side) }
    };
    Story {
        sides: vec![side(Direction::Egress, &verdict.egress), side(Direction::Ingress, &verdict.ingress)],
    }
}

/// What an end is called in a story: as the part describes it, with what it is where that does not show.
fn called(sample: &Endpoint, described: &str, asked: &End, cluster: &Cluster) -> String {
    match sample {
        Endpoint::Pod(_) => described.to_owned(),
        Endpoint::Address(address) => match cluster.node_of_address(*address) {
            Some(node) => format!("{address} (node {})", node.name),
            None if *asked == End::Internet && !described.starts_with("internet") => {
                format!("internet ({described})")
            }
            None => described.to_owned(),
        },
        Endpoint::Name(name) => full_name(cluster, &End::Name(name.clone())),
    }
}
