//! Which pods a selector means, against the reference: a policy of that selector alone decides about each pod.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::sync::Arc;

use ringfence_model::{
    address::Family,
    cilium::{CiliumPolicy, CiliumRule, CiliumSpec, CiliumSubject},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::{Labels, Selector},
    network_policy::{NetworkPolicy, NetworkRule, PolicyMeta},
    origin::Origin,
    port::Protocol,
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::{Direction, Outcome, Reason},
    workload::{Pod, PodId, WorkloadId},
};
use ringfence_policy::{
    Compiled, Judge, Reference,
    compiled::{Choice, PodSet, Scope},
    generate,
};

use crate::common::{Size, clusters};

/// The cluster with no policy and one more pod, the last one.
fn bare(cluster: &Cluster, namespace: &str) -> Cluster {
    let mut bare = cluster.clone();
    bare.network_policies.clear();
    bare.tier_policies.clear();
    bare.cilium_policies.clear();
    bare.profile.enforces = true;
    bare.pods.push(Pod {
        namespace: namespace.into(),
        name: "probe".into(),
        workload: WorkloadId(0),
        labels: Labels::default(),
        ports: Vec::new(),
        host_network: false,
        node: None,
        addresses: Vec::new(),
        service_account: "default".into(),
        ready: true,
        finished: false,
        stand_in: false,
        details: None,
        origin: Origin::NONE,
    });
    bare
}

fn enforced(meta: &PolicyMeta) -> Arc<PolicyMeta> {
    Arc::new(PolicyMeta { audit: false, ..meta.clone() })
}

fn plain(cluster: &Cluster) -> impl Iterator<Item = (PodId, &Pod)> {
    (0..).map(PodId).zip(&cluster.pods).filter(|(_, pod)| !pod.finished && !pod.host_network)
}

fn to(cluster: &Cluster, pod: PodId, from: Option<PodId>, family: Family) -> Flow {
    let outside = match family {
        Family::V4 => [203, 0, 113, 99].into(),
        Family::V6 => "2001:db8:ffff::99".parse().unwrap(),
    };
    let from = from.map_or(Endpoint::Address(outside), Endpoint::Pod);
    assert!(cluster.pods.len() > pod.0 as usize);
    Flow { from, to: Endpoint::Pod(pod), family, protocol: Protocol::Tcp, port: 4711, request: None }
}

fn families(cluster: &Cluster, pod: &Pod) -> Vec<Family> {
    let families: Vec<Family> = pod.addresses.iter().map(|address| Family::of(*address)).collect();
    if families.is_empty() {
        return cluster.families();
    }
    families
}

/// The pods that the policies of the cluster isolate for ingress or whose connections they deny.
fn denied(cluster: &Cluster) -> PodSet {
    let judge = Reference { cluster };
    let hit = |(id, pod): (PodId, &Pod)| {
        let mut families = families(cluster, pod).into_iter();
        families
            .any(|family| judge.verdict(&to(cluster, id, None, family)).outcome == Outcome::Deny)
            .then_some(id)
    };
    plain(cluster).filter_map(hit).collect()
}

/// The pods to which the last pod's egress side has the outcome by a rule.
fn reached(cluster: &Cluster, outcome: Outcome) -> PodSet {
    let judge = Reference { cluster };
    let probe = PodId(u32::try_from(cluster.pods.len() - 1).unwrap());
    let hit = |(id, pod): (PodId, &Pod)| {
        let found = families(cluster, pod).into_iter().any(|family| {
            let side = judge.verdict(&to(cluster, id, Some(probe), family)).egress;
            side.outcome == outcome && side.reasons.iter().any(|reason| matches!(reason, Reason::Rule(_)))
        });
        found.then_some(id)
    };
    plain(cluster).filter(|(id, _)| *id != probe).filter_map(hit).collect()
}

fn without_probe(cluster: &Cluster, set: &PodSet) -> PodSet {
    set.iter().filter(|pod| (pod.0 as usize) < cluster.pods.len()).collect()
}

fn network(cluster: &Cluster, scope: &Scope<'_>, policy: &NetworkPolicy) {
    let namespace = policy.meta.namespace.clone().unwrap();
    let mut one = bare(cluster, &namespace);
    let meta = enforced(&policy.meta);
    let subject = NetworkPolicy {
        meta: meta.clone(),
        subject: policy.subject.clone(),
        isolates_ingress: true,
        isolates_egress: false,
        ingress: Vec::new(),
        egress: Vec::new(),
    };
    one.network_policies = vec![subject];
    assert_eq!(scope.network_subject(policy), without_probe(cluster, &denied(&one)), "{policy:?}");
    for peer in policy.ingress.iter().chain(&policy.egress).flat_map(|rule| &rule.peers) {
        let rule = NetworkRule { peers: vec![peer.clone()], ports: Vec::new(), origin: Origin::NONE };
        one.network_policies = vec![NetworkPolicy {
            meta: meta.clone(),
            subject: Selector::default(),
            isolates_ingress: false,
            isolates_egress: true,
            ingress: Vec::new(),
            egress: vec![rule],
        }];
        assert_eq!(scope.network_peer(policy, peer), reached(&one, Outcome::Allow), "{peer:?}");
    }
}

fn tier(cluster: &Cluster, scope: &Scope<'_>, policy: &TierPolicy) {
    let mut one = bare(cluster, "probe");
    let deny = |peers: Vec<TierPeer>| TierRule {
        name: None,
        action: Action::Deny,
        peers,
        ports: Vec::new(),
        origin: Origin::NONE,
    };
    let everything =
        vec![TierPeer::Networks(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], Origin::NONE)];
    let admin = |subject, ingress, egress| TierPolicy {
        meta: enforced(&policy.meta),
        tier: Tier::Admin,
        priority: 1,
        subject,
        ingress,
        egress,
    };
    one.tier_policies = vec![admin(policy.subject.clone(), vec![deny(everything)], Vec::new())];
    assert_eq!(scope.tier_subject(policy), without_probe(cluster, &denied(&one)), "{policy:?}");
    for peer in policy.ingress.iter().chain(&policy.egress).flat_map(|rule| &rule.peers) {
        let chosen = scope.tier_peer(peer);
        if matches!(peer, TierPeer::Unknown(_)) {
            assert!(chosen.is_empty());
            continue;
        }
        let all = TierSubject::Namespaces(Selector::default());
        one.tier_policies = vec![admin(all, Vec::new(), vec![deny(vec![peer.clone()])])];
        assert_eq!(chosen, reached(&one, Outcome::Deny), "{peer:?}");
    }
}

fn cilium(cluster: &Cluster, scope: &Scope<'_>, policy: &CiliumPolicy) {
    let namespace = policy.meta.namespace.clone().unwrap_or_else(|| "probe".into());
    let mut one = bare(cluster, &namespace);
    let of = |spec| vec![CiliumPolicy { meta: enforced(&policy.meta), specs: vec![spec] }];
    let nothing = CiliumSpec {
        subject: CiliumSubject::Endpoints(Selector::default()),
        isolates_ingress: false,
        isolates_egress: false,
        ingress: Vec::new(),
        ingress_deny: Vec::new(),
        egress: Vec::new(),
        egress_deny: Vec::new(),
        origin: Origin::NONE,
    };
    for spec in &policy.specs {
        one.cilium_policies =
            of(CiliumSpec { subject: spec.subject.clone(), isolates_ingress: true, ..nothing.clone() });
        assert_eq!(scope.cilium_subject(policy, spec), without_probe(cluster, &denied(&one)), "{spec:?}");
        let rules = [&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny];
        for peer in rules.into_iter().flatten().flat_map(|rule| rule.peers.iter().flatten()) {
            let rule = CiliumRule {
                peers: Some(vec![peer.clone()]),
                requires: Vec::new(),
                ports: Vec::new(),
                icmps: Vec::new(),
                origin: Origin::NONE,
            };
            one.cilium_policies =
                of(CiliumSpec { isolates_egress: true, egress: vec![rule], ..nothing.clone() });
            assert_eq!(scope.cilium_peer(policy, peer), reached(&one, Outcome::Allow), "{peer:?}");
        }
    }
}

#[test]
fn selectors_mean_the_pods_that_the_reference_matches() {
    for seed in clusters(200) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        // Selectors of policies that are not among the compiled ones mean the same.
        let mut without = cluster.clone();
        without.network_policies.truncate(1);
        without.cilium_policies.clear();
        let compiled = [Compiled::new(cluster.clone()), Compiled::new(without)];
        for scope in compiled.iter().map(Compiled::scope) {
            cluster.network_policies.iter().for_each(|policy| network(&cluster, &scope, policy));
            cluster.tier_policies.iter().for_each(|policy| tier(&cluster, &scope, policy));
            cluster.cilium_policies.iter().for_each(|policy| cilium(&cluster, &scope, policy));
        }
    }
}

#[test]
fn host_network_pods_are_chosen_apart() {
    let mut found = 0;
    for seed in clusters(200) {
        let mut cluster = generate::cluster(seed, &Size::SMALL);
        let compiled = Compiled::new(cluster.clone());
        let scope = compiled.scope();
        let hosts: Vec<PodId> = (0..)
            .map(PodId)
            .zip(&cluster.pods)
            .filter(|(_, pod)| pod.host_network && !pod.finished)
            .map(|(id, _)| id)
            .collect();
        for pod in &mut cluster.pods {
            pod.host_network = false;
        }
        let freed = Compiled::new(cluster.clone());
        let freed = freed.scope();
        for policy in &cluster.network_policies {
            let subject = Choice::NetworkSubject(policy);
            let all = freed.chosen(subject);
            let expected: PodSet = hosts.iter().copied().filter(|host| all.contains(*host)).collect();
            found += expected.len();
            assert_eq!(scope.host_network_pods(subject), expected, "seed {seed}: {policy:?}");
            assert_eq!(scope.chosen(subject), all.difference(&expected));
        }
    }
    assert!(found > 0 || std::env::var_os("RINGFENCE_SEED").is_some());
}

#[test]
fn groups_hold_each_subject_once_with_what_isolates_it() {
    for seed in clusters(200) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        let compiled = Compiled::new(cluster.clone());
        let scope = compiled.scope();
        let groups = compiled.groups();
        let mut pods: Vec<PodId> = groups.iter().flat_map(|group| group.pods.clone()).collect();
        pods.sort();
        assert_eq!(pods, plain(&cluster).map(|(id, _)| id).collect::<Vec<_>>(), "seed {seed}");
        for group in &groups {
            for policy in cluster.network_policies.iter().filter(|policy| !policy.meta.audit) {
                let subject = scope.network_subject(policy);
                for (direction, isolates) in [
                    (Direction::Ingress, policy.isolates_ingress),
                    (Direction::Egress, policy.isolates_egress),
                ] {
                    let standing = group.of(direction);
                    for pod in &group.pods {
                        let applies = subject.contains(*pod) && isolates;
                        assert_eq!(standing.isolating.contains(&policy.meta), applies, "seed {seed}");
                        assert_eq!(standing.selecting.contains(&policy.meta), applies, "seed {seed}");
                    }
                }
            }
        }
    }
}
