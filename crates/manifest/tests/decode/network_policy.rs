//! NetworkPolicy: defaults, peers, ports, origins.

use ringfence_model::{
    label::Operator,
    network_policy::{NetworkPeer, NetworkPolicy},
    origin::Origin,
    port::{PortSpec, Protocol},
};

use super::load;

/// The NetworkPolicy of a spec.
fn policy(spec: &str) -> NetworkPolicy {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec: {spec}\n"
    );
    let mut loaded = load(&text);
    loaded.cluster.network_policies.remove(0)
}

#[test]
fn policy_types_have_their_defaults() {
    for (spec, ingress, egress) in [
        ("{podSelector: {}}", true, false),
        ("{podSelector: {}, egress: [{}]}", true, true),
        ("{podSelector: {}, egress: []}", true, false),
        ("{podSelector: {}, policyTypes: [], egress: [{}]}", true, true),
        ("{podSelector: {}, policyTypes: [Egress]}", false, true),
        ("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}", true, false),
        ("{podSelector: {}, policyTypes: [Egress, Ingress]}", true, true),
    ] {
        let policy = policy(spec);
        assert_eq!((policy.isolates_ingress, policy.isolates_egress), (ingress, egress), "{spec}");
    }
}

#[test]
fn network_policy_rules() {
    let policy = policy(
        "{podSelector: {matchLabels: {z: \"1\", a: b}, matchExpressions: [{key: q, operator: DoesNotExist}]}, ingress: [\
         {}, {from: [], ports: []}, {from: null}, \
         {from: [{podSelector: {}}, {namespaceSelector: {}}, {podSelector: {}, namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], \
          ports: [{}, {port: 80}, {port: 80, endPort: 90, protocol: UDP}, {port: http}, {protocol: SCTP}]}]}",
    );
    let keys: Vec<_> = policy.subject.requirements.iter().map(|r| (&*r.key, r.operator)).collect();
    assert_eq!(keys, [("a", Operator::In), ("z", Operator::In), ("q", Operator::DoesNotExist)]);
    assert_eq!(policy.ingress.len(), 4);
    assert!(policy.ingress[..3].iter().all(|rule| rule.peers.is_empty() && rule.ports.is_empty()));
    let shapes: Vec<_> = (policy.ingress[3].peers.iter())
        .map(|peer| match peer {
            NetworkPeer::Pods { namespace, pod, .. } => (namespace.is_some(), pod.is_some()),
            NetworkPeer::IpBlock { .. } => (false, false),
        })
        .collect();
    assert_eq!(shapes, [(false, true), (true, false), (true, true), (false, false)]);
    let ports: Vec<_> =
        policy.ingress[3].ports.iter().map(|port| (port.protocol, port.ports.clone())).collect();
    assert_eq!(
        ports,
        [
            (Some(Protocol::Tcp), PortSpec::All),
            (Some(Protocol::Tcp), PortSpec::Range(80, 80)),
            (Some(Protocol::Udp), PortSpec::Range(80, 90)),
            (Some(Protocol::Tcp), PortSpec::Named("http".into())),
            (Some(Protocol::Sctp), PortSpec::All),
        ]
    );
}

#[test]
fn origins_point_at_what_decides() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-web
spec:
  podSelector:
    matchLabels:
      app: web
  ingress:
  - from:
    - podSelector: {}
    ports:
    - port: 80
";
    let loaded = load(text);
    let policy = &loaded.cluster.network_policies[0];
    let at = |origin: Origin| {
        let source = loaded.cluster.sources.get(origin.source).unwrap();
        let position = source.position(origin.start);
        let shown = source.text.get(origin.start as usize..origin.end as usize).unwrap_or_default();
        (position.line, shown.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(at(policy.meta.origin), (5, "allow-web".to_owned()));
    assert_eq!(at(policy.subject.requirements[0].origin), (9, "app: web".to_owned()));
    assert_eq!(at(policy.ingress[0].origin), (11, "from:".to_owned()));
    let NetworkPeer::Pods { origin, .. } = &policy.ingress[0].peers[0] else { panic!("pods") };
    assert_eq!(at(*origin), (12, "podSelector: {}".to_owned()));
    assert_eq!(at(policy.ingress[0].ports[0].origin), (14, "port: 80".to_owned()));
}
