//! What is wrong with a manifest, where, and what is allowed there.

use std::fmt::Write as _;

use ringfence_manifest::{Input, Loaded, Options, read};

fn load(name: &str, text: &str) -> Loaded {
    read(vec![Input { name: name.to_owned(), text: text.to_owned() }], &Options::default())
}

/// Every finding but the one about namespaces, as `line:column severity code: message | label`.
fn findings(loaded: &Loaded) -> String {
    let mut out = String::new();
    for found in loaded.diagnostics.iter().filter(|found| found.code != "implied-namespace") {
        let at = loaded.cluster.sources.position(found.origin);
        let at = at.map_or_else(|| "-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        let _ = write!(out, "{at} {} {}: {}", found.severity.as_str(), found.code, found.message);
        if let Some(label) = &found.label {
            let _ = write!(out, " | {label}");
        }
        out.push('\n');
    }
    out
}

/// Checks the findings in a manifest. The line after the opening quote is line 1.
fn check(manifest: &str, expected: &str) {
    let found = findings(&load("a.yaml", manifest.trim_start_matches('\n')));
    assert_eq!(found.trim_end(), expected.trim(), "\n{found}");
}

/// Checks the findings in the spec of a NetworkPolicy; the line before it is line 1. With an error, and only then,
/// the policy is left out.
fn check_policy(spec: &str, expected: &str) {
    let mut text = "spec:".to_owned();
    for line in spec.lines() {
        let _ = write!(text, "{}{line}", if line.is_empty() { "" } else { "\n  " });
    }
    text.push_str("\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n");
    let loaded = load("a.yaml", &text);
    let found = findings(&loaded);
    assert_eq!(found.trim_end(), expected.trim(), "\n{found}");
    assert_eq!(loaded.cluster.network_policies.is_empty(), found.contains(" error "));
}

#[test]
fn misspelt_fields_name_the_nearest() {
    check_policy(
        r#"
podSelector: {}
ingres: []
policyTypes: [Ingress]
rules: []
"#,
        r#"
3:3 error unknown-field: unknown field `ingres` in the spec of a NetworkPolicy | did you mean `ingress`?
5:3 error unknown-field: unknown field `rules` in the spec of a NetworkPolicy | not a field of the API"#,
    );
}

#[test]
fn selectors_follow_the_grammar_of_labels() {
    check_policy(
        r#"
podSelector:
  matchLabels: {app: 80, on: true, bad key: x, ok: -a, v: , UPPER.example/x: y}
  matchExpressions:
  - {key: a, operator: in, values: [b]}
  - {key: a, operator: In}
  - {key: a, operator: NotIn, values: []}
  - {key: a, operator: Exists, values: [x]}
  - {operator: Exists}
  - {key: a, operator: In, values: [1]}
  - key
  matchlabels: {}
"#,
        r#"
3:24 error wrong-type: the value of label `app` must be a string, not the number `80` | put it in quotes: `"80"`
3:32 error wrong-type: the value of label `true` must be a string, not the boolean `true` | put it in quotes: `"true"`
3:38 error invalid-label-key: `bad key` is not a label key | a name of at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends, after an optional DNS name and `/`
3:54 error invalid-label-value: `-a` is not a label value | at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends
3:63 error invalid-label-key: `UPPER.example/x` is not a label key | a name of at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends, after an optional DNS name and `/`
5:26 error unknown-value: unknown operator `in` | did you mean `In`? allowed: `In`, `NotIn`, `Exists`, `DoesNotExist`
6:26 error missing-values: operator `In` needs values | add `values: [...]` with at least one value
7:26 error missing-values: operator `NotIn` needs values | add `values: [...]` with at least one value
8:34 error unexpected-values: operator `Exists` takes no values | remove `values`, or use `In` or `NotIn`
9:8 error missing-field: the selector expression has no `key` | `key` is required here
10:39 error wrong-type: a label value must be a string, not the number `1` | put it in quotes: `"1"`
11:7 error wrong-type: a selector expression must be a mapping, not the string `key` | write `key: value` lines here
12:5 error unknown-field: unknown field `matchlabels` in `podSelector` | did you mean `matchLabels`?"#,
    );
}

#[test]
fn ports_are_checked() {
    check_policy(
        r#"
podSelector: {}
ingress:
- ports:
  - port: true
  - port: 0
  - port: 70000
  - port: "80"
  - port: 80.5
  - {port: 80, endPort: 79}
  - {port: http, endPort: 79}
  - {endPort: 79}
  - {port: 80, endPort: 70000}
  - {port: 80, protocol: tcp}
  - {port: 80, protocol: ICMP}
  - port: toolongportnamehere
  - port: Http
  - port: 80-90
  - {prot: 80}
  - 80
"#,
        r#"
5:13 error wrong-type: `port` must be a port number or a port name | a number from 1 to 65535, or the name of a container port
6:13 error out-of-range: `port` `0` is out of range | 1 to 65535
7:13 error out-of-range: `port` `70000` is out of range | 1 to 65535
8:13 error invalid-port: `port` `80` is not a port | a number goes without quotes: `80`
9:13 error wrong-type: `port` must be a whole number, not the number `80.5` | a whole number from 1 to 65535
10:27 error end-port: `endPort` 79 is less than `port` 80 | 80 to 65535
11:29 error end-port: `endPort` with the named port `http` | a range needs a number in `port`
12:17 error end-port: `endPort` without `port` | give `port`, the first port of the range
13:27 error out-of-range: `endPort` `70000` is out of range | 1 to 65535
14:28 error unknown-value: unknown protocol `tcp` | did you mean `TCP`? allowed: `TCP`, `UDP`, `SCTP`
15:28 error unknown-value: unknown protocol `ICMP` | allowed: `TCP`, `UDP`, `SCTP`
16:13 error invalid-port: `port` `toolongportnamehere` is not a port | a number from 1 to 65535, or a name: at most 15 lower-case letters, digits and single `-`, with at least one letter, and a letter or digit at both ends
17:13 error invalid-port: `port` `Http` is not a port | a number from 1 to 65535, or a name: at most 15 lower-case letters, digits and single `-`, with at least one letter, and a letter or digit at both ends
18:13 error invalid-port: `port` `80-90` is not a port | a number from 1 to 65535, or a name: at most 15 lower-case letters, digits and single `-`, with at least one letter, and a letter or digit at both ends
19:8 error unknown-field: unknown field `prot` in an entry of `ports` | did you mean `port`?
20:7 error wrong-type: an entry of `ports` must be a mapping, not the number `80` | write `key: value` lines here"#,
    );
}

#[test]
fn ip_blocks_are_checked() {
    check_policy(
        r#"
podSelector: {}
ingress:
- from:
  - ipBlock: {cidr: 10.0.0.1/8, except: [10.0.0.0/8, 11.0.0.0/16, '::/0', 10.1.0.0/16, x]}
  - ipBlock: {cidr: 010.0.0.0/8}
  - ipBlock: {cidr: 10.0.0.1}
  - ipBlock: {cidr: 10.0.0.0/33}
  - ipBlock: {cidr: "2001:db8::/129"}
  - ipBlock: {except: [10.0.0.0/8]}
  - ipBlock: {}
  - ipBlock: 10.0.0.0/8
  - ipBlock: {cidrs: 10.0.0.0/8}
"#,
        r#"
5:23 warning host-bits: `cidr` `10.0.0.1/8` has bits set beyond its prefix length | it means `10.0.0.0/8`
5:44 error except-outside: `except` `10.0.0.0/8` is all of `10.0.0.0/8` | a smaller part of `10.0.0.0/8`
5:56 error except-outside: `except` `11.0.0.0/16` is not within `10.0.0.0/8` | a part of `10.0.0.0/8`
5:69 error except-outside: `except` `::/0` is of another address family than `10.0.0.0/8` | a part of `10.0.0.0/8`
5:90 error invalid-cidr: `except` `x` is not a CIDR | an address and a prefix length, such as `10.0.0.0/8` or `2001:db8::/32`
6:23 error invalid-cidr: `cidr` `010.0.0.0/8` is not a CIDR | numbers must not begin with a zero: it is not clear whether they are octal
7:23 error invalid-cidr: `cidr` `10.0.0.1` is not a CIDR | add the prefix length: `10.0.0.1/32`
8:23 error invalid-cidr: `cidr` `10.0.0.0/33` is not a CIDR | an address and a prefix length, such as `10.0.0.0/8` or `2001:db8::/32`
9:23 error invalid-cidr: `cidr` `2001:db8::/129` is not a CIDR | an address and a prefix length, such as `10.0.0.0/8` or `2001:db8::/32`
10:17 error missing-field: `ipBlock` has no `cidr` | `cidr` is required here
11:16 error missing-field: `ipBlock` has no `cidr` | `cidr` is required here
12:16 error wrong-type: `ipBlock` must be a mapping, not the string `10.0.0.0/8` | write `key: value` lines here
13:17 error unknown-field: unknown field `cidrs` in `ipBlock` | did you mean `cidr`?
13:17 error missing-field: `ipBlock` has no `cidr` | `cidr` is required here"#,
    );
}

#[test]
fn a_peer_is_one_thing() {
    check_policy(
        r#"
podSelector: {}
ingress:
- from:
  - podSelector: {}
    ipBlock: {cidr: 10.0.0.0/8}
  - {}
  - podSelector: null
  - namespaceSelectors: {}
- from: {podSelector: {}}
- to: []
egress:
- from:
  - podSelector: {}
"#,
        r#"
6:7 error conflicting-fields: `ipBlock` beside a selector in one peer | make it a peer of its own: put `- ` before it
7:7 error empty-peer: this peer selects nothing | give `podSelector`, `namespaceSelector` or `ipBlock`; `podSelector: {}` is every pod of the namespace
8:7 error empty-peer: this peer selects nothing | give `podSelector`, `namespaceSelector` or `ipBlock`; `podSelector: {}` is every pod of the namespace
9:7 error unknown-field: unknown field `namespaceSelectors` in a peer | did you mean `namespaceSelector`?
10:11 error wrong-type: `from` must be a list, not a mapping | put `- ` before each item
11:5 error unknown-field: unknown field `to` in an ingress rule | did you mean `from`?
13:5 error unknown-field: unknown field `from` in an egress rule | did you mean `to`?"#,
    );
}

#[test]
fn host_bits_are_a_warning_only() {
    check_policy(
        r#"
podSelector: {}
egress:
- to: [{ipBlock: {cidr: 192.168.1.1/24}}]
"#,
        r#"
4:27 warning host-bits: `cidr` `192.168.1.1/24` has bits set beyond its prefix length | it means `192.168.1.0/24`"#,
    );
}

#[test]
fn policy_types_are_checked() {
    check_policy(
        r#"
podSelector: {}
policyTypes: [Ingress, egress, Ingress]
"#,
        r#"
3:3 error too-many-items: `policyTypes` has 3 items | at most 2 are allowed
3:26 error unknown-value: unknown policy type `egress` | did you mean `Egress`? allowed: `Ingress`, `Egress`
3:34 warning repeated: this policy type is listed twice | one is enough"#,
    );
}

#[test]
fn repeated_policy_types_are_a_warning() {
    check_policy(
        r#"
podSelector: {}
policyTypes: [Ingress, Ingress]
egress: [{}]
"#,
        r#"
3:26 warning repeated: this policy type is listed twice | one is enough
4:3 warning no-effect: these egress rules have no effect | `policyTypes` does not list `Egress`"#,
    );
}

#[test]
fn an_empty_egress_list_alone_does_not_isolate() {
    check_policy(
        r#"
podSelector: {}
egress: []
"#,
        r#"
3:3 warning no-effect: `egress: []` without `policyTypes` has no effect | an empty list does not make the policy isolate for egress"#,
    );
}

#[test]
fn an_absent_subject_is_every_pod() {
    check_policy(
        r#"
policyTypes: [Ingress]
ingress:
-
"#,
        r#"
2:3 warning missing-field: this spec has no `podSelector` | the policy selects every pod of its namespace; write `podSelector: {}` to say so
4:4 warning empty-rule: this rule is empty | it allows everything; write `{}` to say so"#,
    );
}

#[test]
fn wrong_shapes() {
    check_policy(
        r#"
podSelector: []
policyTypes: Ingress
ingress: {from: []}
"#,
        r#"
2:16 error wrong-type: `podSelector` must be a mapping, not a list | write `key: value` lines here
3:16 error wrong-type: `policyTypes` must be a list, not the string `Ingress` | put `- ` before each item
4:12 error wrong-type: `ingress` must be a list, not a mapping | put `- ` before each item"#,
    );
}

#[test]
fn names_are_checked() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: Deny_All, namespace: my.shop}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {generateName: deny-}
spec: {podSelector: {}}
---
apiVersion: v1
kind: Namespace
metadata: {nmae: x}
---
apiVersion: v1
kind: Service
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: 8080}
spec: {podSelector: {}}
"#,
        r#"
3:18 error invalid-name: the name `Deny_All` is not valid | at most 253 lower-case letters, digits, `-` and `.`, with a letter or digit around every `.` and at both ends
7:7 error missing-field: this NetworkPolicy has no name | `metadata.name` is required
12:7 error missing-field: this Namespace has no name | `metadata.name` is required
13:12 warning unknown-field: unknown field `nmae` in `metadata` | did you mean `name`?
16:7 error missing-field: this Service has no `metadata` | `metadata.name` is required
20:18 error wrong-type: the name must be a string, not the number `8080` | put it in quotes: `"8080"`"#,
    );
}

#[test]
fn workloads_keep_their_good_part() {
    check(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {version: 1.0}}
spec:
  replicas: two
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: wb}}
    spec:
      hostNetwork: "true"
      containers:
      - ports: [{containerPort: 0}, {containerPort: 80, protocol: http}, {name: UPPER, containerPort: 80}, {containerPort: 81}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  slector: {matchLabels: {app: db}}
  templat: {}
"#,
        r#"
3:41 error wrong-type: the value of label `version` must be a string, not the number `1.0` | put it in quotes: `"1.0"`
5:13 error wrong-type: `replicas` must be a whole number, not the string `two` | a whole number from 0 to 2147483647
6:3 error selector-mismatch: `selector` does not match template labels | the template's labels: `app: wb`
10:20 error wrong-type: `hostNetwork` must be a boolean, not the string `true` | `true` or `false`, without quotes
12:33 error out-of-range: `containerPort` `0` is out of range | 1 to 65535
12:67 error unknown-value: unknown protocol `http` | allowed: `TCP`, `UDP`, `SCTP`
12:81 error invalid-name: the port name `UPPER` is not valid | at most 15 lower-case letters, digits and single `-`, with at least one letter, and a letter or digit at both ends
18:3 warning unknown-field: unknown field `slector` in the spec of this StatefulSet | did you mean `selector`?
18:3 error missing-field: the spec of this StatefulSet has no `template` | `template` is required here
19:3 warning unknown-field: unknown field `templat` in the spec of this StatefulSet | did you mean `template`?"#,
    );
}

#[test]
fn services_are_checked() {
    check(
        r#"
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: clusterIP
  selector: {app: 1}
  clusterIP: 10.0.0.300
  ports: [{port: 99999}, {port: 80, targetPort: "8080"}, {name: x}]
---
apiVersion: v1
kind: Service
metadata: {name: 0web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: none}
spec: {}
"#,
        r#"
5:9 error unknown-value: unknown Service type `clusterIP` | did you mean `ClusterIP`? allowed: `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`
6:19 error wrong-type: the value of label `app` must be a string, not the number `1` | put it in quotes: `"1"`
7:14 error invalid-address: the cluster IP `10.0.0.300` is not an address | an IPv4 or IPv6 address
8:18 error out-of-range: `port` `99999` is out of range | 1 to 65535
8:49 error invalid-port: `targetPort` `8080` is not a port | a number goes without quotes: `8080`
8:59 error missing-field: this Service port has no `port` | `port` is required here
12:18 error invalid-name: the name `0web` is not valid | at most 63 lower-case letters, digits and `-`, with a letter first and a letter or digit last
18:7 error missing-field: the spec of this Service has no `ports` | `ports` is required here"#,
    );
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
16:36 warning cluster-scoped: `namespace` on a AdminNetworkPolicy | this kind belongs to no namespace: remove it
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

#[test]
fn cilium_rules_are_checked() {
    check(
        r#"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: c, namespace: x}
spec:
  endpointSelector: {matchLabels: {"k8s:app": web, "any:bad key": x}}
  ingress:
  - fromEndpoint: []
    fromEntities: [wrld]
    fromCIDR: [10.0.0.0]
    toPorts:
    - ports: [{port: 80}, {port: '99999'}, {port: '80', protocol: tcp}, {port: '80', endPort: 70}]
    - ports: [{port: '80', protocol: TCP}]
      rules: {http: [{path: '/(a'}]}
    - ports: [{port: '80'}]
      rules: {http: [{path: '/a'}]}
    - ports: [{port: '53', protocol: UDP}]
      rules: {dns: [{matchPattern: '*'}]}
    - rules: {http: [{}], kafka: []}
  egress:
  - toEndpoints: [{}]
    toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]
  - toPorts: [{ports: [{port: '0'}]}]
    icmps: [{fields: [{type: 300}, {type: EchoRequst, family: IPv6}]}]
  - toCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: x}]
  - toFQDNs: [{matchName: 'a*'}, {matchPattern: '*.example.com', matchName: x}]
  - fromEndpoints: [{}]
  egressDeny:
  - toFQDNs: []
  - toPorts: [{ports: [{port: '80'}], rules: {}}]
"#,
        r#"
5:52 error invalid-label-key: `any:bad key` is not a label key | a name of at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends, after an optional DNS name and `/`
7:5 error unknown-field: unknown field `fromEndpoint` in a rule of `ingress` | did you mean `fromEndpoints`?
8:20 error unknown-value: unknown entity `wrld` | did you mean `world`? allowed: `all`, `world`, `world-ipv4`, `world-ipv6`, `cluster`, `host`, `remote-node`, `kube-apiserver`, `ingress`, `init`, `health`, `unmanaged`, `none`
9:5 error conflicting-fields: `fromEntities` and `fromCIDR` in one rule | Cilium does not combine them: make two rules of it
9:16 error invalid-cidr: the CIDR `10.0.0.0` is not a CIDR | add the prefix length: `10.0.0.0/32`
11:22 error wrong-type: `port` must be a string, not the number `80` | put it in quotes: `"80"`
11:34 error invalid-port: `port` `99999` is not a port | a number from 0 to 65535 in quotes (0 is every port), or the name of a container port
11:67 error unknown-value: unknown protocol `tcp` | did you mean `TCP`? allowed: `ANY`, `TCP`, `UDP`, `SCTP`, `VRRP`, `IGMP`
11:95 error end-port: `endPort` 70 is less than `port` 80 | 80 to 65535
13:29 error invalid-regex: `/(a` is not a regular expression | unclosed group
14:15 error not-supported: `http` rules for a port that is not TCP only | add `protocol: TCP`
17:7 error not-supported: DNS rules for ingress | Cilium has DNS rules for egress only
18:7 error conflicting-fields: `rules` must be about one protocol | exactly one of `http`, `dns`, `kafka`, `l7proto`
18:7 warning empty-list: this entry of `toPorts` names no port | it is read as every port
21:5 error conflicting-fields: `toEndpoints` and `toCIDRSet` in one rule | Cilium does not combine them: make two rules of it
21:45 error except-outside: `except` `11.0.0.0/8` is not within `10.0.0.0/8` | a part of `10.0.0.0/8`
23:5 error conflicting-fields: `icmps` beside `toPorts` in one rule | make it a rule of its own
23:30 error out-of-range: the ICMP type `300` is out of range | 0 to 255
23:43 error unknown-value: unknown ICMPv6 type `EchoRequst` | did you mean `EchoRequest`?
24:17 error peer-fields: this CIDR rule must name one set of addresses | exactly one of `cidr`, `cidrGroupRef`, `cidrGroupSelector`
25:27 error invalid-name: `a*` is not a DNS name | at most 255 letters, digits, `-`, `_` and `.`, not two dots in a row
25:34 error peer-fields: an item of `toFQDNs` must have one field | exactly one of `matchName`, `matchPattern`
26:5 error unknown-field: unknown field `fromEndpoints` in a rule of `egress` | did you mean `toEndpoints`?
28:5 error unknown-field: unknown field `toFQDNs` in a rule of `egressDeny` | not a field of the API
29:39 error unknown-field: unknown field `rules` in an entry of `toPorts` | not a field of the API"#,
    );
}

#[test]
fn cilium_specs_are_checked() {
    check(
        r#"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: a, namespace: x}
spec: {nodeSelector: {}, ingress: [{}]}
specs:
- {endpointSelector: {}}
- {endpointSelector: {}, nodeSelector: {}, ingress: []}
- {ingress: [{}], enableDefaultDeny: {ingress: "yes"}}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: b}
"#,
        r#"
4:8 error unknown-field: `nodeSelector` in a CiliumNetworkPolicy | only a CiliumClusterwideNetworkPolicy selects nodes
6:4 error missing-field: this spec has no rules | one of `ingress`, `ingressDeny`, `egress` and `egressDeny` is required; `ingress: [{}]` denies all ingress
7:26 error conflicting-fields: `nodeSelector` beside `endpointSelector` | exactly one of them
8:4 error missing-field: the spec of a Cilium policy has no `endpointSelector` | `endpointSelector` is required here
8:48 error wrong-type: `ingress` must be a boolean, not the string `yes` | `true` or `false`, without quotes
10:1 error missing-field: this CiliumClusterwideNetworkPolicy has no `spec` | `spec` is required here"#,
    );
}

#[test]
fn documents_that_are_no_manifests() {
    check(
        r#"
apiVersion: v1
kind: NetworkPolicy
metadata: {name: x}
---
apiVersion: apps/v1
kind: Deploymnet
---
metadata: {name: a}
spec: {}
---
kind: Service
metadata: {name: a}
---
foo: bar
---
- 1
---
a: [
"#,
        r#"
1:13 error unknown-api-version: there is no NetworkPolicy in `v1` | a NetworkPolicy is in `networking.k8s.io/v1`
6:7 error unknown-kind: there is no kind `Deploymnet` in `apps/v1` | did you mean `Deployment`?
8:1 error missing-field: this object has no `apiVersion` and no `kind` | both are required here
11:1 error missing-field: this object has no `apiVersion` | `apiVersion` is required here
14:1 warning not-a-manifest: this document is not a Kubernetes object | a manifest has `apiVersion` and `kind`
16:3 warning not-a-manifest: this document is not a Kubernetes object | a manifest has `apiVersion` and `kind`
19:1 error syntax: brackets or commas do not match here"#,
    );
}

#[test]
fn the_same_object_twice() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: x}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {namespace: x, name: a}
spec:
  podSelector: {}
  policyTypes: [Ingress]
---
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: a, namespace: x}
spec: {podSelector: {}, policyTypes: [Egress]}
"#,
        r#"
13:13 warning removed-api-version: `extensions/v1beta1` NetworkPolicy is rejected by API servers from Kubernetes 1.16 on | now `networking.k8s.io/v1`
8:32 warning repeated-object: NetworkPolicy `x/a` is given twice with the same content | this one is left out
15:18 error repeated-object: NetworkPolicy `x/a` is given twice with different content | this one is left out"#,
    );
}

#[test]
fn policies_of_other_products() {
    check(
        r#"
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: a}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: b}
"#,
        r#"
2:7 warning foreign-policy: policies of the kind `projectcalico.org/v3/GlobalNetworkPolicy` are not read | 2 objects of this kind"#,
    );
}
