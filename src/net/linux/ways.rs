//! Interfaces and ways by the kernel's own answers.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::link::LinkFlags;
use netlink_packet_route::route::RouteType;

use super::netlink::{Answer, Link, Netlink, Question};
use crate::error::{Error, Result};
use crate::net::interface::{Interface, InterfaceKind};
use crate::net::route::{Cuts, Override, RouteEntry, Way, WayHop};
use crate::target::AddressSet;

/// The machine's interfaces, by ascending number.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn interfaces() -> Result<Vec<Interface>> {
    read_interfaces(&mut Netlink::open()?)
}

/// All routes but those to the machine itself, to broadcast and to multicast addresses.
pub(crate) fn routes(interfaces: &[Interface]) -> Result<Vec<RouteEntry>> {
    let mut netlink = Netlink::open()?;
    let name = |index: u32| interfaces.iter().find(|interface| interface.index == index).map(|interface| interface.name.clone());
    let mut entries = Vec::new();
    for like in FAMILIES {
        for route in netlink.routes(like).map_err(reading_routes)? {
            let Some(kind) = shown(route.kind).filter(|_| !route.destination.ip().is_multicast()) else { continue };
            entries.push(RouteEntry {
                destination: route.destination,
                gateway: route.gateway,
                interface: route.link.and_then(name),
                source: route.source,
                table: route.table,
                kind,
                metric: route.metric,
            });
        }
    }
    Ok(entries)
}

pub(crate) fn ways(addresses: &AddressSet, over: &Override) -> Result<Vec<Way>> {
    let mut kernel = Kernel::open(over)?;
    let mut cuts = Cuts::default();
    for like in FAMILIES {
        let wanted = if like.is_ipv4() { addresses.ipv4() } else { addresses.ipv6() };
        if !wanted.is_empty() {
            kernel.add_cuts(&mut cuts, like)?;
        }
    }
    cuts.ways(addresses, |ip| kernel.way(ip))
}

struct Kernel {
    netlink: Netlink,
    interfaces: Vec<Interface>,
    over: Option<u32>,
    source: Option<IpAddr>,
    /// Whether a rule looks at the source address, so that an answer may change once it is chosen; IPv4, IPv6.
    by_source: [bool; 2],
}

impl Kernel {
    fn open(over: &Override) -> Result<Self> {
        let mut netlink = Netlink::open()?;
        let interfaces = read_interfaces(&mut netlink)?;
        let mut kernel = Self { netlink, interfaces, over: None, source: None, by_source: [false; 2] };
        kernel.over = over.interface.as_deref().map(|name| kernel.usable_interface(name)).transpose()?;
        kernel.source = over.source.map(|source| kernel.own_address(source)).transpose()?;
        Ok(kernel)
    }

    fn usable_interface(&self, name: &str) -> Result<u32> {
        let Some(interface) = self.interfaces.iter().find(|interface| interface.name == name) else {
            let names: Vec<&str> = self.interfaces.iter().map(|interface| interface.name.as_str()).collect();
            return Err(
                Error::machine("use interface", name, "there is none of that name").hint(format_args!("there are {}", names.join(", ")))
            );
        };
        if !interface.up {
            return Err(Error::machine("use interface", name, "it is down").hint(format_args!("ip link set {name} up")));
        }
        if !interface.carrier {
            return Err(Error::machine("use interface", name, "it has no carrier").hint("is the cable in?"));
        }
        if let InterfaceKind::Unsupported(layer) = interface.kind {
            return Err(Error::machine("use interface", name, format_args!("link layer {layer} is not supported")).hint("use --connect"));
        }
        Ok(interface.index)
    }

    fn own_address(&mut self, source: IpAddr) -> Result<IpAddr> {
        let listed = self.interfaces.iter().flat_map(|interface| &interface.addresses).any(|network| network.ip() == source);
        // Not listed but ours: 127.0.0.5, or an address of a `local` route.
        let local = listed || self.ask(source, None, None).is_ok_and(|answer| answer.kind == RouteType::Local);
        if local {
            Ok(source)
        } else {
            Err(Error::machine("send from", source, "source address not ours").hint("see `synprobe interfaces`"))
        }
    }

    fn add_cuts(&mut self, cuts: &mut Cuts, like: IpAddr) -> Result<()> {
        self.netlink.routes(like).map_err(reading_routes)?.iter().for_each(|route| cuts.add(route.destination));
        for rule in self.netlink.rules(like).map_err(reading_routes)? {
            rule.to.into_iter().for_each(|to| cuts.add(to));
            self.by_source[usize::from(like.is_ipv6())] |= rule.by_source;
        }
        for prefix in BUILT_IN {
            cuts.add(prefix.parse().expect("a prefix"));
        }
        Ok(())
    }

    fn way(&mut self, to: IpAddr) -> Result<WayHop> {
        let source = self.source;
        if source.is_some_and(|source| source.is_ipv4() != to.is_ipv4()) {
            return Ok(unroutable("the source address asked for is of the other family"));
        }
        // Over another interface an address of our own would not be seen as ours, and leave the machine.
        let own = self.over.is_some() && self.ask(to, source, None).is_ok_and(|answer| answer.kind == RouteType::Local);
        let over = self.over.filter(|_| !own);
        let found = self.ask(to, source, over).and_then(|first| self.settle(to, over, first));
        match found {
            Ok(answer) => Ok(self.judge(to, answer)),
            Err(error) => match refusal(&error) {
                Some(cause) => Ok(self.unusable_source(to, over, &error).unwrap_or_else(|| unroutable(cause))),
                None => Err(Error::io("find the way to", to, error)),
            },
        }
    }

    /// Whether it is the source address asked for that leads nowhere: without it the kernel has a way.
    fn unusable_source(&mut self, to: IpAddr, over: Option<u32>, refused: &io::Error) -> Option<WayHop> {
        let source = self.source.filter(|_| refused.raw_os_error() == Some(libc::EINVAL))?;
        let otherwise = self.ask(to, None, over).ok()?;
        let instead = otherwise.source.map(|source| format!(", or take {source}")).unwrap_or_default();
        Some(unroutable(format!("the kernel sends nothing there from {source}: leave --source-ip out{instead}")))
    }

    /// Rules may decide by the source address, which the kernel chooses by its first answer: as connect(2) does, ask again.
    fn settle(&mut self, to: IpAddr, over: Option<u32>, first: Answer) -> io::Result<Answer> {
        match first.source {
            Some(chosen) if self.source.is_none() && self.by_source[usize::from(to.is_ipv6())] => {
                let again = self.ask(to, Some(chosen), over)?;
                Ok(Answer { source: Some(chosen), ..again })
            }
            _ => Ok(first),
        }
    }

    fn ask(&mut self, to: IpAddr, from: Option<IpAddr>, over: Option<u32>) -> io::Result<Answer> {
        self.netlink.route(Question { to, from, over })
    }

    fn judge(&self, to: IpAddr, answer: Answer) -> WayHop {
        match answer.kind {
            RouteType::Unicast => {}
            // An anycast address of the machine is one it answers for (IPv6: the subnet router's).
            RouteType::Local | RouteType::Anycast => return self.local(to, answer),
            RouteType::Broadcast => return unroutable("a broadcast address"),
            RouteType::Multicast => return unroutable("a multicast address"),
            other => return unroutable(shown(other).map_or("not a unicast route", |kind| words(kind))),
        }
        let Some(interface) = answer.link.and_then(|link| self.interfaces.iter().find(|interface| interface.index == link)) else {
            return unroutable("the route leads over no interface we know");
        };
        self.unicast(to, answer, interface)
    }

    fn unicast(&self, to: IpAddr, answer: Answer, interface: &Interface) -> WayHop {
        let name = &interface.name;
        if !interface.carrier {
            return unroutable(format!("{name} has no carrier"));
        }
        let near = answer.gateway.filter(|gateway| gateway.is_ipv4() == to.is_ipv4()).unwrap_or(to);
        let chosen = self.source.or(answer.source).or_else(|| interface.source_for(near));
        let Some(source) = chosen else {
            return unroutable(format!("{name} has no IPv{} address", if to.is_ipv4() { 4 } else { 6 }));
        };
        match (interface.kind, answer.gateway) {
            (InterfaceKind::Ethernet, _) if answer.table == 0 => unroutable(format!("no route over {name}")),
            (InterfaceKind::Ethernet, None) => WayHop::OnLink { interface: interface.index, source },
            (InterfaceKind::Ethernet, Some(gateway)) => WayHop::Gateway { interface: interface.index, source, gateway },
            (InterfaceKind::Tunnel, _) => WayHop::Tunnel { interface: interface.index, source },
            (InterfaceKind::Loopback, _) => unroutable(format!("routed to {name}, where nothing answers for it")),
            (InterfaceKind::Unsupported(layer), _) => unroutable(format!("link layer {layer} of {name} is not supported")),
        }
    }

    fn local(&self, to: IpAddr, answer: Answer) -> WayHop {
        match self.interfaces.iter().find(|interface| interface.kind == InterfaceKind::Loopback) {
            None => unroutable("there is no loopback interface"),
            Some(lo) if !lo.up => unroutable(format!("{} is down", lo.name)),
            Some(lo) => WayHop::Local { interface: lo.index, source: self.source.or(answer.source).unwrap_or(to) },
        }
    }
}

fn read_interfaces(netlink: &mut Netlink) -> Result<Vec<Interface>> {
    let listing = |cause| Error::io("list", "interfaces", cause);
    let links = netlink.links().map_err(listing)?;
    let addresses = netlink.addresses().map_err(listing)?;
    let on = |link: u32| addresses.iter().filter(move |address| address.link == link).map(|address| address.network).collect();
    Ok(links.into_iter().map(|link| interface(&link, on(link.index))).collect())
}

fn interface(link: &Link, addresses: Vec<ipnetwork::IpNetwork>) -> Interface {
    let kind = match link.layer {
        _ if link.flags.contains(LinkFlags::Loopback) => InterfaceKind::Loopback,
        libc::ARPHRD_ETHER => InterfaceKind::Ethernet,
        layer if BARE_IP.contains(&layer) => InterfaceKind::Tunnel,
        layer => InterfaceKind::Unsupported(layer),
    };
    Interface {
        index: link.index,
        name: link.name.clone(),
        mac: link.mac.filter(|_| kind == InterfaceKind::Ethernet),
        mtu: link.mtu,
        kind,
        up: link.flags.contains(LinkFlags::Up),
        carrier: link.flags.contains(LinkFlags::LowerUp) && !link.dormant,
        arp: kind == InterfaceKind::Ethernet && !link.flags.contains(LinkFlags::Noarp),
        queues: link.queues,
        addresses,
    }
}

/// The answers by which the kernel says that there is no way; other errors are failures.
fn refusal(error: &io::Error) -> Option<&'static str> {
    Some(match error.raw_os_error()? {
        libc::ENETUNREACH => "no route",
        libc::EHOSTUNREACH => words("unreachable"),
        libc::EACCES => words("prohibit"),
        libc::EINVAL => words("blackhole"),
        libc::EAGAIN => words("throw"),
        libc::ENETDOWN => "the interface is down",
        _ => return None,
    })
}

fn shown(kind: RouteType) -> Option<&'static str> {
    Some(match kind {
        RouteType::Unicast => "unicast",
        RouteType::BlackHole => "blackhole",
        RouteType::Unreachable => "unreachable",
        RouteType::Prohibit => "prohibit",
        RouteType::Throw => "throw",
        RouteType::Nat => "nat",
        _ => return None,
    })
}

fn words(kind: &str) -> &'static str {
    match kind {
        "blackhole" => "a blackhole route",
        "unreachable" => "an unreachable route",
        "prohibit" => "a prohibit route",
        "throw" => "no route (a throw route)",
        _ => "a route of an unknown kind",
    }
}

fn unroutable(cause: impl Into<String>) -> WayHop {
    WayHop::Unroutable { cause: cause.into() }
}

fn reading_routes(cause: io::Error) -> Error {
    Error::io("read", "routing table", cause)
}

/// The link layers that are none (`if_arp.h`): PPP, raw IP, IP in IP, IP in IPv6, IPv6 in IP, GRE, none (TUN, `WireGuard`).
const BARE_IP: [u16; 7] = [libc::ARPHRD_PPP, 519, libc::ARPHRD_TUNNEL, libc::ARPHRD_TUNNEL6, libc::ARPHRD_SIT, libc::ARPHRD_IPGRE, 0xfffe];

/// What the kernel treats apart without any route to say so.
const BUILT_IN: [&str; 7] = ["0.0.0.0/32", "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8"];

const FAMILIES: [IpAddr; 2] = [IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)];
