//! Hosts outside the cluster that a workload is told of and cannot reach.

use std::collections::BTreeSet;

use ringfence_analysis::explain::labels;
use ringfence_model::{
    cilium::Entity,
    flow::{Endpoint, Flow},
    network_policy::NetworkPeer,
    origin::Origin,
    port::Protocol,
    verdict::{Direction, Outcome},
    workload::{PodId, WorkloadId},
};

use super::{
    missing::{Missing, port},
    openings::{Opening, Policies, Who},
    outside::nobody,
    passage::{Budget, Cut, blame, flow, workload_name},
    references::{Outside, Services, outside},
};
use crate::{
    context::Context,
    finding::Findings,
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF314",
    name: "outside-host-cut",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "a workload is told of a host outside the cluster, and no address outside is open to it",
    what: "Reports environment variables with the URL of a host outside the cluster (`https://api.example.com`) in pods that no \
           rule lets out to any address, name or group of addresses at the URL's port. Keeps silent about names that tell what is \
           for others to use, such as `PUBLIC_URL`, `REDIRECT_URI` or `OIDC_ISSUER`, and about hosts that an Ingress or a route \
           of the input serves.",
    why: "Payments, mail and notifications go to somebody else's API. Under a default deny they run into a timeout, and only \
          when a customer needs them.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: pay, namespace: shop, labels: {app: pay}}
spec:
  containers:
    - name: pay
      image: registry.example.com/pay:1
      env:
        - {name: PAYMENT_API, value: \"https://api.payments.example\"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata: {name: pay, namespace: shop, labels: {app: pay}}
spec:
  containers:
    - name: pay
      image: registry.example.com/pay:1
      env:
        - {name: PAYMENT_API, value: \"https://api.payments.example\"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-dns, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: kube-system}
          podSelector:
            matchLabels: {k8s-app: kube-dns}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pay-to-outside, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: pay}
  policyTypes: [Egress]
  egress:
    - to:
        - ipBlock:
            cidr: 203.0.113.0/24
      ports:
        - {protocol: TCP, port: 443}
",
    ),
    check,
};

/// Networks that are no part of the internet.
const NOT_OUTSIDE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"];

fn check(context: &Context<'_>, findings: &mut Findings) {
    let cluster = context.cluster;
    let services = Services::new(cluster);
    let policies = Policies::new(context);
    let served: BTreeSet<&str> =
        cluster.entry_points.iter().flat_map(|entry| &entry.hosts).map(|host| &**host).collect();
    let budget = Budget::new();
    for (id, workload) in (0..).map(WorkloadId).zip(&cluster.workloads) {
        let Some(first) = workload.pods.first().copied() else { continue };
        let Some(pod) = cluster.pod(first).filter(|pod| !pod.finished && !pod.host_network) else { continue };
        for told in outside(&services, pod) {
            if served.contains(told.host) {
                continue;
            }
            if let Some(cut) = cut(context, &policies, first, told.port) {
                report(context, id, &told, cut, &budget, findings);
            }
        }
    }
}

/// A sample if no rule of a pod is for anything outside, and the engine denies somebody unknown there.
fn cut(context: &Context<'_>, policies: &Policies<'_>, id: PodId, port: u16) -> Option<Flow> {
    let outside = |opening: &Opening<'_>| match opening.who {
        Who::Everyone | Who::Addresses | Who::Address | Who::Name | Who::Other => true,
        Who::Entity(entity) => entity != Entity::None,
        // `internet-by-pod-selector` says what is wrong with every pod of the cluster.
        Who::Pods { own: None, namespaces: Some(selector) } => selector.is_empty(),
        Who::Pods { .. } => false,
    };
    let asked = Some((Protocol::Tcp, port));
    if policies.isolating(id, Direction::Egress).is_empty()
        || policies.openings(id, Direction::Egress, asked).iter().any(outside)
    {
        return None;
    }
    let mut sample = None;
    for family in context.facts().families.iter().copied() {
        let ends = (Endpoint::Pod(id), Endpoint::Address(nobody(family)));
        let flow = flow(ends.0, ends.1, family, Protocol::Tcp, port);
        if context.compiled.outcome(&flow) != Outcome::Deny {
            return None;
        }
        sample.get_or_insert(flow);
    }
    sample
}

fn report(
    context: &Context<'_>,
    id: WorkloadId,
    told: &Outside<'_>,
    flow: Flow,
    budget: &Budget,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let name = workload_name(cluster, id);
    let finding = findings.report(
        told.origin,
        format!("`{name}` cannot reach `{}`, which `{}` names", told.host, told.said_by),
    );
    finding.label(format!("no address outside the cluster is open on port {}", told.port));
    let otherwise = format!("let `{name}` out to the addresses of `{}` at port {}", told.host, told.port);
    let chosen = labels::for_workload(cluster, id).filter(|_| budget.take());
    let (Some(workload), Some(chosen)) = (cluster.workload(id), chosen) else {
        finding.help(otherwise);
        return;
    };
    let cut = &Cut::of(context.compiled, flow);
    blame(context, finding, cut, Direction::Egress, &name);
    let internet = "0.0.0.0/0".parse().ok().map(|cidr| NetworkPeer::IpBlock {
        cidr,
        except: NOT_OUTSIDE.iter().filter_map(|net| net.parse().ok()).collect(),
        origin: Origin::NONE,
    });
    let missing = Missing::opening(
        context,
        &workload.namespace,
        &format!("{}-to-outside", workload.name),
        chosen.selector,
        Direction::Egress,
        internet.into_iter().collect(),
        &[port(Protocol::Tcp, told.port)],
        &[cut],
    );
    let what =
        format!("`{name}` out to every address outside (write the block of `{}` if you know it)", told.host);
    finding.help(missing.help(context, &what, &otherwise));
}
