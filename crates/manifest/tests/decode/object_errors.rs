//! What is wrong with objects of other kinds.

use super::check;

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
