//! Who is where and does what: a topology and a seed, asked by address. Nothing here changes with time.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::hash::Key;
use super::host::{HostSpec, Otherwise, PortState, Rejection, Sender, Shares};
use super::topology::{Missing, Segment, mac_of};
use super::truth::Nature;
use crate::packet::MacAddr;

pub(super) struct World {
    pub(super) segments: Vec<Place>,
    key: Key,
    hosts: Key,
    ports: Key,
}

/// A segment with what finding a host in it needs.
pub(super) struct Place {
    spec: Segment,
    first: u32,
    last: u32,
    /// The addresses that populations may have.
    inhabitable: (u32, u32),
}

impl World {
    pub(super) fn new(segments: Vec<Segment>, key: Key) -> Self {
        let [hosts, ports] = [PURPOSE_HOST, PURPOSE_PORT].map(|purpose| key.derive(purpose));
        Self { segments: segments.into_iter().map(Place::new).collect(), key, hosts, ports }
    }

    pub(super) fn place_of(&self, address: Ipv4Addr) -> Option<usize> {
        let bits = address.to_bits();
        self.segments.iter().position(|place| (place.first..=place.last).contains(&bits))
    }

    /// The host at `address`, which is in segment `place`.
    pub(super) fn host(&self, place: usize, address: Ipv4Addr) -> Option<&HostSpec> {
        let place = &self.segments[place];
        if !place.spec.hosts.is_empty()
            && let Some(host) = place.spec.hosts.get(&address)
        {
            return Some(host);
        }
        let bits = address.to_bits();
        if place.spec.populations.is_empty() || bits < place.inhabitable.0 || bits > place.inhabitable.1 {
            return None;
        }
        let mut drawn = self.hosts.share(u64::from(bits));
        place.spec.populations.iter().find_map(|(share, host)| {
            drawn -= share;
            (drawn < 0.0).then_some(host)
        })
    }

    pub(super) fn mac(host: &HostSpec, address: Ipv4Addr) -> MacAddr {
        host.mac.unwrap_or_else(|| mac_of(address))
    }

    pub(super) fn missing(&self, place: usize) -> Option<(Rejection, Duration)> {
        match self.segments[place].spec.missing {
            Missing::Rejected(rejection, after) if !self.segments[place].spec.via.is_empty() => Some((rejection, after)),
            _ => None,
        }
    }

    pub(super) fn port(&self, host: &HostSpec, address: Ipv4Addr, port: u16) -> PortState {
        if let Some(&state) = host.named.get(&port) {
            return state;
        }
        match host.otherwise {
            Otherwise::All(state) => state,
            Otherwise::Drawn(shares) => drawn(shares, self.ports.share(target(address, port))),
        }
    }

    /// Whether this target is one of a share of all.
    pub(super) fn chosen(&self, share: f64, address: Ipv4Addr, port: u16, purpose: u64) -> bool {
        share > 0.0 && self.key.derive(purpose).share(target(address, port)) < share
    }

    pub(super) fn nature(&self, address: Ipv4Addr, port: u16) -> Nature {
        let Some(place) = self.place_of(address) else { return Nature::Absent };
        let state = match self.host(place, address) {
            Some(host) => self.port(host, address, port),
            None => match self.missing(place) {
                Some((rejection, _)) => PortState::Rejected(rejection),
                None => return Nature::Absent,
            },
        };
        match state {
            PortState::Open => Nature::Open,
            PortState::Closed => Nature::Closed,
            PortState::Silent => Nature::Silent,
            PortState::Rejected(Rejection { kind, code, from }) => {
                let router = self.segments[place].spec.via.last().filter(|_| from == Sender::Router);
                Nature::Rejected { kind, code, from: router.copied().unwrap_or(address) }
            }
        }
    }
}

impl Place {
    fn new(spec: Segment) -> Self {
        let [first, last] = [spec.network.network(), spec.network.broadcast()].map(Ipv4Addr::to_bits);
        let named = spec.via.is_empty() && spec.network.prefix() < 31;
        let inhabitable = if named { (first + 1, last - 1) } else { (first, last) };
        Self { spec, first, last, inhabitable }
    }

    pub(super) fn spec(&self) -> &Segment {
        &self.spec
    }
}

fn drawn(shares: Shares, drawn: f64) -> PortState {
    let (rejected, rejection) = shares.rejected;
    if drawn < shares.open {
        PortState::Open
    } else if drawn < shares.open + shares.closed {
        PortState::Closed
    } else if drawn < shares.open + shares.closed + rejected {
        PortState::Rejected(rejection)
    } else {
        PortState::Silent
    }
}

fn target(address: Ipv4Addr, port: u16) -> u64 {
    u64::from(address.to_bits()) << 16 | u64::from(port)
}

const PURPOSE_HOST: u64 = 1;
const PURPOSE_PORT: u64 = 2;
pub(super) const PURPOSE_FORGERY: u64 = 3;
pub(super) const PURPOSE_COLD_ARP: u64 = 4;
