//! Namespaces and the wires between them. In: places of a topology. Out: the requests that make each place what it is, and
//! namespaces in which they have been carried out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZero,
    thread,
};

use ringfence_model::{IpNet, address::Family};

use crate::{
    lab::LabError,
    link::{Device, Request, RouteSocket, Table},
    namespace::Namespace,
    plan::{Gateway, Link, NodePlace, PodPlace, Topology},
    sysctl::{self, Role, SettingError},
};

/// A namespace that is set up for its role, and a socket for its routes.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) namespace: Namespace,
    pub(crate) routes: RouteSocket,
}

/// A new namespace for a role.
pub(crate) fn site(role: Role, families: &[Family]) -> Result<Site, LabError> {
    let inside = || -> Result<RouteSocket, LabError> {
        sysctl::apply(role, families)?;
        Ok(RouteSocket::open()?)
    };
    let (namespace, routes) = Namespace::create_with(|_| inside())?;
    Ok(Site { namespace, routes: routes? })
}

/// As [`site`], for the first namespace of a lab: it shows whether the machine lets us set anything at all, and makes it so where
/// that can be done.
pub(crate) fn first_site(role: Role, families: &[Family]) -> Result<Site, LabError> {
    match site(role, families) {
        Err(LabError::Setting(SettingError::ReadOnly(_))) => {
            sysctl::make_writable()?;
            site(role, families)
        }
        result => result,
    }
}

/// So many namespaces for a role, made on all cores. `made` hears of each.
pub(crate) fn sites(
    count: usize,
    role: Role,
    families: &[Family],
    made: &(dyn Fn() + Sync),
) -> Result<Vec<Site>, LabError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = |core: usize| count / cores + usize::from(core < count % cores);
    let make = |count: usize| -> Result<Vec<Site>, LabError> {
        (0..count).map(|_| site(role, families).inspect(|_| made())).collect()
    };
    let shares: Vec<Result<Vec<Site>, LabError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(move || make(share(core)))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)))
            .collect()
    });
    let mut all = Vec::with_capacity(count);
    for share in shares {
        all.extend(share?);
    }
    Ok(all)
}

/// Everything of a family.
fn everything(family: Family) -> IpNet {
    let zero: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new_assert(zero, 0)
}

/// The loopback's number.
const LOOPBACK: u32 = 1;

/// A link between two namespaces. The far end is up; [`near_end`] takes the other up.
pub(crate) fn pair(link: Link, near: &Namespace, far: &Namespace) -> Request {
    Request::Pair(
        Device::new(far, link.far_name(), link.far_index(), link.far_mac()),
        Device::new(near, Link::NEAR_NAME, Link::NEAR_INDEX, link.near_mac()),
    )
}

/// Inside a pod or a node: its addresses, and everything else by way of the far end.
pub(crate) fn near_end(
    link: Link,
    addresses: &[IpAddr],
    families: &[Family],
    gateway: Gateway,
) -> Vec<Request> {
    let mut requests = vec![Request::Up(LOOPBACK), Request::Up(Link::NEAR_INDEX)];
    requests.extend(addresses.iter().map(|address| Request::Address(Link::NEAR_INDEX, *address)));
    for family in families {
        let via = gateway.of(*family);
        let device = Link::NEAR_INDEX;
        requests.push(Request::Neighbour(device, via, link.far_mac()));
        requests.push(Request::Route { table: Table::Main, to: everything(*family), via: Some(via), device });
    }
    requests
}

/// Where a link's far end is: the neighbour behind it.
pub(crate) fn far_neighbours(link: Link, families: &[Family], gateway: Gateway) -> Vec<Request> {
    families
        .iter()
        .map(|family| Request::Neighbour(link.far_index(), gateway.of(*family), link.near_mac()))
        .collect()
}

/// Where a link's far end is: addresses behind it.
pub(crate) fn far_routes<'a>(
    link: Link,
    addresses: impl IntoIterator<Item = &'a IpAddr>,
    gateway: Gateway,
) -> Vec<Request> {
    let route = |address: &IpAddr| Request::Route {
        table: Table::Main,
        to: IpNet::from(*address),
        via: Some(gateway.of(Family::of(*address))),
        device: link.far_index(),
    };
    addresses.into_iter().map(route).collect()
}

/// In the fabric: everything that is nobody's goes outside.
pub(crate) fn fabric(topology: &Topology) -> Vec<Request> {
    let link = topology.outside_link;
    let mut requests = vec![Request::Up(LOOPBACK)];
    requests.extend(far_neighbours(link, &topology.families, topology.gateway));
    for family in &topology.families {
        requests.push(Request::Route {
            table: Table::Main,
            to: everything(*family),
            via: Some(topology.gateway.of(*family)),
            device: link.far_index(),
        });
    }
    requests
}

/// In the outside host: what is in the cluster goes to the fabric, and every other address is its own. The table of own
/// addresses is searched first, by the longest prefix, so the cluster's addresses are routes of that table.
pub(crate) fn outside<'a>(topology: &Topology, inside: impl IntoIterator<Item = &'a IpAddr>) -> Vec<Request> {
    let mut requests = vec![Request::Up(LOOPBACK), Request::Up(Link::NEAR_INDEX)];
    requests.extend(topology.outside.own.iter().map(|address| Request::Address(Link::NEAR_INDEX, *address)));
    for family in &topology.families {
        let via = topology.gateway.of(*family);
        requests.push(Request::Neighbour(Link::NEAR_INDEX, via, topology.outside_link.far_mac()));
        // The next hop must not be an address of its own.
        let to = IpNet::from(via);
        requests.push(Request::Route { table: Table::Local, to, via: None, device: Link::NEAR_INDEX });
    }
    requests.extend(inside.into_iter().map(|address| into_cluster(*address, topology.gateway)));
    requests.extend(topology.families.iter().map(|family| Request::AnyAddress(everything(*family))));
    requests
}

/// In the outside host: an address that is in the cluster.
pub(crate) fn into_cluster(address: IpAddr, gateway: Gateway) -> Request {
    Request::Route {
        table: Table::Local,
        to: IpNet::from(address),
        via: Some(gateway.of(Family::of(address))),
        device: Link::NEAR_INDEX,
    }
}

/// What a pod adds to its node, to the fabric and to the outside host.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    pub(crate) node: Vec<Request>,
    pub(crate) fabric: Vec<Request>,
    pub(crate) outside: Vec<Request>,
}

/// Ways to a new pod. Nothing for a host-network pod, which its node is.
pub(crate) fn ways_to(pod: &PodPlace, node: &NodePlace, topology: &Topology) -> Wiring {
    let Some(link) = pod.link else { return Wiring::default() };
    let gateway = topology.gateway;
    let mut at_node = far_neighbours(link, &topology.families, gateway);
    at_node.extend(far_routes(link, &pod.addresses, gateway));
    Wiring {
        node: at_node,
        fabric: far_routes(node.link, &pod.addresses, gateway),
        outside: pod.addresses.iter().map(|address| into_cluster(*address, gateway)).collect(),
    }
}

/// What is taken away when a pod goes. The routes of the node go with the link.
pub(crate) fn ways_gone(pod: &PodPlace) -> Wiring {
    let Some(link) = pod.link else { return Wiring::default() };
    let gone = |table| -> Vec<Request> {
        pod.addresses.iter().map(|address| Request::RemoveRoute(table, IpNet::from(*address))).collect()
    };
    Wiring {
        node: vec![Request::RemoveLink(link.far_index())],
        fabric: gone(Table::Main),
        outside: gone(Table::Local),
    }
}
