//! Laying out a virtual network: virtual Ethernet links, addresses, routes, neighbours.

use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnetwork::IpNetwork;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::route::RouteType;

use super::namespace::Namespace;
use super::netlink::{Address, Netlink, Route};
use crate::error::{Error, Result};
use crate::packet::MacAddr;

/// Lays out the network of one namespace: the one it was opened in, from whatever thread it is used later. Everything needs
/// `CAP_NET_ADMIN` there. Interfaces are named, at most 15 bytes.
#[derive(Debug)]
pub struct Wiring {
    netlink: Netlink,
}

/// A route to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewRoute<'a> {
    destination: IpNetwork,
    kind: RouteType,
    interface: Option<&'a str>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    table: u32,
}

impl<'a> NewRoute<'a> {
    /// `destination` is on the link of `interface`.
    pub fn on_link(destination: IpNetwork, interface: &'a str) -> Self {
        Self { interface: Some(interface), ..Self::nowhere(destination, RouteType::Unicast) }
    }

    /// `destination` is reached through `gateway`, which must be on a link.
    pub fn through(destination: IpNetwork, gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..Self::nowhere(destination, RouteType::Unicast) }
    }

    /// Every address of `destination` is the machine itself ("`AnyIP`"): it answers for all of them.
    pub fn local(destination: IpNetwork) -> Self {
        Self { interface: Some("lo"), table: LOCAL_TABLE, ..Self::nowhere(destination, RouteType::Local) }
    }

    /// Packets to `destination` are refused with "host unreachable".
    pub fn unreachable(destination: IpNetwork) -> Self {
        Self::nowhere(destination, RouteType::Unreachable)
    }

    /// Packets to `destination` are refused with "administratively prohibited".
    pub fn prohibit(destination: IpNetwork) -> Self {
        Self::nowhere(destination, RouteType::Prohibit)
    }

    /// Packets to `destination` vanish.
    pub fn blackhole(destination: IpNetwork) -> Self {
        Self::nowhere(destination, RouteType::BlackHole)
    }

    /// The same in another routing table than the main one.
    #[must_use]
    pub fn in_table(mut self, table: u32) -> Self {
        self.table = table;
        self
    }

    /// The same with a preferred source address.
    #[must_use]
    pub fn from_source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    fn nowhere(destination: IpNetwork, kind: RouteType) -> Self {
        Self { destination, kind, interface: None, gateway: None, source: None, table: MAIN_TABLE }
    }
}

impl Wiring {
    /// For the namespace the calling thread is in.
    ///
    /// # Errors
    /// When no netlink socket can be opened.
    pub fn open() -> Result<Self> {
        Ok(Self { netlink: Netlink::open()? })
    }

    /// For another namespace.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn open_in(namespace: &Namespace) -> Result<Self> {
        namespace.run(Self::open)?
    }

    /// Makes a pair of virtual Ethernet interfaces: `name` here, `peer` here too or in another namespace. Both are down at first.
    ///
    /// # Errors
    /// When a name is taken or the kernel has no such interfaces.
    pub fn add_veth(&mut self, name: &str, peer: &str, peer_namespace: Option<&Namespace>) -> Result<()> {
        self.add_wide_veth(name, peer, peer_namespace, 1)
    }

    /// As [`Self::add_veth`], with `queues` each way at both ends: what processors send and serve side by side.
    ///
    /// # Errors
    /// When a name is taken or the kernel has no such interfaces.
    pub fn add_wide_veth(&mut self, name: &str, peer: &str, peer_namespace: Option<&Namespace>, queues: u32) -> Result<()> {
        let added = self.netlink.add_veth(name, peer, peer_namespace.map(AsFd::as_fd), queues);
        added.map_err(|cause| Error::io("make veth pair", name, cause))
    }

    /// Switches an interface on.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set_up(&mut self, name: &str) -> Result<()> {
        self.netlink.set_up(name, true).map_err(|cause| Error::io("switch on", name, cause))
    }

    /// Switches an interface off.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set_down(&mut self, name: &str) -> Result<()> {
        self.netlink.set_up(name, false).map_err(|cause| Error::io("switch off", name, cause))
    }

    /// Switches the loopback interface on, which is down in a new namespace.
    ///
    /// # Errors
    /// Without the capability.
    pub fn loopback_up(&mut self) -> Result<()> {
        self.set_up("lo")
    }

    /// Gives an interface its hardware address; it may have to be down.
    ///
    /// # Errors
    /// When there is none of that name, or the address is not one of a single station.
    pub fn set_mac(&mut self, name: &str, mac: MacAddr) -> Result<()> {
        let set = self.netlink.set_link(name, LinkAttribute::Address(mac.0.to_vec()));
        set.map_err(|cause| Error::io("set hardware address of", name, cause))
    }

    /// Sets the longest IP packet of an interface, in bytes.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot carry that.
    pub fn set_mtu(&mut self, name: &str, mtu: u32) -> Result<()> {
        self.netlink.set_link(name, LinkAttribute::Mtu(mtu)).map_err(|cause| Error::io("set MTU of", name, cause))
    }

    /// Deletes an interface; the other end of a pair goes with it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        self.netlink.delete_link(name).map_err(|cause| Error::io("delete interface", name, cause))
    }

    /// Gives an interface an address, and with it the route to the address's network once it is up.
    ///
    /// # Errors
    /// When there is none of that name, or it has the address.
    pub fn add_address(&mut self, name: &str, network: IpNetwork) -> Result<()> {
        let link = self.index(name)?;
        let added = self.netlink.add_address(Address { link, network });
        added.map_err(|cause| Error::io("add address to", name, cause))
    }

    /// Adds a route.
    ///
    /// # Errors
    /// When the gateway is not on a link, the interface is down, or the route is there.
    pub fn add_route(&mut self, route: NewRoute<'_>) -> Result<()> {
        let NewRoute { destination, kind, interface, gateway, source, table } = route;
        let link = interface.map(|name| self.index(name)).transpose()?;
        let added = self.netlink.add_route(&Route { destination, kind, table, link, gateway, source, metric: 0 });
        added.map_err(|cause| Error::io("add route to", destination, cause))
    }

    /// Adds a rule: packets `to` (or `from`, or both) a network look into `table` before the main one.
    ///
    /// # Errors
    /// Without either, or when the rule is there.
    pub fn add_rule(&mut self, to: Option<IpNetwork>, from: Option<IpNetwork>, table: u32) -> Result<()> {
        self.netlink.add_rule(to, from, table).map_err(|cause| Error::io("add rule for table", table, cause))
    }

    /// Says what the hardware address of a neighbour is, for good: nobody asks for it.
    ///
    /// # Errors
    /// When there is no interface of that name, or the neighbour is known.
    pub fn add_neighbour(&mut self, name: &str, ip: IpAddr, mac: MacAddr) -> Result<()> {
        let link = self.index(name)?;
        self.netlink.add_neighbour(link, ip, mac).map_err(|cause| Error::io("add neighbour", ip, cause))
    }

    /// The number of an interface.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn index(&mut self, name: &str) -> Result<u32> {
        let links = self.netlink.links().map_err(|cause| Error::io("list", "interfaces", cause))?;
        let found = links.iter().find(|link| link.name == name).map(|link| link.index);
        found.ok_or_else(|| Error::machine("find interface", name, "there is none of that name"))
    }
}

const MAIN_TABLE: u32 = libc::RT_TABLE_MAIN as u32;
const LOCAL_TABLE: u32 = libc::RT_TABLE_LOCAL as u32;
