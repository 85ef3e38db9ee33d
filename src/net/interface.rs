//! The machine's network interfaces.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

#[cfg(target_os = "linux")]
pub use super::linux::ways::interfaces;
#[cfg(not(target_os = "linux"))]
pub use fallback::interfaces;

use crate::packet::MacAddr;
use crate::target::{AddressRange, AddressSet};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The system's number for it.
    pub index: u32,
    /// Its name: `eth0`.
    pub name: String,
    /// Its hardware address, where it has one of 48 bits.
    pub mac: Option<MacAddr>,
    /// The longest IP packet it carries, in bytes.
    pub mtu: u32,
    /// What frames on it look like.
    pub kind: InterfaceKind,
    /// Whether it is switched on (`IFF_UP`).
    pub up: bool,
    /// Whether there is something at the other end: a cable, an access point, a peer (`IFF_LOWER_UP`, and not dormant).
    pub carrier: bool,
    /// Whether hardware addresses of neighbours have to be asked for (no `IFF_NOARP`).
    pub arp: bool,
    /// Queues in which frames wait, each filled by one thread at a time; `None` where none wait, as on virtual cables.
    pub queues: Option<u32>,
    /// Its addresses, each with the length of its network's prefix.
    pub addresses: Vec<IpNetwork>,
}

/// What frames on an interface look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceKind {
    /// Ethernet frames; wireless interfaces show them too.
    Ethernet,
    /// The machine talking to itself.
    Loopback,
    /// Bare IP packets: TUN, `WireGuard`, PPP, IP in IP.
    Tunnel,
    /// A link layer this crate cannot write, by its `ARPHRD_` number.
    Unsupported(u16),
}

impl Interface {
    /// The first address of the family of `like`, of a network that holds `like` if there is one.
    pub fn source_for(&self, like: IpAddr) -> Option<IpAddr> {
        let ours = || self.addresses.iter().filter(|network| network.is_ipv4() == like.is_ipv4());
        ours().find(|network| network.contains(like)).or_else(|| ours().next()).map(IpNetwork::ip)
    }
}

/// The network and broadcast addresses of the IPv4 networks on Ethernet interfaces, which no host has (RFC 1812 section 5.3.5);
/// a network of /31 (RFC 3021) or /32 has none.
pub fn subnets_edges(interfaces: &[Interface]) -> AddressSet {
    let mut edges = AddressSet::new();
    for interface in interfaces.iter().filter(|interface| interface.kind == InterfaceKind::Ethernet) {
        for network in interface.addresses.iter().filter(|network| network.is_ipv4() && network.prefix() <= 30) {
            for edge in [network.network(), network.broadcast()] {
                if let Some(single) = AddressRange::new(edge, edge) {
                    edges.insert(single);
                }
            }
        }
    }
    edges
}

#[cfg(not(target_os = "linux"))]
mod fallback {
    use super::{Interface, InterfaceKind};
    use crate::error::Result;
    use crate::packet::MacAddr;

    /// The machine's interfaces, by ascending number.
    ///
    /// # Errors
    /// None on this system.
    pub fn interfaces() -> Result<Vec<Interface>> {
        Ok(pnet::datalink::interfaces().iter().map(read).collect())
    }

    fn read(interface: &pnet::datalink::NetworkInterface) -> Interface {
        let kind = match interface.mac {
            _ if interface.is_loopback() => InterfaceKind::Loopback,
            Some(_) => InterfaceKind::Ethernet,
            None => InterfaceKind::Tunnel,
        };
        Interface {
            index: interface.index,
            name: interface.name.clone(),
            mac: interface.mac.map(|mac| MacAddr(mac.octets())),
            mtu: 1500,
            kind,
            up: interface.is_up(),
            carrier: interface.is_running(),
            arp: kind == InterfaceKind::Ethernet,
            queues: None,
            // pnet has an older version of the same type.
            addresses: interface.ips.iter().filter_map(|network| ipnetwork::IpNetwork::new(network.ip(), network.prefix()).ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet(addresses: &[&str]) -> Interface {
        Interface {
            index: 2,
            name: "eth0".into(),
            mac: None,
            mtu: 1500,
            kind: InterfaceKind::Ethernet,
            up: true,
            carrier: true,
            arp: true,
            queues: Some(1),
            addresses: addresses.iter().map(|network| network.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn edges_are_those_of_ipv4_networks_with_room_for_them() {
        let edges = subnets_edges(&[ethernet(&["192.0.2.17/28", "198.51.100.0/31", "203.0.113.1/32", "2001:db8::1/64"])]);
        let found: Vec<_> = edges.ranges().map(|range| range.first().to_string()).collect();
        assert_eq!(found, ["192.0.2.16", "192.0.2.31"]);
        assert_eq!(edges.len(), 2);
    }

    #[test]
    fn the_source_is_of_the_network_and_family() {
        let interface = ethernet(&["192.0.2.1/28", "198.51.100.1/24"]);
        assert_eq!(interface.source_for("198.51.100.9".parse().unwrap()), Some("198.51.100.1".parse().unwrap()));
        assert_eq!(interface.source_for("203.0.113.9".parse().unwrap()), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(interface.source_for("2001:db8::9".parse().unwrap()), None);
    }
}
