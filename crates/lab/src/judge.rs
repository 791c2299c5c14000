//! The kernel as a judge. In: whatever asks a judge. Out: the same, answered by packets.
//!
//! Packets are sent by the thousand and not one by one, so asking takes two passes: [`Recorder`] notes what is asked while the
//! engine answers, then the packets are sent, and [`Observed`] answers the same questions from what became of them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_analysis::{
    explain::steps::condition_text,
    matrix::{self, Finding, Matrix, Report},
    question::Ruling,
};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    verdict::{Direction, Missing, Outcome, Side, Verdict},
};
use ringfence_policy::{Compiled, Judge};

use crate::{
    plan,
    run::{OnProgress, RunError, Running},
    trial::{Expected, Kernel, Outcomes, Target, Trial, Tried},
};

/// A judge that lets another answer and notes the questions.
pub struct Recorder<'a, J> {
    judge: &'a J,
    asked: RefCell<BTreeSet<Flow>>,
}

impl<'a, J: Judge> Recorder<'a, J> {
    /// Nothing has been asked yet.
    pub fn new(judge: &'a J) -> Self {
        Self { judge, asked: RefCell::default() }
    }

    /// What was asked, each question once, in an order that depends on nothing else.
    #[must_use]
    pub fn into_flows(self) -> Vec<Flow> {
        self.asked.into_inner().into_iter().collect()
    }
}

impl<J: Judge> Judge for Recorder<'_, J> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        self.asked.borrow_mut().insert(flow.clone());
        self.judge.verdict(flow)
    }
}

/// What packets have shown. The verdict is that of the kernel: where it did what the engine says, with the engine's reasons;
/// where a node's log names other rules, with those. It is unknown where no packet can decide ([`Missing::NoPacket`]), above all
/// where a proxy would have to look at what is asked: the port is closed then.
#[derive(Clone, Debug, Default)]
pub struct Observed(BTreeMap<Flow, Verdict>);

impl Judge for Observed {
    fn verdict(&self, flow: &Flow) -> Verdict {
        self.0.get(flow).cloned().unwrap_or_else(|| undecided("none was sent"))
    }
}

impl Running {
    /// The packets that flows stand for. A DNS name stands for the address that it has in the lab.
    #[must_use]
    pub fn flow_trials(&self, flows: &[Flow]) -> Vec<Trial> {
        let judge = self.judge();
        let trial = |flow: &Flow| Trial {
            from: flow.from.clone(),
            to: Target::End(flow.to.clone()),
            family: flow.family,
            protocol: flow.protocol,
            port: flow.port,
            expected: Expected::One(Box::new(judge.verdict(&self.on_the_wire(flow)))),
        };
        flows.iter().map(trial).collect()
    }

    /// Sends a packet for each flow.
    ///
    /// # Errors
    /// When a namespace cannot be entered.
    pub fn judge_flows(
        &mut self,
        flows: &[Flow],
        on_progress: OnProgress<'_>,
    ) -> Result<(Observed, Outcomes), RunError> {
        let outcomes = self.run(self.flow_trials(flows), on_progress)?;
        let engine = self.compiled();
        let verdicts = flows.iter().zip(&outcomes.tried);
        let verdicts = verdicts.map(|(flow, tried)| (flow.clone(), observed(engine.verdict(flow), tried)));
        Ok((Observed(verdicts.collect()), outcomes))
    }

    /// The flow as its packets show it.
    fn on_the_wire(&self, flow: &Flow) -> Flow {
        let end = |end: &Endpoint| {
            let Endpoint::Name(name) = end else { return end.clone() };
            let known = self.lab().topology().names.get(&plan::plain_name(name));
            let address = known.into_iter().flatten().find(|address| Family::of(**address) == flow.family);
            address.map_or_else(|| end.clone(), |address| Endpoint::Address(*address))
        };
        Flow { from: end(&flow.from), to: end(&flow.to), request: None, ..flow.clone() }
    }
}

/// Judges a matrix by packets; a row that no packet can decide says why. Also what became of each packet.
///
/// # Errors
/// When a namespace cannot be entered.
pub fn matrix(
    running: &mut Running,
    matrix: &Matrix,
    namespace: Option<&str>,
    on_progress: OnProgress<'_>,
) -> Result<(Report, Outcomes), RunError> {
    let flows = asked(matrix, running.compiled(), namespace);
    let (observed, outcomes) = running.judge_flows(&flows, on_progress)?;
    let mut report = matrix::run(matrix, running.lab().cluster(), &observed, namespace);
    report.findings.iter_mut().flatten().for_each(mark_undecided);
    Ok((report, outcomes))
}

/// A row of which no packet can decide a part is not decided.
fn mark_undecided(finding: &mut Finding) {
    let Finding::Judged(judged) = &*finding else { return };
    let verdicts = judged.answer.parts.iter().filter_map(|part| match &part.ruling {
        Ruling::Judged { verdict, .. } => Some(&**verdict),
        Ruling::Refused(_) => None,
    });
    let missing = verdicts.flat_map(|verdict| verdict.egress.missing.iter().chain(&verdict.ingress.missing));
    let reasons: BTreeSet<&str> = missing
        .filter_map(|missing| match missing {
            Missing::NoPacket(why) => Some(&**why),
            _ => None,
        })
        .collect();
    if !reasons.is_empty() {
        let why = reasons.into_iter().collect::<Vec<_>>().join("; ");
        *finding = Finding::Undecided { question: Box::new(judged.question.clone()), why };
    }
}

/// Addresses and DNS names that a matrix asks about and that the lab must have, for [`plan::Options`].
#[must_use]
pub fn mentioned(matrix: &Matrix, cluster: &Cluster, namespace: Option<&str>) -> (Vec<IpAddr>, Vec<String>) {
    let (mut addresses, mut names) = (BTreeSet::new(), BTreeSet::new());
    for flow in asked(matrix, &Compiled::new(cluster.clone()), namespace) {
        for end in [flow.from, flow.to] {
            match end {
                Endpoint::Address(address) => drop(addresses.insert(address)),
                Endpoint::Name(name) => drop(names.insert(name.to_string())),
                Endpoint::Pod(_) => {}
            }
        }
    }
    (addresses.into_iter().collect(), names.into_iter().collect())
}

fn asked(matrix: &Matrix, engine: &Compiled, namespace: Option<&str>) -> Vec<Flow> {
    let recorder = Recorder::new(engine);
    matrix::run(matrix, engine.cluster(), &recorder, namespace);
    recorder.into_flows()
}

fn side(outcome: Outcome) -> Side {
    Side { outcome, conditions: Vec::new(), missing: Vec::new(), reasons: Vec::new() }
}

/// A verdict that no packet can give.
fn undecided(why: &str) -> Verdict {
    let missing = vec![Missing::NoPacket(why.into())];
    Verdict::new(side(Outcome::Allow), Side { missing, ..side(Outcome::Unknown) })
}

/// What the packets of a flow say, of which the engine says so much.
fn observed(engine: Verdict, tried: &Tried) -> Verdict {
    let Expected::One(packets) = &tried.trial.expected else { return engine };
    // The engine may know more than a packet shows: what is requested, which name an address belongs to.
    let agreed = if engine.outcome == packets.outcome { engine } else { (**packets).clone() };
    match (&tried.kernel, packets.outcome) {
        (Kernel::Undecided(why), _) => undecided(why),
        (Kernel::Allowed(_), Outcome::Allow) | (Kernel::Denied(_), Outcome::Unknown) => agreed,
        (Kernel::Allowed(_), _) => Verdict::new(side(Outcome::Allow), side(Outcome::Allow)),
        (Kernel::Denied(_), Outcome::AllowIf) => undecided(&needs_proxy(packets)),
        (Kernel::Denied(_), Outcome::Allow | Outcome::Deny) => denied(agreed, tried),
    }
}

/// Why a port is closed that the engine allows under conditions.
fn needs_proxy(verdict: &Verdict) -> String {
    let conditions = verdict.egress.conditions.iter().chain(&verdict.ingress.conditions);
    let words: BTreeSet<String> = conditions.map(condition_text).collect();
    let words: Vec<String> = words.into_iter().collect();
    format!("it needs a proxy, without which the port is closed: {}", words.join(" or "))
}

/// A deny with the reasons that the logs give, where they give others than the engine.
fn denied(engine: Verdict, tried: &Tried) -> Verdict {
    let Verdict { mut egress, mut ingress, .. } = engine;
    for denial in tried.denials.iter().filter(|denial| !denial.audit) {
        let known = match denial.direction {
            Direction::Egress => &mut egress,
            Direction::Ingress => &mut ingress,
        };
        if known.outcome != Outcome::Deny || !denial.names(known) {
            *known = Side { reasons: denial.reasons.to_vec(), ..side(Outcome::Deny) };
        }
    }
    if egress.outcome != Outcome::Deny && ingress.outcome != Outcome::Deny {
        // No record says which side it was.
        ingress = side(Outcome::Deny);
    }
    Verdict::new(egress, ingress)
}
