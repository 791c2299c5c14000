//! Egress to every address on every port by a network such as `0.0.0.0/0`.

use ringfence_model::verdict::Direction;

use super::everything::has_pods;
use crate::{
    allow::{By, Outside, allows},
    context::Context,
    finding::Findings,
    intent, naming,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF404",
    name: "egress-to-anywhere",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "pods may open every port of every address outside",
    what: "Reports an egress rule for every port whose networks or entities are the whole internet. Only worth knowing if the \
           name of the policy says so, or if `except` keeps private addresses out. Silent about rules that name \
           ports, and about rules without `to` (`allows-everything` reports them).",
    why: "What takes over such a pod can send anything to anybody: data out, connections to a control server in. \
          A network without `except` holds the cluster's own pods and nodes too.",
    bad: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: worker
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: worker}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
",
    ),
    good: Example::new(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: worker
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: worker}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]
      ports:
        - port: 443
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    for allow in allows(context.cluster) {
        if allow.direction != Direction::Egress || !allow.is_every_port() || allow.has_denials_beside() {
            continue;
        }
        let breadth = allow.breadth(context);
        let by_everybody = breadth.is_everyone() && breadth.by != By::Network;
        if breadth.outside == Outside::Part || by_everybody {
            continue;
        }
        let subject = allow.subject(context);
        if subject.is_empty() && has_pods(context, allow.meta.namespace.as_deref()) {
            continue;
        }
        let who = if subject.is_empty() {
            format!("the pods of `{}`", allow.meta.full_name())
        } else {
            naming::listed_pods(context.cluster, subject.iter())
        };
        let finding =
            findings.report(breadth.at, format!("{who} may open every port of every address outside"));
        let within = match (breadth.pods, breadth.outside) {
            (true, _) => ", pods and nodes of the cluster too",
            (false, Outside::Everything) if breadth.by == By::Network => ", private ones too",
            _ => "",
        };
        finding.label(format!("every address{within}; the rule names no ports"));
        finding.help("name the ports (`443`, say), and the addresses if they are known");
        if intent::says_open(allow.meta) || breadth.outside == Outside::Public {
            finding.severity(Severity::Info);
        }
    }
}
