//! Peers and ports that were meant to be one rule and are two.

use ringfence_model::{
    cluster::Cluster,
    network_policy::{NetworkPolicy, NetworkRule},
    origin::Origin,
    verdict::Direction,
};

use crate::{
    allow::{isolates, rules},
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF408",
    name: "peers-and-ports-apart",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "one rule has only peers, the next only ports: a hyphen too many",
    what: "Reports a NetworkPolicy whose only two rules of a direction are one with peers and without ports, and one with ports \
           and without peers.",
    why: "The two are alternatives: the peers may use every port, and everybody may use the ports. What was meant as one \
          condition and the other has become one or the other.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
    - ports:
        - port: 8080
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  ingress:
    - from:
        - podSelector:
            matchLabels: {app: web}
      ports:
        - port: 8080
",
    ),
    check,
};

/// Two rules that were meant to be one.
pub(super) struct Slip<'a> {
    policy: &'a NetworkPolicy,
    direction: Direction,
    peers: Origin,
    /// The rule that has only ports.
    pub(super) ports: Origin,
}

/// Every such pair.
pub(super) fn slips(cluster: &Cluster) -> Vec<Slip<'_>> {
    let mut found = Vec::new();
    for policy in &cluster.network_policies {
        for direction in [Direction::Ingress, Direction::Egress] {
            let [first, second] = rules(policy, direction) else { continue };
            let only_peers = |rule: &NetworkRule| !rule.peers.is_empty() && rule.ports.is_empty();
            let only_ports = |rule: &NetworkRule| rule.peers.is_empty() && !rule.ports.is_empty();
            let pair = match (first, second) {
                (peers, ports) if only_peers(peers) && only_ports(ports) => Some((peers, ports)),
                (ports, peers) if only_peers(peers) && only_ports(ports) => Some((peers, ports)),
                _ => None,
            };
            if let Some((peers, ports)) = pair.filter(|_| isolates(policy, direction)) {
                found.push(Slip { policy, direction, peers: peers.origin, ports: ports.origin });
            }
        }
    }
    found
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    for slip in slips(context.cluster) {
        let (word, verb) = match slip.direction {
            Direction::Ingress => ("from", "may connect"),
            Direction::Egress => ("to", "may be reached"),
        };
        let name = slip.policy.meta.full_name();
        findings
            .report(
                slip.ports,
                format!("everybody {verb} on these ports: the peers of `{name}` are in another rule"),
            )
            .label(format!("a rule of its own, without `{word}`"))
            .help(format!("if the ports are those of the peers, put `{word}` and `ports` into one rule"))
            .related(slip.peers, "these peers may use every port");
    }
}
