//! The cluster that is measured. In: how many policies. Out: 110 pods on the node in question, 10,000 pods elsewhere, and
//! policies for the former; as plain values, as manifests, and as samples of flows. The same ones on every machine.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    diagnostic::Severity,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::Outcome,
    workload::PodId,
};
use ringfence_policy::Compiled;

/// The node whose program is measured.
pub(crate) const NODE: &str = "node-0";
/// The node's own address.
pub(crate) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 20, 0, 1);
/// Namespaces in all, five to a team.
const NAMESPACES: usize = 50;
/// Namespaces that have pods on the node.
const NAMESPACES_ON_NODE: usize = 10;
/// Pods that such a namespace has on the node, each of another application.
const ON_NODE: usize = 11;
/// Applications of a namespace and replicas of each on other nodes.
const APPS: usize = 20;
const REPLICAS: usize = 10;
/// Pods of one other node.
const ON_OTHER_NODE: usize = 100;
/// Whom every namespace lets in for monitoring.
const MONITORING_TEAM: usize = 9;
/// Where the pods are that answer for DNS.
const DNS: (usize, usize) = (49, 0);

/// A pod.
pub(crate) struct Pod {
    pub(crate) namespace: usize,
    pub(crate) app: usize,
    pub(crate) address: Ipv4Addr,
    pub(crate) on_node: bool,
}

/// Whom a rule names.
pub(crate) enum Peer {
    /// The pods of an application in a namespace.
    App(usize, usize),
    /// All pods of a namespace.
    Namespace(usize),
    /// All pods of a team's namespaces.
    Team(usize),
    /// A network, and parts of it that do not count.
    Block(&'static str, Vec<&'static str>),
}

/// A rule of a policy.
pub(crate) struct Rule {
    pub(crate) peers: Vec<Peer>,
    pub(crate) ports: Vec<(Protocol, u16)>,
}

/// A policy for one application, or for all pods of its namespace. A direction without a value is not isolated.
pub(crate) struct Policy {
    pub(crate) namespace: usize,
    pub(crate) name: String,
    pub(crate) app: Option<usize>,
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

/// The cluster.
pub(crate) struct Plan {
    pub(crate) pods: Vec<Pod>,
    pub(crate) policies: Vec<Policy>,
}

impl Plan {
    /// With so many policies, a multiple of ten.
    pub(crate) fn new(policies: usize) -> Self {
        let mut pods = Vec::new();
        for number in 0..NAMESPACES_ON_NODE * ON_NODE {
            let (namespace, app) = (number / ON_NODE, number % ON_NODE);
            pods.push(Pod { namespace, app, address: address(0, number), on_node: true });
        }
        for number in 0..NAMESPACES * APPS * REPLICAS {
            // Replicas are spread over the nodes, as a scheduler does.
            let (app, replica) = (number / REPLICAS, number % REPLICAS);
            let at = replica * NAMESPACES * APPS + app;
            let address = address(1 + at / ON_OTHER_NODE, at % ON_OTHER_NODE);
            pods.push(Pod { namespace: app / APPS, app: app % APPS, address, on_node: false });
        }
        let of_each = policies / NAMESPACES_ON_NODE;
        let policies = (0..NAMESPACES_ON_NODE)
            .flat_map(|namespace| (0..of_each).map(move |number| policy(namespace, number)))
            .collect();
        Self { pods, policies }
    }

    /// The pods of the node.
    pub(crate) fn on_node(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| pod.on_node)
    }

    /// The pods that a policy is about.
    pub(crate) fn subjects(&self, policy: &Policy) -> Vec<&Pod> {
        let is =
            |pod: &&Pod| pod.namespace == policy.namespace && policy.app.is_none_or(|app| pod.app == app);
        self.pods.iter().filter(is).collect()
    }

    /// The pods that a peer names.
    pub(crate) fn members(&self, peer: &Peer) -> Vec<&Pod> {
        let is = |pod: &&Pod| match *peer {
            Peer::App(namespace, app) => pod.namespace == namespace && pod.app == app,
            Peer::Namespace(namespace) => pod.namespace == namespace,
            Peer::Team(team) => pod.namespace / 5 == team,
            Peer::Block(..) => false,
        };
        self.pods.iter().filter(is).collect()
    }

    /// The cluster as the engine takes it.
    pub(crate) fn cluster(&self) -> Cluster {
        let input = ringfence_manifest::Input { name: "plan.yaml".to_owned(), text: self.manifests() };
        let loaded = ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default());
        let error = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error);
        assert_eq!(error, None);
        assert_eq!(loaded.cluster.pods.len(), self.pods.len());
        assert_eq!(loaded.cluster.network_policies.len(), self.policies.len());
        loaded.cluster
    }

    fn manifests(&self) -> String {
        let mut text = String::new();
        for number in 0..NAMESPACES {
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-{number}\n  labels: {{team: team-{}}}\n",
                number / 5
            );
        }
        let nodes = 1 + NAMESPACES * APPS * REPLICAS / ON_OTHER_NODE;
        for number in 0..nodes {
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: node-{number}\nspec:\n  podCIDRs: [10.64.{number}.0/24]\n\
                 status:\n  addresses:\n  - {{type: InternalIP, address: 172.20.0.{}}}\n",
                number + 1
            );
        }
        for (number, Pod { namespace, app, address, .. }) in self.pods.iter().enumerate() {
            let node = address.octets()[2];
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: pod-{number}\n  namespace: ns-{namespace}\n  labels: {{app: app-{app}}}\n\
                 spec:\n  nodeName: node-{node}\n  containers:\n  - name: main\n    image: registry.example/app:1\n    ports:\n    \
                 - {{name: http, containerPort: 8080}}\n    - {{name: metrics, containerPort: 9090}}\n\
                 status:\n  phase: Running\n  podIP: {address}\n  podIPs: [{{ip: {address}}}]\n"
            );
        }
        for policy in &self.policies {
            write_policy(&mut text, policy);
        }
        text
    }
}

/// The address of a pod by its node and its number there.
fn address(node: usize, number: usize) -> Ipv4Addr {
    let [node, number] = [node, number + 2].map(|part| u8::try_from(part).expect("few nodes and pods"));
    Ipv4Addr::new(10, 64, node, number)
}

/// The policies of a namespace in order: the three that concern all its pods, then for one application after another
/// callers, a stranger with its namespace, a network, and what it calls itself.
fn policy(namespace: usize, number: usize) -> Policy {
    let all =
        |name: &str, ingress, egress| Policy { namespace, name: name.to_owned(), app: None, ingress, egress };
    match number {
        0 => all("default-deny", Some(Vec::new()), Some(Vec::new())),
        1 => {
            let ports = vec![(Protocol::Udp, 53), (Protocol::Tcp, 53)];
            all("allow-dns", None, Some(vec![Rule { peers: vec![Peer::App(DNS.0, DNS.1)], ports }]))
        }
        2 => {
            let ports = vec![(Protocol::Tcp, 9090)];
            all(
                "allow-monitoring",
                Some(vec![Rule { peers: vec![Peer::Team(MONITORING_TEAM)], ports }]),
                None,
            )
        }
        _ => of_app(namespace, number - 3),
    }
}

fn of_app(namespace: usize, number: usize) -> Policy {
    let (app, round) = (number % ON_NODE, number / ON_NODE);
    let other = |step: usize| (namespace + 1 + (step + round * 3) % (NAMESPACES - 1)) % NAMESPACES;
    let near = |step: usize| Peer::App(namespace, (app + step + round) % APPS);
    let tcp = |ports: &[u16]| ports.iter().map(|port| (Protocol::Tcp, *port)).collect();
    let rules = match number % 4 {
        0 => vec![Rule { peers: vec![near(1), near(2)], ports: tcp(&[8080]) }],
        1 => vec![
            Rule { peers: vec![Peer::App(other(app), (app * 3 + round) % APPS)], ports: tcp(&[8080, 8443]) },
            Rule { peers: vec![Peer::Namespace(other(app + 13))], ports: tcp(&[9443]) },
        ],
        2 => {
            let office = ["172.30.0.0/16", "172.29.0.0/16", "172.28.0.0/16"];
            let guests = ["172.30.128.0/17", "172.29.128.0/17", "172.28.128.0/17"];
            let at = round % office.len();
            vec![Rule {
                peers: vec![Peer::Block(office[at], vec![guests[at]]), near(17)],
                ports: tcp(&[5432]),
            }]
        }
        _ => {
            let private = vec!["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.169.254/32"];
            vec![
                Rule { peers: vec![Peer::App(other(app), app), near(3)], ports: tcp(&[5432]) },
                Rule { peers: vec![Peer::Block("0.0.0.0/0", private)], ports: tcp(&[443]) },
            ]
        }
    };
    let (ingress, egress) = if number % 4 == 3 { (None, Some(rules)) } else { (Some(rules), None) };
    Policy { namespace, name: format!("app-{app}-{number}"), app: Some(app), ingress, egress }
}

fn write_policy(text: &mut String, policy: &Policy) {
    let Policy { namespace, name, app, ingress, egress } = policy;
    let subject = app.map_or("{}".to_owned(), |app| format!("{{matchLabels: {{app: app-{app}}}}}"));
    let types: Vec<&str> = [ingress.as_ref().map(|_| "Ingress"), egress.as_ref().map(|_| "Egress")]
        .into_iter()
        .flatten()
        .collect();
    let _ = write!(
        text,
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  namespace: ns-{namespace}\n\
         spec:\n  podSelector: {subject}\n  policyTypes: [{}]\n",
        types.join(", ")
    );
    for (direction, end, rules) in [("ingress", "from", ingress), ("egress", "to", egress)] {
        let Some(rules) = rules else { continue };
        let _ = writeln!(text, "  {direction}:{}", if rules.is_empty() { " []" } else { "" });
        for rule in rules {
            let _ = writeln!(text, "  - {end}:");
            for peer in &rule.peers {
                let peer = match peer {
                    Peer::App(namespace, app) => format!(
                        "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ns-{namespace}}}}}\n      \
                         podSelector: {{matchLabels: {{app: app-{app}}}}}"
                    ),
                    Peer::Namespace(number) => {
                        format!(
                            "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ns-{number}}}}}"
                        )
                    }
                    Peer::Team(team) => format!("namespaceSelector: {{matchLabels: {{team: team-{team}}}}}"),
                    Peer::Block(cidr, except) => {
                        format!("ipBlock: {{cidr: {cidr}, except: [{}]}}", except.join(", "))
                    }
                };
                let _ = writeln!(text, "    - {peer}");
            }
            let _ = writeln!(text, "    ports:");
            for (protocol, port) in &rule.ports {
                let _ = writeln!(text, "    - {{protocol: {}, port: {port}}}", protocol.as_str());
            }
        }
    }
}

/// Two addresses and a TCP port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    pub(crate) port: u16,
}

/// Flows of one kind.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whether the packets come from the node's pods.
    pub(crate) outward: bool,
    pub(crate) allowed: bool,
    pub(crate) samples: Vec<Sample>,
}

/// What is sent: for every kind of peer, flows on which the engine agrees with the plan.
pub(crate) fn cases(plan: &Plan, compiled: &Compiled) -> Vec<Case> {
    let (mut apps, mut wide, mut blocks, mut local, mut out, mut denied) =
        <(Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    for policy in &plan.policies {
        let subjects: Vec<&Pod> = plan.subjects(policy).into_iter().filter(|pod| pod.on_node).collect();
        for rule in policy.ingress.iter().flatten() {
            for (_, port) in rule.ports.iter().filter(|(protocol, _)| *protocol == Protocol::Tcp) {
                for peer in &rule.peers {
                    let elsewhere: Vec<Ipv4Addr> =
                        plan.members(peer).iter().filter(|pod| !pod.on_node).map(|pod| pod.address).collect();
                    let (into, from) = match peer {
                        Peer::App(..) => (&mut apps, elsewhere),
                        Peer::Namespace(_) | Peer::Team(_) => (&mut wide, elsewhere),
                        Peer::Block(cidr, _) => (&mut blocks, hosts(cidr)),
                    };
                    add(into, &from, &subjects, *port);
                }
            }
        }
        for rule in policy.egress.iter().flatten() {
            for (_, port) in rule.ports.iter().filter(|(protocol, _)| *protocol == Protocol::Tcp) {
                for peer in &rule.peers {
                    let members = plan.members(peer);
                    for subject in &subjects {
                        let to = members.iter().filter(|pod| !pod.on_node).take(20);
                        out.extend(to.map(|pod| Sample {
                            from: subject.address,
                            to: pod.address,
                            port: *port,
                        }));
                    }
                }
            }
        }
    }
    let pods: Vec<&Pod> = plan.pods.iter().collect();
    for (at, subject) in plan.on_node().enumerate() {
        for step in 0..20 {
            let from =
                pods[ON_NODE * NAMESPACES_ON_NODE + (at * 97 + step * 503) % (NAMESPACES * APPS * REPLICAS)];
            denied.push(Sample { from: from.address, to: subject.address, port: 1234 });
        }
        for other in plan.on_node() {
            for port in [8080, 8443, 9443, 5432] {
                local.push(Sample { from: other.address, to: subject.address, port });
            }
        }
    }
    let oracle = Oracle::new(compiled);
    let judged = |name, samples: Vec<Sample>, allowed, outward| {
        let wanted = if allowed { Outcome::Allow } else { Outcome::Deny };
        let mut samples: Vec<Sample> = samples
            .into_iter()
            .filter(|sample| sample.from != sample.to && oracle.outcome(sample) == wanted)
            .collect();
        // Neighbours in the list are far apart in the tables.
        let stride = 7_919;
        samples.dedup();
        let count = samples.len();
        samples = (0..count.min(4_096)).map(|at| samples[at * stride % count]).collect();
        Case { name, outward, allowed, samples }
    };
    let mut cases = vec![
        judged("ingress, a pod that a rule names", apps, true, false),
        judged("ingress, a pod of a namespace that a rule names", wide, true, false),
        judged("ingress, an address in an ipBlock", blocks, true, false),
        judged("egress, a pod that a rule names", out, true, true),
        judged("from one pod of the node to another", local, true, true),
        judged("ingress, denied", denied, false, false),
    ];
    cases.retain(|case| !case.samples.is_empty());
    cases
}

fn add(into: &mut Vec<Sample>, from: &[Ipv4Addr], to: &[&Pod], port: u16) {
    for pod in to {
        into.extend(from.iter().take(40).map(|from| Sample { from: *from, to: pod.address, port }));
    }
}

/// Some addresses of the lower half of a network.
fn hosts(cidr: &str) -> Vec<Ipv4Addr> {
    let (first, _) = cidr.split_once('/').expect("a network of the plan");
    let [a, b, ..] = first.parse::<Ipv4Addr>().expect("a network of the plan").octets();
    (0..40).map(|number| Ipv4Addr::new(a, b, number * 3, number + 1)).collect()
}

/// What the engine says of samples.
struct Oracle<'a> {
    compiled: &'a Compiled,
    pods: BTreeMap<IpAddr, PodId>,
}

impl<'a> Oracle<'a> {
    fn new(compiled: &'a Compiled) -> Self {
        let numbered = (0..).map(PodId).zip(&compiled.cluster().pods);
        let pods = numbered.flat_map(|(id, pod)| pod.addresses.iter().map(move |address| (*address, id)));
        Self { compiled, pods: pods.collect() }
    }

    fn outcome(&self, sample: &Sample) -> Outcome {
        let end = |address: Ipv4Addr| {
            let address = address.into();
            self.pods.get(&address).map_or(Endpoint::Address(address), |pod| Endpoint::Pod(*pod))
        };
        self.compiled.outcome(&Flow {
            from: end(sample.from),
            to: end(sample.to),
            family: Family::V4,
            protocol: Protocol::Tcp,
            port: sample.port,
            request: None,
        })
    }
}
