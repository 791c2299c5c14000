//! Answers. In: a resolved question, a cluster, a judge. Out: the connections that it stands for with their verdicts, those
//! judged alike joined, and one word for all of them.

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::Flow,
    port::{PortSet, Protocol},
    verdict::{Condition, Outcome, Verdict},
};
use ringfence_policy::Judge;

use super::{Problem, Question, asking::Asker, join::join, place::Place};

/// One word for all parts of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Summary {
    /// All pass.
    Allow,
    /// All pass, some or all of them only if their conditions hold.
    AllowIf,
    /// All are dropped, or reach nothing.
    Deny,
    /// For all a fact is missing.
    Unknown,
    /// The parts differ.
    Mixed,
}

impl Summary {
    /// `allow`, `allow-if`, `deny`, `unknown` or `mixed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowIf => "allow-if",
            Self::Deny => "deny",
            Self::Unknown => "unknown",
            Self::Mixed => "mixed",
        }
    }

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::AllowIf => Self::AllowIf,
            Outcome::Deny => Self::Deny,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

/// Why a connection comes to nothing before a policy is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No ready pod or address is behind the Service.
    NoEndpoints {
        /// `namespace/name`.
        service: String,
        /// How many pods it selects that are not ready.
        not_ready: usize,
    },
    /// The Service has no such port.
    NoSuchPort {
        /// `namespace/name`.
        service: String,
        /// The ports that it has, such as `80/TCP`.
        offered: Vec<String>,
    },
    /// No backend has a container port of the name that the Service's target port is.
    NoTargetPort {
        /// `namespace/name`.
        service: String,
        /// The name.
        name: String,
    },
    /// These pods have no container port of the name asked for (others of the destination have).
    NoNamedPort {
        /// `namespace/name` each.
        pods: Vec<String>,
        /// The name.
        name: String,
    },
}

impl Refusal {
    /// The reason in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::NoEndpoints { service, not_ready: 0 } => {
                format!("the Service `{service}` has no endpoints: its selector selects no pod of the input")
            }
            Self::NoEndpoints { service, not_ready } => {
                format!(
                    "the Service `{service}` has no ready endpoints ({not_ready} of its pods are not ready)"
                )
            }
            Self::NoSuchPort { service, offered } if offered.is_empty() => {
                format!("the Service `{service}` has no ports")
            }
            Self::NoSuchPort { service, offered } => {
                format!("the Service `{service}` has no such port (it has {})", offered.join(", "))
            }
            Self::NoTargetPort { service, name } => {
                format!(
                    "no pod behind the Service `{service}` has a container port called `{name}`, its target port"
                )
            }
            Self::NoNamedPort { pods, name } => {
                format!("no container port is called `{name}` in {}", pods.join(", "))
            }
        }
    }
}

/// What becomes of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The policies decide.
    Judged {
        /// The verdict, which holds for every connection of the part.
        verdict: Box<Verdict>,
        /// One of the connections.
        sample: Flow,
    },
    /// It reaches nothing.
    Refused(Refusal),
}

impl Ruling {
    /// The outcome; what reaches nothing is denied.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Judged { verdict, .. } => verdict.outcome,
            Self::Refused(_) => Outcome::Deny,
        }
    }
}

/// Connections that are judged alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Who connects.
    pub from: Place,
    /// What is reached.
    pub to: Place,
    /// The families of the packets.
    pub families: Vec<Family>,
    /// The ports asked for.
    pub asked: Vec<(Protocol, PortSet)>,
    /// The ports reached (a Service translates).
    pub ports: Vec<(Protocol, PortSet)>,
    /// What becomes of them.
    pub ruling: Ruling,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One word for all parts.
    pub summary: Summary,
    /// The parts, by source, destination, port. Never empty.
    pub parts: Vec<Part>,
    /// What the reader should know about how the question was understood.
    pub notes: Vec<String>,
}

impl Answer {
    /// The conditions of all parts, sorted, without repeats: each part needs one of its egress side's and one of its
    /// ingress side's.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let sides = self.parts.iter().flat_map(|part| match &part.ruling {
            Ruling::Judged { verdict, .. } => vec![&verdict.egress, &verdict.ingress],
            Ruling::Refused(_) => Vec::new(),
        });
        sides.flat_map(|side| &side.conditions)
    }
}

/// Asks a judge.
///
/// # Errors
/// If a named port has no meaning at the destination, or the question stands for no connection at all.
pub fn answer(question: &Question, cluster: &Cluster, judge: &impl Judge) -> Result<Answer, Problem> {
    let asker = Asker::new(question, cluster)?;
    let mut cells = Vec::new();
    for leg in &asker.legs {
        asker.judge_leg(leg, judge, &mut cells);
    }
    let mut notes: Vec<String> =
        [&question.from.note, &question.to.note].into_iter().flatten().cloned().collect();
    notes.extend(asker.not_exposed());
    // A pod that reaches itself, or a family that the other end lacks, counts only where nothing else does.
    if cells.iter().any(|cell| !cell.aside) {
        if asker.through_service() && cells.iter().any(|cell| cell.aside && cell.to_itself) {
            notes.push(
                "a pod that the Service sends back to itself always gets through; that is not counted here"
                    .to_owned(),
            );
        }
        cells.retain(|cell| !cell.aside);
    }
    let parts = join(cells);
    let mut outcomes: Vec<Summary> = parts.iter().map(|part| Summary::of(part.ruling.outcome())).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let summary = match outcomes.as_slice() {
        [] => return Err(asker.nothing()),
        [one] => *one,
        [Summary::Allow, Summary::AllowIf] => Summary::AllowIf,
        _ => Summary::Mixed,
    };
    Ok(Answer { summary, parts, notes })
}
