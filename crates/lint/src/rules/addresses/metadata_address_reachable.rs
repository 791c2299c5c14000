//! A wide block that holds the address of the instance metadata service.

use std::net::IpAddr;

use ringfence_model::{
    IpNet,
    address::Family,
    cilium::{CiliumPeer, Entity},
    flow::{Endpoint, Flow},
    origin::Origin,
    port::Protocol,
    tier::Action,
    verdict::{Direction, Outcome},
    workload::PodId,
};
use ringfence_policy::compiled::Choice;

use super::known::only_address;
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Block, representatives},
};

pub(super) static RULE: Rule = Rule {
    code: "RF206",
    name: "metadata-address-reachable",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a block for the internet lets pods ask the machine's metadata service for credentials",
    what: "Reports egress rules to wide blocks (or Cilium's `world` and `all`) that hold the address of an instance \
           metadata service and its port 80, where the engine lets a pod of the policy reach it. The addresses are 169.254.169.254, in a \
           cluster with IPv6 fd00:ec2::254, with an Azure profile 168.63.129.16, or those stated \
           (`metadata-addresses`). A rule to that address alone is deliberate and not reported; nor are rules for \
           everyone, without peers.",
    why: "Whoever takes over a pod asks the metadata service for the credentials of the machine, and has the rights of \
          the node. `except` with the private networks (RFC 1918) does not hold it: it is a link-local address.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop}
spec: {containers: [{name: worker, image: worker}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: external-apis, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
",
    ),
    check,
};

/// The port of metadata services.
const PORT: u16 = 80;

fn check(context: &Context<'_>, findings: &mut Findings) {
    let addresses = addresses(context);
    let accepting = walk::rules(context.cluster)
        .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Accept);
    for rule in accepting.filter(|rule| rule.has_port(Protocol::Tcp, PORT)) {
        for (at, held, block) in holding(context, &rule, &addresses) {
            let reached: Vec<IpAddr> =
                held.into_iter().filter(|address| reachable(context, &rule, *address)).collect();
            let Some(first) = reached.first() else { continue };
            let list: Vec<String> = reached.iter().map(|address| format!("`{address}`")).collect();
            let net = IpNet::from(*first);
            let message = format!(
                "`{}` lets pods reach the metadata service at {}",
                rule.meta.full_name(),
                walk::listed(&list)
            );
            let finding = findings.report(at, message);
            finding.label("this holds the address of the machine's metadata service").help(format!(
                "add `{net}` to `except`, or `169.254.0.0/16` for all link-local addresses; what must have credentials \
                 gets a rule of its own"
            ));
            let pods = representatives(context, &rule.subject(context));
            let cut: Vec<Flow> = pods.into_iter().map(|pod| question(pod, *first)).collect();
            let cut: Vec<Flow> =
                (cut.into_iter()).filter(|flow| context.compiled.outcome(flow) == Outcome::Allow).collect();
            if let Some(block) = block
                && !cut.is_empty()
            {
                let edits = block.add_except(&context.places, &net);
                finding.fix(format!("leave `{net}` out"), edits, Claim::Cuts(cut));
            }
        }
    }
}

fn addresses(context: &Context<'_>) -> Vec<IpAddr> {
    let stated = &context.settings.cluster.metadata_addresses;
    if !stated.is_empty() {
        return stated.clone();
    }
    let azure = context.facts().cni.as_ref().is_some_and(|cni| cni.profile.name.starts_with("azure"));
    let v6 = context.families().contains(&Family::V6);
    let known = [("169.254.169.254", true), ("fd00:ec2::254", v6), ("168.63.129.16", azure)];
    known.iter().filter(|(_, counts)| *counts).filter_map(|(text, _)| text.parse().ok()).collect()
}

/// A wide peer: where it is written, which of the addresses it holds, and the block if it is one.
type Holding<'a> = (Origin, Vec<IpAddr>, Option<Block<'a>>);

/// The wide peers of a rule that hold some of the addresses.
fn holding<'a>(context: &Context<'_>, rule: &AnyRule<'a>, addresses: &[IpAddr]) -> Vec<Holding<'a>> {
    let mut found = Vec::new();
    for block in rule.blocks().into_iter().filter(|block| only_address(&block.cidr).is_none()) {
        let set = block.addresses();
        let held: Vec<IpAddr> = addresses.iter().copied().filter(|address| set.contains(*address)).collect();
        if !held.is_empty() {
            found.push((block.place(&context.places), held, Some(block)));
        }
    }
    for (peer, at) in rule.peers() {
        if let Choice::CiliumPeer(_, CiliumPeer::Entity(Entity::World | Entity::All, _)) = peer {
            found.push((at, addresses.to_vec(), None));
        }
    }
    found
}

/// Whether a pod of the policy reaches the address. Without pods it is as the rule says, unless denials may say otherwise.
fn reachable(context: &Context<'_>, rule: &AnyRule<'_>, address: IpAddr) -> bool {
    let pods = representatives(context, &rule.subject(context));
    if pods.is_empty() {
        let hosts = context.scope.host_network_pods(rule.subject_choice());
        return hosts.is_empty()
            && context.cluster.tier_policies.is_empty()
            && context.cluster.cilium_policies.is_empty();
    }
    pods.into_iter().any(|pod| context.compiled.outcome(&question(pod, address)) == Outcome::Allow)
}

/// A pod asking the metadata service.
fn question(pod: PodId, address: IpAddr) -> Flow {
    Flow {
        from: Endpoint::Pod(pod),
        to: Endpoint::Address(address),
        family: Family::of(address),
        protocol: Protocol::Tcp,
        port: PORT,
        request: None,
    }
}
