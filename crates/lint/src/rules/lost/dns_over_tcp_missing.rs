//! Rules that let DNS questions out over UDP and not over TCP.

use std::collections::BTreeMap;

use ringfence_manifest::edit::{Edit, Value, insert_item_after};
use ringfence_model::{flow::Flow, origin::Origin, port::Protocol, verdict::Direction, workload::PodId};

use super::{
    passage::{listed, workload_name, workloads},
    resolving::{Asking, Questions},
};
use crate::{
    context::Context,
    finding::{Claim, Findings},
    rule::{Example, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "RF302",
    name: "dns-over-tcp-missing",
    severity: Severity::Warning,
    since: "0.1.0",
    opt_in: false,
    summary: "DNS is let out over UDP and not over TCP, which long answers need",
    what: "Reports the entries of egress rules that let port 53 over UDP out to the resolver, or to what can be one, \
           where nothing lets the same pods ask it over TCP. Silent about pods that can ask no resolver at all, \
           which is another finding.",
    why: "An answer that does not fit into a UDP packet comes back truncated, and the client asks again over TCP. \
           Where that is dropped, a few names cannot be resolved, or only after a timeout: headless Services with \
           many pods, records with long texts. Nothing shows that until an answer grows.",
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
apiVersion: v1
kind: Pod
metadata:
  name: coredns
  namespace: kube-system
  labels: {k8s-app: kube-dns}
spec:
  containers: [{name: coredns, image: registry.k8s.io/coredns/coredns:v1.11.3}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
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
            matchLabels: {kubernetes.io/metadata.name: kube-system}
          podSelector:
            matchLabels: {k8s-app: kube-dns}
      ports:
        - {protocol: UDP, port: 53}
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
apiVersion: v1
kind: Pod
metadata:
  name: coredns
  namespace: kube-system
  labels: {k8s-app: kube-dns}
spec:
  containers: [{name: coredns, image: registry.k8s.io/coredns/coredns:v1.11.3}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
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
    let mut by_entry: BTreeMap<Origin, (Vec<PodId>, Vec<Flow>)> = BTreeMap::new();
    for (id, _) in questions.askers() {
        if questions.policies.isolating(id, Direction::Egress).is_empty()
            || matches!(questions.ask(id, Protocol::Udp), Asking::Cut(..))
        {
            continue;
        }
        let Asking::Cut(_, sample) = questions.ask(id, Protocol::Tcp) else { continue };
        let entries = questions.to_resolvers(id, Protocol::Udp).into_iter().map(|opening| opening.port);
        for entry in entries.filter(|entry| entry.is_some()) {
            let (pods, samples) = by_entry.entry(entry).or_default();
            if pods.last() != Some(&id) {
                pods.push(id);
                samples.extend(sample.clone());
            }
        }
    }
    for (entry, (pods, samples)) in by_entry {
        let cluster = context.cluster;
        let names: Vec<String> =
            workloads(cluster, pods).into_iter().map(|id| workload_name(cluster, id)).collect();
        let finding = findings
            .report(entry, format!("{} can ask the resolver over UDP and not over TCP", listed(&names)));
        finding.label("only UDP").help(
            "add `- {protocol: TCP, port: 53}` beside it (or the port that the resolver's pods listen on)",
        );
        if let Some(resolver) = context.facts().dns.first() {
            finding.related(
                resolver.evidence.origin,
                format!("`{}` is the resolver: {}", resolver.name, resolver.evidence.words),
            );
        }
        finding.fix("open the port for TCP too", beside(context, entry), Claim::Opens(samples));
    }
}

/// The same entry for TCP, behind it.
fn beside(context: &Context<'_>, entry: Origin) -> Option<Vec<Edit>> {
    let places = &context.places;
    let [number, protocol] = ["port", "protocol"].map(|key| places.value(entry, &[key.into()]));
    let (number, protocol) = (number?, protocol?);
    let text = places.text(number)?;
    let value = match text.parse() {
        Ok(number) => Value::Int(number),
        // A name is that of the port for UDP.
        Err(_) => Value::from(text.trim_matches(['"', '\'']).parse::<u16>().ok()?.to_string().as_str()),
    };
    let mut fields = vec![("protocol".to_owned(), Value::from("TCP")), ("port".to_owned(), value)];
    if number.start < protocol.start {
        fields.reverse();
    }
    insert_item_after(places, entry, &Value::Map(fields))
}
