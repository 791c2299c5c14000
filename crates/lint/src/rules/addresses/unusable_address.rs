//! A block of addresses that no packet between machines has.

use ringfence_model::{IpNet, address::IpSet};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk,
};

pub(super) static RULE: Rule = Rule {
    code: "RF212",
    name: "unusable-address",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a block of addresses that no packet has matches nothing",
    what: "Reports blocks within `0.0.0.0/8` other than `0.0.0.0/0`, `::/128`, and loopback addresses.",
    why: "`0.0.0.0/32` is mostly a slip for `0.0.0.0/0`: it is one address, which no packet comes from or goes to. What \
          a pod sends to its own loopback address never leaves it, and no policy sees it.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - ipBlock:
            cidr: 0.0.0.0/32
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - ipBlock:
            cidr: 198.51.100.0/24
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let set = |nets: &[&str]| {
        let nets: Vec<IpNet> = nets.iter().filter_map(|net| net.parse().ok()).collect();
        IpSet::from_nets(&nets)
    };
    let (nowhere, loopback) = (set(&["0.0.0.0/8", "::/128"]), set(&["127.0.0.0/8", "::1/128"]));
    for rule in walk::rules(context.cluster) {
        for block in rule.blocks() {
            let net = block.cidr;
            let addresses = IpSet::from_nets([&net]);
            let all = if net.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            let (label, help) = if nowhere.contains_set(&addresses) {
                ("no packet has such an address", format!("write `{all}` for every address"))
            } else if loopback.contains_set(&addresses) {
                let help = "remove it: what a pod sends to itself always passes";
                ("what a pod sends there never leaves it", help.to_owned())
            } else {
                continue;
            };
            let message = format!("`{}` names `{net}`, which matches nothing", rule.meta.full_name());
            findings.report(block.place(&context.places), message).label(label).help(help);
        }
    }
}
