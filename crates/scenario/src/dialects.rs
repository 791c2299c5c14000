//! Policies of other kinds as YAML. In: a planned cluster and how many. Out: files of ClusterNetworkPolicies and of
//! CiliumNetworkPolicies.

use std::fmt::Write as _;

use crate::{
    File,
    dice::Dice,
    layout::{Layout, Workload},
    manifests::put,
    policies::{NAMESPACE_NAME, Selector, select},
    policy_manifests::write_selector,
    traffic::Calls,
};

/// ClusterNetworkPolicies as a platform team has them: what always passes, what never does, what namespaces may
/// decide, and what holds where they do not.
pub(crate) fn tiers(layout: &Layout, count: usize) -> Vec<File> {
    let mut text = String::new();
    let environments = ["production", "staging", "development"];
    for number in 0..count {
        let environment = environments.get(number % 3).copied().unwrap_or_default();
        let team =
            layout.namespaces.iter().map(|namespace| &*namespace.team).nth(number * 3).unwrap_or("atlas");
        let (name, tier, body) = match number % 4 {
            0 => ("monitoring", "Admin", ingress("Accept", NAMESPACE_NAME, "monitoring")),
            1 => ("other-environment", "Admin", ingress("Deny", "environment", other(environment))),
            2 => ("own-team", "Admin", ingress("Pass", "team", team)),
            _ => ("base", "Baseline", ingress("Deny", "environment", "development")),
        };
        put!(
            text,
            "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: {name}-{number}
spec:
  tier: {tier}
  priority: {priority}
  subject:
    namespaces:
      matchLabels:
        environment: {environment}
  ingress:
{body}",
            priority = 10 * (number + 1),
        );
    }
    if text.is_empty() {
        return Vec::new();
    }
    vec![File { name: "cluster/cluster-network-policies.yaml".to_owned(), text }]
}

fn other(environment: &str) -> &'static str {
    if environment == "development" { "production" } else { "development" }
}

fn ingress(action: &str, key: &str, value: &str) -> String {
    format!(
        "  - action: {action}
    from:
    - namespaces:
        matchLabels:
          {key}: {value}
"
    )
}

/// CiliumNetworkPolicies for workloads from the front: callers with a method, a provider by name, nothing from the
/// metadata service.
pub(crate) fn cilium(dice: &mut Dice, layout: &Layout, calls: &Calls, count: usize) -> Vec<File> {
    let mut texts: Vec<String> = vec![String::new(); layout.namespaces.len()];
    let mut left = count;
    let mut round = 0;
    while left > 0 && !layout.workloads.is_empty() {
        round += 1;
        for (at, workload) in layout.workloads.iter().enumerate().take(left) {
            let Some(text) = texts.get_mut(workload.namespace) else { continue };
            let name = format!("{}-cilium-{round}", workload.name);
            let namespace = layout.namespace_of(workload);
            put!(
                text,
                "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: {name}\n"
            );
            put!(text, "  namespace: {namespace}\nspec:\n");
            write_selector(text, 2, "endpointSelector", &select(workload));
            match dice.number(0, 2) {
                0 => write_http(text, layout, calls, at, workload),
                1 => write_names(text, &workload.part_of),
                _ => put!(
                    text,
                    "  egressDeny:
  - toCIDRSet:
    - cidr: 169.254.0.0/16
      except:
      - 169.254.20.10/32
"
                ),
            }
        }
        left -= layout.workloads.len().min(left);
    }
    let named = texts.into_iter().zip(&layout.namespaces).filter(|(text, _)| !text.is_empty());
    named
        .map(|(text, namespace)| File {
            name: format!("namespaces/{}/cilium-policies.yaml", namespace.name),
            text,
        })
        .collect()
}

fn write_http(text: &mut String, layout: &Layout, calls: &Calls, at: usize, workload: &Workload) {
    let caller = calls.to.get(&at).and_then(|callers| callers.first());
    let caller = caller.and_then(|(at, _)| layout.workloads.get(*at)).unwrap_or(workload);
    put!(text, "  ingress:\n  - fromEndpoints:\n");
    let mut from = Selector::label("k8s:io.kubernetes.pod.namespace", layout.namespace_of(caller));
    from.labels.extend(select(caller).labels);
    put!(text, "    - matchLabels:\n");
    for (key, value) in &from.labels {
        put!(text, "        {key}: {value}\n");
    }
    put!(
        text,
        "    toPorts:
    - ports:
      - port: \"8080\"
        protocol: TCP
      rules:
        http:
        - method: GET
          path: /api/.*
"
    );
}

fn write_names(text: &mut String, part_of: &str) {
    put!(
        text,
        "  egress:
  - toEndpoints:
    - matchLabels:
        k8s:io.kubernetes.pod.namespace: kube-system
        k8s-app: kube-dns
    toPorts:
    - ports:
      - port: \"53\"
        protocol: UDP
      rules:
        dns:
        - matchPattern: '*'
  - toFQDNs:
    - matchName: {part_of}.example.com
    - matchPattern: '*.{part_of}.example.com'
    toPorts:
    - ports:
      - port: \"443\"
        protocol: TCP
"
    );
}
