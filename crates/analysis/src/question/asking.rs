//! A question being asked. In: a question, a cluster, a judge. Out: a verdict for every pair of places and every stretch of
//! ports that no policy can tell apart.

use ringfence_model::{
    address::{Family, IpSet},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::PortSet,
    service::ServiceType,
    workload::{Pod, PodId},
};
use ringfence_policy::Judge;

use super::{
    Problem, Question, Ruling,
    backend::{Leg, OutsideEnd, Reach, legs},
    cuts::Cuts,
    join::Cell,
    name::End,
    place::{Place, alike, pod_families, running},
};

/// A question being asked.
pub(super) struct Asker<'a> {
    question: &'a Question,
    cluster: &'a Cluster,
    pub(super) legs: Vec<Leg>,
    cuts: Cuts,
    /// The families of the cluster, for pods whose addresses are not known.
    families: Vec<Family>,
    /// Whether one end can be a node, so that the nodes of pods matter.
    by_node: bool,
}

impl<'a> Asker<'a> {
    pub(super) fn new(question: &'a Question, cluster: &'a Cluster) -> Result<Self, Problem> {
        let legs = legs(cluster, &question.to.end, &question.ports)?;
        let reached = legs.iter().filter_map(|leg| match &leg.reach {
            Ok(Reach::Pods(pods)) => Some(pods),
            _ => None,
        });
        let from = running(cluster, &question.from.end);
        let mut to: Vec<PodId> = reached.flatten().copied().collect();
        to.sort_unstable();
        to.dedup();
        let pods = |ids: &[PodId]| ids.iter().filter_map(|id| cluster.pod(*id)).collect::<Vec<&Pod>>();
        let (from, to) = (pods(&from), pods(&to));
        let is_node =
            |end: &End| matches!(end, End::Address(address) if cluster.node_of_address(*address).is_some());
        let by_address =
            legs.iter().any(|leg| matches!(leg.reach, Ok(Reach::Outside(OutsideEnd::Address(_)))));
        let by_node = from.iter().chain(&to).any(|pod| pod.host_network)
            || is_node(&question.from.end)
            || is_node(&question.to.end)
            || by_address;
        let cuts = Cuts::of(cluster, &from, &to);
        Ok(Self { question, cluster, legs, cuts, families: cluster.families(), by_node })
    }

    pub(super) fn through_service(&self) -> bool {
        matches!(self.question.to.end, End::Service(..))
    }

    /// A connection from outside to a Service that nothing shows to the outside.
    pub(super) fn not_exposed(&self) -> Option<String> {
        let End::Service(at, _) = self.question.to.end else { return None };
        let service = self.cluster.services.get(at)?;
        let inside = matches!(service.kind, ServiceType::ClusterIp) && service.external_ips.is_empty();
        let outside = matches!(self.question.from.end, End::Internet | End::Network(_))
            || matches!(&self.question.from.end, End::Address(ip) if self.cluster.node_of_address(*ip).is_none());
        (inside && outside).then(|| {
            format!("the Service `{}/{}` is of type ClusterIP: only policies are judged here, not whether the outside has a way to it", service.namespace, service.name)
        })
    }

    pub(super) fn nothing(&self) -> Problem {
        let end = [&self.question.from, &self.question.to].into_iter().find(|end| match end.end {
            End::Network(net) => {
                IpSet::from_nets([&net]).difference(&self.cluster.own_addresses()).is_empty()
            }
            _ => false,
        });
        match end {
            Some(end) => Problem::new(format!("every address of `{}` is the cluster's own", end.given))
                .help("name the workload, pod or node that is meant"),
            None => Problem::new("the question stands for no connection: the destination has no ports"),
        }
    }

    /// The places of an end outside the pods, one for each stretch of addresses.
    fn outside(&self, end: &End) -> Vec<Place> {
        let set = match end {
            End::Address(address) => return vec![Place::Addresses(IpSet::single(*address))],
            End::Name(name) => return vec![Place::Name(name.clone())],
            End::Network(net) => IpSet::from_nets([net]).difference(&self.cluster.own_addresses()),
            End::Internet => self.cluster.internet(Family::V4).union(&self.cluster.internet(Family::V6)),
            End::Workload(_) | End::Pod(_) | End::Service(..) => IpSet::empty(),
        };
        let stretches = self.cuts.split_addresses(&set);
        stretches.into_iter().map(|range| Place::Addresses(IpSet::from_ranges([range]))).collect()
    }

    fn pod_places(&self, pods: &[PodId]) -> Vec<Place> {
        alike(self.cluster, pods, &self.cuts, self.by_node).into_iter().map(Place::Pods).collect()
    }

    pub(super) fn judge_leg(&self, leg: &Leg, judge: &impl Judge, cells: &mut Vec<Cell>) {
        let from = match &self.question.from.end {
            end @ (End::Workload(_) | End::Pod(_)) => self.pod_places(&running(self.cluster, end)),
            end => self.outside(end),
        };
        let to = match &leg.reach {
            Ok(Reach::Pods(pods)) => self.pod_places(pods),
            Ok(Reach::Outside(OutsideEnd::Asked)) => self.outside(&self.question.to.end),
            Ok(Reach::Outside(OutsideEnd::Address(address))) => {
                vec![Place::Addresses(IpSet::single(*address))]
            }
            Ok(Reach::Outside(OutsideEnd::Name(name))) => vec![Place::Name(name.clone())],
            Err(refusal) => {
                cells.extend(from.into_iter().map(|from| Cell {
                    from,
                    to: Place::Pods(Vec::new()),
                    families: Vec::new(),
                    protocol: leg.protocol,
                    asked: leg.asked.clone(),
                    target: PortSet::empty(),
                    ruling: Ruling::Refused(refusal.clone()),
                    aside: false,
                    to_itself: false,
                }));
                return;
            }
        };
        for from in &from {
            for to in &to {
                self.judge_pair(leg, from, to, judge, cells);
            }
        }
    }

    fn judge_pair(&self, leg: &Leg, from: &Place, to: &Place, judge: &impl Judge, cells: &mut Vec<Cell>) {
        let Some((source, destination)) = pair(from, to) else { return };
        let to_itself = source == destination && matches!(source, Endpoint::Pod(_));
        let (families, shared) = self.pair_families(from, to, &leg.families);
        // Part of a large outside range that the other end cannot use at all.
        let unusable = !shared && (self.is_broad(from) || self.is_broad(to));
        for family in families {
            for (first, last) in self.cuts.split_ports(&leg.target) {
                let sample = Flow {
                    from: source.clone(),
                    to: destination.clone(),
                    family,
                    protocol: leg.protocol,
                    port: first,
                    request: self.question.request.clone(),
                };
                let target = PortSet::range(first, last);
                cells.push(Cell {
                    from: from.clone(),
                    to: to.clone(),
                    families: vec![family],
                    protocol: leg.protocol,
                    asked: if leg.asked == leg.target { target.clone() } else { leg.asked.clone() },
                    target,
                    ruling: Ruling::Judged { verdict: Box::new(judge.verdict(&sample)), sample },
                    aside: to_itself || unusable,
                    to_itself,
                });
            }
        }
    }

    fn is_broad(&self, place: &Place) -> bool {
        let ends = [&self.question.from.end, &self.question.to.end];
        matches!(place, Place::Addresses(_))
            && ends.iter().any(|end| matches!(end, End::Network(_) | End::Internet))
    }

    /// The families that both ends can use (and the Service between them), and whether there is one. If there is none,
    /// the first of the source's: the judge says what is wrong.
    fn pair_families(&self, from: &Place, to: &Place, of_service: &[Family]) -> (Vec<Family>, bool) {
        let (source, destination) = (self.place_families(from), self.place_families(to));
        let service = if of_service.is_empty() { &Family::BOTH[..] } else { of_service };
        let common: Vec<Family> = Family::BOTH
            .into_iter()
            .filter(|family| {
                source.contains(family) && destination.contains(family) && service.contains(family)
            })
            .collect();
        if !common.is_empty() {
            return (common, true);
        }
        // An address fixes the family; otherwise the Service does, then the source.
        let fixed = [(to, &destination), (from, &source)]
            .into_iter()
            .find(|(place, _)| matches!(place, Place::Addresses(_)));
        let fallback = match fixed {
            Some((_, families)) => families.first(),
            None if of_service.is_empty() => source.first(),
            None => of_service.first(),
        };
        (fallback.copied().into_iter().collect(), false)
    }

    fn place_families(&self, place: &Place) -> Vec<Family> {
        match place {
            Place::Pods(pods) => match pods.first().and_then(|id| self.cluster.pod(*id)) {
                Some(pod) => pod_families(self.cluster, pod, &self.families),
                None => Vec::new(),
            },
            Place::Addresses(set) => set.families().collect(),
            Place::Name(_) => Family::BOTH.to_vec(),
        }
    }
}

/// Two ends, of two different pods if there are.
fn pair(from: &Place, to: &Place) -> Option<(Endpoint, Endpoint)> {
    if let (Place::Pods(sources), Place::Pods(destinations)) = (from, to) {
        for source in sources.iter().take(2) {
            if let Some(destination) = destinations.iter().find(|destination| *destination != source) {
                return Some((Endpoint::Pod(*source), Endpoint::Pod(*destination)));
            }
        }
    }
    Some((from.sample()?, to.sample()?))
}
