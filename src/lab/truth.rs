//! What a perfect scan would find, and what really happened: the side of the simulation that no scanner sees.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::counters::Counters;
use super::hash::AddressMap;
use super::world::World;
use crate::time::Time;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature {
    /// It answers with a SYN-ACK.
    Open,
    /// It answers with a RST.
    Closed,
    /// An ICMP error answers.
    Rejected {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
        /// Who sends it.
        from: Ipv4Addr,
    },
    /// The host is there, and this port does not answer.
    Silent,
    /// There is no host and nothing says so.
    Absent,
}

impl Nature {
    /// Whether a SYN to it is answered.
    pub const fn answers(self) -> bool {
        matches!(self, Self::Open | Self::Closed | Self::Rejected { .. })
    }
}

/// The truth about a network at this moment.
#[derive(Clone, Copy)]
pub struct Truth<'a> {
    pub(super) world: &'a World,
    pub(super) counters: &'a Counters,
    pub(super) half_open: usize,
    pub(super) tallies: &'a AddressMap<u32, Arrivals>,
}

impl<'a> Truth<'a> {
    /// What a target is, once its host is up.
    pub fn nature(self, target: SocketAddrV4) -> Nature {
        self.world.nature(*target.ip(), target.port())
    }

    /// The nature of each of these targets, by address, then port.
    pub fn natures<A, P>(self, addresses: A, ports: P) -> impl Iterator<Item = (SocketAddrV4, Nature)> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        let targets =
            addresses.into_iter().flat_map(move |address| ports.clone().into_iter().map(move |port| SocketAddrV4::new(address, port)));
        targets.map(move |target| (target, self.nature(target)))
    }

    /// Those of these targets that are open.
    pub fn open<A, P>(self, addresses: A, ports: P) -> impl Iterator<Item = SocketAddrV4> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        self.those(addresses, ports, |nature| nature == Nature::Open)
    }

    /// Those of these targets that are closed.
    pub fn closed<A, P>(self, addresses: A, ports: P) -> impl Iterator<Item = SocketAddrV4> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        self.those(addresses, ports, |nature| nature == Nature::Closed)
    }

    /// Those of these targets that an ICMP error answers for.
    pub fn filtered<A, P>(self, addresses: A, ports: P) -> impl Iterator<Item = SocketAddrV4> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        self.those(addresses, ports, |nature| matches!(nature, Nature::Rejected { .. }))
    }

    /// Those of these targets that nothing answers for: silent ports and addresses without a host.
    pub fn silent<A, P>(self, addresses: A, ports: P) -> impl Iterator<Item = SocketAddrV4> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        self.those(addresses, ports, |nature| !nature.answers())
    }

    fn those<A, P>(self, addresses: A, ports: P, wanted: fn(Nature) -> bool) -> impl Iterator<Item = SocketAddrV4> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
        P: IntoIterator<Item = u16, IntoIter: 'a> + Clone + 'a,
    {
        self.natures(addresses, ports).filter_map(move |(target, nature)| wanted(nature).then_some(target))
    }

    /// Those of these addresses that answer ICMP echo.
    pub fn echoing<A>(self, addresses: A) -> impl Iterator<Item = Ipv4Addr> + 'a
    where
        A: IntoIterator<Item = Ipv4Addr, IntoIter: 'a>,
    {
        let host = move |addr: Ipv4Addr| self.world.host(self.world.place_of(addr)?, addr);
        addresses.into_iter().filter(move |&addr| host(addr).is_some_and(|host| host.echo))
    }

    /// What happened so far.
    pub fn counters(self) -> &'a Counters {
        self.counters
    }

    /// Half-open connections now.
    pub fn half_open(self) -> usize {
        self.half_open
    }

    /// Injected SYNs whose fate is not settled yet.
    pub fn under_way(self) -> u64 {
        self.counters.syns - self.counters.fates.settled()
    }

    /// How many SYNs were sent to an address; known with [`super::Tally::PerAddress`], else 0.
    pub fn syns_to(self, address: Ipv4Addr) -> u64 {
        self.tallies.get(&address.to_bits()).map_or(0, |arrivals| arrivals.total)
    }

    /// The most SYNs sent to an address within any second; known with [`super::Tally::PerAddress`], else 0.
    pub fn busiest_second(self, address: Ipv4Addr) -> u64 {
        self.tallies.get(&address.to_bits()).map_or(0, |arrivals| arrivals.peak)
    }

    /// The addresses that SYNs were sent to, ascending; known with [`super::Tally::PerAddress`].
    pub fn probed(self) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<_> = self.tallies.keys().map(|&bits| Ipv4Addr::from_bits(bits)).collect();
        addresses.sort_unstable();
        addresses
    }
}

/// The SYNs sent to one address.
#[derive(Default)]
pub(super) struct Arrivals {
    total: u64,
    peak: u64,
    last_second: VecDeque<Time>,
}

impl Arrivals {
    pub(super) fn count(&mut self, at: Time) {
        self.total += 1;
        while self.last_second.front().is_some_and(|&first| at.since(first) >= Duration::from_secs(1)) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(at);
        self.peak = self.peak.max(self.last_second.len() as u64);
    }
}
