//! Ranges whose addresses all answer alike: one machine answers for them.

use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::{HashMap, HashMapExt};

use super::outcome::{Finding, State};
use super::suspicion::Suspicion;
use crate::target::{AddressSet, PortSet};

/// What is known of each /24 that is scanned as a whole on few ports.
///
/// The rule is strict, for a network of equal servers looks much the same: of the 254 host addresses of a /24 all must have been asked,
/// nine in ten targets must be open with one time to live and one window, and nothing else may have been answered, not even by one RST.
/// Dense ranges of a content network fulfil it too, and rightly: one machine answers for many addresses.
#[derive(Debug)]
pub struct Ranges {
    addresses: AddressSet,
    ports: u64,
    /// By the first three bytes of their addresses.
    known: HashMap<u32, Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// This many open targets have answered with this time to live and window, and nothing else has come.
    Alike { ttl: u8, window: u16, open: u64 },
    /// Nothing to be suspected of.
    Honest,
}

/// What an answer says about its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is like all before it.
    Alike,
    /// The range was open to suspicion and is no more.
    Cleared,
    /// Nothing.
    Nothing,
}

impl Ranges {
    /// The ranges of a scan of `ports` on `addresses`.
    pub fn new(addresses: AddressSet, ports: &PortSet) -> Self {
        Self { addresses, ports: u64::from(ports.len()), known: HashMap::new() }
    }

    /// Takes in an answer.
    pub fn see(&mut self, finding: &Finding) -> Seen {
        let IpAddr::V4(addr) = finding.target.addr else { return Seen::Nothing };
        // Of many ports a host alone tells enough.
        if self.ports > FEW_PORTS {
            return Seen::Nothing;
        }
        let is_open = finding.outcome.state == State::Open;
        let seen = finding.ttl.zip(finding.window).filter(|_| is_open);
        // Of what was found before the scan was taken up, less may be known.
        if is_open && seen.is_none() {
            return Seen::Nothing;
        }
        let is_full = self.known.len() >= MOST_RANGES;
        match (self.known.entry(number(addr)), seen) {
            (Entry::Vacant(_), _) if is_full => Seen::Nothing,
            (Entry::Vacant(vacant), Some((ttl, window))) if is_whole(&self.addresses, addr) => {
                vacant.insert(Range::Alike { ttl, window, open: 1 });
                Seen::Alike
            }
            (Entry::Vacant(vacant), _) => {
                vacant.insert(Range::Honest);
                Seen::Nothing
            }
            (Entry::Occupied(mut range), seen) => match range.get_mut() {
                Range::Honest => Seen::Nothing,
                Range::Alike { ttl, window, open } if seen == Some((*ttl, *window)) => {
                    *open += 1;
                    Seen::Alike
                }
                range @ Range::Alike { .. } => {
                    *range = Range::Honest;
                    Seen::Cleared
                }
            },
        }
    }

    /// Clears ranges that are far from full when a `share` of all targets, 0 to 1, was asked and has had time to answer: the order is uniform,
    /// so a range that answers everywhere has answered to the same share. Returns an address of each.
    pub fn clear_sparse(&mut self, share: f64) -> Vec<Ipv4Addr> {
        let due = share * (HOSTS * self.ports) as f64;
        let sparse = |open: u64| due >= ENOUGH_DUE && (open as f64) < due * SPARSE;
        let mut cleared = Vec::new();
        for (number, range) in &mut self.known {
            if matches!(range, Range::Alike { open, .. } if sparse(*open)) {
                *range = Range::Honest;
                cleared.push(Ipv4Addr::from_bits(number << 8));
            }
        }
        cleared
    }

    /// Whether this address may still turn out to be one of many alike.
    pub fn is_in_question(&self, addr: IpAddr) -> bool {
        let IpAddr::V4(addr) = addr else { return false };
        matches!(self.known.get(&number(addr)), Some(Range::Alike { .. }))
    }

    /// The verdict on a host with open ports, when all answers are in.
    pub fn verdict(&self, addr: IpAddr) -> Option<Suspicion> {
        let IpAddr::V4(addr) = addr else { return None };
        let Range::Alike { ttl, window, open } = *self.known.get(&number(addr))? else { return None };
        let enough = open * 10 >= HOSTS * self.ports * 9;
        enough.then(|| Suspicion::UniformRange { neighbours: (open / self.ports).saturating_sub(1), ttl, window })
    }

    /// The first and the last address of the /24 of `addr`.
    pub fn around(addr: Ipv4Addr) -> (Ipv4Addr, Ipv4Addr) {
        let first = number(addr) << 8;
        (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(first | 0xff))
    }
}

fn number(addr: Ipv4Addr) -> u32 {
    addr.to_bits() >> 8
}

/// Whether .1 to .254 of the /24 of `addr` are all among `addresses`.
fn is_whole(addresses: &AddressSet, addr: Ipv4Addr) -> bool {
    let (first, last) = Ranges::around(addr);
    let [first, last] = [first.to_bits() + 1, last.to_bits() - 1].map(|bits| addresses.position(IpAddr::V4(Ipv4Addr::from_bits(bits))));
    first.zip(last).is_some_and(|(first, last)| last - first == HOSTS - 1)
}

/// With fewer answers due, chance decides who is far from full.
const ENOUGH_DUE: f64 = 16.0;
/// A range is far from full below this share of what is due: also a path that loses half of the probes leaves more.
const SPARSE: f64 = 0.25;
/// Host addresses of a /24.
const HOSTS: u64 = 254;
/// With more ports a host is judged by its own.
const FEW_PORTS: u64 = 9;
/// More ranges are not watched: some fifty megabytes.
const MOST_RANGES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Outcome, Reason};
    use crate::target::Target;
    use crate::time::Time;

    fn answer(last: u8, window: u16) -> Finding {
        let target = Target { addr: [10, 0, 0, last].into(), port: 80 };
        let outcome = Outcome { state: State::Open, reason: Reason::SynAck, reason_addr: None };
        Finding { target, outcome, ttl: Some(64), window: Some(window), rtt: None, attempt: 1, time: Time::ZERO }
    }

    fn closed(last: u8) -> Finding {
        let outcome = Outcome { state: State::Closed, reason: Reason::Reset, reason_addr: None };
        Finding { outcome, window: None, ..answer(last, 0) }
    }

    fn ranges(addresses: &str) -> Ranges {
        Ranges::new(addresses.parse().unwrap(), &"80".parse().unwrap())
    }

    #[test]
    fn a_range_whose_addresses_are_all_alike_is_suspect() {
        let mut ranges = ranges("10.0.0.0/24");
        let host = IpAddr::from([10, 0, 0, 7]);
        for last in 0..228 {
            assert_eq!(ranges.see(&answer(last, 512)), Seen::Alike);
        }
        assert_eq!((ranges.verdict(host), ranges.is_in_question(host)), (None, true), "228 of 254 are less than nine in ten");
        ranges.see(&answer(228, 512));
        assert_eq!(ranges.verdict(host), Some(Suspicion::UniformRange { neighbours: 228, ttl: 64, window: 512 }));
    }

    #[test]
    fn one_other_answer_clears_it() {
        for other in [closed(255), answer(255, 513), Finding { ttl: Some(63), ..answer(255, 512) }] {
            let mut ranges = ranges("10.0.0.0/23");
            (0..=254).for_each(|last| assert_eq!(ranges.see(&answer(last, 512)), Seen::Alike));
            assert_eq!(
                [ranges.see(&other), ranges.see(&other), ranges.see(&answer(1, 512))],
                [Seen::Cleared, Seen::Nothing, Seen::Nothing]
            );
            assert_eq!((ranges.verdict([10, 0, 0, 7].into()), ranges.is_in_question([10, 0, 0, 7].into())), (None, false));
        }
        let mut first = ranges("10.0.0.0/24");
        first.see(&closed(1));
        assert_eq!(first.see(&answer(2, 512)), Seen::Nothing);
    }

    #[test]
    fn a_range_that_stays_far_from_full_is_cleared() {
        let mut ranges = Ranges::new("10.0.0.0/23".parse().unwrap(), &"80".parse().unwrap());
        let second = |last| Finding { target: Target { addr: [10, 0, 1, last].into(), port: 80 }, ..answer(last, 512) };
        (0..8).for_each(|last| assert_eq!(ranges.see(&answer(last, 512)), Seen::Alike));
        ranges.see(&second(1));
        assert_eq!(ranges.clear_sparse(0.06), [] as [Ipv4Addr; 0], "15 are too few to judge by");
        assert_eq!(ranges.clear_sparse(0.1), [Ipv4Addr::new(10, 0, 1, 0)], "one of 25");
        assert_eq!([[10, 0, 0, 9], [10, 0, 1, 1]].map(|addr| ranges.is_in_question(addr.into())), [true, false]);
        assert_eq!(ranges.see(&second(2)), Seen::Nothing);
    }

    #[test]
    fn part_of_a_range_and_many_ports_are_not_judged() {
        let mut part = ranges("10.0.0.1-200,10.0.0.202-255");
        assert_eq!(part.see(&answer(1, 512)), Seen::Nothing);
        let mut many = Ranges::new("10.0.0.0/24".parse().unwrap(), &"80-89".parse().unwrap());
        assert_eq!(many.see(&answer(1, 512)), Seen::Nothing);
        let mut without_edges = ranges("10.0.0.1-254");
        assert_eq!(without_edges.see(&answer(1, 512)), Seen::Alike);
    }
}
