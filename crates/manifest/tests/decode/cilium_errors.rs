//! What is wrong with policies of Cilium.

use super::check;

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
