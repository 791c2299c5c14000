//! Reports of `explain`. In: an explanation. Out: text, JSON, Markdown.

pub(crate) mod brief;
pub(crate) mod json;
pub(crate) mod md;
pub(crate) mod snippet;
pub(crate) mod text;

use ringfence_analysis::{
    explain::{Repair, Story},
    question::{Answer, Part, PortAsk, Question, Ruling, request},
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    port::{PortSet, Protocol},
};

/// A question with everything that there is to say about it.
pub(crate) struct Explained<'a> {
    /// The question.
    pub(crate) question: &'a Question,
    /// Its answer.
    pub(crate) answer: &'a Answer,
    /// Why, for every part of the answer.
    pub(crate) stories: &'a [Story],
    /// What is missing, if something is denied.
    pub(crate) repair: Option<&'a Repair>,
    /// The cluster that it is about.
    pub(crate) cluster: &'a Cluster,
}

impl Explained<'_> {
    /// The parts with their stories.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Part, &Story)> {
        self.answer.parts.iter().zip(self.stories)
    }
}

/// `5432/TCP`, `80,443/TCP 53/UDP`, `every port`.
pub(crate) fn ports(ports: &[(Protocol, PortSet)]) -> String {
    let every =
        |(protocol, set): &(Protocol, PortSet)| Protocol::WITH_PORTS.contains(protocol) && set.is_all();
    if ports.len() == Protocol::WITH_PORTS.len() && ports.iter().all(every) {
        return "every port".to_owned();
    }
    let one = |(protocol, set): &(Protocol, PortSet)| format!("{set}/{protocol}");
    ports.iter().filter(|(_, set)| !set.is_empty()).map(one).collect::<Vec<_>>().join(" ")
}

/// The question in one line: `shop/web -> svc:shop/api 80/TCP, GET /`.
pub(crate) fn question_line(question: &Question, answer: &Answer) -> String {
    let mut line = format!("{} -> {}", question.from.full, question.to.full);
    if question.ports != PortAsk::All {
        let mut asked: Vec<(Protocol, PortSet)> = Vec::new();
        for (protocol, set) in answer.parts.iter().flat_map(|part| &part.asked) {
            match asked.iter_mut().find(|(known, _)| known == protocol) {
                Some((_, known)) => *known = known.union(set),
                None => asked.push((*protocol, set.clone())),
            }
        }
        asked.sort();
        line.push(' ');
        line.push_str(&ports(&asked));
    }
    if let Some(asked) = &question.request {
        line.push_str(", ");
        line.push_str(&request::describe(asked));
    }
    line
}

/// A part in one line: who, whom, the ports where a Service translates them or the parts differ in them, the family if
/// there are two.
pub(crate) fn part_line(part: &Part, question: &Question, cluster: &Cluster) -> String {
    let from = part.from.describe(cluster);
    if matches!(part.ruling, Ruling::Refused(_)) {
        return format!("{from} -> {} {}", question.to.full, ports(&part.asked)).trim_end().to_owned();
    }
    let mut line = format!("{from} -> {} {}", part.to.describe(cluster), ports(&part.ports));
    if part.asked != part.ports {
        line.push_str(&format!(" (asked as {})", ports(&part.asked)));
    }
    if let ([family], [_, _]) = (part.families.as_slice(), cluster.families().as_slice()) {
        line.push_str(&format!(" over {}", Family::as_str(*family)));
    }
    line
}
