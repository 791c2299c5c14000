//! Where the ends of a flow sit. In: a lab that is up. Out: for every end a namespace and an address, or why no packet can
//! come from it or go to it.

use std::{collections::BTreeMap, net::IpAddr};

use ringfence_model::{address::Family, flow::Endpoint, workload::PodId};

use crate::{lab::Lab, namespace::Namespace};

/// The namespaces of a lab in one list, and what is in each.
pub(super) struct Seats<'a> {
    lab: &'a Lab,
    /// All namespaces that packets are sent from.
    pub(super) namespaces: Vec<Namespace>,
    of_pod: BTreeMap<PodId, usize>,
    of_node: BTreeMap<IpAddr, usize>,
    outside: usize,
}

/// An end with a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// Which of the namespaces.
    pub(super) at: usize,
    /// Which of its addresses.
    pub(super) address: IpAddr,
}

impl<'a> Seats<'a> {
    pub(super) fn new(lab: &'a Lab) -> Self {
        let mut namespaces = vec![lab.outside().clone()];
        let mut of_node = BTreeMap::new();
        let mut by_inode: BTreeMap<u64, usize> = BTreeMap::new();
        for (place, namespace) in lab.nodes() {
            by_inode.insert(namespace.inode(), namespaces.len());
            of_node.extend(place.addresses.iter().map(|address| (*address, namespaces.len())));
            namespaces.push(namespace.clone());
        }
        let mut of_pod = BTreeMap::new();
        for (place, namespace) in lab.pods() {
            let at = *by_inode.entry(namespace.inode()).or_insert_with(|| {
                namespaces.push(namespace.clone());
                namespaces.len() - 1
            });
            of_pod.insert(place.id, at);
        }
        Self { lab, namespaces, of_pod, of_node, outside: 0 }
    }

    /// The namespace of the outside host.
    pub(super) fn outside(&self) -> usize {
        self.outside
    }

    pub(super) fn of_pod(&self, pod: PodId) -> Option<usize> {
        self.of_pod.get(&pod).copied()
    }

    /// Where packets from or to an end start or go, or why none can.
    pub(super) fn seat(&self, end: &Endpoint, family: Family) -> Result<Seat, String> {
        match end {
            Endpoint::Pod(id) => {
                let place = self.lab.topology().pod(*id).ok_or("the pod is finished")?;
                let address = place.addresses.iter().find(|address| Family::of(**address) == family);
                let address =
                    *address.ok_or_else(|| format!("the pod has no {} address", family.as_str()))?;
                let at = self.of_pod(*id).ok_or("the pod is finished")?;
                Ok(Seat { at, address })
            }
            Endpoint::Address(address) => self.at_address(*address, family),
            Endpoint::Name(name) => {
                let known = self.lab.topology().names.get(&**name);
                let address = known
                    .and_then(|known| known.iter().find(|address| Family::of(**address) == family))
                    .ok_or_else(|| format!("`{name}` has no {} address in the lab", family.as_str()))?;
                self.at_address(*address, family)
            }
        }
    }

    fn at_address(&self, address: IpAddr, family: Family) -> Result<Seat, String> {
        if Family::of(address) != family {
            return Err(format!("`{address}` is no {} address", family.as_str()));
        }
        if let Some(at) = self.of_node.get(&address) {
            return Ok(Seat { at: *at, address });
        }
        if let Some(why) = unroutable(address) {
            return Err(format!("no packet to or from `{address}` crosses a network: {why}"));
        }
        let unusable = &self.lab.topology().outside.unusable;
        if let Some((_, why)) = unusable.iter().find(|(known, _)| *known == address) {
            return Err(format!("no packet can have the address `{address}`: {why}"));
        }
        Ok(Seat { at: self.outside, address })
    }
}

/// Why no router forwards packets of an address (RFC 1122 3.2.1.3, RFC 4291 2.5, RFC 1112).
fn unroutable(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("it is the unspecified address"),
        _ if address.is_loopback() => Some("it is a loopback address"),
        _ if address.is_multicast() => Some("it is a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("it is the broadcast address"),
        IpAddr::V4(v4) if v4.octets().first() == Some(&0) => Some("`0.0.0.0/8` means this host"),
        IpAddr::V4(v4) if v4.octets().first().is_some_and(|first| *first >= 240) => Some("it is reserved"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("it is a link-local address"),
        _ => None,
    }
}
