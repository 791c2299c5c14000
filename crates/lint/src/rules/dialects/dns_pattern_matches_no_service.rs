//! DNS patterns that look like every Service and are none.

use ringfence_model::{
    cilium::{CiliumPortRule, FqdnMatch, L7Match},
    origin::Origin,
    verdict::Direction,
};

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF717",
    name: "dns-pattern-matches-no-service",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "a DNS pattern such as `*.svc.cluster.local` matches the name of no Service",
    what: "Reports entries of `rules.dns` in Cilium policies whose `matchPattern` is one label with a star before \
           `svc.cluster.local`. Silent if another entry of the same list lets Services' names through (`*`, \
           `*.*.svc.cluster.local`, `**.svc.cluster.local`).",
    why: "A star does not cross a dot, and a Service's name has two labels before `svc`: its own and its namespace's. The \
          questions for Services are refused, so the pods resolve names outside and none inside.",
    bad: Example::new(
        "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: worker}}
  egress:
    - toEndpoints:
        - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
      toPorts:
        - ports: [{port: \"53\", protocol: ANY}]
          rules:
            dns:
              - matchPattern: \"*.svc.cluster.local\"
",
    ),
    good: Example::new(
        "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: worker}}
  egress:
    - toEndpoints:
        - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
      toPorts:
        - ports: [{port: \"53\", protocol: ANY}]
          rules:
            dns:
              - matchPattern: \"*.*.svc.cluster.local\"
",
    ),
    check,
};

/// What Services' names end in, unless the cluster has a domain of its own.
const SERVICES: &str = ".svc.cluster.local";

fn check(context: &Context<'_>, findings: &mut Findings) {
    for rule in walk::rules(context.cluster).filter(|rule| rule.direction == Direction::Egress) {
        let Body::Cilium(_, _, cilium) = rule.body else { continue };
        for entry in &cilium.ports {
            let patterns = || {
                entry.l7.iter().filter_map(|l7| match l7 {
                    L7Match::Dns(FqdnMatch::Pattern(pattern)) => Some(&**pattern),
                    _ => None,
                })
            };
            if patterns().any(lets_services_through) {
                continue;
            }
            for pattern in patterns().filter(|pattern| is_one_label_short(pattern)) {
                let message =
                    format!("`{pattern}` in `{}` matches the name of no Service", rule.meta.full_name());
                let finding = findings.report(place(context, entry, pattern), message);
                finding.label(
                    "a star does not cross a dot; Services are called `name.namespace.svc.cluster.local`",
                );
                finding.help(format!("write `*.{pattern}`"));
            }
        }
    }
}

/// Whether a pattern is a single label with a star before what Services' names end in.
fn is_one_label_short(pattern: &str) -> bool {
    let first = pattern.trim_end_matches('.').strip_suffix(SERVICES);
    first.is_some_and(|label| label.contains('*') && !label.contains('.') && label != "**")
}

/// Whether a pattern matches the names of Services, whatever they are called.
fn lets_services_through(pattern: &str) -> bool {
    let pattern = pattern.trim_end_matches('.');
    pattern == "*"
        || pattern.strip_prefix("**.").is_some_and(|rest| SERVICES.ends_with(&format!(".{rest}")))
        || pattern.strip_suffix(SERVICES) == Some("*.*")
}

/// Where a pattern is written.
fn place(context: &Context<'_>, entry: &CiliumPortRule, pattern: &str) -> Origin {
    let value = |at: usize| {
        let path = ["rules".into(), "dns".into(), at.into(), "matchPattern".into()];
        context.places.value(entry.origin, &path)
    };
    let is_it = |at: &Origin| context.places.text(*at).is_some_and(|text| text.contains(pattern));
    (0..entry.l7.len()).filter_map(value).find(is_it).unwrap_or(entry.origin)
}
