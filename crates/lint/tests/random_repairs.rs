//! Random clusters, damaged as people damage them, and repaired: what each repair claims is true for the reference evaluator,
//! what was not asked for stays as it is, and a second run has nothing to do.
//!
//! `RINGFENCE_CLUSTERS` is the number of clusters.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_lint::{Claim, Input, Settings, fix};
use ringfence_manifest as manifest;
use ringfence_model::{
    cluster::Cluster,
    flow::Flow,
    label::{Operator, Selector},
    network_policy::{NetworkPeer, NetworkPolicy, PolicyMeta},
    verdict::Outcome,
    workload::NAMESPACE_NAME_LABEL,
};
use ringfence_policy::{
    Judge as _, Reference,
    generate::{self, Names, Size},
};

/// What every cluster has beside its own: a resolver, pods that may ask it over UDP only, a mistyped label, a hyphen too many.
const RESOLVER: &str = r#"---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system, labels: {kubernetes.io/metadata.name: kube-system}}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, image: coredns, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: asking, labels: {app: client}}
spec: {containers: [{name: client, image: client}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: asking}
spec:
  podSelector: {}  # everybody
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      ports:
        - port: 53  # questions
          protocol: UDP
---
apiVersion: v1
kind: Pod
metadata: {name: checkout, namespace: paying, labels: {app: checkout}}
spec: {containers: [{name: main, image: main}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: checkout, namespace: paying}
spec:
  podSelector: {matchLabels: {app: chekout}}  # a letter too few
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        # The resolver.
        - podSelector: {matchLabels: {k8s-app: kube-dns}}
"#;

/// Words that are long enough to be mistyped.
fn word(name: &str) -> String {
    match name {
        "a" => "frontend",
        "b" => "warehouse",
        "c" => "scheduler",
        other => other,
    }
    .to_owned()
}

fn same(name: &str) -> String {
    name.to_owned()
}

/// A letter too few.
fn mistype(selector: &mut Selector) -> bool {
    let long = selector.requirements.iter_mut().find(|requirement| {
        requirement.operator == Operator::In
            && matches!(requirement.values.as_slice(), [one] if one.len() > 5)
    });
    let Some(value) = long.and_then(|requirement| requirement.values.first_mut()) else { return false };
    let mut letters: Vec<char> = value.chars().collect();
    letters.remove(2);
    *value = letters.into_iter().collect::<String>().as_str().into();
    true
}

/// The label that nobody sets instead of the one that the API server sets.
fn misname(selector: &mut Selector) -> bool {
    let named =
        selector.requirements.iter_mut().find(|requirement| *requirement.key == *NAMESPACE_NAME_LABEL);
    named.map(|requirement| requirement.key = "name".into()).is_some()
}

/// A hyphen too many.
fn tear(peers: &mut Vec<NetworkPeer>) -> bool {
    let whole =
        |peer: &NetworkPeer| matches!(peer, NetworkPeer::Pods { namespace: Some(_), pod: Some(_), .. });
    let Some(at) = peers.iter().position(whole) else { return false };
    let NetworkPeer::Pods { namespace, pod, origin } = peers.remove(at) else { return false };
    peers.insert(at, NetworkPeer::Pods { namespace: None, pod, origin });
    peers.insert(at, NetworkPeer::Pods { namespace, pod: None, origin });
    true
}

/// The peers of a policy, rule by rule.
fn peers(policy: &mut NetworkPolicy) -> impl Iterator<Item = &mut Vec<NetworkPeer>> {
    policy.ingress.iter_mut().chain(&mut policy.egress).map(|rule| &mut rule.peers)
}

fn namespaces(policy: &mut NetworkPolicy) -> impl Iterator<Item = &mut Selector> {
    peers(policy).flatten().filter_map(|peer| match peer {
        NetworkPeer::Pods { namespace, .. } => namespace.as_mut(),
        NetworkPeer::IpBlock { .. } => None,
    })
}

/// Damages each NetworkPolicy in one way.
fn damage(seed: u64, cluster: &mut Cluster) {
    let mut copies = Vec::new();
    for (number, policy) in (seed..).zip(&mut cluster.network_policies) {
        match number % 6 {
            0 => policy.isolates_egress &= policy.egress.is_empty(),
            1 => policy.isolates_ingress &= policy.ingress.is_empty() || !policy.isolates_egress,
            2 => drop(mistype(&mut policy.subject)),
            3 => drop(peers(policy).any(tear)),
            4 => drop(namespaces(policy).any(misname)),
            _ => {
                let name = format!("{}-copy", policy.meta.name).as_str().into();
                let meta = PolicyMeta { name, ..PolicyMeta::clone(&policy.meta) };
                copies.push(NetworkPolicy { meta: meta.into(), ..policy.clone() });
            }
        }
        // A policy that isolates nothing is none.
        policy.isolates_ingress |= !policy.isolates_egress;
    }
    cluster.network_policies.extend(copies);
    generate::sort(cluster);
}

/// The documents of a text.
fn documents(text: &str) -> Vec<&str> {
    text.split("---\n").filter(|document| !document.trim().is_empty()).collect()
}

/// A cluster's manifests: with a comment in each document, old versions, and what every cluster has.
fn manifests(seed: u64) -> manifest::Input {
    let mut cluster = generate::cluster(seed, &Size::SMALL);
    generate::rename(&mut cluster, &Names { namespace: same, key: same, value: word, policy: same });
    damage(seed, &mut cluster);
    let mut text = String::new();
    for (number, document) in documents(&generate::manifests(&cluster)).into_iter().enumerate() {
        let old = number % 4 == 0 && document.contains("kind: NetworkPolicy");
        let document = if old {
            document.replacen("networking.k8s.io/v1\n", "extensions/v1beta1\n", 1)
        } else {
            document.to_owned()
        };
        text.push_str("---\n");
        text.push_str(&document.replacen("\nkind:", &format!("\n# comment {number}\nkind:"), 1));
    }
    manifest::Input { name: "cluster.yaml".to_owned(), text: text + RESOLVER }
}

/// How much a verdict lets through.
fn openness(outcome: Outcome) -> Option<u8> {
    match outcome {
        Outcome::Deny => Some(0),
        Outcome::AllowIf => Some(1),
        Outcome::Allow => Some(2),
        Outcome::Unknown => None,
    }
}

/// Holds a claim against the reference evaluator; the number of flows looked at.
fn hold(seed: u64, title: &str, claim: &Claim, before: &Input, after: &Input) -> usize {
    let (before, after) = (before.compiled.cluster(), after.compiled.cluster());
    let (old, new) = (Reference { cluster: before }, Reference { cluster: after });
    let outcome = |judge: &Reference<'_>, flow: &Flow| openness(judge.verdict(flow).outcome);
    let flows = generate::flows(seed, before, 150);
    for flow in &flows {
        let (Some(was), Some(is)) = (outcome(&old, flow), outcome(&new, flow)) else { continue };
        let holds = match claim {
            Claim::ChangesNothing => was == is,
            Claim::Opens(_) => was <= is,
            Claim::Cuts(_) => was >= is,
            Claim::Moves(..) => true,
        };
        assert!(holds, "seed {seed}: `{title}` claims {claim:?}, and {flow:?} went from {was} to {is}");
    }
    let none: &[Flow] = &[];
    let (opened, cut) = match claim {
        Claim::ChangesNothing => (none, none),
        Claim::Opens(opened) => (&**opened, none),
        Claim::Cuts(cut) => (none, &**cut),
        Claim::Moves(opened, cut) => (&**opened, &**cut),
    };
    let witnesses = opened.iter().map(|flow| (flow, true)).chain(cut.iter().map(|flow| (flow, false)));
    for (flow, opens) in witnesses {
        let (was, is) = (outcome(&old, flow), outcome(&new, flow));
        let holds = (was > Some(0)) != opens && (is > Some(0)) == opens;
        assert!(holds, "seed {seed}: `{title}` names {flow:?}, which went from {was:?} to {is:?}");
    }
    flows.len()
}

#[test]
fn what_repairs_claim_is_true() {
    let clusters =
        std::env::var("RINGFENCE_CLUSTERS").ok().and_then(|number| number.parse().ok()).unwrap_or(24);
    let (mut made, mut refused, mut flows) = (BTreeMap::<&str, usize>::new(), 0, 0);
    for seed in 0..clusters {
        let text = manifests(seed);
        let settings = Settings::default();
        let mut step = seed << 16;
        let planned = fix::plan_seen(std::slice::from_ref(&text), &settings, |fix, before, after| {
            step += 1;
            flows += hold(step, &fix.title, &fix.claim, before, after);
        });
        for (rule, _) in &planned.applied {
            *made.entry(rule).or_default() += 1;
        }
        refused += planned.refused.len();
        let unexplained = planned.refused.iter().find(|(_, reason)| reason.is_empty());
        assert!(unexplained.is_none(), "seed {seed}: refused without a reason: {unexplained:?}");
        let Some(changed) = planned.files.first() else { continue };
        let (old, new) = (documents(&changed.old), BTreeSet::from_iter(documents(&changed.new)));
        let touched: Vec<&&str> = old.iter().filter(|document| !new.contains(**document)).collect();
        assert!(
            touched.len() <= planned.applied.len(),
            "seed {seed}: more documents than repairs: {touched:#?}"
        );
        let lost: Vec<&str> = (touched.iter().flat_map(|document| document.lines()))
            .filter(|line| line.starts_with("# comment") && !changed.new.lines().any(|new| new == *line))
            .collect();
        // Of a copy that is removed nothing stays.
        let removed = planned.applied.iter().filter(|(rule, _)| *rule == "RF508").count();
        assert!(lost.len() <= removed, "seed {seed}: lost {lost:?} by {:?}", planned.applied);
        let other = touched.iter().find(|document| !document.contains("Policy"));
        assert!(other.is_none(), "seed {seed}: no policy: {other:?}");
        let again = manifest::Input { name: changed.name.clone(), text: changed.new.clone() };
        let second = fix::plan(&[again], &settings);
        assert!(second.files.is_empty(), "seed {seed}: not idempotent: {:?}", second.applied);
    }
    eprintln!("{clusters} clusters, {flows} flows, repairs by rule {made:?}, {refused} refused");
    for rule in ["RF101", "RF103", "RF104", "RF302", "RF503", "RF508", "RF807"] {
        assert!(clusters < 24 || made.contains_key(rule), "no repair of {rule} among {made:?}");
    }
}
