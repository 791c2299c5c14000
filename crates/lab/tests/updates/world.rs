//! The cluster of these tests. In: policies. Out: three nodes with pods that stay and pods that come and go, and flows between
//! them.

use std::{fmt::Write as _, net::IpAddr};

use ringfence_dataplane::{compile, reconcile::Ownership};
use ringfence_lab::{
    plan,
    run::{Running, Settings},
};
use ringfence_manifest::Input;
use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    workload::{Pod, PodId},
};

use crate::Outcome;

/// Ports that every pod listens on.
pub(crate) const PORTS: [(Protocol, u16); 3] =
    [(Protocol::Tcp, 8080), (Protocol::Udp, 53), (Protocol::Sctp, 80)];

/// How many pods stay.
pub(crate) const STAYING: usize = 6;

/// Whether a pod is one of those that stay.
pub(crate) fn stays(pod: &Pod) -> bool {
    pod.name.starts_with("stay")
}

/// The cluster, with policies as manifests.
pub(crate) fn cluster(policies: &str) -> Outcome<Cluster> {
    let mut text = String::new();
    for (number, name) in ["alpha", "beta", "gamma"].into_iter().enumerate() {
        let env = ["a", "b", "a"].get(number).unwrap_or(&"a");
        writeln!(
            text,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{env: {env}}}}}"
        )?;
        writeln!(
            text,
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node{number}, labels: {{zone: a}}}}"
        )?;
    }
    for number in 0..STAYING + 4 {
        let name = if number < STAYING { format!("stay{number}") } else { format!("go{number}") };
        let namespace = ["alpha", "beta", "gamma"].get(number % 3).unwrap_or(&"alpha");
        let (app, role) = (["a", "b", "c"].get(number / 3 % 3), ["a", "b"].get(number % 2));
        writeln!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {}, role: {}}}}}
spec:
  nodeName: node{}
  containers:
  - name: c
    image: c
    ports:
    - {{name: web, containerPort: 8080}}
    - {{name: dns, containerPort: 53, protocol: UDP}}
    - {{name: metrics, containerPort: 80, protocol: SCTP}}",
            app.unwrap_or(&"a"),
            role.unwrap_or(&"a"),
            // Two of each namespace on one node, the others elsewhere.
            number / 2 % 3,
        )?;
    }
    writeln!(text, "---\n{policies}")?;
    let inputs = vec![Input { name: "world.yaml".into(), text }];
    let read = ringfence_manifest::read(inputs, &ringfence_manifest::Options::default());
    if read.cluster.pods.len() != STAYING + 4 {
        return Err(format!("the cluster is wrong: {:?}", read.diagnostics).into());
    }
    Ok(read.cluster)
}

/// A lab of it, dual stack.
pub(crate) fn start(cluster: &Cluster, program: compile::Options) -> Outcome<Running> {
    start_as(cluster, program, None)
}

/// As [`start`], with tables that are the lab's alone or anybody's.
pub(crate) fn start_as(
    cluster: &Cluster,
    program: compile::Options,
    ownership: Option<Ownership>,
) -> Outcome<Running> {
    let settings = Settings { plan: plan_options(), program, ownership, ..Settings::default() };
    Ok(Running::start(cluster, settings, &|_| {})?)
}

/// How labs are planned.
pub(crate) fn plan_options() -> plan::Options {
    plan::Options { dual_stack: true, ..plan::Options::default() }
}

/// The pod with this name.
pub(crate) fn pod(cluster: &Cluster, name: &str) -> Outcome<PodId> {
    let found = (0..).map(PodId).zip(&cluster.pods).find(|(_, pod)| &*pod.name == name);
    found.map(|(id, _)| id).ok_or_else(|| format!("no pod `{name}`").into())
}

/// A flow between two pods.
pub(crate) fn flow(from: PodId, to: PodId, family: Family, (protocol, port): (Protocol, u16)) -> Flow {
    Flow { from: Endpoint::Pod(from), to: Endpoint::Pod(to), family, protocol, port, request: None }
}

/// Whose an address is.
pub(crate) fn owner(cluster: &Cluster, address: IpAddr) -> Option<PodId> {
    let mut pods = (0..).map(PodId).zip(&cluster.pods);
    pods.find(|(_, pod)| pod.addresses.contains(&address)).map(|(id, _)| id)
}

/// A pod's address of a family.
pub(crate) fn address(cluster: &Cluster, pod: PodId, family: Family) -> Outcome<IpAddr> {
    let pod = cluster.pod(pod).ok_or("no such pod")?;
    let found = pod.addresses.iter().find(|address| Family::of(**address) == family);
    Ok(*found.ok_or("a pod without an address")?)
}
