//! An `except` whose addresses are let through all the same.

use std::collections::BTreeMap;

use ringfence_model::{
    IpNet,
    address::{Family, IpSet},
    flow::{Endpoint, Flow},
    port::{PortSet, PortSpec, Protocol},
    tier::Action,
    verdict::{Direction, Reason, RuleRef},
    workload::PodId,
};
use ringfence_policy::{Judge, compiled::CellId, permit::Permit};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Block, representatives, workload_names},
};

pub(super) static RULE: Rule = Rule {
    code: "RF204",
    name: "except-excludes-nothing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the addresses of an `except` are let through by another peer, rule or policy",
    what: "Reports an `except` all of whose addresses the engine lets through all the same, on every port of the rule, for \
           all pods of the policy or for some; as an info, if rules of the same policy do so. Exceptions for pods that \
           selectors let through are not reported, nor are those of rules with named ports or of policies without a pod \
           in the input. An `except` outside of its `cidr` is refused by the API server anyway.",
    why: "An `except` is no denial: it only takes addresses out of one block. Where another rule allows them, even one \
          of another policy, they pass.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all-but-metadata, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except:
              - 169.254.169.254/32
      ports:
        - port: 80
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: http-anywhere, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - ports:
        - port: 80
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all-but-metadata, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except:
              - 169.254.169.254/32
      ports:
        - port: 80
",
    ),
    check,
};

/// What cells may open to addresses, each asked for once.
type Permits = BTreeMap<(CellId, Direction), Vec<(IpSet, Permit)>>;

fn check(context: &Context<'_>, findings: &mut Findings) {
    if !context.cluster.profile.enforces {
        return;
    }
    let mut permits = Permits::new();
    let accepting =
        walk::rules(context.cluster).filter(|rule| rule.action == Action::Accept && !rule.meta.audit);
    for rule in accepting {
        let blocks = rule.blocks();
        if blocks.iter().all(|block| block.except.is_empty()) {
            continue;
        }
        let Some(wanted) = wanted(&rule) else { continue };
        let pods = representatives(context, &rule.subject(context));
        for block in blocks {
            // The exceptions that are open for the same pods are one finding.
            let mut open: Vec<(Vec<PodId>, Vec<&IpNet>)> = Vec::new();
            for except in block.except {
                let passes = |pod: &PodId| passes(context, &mut permits, *pod, &rule, except, &wanted);
                let through: Vec<PodId> = pods.iter().copied().filter(passes).collect();
                match open.iter_mut().find(|(known, _)| *known == through) {
                    Some((_, nets)) => nets.push(except),
                    None => open.push((through, vec![except])),
                }
            }
            for (through, nets) in open {
                let all = through.len() == pods.len();
                report(context, &rule, &block, (&through, all), &nets, &wanted, findings);
            }
        }
    }
}

fn report(
    context: &Context<'_>,
    rule: &AnyRule<'_>,
    block: &Block<'_>,
    (pods, all): (&[PodId], bool),
    nets: &[&IpNet],
    wanted: &[(Protocol, PortSet)],
    findings: &mut Findings,
) {
    let (Some(pod), Some(first)) = (pods.first(), nets.first()) else { return };
    let by = by(context, *pod, rule, first, wanted);
    let list: Vec<String> = nets.iter().map(|net| format!("`{net}`")).collect();
    let (list, name) = (walk::listed(&list), rule.meta.full_name());
    let them = if nets.len() == 1 { "it" } else { "them" };
    let whom = if all {
        them.to_owned()
    } else {
        format!("{them} for {}", workload_names(context.cluster, &pods.iter().copied().collect()))
    };
    let others: Vec<&RuleRef> = by.iter().filter(|by| by.policy != *rule.meta).collect();
    let message = match others.first() {
        Some(other) => {
            format!("`{name}` does not shut out {list}: `{}` opens {whom}", other.policy.full_name())
        }
        None => format!("`{name}` does not shut out {list}: other rules of it open {whom}"),
    };
    let finding = findings.report(block.except_place(&context.places, first), message);
    finding.label("an exception takes addresses out of this block only; it denies nothing").help(
        "leave them out of the other rule too, or deny them in a ClusterNetworkPolicy of the Admin tier",
    );
    for by in &by {
        let at = if by.peer.is_some() { by.peer } else { by.origin };
        finding.related(at, "this lets the packets through");
    }
    if others.is_empty() && !by.is_empty() {
        // Both stand in one file: it may well be meant so.
        finding.severity(Severity::Info);
    }
}

/// The ports of a rule; nothing if it has names of ports.
fn wanted(rule: &AnyRule<'_>) -> Option<Vec<(Protocol, PortSet)>> {
    let ports = rule.ports();
    let of = |protocol: Protocol| {
        if ports.is_empty() {
            return Some(PortSet::all());
        }
        let mut ranges = Vec::new();
        for entry in ports.iter().filter(|entry| entry.protocol.is_none_or(|own| own == protocol)) {
            match entry.ports {
                PortSpec::All => ranges.push((1, u16::MAX)),
                PortSpec::Range(first, last) => ranges.push((first, last)),
                PortSpec::Named(_) => return None,
            }
        }
        Some(PortSet::from_ranges(ranges))
    };
    let wanted: Option<Vec<_>> =
        Protocol::WITH_PORTS.into_iter().map(|protocol| Some((protocol, of(protocol)?))).collect();
    let wanted: Vec<_> = wanted?.into_iter().filter(|(_, set)| !set.is_empty()).collect();
    (!wanted.is_empty()).then_some(wanted)
}

/// Whether the engine lets all of a network through to, or from, a pod, on all of these ports.
fn passes(
    context: &Context<'_>,
    permits: &mut Permits,
    pod: PodId,
    rule: &AnyRule<'_>,
    net: &IpNet,
    wanted: &[(Protocol, PortSet)],
) -> bool {
    let reach = context.reach();
    let Some(cell) = reach.cell_of(pod) else { return false };
    let known =
        (permits.entry((cell, rule.direction))).or_insert_with(|| reach.external(cell, rule.direction));
    let covers = |permit: &Permit| {
        wanted.iter().all(|(protocol, ports)| {
            permit.allowed.iter().any(|(own, set)| own == protocol && ports.difference(set).is_empty())
        })
    };
    let open = known.iter().filter(|(_, permit)| covers(permit));
    let open = open.fold(IpSet::empty(), |all, (set, _)| all.union(set));
    open.contains_set(&IpSet::from_nets([net]))
}

/// The rules that let the first address of a network through.
fn by(
    context: &Context<'_>,
    pod: PodId,
    rule: &AnyRule<'_>,
    net: &IpNet,
    wanted: &[(Protocol, PortSet)],
) -> Vec<RuleRef> {
    let Some((protocol, port)) =
        wanted.iter().find_map(|(protocol, set)| Some((*protocol, set.ranges().first()?.0)))
    else {
        return Vec::new();
    };
    let (pod, address) = (Endpoint::Pod(pod), Endpoint::Address(net.network()));
    let (from, to) = match rule.direction {
        Direction::Egress => (pod, address),
        Direction::Ingress => (address, pod),
    };
    let flow = Flow { from, to, family: Family::of_net(net), protocol, port, request: None };
    let verdict = context.compiled.verdict(&flow);
    let side = match rule.direction {
        Direction::Egress => verdict.egress,
        Direction::Ingress => verdict.ingress,
    };
    let rules = side.reasons.into_iter().filter_map(|reason| match reason {
        Reason::Rule(by) => Some(by),
        _ => None,
    });
    rules.collect()
}
