//! What is wrong with a NetworkPolicy, where, and what is allowed there.

use std::fmt::Write as _;

use super::{findings, load};

/// Checks the findings in the spec of a NetworkPolicy; the line before it is line 1. With an error, and only then,
/// the policy is left out.
fn check_policy(spec: &str, expected: &str) {
    let mut text = "spec:".to_owned();
    for line in spec.lines() {
        let _ = write!(text, "{}{line}", if line.is_empty() { "" } else { "\n  " });
    }
    text.push_str("\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n");
    let loaded = load(&text);
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
fn the_first_error_of_a_policy_says_that_it_has_no_effect() {
    let loaded = load(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec: {podSelector: {}, ingres: [], egres: []}
",
    );
    let help: Vec<&str> = loaded.diagnostics.iter().filter_map(|found| found.help.as_deref()).collect();
    assert_eq!(
        help,
        [
            "allowed here: `podSelector`, `policyTypes`, `ingress`, `egress`; \
             the API server would reject this NetworkPolicy, so it has no effect on any verdict",
            "allowed here: `podSelector`, `policyTypes`, `ingress`, `egress`",
        ]
    );
    assert!(loaded.cluster.network_policies.is_empty());
}

#[test]
fn audit_is_true_or_false() {
    let policy = |value: &str| {
        let loaded = load(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: a, annotations: {{ringfence.dev/audit: {value}}}}}\nspec: {{podSelector: {{}}}}\n"
        ));
        let audit: Vec<bool> = loaded.cluster.network_policies.iter().map(|one| one.meta.audit).collect();
        (audit, findings(&loaded))
    };
    assert_eq!(policy("\"true\""), (vec![true], String::new()));
    assert_eq!(policy("\"false\""), (vec![false], String::new()));
    let (audit, found) = policy("\"yes\"");
    assert_eq!(audit, [false]);
    assert_eq!(
        found.trim_end(),
        "3:56 warning unknown-value: unknown value `yes` of the annotation `ringfence.dev/audit` | \
         the policy is enforced; allowed: `\"true\"` (audit only), `\"false\"`"
    );
    let (audit, found) = policy("true");
    assert!(audit.is_empty() && found.contains("wrong-type"), "{found}");
}
