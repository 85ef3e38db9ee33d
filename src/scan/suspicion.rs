//! Who answers for hosts that are not there: SYN proxies, tarpits, load balancers. What gives them away, and where to look closer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::counted::Counted;
use crate::target::{AddressRange, AddressSet, PortSet, Target, TargetSpace};

/// Why the open ports of a host are not believed. They are reported all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Most of its ports are open, and every control port is too.
    ControlPorts,
    /// SYN-ACKs of so many of its ports have a window of zero, as a SYN proxy sends them before it knows the server's (RFC 4987 section 3.7).
    ZeroWindow(u64),
    /// Nearly every address of its /24 answers with this time to live and window, and none in any other way.
    UniformRange {
        /// Other addresses of the range that do.
        neighbours: u64,
        /// Time to live on arrival.
        ttl: u8,
        /// Window, unscaled.
        window: u16,
    },
}

impl Suspicion {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPorts => "control-ports",
            Self::ZeroWindow(_) => "zero-window",
            Self::UniformRange { .. } => "uniform-range",
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ControlPorts => write!(f, "{} random high ports are open too, every one asked", ControlPorts::COUNT),
            Self::ZeroWindow(ports) => write!(f, "{} answered with a window of zero", Counted(ports, "port")),
            Self::UniformRange { neighbours, ttl, window } => {
                write!(f, "same TTL ({ttl}) and window ({window}) as {} of its /24, and none other", Counted(neighbours, "neighbour"))
            }
        }
    }
}

/// Whether so many open ports of so many asked call for control probes: more than half of at least ten, or a hundred.
///
/// Ports asked and not ports that answered are the measure: behind a firewall that drops, the open ports are all that answers. A wrong
/// suspicion costs five probes and no verdict.
pub fn is_often_open(asked: u64, open: u64) -> bool {
    asked >= LEAST_ASKED && (2 * open > asked || open >= MANY)
}

/// With fewer ports all of them may well be open: `-p 22,80,443`.
const LEAST_ASKED: u64 = 10;
/// Servers with so many open ports are rare, proxies that answer only part of the time are not.
const MANY: u64 = 100;

/// Random high ports that nobody serves on purpose: open on a host, they say that something answers for every port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPorts {
    ports: PortSet,
    are_asked: bool,
}

impl ControlPorts {
    /// How many: a host that serves a hundred high ports by chance has all five with a probability below 10^-10.
    pub const COUNT: usize = 5;

    /// Drawn by the order's `seed` from 49152-65535 (RFC 6335 section 6: no service is assigned there), outside the scan's `ports` and
    /// the `canary`; where the scan leaves fewer than five there, from its own.
    pub fn draw(seed: u64, ports: &PortSet, canary: Option<Target>) -> Self {
        let canary = canary.map(|canary| canary.port);
        let free: Vec<u16> = DYNAMIC.filter(|port| !ports.contains(*port) && Some(*port) != canary).collect();
        let are_asked = free.len() < Self::COUNT;
        let mut urn: Vec<u16> = if are_asked { DYNAMIC.filter(|port| ports.contains(*port)).collect() } else { free };
        let mut random = SmallRng::seed_from_u64(seed ^ PURPOSE);
        let ports = (0..Self::COUNT).map(|_| urn.swap_remove(random.random_range(0..urn.len())));
        Self { ports: ports.collect(), are_asked }
    }

    /// The ports.
    pub fn ports(&self) -> &PortSet {
        &self.ports
    }

    /// Whether the scan asks them anyway, so that no further probe is needed.
    pub fn are_asked(&self) -> bool {
        self.are_asked
    }

    /// Whether each of them is among these.
    pub fn are_all_in(&self, open: impl Iterator<Item = u16>) -> bool {
        open.filter(|port| self.ports.contains(*port)).collect::<BTreeSet<_>>().len() == Self::COUNT
    }
}

const DYNAMIC: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// Sets these random numbers apart from others of the same seed.
const PURPOSE: u64 = 0x636f_6e74_726f_6c73;

/// Open ports of each host of a space, counted by many threads; of no host where the scan asks too few ports of each to tell.
#[derive(Debug)]
pub struct Opens {
    ports: u64,
    hosts: Vec<AtomicU16>,
}

impl Opens {
    /// None so far.
    pub fn new(space: &TargetSpace) -> Self {
        let (ports, hosts) = (u64::from(space.ports().len()), space.addresses().len());
        let counted = if ports >= LEAST_ASKED && hosts <= MOST_HOSTS { hosts as usize } else { 0 };
        Self { ports, hosts: (0..counted).map(|_| AtomicU16::new(0)).collect() }
    }

    /// Target number `index` of the space is open; said once of each.
    pub fn add(&self, index: u64) {
        if let Some(count) = self.hosts.get((index / self.ports.max(1)) as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The hosts of `space` that call for control probes.
    pub fn suspects(&self, space: &TargetSpace) -> AddressSet {
        let often = |count: &AtomicU16| is_often_open(self.ports, u64::from(count.load(Ordering::Relaxed)));
        let hosts = self.hosts.iter().enumerate().filter(|(_, count)| often(count));
        hosts.filter_map(|(host, _)| space.addresses().nth(host as u64)).filter_map(|addr| AddressRange::new(addr, addr)).collect()
    }
}

/// Two bytes each.
const MOST_HOSTS: u128 = 1 << 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ports_are_suspicious_where_they_are_most() {
        let suspicious = [(9, 9), (10, 5), (10, 6), (1000, 20), (1000, 99), (1000, 100), (150, 76), (65_535, 99)];
        let suspicious = suspicious.map(|(asked, open)| is_often_open(asked, open));
        assert_eq!(suspicious, [false, false, true, false, false, true, true, false]);
    }

    #[test]
    fn control_ports_are_high_and_not_asked_anyway() {
        let asked: PortSet = "1-1000,49152-65000".parse().unwrap();
        let canary = Target { addr: [10, 0, 0, 1].into(), port: 65_001 };
        for seed in 0..200 {
            let controls = ControlPorts::draw(seed, &asked, Some(canary));
            assert!(!controls.are_asked());
            assert_eq!(controls.ports().len(), 5);
            assert!(controls.ports().iter().all(|port| port > 65_001), "{:?}", controls.ports());
        }
        let two = [1, 2].map(|seed| ControlPorts::draw(seed, &asked, None));
        assert!(two[0] != two[1] && two[0] == ControlPorts::draw(1, &asked, None));
    }

    #[test]
    fn a_scan_of_all_ports_asks_them_itself() {
        let controls = ControlPorts::draw(1, &PortSet::all(), None);
        assert!(controls.are_asked());
        let ports: Vec<u16> = controls.ports().iter().collect();
        assert_eq!(ports.len(), 5);
        assert!(controls.are_all_in(1..=65_535));
        assert!(!controls.are_all_in((1..=65_535).filter(|port| *port != ports[2])));
        assert!(!controls.are_all_in(ports[..4].iter().copied().chain([ports[0]])));
    }

    #[test]
    fn hosts_are_counted_one_by_one() {
        let space = |ports: &str| TargetSpace::new("10.0.0.1-3".parse().unwrap(), ports.parse().unwrap()).unwrap();
        let (few, many) = (space("1-9"), space("1-10"));
        for (space, suspects) in [(&few, ""), (&many, "10.0.0.2")] {
            let opens = Opens::new(space);
            (0..space.len()).filter(|index| space.host_of(*index) == 1 || index % 2 == 0).for_each(|index| opens.add(index));
            assert_eq!(opens.suspects(space), suspects.parse().unwrap_or_default());
        }
    }

    #[test]
    fn a_suspicion_is_a_word_and_words() {
        let all = [Suspicion::ControlPorts, Suspicion::ZeroWindow(1), Suspicion::UniformRange { neighbours: 255, ttl: 64, window: 512 }];
        let words = all.map(|suspicion| format!("{}: {suspicion}", suspicion.as_str()));
        assert_eq!(
            words,
            [
                "control-ports: 5 random high ports are open too, every one asked",
                "zero-window: 1 port answered with a window of zero",
                "uniform-range: same TTL (64) and window (512) as 255 neighbours of its /24, and none other",
            ]
        );
    }
}
