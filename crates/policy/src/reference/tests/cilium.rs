//! Cilium policies.

use ringfence_model::{
    cilium::{
        CiliumPeer, CiliumPolicy, CiliumPortRule, CiliumRule, CiliumSpec, CiliumSubject, Entity, FqdnMatch,
        HttpMatch, IcmpMatch, L7Match,
    },
    flow::Request,
    verdict::{Condition, Missing},
};

use super::*;

/// A policy on the client (or, without a namespace, on all pods) that isolates for egress if it has a rule.
fn policy(namespace: Option<&str>, egress: Vec<CiliumRule>, egress_deny: Vec<CiliumRule>) -> CiliumPolicy {
    let kind = match namespace {
        Some(_) => PolicyKind::CiliumNetworkPolicy,
        None => PolicyKind::CiliumClusterwideNetworkPolicy,
    };
    let spec = CiliumSpec {
        subject: CiliumSubject::Endpoints(everything()),
        isolates_ingress: false,
        isolates_egress: !egress.is_empty() || !egress_deny.is_empty(),
        ingress: Vec::new(),
        ingress_deny: Vec::new(),
        egress,
        egress_deny,
        origin: Origin::NONE,
    };
    CiliumPolicy { meta: meta(kind, namespace, "c"), specs: vec![spec] }
}

fn rule(peers: Vec<CiliumPeer>) -> CiliumRule {
    CiliumRule {
        peers: Some(peers),
        requires: Vec::new(),
        ports: Vec::new(),
        icmps: Vec::new(),
        origin: Origin::NONE,
    }
}

fn endpoints(pairs: &[(&str, &str)]) -> CiliumPeer {
    CiliumPeer::Endpoints(selector(pairs), Origin::NONE)
}

fn entity(entity: Entity) -> CiliumPeer {
    CiliumPeer::Entity(entity, Origin::NONE)
}

fn side(policy: CiliumPolicy, to: Endpoint) -> Side {
    let mut cluster = client_and_server();
    cluster.cilium_policies = vec![policy];
    verdict(&cluster, CLIENT, to, 80).egress
}

fn allows(namespace: Option<&str>, peer: CiliumPeer, to: Endpoint) -> Outcome {
    side(policy(namespace, vec![rule(vec![peer])], Vec::new()), to).outcome
}

#[test]
fn a_selector_of_a_namespaced_policy_stays_in_its_namespace_unless_it_names_one() {
    for (pairs, expected) in [
        (vec![], Outcome::Deny),
        (vec![("k8s:app", "server")], Outcome::Deny),
        (vec![("k8s:io.kubernetes.pod.namespace", "y")], Outcome::Allow),
        (vec![("any:io.cilium.k8s.namespace.labels.team", "y"), ("app", "server")], Outcome::Allow),
        (vec![("container:app", "server")], Outcome::Deny),
    ] {
        assert_eq!(allows(Some("x"), endpoints(&pairs), SERVER), expected, "{pairs:?}");
    }
    assert_eq!(allows(None, endpoints(&[]), SERVER), Outcome::Allow);
    assert_eq!(allows(None, endpoints(&[]), address("203.0.113.7")), Outcome::Deny);
}

#[test]
fn a_deny_rule_wins_over_every_allow_rule_and_isolates() {
    let all = || rule(vec![entity(Entity::All)]);
    assert_eq!(because(&side(policy(None, vec![all()], vec![all()]), SERVER)), ["c[0]"]);
    assert_eq!(side(policy(None, vec![all()], vec![all()]), SERVER).outcome, Outcome::Deny);
    let only = policy(None, Vec::new(), vec![rule(vec![entity(Entity::World)])]);
    assert_eq!(because(&side(only, SERVER)), ["isolated c"]);
}

#[test]
fn without_default_deny_rules_allow_and_nothing_is_isolated() {
    let mut open = policy(None, vec![rule(vec![entity(Entity::World)])], Vec::new());
    open.specs[0].isolates_egress = false;
    assert_eq!(side(open.clone(), SERVER).reasons, [Reason::NotIsolated]);
    assert_eq!(because(&side(open, address("203.0.113.7"))), ["c[0]"]);
}

#[test]
fn a_rule_without_peers_is_for_everyone_and_one_with_an_empty_list_for_no_one() {
    let everyone = CiliumRule { peers: None, ..rule(Vec::new()) };
    assert_eq!(side(policy(None, vec![everyone], Vec::new()), SERVER).outcome, Outcome::Allow);
    assert_eq!(side(policy(None, vec![rule(Vec::new())], Vec::new()), SERVER).outcome, Outcome::Deny);
}

#[test]
fn cidrs_and_world_are_outside_the_cluster_and_cluster_is_inside() {
    let everywhere = || CiliumPeer::Cidr {
        cidr: "0.0.0.0/0".parse().unwrap(),
        except: vec!["203.0.113.128/25".parse().unwrap()],
        origin: Origin::NONE,
    };
    for (peer, pod, node, near, far) in [
        (everywhere(), false, false, true, false),
        (entity(Entity::World), false, false, true, true),
        (entity(Entity::Cluster), true, true, false, false),
        (entity(Entity::All), true, true, true, true),
    ] {
        let targets = [SERVER, address("192.168.0.10"), address("203.0.113.7"), address("203.0.113.200")];
        let mut cluster = client_and_server();
        cluster.pods[0].node = Some("elsewhere".into());
        cluster.cilium_policies = vec![policy(None, vec![rule(vec![peer.clone()])], Vec::new())];
        let allowed = targets.map(|to| outcome(&cluster, CLIENT, to, 80) == Outcome::Allow);
        assert_eq!(allowed, [pod, node, near, far], "{peer:?}");
    }
}

#[test]
fn reserved_labels_are_entities_and_their_negation_too() {
    let world = |operator| {
        let requirement =
            Requirement { key: "reserved:world".into(), operator, values: Vec::new(), origin: Origin::NONE };
        CiliumPeer::Endpoints(
            Selector { requirements: vec![requirement], origin: Origin::NONE },
            Origin::NONE,
        )
    };
    let outside = || address("203.0.113.7");
    assert_eq!(allows(Some("x"), endpoints(&[("reserved:world", "")]), outside()), Outcome::Allow);
    assert_eq!(allows(Some("x"), world(Operator::Exists), outside()), Outcome::Allow);
    assert_eq!(allows(Some("x"), world(Operator::Exists), SERVER), Outcome::Deny);
    assert_eq!(allows(Some("x"), world(Operator::DoesNotExist), outside()), Outcome::Deny);
    // Such a selector is not bound to the namespace of its policy.
    assert_eq!(allows(Some("x"), world(Operator::DoesNotExist), SERVER), Outcome::Allow);
}

#[test]
fn the_own_node_is_host_and_other_nodes_are_remote() {
    let mut cluster = client_and_server();
    let node = || address("192.168.0.10");
    let deny = |peer| policy(None, Vec::new(), vec![rule(vec![entity(peer)])]);
    for (own, host, remote) in
        [(Some("n"), Outcome::Deny, Outcome::Allow), (Some("elsewhere"), Outcome::Deny, Outcome::Deny)]
    {
        cluster.pods[0].node = own.map(Text::from);
        // A deny rule that does not match isolates; then only the own node gets through.
        cluster.cilium_policies = vec![deny(Entity::Host)];
        assert_eq!(outcome(&cluster, CLIENT, node(), 80), host);
        cluster.cilium_policies = vec![deny(Entity::RemoteNode)];
        assert_eq!(outcome(&cluster, CLIENT, node(), 80), remote);
    }
    cluster.pods[0].node = None;
    let side = verdict(&cluster, CLIENT, node(), 80).egress;
    assert_eq!((side.outcome, side.missing), (Outcome::Unknown, vec![Missing::PodNode("x/client".into())]));
}

fn http(method: &str, host: Option<&str>) -> CiliumRule {
    let wanted =
        HttpMatch { method: Some(method.into()), host: host.map(Text::from), ..HttpMatch::default() };
    let ports = CiliumPortRule {
        ports: vec![port(Protocol::Tcp, PortSpec::Range(80, 80))],
        l7: vec![L7Match::Http(wanted)],
        origin: Origin::NONE,
    };
    CiliumRule { ports: vec![ports], ..rule(vec![entity(Entity::All)]) }
}

fn get(host: Option<&str>) -> Flow {
    let request = Request::Http {
        method: "GET".into(),
        path: "/".into(),
        host: host.map(Text::from),
        headers: Vec::new(),
    };
    Flow { request: Some(request), ..flow(CLIENT, SERVER, 80) }
}

#[test]
fn requests_decide_conditions_and_a_rule_without_conditions_needs_none() {
    let mut cluster = client_and_server();
    cluster.cilium_policies =
        vec![policy(None, vec![http("GET|HEAD", None), http("POST", None)], Vec::new())];
    let open = verdict(&cluster, CLIENT, SERVER, 80).egress;
    assert_eq!((open.outcome, open.conditions.len()), (Outcome::AllowIf, 2));
    let judge = |cluster: &Cluster, flow: &Flow| Reference { cluster }.verdict(flow).egress;
    assert_eq!(because(&judge(&cluster, &get(None))), ["c[0]"]);
    // The whole method must match.
    cluster.cilium_policies = vec![policy(None, vec![http("GE", None)], Vec::new())];
    assert_eq!(judge(&cluster, &get(None)).outcome, Outcome::Deny);
    let plain = rule(vec![entity(Entity::All)]);
    cluster.cilium_policies = vec![policy(None, vec![http("POST", None), plain], Vec::new())];
    assert_eq!(because(&judge(&cluster, &get(None))), ["c[1]"]);
}

#[test]
fn a_host_that_the_request_leaves_out_is_missing_only_if_the_rest_matches() {
    let mut cluster = client_and_server();
    let judge = |cluster: &Cluster, flow: &Flow| Reference { cluster }.verdict(flow).egress;
    cluster.cilium_policies = vec![policy(None, vec![http("GET", Some("a\\.com"))], Vec::new())];
    assert_eq!(judge(&cluster, &get(None)).missing, [Missing::RequestDetail("host".into())]);
    assert_eq!(judge(&cluster, &get(Some("a.com"))).outcome, Outcome::Allow);
    cluster.cilium_policies = vec![policy(None, vec![http("POST", Some("a\\.com"))], Vec::new())];
    assert_eq!(judge(&cluster, &get(None)).outcome, Outcome::Deny);
}

#[test]
fn names_match_by_pattern_and_addresses_may_have_been_resolved() {
    let fqdn = |pattern: &str| CiliumPeer::Fqdn(FqdnMatch::Pattern(pattern.into()), Origin::NONE);
    for (pattern, name, expected) in [
        ("*.example.com", "api.example.com", Outcome::Allow),
        ("*.example.com", "a.b.example.com", Outcome::Deny),
        ("**.example.com", "a.b.example.com", Outcome::Allow),
        ("**.example.com", "example.com", Outcome::Deny),
        ("api*.example.com", "API.example.com", Outcome::Allow),
        ("*", "anything.org", Outcome::Allow),
    ] {
        assert_eq!(allows(None, fqdn(pattern), Endpoint::Name(name.into())), expected, "{pattern} {name}");
    }
    let resolved =
        side(policy(None, vec![rule(vec![fqdn("*.example.com")])], Vec::new()), address("203.0.113.7"));
    let condition = Condition::ResolvedFrom(FqdnMatch::Pattern("*.example.com".into()));
    assert_eq!((resolved.outcome, resolved.conditions), (Outcome::AllowIf, vec![condition]));
    assert_eq!(allows(None, fqdn("*"), SERVER), Outcome::Deny);
}

#[test]
fn a_rule_with_icmp_types_is_about_them_alone() {
    let icmps = vec![IcmpMatch { protocol: Protocol::Icmp, kind: 8, origin: Origin::NONE }];
    let ping = CiliumRule { icmps, ..rule(vec![entity(Entity::All)]) };
    let mut cluster = client_and_server();
    cluster.cilium_policies = vec![policy(None, vec![ping], Vec::new())];
    assert_eq!(outcome(&cluster, CLIENT, SERVER, 8), Outcome::Deny);
    for (kind, expected) in [(8, Outcome::Allow), (0, Outcome::Deny)] {
        let echo = Flow { protocol: Protocol::Icmp, ..flow(CLIENT, SERVER, kind) };
        assert_eq!(Reference { cluster: &cluster }.verdict(&echo).outcome, expected);
    }
}

#[test]
fn what_a_rule_requires_every_rule_for_the_subject_requires() {
    let with = |required, peer| {
        let requiring = CiliumRule { requires: vec![selector(required)], ..rule(Vec::new()) };
        policy(None, vec![rule(vec![peer]), requiring], Vec::new())
    };
    let everyone = || CiliumPeer::Endpoints(selector(&[]), Origin::NONE);
    assert_eq!(side(with(&[("app", "server")], everyone()), SERVER).outcome, Outcome::Allow);
    assert_eq!(side(with(&[("app", "other")], everyone()), SERVER).outcome, Outcome::Deny);
    assert_eq!(side(with(&[("app", "other")], entity(Entity::All)), SERVER).outcome, Outcome::Allow);
}
