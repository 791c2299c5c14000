//! All pairs at once against the reference, pair by pair.

use std::net::IpAddr;

use ringfence_model::{
    address::Family,
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::Protocol,
    verdict::{Condition, Direction, Outcome, Verdict},
    workload::{Pod, PodId},
};
use ringfence_policy::{
    Compiled, Judge, Reference,
    compiled::{CellId, Reach},
    generate::{self, Rng, describe},
    permit::Permit,
};

use crate::common::{Size, clusters};

/// What a permit says about one port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Allow,
    AllowIf(Vec<Condition>, Vec<Condition>),
    Maybe,
    Deny,
}

fn answer(permit: &Permit, protocol: Protocol, port: u16) -> Answer {
    let listed = |list: &[(Protocol, ringfence_model::port::PortSet)]| {
        list.iter().any(|(known, ports)| *known == protocol && ports.contains(port))
    };
    let conditional: Vec<_> = permit
        .conditional
        .iter()
        .filter(|one| one.protocol == protocol && one.ports.contains(port))
        .collect();
    let (allowed, maybe) = (listed(&permit.allowed), listed(&permit.maybe));
    let parts = usize::from(allowed) + usize::from(maybe) + conditional.len();
    assert!(parts < 2, "port {port} is in two parts of {permit:?}");
    match conditional.first() {
        Some(one) => Answer::AllowIf(one.egress.clone(), one.ingress.clone()),
        None if allowed => Answer::Allow,
        None if maybe => Answer::Maybe,
        None => Answer::Deny,
    }
}

/// What the verdicts of all families come to. Conditions are compared where one family alone decides.
fn expected(verdicts: &[Verdict]) -> Answer {
    let has = |outcome| verdicts.iter().any(|verdict| verdict.outcome == outcome);
    if has(Outcome::Allow) {
        Answer::Allow
    } else if let Some(verdict) = verdicts.iter().find(|verdict| verdict.outcome == Outcome::AllowIf) {
        Answer::AllowIf(verdict.egress.conditions.clone(), verdict.ingress.conditions.clone())
    } else if has(Outcome::Unknown) {
        Answer::Maybe
    } else {
        Answer::Deny
    }
}

fn agree(found: &Answer, verdicts: &[Verdict]) -> bool {
    match (found, expected(verdicts)) {
        (Answer::AllowIf(..), Answer::AllowIf(..)) if verdicts.len() > 1 => true,
        (found, expected) => *found == expected,
    }
}

/// The families that a pod has addresses of; of a pod without known addresses, those of the cluster.
fn families(cluster: &Cluster, pod: &Pod) -> Vec<Family> {
    if pod.addresses.is_empty() {
        return cluster.families();
    }
    Family::BOTH
        .into_iter()
        .filter(|family| pod.addresses.iter().any(|address| Family::of(*address) == *family))
        .collect()
}

fn port(cluster: &Cluster, rng: &mut Rng) -> (Protocol, u16) {
    loop {
        let flow = generate::flow(cluster, rng);
        if Protocol::WITH_PORTS.contains(&flow.protocol) {
            return (flow.protocol, flow.port);
        }
    }
}

fn verdicts(
    cluster: &Cluster,
    ends: [Endpoint; 2],
    families: &[Family],
    protocol: Protocol,
    port: u16,
) -> Vec<Verdict> {
    let [from, to] = ends;
    let flow = |family: &Family| Flow {
        from: from.clone(),
        to: to.clone(),
        family: *family,
        protocol,
        port,
        request: None,
    };
    families.iter().map(|family| Reference { cluster }.verdict(&flow(family))).collect()
}

fn pairs(cluster: &Cluster, reach: &Reach<'_>, rng: &mut Rng) -> Option<String> {
    let alive =
        || (0..).zip(&cluster.pods).filter(|(_, pod)| !pod.finished).map(|(at, pod)| (PodId(at), pod));
    for (from, source) in alive() {
        for (to, target) in alive() {
            let both: Vec<Family> = families(cluster, source)
                .into_iter()
                .filter(|family| families(cluster, target).contains(family))
                .collect();
            let permit = reach.pod_permit(from, to);
            for _ in 0..4 {
                let (protocol, port) = port(cluster, rng);
                let ends = [Endpoint::Pod(from), Endpoint::Pod(to)];
                let verdicts = verdicts(cluster, ends.clone(), &both, protocol, port);
                let found = answer(&permit, protocol, port);
                if from != to && !agree(&found, &verdicts) {
                    return Some(report(cluster, ends, both.first(), (protocol, port), &found, &verdicts));
                }
            }
        }
    }
    None
}

fn outside(cluster: &Cluster, reach: &Reach<'_>, rng: &mut Rng) -> Option<String> {
    for _ in 0..40 {
        let (address, pod) = match generate::flow(cluster, rng) {
            Flow { from: Endpoint::Address(address), to: Endpoint::Pod(pod), .. } => (address, pod),
            Flow { from: Endpoint::Pod(pod), to: Endpoint::Address(address), .. } => (address, pod),
            _ => continue,
        };
        let Some(cell) = reach.cell_of(pod) else { continue };
        if cluster.own_addresses().contains(address) || !could_have(cluster, reach, cell, address) {
            continue;
        }
        for direction in [Direction::Egress, Direction::Ingress] {
            let parts = reach.external(cell, direction);
            let mut holding = parts.iter().filter(|(set, _)| set.contains(address));
            let part = holding.next();
            assert!(holding.next().is_none(), "{address} is in two parts");
            let (protocol, port) = port(cluster, rng);
            let found = part.map_or(Answer::Deny, |(_, permit)| answer(permit, protocol, port));
            let ends = match direction {
                Direction::Egress => [Endpoint::Pod(pod), Endpoint::Address(address)],
                Direction::Ingress => [Endpoint::Address(address), Endpoint::Pod(pod)],
            };
            let family = Family::of(address);
            let verdicts = verdicts(cluster, ends.clone(), &[family], protocol, port);
            if !agree(&found, &verdicts) {
                return Some(report(cluster, ends, Some(&family), (protocol, port), &found, &verdicts));
            }
        }
    }
    None
}

/// Whether the pods of a cell have, or may have, an address of the family.
fn could_have(cluster: &Cluster, reach: &Reach<'_>, cell: CellId, address: IpAddr) -> bool {
    let pods = reach.cells().get(cell.0 as usize).into_iter().flat_map(|cell| &cell.pods);
    pods.filter_map(|pod| cluster.pod(*pod)).all(|pod| {
        pod.addresses.is_empty() || pod.addresses.iter().any(|own| Family::of(*own) == Family::of(address))
    })
}

fn report(
    cluster: &Cluster,
    [from, to]: [Endpoint; 2],
    family: Option<&Family>,
    (protocol, port): (Protocol, u16),
    found: &Answer,
    verdicts: &[Verdict],
) -> String {
    let family = family.copied().unwrap_or(Family::V4);
    let flow = Flow { from, to, family, protocol, port, request: None };
    let mut shows = format!("All pairs: {found:?}\n");
    for verdict in verdicts {
        shows.push_str(&format!("Reference: {}\n", describe(verdict)));
    }
    generate::case("All pairs differ", &shows, cluster, &flow, Outcome::Unknown)
}

/// The first pair for which the two differ, if there is one; of the smallest cluster that still has such a pair.
fn difference(seed: u64, cluster: &Cluster) -> Option<String> {
    let look = |cluster: &Cluster| {
        let compiled = Compiled::new(cluster.clone());
        let reach = compiled.reach();
        let mut rng = generate::rng(seed);
        pairs(cluster, &reach, &mut rng).or_else(|| outside(cluster, &reach, &mut rng))
    };
    look(cluster)?;
    // The flow plays no part: pairs are looked at anew.
    let flow = generate::flow(&Cluster::default(), &mut generate::rng(seed));
    let (small, _) = generate::shrink(cluster.clone(), flow, |cluster, _| look(cluster).is_some());
    look(&small).map(|case| format!("seed {seed}\n{case}"))
}

#[test]
fn all_pairs_agree_with_the_reference() {
    let mut cases = clusters(120).filter_map(|seed| difference(seed, &generate::cluster(seed, &Size::SMALL)));
    let case = cases.next();
    assert!(
        case.is_none(),
        "{}
{} more clusters differ",
        case.unwrap_or_default(),
        cases.count()
    );
}

#[test]
fn cells_and_their_rows_are_consistent() {
    for seed in clusters(120) {
        let cluster = generate::cluster(seed, &Size::SMALL);
        let compiled = Compiled::new(cluster.clone());
        let reach = compiled.reach();
        let mut seen: Vec<PodId> = reach.cells().iter().flat_map(|cell| cell.pods.clone()).collect();
        seen.sort();
        let alive = (0..).zip(&cluster.pods).filter(|(_, pod)| !pod.finished).map(|(at, _)| PodId(at));
        assert_eq!(seen, alive.collect::<Vec<_>>(), "seed {seed}: the cells hold every pod once");
        for from in (0..).map(CellId).take(reach.cells().len()) {
            let mut row = Vec::new();
            reach.for_each_to(from, |to, permit| row.push((to, permit.clone())));
            let cells = (0..).map(CellId).take(reach.cells().len());
            let expected: Vec<_> = cells
                .map(|to| (to, Permit::clone(&reach.permit(from, to))))
                .filter(|(_, permit)| !permit.is_empty())
                .collect();
            assert_eq!(row, expected, "seed {seed}: the row of {from:?}");
        }
    }
}
