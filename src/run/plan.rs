//! From what was asked to what will be done: what is left out, which way each address goes, which links are opened.

use std::net::IpAddr;
use std::time::Duration;

use super::request::{PlanRecord, Request, Technique};
use super::{connect, discovery};
use crate::error::{Error, Result};
use crate::net::Engine;
use crate::net::interface::{Interface, InterfaceKind, interfaces, subnets_edges};
use crate::net::link::LinkKind;
use crate::net::privilege::{self, Privilege};
use crate::net::route::{Override, Way, WayHop, ways};
use crate::packet::MacAddr;
use crate::scan::{Egress, EgressMap, EgressRecord, Mode, NextHop, ScanConfig, Wanted};
use crate::target::{AddressRange, AddressSet, TargetSpace, reserved};

/// What will be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Raw SYN probes; none if everything goes through connect().
    pub(super) syn: Option<SynPlan>,
    /// What goes through connect().
    pub(super) connect: AddressSet,
    pub(super) egresses: Vec<EgressRecord>,
    /// This machine's own addresses: their answers prove nothing of a path.
    pub(super) own: AddressSet,
    /// Ranges left out, with the reason.
    pub(super) left_out: Vec<(AddressSet, &'static str)>,
    /// Ranges without a way, with the cause.
    pub(super) unroutable: Vec<(AddressRange, String)>,
    /// What the user should know, a line each.
    pub(super) notices: Vec<String>,
}

/// Raw probes: links, and what goes over which.
#[derive(Debug, Default)]
pub(super) struct SynPlan {
    pub(super) addresses: AddressSet,
    pub(super) links: Vec<PlannedLink>,
    pub(super) egresses: EgressMap,
    pub(super) gateways: Vec<Wanted>,
    /// Targets on the link itself.
    pub(super) onlink: AddressSet,
    /// These, and the canary if it is there too.
    pub(super) asked: AddressSet,
}

/// An interface to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedLink {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) kind: LinkKind,
    /// As [`Interface::queues`].
    pub(super) queues: Option<u32>,
}

impl Plan {
    /// Decides everything that can be decided before the first packet.
    pub(super) fn make(request: &Request) -> Result<Self> {
        let mut plan = Self { seed: request.seed.unwrap_or_else(rand::random), ..Self::default() };
        let interfaces = interfaces()?;
        plan.own = "127.0.0.0/8 ::1".parse()?;
        plan.own.extend(interfaces.iter().flat_map(|interface| &interface.addresses).map(|network| AddressRange::from(network.ip())));
        let wanted = plan.leave_out(request, &interfaces)?;
        if plan.is_raw(request)? {
            plan.raw(request, &interfaces, &wanted)?;
        } else {
            plan.connect = wanted;
        }
        let more = discovery::notices(request, &plan)?;
        plan.notices.extend(more);
        if !plan.connect.is_empty() {
            plan.egresses.push(EgressRecord {
                interface: request.interface.clone().unwrap_or_else(|| "any".to_owned()),
                source: request.source_ip,
                gateway: None,
                link: "connect".into(),
                addresses: count(&plan.connect),
            });
        }
        match plan.unroutable.first() {
            Some((range, cause)) if plan.syn.is_none() && plan.connect.is_empty() => {
                Err(Error::machine("route to", shown(*range), cause).hint("synprobe interfaces shows the routes; no other target is left"))
            }
            _ => {
                // More targets than can be numbered are refused before the first packet, in a dry run too.
                for addresses in plan.syn.iter().map(|syn| &syn.addresses).chain([&plan.connect]) {
                    TargetSpace::new(addresses.clone(), request.ports.clone())?;
                }
                Ok(plan)
            }
        }
    }

    /// SYN, connect() or both.
    pub(super) fn mode(&self) -> Mode {
        match (&self.syn, self.connect.is_empty()) {
            (Some(_), true) => Mode::Syn,
            (Some(_), false) => Mode::Mixed,
            (None, _) => Mode::Connect,
        }
    }

    /// How many addresses will be probed.
    pub(super) fn addresses(&self) -> u64 {
        self.syn.as_ref().map_or(0, |syn| count(&syn.addresses)).saturating_add(count(&self.connect))
    }

    /// Which they are.
    pub(super) fn asked(&self) -> AddressSet {
        self.syn.as_ref().map_or_else(|| self.connect.clone(), |syn| syn.addresses.union(&self.connect))
    }

    /// Takes out what is never probed, or only when named.
    fn leave_out(&mut self, request: &Request, interfaces: &[Interface]) -> Result<AddressSet> {
        let mut wanted = request.addresses.clone();
        let rules = [
            (reserved::never_probed(), "never a host (RFC 6890)"),
            (reserved::only_when_named().difference(&request.named), "a metadata service, probed only when named"),
            (subnets_edges(interfaces).difference(&request.named), "network or broadcast address, probed only when named"),
        ];
        for (rule, reason) in rules {
            let out = wanted.intersection(&rule);
            if !out.is_empty() {
                wanted = wanted.difference(&rule);
                self.left_out.push((out, reason));
            }
        }
        // Of a scan that was divided, a part may be nothing but what is left out.
        if wanted.is_empty() && request.part.is_none() {
            let reason = self.left_out.first().map_or("every address is excluded", |(_, reason)| reason);
            return Err(Error::asked("scan", "the targets", "nothing is left to probe").hint(reason));
        }
        Ok(wanted)
    }

    fn is_raw(&mut self, request: &Request) -> Result<bool> {
        if request.technique == Technique::Connect {
            return Ok(false);
        }
        let privilege = Privilege::probe();
        if privilege.raw {
            return Ok(true);
        }
        if request.technique == Technique::Syn {
            return Err(Error::machine("send", "SYN segments", "operation not permitted").hint(privilege::hint()));
        }
        self.notices.push(format!("no privilege for raw packets: using connect(); for a SYN scan {}", privilege::hint()));
        Ok(false)
    }

    fn raw(&mut self, request: &Request, interfaces: &[Interface], wanted: &AddressSet) -> Result<()> {
        let v6 = wanted.ipv6();
        if !v6.is_empty() {
            self.notices.push(format!("IPv6 ({} of the addresses) goes through connect(): raw packets are IPv4 for now", count(&v6)));
            self.connect = v6;
        }
        let mut v4 = wanted.ipv4();
        let canary = request.canary.filter(|canary| canary.addr.is_ipv4());
        let over = Override { interface: request.interface.clone(), source: request.source_ip };
        let mut routed = v4.clone();
        if let Some(range) = canary.and_then(|canary| AddressRange::new(canary.addr, canary.addr)) {
            routed.insert(range);
        }
        if routed.is_empty() {
            return Ok(());
        }
        let mut builder = Builder { engine: request.engine, ..Builder::default() };
        for Way { range, hop } in ways(&routed, &over)? {
            let hop = named_edge(request, interfaces, range).filter(|_| matches!(hop, WayHop::Unroutable { .. })).unwrap_or(hop);
            match builder.add(interfaces, range, hop) {
                Added::Raw => {}
                Added::Connect(why) => {
                    self.notices.push(format!("{} goes through connect(): {why}", shown(range)));
                    self.connect.insert(range);
                    v4 = v4.difference(&[range].into_iter().collect());
                }
                Added::Nowhere(cause) => {
                    self.unroutable.push((range, cause));
                    v4 = v4.difference(&[range].into_iter().collect());
                }
            }
        }
        self.egresses.append(&mut builder.records);
        if !v4.is_empty() {
            let onlink = builder.onlink.intersection(&v4);
            self.syn = Some(SynPlan {
                addresses: v4,
                links: builder.links,
                egresses: EgressMap::new(builder.parts),
                gateways: builder.gateways,
                onlink,
                asked: builder.onlink,
            });
        }
        Ok(())
    }

    /// What `--dry-run` says.
    pub(super) fn record(&self, request: &Request, config: Option<&ScanConfig>) -> PlanRecord {
        let targets = self.addresses().saturating_mul(u64::from(request.ports.len()));
        let neighbours = self.syn.as_ref().map_or(0, |syn| count(&syn.asked) + syn.gateways.len() as u64);
        let attempts = config.map_or(connect::attempts(request), ScanConfig::attempts_of_the_silent);
        let raw = self.syn.iter().flat_map(|syn| discovery::asked(request, syn));
        let raw = raw.map(|(addresses, ports)| count(&addresses).saturating_mul(ports.len().into())).fold(0, u64::saturating_add);
        let asked = count(&self.connect).saturating_mul(request.ports.len().into()).saturating_add(raw);
        let probes = asked.saturating_mul(u64::from(attempts));
        // What the path bears is seen when it is tried.
        let named = request.rate.is_some() || request.max_rate.is_some() || request.host_rate.is_some();
        let rate = match config {
            Some(config) => Some(config.rate_over(config.addresses.len())).filter(|_| named),
            None => request.most().map(super::Rate::get),
        };
        let longest = |rate: u64| (probes as f64 / rate as f64 + neighbours as f64 * 2.0 / 2000.0 + 1.0).min(1e15);
        PlanRecord {
            addresses: self.addresses(),
            targets,
            mode: self.mode(),
            egresses: self.egresses.clone(),
            left_out: self.left_out.iter().flat_map(|(set, why)| set.ranges().map(|range| (shown(range), (*why).to_owned()))).collect(),
            unroutable: self.unroutable.iter().map(|(range, cause)| (shown(*range), cause.clone())).collect(),
            packets: (probes, neighbours * 2),
            rate,
            duration: rate.map(|rate| Duration::from_secs_f64(longest(rate))),
            seed: self.seed,
        }
    }
}

/// The kernel routes no segment to a subnet's broadcast address; whoever names it wants to know what answers there.
fn named_edge(request: &Request, interfaces: &[Interface], range: AddressRange) -> Option<WayHop> {
    let is_edge = |addr: &IpAddr| request.named.contains(*addr) && subnets_edges(interfaces).contains(*addr);
    let addr = Some(range.first()).filter(|addr| range.is_single() && is_edge(addr))?;
    interfaces.iter().filter(|interface| interface.kind == InterfaceKind::Ethernet).find_map(|interface| {
        let subnet = interface.addresses.iter().find(|subnet| subnet.contains(addr))?;
        Some(WayHop::OnLink { interface: interface.index, source: subnet.ip() })
    })
}

/// How many addresses, as far as they can be counted.
pub(super) fn count(set: &AddressSet) -> u64 {
    u64::try_from(set.len()).unwrap_or(u64::MAX)
}

fn shown(range: AddressRange) -> String {
    if range.first() == range.last() { range.first().to_string() } else { format!("{}-{}", range.first(), range.last()) }
}

/// Links and egresses as they are needed.
#[derive(Default)]
struct Builder {
    engine: Engine,
    links: Vec<PlannedLink>,
    parts: Vec<(AddressRange, Egress)>,
    gateways: Vec<Wanted>,
    onlink: AddressSet,
    records: Vec<EgressRecord>,
}

enum Added {
    Raw,
    Connect(&'static str),
    Nowhere(String),
}

impl Builder {
    fn add(&mut self, interfaces: &[Interface], range: AddressRange, hop: WayHop) -> Added {
        if let WayHop::Unroutable { cause } = hop {
            return Added::Nowhere(cause);
        }
        let (Some(number), Some(IpAddr::V4(source))) = (hop.interface(), hop.source()) else {
            return Added::Connect("no IPv4 source address there");
        };
        let Some(interface) = interfaces.iter().find(|interface| interface.index == number) else {
            return Added::Nowhere("its interface is gone".to_owned());
        };
        let (kind, label) = match (&hop, interface.kind) {
            (WayHop::Local { .. }, _) | (_, InterfaceKind::Loopback) => (LinkKind::Loopback, "raw-ip"),
            (_, InterfaceKind::Tunnel) => (LinkKind::Tunnel, "tunnel"),
            (_, InterfaceKind::Ethernet) if self.engine == Engine::Pnet => (LinkKind::Ethernet, "pnet"),
            (_, InterfaceKind::Ethernet) if self.engine == Engine::Xdp => (LinkKind::Ethernet, "xdp"),
            (_, InterfaceKind::Ethernet) => (LinkKind::Ethernet, "packet"),
            (_, InterfaceKind::Unsupported(_)) => return Added::Connect("its link layer is not known here"),
        };
        let mac = interface.mac.filter(|_| kind == LinkKind::Ethernet);
        let gateway = match hop {
            WayHop::Gateway { gateway, .. } => Some(gateway),
            _ => None,
        };
        let link = self.link(interface, kind);
        let hop = match (kind, mac, gateway) {
            (LinkKind::Ethernet, Some(_), _) if !interface.arp => return Added::Connect("its interface does without ARP"),
            (LinkKind::Ethernet, Some(mac), None) => NextHop::OnLink(mac),
            (LinkKind::Ethernet, Some(mac), Some(IpAddr::V4(addr))) => {
                NextHop::Gateway(mac, self.gateway(Wanted { link, source, source_mac: mac, addr }))
            }
            (LinkKind::Ethernet, Some(_), Some(IpAddr::V6(_))) => return Added::Connect("its gateway speaks IPv6 only"),
            (LinkKind::Ethernet, None, _) => return Added::Connect("its interface has no hardware address"),
            _ => NextHop::None,
        };
        if let NextHop::OnLink(_) = hop {
            self.onlink.insert(range);
        }
        self.parts.push((range, Egress { link, source, hop }));
        self.enter(interface, source.into(), gateway, label, range);
        Added::Raw
    }

    fn link(&mut self, interface: &Interface, kind: LinkKind) -> usize {
        let link = PlannedLink { name: interface.name.clone(), index: interface.index, kind, queues: interface.queues };
        position_or_push(&mut self.links, link)
    }

    fn gateway(&mut self, wanted: Wanted) -> usize {
        position_or_push(&mut self.gateways, wanted)
    }

    fn enter(&mut self, interface: &Interface, source: IpAddr, gateway: Option<IpAddr>, link: &'static str, range: AddressRange) {
        let addresses = count(&[range].into_iter().collect());
        // The machine's own addresses each have themselves as source: one line is enough for them.
        let source = Some(source).filter(|_| link != "raw-ip");
        let same = |record: &&mut EgressRecord| {
            record.interface == interface.name && record.source == source && record.gateway == gateway && record.link == link
        };
        match self.records.iter_mut().find(same) {
            Some(record) => record.addresses += addresses,
            None => self.records.push(EgressRecord { interface: interface.name.clone(), source, gateway, link: link.into(), addresses }),
        }
    }
}

fn position_or_push<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// Hardware addresses of gateways the kernel knows already.
pub(super) fn known_gateways(syn: &SynPlan) -> Vec<(usize, std::net::Ipv4Addr, MacAddr)> {
    let mut known = Vec::new();
    for wanted in &syn.gateways {
        let entries = crate::net::neighbour::neighbours(syn.links[wanted.link].index).unwrap_or_default();
        known.extend(
            entries.into_iter().filter(|(addr, _)| *addr == IpAddr::V4(wanted.addr)).map(|(_, mac)| (wanted.link, wanted.addr, mac)),
        );
    }
    known
}
