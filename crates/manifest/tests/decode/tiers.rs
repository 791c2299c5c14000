//! The Admin and Baseline tiers.

use ringfence_model::{
    port::{PortSpec, Protocol},
    tier::{Action, Tier, TierPeer, TierRule, TierSubject},
};

use super::{check, clean, load};

#[test]
fn policies_of_the_tiers() {
    let loaded = clean(
        "
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: cnp}
spec:
  tier: Admin
  priority: 5
  subject: {pods: {podSelector: {matchLabels: {a: b}}}}
  egress:
  - name: allow
    action: Accept
    to: [{nodes: {}}, {networks: [10.0.0.0/8, '::/0']}, {domainNames: ['*.example.com']}]
    protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 1, end: 9}}}}]
  - action: Pass
    to: [{pods: {namespaceSelector: {}, podSelector: {}}}]
    protocols: [{destinationNamedPort: http}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: anp}
spec:
  priority: 0
  subject: {namespaces: {}}
  ingress:
  - action: Allow
    from: [{pods: {namespaceSelector: {}, podSelector: {}}}]
    ports: [{portNumber: {port: 80}}, {portRange: {protocol: UDP, start: 5, end: 5}}, {namedPort: http}]
",
    );
    let policies = &loaded.cluster.tier_policies;
    let order: Vec<_> =
        policies.iter().map(|policy| (policy.tier, policy.priority, &*policy.meta.name)).collect();
    assert_eq!(order, [(Tier::Admin, 0, "anp"), (Tier::Admin, 5, "cnp"), (Tier::Baseline, 0, "default")]);
    let ports =
        |rule: &TierRule| -> Vec<_> { rule.ports.iter().map(|p| (p.protocol, p.ports.clone())).collect() };
    assert_eq!(policies[0].ingress[0].action, Action::Accept);
    assert_eq!(
        ports(&policies[0].ingress[0]),
        [
            (Some(Protocol::Tcp), PortSpec::Range(80, 80)),
            (Some(Protocol::Udp), PortSpec::Range(5, 5)),
            (None, PortSpec::Named("http".into())),
        ]
    );
    let cnp = &policies[1];
    assert!(
        matches!(&cnp.subject, TierSubject::Pods { namespace, pod } if namespace.is_empty() && !pod.is_empty())
    );
    assert!(matches!(
        &cnp.egress[0].peers[..],
        [TierPeer::Nodes(..), TierPeer::Networks(nets, _), TierPeer::DomainNames(names, _)]
            if nets.len() == 2 && names.len() == 1
    ));
    assert_eq!(
        ports(&cnp.egress[0]),
        [(Some(Protocol::Tcp), PortSpec::Range(80, 80)), (Some(Protocol::Udp), PortSpec::Range(1, 9))]
    );
    assert_eq!(cnp.egress[0].name.as_deref(), Some("allow"));
    assert_eq!(cnp.egress[1].action, Action::Pass);
}

#[test]
fn unknown_peers_and_domains_that_are_denied_fail_closed() {
    let loaded = load(
        "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: cnp}
spec:
  tier: Admin
  priority: 5
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{satellites: {}}, {domainNames: [evil.com]}]}]
",
    );
    let peers = &loaded.cluster.tier_policies[0].egress[0].peers;
    assert!(matches!(&peers[..], [TierPeer::Unknown(_), TierPeer::Unknown(_)]));
}

#[test]
fn tier_policies_of_v1alpha1() {
    check(
        r#"
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: other}
spec:
  priority: 3
  subject: {namespaces: {}, pods: {}}
  ingress:
  - {name: x, action: Pass, from: [{namespaces: {namespaceSelector: {}}}], ports: []}
  - {action: Accept, from: []}
  - {action: Deny, from: [{networks: [10.0.0.0/8]}]}
  egress:
  - {action: Deny, to: [{domainNames: [example.com]}, {frobs: {}}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: other, namespace: x}
spec:
  priority: 1001
  subject: {}
  egress:
  - action: Deny
    to: [{networks: [10.0.0.0/8, 10.0.0.0/8]}, {}, {namespaces: {}, pods: {}}, {pods: {podSelector: {}}}]
    ports: [{namedPort: http}, {portNumber: {port: 80}, namedPort: x}, {portRange: {start: 9, end: 8}}, {portNumber: {}}, {port: 80}]
  - action: Allow
    to: [{domainNames: [a, '*', '*.example.com']}]
"#,
        r#"
3:18 error invalid-name: a BaselineAdminNetworkPolicy cannot be named `other` | the only one of a cluster is named `default`
5:3 error unknown-field: unknown field `priority` in the spec of a BaselineAdminNetworkPolicy | not a field of the API
6:29 error conflicting-fields: `namespaces` beside `pods` in one subject | exactly one of `namespaces` and `pods`
8:23 error unknown-value: unknown action `Pass` | allowed: `Allow`, `Deny`
8:50 error unknown-field: unknown field `namespaceSelector` in `namespaces` | `namespaces` is the selector itself: `matchLabels` or `matchExpressions`
8:76 error empty-list: `ports` is an empty list | at least one item
9:14 error unknown-value: unknown action `Accept` | this API version says `Allow`; allowed: `Allow`, `Deny`
9:22 error empty-list: `from` is an empty list | at least one item
10:28 error unknown-field: unknown field `networks` in a peer | not a field of the API
12:26 error unknown-field: unknown field `domainNames` in a peer | not a field of the API
12:56 warning unknown-peer: unknown kind of peer `frobs` | known here: `namespaces`, `pods`, `nodes`, `networks`
16:36 warning cluster-scoped: `namespace` on the cluster-scoped kind AdminNetworkPolicy | it has no effect: remove it
18:13 error out-of-range: `priority` `1001` is out of range | 0 to 1000
19:12 error empty-subject: this subject selects nothing | exactly one of `namespaces` and `pods`
22:34 error repeated: network `10.0.0.0/8` is listed twice | every network once
22:48 error peer-fields: this peer selects nothing | exactly one of `namespaces`, `pods`, `nodes`, `networks`, `domainNames`
22:52 error peer-fields: this peer has several fields | exactly one of `namespaces`, `pods`, `nodes`, `networks`, `domainNames`
22:88 error missing-field: `pods` has no `namespaceSelector` | `namespaceSelector` is required here
23:13 error named-port: a named port in a rule with `networks` | a port number: only pods have named ports
23:32 error port-fields: this entry of `ports` must have one field | exactly one of `portNumber`, `namedPort`, `portRange`
23:84 error end-port: `end` 8 is less than `start` 9 | `end` from 9 to 65535
23:118 error missing-field: `portNumber` has no `port` | `port` is required here
23:124 error unknown-field: unknown field `port` in an entry of `ports` | not a field of the API
25:25 error invalid-name: `a` is not a domain name | at least two labels, such as `example.com`; `*.example.com` is every name below it
25:28 error invalid-name: `*` is not a domain name | at least two labels, such as `example.com`; `*.example.com` is every name below it"#,
    );
}

#[test]
fn cluster_network_policies() {
    check(
        r#"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: other}
spec:
  priority: 1
  tier: admin
  subject: {pods: {podSelector: {}}}
  egress:
  - {action: Allow, to: [{namespaces: {}}], protocols: [{tcp: {}}, {tcp: {destinationPort: {range: {start: 5, end: 5}}}}]}
  - {action: Deny, to: [{domainNames: [evil.com]}]}
  - {action: Deny, to: [{podSelector: {}}], ports: []}
  ingress:
  - {action: Deny}
  - {action: Deny, from: [{namespaces: {}}], protocols: [{icmp: {}}, {destinationNamedPort: 80}, {udp: {destinationPort: {number: 0}}}]}
"#,
        r#"
6:9 error unknown-value: unknown tier `admin` | did you mean `Admin`? allowed: `Admin`, `Baseline`
9:14 error unknown-value: unknown action `Allow` | this API version says `Accept`; allowed: `Accept`, `Deny`, `Pass`
9:58 error missing-field: `tcp` has no `destinationPort` | every port is `destinationPort: {range: {start: 1, end: 65535}}`
9:100 error end-port: `end` 5 is not greater than `start` 5 | `start` must be less than `end`; one port is `number`
10:26 warning domain-names: `domainNames` in a rule that does not accept | only Accept rules may name domains
11:26 error unknown-field: unknown field `podSelector` in a peer | not a field of the API
11:45 error unknown-field: unknown field `ports` in an egress rule | not a field of the API
13:6 error missing-field: this rule has no `from` | `from` is required here
14:59 error unknown-field: unknown field `icmp` in an entry of `protocols` | not a field of the API
14:93 error wrong-type: the port name must be a string, not the number `80` | put it in quotes: `"80"`
14:131 error out-of-range: `number` `0` is out of range | 1 to 65535"#,
    );
}

#[test]
fn an_unknown_peer_is_a_warning() {
    check(
        r#"
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: other}
spec:
  priority: 1
  tier: Admin
  subject: {namespaces: {}}
  egress:
  - {action: Deny, to: [{satellites: {}}, {domainNames: [evil.com]}]}
"#,
        r#"
9:26 warning unknown-peer: unknown kind of peer `satellites` | known here: `namespaces`, `pods`, `nodes`, `networks`, `domainNames`
9:44 warning domain-names: `domainNames` in a rule that does not accept | only Accept rules may name domains"#,
    );
}
