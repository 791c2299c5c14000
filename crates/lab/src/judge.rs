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
pub struct Observed<'a> {
    engine: &'a Compiled,
    packets: BTreeMap<Flow, &'a Tried>,
}

impl<'a> Observed<'a> {
    /// Of packets that were sent in a lab, and its engine.
    #[must_use]
    pub fn new(engine: &'a Compiled, tried: &'a [Tried]) -> Self {
        let packets = tried.iter().filter_map(|tried| Some((tried.trial.flow()?, tried))).collect();
        Self { engine, packets }
    }
}

impl Judge for Observed<'_> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        match self.packets.get(&Flow { request: None, ..flow.clone() }) {
            Some(tried) => observed(self.engine.verdict(flow), tried),
            None => undecided("none was sent"),
        }
    }
}

impl Running {
    /// The packets that flows stand for, sorted, each once: they do not show what is requested. A DNS name stands for the address
    /// that it has in the lab.
    #[must_use]
    pub fn flow_trials(&self, flows: &[Flow]) -> Vec<Trial> {
        let judge = self.judge();
        let plain: BTreeSet<Flow> = flows.iter().map(|flow| Flow { request: None, ..flow.clone() }).collect();
        let trial = |flow: Flow| {
            let expected = Expected::One(Box::new(judge.verdict(&self.on_the_wire(&flow))));
            let Flow { from, to, family, protocol, port, .. } = flow;
            Trial { from, to: Target::End(to), family, protocol, port, expected }
        };
        plain.into_iter().map(trial).collect()
    }

    /// Sends a packet for each flow. [`Observed`] makes a judge of what became of them.
    ///
    /// # Errors
    /// When a namespace cannot be entered.
    pub fn judge_flows(&mut self, flows: &[Flow], on_progress: OnProgress<'_>) -> Result<Outcomes, RunError> {
        self.run(self.flow_trials(flows), on_progress)
    }

    /// The flow as its packets show it.
    fn on_the_wire(&self, flow: &Flow) -> Flow {
        let end = |end: &Endpoint| {
            let Endpoint::Name(name) = end else { return end.clone() };
            let known = self.lab().topology().names.get(&plan::plain_name(name));
            let address = known.into_iter().flatten().find(|address| Family::of(**address) == flow.family);
            address.map_or_else(|| end.clone(), |address| Endpoint::Address(*address))
        };
        Flow { from: end(&flow.from), to: end(&flow.to), ..flow.clone() }
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
    let outcomes = running.judge_flows(&questions(matrix, running.compiled(), namespace), on_progress)?;
    let report = report(matrix, running.compiled(), namespace, &outcomes.tried);
    Ok((report, outcomes))
}

/// What packets that were sent say of a matrix; a row that they cannot decide says why. `engine` is the lab's.
#[must_use]
pub fn report(matrix: &Matrix, engine: &Compiled, namespace: Option<&str>, tried: &[Tried]) -> Report {
    let mut report = matrix::run(matrix, engine.cluster(), &Observed::new(engine, tried), namespace);
    report.findings.iter_mut().flatten().for_each(mark_undecided);
    report
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
    for flow in questions(matrix, &Compiled::new(cluster.clone()), namespace) {
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

/// The connections that the rows of a matrix stand for, sorted, each once: one for each part of a row that policies can tell
/// from the others. A Service is asked about at its backends.
#[must_use]
pub fn questions(matrix: &Matrix, engine: &Compiled, namespace: Option<&str>) -> Vec<Flow> {
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
        (Kernel::Denied(_) | Kernel::Undecided(_), Outcome::AllowIf) => undecided(&needs_proxy(packets)),
        (Kernel::Undecided(why), _) => undecided(why),
        (Kernel::Allowed(_), Outcome::Allow) | (Kernel::Denied(_), Outcome::Unknown) => agreed,
        (Kernel::Allowed(_), _) => Verdict::new(side(Outcome::Allow), side(Outcome::Allow)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_analysis::matrix::csv;
    use ringfence_manifest::{Input, Options};
    use ringfence_policy::compiled::View;

    const MANIFESTS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIPs: [{ip: 10.244.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: a, ports: [{containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.244.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, clusterIP: 10.96.0.9, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: [{method: GET}]}}]}]
";

    /// What comes of rows if the kernel does as a closure says.
    fn rows(matrix: &str, kernel: impl Fn(&Trial) -> Kernel) -> Vec<String> {
        let input = Input { name: "a.yaml".to_owned(), text: MANIFESTS.to_owned() };
        let compiled = Compiled::new(ringfence_manifest::read(vec![input], &Options::default()).cluster);
        let matrix = csv::read(matrix);
        let trial = |flow: Flow| Trial {
            expected: Expected::One(Box::new(compiled.enforced(&flow, View::default()))),
            from: flow.from,
            to: Target::End(flow.to),
            family: flow.family,
            protocol: flow.protocol,
            port: flow.port,
        };
        let asked = questions(&matrix, &compiled, None).into_iter();
        let trials = asked.map(|flow| trial(Flow { request: None, ..flow }));
        let tried: Vec<Tried> = trials
            .map(|trial| {
                let kernel = kernel(&trial);
                Tried { disagreement: trial.compare(&kernel), trial, kernel, denials: Vec::new() }
            })
            .collect();
        let report = report(&matrix, &compiled, None, &tried);
        let words = |finding: &Finding| match finding {
            Finding::Judged(judged) => format!("{} {}", judged.verdict(), judged.pass),
            Finding::Undecided { why, .. } => why.clone(),
            Finding::Unreadable(problem) => problem.message.clone(),
        };
        report.findings.iter().flatten().map(words).collect()
    }

    fn as_expected(trial: &Trial) -> Kernel {
        match trial.expected.outcome() {
            Some(Outcome::Allow) => Kernel::Allowed(None),
            _ => Kernel::Denied("refused".to_owned()),
        }
    }

    #[test]
    fn rows_are_judged_by_packets() {
        let matrix =
            "web,api,8080,allow\nweb,svc:shop/api,80,allow\n203.0.113.9,api,8080,deny\nwbe,api,1,deny\n";
        let fine = ["allow true", "allow true", "deny true"];
        assert_eq!(rows(matrix, as_expected)[..3], fine);
        assert_eq!(rows(matrix, |_| Kernel::Allowed(None))[..3], ["allow true", "allow true", "allow false"]);
        assert_eq!(
            rows(matrix, |_| Kernel::Denied(String::new()))[..3],
            ["deny false", "deny false", "deny true"]
        );
        assert!(rows(matrix, as_expected)[3].contains("wbe"));
    }

    #[test]
    fn a_row_that_no_packet_decides_says_why() {
        let matrix = "api,web,80,allow,GET /\napi,web,80,deny,POST /\n203.0.113.9,api,8080,deny\n";
        let found = rows(matrix, |_| Kernel::Undecided("no route".to_owned()));
        assert!(found[0].contains("proxy") && found[1].contains("proxy"), "{found:?}");
        assert_eq!(found[2], "no route");
    }

    #[test]
    fn a_family_that_a_pod_lacks_does_not_matter_where_another_is_tried() {
        let only_v4 = |trial: &Trial| match trial.family {
            Family::V4 => as_expected(trial),
            Family::V6 => Kernel::Undecided("the pod has no IPv6 address".to_owned()),
        };
        assert_eq!(rows("internet,api,8080,deny\n", only_v4), ["deny true"]);
        let nothing = rows("2001:db8::9,api,8080,deny\n", only_v4);
        assert!(nothing[0].contains("IPv6") || nothing[0].contains("family"), "{nothing:?}");
    }
}
