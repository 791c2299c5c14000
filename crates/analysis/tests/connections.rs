//! Laws of connections and differences on random clusters: they say the same as single verdicts, pair by pair.

#[cfg(test)]
mod laws {
    use std::collections::BTreeMap;

    use ringfence_analysis::{
        connections::{By, End, Listing, Map, View, permits},
        diff::{self, diff},
    };
    use ringfence_model::{
        address::{Family, IpSet},
        cluster::Cluster,
        flow::{Endpoint, Flow},
        port::Protocol,
        verdict::{Direction, Outcome},
        workload::PodId,
    };
    use ringfence_policy::{
        Compiled, Judge,
        generate::{self, Size},
        permit::Permit,
    };

    const CASES: u64 = 200;
    const SIZE: Size =
        Size { workloads: 5, network_policies: 5, tier_policies: 4, cilium_policies: 3, ..Size::SMALL };

    /// Whether some connection is allowed, allowed under conditions, or not known.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Answer {
        allowed: bool,
        conditional: bool,
        maybe: bool,
    }

    impl Answer {
        fn of_permit(permit: Option<&Permit>, protocol: Protocol, port: u16) -> Self {
            let Some(permit) = permit else { return Self::default() };
            Self {
                allowed: permits::of(&permit.allowed, protocol).contains(port),
                conditional: permit
                    .conditional
                    .iter()
                    .any(|entry| entry.protocol == protocol && entry.ports.contains(port)),
                maybe: permits::of(&permit.maybe, protocol).contains(port),
            }
        }

        /// What several pairs come to. What is allowed is no longer conditional or unknown.
        fn of_outcomes(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
            let mut answer = Self::default();
            for outcome in outcomes {
                match outcome {
                    Outcome::Allow => answer.allowed = true,
                    Outcome::AllowIf => answer.conditional = true,
                    Outcome::Unknown => answer.maybe = true,
                    Outcome::Deny => {}
                }
            }
            answer.conditional &= !answer.allowed;
            answer.maybe &= !answer.allowed;
            answer
        }
    }

    /// The outcome for one pair of ends: the best that any family has.
    fn outcome(judge: &Compiled, from: &Endpoint, to: &Endpoint, protocol: Protocol, port: u16) -> Outcome {
        let cluster = judge.cluster();
        let families = |end: &Endpoint| match end {
            Endpoint::Pod(id) => {
                let pod = cluster.pod(*id).unwrap();
                let has = |family: &Family| {
                    pod.addresses.iter().any(|address| Family::of(*address) == *family)
                        || (pod.addresses.is_empty() && cluster.families().contains(family))
                };
                Family::BOTH.into_iter().filter(has).collect::<Vec<_>>()
            }
            Endpoint::Address(address) => vec![Family::of(*address)],
            Endpoint::Name(_) => Vec::new(),
        };
        let both = families(from).into_iter().filter(|family| families(to).contains(family));
        let verdict = |family| {
            let flow = Flow { from: from.clone(), to: to.clone(), family, protocol, port, request: None };
            judge.verdict(&flow).outcome
        };
        both.map(verdict).min().unwrap_or(Outcome::Deny)
    }

    fn inside(listing: &Listing<'_>) -> BTreeMap<(usize, usize), Permit> {
        let mut found = BTreeMap::new();
        listing
            .each::<()>(|from, to, permit| {
                if let (End::Unit(from), End::Unit(to)) = (from, to) {
                    found.insert((from, to), permit.clone());
                }
                Ok(())
            })
            .unwrap();
        found
    }

    fn ports(cluster: &Cluster, seed: u64) -> Vec<(Protocol, u16)> {
        let mut rng = generate::rng(seed);
        let flows = (0..12).map(|_| generate::flow(cluster, &mut rng));
        let ports = flows.map(|flow| (flow.protocol, flow.port));
        let mut ports: Vec<_> =
            ports.filter(|(protocol, port)| Protocol::WITH_PORTS.contains(protocol) && *port > 0).collect();
        ports.sort();
        ports.dedup();
        ports
    }

    /// A random cluster. A host-network pod has the addresses of its node, no others.
    fn cluster_of(seed: u64) -> Cluster {
        let mut cluster = generate::cluster(seed, &SIZE);
        for pod in cluster.pods.iter_mut().filter(|pod| pod.host_network) {
            pod.addresses.clear();
        }
        cluster
    }

    #[test]
    fn connections_agree_with_verdicts_pair_by_pair() {
        for seed in 0..CASES {
            let compiled = Compiled::new(cluster_of(seed));
            for by in [By::Workload, By::Pod] {
                let view = View { own: true, ..View::all() };
                let listing = Listing { map: Map::new(&compiled, by), view };
                let found = inside(&listing);
                let units = listing.map.units();
                for (protocol, port) in ports(compiled.cluster(), seed) {
                    for (from, source) in units.iter().enumerate() {
                        for (to, target) in units.iter().enumerate() {
                            let pairs =
                                source.pods.iter().flat_map(|a| target.pods.iter().map(move |b| (*a, *b)));
                            let outcomes = pairs.filter(|(a, b)| a != b).map(|(a, b)| {
                                outcome(&compiled, &Endpoint::Pod(a), &Endpoint::Pod(b), protocol, port)
                            });
                            assert_eq!(
                                Answer::of_permit(found.get(&(from, to)), protocol, port),
                                Answer::of_outcomes(outcomes),
                                "seed {seed}, {by:?}, {} to {}, {port}/{protocol}",
                                source.name(compiled.cluster()),
                                target.name(compiled.cluster()),
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_outside_agrees_with_verdicts_address_by_address() {
        for seed in 0..CASES {
            let compiled = Compiled::new(generate::cluster(seed, &SIZE));
            let cluster = compiled.cluster();
            let map = Map::new(&compiled, By::Workload);
            let mut rng = generate::rng(seed);
            let ends =
                (0..40).map(|_| generate::flow(cluster, &mut rng)).flat_map(|flow| [flow.from, flow.to]);
            let addresses: Vec<_> = ends
                .filter_map(|end| match end {
                    Endpoint::Address(address) => Some(address),
                    _ => None,
                })
                .filter(|address| !cluster.own_addresses().contains(*address))
                .collect();
            for unit in map.units() {
                for direction in [Direction::Egress, Direction::Ingress] {
                    let outside = map.outside(unit.class, direction);
                    for (at, (a, _)) in outside.iter().enumerate() {
                        assert!(outside.iter().skip(at + 1).all(|(b, _)| a.is_disjoint(b)), "seed {seed}");
                    }
                    for address in
                        addresses.iter().filter(|address| map.outside_space(unit.class).contains(**address))
                    {
                        let permit =
                            outside.iter().find(|(set, _)| set.contains(*address)).map(|(_, permit)| permit);
                        for (protocol, port) in ports(cluster, seed) {
                            let other = Endpoint::Address(*address);
                            let outcomes = unit
                                .pods
                                .iter()
                                .filter(|pod| may_have(cluster, **pod, *address))
                                .map(|pod| match direction {
                                    Direction::Egress => {
                                        outcome_any(&compiled, &Endpoint::Pod(*pod), &other, protocol, port)
                                    }
                                    Direction::Ingress => {
                                        outcome_any(&compiled, &other, &Endpoint::Pod(*pod), protocol, port)
                                    }
                                });
                            assert_eq!(
                                Answer::of_permit(permit, protocol, port),
                                Answer::of_outcomes(outcomes),
                                "seed {seed}, {} {direction:?} {address}, {port}/{protocol}",
                                unit.name(cluster),
                            );
                        }
                    }
                }
            }
        }
    }

    fn may_have(cluster: &Cluster, pod: PodId, address: std::net::IpAddr) -> bool {
        let pod = cluster.pod(pod).unwrap();
        pod.addresses.is_empty() || pod.addresses.iter().any(|own| Family::of(*own) == Family::of(address))
    }

    /// The outcome in the family of the address, whatever families the cluster shows.
    fn outcome_any(
        judge: &Compiled,
        from: &Endpoint,
        to: &Endpoint,
        protocol: Protocol,
        port: u16,
    ) -> Outcome {
        let family = match (from, to) {
            (Endpoint::Address(address), _) | (_, Endpoint::Address(address)) => Family::of(*address),
            _ => Family::V4,
        };
        judge
            .verdict(&Flow { from: from.clone(), to: to.clone(), family, protocol, port, request: None })
            .outcome
    }

    #[test]
    fn nothing_differs_from_itself() {
        for seed in 0..CASES {
            let compiled = Compiled::new(generate::cluster(seed, &SIZE));
            let found = diff(&compiled, &compiled, true);
            assert!(
                found.changes.is_empty() && found.added.is_empty() && found.removed.is_empty(),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_difference_is_what_connections_differ_in() {
        for seed in 0..CASES {
            let mut cluster = generate::cluster(seed, &SIZE);
            let old = Compiled::new(cluster.clone());
            match seed % 3 {
                0 => drop(cluster.network_policies.pop()),
                1 => drop(cluster.tier_policies.pop()),
                _ => drop(cluster.cilium_policies.pop()),
            }
            let new = Compiled::new(cluster);
            let found = diff(&old, &new, true);
            let list = |compiled| {
                let view = View { own: true, ..View::all() };
                let listing = Listing { map: Map::new(compiled, By::Workload), view };
                inside(&listing)
            };
            let (before, after) = (list(&old), list(&new));
            let mut changes = BTreeMap::new();
            for change in &found.changes {
                if let (diff::End::Workload(from), diff::End::Workload(to)) = (&change.from, &change.to) {
                    changes.insert((*from, *to), ((*change.before).clone(), (*change.after).clone()));
                }
            }
            let mut expected = BTreeMap::new();
            for key in before.keys().chain(after.keys()) {
                let of = |map: &BTreeMap<(usize, usize), Permit>| map.get(key).cloned().unwrap_or_default();
                if of(&before) != of(&after) {
                    expected.insert(*key, (of(&before), of(&after)));
                }
            }
            assert_eq!(changes, expected, "seed {seed}");
            let reversed = diff(&new, &old, true);
            let opened = found.changes.iter().filter(|change| change.kind == diff::Kind::Opened).count();
            let cut = reversed.changes.iter().filter(|change| change.kind == diff::Kind::Cut).count();
            assert_eq!(opened, cut, "seed {seed}");
            for change in &found.changes {
                // A node's address is judged as its node where a pod runs on it: no sample of the outside.
                let own = [&change.from, &change.to].into_iter().any(|end| match end {
                    diff::End::Outside(set) => new.cluster().own_addresses().contains_set(set),
                    diff::End::Workload(_) => false,
                });
                assert!(
                    own || !change.because.is_empty() || change.before.maybe != change.after.maybe,
                    "seed {seed}: {change:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_denied_and_what_is_not_is_everything() {
        for seed in 0..CASES / 3 {
            let compiled = Compiled::new(generate::cluster(seed, &SIZE));
            let list = |denied| {
                let view = View { own: true, denied, ..View::all() };
                inside(&Listing { map: Map::new(&compiled, By::Workload), view })
            };
            let (open, closed) = (list(false), list(true));
            let map = Map::new(&compiled, By::Workload);
            for from in 0..map.units().len() {
                for to in (0..map.units().len()).filter(|to| *to != from) {
                    let open = open.get(&(from, to)).cloned().unwrap_or_default();
                    let closed =
                        closed.get(&(from, to)).map(|permit| permit.allowed.clone()).unwrap_or_default();
                    assert_eq!(permits::denied(&open), closed, "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn addresses_of_pod_networks_are_not_outside() {
        for seed in 0..CASES / 3 {
            let compiled = Compiled::new(generate::cluster(seed, &SIZE));
            let map = Map::new(&compiled, By::Pod);
            let networks: IpSet = compiled.cluster().pod_networks();
            for unit in map.units() {
                for (addresses, permit) in map.outside(unit.class, Direction::Egress) {
                    assert!(addresses.is_disjoint(&networks) && !addresses.is_empty() && !permit.is_empty());
                }
            }
        }
    }
}
