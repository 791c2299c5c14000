//! Whose each address is, as one node sees it. In: a compiled cluster, then pods that come, change and go. Out: an index
//! of addresses, kept up to date with work in proportion to the change.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ringfence_model::{
    Text,
    address::Family,
    workload::{ContainerPort, Pod, PodId},
};
use rustc_hash::FxHashMap;

use super::{Enforcement, Place, PodAddress, View, peers::BROAD, slot};
use crate::compiled::{Compiled, matcher::MatcherId, matching::End, shape::ShapeId};

/// What [`Enforcement`] knows of a cluster beside what is compiled.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) view: View,
    pub(super) node: Text,
    pub(super) families: Vec<Family>,
    /// Every address that is a pod's or a node's.
    pub(super) places: BTreeMap<IpAddr, Place>,
    /// Addresses that several pods claim; the pod that comes last by namespace and name has them.
    pub(super) claimed: Vec<IpAddr>,
    /// Whether any address of the node itself is known.
    pub(super) knows_own_node: bool,
    /// Whether a pod has an address that is a node's too.
    covers: bool,
    /// By family, ascending by address.
    pub(super) pods: [Vec<PodAddress>; 2],
    /// By family: how many of `pods` belong to a pod with several addresses of it.
    pub(super) several: [usize; 2],
    /// By family and shape.
    pub(super) of_shape: [Vec<Vec<PodAddress>>; 2],
    /// The number of each list of container ports.
    ports: FxHashMap<Vec<ContainerPort>, u32>,
    /// By matcher: how many pods it selects.
    pub(super) sizes: Vec<usize>,
    /// The node's pods that policies can select.
    pub(super) local: BTreeSet<PodId>,
}

/// A pod that is there, at some moment.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(super) id: PodId,
    pub(super) pod: Pod,
    pub(super) shape: ShapeId,
}

impl Standing {
    /// The pod.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        &self.pod
    }
}

/// What a change of one pod does to an index.
#[derive(Debug, Default)]
pub struct Moved {
    pub(super) gone: Vec<PodAddress>,
    pub(super) come: Vec<PodAddress>,
    /// Selectors that select few pods now and selected many before, or the reverse.
    pub(super) crossed: Vec<MatcherId>,
}

impl Moved {
    /// Whether the addresses of pods are what they were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.come.is_empty()
    }

    /// Addresses that the pod had and those that it has.
    #[must_use]
    pub fn addresses(&self) -> [Vec<IpAddr>; 2] {
        [&self.gone, &self.come].map(|list| list.iter().map(|pod| pod.address).collect())
    }
}

impl Compiled {
    /// The pod of this name, if it is there and not finished.
    #[must_use]
    pub fn standing(&self, namespace: &Text, name: &Text) -> Option<Standing> {
        match self.pod_end(self.find_pod(namespace, name)?)? {
            End::Pod(id, pod, shape) => Some(Standing { id, pod: pod.clone(), shape }),
            _ => None,
        }
    }
}

impl Index {
    pub(super) fn new(compiled: &Compiled, node: &str, more: &[IpAddr], view: View) -> Self {
        let mut index = Self { view, node: node.into(), ..Self::default() };
        index.place(compiled, more);
        index.fill(compiled);
        index
    }

    /// Finds out whose each address is.
    fn place(&mut self, compiled: &Compiled, more: &[IpAddr]) {
        let cluster = &compiled.cluster;
        let live = || {
            let pods = (0..).map(PodId).zip(&cluster.pods).zip(&compiled.shape_of_pod);
            pods.filter(|(_, shape)| shape.is_some()).map(|((id, pod), _)| (id, pod))
        };
        for (number, node) in (0..).zip(&cluster.nodes) {
            let place = if node.name == self.node { Place::Own(Some(number)) } else { Place::Node(number) };
            for address in &node.addresses {
                // The first of several nodes has it, for every judge.
                self.places.entry(*address).or_insert(place);
            }
        }
        for (_, pod) in live().filter(|(_, pod)| pod.host_network) {
            for address in &pod.addresses {
                self.places.entry(*address).or_insert(Place::Host);
            }
        }
        let own =
            (0..).zip(&cluster.nodes).find(|(_, node)| node.name == self.node).map(|(number, _)| number);
        for address in more {
            self.places.insert(*address, Place::Own(own));
        }
        let name = |id: PodId| cluster.pod(id).map(|pod| (&pod.namespace, &pod.name, id));
        for (id, pod) in live().filter(|(_, pod)| !pod.host_network) {
            if pod.node.as_ref() == Some(&self.node) {
                self.local.insert(id);
            }
            for address in &pod.addresses {
                match self.places.get(address) {
                    Some(Place::Pod(other)) if *other != id => {
                        self.claimed.push(*address);
                        if name(*other) > name(id) {
                            continue;
                        }
                    }
                    Some(Place::Pod(_)) | None => {}
                    Some(Place::Own(_) | Place::Node(_) | Place::Host) => self.covers = true,
                }
                self.places.insert(*address, Place::Pod(id));
            }
        }
        self.knows_own_node = self.places.values().any(|place| matches!(place, Place::Own(_)));
        self.claimed.sort_unstable();
        self.claimed.dedup();
        self.families = Family::BOTH.into_iter().filter(|family| self.has(*family)).collect();
    }

    fn has(&self, family: Family) -> bool {
        // IPv4 sorts before IPv6.
        let end = match family {
            Family::V4 => self.places.first_key_value(),
            Family::V6 => self.places.last_key_value(),
        };
        end.is_some_and(|(address, _)| Family::of(*address) == family)
    }

    fn fill(&mut self, compiled: &Compiled) {
        let places = std::mem::take(&mut self.places);
        self.of_shape = [(); 2].map(|()| vec![Vec::new(); compiled.shapes.len()]);
        for (address, place) in &places {
            let Place::Pod(id) = place else { continue };
            let Some(End::Pod(id, pod, shape)) = compiled.pod_end(*id) else { continue };
            let seat = self.seat(id, pod, shape, *address);
            let slot = slot(Family::of(*address));
            if let Some(list) = self.pods.get_mut(slot) {
                list.push(seat);
            }
            if let Some(list) = self.of_shape.get_mut(slot).and_then(|list| list.get_mut(shape as usize)) {
                list.push(seat);
            }
            if let Some(several) = self.several.get_mut(slot) {
                *several += usize::from(!seat.alone);
            }
        }
        self.places = places;
        self.sync(compiled);
    }

    fn seat(&mut self, pod: PodId, full: &Pod, shape: ShapeId, address: IpAddr) -> PodAddress {
        let next = u32::try_from(self.ports.len()).unwrap_or(u32::MAX);
        let ports = match self.ports.get(&full.ports) {
            Some(ports) => *ports,
            None => {
                self.ports.insert(full.ports.clone(), next);
                next
            }
        };
        let family = Family::of(address);
        let alone = full.addresses.iter().filter(|other| Family::of(**other) == family).count() <= 1;
        PodAddress { address, pod, shape, ports, alone }
    }

    /// Takes note of shapes and matchers that are new.
    pub(super) fn sync(&mut self, compiled: &Compiled) {
        for of_shape in &mut self.of_shape {
            of_shape.resize(compiled.shapes.len(), Vec::new());
        }
        for matcher in self.sizes.len()..compiled.matchers.len() {
            let id = MatcherId::try_from(matcher).unwrap_or(MatcherId::MAX);
            let shapes = compiled.matchers.selected(id).into_iter().flat_map(|selected| selected.iter());
            self.sizes.push(shapes.map(|shape| self.pods_of_shape(shape)).sum());
        }
    }

    fn pods_of_shape(&self, shape: ShapeId) -> usize {
        let of_family = |family: &Vec<Vec<PodAddress>>| family.get(shape as usize).map_or(0, Vec::len);
        self.of_shape.iter().map(of_family).max().unwrap_or(0)
    }

    /// Whether a host-network pod's packets show nothing but addresses that nodes have.
    fn is_its_node(&self, pod: &Pod) -> bool {
        let node = |address| matches!(self.places.get(address), Some(Place::Own(_) | Place::Node(_)));
        pod.addresses.iter().all(node)
    }
}

impl Enforcement<'_> {
    /// Takes note that a pod has changed, come or gone: how it stands in this cluster, and how it stood before. Nothing if
    /// that is too much at once, and the index must be made anew: addresses that several have, a family that is new.
    #[must_use]
    pub fn replace(&mut self, before: Option<&Standing>, after: Option<&Standing>) -> Option<Moved> {
        let index = &mut self.index;
        let plain = |standing: Option<&'_ Standing>| match standing {
            Some(standing) if standing.pod.host_network => index.is_its_node(&standing.pod).then_some(None),
            other => Some(other.map(|standing| standing.id)),
        };
        let (was, is) = (plain(before)?, plain(after)?);
        let (before, after) = (before.filter(|_| was.is_some()), after.filter(|_| is.is_some()));
        if !index.claimed.is_empty() || index.covers {
            return None;
        }
        let mut seats = |standing: Option<&Standing>| {
            let mut seats: Vec<PodAddress> = Vec::new();
            for (standing, address) in
                standing.iter().flat_map(|s| s.pod.addresses.iter().map(move |a| (s, a)))
            {
                if !seats.iter().any(|seat| seat.address == *address) {
                    seats.push(index.seat(standing.id, &standing.pod, standing.shape, *address));
                }
            }
            seats
        };
        let (gone, come) = (seats(before), seats(after));
        let its = |place: &Place| matches!(place, Place::Pod(id) if Some(*id) == was);
        if come.iter().any(|seat| index.places.get(&seat.address).is_some_and(|place| !its(place))) {
            return None;
        }
        if let Some(id) = was {
            index.local.remove(&id);
        }
        if let Some(after) = after.filter(|after| after.pod.node.as_ref() == Some(&index.node)) {
            index.local.insert(after.id);
        }
        if gone == come {
            return Some(Moved::default());
        }
        let shapes = [before, after].map(|standing| standing.map(|standing| standing.shape));
        let mut shapes: Vec<ShapeId> = shapes.into_iter().flatten().collect();
        shapes.dedup();
        let counts: Vec<usize> = shapes.iter().map(|shape| index.pods_of_shape(*shape)).collect();
        gone.iter().for_each(|seat| index.remove(seat));
        come.iter().for_each(|seat| index.add(seat));
        if Family::BOTH.into_iter().any(|family| index.has(family) != index.families.contains(&family)) {
            return None;
        }
        let mut crossed = Vec::new();
        for (shape, count) in shapes.into_iter().zip(counts) {
            let now = index.pods_of_shape(shape);
            if now == count {
                continue;
            }
            for id in self.compiled.matchers.selecting(shape, &self.compiled.shapes, &self.compiled.cluster) {
                let Some(size) = index.sizes.get_mut(id as usize) else { continue };
                let was = *size > BROAD;
                *size = (*size + now).saturating_sub(count);
                crossed.extend((was != (*size > BROAD)).then_some(id));
            }
        }
        Some(Moved { gone, come, crossed })
    }
}

impl Index {
    fn remove(&mut self, seat: &PodAddress) {
        self.places.remove(&seat.address);
        let slot = slot(Family::of(seat.address));
        let take = |list: &mut Vec<PodAddress>| {
            if let Ok(at) = list.binary_search_by_key(&seat.address, |known| known.address) {
                list.remove(at);
            }
        };
        self.pods.get_mut(slot).map(take);
        self.of_shape.get_mut(slot).and_then(|list| list.get_mut(seat.shape as usize)).map(take);
        if let Some(several) = self.several.get_mut(slot) {
            *several -= usize::from(!seat.alone);
        }
    }

    fn add(&mut self, seat: &PodAddress) {
        self.places.insert(seat.address, Place::Pod(seat.pod));
        let slot = slot(Family::of(seat.address));
        let put = |list: &mut Vec<PodAddress>| {
            if let Err(at) = list.binary_search_by_key(&seat.address, |known| known.address) {
                list.insert(at, *seat);
            }
        };
        self.pods.get_mut(slot).map(put);
        self.of_shape.get_mut(slot).and_then(|list| list.get_mut(seat.shape as usize)).map(put);
        if let Some(several) = self.several.get_mut(slot) {
            *several += usize::from(!seat.alone);
        }
    }
}
