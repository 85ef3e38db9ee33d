//! The neighbour table: on-link addresses and their hardware addresses.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::RouteType;

use super::Netlink;
use super::links::family;
use crate::packet::MacAddr;

impl Netlink {
    /// The neighbours on a link whose hardware address the kernel knows and has no reason to doubt.
    pub(crate) fn neighbours(&mut self, link: u32) -> io::Result<Vec<(IpAddr, MacAddr)>> {
        let neighbours = self.dump(&Message::GetNeighbour(NeighbourMessage::default()), |message| match message {
            Message::NewNeighbour(entry) if entry.header.ifindex == link && usable(entry.header.state) => read(&entry),
            _ => None,
        });
        neighbours.map(|(neighbours, _)| neighbours)
    }

    /// Adds a neighbour that is never asked for and never forgotten.
    pub(crate) fn add_neighbour(&mut self, link: u32, ip: IpAddr, mac: MacAddr) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(ip);
        message.header.ifindex = link;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        message.attributes.push(NeighbourAttribute::Destination(match ip {
            IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
            IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
        }));
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
        self.create(Message::NewNeighbour(message))
    }
}

fn usable(state: NeighbourState) -> bool {
    use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
    matches!(state, Reachable | Stale | Delay | Probe | Permanent | Noarp)
}

fn read(entry: &NeighbourMessage) -> Option<(IpAddr, MacAddr)> {
    let (mut ip, mut mac) = (None, None);
    for attribute in &entry.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(addr)) => ip = Some(IpAddr::V4(*addr)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(addr)) => ip = Some(IpAddr::V6(*addr)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr),
            _ => {}
        }
    }
    // Multicast groups are listed as NOARP entries with a made-up hardware address.
    ip.filter(|ip| !ip.is_multicast()).zip(mac)
}
