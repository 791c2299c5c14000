//! How rules of one side are reported. In: what a rule allows and the other end denies. Out: a finding with the policy that is
//! missing at the other end.

use ringfence_model::{
    flow::Flow,
    port::{PortMatch, PortSpec},
    verdict::Direction,
    workload::WorkloadId,
};

use super::{
    missing::Missing,
    passage::{Budget, Cut, blame, called, cut, listed, pods, workload_name, workloads},
    sides::OneSided,
};
use crate::{context::Context, finding::Findings, rule::Severity};

/// A policy that is proposed names at most so many workloads at an end.
const NAMED: usize = 4;

/// Reports it; `direction` is that of the rule.
pub(super) fn report(
    context: &Context<'_>,
    direction: Direction,
    found: &OneSided,
    budget: &Budget,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let others = workloads(cluster, found.others.iter());
    let subjects = workloads(cluster, found.subjects.iter());
    let names = |of: &[WorkloadId]| {
        let all: Vec<String> = of.iter().map(|id| workload_name(cluster, *id)).collect();
        listed(&all)
    };
    let name = found.policy.full_name();
    let other_name = names(&others);
    let (message, label, far) = match direction {
        Direction::Egress => (
            match &found.port {
                Some(port) => {
                    format!("`{name}` lets {} out, and {other_name} lets none of it in", in_words(port))
                }
                None => {
                    format!("`{name}` lets connections to {other_name} out, and none of them gets in there")
                }
            },
            "denied at the destination",
            Direction::Ingress,
        ),
        Direction::Ingress => (
            match &found.port {
                Some(port) => format!("`{name}` lets {} in, and {other_name} cannot open it", in_words(port)),
                None => format!("`{name}` lets {other_name} in, which cannot get out to it"),
            },
            "denied at the source",
            Direction::Egress,
        ),
    };
    let finding = findings.report(found.origin, message);
    finding.label(label);
    if !found.named || found.port.is_some() {
        finding.severity(Severity::Warning);
    }
    let [source, target] = sample_names(context, &found.flow);
    let otherwise = match far {
        Direction::Ingress => format!("let `{source}` in at `{target}` too, or remove the rule"),
        Direction::Egress => format!("let `{source}` out to `{target}` too, or remove the rule"),
    };
    if !budget.take() {
        finding.help(otherwise);
        return;
    }
    let sample = Cut::of(context.compiled, found.flow.clone());
    let subject = if far == Direction::Egress { &source } else { &target };
    blame(context, finding, &sample, far, subject);
    let ports: Vec<PortMatch> = found.port.clone().map_or_else(|| found.ports.clone(), |port| vec![port]);
    let (from, to) = match direction {
        Direction::Egress => (&subjects, &others),
        Direction::Ingress => (&others, &subjects),
    };
    let (from, to, cuts) = samples(context, found, sample, from, to);
    let cuts: Vec<&Cut> = cuts.iter().collect();
    let missing = Missing::between(context, &from, &to, &ports, &cuts);
    let what = match far {
        Direction::Ingress => format!("{} in at {}", names(&from), names(&to)),
        Direction::Egress => format!("{} out to {}", names(&from), names(&to)),
    };
    missing.advise(context, &what, &otherwise, finding);
    if found.listed {
        // Which of the two is right is not for a tool to say.
        finding.fix = None;
        let help = finding.help.take().unwrap_or(otherwise);
        finding.help(format!("take it off this list if it has no business there; else {help}"));
    }
}

fn sample_names(context: &Context<'_>, flow: &Flow) -> [String; 2] {
    let mut names = pods(flow).map(|pod| called(context.cluster, pod));
    [names.next().unwrap_or_default(), names.next().unwrap_or_default()]
}

/// The workloads that the proposed policy is about, and a sample of each pair: those of the one sample, if they are many.
fn samples(
    context: &Context<'_>,
    found: &OneSided,
    sample: Cut,
    from: &[WorkloadId],
    to: &[WorkloadId],
) -> (Vec<WorkloadId>, Vec<WorkloadId>, Vec<Cut>) {
    let cluster = context.cluster;
    let pods_of = |of: &WorkloadId| cluster.workload(*of).map_or(&[][..], |workload| &workload.pods);
    let flow = &found.flow;
    if from.len() <= NAMED && to.len() <= NAMED {
        let mut cuts = vec![sample];
        for (source, target) in from.iter().flat_map(|source| to.iter().map(move |target| (source, target))) {
            let targets: Vec<_> = pods_of(target).iter().map(|id| (*id, flow.port)).collect();
            cuts.extend(cut(context, pods_of(source), &targets, flow.protocol));
        }
        return (from.to_vec(), to.to_vec(), cuts);
    }
    let mut ends = pods(flow).filter_map(|id| cluster.pod(id)).map(|pod| pod.workload);
    let one = [ends.next(), ends.next()].map(|end| end.into_iter().collect());
    let [from, to] = one;
    (from, to, vec![sample])
}

/// A port as people say it.
fn in_words(entry: &PortMatch) -> String {
    let protocol = entry.protocol.map_or_else(|| "any protocol".to_owned(), |protocol| protocol.to_string());
    match &entry.ports {
        PortSpec::All => format!("all of {protocol}"),
        PortSpec::Range(first, last) if first == last => format!("{first}/{protocol}"),
        PortSpec::Range(first, last) => format!("{first}-{last}/{protocol}"),
        PortSpec::Named(name) => format!("port `{name}`"),
    }
}
