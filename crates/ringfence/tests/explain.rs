//! `ringfence explain` from the outside. In: the shop, and small clusters on standard input. Out: every format as it was; and
//! the policies that it proposes, read back from their YAML, do what it says.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Runs `explain` with manifests on standard input beside the shop if there are any: the exit code and both outputs.
fn explain(paths: &[&str], stdin: &str, arguments: &[&str]) -> (i32, String, String) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .current_dir(root)
        .arg("explain")
        .args(paths)
        .args(arguments)
        .args(["--color", "never", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn shop(arguments: &[&str]) -> String {
    let (code, out, err) = explain(&["examples/shop"], "", arguments);
    assert_eq!(code, 0, "{err}");
    out
}

fn small(manifests: &str, arguments: &[&str]) -> String {
    let (code, out, err) = explain(&["-"], manifests, arguments);
    assert_eq!(code, 0, "{err}");
    out
}

#[test]
fn every_format_of_a_denied_connection() {
    for format in ["text", "json", "md"] {
        let arguments = ["--from", "web", "--to", "svc:data/postgres", "--port", "5432", "--format", format];
        insta::assert_snapshot!(format!("denied_{format}"), shop(&arguments));
    }
}

#[test]
fn every_format_of_an_allowed_connection() {
    for format in ["text", "json", "md"] {
        let to = "api.shop.svc.cluster.local";
        let arguments = ["--from", "web", "--to", to, "--port", "80", "--format", format];
        insta::assert_snapshot!(format!("allowed_{format}"), shop(&arguments));
    }
}

#[test]
fn an_admin_deny_is_opened_by_an_accept_before_it() {
    insta::assert_snapshot!(shop(&["--from", "workers", "--to", "169.254.169.254", "--port", "80"]));
}

#[test]
fn parts_of_the_internet() {
    insta::assert_snapshot!(shop(&["--from", "workers", "--to", "internet", "--port", "443"]));
}

#[test]
fn without_a_port_every_port_is_asked() {
    insta::assert_snapshot!(shop(&["--from", "prometheus", "--to", "api"]));
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest() {
    let (code, out, err) = explain(&["examples/shop"], "", &["--from", "wbe", "--to", "api", "--port", "80"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.contains("no workload, pod or Service is called `wbe`")
            && err.contains("did you mean `shop/web`"),
        "{err}"
    );
}

const L7: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: reads, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: '8080', protocol: TCP}]
          rules:
            http: [{method: GET, path: /public/.*}]
";

#[test]
fn requests_decide_where_a_port_has_conditions() {
    let ask = |request: &[&str]| {
        small(L7, &[&["--from", "web", "--to", "api", "--port", "8080"], request].concat())
    };
    insta::assert_snapshot!("conditional", ask(&[]));
    assert!(ask(&["--request", "GET /public/x"]).starts_with("allow "));
    assert!(ask(&["--request", "POST /public/x"]).starts_with("deny "));
}

#[test]
fn what_no_policy_can_open_is_said() {
    let cilium = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: closed, namespace: shop}
spec:
  endpointSelector: {}
  egressDeny:
    - toEntities: [world]
";
    let out = small(cilium, &["--from", "web", "--to", "203.0.113.1", "--port", "443"]);
    assert!(out.contains("a Cilium deny rule wins over every allow rule") && !out.contains("kind:"), "{out}");
    let names = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}
";
    let out = small(names, &["--from", "web", "--to", "api.example.com", "--port", "443"]);
    assert!(out.contains("a NetworkPolicy cannot name `api.example.com`"), "{out}");
}

/// The policies that `explain` proposes for a denied connection.
fn proposals(paths: &[&str], stdin: &str, ask: &[&str]) -> Vec<String> {
    let (_, out, err) = explain(paths, stdin, &[ask, &["--format", "json"]].concat());
    let answer: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
    assert_eq!(answer["verdict"], "deny", "{ask:?}");
    let policies = answer["missing"]["policies"].as_array().unwrap();
    policies.iter().map(|policy| policy["yaml"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn proposed_policies_do_what_they_say_when_read_back() {
    for (from, to, port) in [
        ("web", "svc:data/postgres", "5432"),
        ("cache", "api", "8000"),
        ("api", "internet", "443"),
        ("workers", "203.0.113.200", "443"),
        ("workers", "169.254.169.254", "80"),
        ("internet", "api", "8000"),
        ("daily-report", "cache", "6379-6380,53/UDP"),
        ("172.16.0.1", "api", "8000"),
    ] {
        let ask = ["--from", from, "--to", to, "--port", port];
        let policies = proposals(&["examples/shop"], "", &ask);
        assert!(!policies.is_empty(), "{ask:?}");
        let (code, out, err) = explain(&["examples/shop", "-"], &policies.join("---\n"), &ask);
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with("allow "), "{ask:?}: {out}\n{}", policies.join("---\n"));
    }
}

#[test]
fn the_older_admin_kind_is_answered_in_kind() {
    let manifests = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: shut}
spec:
  priority: 5
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress:
    - {name: all, action: Deny, from: [{namespaces: {}}]}
";
    let ask = ["--from", "web", "--to", "api", "--port", "80-81"];
    let policies = proposals(&["-"], manifests, &ask);
    assert!(
        policies[0].contains("kind: AdminNetworkPolicy") && policies[0].contains("priority: 4"),
        "{policies:?}"
    );
    assert!(small(&format!("{manifests}---\n{}", policies[0]), &ask).starts_with("allow "));
}

#[test]
fn audit_policies_have_no_effect_and_a_note() {
    let cluster = r#"
apiVersion: v1
kind: Namespace
metadata: {name: x}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x}
spec: {containers: [{name: c, image: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {app: b}}
spec: {containers: [{name: c, image: c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lock, namespace: x, annotations: {ringfence.dev/audit: "true"}}
spec: {podSelector: {matchLabels: {app: b}}}
"#;
    let note = "enforcing the audit policies would deny this (ingress: NetworkPolicy `x/lock`)";
    let denied = ["--from", "x/a", "--to", "x/b", "--port", "80", "--format", "md"];
    let text = small(cluster, &denied);
    assert!(text.starts_with("## allow"), "{text}");
    assert!(text.contains(&format!("> {note}")), "{text}");
    let json = small(cluster, &["--from", "x/a", "--to", "x/b", "--port", "80", "--format", "json"]);
    assert!(json.contains(note) && json.contains("\"verdict\": \"allow\""), "{json}");
    let other_way = small(cluster, &["--from", "x/b", "--to", "x/a", "--port", "80"]);
    assert!(!other_way.contains("audit"), "{other_way}");
}
