//! The ruleset to compare with, shaped as kube-router writes it for nftables. In: the plan. Out: text for `nft -f`.
//!
//! Two rules a pod in the forward chain (from it, to it), in order; a chain a pod that accepts what is established, runs
//! through a chain for each policy that selects the pod, then logs and rejects what no policy marked; a rule a port in the
//! policy's chain, with one set for the policy's pods and one for the rule's peers; a mark to accept by at the end.

use std::fmt::Write as _;

use ringfence_model::port::Protocol;

use super::plan::{Peer, Plan, Pod, Policy, Rule};

/// Bytes of text that `nft` surely gets into one message, in a user namespace too.
const PART: usize = 15_000;

/// The whole ruleset, IPv4, in parts to be loaded one after the other.
pub(crate) fn ruleset(plan: &Plan) -> Vec<String> {
    let mut sets = String::new();
    let mut chains =
        "chain common {\nct state invalid counter drop\nct state established,related counter accept\n\
        icmp type { echo-request, destination-unreachable, time-exceeded } counter accept\n}\n"
            .to_owned();
    for (number, policy) in plan.policies.iter().enumerate() {
        write_policy(&mut sets, &mut chains, plan, policy, number);
    }
    let mut jumps = Vec::new();
    for (number, pod) in plan.on_node().enumerate() {
        write_pod(&mut chains, plan, pod, number);
        let address = pod.address;
        jumps.push(format!("ip daddr {address} counter jump pod-fw-{number}"));
        jumps.push(format!("ip saddr {address} counter jump pod-fw-{number}"));
    }
    jumps.push("meta mark & 0x20000 == 0x20000 counter accept".to_owned());
    for hook in ["input", "forward", "output"] {
        let _ = writeln!(
            chains,
            "chain router-{hook} {{\ntype filter hook {hook} priority filter; policy accept;\n}}"
        );
        // More of a chain is appended to it.
        for some in jumps.chunks(50) {
            let _ = writeln!(chains, "chain router-{hook} {{\n{}\n}}", some.join("\n"));
        }
    }
    // A set is a line, a chain ends with a line of its own.
    let mut parts = vec![String::new()];
    for block in sets.split_inclusive('\n').chain(chains.split_inclusive("\n}\n")) {
        if parts.last().is_some_and(|part| part.len() + block.len() > PART) {
            parts.push(String::new());
        }
        parts.last_mut().expect("there is one").push_str(block);
    }
    parts.into_iter().map(|part| format!("table ip kube-router-filter {{\n{part}}}\n")).collect()
}

fn write_pod(text: &mut String, plan: &Plan, pod: &Pod, number: usize) {
    let _ = writeln!(text, "chain pod-fw-{number} {{\ncounter jump common");
    let _ = writeln!(text, "fib saddr type local ip daddr {} counter accept", pod.address);
    for (number, policy) in plan.policies.iter().enumerate() {
        if policy.namespace == pod.namespace && policy.app.is_none_or(|app| app == pod.app) {
            let _ = writeln!(text, "counter jump policy-{number}");
        }
    }
    text.push_str(
        "meta mark & 0x10000 != 0x10000 limit rate 10/minute burst 10 packets log group 100\n\
         meta mark & 0x10000 != 0x10000 counter reject\n\
         meta mark set meta mark & 0xfffeffff\n\
         meta mark set meta mark | 0x20000\n}\n",
    );
}

fn write_policy(sets: &mut String, chains: &mut String, plan: &Plan, policy: &Policy, number: usize) {
    let subjects: Vec<&Pod> = plan.subjects(policy);
    let own = format!("pods-{number}");
    write_set(sets, &own, "", subjects.iter().map(|pod| pod.address.to_string()));
    let _ = writeln!(chains, "chain policy-{number} {{");
    for (inward, rules) in [(true, &policy.ingress), (false, &policy.egress)] {
        for (at, rule) in rules.iter().flatten().enumerate() {
            let name = format!("{}-{number}-{at}", if inward { "src" } else { "dst" });
            write_rule(sets, chains, plan, rule, inward, &own, &name);
        }
    }
    chains.push_str("}\n");
}

fn write_rule(
    sets: &mut String,
    chains: &mut String,
    plan: &Plan,
    rule: &Rule,
    inward: bool,
    own: &str,
    name: &str,
) {
    let (peer, subject) = if inward { ("saddr", "daddr") } else { ("daddr", "saddr") };
    let mut allow = |set: &str| {
        for (protocol, port) in &rule.ports {
            let protocol = if *protocol == Protocol::Udp { "udp" } else { "tcp" };
            let _ = writeln!(
                chains,
                "ip {peer} @{set} ip {subject} @{own} {protocol} dport {port} counter meta mark set meta mark | 0x10000 return"
            );
        }
    };
    let pods: Vec<String> =
        rule.peers.iter().flat_map(|peer| plan.members(peer)).map(|pod| pod.address.to_string()).collect();
    if !pods.is_empty() {
        write_set(sets, name, "", pods.into_iter());
        allow(name);
    }
    for block in &rule.peers {
        let Peer::Block(cidr, except) = block else { continue };
        let (block, excepted) = (format!("{name}-block"), format!("{name}-except"));
        write_set(sets, &block, "flags interval;", std::iter::once((*cidr).to_owned()));
        write_set(sets, &excepted, "flags interval;", except.iter().map(ToString::to_string));
        let _ = writeln!(chains, "ip {peer} @{excepted} counter return");
        for (protocol, port) in &rule.ports {
            let protocol = if *protocol == Protocol::Udp { "udp" } else { "tcp" };
            let _ = writeln!(
                chains,
                "ip {peer} @{block} ip {subject} @{own} {protocol} dport {port} counter meta mark set meta mark | 0x10000 return"
            );
        }
    }
}

fn write_set(text: &mut String, name: &str, flags: &str, elements: impl Iterator<Item = String>) {
    let elements: Vec<String> = elements.collect();
    let _ =
        writeln!(text, "set {name} {{ type ipv4_addr; {flags} elements = {{ {} }}; }}", elements.join(", "));
}
