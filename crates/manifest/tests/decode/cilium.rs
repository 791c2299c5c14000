//! Policies of Cilium.

use ringfence_model::{
    cilium::{CiliumPeer, CiliumSpec, CiliumSubject, Entity, FqdnMatch, L7Match, ServiceRef},
    port::{PortSpec, Protocol},
};

use super::load;

/// The only spec of a CiliumNetworkPolicy, and the findings.
fn cilium(spec: &str) -> (CiliumSpec, Vec<&'static str>) {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: a, namespace: x}}\nspec: {spec}\n"
    );
    let mut loaded = load(&text);
    let codes = loaded
        .diagnostics
        .iter()
        .map(|found| found.code)
        .filter(|code| *code != "implied-namespace")
        .collect();
    assert!(!loaded.cluster.cilium_policies.is_empty(), "{:#?}", loaded.diagnostics);
    (loaded.cluster.cilium_policies.remove(0).specs.remove(0), codes)
}

#[test]
fn cilium_isolates_where_there_are_rules() {
    for (spec, ingress, egress) in [
        ("{endpointSelector: {}, ingress: [{}]}", true, false),
        ("{endpointSelector: {}, ingress: []}", false, false),
        ("{endpointSelector: {}, egressDeny: [{toEntities: [world]}]}", false, true),
        (
            "{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {ingress: false, egress: true}}",
            false,
            true,
        ),
        (
            "{endpointSelector: {}, ingress: [{}], egress: [{}], enableDefaultDeny: {egress: false}}",
            true,
            false,
        ),
    ] {
        let (found, _) = cilium(spec);
        assert_eq!((found.isolates_ingress, found.isolates_egress), (ingress, egress), "{spec}");
    }
}

#[test]
fn cilium_peers_absent_empty_and_given() {
    let (spec, codes) = cilium(
        "{endpointSelector: {}, ingress: [{}, {fromEndpoints: []}, {fromEndpoints: [{}]}, {toPorts: [{ports: [{port: \"80\"}]}]}, \
         {icmps: [{fields: [{type: 8}, {type: EchoRequest, family: IPv6}, {type: \"3\"}]}]}, \
         {fromRequires: [{matchLabels: {a: b}}]}]}",
    );
    let peers: Vec<_> = spec.ingress.iter().map(|rule| rule.peers.as_ref().map(Vec::len)).collect();
    assert_eq!(peers, [Some(0), Some(0), Some(1), None, None, Some(0)]);
    let icmps: Vec<_> = spec.ingress[4].icmps.iter().map(|icmp| (icmp.protocol, icmp.kind)).collect();
    assert_eq!(icmps, [(Protocol::Icmp, 8), (Protocol::Icmpv6, 128), (Protocol::Icmp, 3)]);
    assert_eq!(spec.ingress[5].requires.len(), 1);
    assert_eq!(codes, ["deprecated"]);
}

#[test]
fn cilium_peers_of_every_kind() {
    let (spec, codes) = cilium(
        "
  endpointSelector: {matchLabels: {'k8s:app': web}}
  egress:
  - toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': other}}]
  - toEntities: [world, kube-apiserver]
  - toCIDR: [10.0.0.0/8]
  - toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, {cidrGroupRef: g}, {cidrGroupSelector: {}}]
  - toServices: [{k8sService: {serviceName: s}}, {k8sService: {serviceName: s, namespace: z}}, {k8sServiceSelector: {selector: {}}}]
  - toFQDNs: [{matchName: example.com}, {matchPattern: '*.example.com'}]
  - toGroups: [{aws: {}}]
  - toNodes: [{matchLabels: {'k8s:zone': a}}]
",
    );
    assert_eq!(codes, [] as [&str; 0]);
    let peers = |at: usize| spec.egress[at].peers.as_deref().unwrap();
    let CiliumPeer::Endpoints(selector, _) = &peers(0)[0] else { panic!("endpoints") };
    assert_eq!(&*selector.requirements[0].key, "k8s:io.kubernetes.pod.namespace");
    assert!(matches!(
        peers(1),
        [CiliumPeer::Entity(Entity::World, _), CiliumPeer::Entity(Entity::KubeApiserver, _)]
    ));
    assert!(matches!(peers(2), [CiliumPeer::Cidr { except, .. }] if except.is_empty()));
    assert!(matches!(
        peers(3),
        [
            CiliumPeer::Cidr { except, .. },
            CiliumPeer::Unresolved("cidrGroupRef", _),
            CiliumPeer::Unresolved("cidrGroupSelector", _)
        ] if except.len() == 1
    ));
    let services: Vec<_> = (peers(4).iter())
        .map(|peer| match peer {
            CiliumPeer::Service(ServiceRef::Named { namespace, name }, _) => format!("{namespace}/{name}"),
            CiliumPeer::Service(ServiceRef::Selected { namespace: None, .. }, _) => "any".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(services, ["x/s", "z/s", "any"]);
    assert!(matches!(
        peers(5),
        [CiliumPeer::Fqdn(FqdnMatch::Name(_), _), CiliumPeer::Fqdn(FqdnMatch::Pattern(_), _)]
    ));
    assert!(matches!(peers(6), [CiliumPeer::Unresolved("toGroups", _)]));
    assert!(matches!(peers(7), [CiliumPeer::Nodes(selector, _)] if &*selector.requirements[0].key == "zone"));
}

#[test]
fn cilium_ports_and_layer_7() {
    let (spec, codes) = cilium(
        "
  endpointSelector: {}
  egress:
  - toPorts:
    - ports: [{port: '80', protocol: TCP}, {port: '1000', endPort: 2000, protocol: UDP}, {port: '0'}, {port: HTTP, protocol: ANY}]
    - ports: [{port: '80', protocol: TCP}]
      rules: {http: [{method: GET, path: '/a/.*', headers: ['X-A: 1', X-B], headerMatches: [{name: X-C, value: c}, {name: X-D, mismatch: LOG}]}, {}]}
    - ports: [{port: '53', protocol: ANY}]
      rules: {dns: [{matchPattern: '*'}]}
    - ports: [{port: '9092', protocol: TCP}]
      rules: {kafka: [{topic: a}]}
    - ports: [{port: '443', protocol: TCP}]
      rules: {http: []}
    - ports: [{port: '443', protocol: TCP}]
      serverNames: [example.com]
      originatingTLS: {secret: {name: a}}
  - toPorts: [{ports: [{protocol: VRRP}]}]
    authentication: {mode: required}
",
    );
    assert_eq!(codes, ["not-judged", "not-judged"]);
    assert_eq!(spec.egress.len(), 1, "a rule about VRRP alone is about no flow");
    let rules = &spec.egress[0].ports;
    let ports: Vec<_> = rules[0].ports.iter().map(|port| (port.protocol, port.ports.clone())).collect();
    assert_eq!(
        ports,
        [
            (Some(Protocol::Tcp), PortSpec::Range(80, 80)),
            (Some(Protocol::Udp), PortSpec::Range(1000, 2000)),
            (None, PortSpec::All),
            (None, PortSpec::Named("http".into())),
        ]
    );
    let [L7Match::Http(get), L7Match::Http(any)] = &rules[1].l7[..] else { panic!("two HTTP rules") };
    assert_eq!(
        (get.method.as_deref(), get.path.as_deref(), get.host.as_deref()),
        (Some("GET"), Some("/a/.*"), None)
    );
    let headers: Vec<_> = get.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(headers, [("X-A", Some("1")), ("X-B", None), ("X-C", Some("c"))]);
    assert!(any.headers.is_empty() && any.path.is_none());
    assert_eq!(rules[2].l7, [L7Match::Dns(FqdnMatch::Pattern("*".into()))]);
    assert_eq!(rules[3].l7, [L7Match::Other("kafka".into())]);
    assert!(rules[4].l7.is_empty());
    assert_eq!(rules[5].l7, [L7Match::Other("serverNames".into())]);
}

#[test]
fn cilium_policies_have_one_or_many_specs() {
    let loaded = load(
        "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: host}
spec: {nodeSelector: {}, ingress: [{fromEntities: [cluster]}]}
specs:
- {endpointSelector: {}, egress: [{toEntities: [all]}], description: more, labels: [{key: a, value: b}]}
",
    );
    let policy = &loaded.cluster.cilium_policies[0];
    assert_eq!(policy.meta.namespace, None);
    assert!(matches!(policy.specs[0].subject, CiliumSubject::Nodes(_)));
    assert!(matches!(policy.specs[1].subject, CiliumSubject::Endpoints(_)));
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["host-firewall"]);
}
