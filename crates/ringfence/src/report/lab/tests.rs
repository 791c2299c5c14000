//! Reports of labs that never ran. In: the shop and larger clusters with what packets would have found. Out: every format as it
//! was.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ringfence_lab::{
    plan::{self, Topology, plan},
    trial::{Denial, Disagreement, Expected, Kernel, Outcomes, Ports, Scope, Target, Trial, Tried, trials},
};
use ringfence_manifest::{Input, Options};
use ringfence_model::{
    cluster::Cluster,
    flow::Endpoint,
    network_policy::PolicyMeta,
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Outcome, Reason, Verdict},
};
use ringfence_policy::Compiled;

use super::LabReport;
use crate::{args::lab::Format, input};

/// The shop, read as if from the root of the workspace.
fn shop() -> Cluster {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut gathered = input::gather(&[root.join("examples/shop")]);
    for input in &mut gathered.inputs {
        let name = PathBuf::from(&input.name);
        input.name = name.strip_prefix(&root).unwrap_or(&name).to_string_lossy().into_owned();
    }
    ringfence_manifest::read(gathered.inputs, &Options::default()).cluster
}

/// A cluster of so many pods.
fn large(pods: usize) -> Cluster {
    let scenario = ringfence_scenario::Scenario::new(pods, pods / 4, 7);
    let inputs = scenario.files().into_iter().map(|file| Input { name: file.name, text: file.text });
    ringfence_manifest::read(inputs.collect(), &Options::default()).cluster
}

/// The cluster with every address, and what packets find if the kernel does as the engine says.
fn tried(cluster: &Cluster) -> (Cluster, Outcomes) {
    let topology = plan(cluster, &plan::Options::default()).unwrap();
    let scope = Scope {
        outside: topology.outside.addresses.iter().map(|one| one.address).collect(),
        outside_ports: vec![(Protocol::Tcp, 443), (Protocol::Udp, 53)],
        services: true,
        nodes: true,
        icmp: true,
    };
    let ports = Ports::of(&topology.cluster);
    obeying(topology, &ports, &scope)
}

fn obeying(topology: Topology, ports: &Ports, scope: &Scope) -> (Cluster, Outcomes) {
    let compiled = Compiled::new(topology.cluster.clone());
    let trials = trials(&topology.cluster, &compiled, ports, scope);
    let outcomes = Outcomes {
        tried: trials.into_iter().map(obeyed).collect(),
        pods: topology.pods.len(),
        ready: Duration::from_millis(1234),
        probing: Duration::from_millis(2345),
        ..Outcomes::default()
    };
    (topology.cluster, outcomes)
}

/// A trial in which the kernel did as the engine says, and logged it.
fn obeyed(trial: Trial) -> Tried {
    let (kernel, denials) = match &trial.expected {
        Expected::One(verdict) => of_verdict(verdict),
        Expected::Backends(backends) => match backends.first() {
            Some(backend) => match of_verdict(&backend.verdict) {
                (Kernel::Allowed(_), denials) => match backend.end {
                    Endpoint::Pod(pod) => (Kernel::Allowed(Some(pod)), denials),
                    _ => (Kernel::Allowed(None), denials),
                },
                denied => denied,
            },
            None => (Kernel::Denied("refused".to_owned()), Vec::new()),
        },
    };
    Tried { disagreement: trial.compare(&kernel), trial, kernel, denials }
}

fn of_verdict(verdict: &Verdict) -> (Kernel, Vec<Denial>) {
    if verdict.outcome == Outcome::Allow {
        return (Kernel::Allowed(None), Vec::new());
    }
    let sides = [(Direction::Egress, &verdict.egress), (Direction::Ingress, &verdict.ingress)];
    let (direction, side) = sides.into_iter().find(|(_, side)| side.outcome != Outcome::Allow).unwrap();
    let mut policies: Vec<Arc<PolicyMeta>> = Vec::new();
    for reason in &side.reasons {
        if let Reason::Isolated(policy) = reason {
            policies.push(policy.clone());
        }
    }
    let rule = side.rules().next();
    let words = match rule {
        Some(rule) => format!("{}: {}[{}]", rule.policy.full_name(), direction.as_str(), rule.index),
        None => {
            let names: Vec<String> = policies.iter().map(|policy| policy.full_name()).collect();
            format!("isolated by {}", names.join(", "))
        }
    };
    let denial = Denial {
        node: "worker-1".into(),
        direction,
        rule: words,
        reasons: Vec::new().into(),
        policies,
        origin: rule.map_or(Origin::NONE, |rule| rule.origin),
        audit: false,
    };
    (Kernel::Denied("refused by the network".to_owned()), vec![denial])
}

fn render(cluster: &Cluster, outcomes: &Outcomes, format: Format) -> String {
    let report = LabReport::new(outcomes, cluster, None);
    let mut out = Vec::new();
    report.write(format, &mut out).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

/// The first trial that satisfies a condition is made to come out otherwise.
fn change(cluster: &Cluster, outcomes: &mut Outcomes, to: &str, port: u16, from: &str, kernel: Kernel) {
    let is = |end: &Endpoint, name: &str| match end {
        Endpoint::Pod(id) => *cluster.pod(*id).unwrap().name == *name,
        _ => false,
    };
    let found = outcomes.tried.iter_mut().find(|one| {
        let Target::End(target) = &one.trial.to else { return false };
        is(&one.trial.from, from) && is(target, to) && one.trial.port == port
    });
    let one = found.unwrap();
    one.disagreement = one.trial.compare(&kernel);
    one.kernel = kernel;
}

/// The shop with a kernel that errs.
fn erring() -> (Cluster, Outcomes) {
    let (cluster, mut outcomes) = tried(&shop());
    change(&cluster, &mut outcomes, "postgres", 5432, "web", Kernel::Allowed(None));
    change(&cluster, &mut outcomes, "api", 8000, "web", Kernel::Denied("no answer".to_owned()));
    let why = "the listener could not be opened".to_owned();
    change(&cluster, &mut outcomes, "cache", 6379, "api", Kernel::Undecided(why));
    outcomes.lost_records = 3;
    outcomes.notes.push("layer 7 rules have no proxy in the lab yet: their ports are closed".to_owned());
    (cluster, outcomes)
}

#[test]
fn the_shop_as_text_and_markdown() {
    let (cluster, outcomes) = tried(&shop());
    assert!(LabReport::new(&outcomes, &cluster, None).is_fine());
    insta::assert_snapshot!("shop_text", render(&cluster, &outcomes, Format::Text));
    insta::assert_snapshot!("shop_md", render(&cluster, &outcomes, Format::Md));
}

#[test]
fn a_kernel_that_errs_is_shown_in_every_format() {
    let (cluster, mut outcomes) = erring();
    assert!(!LabReport::new(&outcomes, &cluster, None).is_fine());
    insta::assert_snapshot!("erring_text", render(&cluster, &outcomes, Format::Text));
    insta::assert_snapshot!("erring_md", render(&cluster, &outcomes, Format::Md));
    // The machine formats hold every pair; a part of the shop shows what they look like.
    outcomes.tried.retain(|one| {
        let shown = |end: &Endpoint| match end {
            Endpoint::Pod(id) => {
                matches!(&*cluster.pod(*id).unwrap().name, "web" | "api" | "cache" | "postgres")
            }
            _ => false,
        };
        let to = match &one.trial.to {
            Target::End(end) => shown(end),
            Target::Service { name, .. } => **name == *"api",
        };
        shown(&one.trial.from) && to
    });
    insta::assert_snapshot!("erring_json", render(&cluster, &outcomes, Format::Json));
    insta::assert_snapshot!("erring_junit", render(&cluster, &outcomes, Format::Junit));
}

#[test]
fn thirty_pods_fit_a_grid() {
    let (cluster, outcomes) = tried(&large(30));
    let text = render(&cluster, &outcomes, Format::Text);
    let grid: Vec<&str> = text.lines().take_while(|line| !line.starts_with("What is open")).collect();
    assert!(grid.iter().all(|line| line.chars().count() <= 110), "{}", grid.join("\n"));
    insta::assert_snapshot!("thirty_text", text);
}

#[test]
fn two_hundred_pods_are_summed_up_by_namespace() {
    let topology = plan(&large(200), &plan::Options::default()).unwrap();
    let mut ports = Ports::default();
    for pod in &topology.pods {
        ports.add(pod.id, Protocol::Tcp, 8080);
    }
    let (cluster, outcomes) = obeying(topology, &ports, &Scope::default());
    insta::assert_snapshot!("two_hundred_text", render(&cluster, &outcomes, Format::Text));
}

#[test]
fn nothing_tried_is_said() {
    let (cluster, mut outcomes) = tried(&shop());
    outcomes.tried.clear();
    for format in [Format::Text, Format::Md, Format::Json, Format::Junit] {
        assert!(!render(&cluster, &outcomes, format).is_empty());
    }
    assert!(render(&cluster, &outcomes, Format::Text).contains("nothing was tried"));
}

#[test]
fn a_disagreement_has_a_kind() {
    let (_, outcomes) = erring();
    let kinds: Vec<Disagreement> = outcomes.disagreements().filter_map(|one| one.disagreement).collect();
    assert!(kinds.contains(&Disagreement::Opened) && kinds.contains(&Disagreement::Cut), "{kinds:?}");
}
