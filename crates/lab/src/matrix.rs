//! Test matrices on packets. In: a matrix, a lab's completed cluster, what became of packets. Out: the connections that its rows
//! stand for, as trials; then for every row the verdict that the packets give, or why no packet can decide it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use ringfence_analysis::matrix::{self, Finding, Matrix, Report, Row, Table};
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    verdict::{Outcome, Verdict},
};
use ringfence_policy::Judge;

use crate::trial::{Expected, Kernel, Target, Trial, Tried};

/// The connections that the rows of a matrix stand for, sorted, without repeats: one for each part of a row that policies can
/// tell from the others. A Service is tried at its backends.
#[must_use]
pub fn trials(matrix: &Matrix, cluster: &Cluster, judge: &impl Judge, namespace: Option<&str>) -> Vec<Trial> {
    let asked = Asked { judge, flows: RefCell::default() };
    // What comes of the rows does not matter here.
    let _ = matrix::run(matrix, cluster, &asked, namespace);
    let trial = |flow: Flow| {
        let expected = Expected::One(Box::new(judge.verdict(&flow)));
        let Flow { from, to, family, protocol, port, .. } = flow;
        Trial { from, to: Target::End(to), family, protocol, port, expected }
    };
    asked.flows.into_inner().into_iter().map(trial).collect()
}

/// A judge that remembers what it was asked, requests left aside.
struct Asked<'a, J> {
    judge: &'a J,
    flows: RefCell<BTreeSet<Flow>>,
}

impl<J: Judge> Judge for Asked<'_, J> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        // What a pod says to itself never leaves it.
        if flow.from != flow.to {
            self.flows.borrow_mut().insert(Flow { request: None, ..flow.clone() });
        }
        self.judge.verdict(flow)
    }
}

/// Judges every row by what became of packets.
#[must_use]
pub fn run(
    matrix: &Matrix,
    cluster: &Cluster,
    judge: &impl Judge,
    namespace: Option<&str>,
    tried: &[Tried],
) -> Report {
    let by_flow = tried.iter().filter_map(|one| Some((one.trial.flow()?, &one.kernel))).collect();
    let packets = Packets { judge, cluster, by_flow, row: RefCell::default() };
    let of_row = |row: &Row| {
        let table = Table { heading: None, columns: Vec::new(), rows: vec![row.clone()] };
        let alone = Matrix { tables: vec![table], faults: Vec::new() };
        let report = matrix::run(&alone, cluster, &packets, namespace);
        let finding = report.findings.into_iter().flatten().next();
        let why = packets.row.take().undecided();
        match finding {
            Some(Finding::Judged(judged)) if !why.is_empty() => Some(Finding::Undecided {
                question: Box::new(judged.question),
                why: why.into_iter().collect::<Vec<_>>().join("; "),
            }),
            finding => finding,
        }
    };
    let of_table = |table: &Table| table.rows.iter().filter_map(of_row).collect();
    Report { findings: matrix.tables.iter().map(of_table).collect() }
}

/// The kernel as a judge of what was tried.
struct Packets<'a, J> {
    judge: &'a J,
    cluster: &'a Cluster,
    by_flow: BTreeMap<Flow, &'a Kernel>,
    row: RefCell<OfRow>,
}

/// What packets say of the connections of one row.
#[derive(Default)]
struct OfRow {
    /// How many they decide.
    decided: usize,
    /// Why they do not decide others.
    reasons: BTreeSet<String>,
    /// Why others cannot exist: a pod has no address of their family.
    impossible: BTreeSet<String>,
}

impl OfRow {
    /// Why the row is not decided; nothing if it is. What cannot exist matters only where there is nothing else.
    fn undecided(self) -> BTreeSet<String> {
        if self.reasons.is_empty() && self.decided == 0 { self.impossible } else { self.reasons }
    }
}

impl<J> Packets<'_, J> {
    /// Whether both ends have addresses of the flow's family.
    fn exists(&self, flow: &Flow) -> bool {
        [&flow.from, &flow.to].into_iter().all(|end| match end {
            Endpoint::Pod(id) => self
                .cluster
                .pod(*id)
                .is_some_and(|pod| pod.addresses.iter().any(|address| Family::of(*address) == flow.family)),
            Endpoint::Address(_) | Endpoint::Name(_) => true,
        })
    }
}

impl<J: Judge> Judge for Packets<'_, J> {
    fn verdict(&self, flow: &Flow) -> Verdict {
        let mut verdict = self.judge.verdict(flow);
        if flow.from == flow.to {
            return verdict;
        }
        let plain = Flow { request: None, ..flow.clone() };
        let mut row = self.row.borrow_mut();
        if self.judge.verdict(&plain).outcome == Outcome::AllowIf {
            let why = "it depends on what a proxy would see, and the lab has none: the port is closed";
            row.reasons.insert(why.to_owned());
            return verdict;
        }
        // The reasons stay the engine's: the packets know none.
        match self.by_flow.get(&plain) {
            None => {
                row.reasons.insert("no packet was sent".to_owned());
            }
            Some(Kernel::Undecided(why)) => {
                let exists = self.exists(&plain);
                let reasons = if exists { &mut row.reasons } else { &mut row.impossible };
                reasons.insert(why.clone());
            }
            Some(Kernel::Allowed(_)) => {
                row.decided += 1;
                verdict.outcome = Outcome::Allow;
            }
            Some(Kernel::Denied(_)) => {
                row.decided += 1;
                verdict.outcome = Outcome::Deny;
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_analysis::matrix::csv;
    use ringfence_manifest::{Input, Options};
    use ringfence_policy::Compiled;

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
        let trials = trials(&matrix, compiled.cluster(), &compiled, None);
        let tried: Vec<Tried> = trials
            .into_iter()
            .map(|trial| {
                let kernel = kernel(&trial);
                Tried { disagreement: trial.compare(&kernel), trial, kernel, denials: Vec::new() }
            })
            .collect();
        let report = run(&matrix, compiled.cluster(), &compiled, None, &tried);
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
