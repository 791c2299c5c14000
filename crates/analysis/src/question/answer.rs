//! Answers. In: a resolved question, a cluster, a judge. Out: the connections that it stands for with their verdicts, those
//! judged alike joined, and one word for all of them.

use std::collections::BTreeMap;

use ringfence_model::{
    address::{Family, IpSet},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    port::{PortSet, Protocol},
    service::ServiceType,
    verdict::{Condition, Missing, Outcome, Reason, Side, Verdict},
    workload::{Pod, PodId},
};
use ringfence_policy::Judge;

use super::{
    Problem, Question,
    backend::{Leg, OutsideEnd, Reach, legs},
    cuts::Cuts,
    name::End,
    place::{Place, alike, pod_families, running},
};

/// One word for all parts of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Summary {
    /// All pass.
    Allow,
    /// All pass, some or all of them only if their conditions hold.
    AllowIf,
    /// All are dropped, or reach nothing.
    Deny,
    /// For all a fact is missing.
    Unknown,
    /// The parts differ.
    Mixed,
}

impl Summary {
    /// `allow`, `allow-if`, `deny`, `unknown` or `mixed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowIf => "allow-if",
            Self::Deny => "deny",
            Self::Unknown => "unknown",
            Self::Mixed => "mixed",
        }
    }

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::AllowIf => Self::AllowIf,
            Outcome::Deny => Self::Deny,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

/// Why a connection comes to nothing before a policy is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No ready pod or address is behind the Service.
    NoEndpoints {
        /// `namespace/name`.
        service: String,
        /// How many pods it selects that are not ready.
        not_ready: usize,
    },
    /// The Service has no such port.
    NoSuchPort {
        /// `namespace/name`.
        service: String,
        /// The ports that it has, such as `80/TCP`.
        offered: Vec<String>,
    },
    /// No backend has a container port of the name that the Service's target port is.
    NoTargetPort {
        /// `namespace/name`.
        service: String,
        /// The name.
        name: String,
    },
    /// These pods have no container port of the name asked for (others of the destination have).
    NoNamedPort {
        /// `namespace/name` each.
        pods: Vec<String>,
        /// The name.
        name: String,
    },
}

impl Refusal {
    /// The reason in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::NoEndpoints { service, not_ready: 0 } => {
                format!("the Service `{service}` has no endpoints: its selector selects no pod of the input")
            }
            Self::NoEndpoints { service, not_ready } => {
                format!(
                    "the Service `{service}` has no ready endpoints ({not_ready} of its pods are not ready)"
                )
            }
            Self::NoSuchPort { service, offered } if offered.is_empty() => {
                format!("the Service `{service}` has no ports")
            }
            Self::NoSuchPort { service, offered } => {
                format!("the Service `{service}` has no such port (it has {})", offered.join(", "))
            }
            Self::NoTargetPort { service, name } => {
                format!(
                    "no pod behind the Service `{service}` has a container port called `{name}`, its target port"
                )
            }
            Self::NoNamedPort { pods, name } => {
                format!("no container port is called `{name}` in {}", pods.join(", "))
            }
        }
    }
}

/// What becomes of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The policies decide.
    Judged {
        /// The verdict, which holds for every connection of the part.
        verdict: Box<Verdict>,
        /// One of the connections.
        sample: Flow,
    },
    /// It reaches nothing.
    Refused(Refusal),
}

impl Ruling {
    /// The outcome; what reaches nothing is denied.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Judged { verdict, .. } => verdict.outcome,
            Self::Refused(_) => Outcome::Deny,
        }
    }
}

/// Connections that are judged alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Who connects.
    pub from: Place,
    /// What is reached.
    pub to: Place,
    /// The families of the packets.
    pub families: Vec<Family>,
    /// The ports asked for.
    pub asked: Vec<(Protocol, PortSet)>,
    /// The ports reached (a Service translates).
    pub ports: Vec<(Protocol, PortSet)>,
    /// What becomes of them.
    pub ruling: Ruling,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One word for all parts.
    pub summary: Summary,
    /// The parts, by source, destination, port. Never empty.
    pub parts: Vec<Part>,
    /// What the reader should know about how the question was understood.
    pub notes: Vec<String>,
}

impl Answer {
    /// The conditions of all parts, sorted, without repeats: each part needs one of its egress side's and one of its
    /// ingress side's.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let sides = self.parts.iter().flat_map(|part| match &part.ruling {
            Ruling::Judged { verdict, .. } => vec![&verdict.egress, &verdict.ingress],
            Ruling::Refused(_) => Vec::new(),
        });
        sides.flat_map(|side| &side.conditions)
    }
}

/// Asks a judge.
///
/// # Errors
/// If a named port has no meaning at the destination, or the question stands for no connection at all.
pub fn answer(question: &Question, cluster: &Cluster, judge: &impl Judge) -> Result<Answer, Problem> {
    let asker = Asker::new(question, cluster)?;
    let mut cells = Vec::new();
    for leg in &asker.legs {
        asker.judge_leg(leg, judge, &mut cells);
    }
    let mut notes: Vec<String> =
        [&question.from.note, &question.to.note].into_iter().flatten().cloned().collect();
    notes.extend(asker.not_exposed());
    // A pod that reaches itself, or a family that the other end lacks, counts only where nothing else does.
    if cells.iter().any(|cell| !cell.aside) {
        if asker.through_service() && cells.iter().any(|cell| cell.aside && cell.to_itself) {
            notes.push(
                "a pod that the Service sends back to itself always gets through; that is not counted here"
                    .to_owned(),
            );
        }
        cells.retain(|cell| !cell.aside);
    }
    let parts = join(cells);
    let mut outcomes: Vec<Summary> = parts.iter().map(|part| Summary::of(part.ruling.outcome())).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let summary = match outcomes.as_slice() {
        [] => return Err(asker.nothing()),
        [one] => *one,
        [Summary::Allow, Summary::AllowIf] => Summary::AllowIf,
        _ => Summary::Mixed,
    };
    Ok(Answer { summary, parts, notes })
}

/// A question being asked.
struct Asker<'a> {
    question: &'a Question,
    cluster: &'a Cluster,
    legs: Vec<Leg>,
    cuts: Cuts,
    /// The families of the cluster, for pods whose addresses are not known.
    families: Vec<Family>,
    /// Whether one end can be a node, so that the nodes of pods matter.
    by_node: bool,
}

/// One connection, or several that differ only in what no policy can tell apart.
struct Cell {
    from: Place,
    to: Place,
    families: Vec<Family>,
    protocol: Protocol,
    asked: PortSet,
    target: PortSet,
    ruling: Ruling,
    /// Whether it counts only if nothing else does.
    aside: bool,
    to_itself: bool,
}

impl<'a> Asker<'a> {
    fn new(question: &'a Question, cluster: &'a Cluster) -> Result<Self, Problem> {
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

    fn through_service(&self) -> bool {
        matches!(self.question.to.end, End::Service(..))
    }

    /// A connection from outside to a Service that nothing shows to the outside.
    fn not_exposed(&self) -> Option<String> {
        let End::Service(at, _) = self.question.to.end else { return None };
        let service = self.cluster.services.get(at)?;
        let inside = matches!(service.kind, ServiceType::ClusterIp) && service.external_ips.is_empty();
        let outside = matches!(self.question.from.end, End::Internet | End::Network(_))
            || matches!(&self.question.from.end, End::Address(ip) if self.cluster.node_of_address(*ip).is_none());
        (inside && outside).then(|| {
            format!("the Service `{}/{}` is of type ClusterIP: only policies are judged here, not whether the outside has a way to it", service.namespace, service.name)
        })
    }

    fn nothing(&self) -> Problem {
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

    fn judge_leg(&self, leg: &Leg, judge: &impl Judge, cells: &mut Vec<Cell>) {
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

/// What makes verdicts alike: everything but the rule that came nearest.
type Gist<'a> = (Outcome, SideGist<'a>, SideGist<'a>);
type SideGist<'a> = (Outcome, &'a [Condition], &'a [Missing], Vec<&'a Reason>);

fn gist(verdict: &Verdict) -> Gist<'_> {
    fn of(side: &Side) -> SideGist<'_> {
        let reasons = side.reasons.iter().filter(|reason| !matches!(reason, Reason::NearMiss(_))).collect();
        (side.outcome, &side.conditions, &side.missing, reasons)
    }
    (verdict.outcome, of(&verdict.egress), of(&verdict.ingress))
}

/// A place while places of one kind are being joined: nothing of it matters but its kind, unless it is a name.
fn kind(place: &Place) -> Place {
    match place {
        Place::Pods(_) => Place::Pods(Vec::new()),
        Place::Addresses(_) => Place::Addresses(IpSet::empty()),
        Place::Name(name) => Place::Name(name.clone()),
    }
}

/// Joins cells that differ in one respect only: ports, then destination, source, family, protocol.
fn join(cells: Vec<Cell>) -> Vec<Part> {
    let mut judged: BTreeMap<Gist<'_>, usize> = BTreeMap::new();
    let mut refused: BTreeMap<&Refusal, usize> = BTreeMap::new();
    let mut groups = Vec::with_capacity(cells.len());
    for cell in &cells {
        let next = judged.len() + refused.len();
        groups.push(match &cell.ruling {
            Ruling::Judged { verdict, .. } => *judged.entry(gist(verdict)).or_insert(next),
            Ruling::Refused(refusal) => *refused.entry(refusal).or_insert(next),
        });
    }
    let mut cells: Vec<(usize, Cell)> = groups.into_iter().zip(cells).collect();
    // Ports as they are reached follow those asked for, unless a Service maps one to another.
    let mapped = |cell: &Cell| (cell.asked != cell.target).then(|| cell.target.clone());
    cells = merged(cells, |c| (c.from.clone(), c.to.clone(), c.families.clone(), c.protocol, mapped(c)));
    cells = merged(cells, |c| {
        (c.from.clone(), kind(&c.to), c.families.clone(), c.protocol, c.asked.clone(), c.target.clone())
    });
    cells = merged(cells, |c| {
        (kind(&c.from), c.to.clone(), c.families.clone(), c.protocol, c.asked.clone(), c.target.clone())
    });
    let exact =
        |place: &Place| if matches!(place, Place::Addresses(_)) { kind(place) } else { place.clone() };
    cells = merged(cells, |c| (exact(&c.from), exact(&c.to), c.protocol, c.asked.clone(), c.target.clone()));
    let mut parts: Vec<(usize, Part)> = Vec::new();
    for (group, cell) in cells {
        let same = |(known, part): &&mut (usize, Part)| {
            *known == group && part.from == cell.from && part.to == cell.to && part.families == cell.families
        };
        match parts.iter_mut().find(same) {
            Some((_, part)) => {
                part.asked.push((cell.protocol, cell.asked));
                part.ports.push((cell.protocol, cell.target));
            }
            None => parts.push((
                group,
                Part {
                    from: cell.from,
                    to: cell.to,
                    families: cell.families,
                    asked: vec![(cell.protocol, cell.asked)],
                    ports: vec![(cell.protocol, cell.target)],
                    ruling: cell.ruling,
                },
            )),
        }
    }
    parts.sort_by(|(_, a), (_, b)| (&a.from, &a.to, &a.asked).cmp(&(&b.from, &b.to, &b.asked)));
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Joins the cells of one group that share a key.
fn merged<K: Ord>(cells: Vec<(usize, Cell)>, key: impl Fn(&Cell) -> K) -> Vec<(usize, Cell)> {
    let mut at: BTreeMap<(usize, K), usize> = BTreeMap::new();
    let mut joined: Vec<(usize, Cell)> = Vec::with_capacity(cells.len());
    for (group, cell) in cells {
        let next = joined.len();
        let slot = *at.entry((group, key(&cell))).or_insert(next);
        match joined.get_mut(slot) {
            Some((_, known)) => {
                known.from.join(cell.from);
                known.to.join(cell.to);
                known.asked = known.asked.union(&cell.asked);
                known.target = known.target.union(&cell.target);
                known.families.extend(cell.families);
                known.families.sort_unstable();
                known.families.dedup();
            }
            None => joined.push((group, cell)),
        }
    }
    joined
}
