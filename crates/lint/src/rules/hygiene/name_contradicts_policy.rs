//! A policy whose name says something else than its rules.

use ringfence_model::{
    cilium::{CiliumPolicy, CiliumRule},
    network_policy::{NetworkPolicy, PolicyMeta},
    port::{PortMatch, PortSpec},
    tier::{Action, TierPolicy, TierRule},
    verdict::Direction,
};

use crate::{
    allow::{isolates, spec_isolates},
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF806",
    name: "name-contradicts-policy",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "the name of a policy says something that its rules do not do",
    what: "Reports clear cases: a name with `deny` and one of `ingress` and `egress` for a policy that does not isolate its \
           pods in that direction (or, in the tiers, denies nothing in it), a name with `allow` and one of them for a policy \
           that isolates its pods in that direction and has no rule for it, and a name with `allow` and `dns` for a policy with rules of which none is about a port of \
           DNS (53, 853, 5353, a name with `dns`, or every port). A policy that allows everything under the name of a denial is \
           `allows-everything`.",
    why: "People read the names of policies, not their rules, and believe that something is closed, or that names get resolved.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
",
    ),
    check,
};

/// What a policy does, as far as names speak of it.
struct Does {
    ingress: bool,
    egress: bool,
    /// Whether it has rules that allow.
    allows_ingress: bool,
    allows_egress: bool,
    /// Whether it has rules, and whether one of them may be about DNS.
    rules: bool,
    dns: bool,
}

impl Does {
    fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

fn check(context: &Context<'_>, findings: &mut Findings) {
    for policy in &context.cluster.network_policies {
        look(&policy.meta, &network(policy), findings);
    }
    for policy in &context.cluster.cilium_policies {
        look(&policy.meta, &cilium(policy), findings);
    }
    for policy in &context.cluster.tier_policies {
        look(&policy.meta, &tier(policy), findings);
    }
}

fn look(meta: &PolicyMeta, does: &Does, findings: &mut Findings) {
    let name = meta.name.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let has = |word: &str| words.contains(&word);
    let directions = [Direction::Ingress, Direction::Egress];
    let named: Vec<Direction> = directions.into_iter().filter(|direction| has(direction.as_str())).collect();
    if let [direction] = named.as_slice()
        && has("deny")
        && !has("allow")
        && !does.isolates(*direction)
    {
        let field = match direction {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        };
        let finding = findings
            .report(meta.origin, format!("`{}` does not deny any {}", meta.full_name(), direction.as_str()));
        finding.label(format!("the policy does not isolate its pods for {}", direction.as_str()));
        finding.help(format!("add `{field}` to `policyTypes`, or name the policy after what it does"));
    }
    let opens = |direction| match direction {
        Direction::Ingress => does.allows_ingress,
        Direction::Egress => does.allows_egress,
    };
    if let [direction] = named.as_slice()
        && has("allow")
        && !has("deny")
        && does.isolates(*direction)
        && !opens(*direction)
    {
        let word = direction.as_str();
        findings
            .report(meta.origin, format!("`{}` does not allow any {word}", meta.full_name()))
            .label(format!("the policy isolates its pods for {word}, and has no rule for it"))
            .help(format!("an empty list of rules allows nothing; `{word}: [{{}}]` allows everything"));
    }
    if has("allow") && has("dns") && !has("external") && does.rules && !does.dns {
        findings
            .report(meta.origin, format!("`{}` does not allow DNS", meta.full_name()))
            .label("no rule of the policy is about a port of DNS")
            .help("resolvers answer on port 53 of UDP and TCP (the pods' own port counts)");
    }
}

/// Whether ports can be those of a resolver.
fn is_dns(ports: &[PortMatch]) -> bool {
    ports.is_empty()
        || ports.iter().any(|entry| match &entry.ports {
            PortSpec::All => true,
            PortSpec::Range(first, last) => [53, 853, 5353].iter().any(|port| (first..=last).contains(&port)),
            PortSpec::Named(name) => name.contains("dns"),
        })
}

fn network(policy: &NetworkPolicy) -> Does {
    let all = || policy.ingress.iter().chain(&policy.egress);
    Does {
        ingress: isolates(policy, Direction::Ingress),
        egress: isolates(policy, Direction::Egress),
        allows_ingress: !policy.ingress.is_empty(),
        allows_egress: !policy.egress.is_empty(),
        rules: all().next().is_some(),
        dns: all().any(|rule| is_dns(&rule.ports)),
    }
}

fn tier(policy: &TierPolicy) -> Does {
    let denies = |rules: &[TierRule]| rules.iter().any(|rule| rule.action == Action::Deny);
    let accepts = |rule: &&TierRule| rule.action == Action::Accept;
    let all = || policy.ingress.iter().chain(&policy.egress).filter(accepts);
    Does {
        ingress: denies(&policy.ingress),
        egress: denies(&policy.egress),
        allows_ingress: policy.ingress.iter().any(|rule| accepts(&rule)),
        allows_egress: policy.egress.iter().any(|rule| accepts(&rule)),
        rules: all().next().is_some(),
        dns: all().any(|rule| is_dns(&rule.ports)),
    }
}

fn cilium(policy: &CiliumPolicy) -> Does {
    let isolates = |direction| {
        let denies = |spec: &ringfence_model::cilium::CiliumSpec| match direction {
            Direction::Ingress => !spec.ingress_deny.is_empty(),
            Direction::Egress => !spec.egress_deny.is_empty(),
        };
        policy.specs.iter().any(|spec| spec_isolates(spec, direction) || denies(spec))
    };
    let all = || policy.specs.iter().flat_map(|spec| spec.ingress.iter().chain(&spec.egress));
    let dns =
        |rule: &CiliumRule| rule.ports.is_empty() || rule.ports.iter().any(|entry| is_dns(&entry.ports));
    Does {
        ingress: isolates(Direction::Ingress),
        egress: isolates(Direction::Egress),
        allows_ingress: policy.specs.iter().any(|spec| !spec.ingress.is_empty()),
        allows_egress: policy.specs.iter().any(|spec| !spec.egress.is_empty()),
        rules: all().next().is_some(),
        dns: all().any(dns),
    }
}
