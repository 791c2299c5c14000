//! Rules about HTTP or DNS names where nothing can look at them.

use ringfence_model::{
    cilium::CiliumPeer,
    dialect::{Fact, Support},
    origin::Origin,
    tier::TierPeer,
};
use ringfence_policy::compiled::Choice;

use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
    walk::{self, AnyRule, Body},
};

pub(super) static RULE: Rule = Rule {
    code: "RF704",
    name: "l7-without-proxy",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "rules about requests or DNS names need a proxy that the cluster may not have",
    what: "Reports Cilium rules with `rules` or `toFQDNs`, once a policy, where the proxy that they need is known to be off \
           (`enable-l7-proxy: \"false\"` in the ConfigMap `cilium-config` of the input: an error), or to be an extra \
           (the profile `azure-cilium`).",
    why: "Cilium refuses such a policy, or blocks the connections that it is about.",
    bad: Example {
        settings: "cluster.profile = \"azure-cilium\"",
        manifests: "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: \"8080\", protocol: TCP}]
          rules:
            http: [{method: GET}]
",
    },
    good: Example {
        settings: "cluster.profile = \"azure-cilium\"",
        manifests: "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: \"8080\", protocol: TCP}]
",
    },
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let off = proxy_off(context);
    let cni = context.facts().cni.as_ref();
    let mut last = None;
    for rule in walk::rules(context.cluster) {
        let Some((at, is_name)) = layer7(&rule) else { continue };
        if last == Some(rule.meta) || cni.is_some_and(|cni| !cni.reads(rule.meta.kind)) {
            continue;
        }
        let fact = cni.and_then(|cni| if is_name { cni.dialect.dns_names } else { cni.dialect.layer7 });
        let what = if is_name { "DNS names" } else { "requests" };
        let name = rule.meta.full_name();
        let (message, label, severity) = match (off, fact) {
            (Some(_), _) if rule.is_cilium() => (
                format!("`{name}` has rules about {what}, and Cilium's proxy is off"),
                "`enable-l7-proxy` is `false`".to_owned(),
                Severity::Error,
            ),
            (_, Some(Fact { value: Support::If(clause), source })) => {
                let title = cni.map_or("the CNI", |cni| cni.dialect.title);
                (
                    format!("`{name}` has rules about {what}: {title} has them only {clause}"),
                    format!("see {source}"),
                    Severity::Warning,
                )
            }
            _ => continue,
        };
        last = Some(rule.meta);
        let finding = findings.report(at, message);
        finding.label(label).help("turn the proxy on, or use ports and addresses alone").severity(severity);
        if let Some(off) = off {
            finding.related(off, "the setting");
        }
    }
}

/// Where a rule speaks of more than addresses and ports, and whether of names.
fn layer7(rule: &AnyRule<'_>) -> Option<(Origin, bool)> {
    let name = rule.peers().into_iter().find(|(peer, _)| {
        matches!(
            peer,
            Choice::CiliumPeer(_, CiliumPeer::Fqdn(..)) | Choice::TierPeer(TierPeer::DomainNames(..))
        )
    });
    if let Some((_, at)) = name {
        return Some((at, true));
    }
    let Body::Cilium(_, _, rule) = rule.body else { return None };
    rule.ports.iter().find(|entry| !entry.l7.is_empty()).map(|entry| (entry.origin, false))
}

/// Where the ConfigMap of Cilium turns its proxy off.
fn proxy_off(context: &Context<'_>) -> Option<Origin> {
    let config = context
        .documents
        .iter()
        .find(|object| &*object.kind == "ConfigMap" && &*object.name == "cilium-config")?;
    let at = context.places.root_value(config.origin, &["data".into(), "enable-l7-proxy".into()])?;
    let text = context.places.text(at)?.trim_matches(['"', '\'']);
    (text == "false").then_some(at)
}
