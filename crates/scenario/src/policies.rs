//! NetworkPolicies that allow the calls. In: a planned cluster and its calls. Out: so many policies, as teams write
//! them: default denies, DNS, the ingress controller, monitoring, then each workload's callers and callees.

use crate::{
    dice::Dice,
    layout::{Layout, Role, Workload},
    traffic::{Calls, Outside},
};

/// Keys and values, and conditions: key, operator, values.
#[derive(Clone, Default)]
pub(crate) struct Selector {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) expressions: Vec<(&'static str, &'static str, Vec<String>)>,
}

impl Selector {
    /// One label.
    pub(crate) fn label(key: &'static str, value: impl Into<String>) -> Self {
        Self { labels: vec![(key, value.into())], expressions: Vec::new() }
    }

    fn expression(key: &'static str, operator: &'static str, values: Vec<String>) -> Self {
        Self { labels: Vec::new(), expressions: vec![(key, operator, values)] }
    }

    fn and(mut self, other: Self) -> Self {
        self.labels.extend(other.labels);
        self.expressions.extend(other.expressions);
        self
    }
}

/// A peer of a rule.
#[derive(Clone)]
pub(crate) enum Peer {
    Pods { namespace: Option<Selector>, pod: Option<Selector> },
    Block { cidr: String, except: Vec<&'static str> },
}

/// A port of a rule.
#[derive(Clone)]
pub(crate) enum Port {
    Number(&'static str, u16),
    Range(&'static str, u16, u16),
    Named(&'static str, &'static str),
}

/// A rule: any of the peers on any of the ports; an empty list is no restriction.
#[derive(Clone, Default)]
pub(crate) struct Rule {
    pub(crate) peers: Vec<Peer>,
    pub(crate) ports: Vec<Port>,
}

/// A NetworkPolicy. A direction without rules is isolated if it is given at all.
#[derive(Default)]
pub(crate) struct Policy {
    /// Number of its namespace.
    pub(crate) namespace: usize,
    pub(crate) name: String,
    pub(crate) subject: Selector,
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

/// The label that the API server puts on every namespace.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The label that tells the workloads of a namespace apart.
pub(crate) const NAME: &str = "app.kubernetes.io/name";
/// The label that tells what a workload is for.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
/// The label with the name of the application.
pub(crate) const PART_OF: &str = "app.kubernetes.io/part-of";

const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.169.254/32"];

/// Exactly so many policies.
pub(crate) fn policies(dice: &mut Dice, layout: &Layout, calls: &Calls, count: usize) -> Vec<Policy> {
    let mut writer = Writer { layout, calls, dice, policies: Vec::new() };
    writer.namespaces();
    let numbered: Vec<(usize, &Workload)> = layout.workloads.iter().enumerate().collect();
    for (at, workload) in &numbered {
        writer.workload(*at, workload);
    }
    for (_, workload) in &numbered {
        writer.extras(workload);
    }
    let mut round = 1;
    while writer.policies.len() < count && !numbered.is_empty() {
        for (_, workload) in &numbered {
            writer.exception(workload, round);
        }
        round += 1;
    }
    let mut policies = writer.policies;
    // Without any workload there is still a namespace or two to isolate.
    let mut spare = 0;
    while policies.len() < count {
        policies.push(Policy {
            name: format!("default-deny-{spare}"),
            ingress: Some(Vec::new()),
            ..Policy::default()
        });
        spare += 1;
    }
    policies.truncate(count);
    policies
}

struct Writer<'a> {
    layout: &'a Layout,
    calls: &'a Calls,
    dice: &'a mut Dice,
    policies: Vec<Policy>,
}

impl Writer<'_> {
    fn add(&mut self, policy: Policy) {
        self.policies.push(policy);
    }

    /// What each namespace has.
    fn namespaces(&mut self) {
        for (at, namespace) in self.layout.namespaces.iter().enumerate() {
            if namespace.team == "platform" || self.dice.chance(20) {
                continue;
            }
            let egress = self.dice.chance(75);
            self.add(Policy {
                namespace: at,
                name: "default-deny".to_owned(),
                ingress: Some(Vec::new()),
                egress: egress.then(Vec::new),
                ..Policy::default()
            });
            if egress {
                let peer = Peer::Pods {
                    namespace: Some(Selector::label(NAMESPACE_NAME, "kube-system")),
                    pod: Some(Selector::label("k8s-app", "kube-dns")),
                };
                let ports = vec![Port::Number("UDP", 53), Port::Number("TCP", 53)];
                self.add(Policy {
                    namespace: at,
                    name: "allow-dns".to_owned(),
                    egress: Some(vec![Rule { peers: vec![peer], ports }]),
                    ..Policy::default()
                });
            }
            if self.dice.chance(60) {
                let peer = Peer::Pods {
                    namespace: Some(Selector::label(NAMESPACE_NAME, "monitoring")),
                    pod: Some(Selector::label(COMPONENT, Role::Prometheus.as_str())),
                };
                self.add(Policy {
                    namespace: at,
                    name: "allow-monitoring".to_owned(),
                    ingress: Some(vec![Rule {
                        peers: vec![peer],
                        ports: vec![Port::Named("TCP", "metrics")],
                    }]),
                    ..Policy::default()
                });
            }
        }
    }

    /// The callers and callees of a workload.
    fn workload(&mut self, at: usize, workload: &Workload) {
        let base = Policy { namespace: workload.namespace, subject: select(workload), ..Policy::default() };
        let mut ingress: Vec<Rule> = Vec::new();
        if workload.role == Role::Web && self.layout.platform(Role::Ingress).is_some() {
            let peer = Peer::Pods {
                namespace: Some(Selector::label(NAMESPACE_NAME, "ingress-nginx")),
                pod: Some(Selector::label(COMPONENT, Role::Ingress.as_str())),
            };
            ingress.push(Rule { peers: vec![peer], ports: vec![Port::Number("TCP", 8080)] });
        }
        let callers = self.calls.to.get(&at).map_or(&[][..], Vec::as_slice);
        ingress.extend(self.rules(workload, callers, true));
        let clustered = matches!(workload.role, Role::Queue | Role::Search | Role::Database);
        if clustered && workload.replicas > 1 {
            // Replicas talk to each other.
            let own = Peer::Pods { namespace: None, pod: Some(select(workload)) };
            ingress.push(Rule { peers: vec![own], ports: Vec::new() });
        }
        if !ingress.is_empty() {
            self.add(Policy {
                name: format!("{}-ingress", workload.name),
                ingress: Some(ingress),
                ..clone(&base)
            });
        }
        let callees = self.calls.from.get(&at).map_or(&[][..], Vec::as_slice);
        let mut egress = self.rules(workload, callees, false);
        if let Some(outside) = self.calls.outside.get(&at) {
            egress.push(outside_rule(outside));
        }
        if !egress.is_empty() {
            self.add(Policy { name: format!("{}-egress", workload.name), egress: Some(egress), ..base });
        }
    }

    /// One rule per port with everyone on it.
    fn rules(&mut self, own: &Workload, others: &[(usize, &'static str)], own_ports: bool) -> Vec<Rule> {
        let mut by_port: Vec<(Port, Vec<Peer>)> = Vec::new();
        for (other, name) in others {
            let Some(other) = self.layout.workloads.get(*other) else { continue };
            let serving = if own_ports { own } else { other };
            let Some((_, protocol, number)) = serving.role.ports().iter().find(|(known, ..)| known == name)
            else {
                continue;
            };
            let peer = self.peer(own, other);
            let same = |port: &Port| match port {
                Port::Number(_, known) => known == number,
                Port::Named(_, known) => known == name,
                Port::Range(..) => false,
            };
            match by_port.iter_mut().find(|(port, _)| same(port)) {
                Some((_, peers)) => peers.push(peer),
                None => {
                    let named = self.dice.chance(30);
                    let port =
                        if named { Port::Named(protocol, name) } else { Port::Number(protocol, *number) };
                    by_port.push((port, vec![peer]));
                }
            }
        }
        by_port.into_iter().map(|(port, peers)| Rule { peers, ports: vec![port] }).collect()
    }

    /// How a policy of `own` names another workload.
    fn peer(&mut self, own: &Workload, other: &Workload) -> Peer {
        let pod = match self.dice.number(0, 9) {
            // Everything of the application, or by its two other labels.
            0 => Selector::label(PART_OF, &*other.part_of),
            1 => {
                Selector::label(PART_OF, &*other.part_of).and(Selector::label(COMPONENT, other.role.as_str()))
            }
            _ => select(other),
        };
        if own.namespace == other.namespace {
            return Peer::Pods { namespace: None, pod: Some(pod) };
        }
        let namespace = self.layout.namespaces.get(other.namespace);
        let namespace = namespace.map(|namespace| match self.dice.number(0, 9) {
            0 | 1 => Selector::label("team", &*namespace.team),
            2 => Selector::label("team", &*namespace.team)
                .and(Selector::label("environment", namespace.environment)),
            _ => Selector::label(NAMESPACE_NAME, &*namespace.name),
        });
        Peer::Pods { namespace, pod: Some(pod) }
    }

    /// What workloads have beside that.
    fn extras(&mut self, workload: &Workload) {
        let base = Policy { namespace: workload.namespace, subject: select(workload), ..Policy::default() };
        if let Some((metrics, protocol, _)) =
            workload.role.ports().iter().find(|(name, ..)| *name == "metrics")
        {
            let peer = Peer::Pods {
                namespace: Some(Selector::label(NAMESPACE_NAME, "monitoring")),
                pod: Some(Selector::label(COMPONENT, Role::Prometheus.as_str())),
            };
            let rule = Rule { peers: vec![peer], ports: vec![Port::Named(protocol, metrics)] };
            self.add(Policy {
                name: format!("{}-metrics", workload.name),
                ingress: Some(vec![rule]),
                ..clone(&base)
            });
        }
        match workload.role {
            Role::Database => {
                // Operators, from the office network and from toolboxes of production-like namespaces.
                let office =
                    Peer::Block { cidr: "172.30.0.0/16".to_owned(), except: vec!["172.30.128.0/17"] };
                let environments = vec!["production".to_owned(), "staging".to_owned()];
                let toolbox = Peer::Pods {
                    namespace: Some(Selector::expression("environment", "In", environments)),
                    pod: Some(Selector::label(COMPONENT, Role::Toolbox.as_str())),
                };
                let rule = Rule { peers: vec![office, toolbox], ports: vec![Port::Number("TCP", 5432)] };
                self.add(Policy {
                    name: format!("{}-operators", workload.name),
                    ingress: Some(vec![rule]),
                    ..base
                });
            }
            Role::Api => {
                // Debugging from the own namespace, but not by batch work.
                let batch = vec![Role::Report.as_str().to_owned(), Role::Worker.as_str().to_owned()];
                let peer = Peer::Pods {
                    namespace: None,
                    pod: Some(Selector::expression(COMPONENT, "NotIn", batch)),
                };
                let rule = Rule { peers: vec![peer], ports: vec![Port::Range("TCP", 9000, 9010)] };
                self.add(Policy {
                    name: format!("{}-debug", workload.name),
                    ingress: Some(vec![rule]),
                    ..base
                });
            }
            _ => {}
        }
    }

    /// One more exception, of the kind that gathers over the years.
    fn exception(&mut self, workload: &Workload, round: usize) {
        let Some(other) = self.dice.pick(&self.layout.workloads) else { return };
        let peer = self.peer(workload, other);
        let first = u16::try_from(self.dice.number(3000, 9999)).unwrap_or(3000);
        let port = if self.dice.chance(20) {
            Port::Range("TCP", first, first.saturating_add(10))
        } else {
            Port::Number("TCP", first)
        };
        let rule = Rule { peers: vec![peer], ports: vec![port] };
        self.add(Policy {
            namespace: workload.namespace,
            name: format!("{}-exception-{round}", workload.name),
            subject: select(workload),
            ingress: Some(vec![rule]),
            egress: None,
        });
    }
}

fn clone(policy: &Policy) -> Policy {
    Policy { namespace: policy.namespace, subject: policy.subject.clone(), ..Policy::default() }
}

/// The pods of a workload.
pub(crate) fn select(workload: &Workload) -> Selector {
    Selector::label(NAME, &*workload.name)
}

fn outside_rule(outside: &Outside) -> Rule {
    match outside {
        Outside::Provider(networks) => Rule {
            peers: networks
                .iter()
                .map(|cidr| Peer::Block { cidr: cidr.clone(), except: Vec::new() })
                .collect(),
            ports: vec![Port::Number("TCP", 443)],
        },
        Outside::Internet => Rule {
            peers: vec![Peer::Block { cidr: "0.0.0.0/0".to_owned(), except: PRIVATE.to_vec() }],
            ports: vec![Port::Number("TCP", 443), Port::Number("TCP", 80)],
        },
    }
}
