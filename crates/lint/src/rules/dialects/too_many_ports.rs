//! More ports in a rule than the CNI takes.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    Text,
    label::Selector,
    network_policy::{NetworkPeer, NetworkPolicy},
    port::{PortSpec, Protocol},
    profile::Profile,
    verdict::Direction,
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Body},
};

/// How many of the other rules are pointed at.
const POINTED: usize = 3;

pub(super) static RULE: Rule = Rule {
    code: "RF712",
    name: "too-many-ports",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a rule has more ports than the cluster's CNI takes for one peer",
    what: "Reports rules of NetworkPolicies with more distinct ports (a range counts as one) than the CNI takes: 24 with the \
           Amazon VPC CNI, 40 with Cilium. The limit of the Amazon VPC CNI is for one address over all policies of a pod: rules \
           with the same selectors of pods and peers are added up, others are not. It keeps silent if the CNI is not known.",
    why: "The Amazon agent drops the ports beyond the limit, Cilium refuses the rule.",
    bad: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: voice, namespace: shop}
spec:
  podSelector: {matchLabels: {app: voice}}
  ingress:
    - ports: [{port: 1}, {port: 3}, {port: 5}, {port: 7}, {port: 9}, {port: 11}, {port: 13}, {port: 15}, {port: 17},
        {port: 19}, {port: 21}, {port: 23}, {port: 25}, {port: 27}, {port: 29}, {port: 31}, {port: 33}, {port: 35},
        {port: 37}, {port: 39}, {port: 41}, {port: 43}, {port: 45}, {port: 47}, {port: 49}]
",
    },
    good: Example {
        settings: "cluster.profile = \"aws\"",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: voice, namespace: shop}
spec:
  podSelector: {matchLabels: {app: voice}}
  ingress:
    - ports: [{port: 1, endPort: 49}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(cni) = context.facts().cni.as_ref().filter(|cni| cni.profile.enforces) else { return };
    let Some(most) = cni.dialect.most_ports else { return };
    let help = format!("join neighbouring ports with `endPort`; see {}", most.source);
    let mut by_peer: BTreeMap<Pair, Vec<(AnyRule<'_>, Entries<'_>)>> = BTreeMap::new();
    for rule in walk::rules(context.cluster) {
        let Body::Network(policy, network) = rule.body else { continue };
        let ports = rule.ports();
        let distinct: Entries<'_> = ports.iter().map(|entry| (entry.protocol, &entry.ports)).collect();
        if distinct.len() <= most.value {
            // Only the agent of the Amazon VPC CNI adds up what policies say of one peer.
            if cni.profile.name == Profile::AWS.name && !distinct.is_empty() {
                for peer in &network.peers {
                    let pair = Pair::of(policy, rule.direction, peer);
                    by_peer.entry(pair).or_default().push((rule, distinct.clone()));
                }
            }
            continue;
        }
        let Some(beyond) = ports.get(most.value) else { continue };
        let message = format!(
            "`{}` has {} ports in one rule: {} takes {}",
            rule.meta.full_name(),
            distinct.len(),
            cni.dialect.title,
            most.value
        );
        findings
            .report(beyond.origin, message)
            .label(cni.known_by())
            .help(&help)
            .related(cni.evidence.origin, "this shows the CNI");
    }
    let mut reported = BTreeSet::new();
    for rules in by_peer.into_values() {
        let all: Entries<'_> = rules.iter().flat_map(|(_, ports)| ports.iter().copied()).collect();
        let Some(((last, _), others)) = rules.split_last() else { continue };
        if all.len() <= most.value || !reported.insert(last.origin) {
            continue;
        }
        let message = format!(
            "`{}` and other rules for the same pods and peer have {} ports: {} takes {}",
            last.meta.full_name(),
            all.len(),
            cni.dialect.title,
            most.value
        );
        let finding = findings.report(last.origin, message);
        finding.label(cni.known_by()).help(&help).related(cni.evidence.origin, "this shows the CNI");
        for (other, ports) in others.iter().take(POINTED) {
            finding.related(other.origin, format!("has {} of the ports", ports.len()));
        }
    }
}

/// The ports of a rule.
type Entries<'a> = BTreeSet<(Option<Protocol>, &'a PortSpec)>;

/// Pods and a peer of theirs, as they are written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    namespace: Option<Text>,
    subject: String,
    ingress: bool,
    peer: String,
}

impl Pair {
    fn of(policy: &NetworkPolicy, direction: Direction, peer: &NetworkPeer) -> Self {
        let written = |selector: &Selector| {
            let parts = selector.requirements.iter();
            let parts: BTreeSet<String> =
                parts.map(|one| format!("{:?} {:?} {:?}", one.key, one.operator, one.values)).collect();
            format!("{parts:?}")
        };
        let peer = match peer {
            NetworkPeer::Pods { namespace, pod, .. } => {
                format!("{:?} {:?}", namespace.as_ref().map(written), pod.as_ref().map(written))
            }
            NetworkPeer::IpBlock { cidr, except, .. } => format!("{cidr} {except:?}"),
        };
        Self {
            namespace: policy.meta.namespace.clone(),
            subject: written(&policy.subject),
            ingress: direction == Direction::Ingress,
            peer,
        }
    }
}
