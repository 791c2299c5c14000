//! One change of a namespace's network. In: names, numbers and addresses. Out: the routing netlink message that asks for it,
//! and words for what it asks.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope},
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};
use ringfence_model::IpNet;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::namespace::Namespace;

/// The table of a namespace's own addresses, which is searched before all others.
const LOCAL_TABLE: u8 = 255;

/// A routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The one that `ip route` shows.
    Main,
    /// The one of the namespace's own addresses.
    Local,
}

/// One end of a new veth pair.
#[derive(Clone, Debug)]
pub struct Device {
    /// The namespace that it is made in; it must live until the request is carried out.
    namespace: RawFd,
    name: String,
    index: u32,
    mac: [u8; 6],
}

impl Device {
    /// An end with a name, a number within its namespace and a MAC address.
    #[must_use]
    pub fn new(namespace: &Namespace, name: impl Into<String>, index: u32, mac: [u8; 6]) -> Self {
        Self { namespace: namespace.as_fd().as_raw_fd(), name: name.into(), index, mac }
    }

    fn message(&self) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = self.index;
        message.attributes = vec![
            LinkAttribute::IfName(self.name.clone()),
            LinkAttribute::Address(self.mac.to_vec()),
            LinkAttribute::NetNsFd(self.namespace),
        ];
        message
    }
}

/// A change of the network.
#[derive(Clone, Debug)]
pub enum Request {
    /// Makes a veth pair. The first end is up; the second cannot be before the pair is complete.
    Pair(Device, Device),
    /// Takes an interface up.
    Up(u32),
    /// Removes an interface, and with it the other end.
    RemoveLink(u32),
    /// Gives an interface an address without a subnet, usable at once (no duplicate address detection).
    Address(u32, IpAddr),
    /// Says for good which MAC address a next hop has.
    Neighbour(u32, IpAddr, [u8; 6]),
    /// Routes a network over an interface; the next hop is there whatever the interface's addresses.
    Route {
        /// The table.
        table: Table,
        /// The destinations.
        to: IpNet,
        /// The next hop; nothing if the destinations are on the link.
        via: Option<IpAddr>,
        /// The interface.
        device: u32,
    },
    /// Takes every address of a network for one of this namespace's own (`local ... dev lo`, "any-IP").
    AnyAddress(IpNet),
    /// Removes a route of the table.
    RemoveRoute(Table, IpNet),
}

impl Request {
    /// What it does, as after "cannot".
    #[must_use]
    pub fn doing(&self) -> String {
        match self {
            Self::Pair(one, other) => format!("make the link `{}` - `{}`", one.name, other.name),
            Self::Up(index) => format!("take the interface {index} up"),
            Self::RemoveLink(index) => format!("remove the interface {index}"),
            Self::Address(index, address) => format!("give the interface {index} the address `{address}`"),
            Self::Neighbour(index, address, _) => {
                format!("set the neighbour `{address}` of the interface {index}")
            }
            Self::Route { to, device, .. } => format!("route `{to}` over the interface {device}"),
            Self::AnyAddress(net) => format!("accept every address of `{net}`"),
            Self::RemoveRoute(_, to) => format!("remove the route to `{to}`"),
        }
    }

    /// The message, which asks for an acknowledgement.
    pub(super) fn message(&self, sequence: u32) -> NetlinkMessage<RouteNetlinkMessage> {
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let (payload, flags) = match self {
            Self::Pair(one, other) => (RouteNetlinkMessage::NewLink(pair(one, other)), create),
            Self::Up(index) => (RouteNetlinkMessage::SetLink(up(*index)), 0),
            Self::RemoveLink(index) => (RouteNetlinkMessage::DelLink(link(*index)), 0),
            Self::Address(index, address) => {
                (RouteNetlinkMessage::NewAddress(own_address(*index, *address)), create)
            }
            Self::Neighbour(index, address, mac) => {
                let message = neighbour(*index, *address, *mac);
                (RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
            }
            Self::Route { table, to, via, device } => {
                (RouteNetlinkMessage::NewRoute(route(*table, to, *via, *device)), create)
            }
            Self::AnyAddress(net) => (RouteNetlinkMessage::NewRoute(any_address(net)), create),
            Self::RemoveRoute(table, to) => (RouteNetlinkMessage::DelRoute(destination(*table, to)), 0),
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = sequence;
        NetlinkMessage::new(header, NetlinkPayload::InnerMessage(payload))
    }
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn pair(one: &Device, other: &Device) -> LinkMessage {
    let mut message = one.message();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other.message()))),
    ]));
    message
}

fn link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn up(index: u32) -> LinkMessage {
    let mut message = link(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

fn own_address(index: u32, address: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = IpNet::from(address).prefix_len();
    message.header.flags =
        if address.is_ipv6() { AddressHeaderFlags::Nodad } else { AddressHeaderFlags::empty() };
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

fn neighbour(index: u32, address: IpAddr, mac: [u8; 6]) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    let address = match address {
        IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
        IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
    };
    message.attributes =
        vec![NeighbourAttribute::Destination(address), NeighbourAttribute::LinkLayerAddress(mac.to_vec())];
    message
}

fn destination(table: Table, to: &IpNet) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.addr());
    message.header.destination_prefix_length = to.prefix_len();
    message.header.table = match table {
        Table::Main => RouteHeader::RT_TABLE_MAIN,
        Table::Local => LOCAL_TABLE,
    };
    if to.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route_address(to.network())));
    }
    message
}

fn route(table: Table, to: &IpNet, via: Option<IpAddr>, device: u32) -> RouteMessage {
    let mut message = destination(table, to);
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = if via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Oif(device));
    if let Some(via) = via {
        message.header.flags = RouteFlags::Onlink;
        message.attributes.push(RouteAttribute::Gateway(route_address(via)));
    }
    message
}

fn any_address(net: &IpNet) -> RouteMessage {
    let mut message = destination(Table::Local, net);
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Host;
    message.header.kind = RouteType::Local;
    message.attributes.push(RouteAttribute::Oif(1));
    message
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }
}
