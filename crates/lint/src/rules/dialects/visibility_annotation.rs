//! An annotation of Cilium that no longer does anything.

use ringfence_manifest::edit::remove_entry;

use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF716",
    name: "visibility-annotation",
    severity: Severity::Info,
    since: "0.1.0",
    opt_in: false,
    summary: "the annotation for proxy visibility does nothing",
    what: "Reports the annotations `io.cilium.proxy-visibility` and `policy.cilium.io/proxy-visibility` on any object.",
    why: "It was an annotation of pods, which Cilium no longer reads, and never one of policies. Requests show up in Hubble where a rule with \
          `rules` sends them through the proxy.",
    bad: Example::new(
        "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: watch
  namespace: shop
  annotations:
    owner: platform
    io.cilium.proxy-visibility: \"<Ingress/8080/TCP/HTTP>\"
spec:
  endpointSelector: {}
  ingress:
    - fromEndpoints: [{}]
",
    ),
    good: Example::new(
        "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: watch
  namespace: shop
spec:
  endpointSelector: {}
  ingress:
    - fromEndpoints: [{}]
      toPorts:
        - ports: [{port: \"8080\", protocol: TCP}]
          rules: {http: [{}]}
",
    ),
    check,
};

const ANNOTATIONS: [&str; 2] = ["io.cilium.proxy-visibility", "policy.cilium.io/proxy-visibility"];

fn check(context: &Context<'_>, findings: &mut Findings) {
    for object in context.documents {
        for key in ANNOTATIONS.into_iter().filter(|key| object.annotations.get(key).is_some()) {
            let path = ["metadata".into(), "annotations".into(), key.into()];
            let own = context.places.root_key(object.origin, &path);
            let at = own.unwrap_or(object.origin);
            let message = format!("the annotation `{key}` of `{}` does nothing", object.name);
            findings
                .report(at, message)
                .label("Cilium does not read it")
                .help("remove it; a rule with `rules: {http: [{}]}` makes requests visible")
                .fix(
                    format!("remove the annotation `{key}`"),
                    own.and_then(|own| remove_entry(&context.places, own)),
                    Claim::ChangesNothing,
                );
        }
    }
}
