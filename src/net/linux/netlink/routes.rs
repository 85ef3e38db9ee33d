//! Routes: the list of them, and the kernel's own answer for one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteProtocol, RouteScope, RouteType, RouteVia,
};

use super::links::family;
use super::{Netlink, not_understood};

/// An entry of a routing table.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) destination: IpNetwork,
    pub(crate) kind: RouteType,
    pub(crate) table: u32,
    /// The link it leads over; none for routes that lead nowhere.
    pub(crate) link: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
    /// The source address it prefers.
    pub(crate) source: Option<IpAddr>,
    pub(crate) metric: u32,
}

/// Which way to one address?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) to: IpAddr,
    pub(crate) from: Option<IpAddr>,
    /// Only over this link.
    pub(crate) over: Option<u32>,
}

/// The kernel's answer. A table of 0 says that no route was found, and the address taken to be on the link asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) kind: RouteType,
    pub(crate) table: u32,
    pub(crate) link: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) source: Option<IpAddr>,
}

impl Netlink {
    /// All routes of all tables, of the family of `like`.
    pub(crate) fn routes(&mut self, like: IpAddr) -> io::Result<Vec<Route>> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(like);
        let (routes, lost) = self.dump(&Message::GetRoute(request), |message| match message {
            Message::NewRoute(route) => Some(Route::read(&route, like)),
            _ => None,
        })?;
        if lost > 0 { Err(not_understood(format_args!("{lost} routes"))) } else { Ok(routes) }
    }

    /// The way the kernel would send a TCP segment.
    pub(crate) fn route(&mut self, question: Question) -> io::Result<Answer> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(question.to);
        request.header.destination_prefix_length = host_prefix(question.to);
        request.header.flags = RouteFlags::LookupTable;
        request.attributes.push(RouteAttribute::Destination(question.to.into()));
        request.attributes.push(RouteAttribute::IpProto(libc::IPPROTO_TCP as u8));
        if let Some(from) = question.from {
            request.header.source_prefix_length = host_prefix(from);
            request.attributes.push(RouteAttribute::Source(from.into()));
        }
        request.attributes.extend(question.over.map(RouteAttribute::Oif));
        match self.ask(Message::GetRoute(request))? {
            Message::NewRoute(route) => {
                let Route { kind, table, link, gateway, source, .. } = Route::read(&route, question.to);
                Ok(Answer { kind, table, link, gateway, source })
            }
            _ => Err(not_understood("no route")),
        }
    }

    pub(crate) fn add_route(&mut self, route: &Route) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(route.destination.ip());
        message.header.destination_prefix_length = route.destination.prefix();
        message.header.kind = route.kind;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = match (route.kind, route.gateway) {
            (RouteType::Local, _) => RouteScope::Host,
            (RouteType::Unicast, None) => RouteScope::Link,
            _ => RouteScope::Universe,
        };
        message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
        message.attributes.push(RouteAttribute::Table(route.table));
        message.attributes.extend(route.link.map(RouteAttribute::Oif));
        message.attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
        message.attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
        self.create(Message::NewRoute(message))
    }
}

impl Route {
    /// Reads an entry; `like` gives the family of a default route, which carries no destination.
    fn read(message: &RouteMessage, like: IpAddr) -> Self {
        let mut route = Self {
            destination: everything(like),
            kind: message.header.kind,
            table: u32::from(message.header.table),
            link: None,
            gateway: None,
            source: None,
            metric: 0,
        };
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => {
                    let prefix = message.header.destination_prefix_length;
                    route.destination = address(to).and_then(|ip| IpNetwork::new(ip, prefix).ok()).unwrap_or(route.destination);
                }
                RouteAttribute::Table(table) => route.table = *table,
                RouteAttribute::PrefSource(source) => route.source = address(source).filter(|ip| !ip.is_unspecified()),
                RouteAttribute::Priority(metric) => route.metric = *metric,
                RouteAttribute::MultiPath(hops) => hops.iter().take(1).for_each(|hop| route.take_hop(hop)),
                other => route.take(other),
            }
        }
        route
    }

    fn take_hop(&mut self, hop: &RouteNextHop) {
        self.link = Some(hop.interface_index);
        hop.attributes.iter().for_each(|attribute| self.take(attribute));
    }

    fn take(&mut self, attribute: &RouteAttribute) {
        match attribute {
            RouteAttribute::Oif(link) => self.link = Some(*link),
            RouteAttribute::Gateway(gateway) => self.gateway = address(gateway).filter(|ip| !ip.is_unspecified()),
            RouteAttribute::Via(RouteVia::Inet(gateway)) => self.gateway = Some(IpAddr::V4(*gateway)),
            RouteAttribute::Via(RouteVia::Inet6(gateway)) => self.gateway = Some(IpAddr::V6(*gateway)),
            _ => {}
        }
    }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

fn everything(like: IpAddr) -> IpNetwork {
    let zero = if like.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    IpNetwork::new(zero, 0).expect("no prefix is shorter")
}

fn host_prefix(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}
