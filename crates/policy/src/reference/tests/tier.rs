//! The Admin and Baseline tiers.

use ringfence_model::{
    cilium::FqdnMatch,
    tier::{Action, Tier, TierPeer, TierPolicy, TierRule, TierSubject},
    verdict::{Condition, Missing},
};

use super::*;

fn policy(tier: Tier, priority: i32, name: &str, egress: Vec<TierRule>) -> TierPolicy {
    TierPolicy {
        meta: meta(PolicyKind::ClusterNetworkPolicy, None, name),
        tier,
        priority,
        subject: TierSubject::Namespaces(everything()),
        ingress: Vec::new(),
        egress,
    }
}

fn rule(action: Action, peer: TierPeer) -> TierRule {
    TierRule { name: None, action, peers: vec![peer], ports: Vec::new(), origin: Origin::NONE }
}

fn all_pods() -> TierPeer {
    TierPeer::Namespaces(everything(), Origin::NONE)
}

fn networks(nets: &[&str]) -> TierPeer {
    TierPeer::Networks(nets.iter().map(|net| net.parse().unwrap()).collect(), Origin::NONE)
}

fn egress(policies: Vec<TierPolicy>, to: Endpoint) -> Side {
    let mut cluster = client_and_server();
    cluster.tier_policies = policies;
    verdict(&cluster, CLIENT, to, 80).egress
}

#[test]
fn the_first_match_by_priority_decides_and_pass_hands_on() {
    let deny = policy(Tier::Admin, 2, "deny", vec![rule(Action::Deny, all_pods())]);
    let pass = policy(Tier::Admin, 1, "pass", vec![rule(Action::Pass, all_pods())]);
    let base = policy(Tier::Baseline, 1, "base", vec![rule(Action::Deny, all_pods())]);
    assert_eq!(because(&egress(vec![pass.clone(), deny.clone()], SERVER)), ["passed pass[0]", "NotIsolated"]);
    assert_eq!(because(&egress(vec![deny.clone()], SERVER)), ["deny[0]"]);
    let side = egress(vec![pass.clone(), deny, base.clone()], SERVER);
    assert_eq!(
        (side.outcome, because(&side)),
        (Outcome::Deny, vec!["passed pass[0]".to_owned(), "base[0]".to_owned()])
    );

    // A NetworkPolicy that isolates leaves nothing to the Baseline tier.
    let mut cluster = client_and_server();
    cluster.tier_policies = vec![pass, base];
    cluster.network_policies = vec![network_policy::isolating("x", everything())];
    assert_eq!(because(&verdict(&cluster, CLIENT, SERVER, 80).egress), ["passed pass[0]", "isolated np"]);
}

#[test]
fn the_order_of_equal_priorities_matters_only_where_the_outcomes_differ() {
    let one = |name, action| policy(Tier::Admin, 1, name, vec![rule(action, all_pods())]);
    let differ = egress(vec![one("a", Action::Accept), one("b", Action::Deny)], SERVER);
    assert_eq!(differ.outcome, Outcome::Unknown);
    assert_eq!(differ.missing, [Missing::PriorityOrder(vec!["a".into(), "b".into()])]);
    let same = egress(vec![one("a", Action::Deny), one("b", Action::Deny)], SERVER);
    assert_eq!(because(&same), ["a[0]", "b[0]"]);
    // Accepted or passed to a tier that allows: allowed in either order, for the more restrictive reason.
    let alike = egress(vec![one("a", Action::Accept), one("b", Action::Pass)], SERVER);
    assert_eq!(
        (alike.outcome, because(&alike)),
        (Outcome::Allow, vec!["passed b[0]".to_owned(), "NotIsolated".to_owned()])
    );
}

#[test]
fn networks_match_pods_and_two_halves_hold_a_pod_of_unknown_address() {
    let deny = |nets: &[&str]| vec![policy(Tier::Admin, 1, "p", vec![rule(Action::Deny, networks(nets))])];
    assert_eq!(egress(deny(&["10.244.0.2/32"]), SERVER).outcome, Outcome::Deny);
    let mut cluster = client_and_server();
    cluster.pods[1].addresses.clear();
    cluster.tier_policies = deny(&["10.244.0.0/25"]);
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Unknown);
    cluster.tier_policies = deny(&["10.244.0.0/25", "10.244.0.128/25"]);
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Deny);
}

#[test]
fn nodes_are_addresses_and_host_network_pods() {
    let peer = TierPeer::Nodes(selector(&[("zone", "a")]), Origin::NONE);
    let deny = vec![policy(Tier::Admin, 1, "p", vec![rule(Action::Deny, peer)])];
    assert_eq!(egress(deny.clone(), address("192.168.0.10")).outcome, Outcome::Deny);
    assert_eq!(egress(deny.clone(), address("192.168.0.11")).outcome, Outcome::Allow);
    let mut cluster = client_and_server();
    cluster.tier_policies = deny;
    cluster.pods[1].host_network = true;
    for (node, missing) in [
        (None, Missing::PodNode("y/server".into())),
        (Some("elsewhere"), Missing::NodeLabels("elsewhere".into())),
    ] {
        cluster.pods[1].node = node.map(Text::from);
        assert_eq!(verdict(&cluster, CLIENT, SERVER, 80).egress.missing, [missing]);
    }
    cluster.pods[1].node = Some("n".into());
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Deny);
}

#[test]
fn a_wildcard_name_means_names_below_it_and_an_address_may_be_one() {
    let peer = TierPeer::DomainNames(vec!["*.example.com".into()], Origin::NONE);
    let policies = vec![
        policy(Tier::Admin, 1, "names", vec![rule(Action::Accept, peer)]),
        policy(Tier::Admin, 2, "rest", vec![rule(Action::Deny, networks(&["0.0.0.0/0"]))]),
    ];
    let name = |name: &str| egress(policies.clone(), Endpoint::Name(name.into())).outcome;
    assert_eq!(name("a.b.example.com"), Outcome::Allow);
    assert_eq!(name("example.com"), Outcome::Deny);
    let side = egress(policies.clone(), address("203.0.113.7"));
    assert_eq!(side.outcome, Outcome::AllowIf);
    assert_eq!(side.conditions, [Condition::ResolvedFrom(FqdnMatch::Pattern("*.example.com".into()))]);
    // A pod is no domain name.
    assert_eq!(egress(policies, SERVER).outcome, Outcome::Deny);
}

#[test]
fn a_rule_with_an_unknown_peer_fails_closed() {
    let with = |action| {
        let unknown =
            TierRule { peers: vec![TierPeer::Unknown(Origin::NONE), all_pods()], ..rule(action, all_pods()) };
        egress(vec![policy(Tier::Admin, 1, "p", vec![unknown])], SERVER)
    };
    assert_eq!(with(Action::Accept).reasons, [Reason::NotIsolated]);
    for action in [Action::Pass, Action::Deny] {
        assert_eq!((with(action).outcome, because(&with(action))), (Outcome::Deny, vec!["p[0]".to_owned()]));
    }
}

#[test]
fn explicit_rules_hold_for_the_own_node_too() {
    let mut cluster = client_and_server();
    cluster.pods[0].node = Some("n".into());
    let peer = TierPeer::Nodes(everything(), Origin::NONE);
    for tier in [Tier::Admin, Tier::Baseline] {
        cluster.tier_policies = vec![policy(tier, 1, "p", vec![rule(Action::Deny, peer.clone())])];
        assert_eq!(outcome(&cluster, CLIENT, address("192.168.0.10"), 80), Outcome::Deny);
    }
    // Between them NetworkPolicy, which never blocks it.
    cluster.network_policies = vec![network_policy::isolating("x", everything())];
    assert_eq!(outcome(&cluster, CLIENT, address("192.168.0.10"), 80), Outcome::Allow);
}
