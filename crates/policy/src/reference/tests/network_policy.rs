//! NetworkPolicy.

use ringfence_model::{
    label::Selector,
    network_policy::{NetworkPeer, NetworkPolicy, NetworkRule},
    profile::Profile,
    verdict::Missing,
};

use super::*;

/// A policy that isolates its subject in both directions and has no rule.
pub(super) fn isolating(namespace: &str, subject: Selector) -> NetworkPolicy {
    NetworkPolicy {
        meta: meta(PolicyKind::NetworkPolicy, Some(namespace), "np"),
        subject,
        isolates_ingress: true,
        isolates_egress: true,
        ingress: Vec::new(),
        egress: Vec::new(),
    }
}

fn rule(peers: Vec<NetworkPeer>, ports: Vec<PortMatch>) -> NetworkRule {
    NetworkRule { peers, ports, origin: Origin::NONE }
}

fn pods(namespace: Option<Selector>, pod: Option<Selector>) -> NetworkPeer {
    NetworkPeer::Pods { namespace, pod, origin: Origin::NONE }
}

fn block(cidr: &str, except: &[&str]) -> NetworkPeer {
    let except = except.iter().map(|net| net.parse().unwrap()).collect();
    NetworkPeer::IpBlock { cidr: cidr.parse().unwrap(), except, origin: Origin::NONE }
}

fn server_allows(rules: Vec<NetworkRule>) -> Cluster {
    let mut cluster = client_and_server();
    cluster.network_policies = vec![NetworkPolicy { ingress: rules, ..isolating("y", everything()) }];
    cluster
}

#[test]
fn no_rule_lets_nobody_in_and_a_rule_without_peers_everybody() {
    let closed = server_allows(Vec::new());
    assert_eq!(because(&verdict(&closed, CLIENT, SERVER, 80).ingress), ["isolated np"]);
    let open = server_allows(vec![rule(Vec::new(), Vec::new())]);
    assert_eq!(because(&verdict(&open, CLIENT, SERVER, 80).ingress), ["np[0]"]);
    assert_eq!(outcome(&open, address("203.0.113.7"), SERVER, 80), Outcome::Allow);
}

#[test]
fn rules_of_a_direction_that_the_policy_does_not_isolate_have_no_effect() {
    let mut cluster = client_and_server();
    let silent = NetworkPolicy { isolates_ingress: false, ..isolating("y", everything()) };
    let with_rule = NetworkPolicy { ingress: vec![rule(Vec::new(), Vec::new())], ..silent };
    cluster.network_policies = vec![with_rule, isolating("y", everything())];
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Deny);
}

#[test]
fn selectors_in_one_peer_must_both_hold_and_two_peers_are_alternatives() {
    let (team, app) = (selector(&[("team", "x")]), selector(&[("app", "server")]));
    let both = server_allows(vec![rule(vec![pods(Some(team.clone()), Some(app.clone()))], Vec::new())]);
    assert_eq!(outcome(&both, CLIENT, SERVER, 80), Outcome::Deny);
    let either = server_allows(vec![rule(vec![pods(Some(team), None), pods(None, Some(app))], Vec::new())]);
    assert_eq!(outcome(&either, CLIENT, SERVER, 80), Outcome::Allow);
}

#[test]
fn a_pod_selector_alone_means_the_namespace_of_the_policy() {
    let own = server_allows(vec![rule(vec![pods(None, Some(everything()))], Vec::new())]);
    assert_eq!(outcome(&own, CLIENT, SERVER, 80), Outcome::Deny);
}

#[test]
fn a_named_port_is_what_the_destination_pod_calls_so_for_that_protocol() {
    let named = |protocol| vec![port(protocol, PortSpec::Named("web".into()))];
    let tcp = server_allows(vec![rule(Vec::new(), named(Protocol::Tcp))]);
    assert_eq!(outcome(&tcp, CLIENT, SERVER, 80), Outcome::Allow);
    assert_eq!(outcome(&tcp, CLIENT, SERVER, 8080), Outcome::Deny);
    let udp = server_allows(vec![rule(Vec::new(), named(Protocol::Udp))]);
    assert_eq!(outcome(&udp, CLIENT, SERVER, 80), Outcome::Deny);

    let mut egress = client_and_server();
    let policy = NetworkPolicy {
        egress: vec![rule(Vec::new(), named(Protocol::Tcp))],
        ..isolating("x", everything())
    };
    egress.network_policies = vec![policy];
    assert_eq!(outcome(&egress, CLIENT, SERVER, 80), Outcome::Allow);
    // An address has no names for its ports.
    assert_eq!(outcome(&egress, CLIENT, address("203.0.113.7"), 80), Outcome::Deny);
}

#[test]
fn a_range_of_ports_has_both_its_ends_unless_the_cni_ignores_the_second() {
    let mut cluster =
        server_allows(vec![rule(Vec::new(), vec![port(Protocol::Tcp, PortSpec::Range(80, 90))])]);
    let at = |cluster: &Cluster, port| outcome(cluster, CLIENT, SERVER, port);
    assert_eq!(
        [79, 80, 90, 91].map(|port| at(&cluster, port)),
        [Outcome::Deny, Outcome::Allow, Outcome::Allow, Outcome::Deny]
    );
    cluster.profile = Profile::KUBE_ROUTER_1;
    assert_eq!([80, 81, 90].map(|port| at(&cluster, port)), [Outcome::Allow, Outcome::Deny, Outcome::Deny]);
}

#[test]
fn only_rules_without_ports_cover_icmp() {
    let ping = Flow { protocol: Protocol::Icmp, port: 8, ..flow(CLIENT, SERVER, 8) };
    let all_tcp = server_allows(vec![rule(Vec::new(), vec![port(Protocol::Tcp, PortSpec::All)])]);
    assert_eq!(Reference { cluster: &all_tcp }.verdict(&ping).outcome, Outcome::Deny);
    let all = server_allows(vec![rule(Vec::new(), Vec::new())]);
    assert_eq!(Reference { cluster: &all }.verdict(&ping).outcome, Outcome::Allow);
}

#[test]
fn a_block_matches_pods_and_its_exceptions_do_not() {
    let by_block = server_allows(vec![rule(vec![block("10.244.0.0/16", &[])], Vec::new())]);
    assert_eq!(outcome(&by_block, CLIENT, SERVER, 80), Outcome::Allow);
    let excepted = server_allows(vec![rule(vec![block("10.244.0.0/16", &["10.244.0.1/32"])], Vec::new())]);
    assert_eq!(outcome(&excepted, CLIENT, SERVER, 80), Outcome::Deny);
    let mut cilium = by_block;
    cilium.profile = Profile::CILIUM;
    assert_eq!(outcome(&cilium, CLIENT, SERVER, 80), Outcome::Deny);
}

#[test]
fn a_pod_of_unknown_address_is_somewhere_in_the_pod_networks() {
    let with = |cidr| {
        let mut cluster = server_allows(vec![rule(vec![block(cidr, &[])], Vec::new())]);
        cluster.pods[0].addresses.clear();
        verdict(&cluster, CLIENT, SERVER, 80).ingress
    };
    assert_eq!(with("10.244.0.0/16").outcome, Outcome::Allow);
    assert_eq!(with("10.245.0.0/16").outcome, Outcome::Deny);
    let half = with("10.244.0.0/25");
    assert_eq!(half.outcome, Outcome::Unknown);
    assert_eq!(half.missing, [Missing::PodAddress("x/client".into())]);
}

#[test]
fn a_fact_that_changes_nothing_is_not_missing() {
    let mut cluster = server_allows(vec![
        rule(vec![block("10.244.0.0/25", &[])], Vec::new()),
        rule(vec![pods(Some(everything()), None)], Vec::new()),
    ]);
    cluster.pods[0].addresses.clear();
    let side = verdict(&cluster, CLIENT, SERVER, 80).ingress;
    assert_eq!((side.outcome, because(&side)), (Outcome::Allow, vec!["np[1]".to_owned()]));
    assert!(side.missing.is_empty());
}

#[test]
fn the_own_node_always_gets_through_and_another_does_not() {
    let mut cluster = server_allows(Vec::new());
    let probe = |cluster: &Cluster| verdict(cluster, address("192.168.0.10"), SERVER, 80).ingress;
    let unknown = probe(&cluster);
    assert_eq!(unknown.outcome, Outcome::Unknown);
    assert_eq!(unknown.missing, [Missing::PodNode("y/server".into())]);
    cluster.pods[1].node = Some("n".into());
    assert_eq!(probe(&cluster).reasons, [Reason::OwnNode]);
    cluster.pods[1].node = Some("elsewhere".into());
    assert_eq!(probe(&cluster).outcome, Outcome::Deny);
}

#[test]
fn host_network_pods_are_no_subjects_and_no_pods_for_selectors() {
    let mut cluster = server_allows(vec![rule(vec![pods(Some(everything()), None)], Vec::new())]);
    cluster.pods[0].host_network = true;
    cluster.pods[0].node = Some("elsewhere".into());
    cluster.pods[1].node = Some("n".into());
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 80), Outcome::Deny);
    assert_eq!(verdict(&cluster, SERVER, CLIENT, 80).ingress.reasons, [Reason::NotASubject]);
}
