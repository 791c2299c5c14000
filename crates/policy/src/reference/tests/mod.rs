//! The subtle points of the specifications, one test each, on clusters built by hand.

mod cilium;
mod network_policy;
mod tier;

use std::sync::Arc;

use ringfence_model::{
    Text,
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::{Labels, Operator, Requirement, Selector},
    network_policy::{PolicyKind, PolicyMeta},
    origin::Origin,
    port::{PortMatch, PortSpec, Protocol},
    verdict::{Outcome, Reason, Side, Verdict},
    workload::{ContainerPort, NAMESPACE_NAME_LABEL, Namespace, Node, Pod, PodId, WorkloadId},
};

use super::Reference;
use crate::Judge;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn selector(pairs: &[(&str, &str)]) -> Selector {
    let one = |(key, value): &(&str, &str)| Requirement {
        key: (*key).into(),
        operator: Operator::In,
        values: vec![(*value).into()],
        origin: Origin::NONE,
    };
    Selector { requirements: pairs.iter().map(one).collect(), origin: Origin::NONE }
}

fn everything() -> Selector {
    Selector::default()
}

fn meta(kind: PolicyKind, namespace: Option<&str>, name: &str) -> Arc<PolicyMeta> {
    Arc::new(PolicyMeta {
        kind,
        namespace: namespace.map(Text::from),
        name: name.into(),
        labels: Labels::default(),
        annotations: Labels::default(),
        audit: false,
        origin: Origin::NONE,
    })
}

fn pod(namespace: &str, name: &str, pairs: &[(&str, &str)], addresses: &[&str]) -> Pod {
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        workload: WorkloadId(0),
        labels: labels(pairs),
        ports: Vec::new(),
        host_network: false,
        node: None,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        service_account: "default".into(),
        ready: true,
        finished: false,
        stand_in: false,
        details: None,
        origin: Origin::NONE,
    }
}

fn container_port(name: &str, protocol: Protocol, port: u16) -> ContainerPort {
    ContainerPort { name: Some(name.into()), protocol, port }
}

fn port(protocol: Protocol, ports: PortSpec) -> PortMatch {
    PortMatch { protocol: Some(protocol), ports, origin: Origin::NONE }
}

/// Namespaces x and y (labelled `team: x` and `team: y`), node n (192.168.0.10), and the pods given.
fn cluster(pods: Vec<Pod>) -> Cluster {
    let namespace = |name: &str| Namespace {
        name: name.into(),
        labels: labels(&[(NAMESPACE_NAME_LABEL, name), ("team", name)]),
        given: true,
        origin: Origin::NONE,
    };
    let node = Node {
        name: "n".into(),
        labels: labels(&[("zone", "a")]),
        addresses: vec!["192.168.0.10".parse().unwrap()],
        pod_cidrs: vec!["10.244.0.0/24".parse().unwrap()],
        origin: Origin::NONE,
    };
    Cluster { namespaces: ["x", "y"].map(namespace).to_vec(), nodes: vec![node], pods, ..Cluster::default() }
}

/// A client (x/client, 10.244.0.1) and a server (y/server, 10.244.0.2, port web 80/TCP).
fn client_and_server() -> Cluster {
    let mut server = pod("y", "server", &[("app", "server")], &["10.244.0.2"]);
    server.ports = vec![container_port("web", Protocol::Tcp, 80)];
    cluster(vec![pod("x", "client", &[("app", "client")], &["10.244.0.1"]), server])
}

const CLIENT: Endpoint = Endpoint::Pod(PodId(0));
const SERVER: Endpoint = Endpoint::Pod(PodId(1));

fn address(text: &str) -> Endpoint {
    Endpoint::Address(text.parse().unwrap())
}

fn flow(from: Endpoint, to: Endpoint, port: u16) -> Flow {
    Flow { from, to, family: Family::V4, protocol: Protocol::Tcp, port, request: None }
}

fn verdict(cluster: &Cluster, from: Endpoint, to: Endpoint, port: u16) -> Verdict {
    Reference { cluster }.verdict(&flow(from, to, port))
}

fn outcome(cluster: &Cluster, from: Endpoint, to: Endpoint, port: u16) -> Outcome {
    verdict(cluster, from, to, port).outcome
}

/// The policies (or rules) that a side's reasons name, in short.
fn because(side: &Side) -> Vec<String> {
    let reason = |reason: &Reason| match reason {
        Reason::Rule(rule) => format!("{}[{}]", rule.policy.name, rule.index),
        Reason::Passed(rule) => format!("passed {}[{}]", rule.policy.name, rule.index),
        Reason::Isolated(policy) => format!("isolated {}", policy.name),
        other => format!("{other:?}"),
    };
    side.reasons.iter().map(reason).collect()
}

#[test]
fn a_pod_that_is_finished_or_does_not_exist_is_no_end() {
    let mut cluster = client_and_server();
    cluster.pods[1].finished = true;
    for to in [SERVER, Endpoint::Pod(PodId(7))] {
        let verdict = verdict(&cluster, CLIENT, to, 80);
        assert_eq!(verdict.outcome, Outcome::Deny);
        assert_eq!(verdict.egress.reasons, [Reason::NoEndpoint]);
        assert_eq!(verdict.ingress.reasons, [Reason::NoEndpoint]);
    }
}

#[test]
fn a_pod_without_an_address_of_the_family_cannot_be_reached_but_the_other_side_is_judged() {
    let mut cluster = client_and_server();
    cluster.pods[1].addresses = vec!["fd00::2".parse().unwrap()];
    let verdict = verdict(&cluster, CLIENT, SERVER, 80);
    assert_eq!(verdict.egress.reasons, [Reason::NotIsolated]);
    assert_eq!(verdict.ingress.reasons, [Reason::NoAddress(Family::V4)]);
    assert_eq!(verdict.outcome, Outcome::Deny);
}

#[test]
fn a_pod_reaches_itself_whatever_its_policies() {
    let mut cluster = client_and_server();
    cluster.network_policies = vec![network_policy::isolating("y", everything())];
    assert_eq!(outcome(&cluster, SERVER, SERVER, 80), Outcome::Allow);
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Deny);
}
