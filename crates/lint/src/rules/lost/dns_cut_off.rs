//! Pods that no policy lets ask a resolver.

use ringfence_analysis::explain::{labels, yaml};
use ringfence_model::{
    Text,
    flow::Flow,
    label::{Operator, Requirement, Selector},
    network_policy::NetworkPeer,
    origin::Origin,
    port::{PortMatch, Protocol},
    verdict::Direction,
    workload::{NAMESPACE_NAME_LABEL, PodId},
};

use super::{
    missing::{Missing, port},
    passage::{Budget, Cut, blame, listed, workload_name, workloads},
    resolving::{Asking, Culprit, Questions, attribute},
};
use crate::{
    context::Context,
    facts::dns::DNS_PORT,
    finding::{Finding, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF301",
    name: "dns-cut-off",
    severity: Severity::Error,
    since: "0.1.0",
    opt_in: false,
    summary: "pods that cannot ask any resolver, so that every connection by a name fails",
    what: "Reports policies that isolate pods for egress while no rule of any policy lets DNS questions of these pods out (or \
           policies that keep the resolver's pods from receiving them). Where the input shows the resolver, the engine is \
           asked about its pods, at the ports that they listen on: on OpenShift that is 5353, whatever the Service says. Where \
           it does not, only pods are reported for which no rule is for port 53 of anything that could be a resolver. \
           It is a warning for pods that no rule lets out to other pods or to names and whose environment and arguments name no \
           Service, and where a resolver runs on every node; it is info where such workloads, beside others of their namespace, \
           are let out to nothing at all, or to single addresses. Pods with \
           `dnsPolicy: None` or `Default`, and the resolver itself, are left out.",
    why: "The first step of nearly every connection is a DNS question. Without an answer the application reports that a name \
          could not be resolved, or a timeout, and nothing that the other rules allow works.",
    bad: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: data}
      ports:
        - port: 5432
",
    ),
    good: Example::new(
        "
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {app: api}
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: data}
      ports:
        - port: 5432
    - to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: kube-system}
          podSelector:
            matchLabels: {k8s-app: kube-dns}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
",
    ),
    check,
};

fn check(context: &Context<'_>, findings: &mut Findings) {
    let questions = Questions::new(context);
    let mut cuts: Vec<(PodId, Option<Flow>)> = Vec::new();
    let mut cut_pods = Vec::new();
    for (id, pod) in questions.askers() {
        if let Asking::Cut(culprits, cut) = questions.ask(id, Protocol::Udp) {
            cut_pods.push((&*pod.namespace, id, culprits));
            cuts.push((id, cut));
        }
    }
    let budget = Budget::new();
    for (culprit, pods) in attribute(cut_pods) {
        report(context, &questions, &culprit, &pods, &cuts, &budget, findings);
    }
}

fn report(
    context: &Context<'_>,
    questions: &Questions<'_, '_>,
    culprit: &Culprit,
    pods: &[PodId],
    cuts: &[(PodId, Option<Flow>)],
    budget: &Budget,
    findings: &mut Findings,
) {
    let cluster = context.cluster;
    let names: Vec<String> =
        workloads(cluster, pods.iter().copied()).into_iter().map(|id| workload_name(cluster, id)).collect();
    let Some(first) = pods.first().copied() else { return };
    let sample = cuts.binary_search_by_key(&first, |(id, _)| *id).ok().and_then(|at| cuts.get(at)?.1.clone());
    let resolver = context.facts().dns.first();
    let of = resolver
        .map_or_else(|| "any resolver".to_owned(), |resolver| format!("the resolver `{}`", resolver.name));
    let who = listed(&names);
    let message = match (culprit.denies, culprit.direction) {
        (true, _) => format!("a rule of `{}` cuts {who} off from {of}", culprit.name),
        (false, Direction::Ingress) => format!("`{}` keeps {who} from asking {of}", culprit.name),
        (false, Direction::Egress) => format!("`{}` cuts {who} off from {of}", culprit.name),
    };
    let finding = findings.report(culprit.origin, message);
    finding.label(match culprit.direction {
        Direction::Egress if culprit.denies => "DNS questions are denied here",
        Direction::Egress => "isolates for egress, and no rule of any policy lets DNS questions out",
        Direction::Ingress => "DNS questions do not get in here",
    });
    finding.severity(severity(context, questions, culprit, pods));
    if let Some(resolver) = resolver {
        finding.related(
            resolver.evidence.origin,
            format!("`{}` is the resolver: {}", resolver.name, resolver.evidence.words),
        );
    }
    let egress = culprit.direction == Direction::Egress && !culprit.denies;
    if !budget.take() {
        finding.help("let port 53 over UDP and TCP pass to the resolver");
        return;
    }
    let cut = sample.map(|flow| Cut::of(context.compiled, flow));
    if let Some(cut) = &cut {
        blame(context, finding, cut, culprit.direction, names.first().map_or("", String::as_str));
        finding.related.retain(|related| related.origin != culprit.origin);
    }
    for opening in questions.for_dns(first) {
        if finding.related.iter().all(|known| known.origin != opening.origin) {
            finding.related(opening.origin, "a rule for port 53, which does not lead to a resolver");
        }
    }
    if egress {
        advise(context, questions, pods, cut.as_ref(), finding);
    } else {
        finding.help("let port 53 over UDP and TCP pass here, before whatever else is denied");
    }
}

/// Certain where rules let the pods out to something that has a name, or the pods are told names; pods of a namespace with others
/// that are let out to nothing, or to single addresses, are meant to be so.
fn severity(
    context: &Context<'_>,
    questions: &Questions<'_, '_>,
    culprit: &Culprit,
    pods: &[PodId],
) -> Severity {
    if pods.iter().any(|id| questions.needs_names(*id) || questions.is_told_names(*id)) {
        // A resolver on the pod's own node may answer all the same.
        let local = !context.facts().node_local_dns.is_empty();
        return if local { Severity::Warning } else { Severity::Error };
    }
    let policies = &context.cluster.network_policies;
    let own = policies.iter().find(|policy| policy.meta.origin == culprit.origin);
    // A default deny is only about these pods if others of the namespace may ask.
    let about_them =
        own.is_some_and(|policy| !policy.subject.is_empty()) || !is_all(context, questions, pods);
    if about_them && !pods.iter().any(|id| questions.is_let_out(*id)) {
        return Severity::Info;
    }
    Severity::Warning
}

/// Whether these are all the pods of their namespace.
fn is_all(context: &Context<'_>, questions: &Questions<'_, '_>, pods: &[PodId]) -> bool {
    let first = pods.first().and_then(|id| context.cluster.pod(*id));
    first.is_none_or(|pod| questions.pods_in(&pod.namespace) == pods.len())
}

/// Says which policy is missing.
fn advise(
    context: &Context<'_>,
    questions: &Questions<'_, '_>,
    pods: &[PodId],
    sample: Option<&Cut>,
    finding: &mut Finding,
) {
    let cluster = context.cluster;
    let of = workloads(cluster, pods.iter().copied());
    let Some(pod) = pods.first().and_then(|id| cluster.pod(*id)) else { return };
    let all = is_all(context, questions, pods);
    let own = match of.as_slice() {
        [one] if !all => labels::for_workload(cluster, *one).map(|chosen| chosen.selector),
        _ => None,
    };
    let (peer, ports) = destination(context);
    let both = |ports: &[PortMatch]| {
        Missing::opening(
            context,
            &pod.namespace,
            "allow-dns",
            own.clone().unwrap_or_default(),
            Direction::Egress,
            vec![peer.clone()],
            ports,
            sample.as_slice(),
        )
    };
    let missing = both(&ports);
    let help = match missing.checked(context) {
        Some(yaml) => {
            missing.offer(context, finding);
            format!("add this policy, which lets DNS questions out to `{}`:\n{yaml}", resolver_name(context))
        }
        None if context.facts().dns.is_empty() => {
            let manifests: Vec<String> = missing.policies().iter().map(yaml::network_policy).collect();
            format!(
                "add this policy, if the resolver is CoreDNS in `kube-system`, listening on port 53:\n{}",
                manifests.join("---\n")
            )
        }
        None => format!("let port 53 over UDP and TCP pass to `{}`, at both ends", resolver_name(context)),
    };
    finding.help(help);
}

fn resolver_name(context: &Context<'_>) -> String {
    context.facts().dns.first().map_or_else(String::new, |resolver| resolver.name.clone())
}

/// The resolver as a peer, and its ports.
fn destination(context: &Context<'_>) -> (NetworkPeer, Vec<PortMatch>) {
    let cluster = context.cluster;
    let known = context.facts().dns.first();
    let pod = known.and_then(|resolver| resolver.pods.first()).and_then(|id| cluster.pod(*id));
    let number = |protocol| match (known, pod) {
        (Some(resolver), Some(pod)) => resolver.port(pod, protocol).unwrap_or(DNS_PORT),
        _ => DNS_PORT,
    };
    let ports = [Protocol::Udp, Protocol::Tcp].map(|protocol| port(protocol, number(protocol))).to_vec();
    let chosen =
        pod.and_then(|pod| labels::for_workload(cluster, pod.workload)).map(|chosen| chosen.selector);
    let (namespace, selector): (Text, Selector) = match (pod, chosen) {
        (Some(pod), Some(selector)) => (pod.namespace.clone(), selector),
        (Some(pod), None) => (pod.namespace.clone(), Selector::default()),
        _ => ("kube-system".into(), equal("k8s-app", "kube-dns")),
    };
    let peer = NetworkPeer::Pods {
        namespace: Some(equal(NAMESPACE_NAME_LABEL, &namespace)),
        pod: Some(selector),
        origin: Origin::NONE,
    };
    (peer, ports)
}

fn equal(key: &str, value: &str) -> Selector {
    let requirement = Requirement {
        key: key.into(),
        operator: Operator::In,
        values: vec![value.into()],
        origin: Origin::NONE,
    };
    Selector { requirements: vec![requirement], origin: Origin::NONE }
}
