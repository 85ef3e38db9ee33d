//! Ranges whose addresses all answer alike: one machine answers for them.

use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::{HashMap, HashMapExt};

use super::outcome::{Finding, State};
use super::suspicion::Suspicion;
use crate::target::{AddressSet, PortSet};

/// What is known of each /24 that is scanned as a whole on few ports, and what waits there for the verdict.
///
/// The rule is strict, for a network of equal servers looks much the same: of the 254 host addresses of a /24 all must have been asked,
/// nine in ten targets must be open with one time to live and one window, and nothing else may have been answered, not even by one RST.
/// Dense ranges of a content network fulfil it too, and rightly: one machine answers for many addresses.
#[derive(Debug)]
pub struct Ranges<W> {
    addresses: AddressSet,
    ports: u64,
    /// By the first three bytes of their addresses.
    known: HashMap<u32, Range<W>>,
}

#[derive(Debug)]
enum Range<W> {
    /// This many open targets have answered with this time to live and window, and nothing else has come.
    Alike { ttl: u8, window: u16, open: u16, waiting: W },
    /// Nothing to be suspected of.
    Honest,
}

/// What an answer says about its range.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a, W> {
    /// The range is open to suspicion; what waits for the verdict on it.
    Alike(&'a mut W),
    /// The range was open to suspicion and is no more; what has waited.
    Cleared(W),
    /// Nothing.
    Nothing,
}

impl<W: Default> Ranges<W> {
    /// The ranges of a scan of `ports` on `addresses`.
    pub fn new(addresses: AddressSet, ports: &PortSet) -> Self {
        Self { addresses, ports: u64::from(ports.len()), known: HashMap::new() }
    }

    /// What waits in the range of this address.
    pub fn waiting_at(&self, addr: IpAddr) -> Option<&W> {
        let IpAddr::V4(addr) = addr else { return None };
        match self.known.get(&number(addr))? {
            Range::Alike { waiting, .. } => Some(waiting),
            Range::Honest => None,
        }
    }

    /// Takes in an answer.
    pub fn see(&mut self, finding: &Finding) -> Seen<'_, W> {
        let IpAddr::V4(addr) = finding.target.addr else { return Seen::Nothing };
        // Of many ports a host alone tells enough.
        if self.ports > FEW_PORTS {
            return Seen::Nothing;
        }
        let is_open = finding.outcome.state == State::Open;
        let seen = finding.ttl.zip(finding.window).filter(|_| is_open);
        // Of what was found before the scan was taken up, less may be known.
        if is_open && seen.is_none() {
            return match self.known.get_mut(&number(addr)) {
                Some(Range::Alike { waiting, .. }) => Seen::Alike(waiting),
                _ => Seen::Nothing,
            };
        }
        let is_full = self.known.len() >= MOST_RANGES;
        match (self.known.entry(number(addr)), seen) {
            (Entry::Vacant(_), _) if is_full => Seen::Nothing,
            (Entry::Vacant(vacant), Some((ttl, window))) if is_whole(&self.addresses, addr) => {
                match vacant.insert(Range::Alike { ttl, window, open: 1, waiting: W::default() }) {
                    Range::Alike { waiting, .. } => Seen::Alike(waiting),
                    Range::Honest => Seen::Nothing,
                }
            }
            (Entry::Vacant(vacant), _) => {
                vacant.insert(Range::Honest);
                Seen::Nothing
            }
            (Entry::Occupied(range), seen) => range.into_mut().see(seen),
        }
    }

    /// Clears ranges that are far from full when a `share` of all targets, 0 to 1, was asked and has had time to answer: the order is uniform,
    /// so a range that answers everywhere has answered to the same share. Returns the first address of each, and what has waited.
    pub fn clear_sparse(&mut self, share: f64) -> Vec<(Ipv4Addr, W)> {
        let due = share * (HOSTS * self.ports) as f64;
        let sparse = |open: u16| due >= ENOUGH_DUE && f64::from(open) < due * SPARSE;
        let sparse = self.known.iter_mut().filter(|(_, range)| matches!(range, Range::Alike { open, .. } if sparse(*open)));
        sparse.filter_map(|(number, range)| Some((first(*number), range.clear()?))).collect()
    }

    /// What waits anywhere.
    pub fn waiting(&self) -> impl Iterator<Item = &W> {
        self.known.values().filter_map(|range| match range {
            Range::Alike { waiting, .. } => Some(waiting),
            Range::Honest => None,
        })
    }

    /// The verdict on a host with open ports, when all answers are in.
    pub fn verdict(&self, addr: IpAddr) -> Option<Suspicion> {
        let IpAddr::V4(addr) = addr else { return None };
        self.known.get(&number(addr))?.verdict(self.ports)
    }

    /// What waits in each range whose verdict is due, by the range's first address, with the verdict: all answers are in.
    pub fn release(&mut self) -> Vec<(Ipv4Addr, W, Option<Suspicion>)> {
        let ports = self.ports;
        let release = |(number, range): (&u32, &mut Range<W>)| {
            let verdict = range.verdict(ports);
            let Range::Alike { waiting, .. } = range else { return None };
            Some((first(*number), std::mem::take(waiting), verdict))
        };
        self.known.iter_mut().filter_map(release).collect()
    }
}

impl<W> Range<W> {
    /// Takes in an answer: of an open target, with this time to live and window.
    fn see(&mut self, seen: Option<(u8, u16)>) -> Seen<'_, W> {
        let is_alike = matches!(self, Self::Alike { ttl, window, .. } if seen == Some((*ttl, *window)));
        if !is_alike {
            return self.clear().map_or(Seen::Nothing, Seen::Cleared);
        }
        match self {
            Self::Alike { open, waiting, .. } => {
                *open = open.saturating_add(1);
                Seen::Alike(waiting)
            }
            Self::Honest => Seen::Nothing,
        }
    }

    /// There is nothing to be suspected of; what has waited for that, unless it was known.
    fn clear(&mut self) -> Option<W> {
        match std::mem::replace(self, Self::Honest) {
            Self::Alike { waiting, .. } => Some(waiting),
            Self::Honest => None,
        }
    }

    fn verdict(&self, ports: u64) -> Option<Suspicion> {
        let Self::Alike { ttl, window, open, .. } = *self else { return None };
        let open = u64::from(open);
        let enough = open * 10 >= HOSTS * ports * 9;
        enough.then(|| Suspicion::UniformRange { neighbours: (open / ports).saturating_sub(1), ttl, window })
    }
}

fn number(addr: Ipv4Addr) -> u32 {
    addr.to_bits() >> 8
}

/// The first address of a range.
fn first(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(number << 8)
}

/// Whether .1 to .254 of the /24 of `addr` are all among `addresses`.
fn is_whole(addresses: &AddressSet, addr: Ipv4Addr) -> bool {
    let first = number(addr) << 8;
    let [first, last] = [first + 1, first + 254].map(|bits| addresses.position(IpAddr::V4(Ipv4Addr::from_bits(bits))));
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
/// More ranges are not watched: some ninety megabytes.
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

    fn ranges(addresses: &str) -> Ranges<Vec<u8>> {
        Ranges::new(addresses.parse().unwrap(), &"80".parse().unwrap())
    }

    /// Its answer is like all before it, and it waits.
    fn wait(ranges: &mut Ranges<Vec<u8>>, last: u8) {
        let Seen::Alike(waiting) = ranges.see(&answer(last, 512)) else { panic!("{last} is like the others") };
        waiting.push(last);
    }

    #[test]
    fn a_range_whose_addresses_are_all_alike_is_suspect() {
        let mut ranges = ranges("10.0.0.0/24");
        let host = IpAddr::from([10, 0, 0, 7]);
        for last in 0..228 {
            wait(&mut ranges, last);
        }
        assert_eq!((ranges.verdict(host), ranges.waiting().count()), (None, 1), "228 of 254 are less than nine in ten");
        wait(&mut ranges, 228);
        let verdict = Some(Suspicion::UniformRange { neighbours: 228, ttl: 64, window: 512 });
        assert_eq!(ranges.verdict(host), verdict);
        assert_eq!(ranges.release(), [([10, 0, 0, 0].into(), (0..=228).collect(), verdict)]);
    }

    #[test]
    fn one_other_answer_clears_it() {
        for other in [closed(255), answer(255, 513), Finding { ttl: Some(63), ..answer(255, 512) }] {
            let mut ranges = ranges("10.0.0.0/23");
            (0..=254).for_each(|last| wait(&mut ranges, last));
            assert_eq!(ranges.see(&other), Seen::Cleared((0..=254).collect()));
            assert_eq!(ranges.see(&other), Seen::Nothing);
            assert_eq!(ranges.see(&answer(1, 512)), Seen::Nothing);
            assert_eq!((ranges.verdict([10, 0, 0, 7].into()), ranges.waiting().count(), ranges.release()), (None, 0, Vec::new()));
        }
        let mut first = ranges("10.0.0.0/24");
        first.see(&closed(1));
        assert_eq!(first.see(&answer(2, 512)), Seen::Nothing);
    }

    #[test]
    fn a_range_that_stays_far_from_full_is_cleared() {
        let mut ranges = ranges("10.0.0.0/23");
        let second = |last| Finding { target: Target { addr: [10, 0, 1, last].into(), port: 80 }, ..answer(last, 512) };
        (0..8).for_each(|last| wait(&mut ranges, last));
        ranges.see(&second(1));
        assert_eq!(ranges.clear_sparse(0.06), [], "15 are too few to judge by");
        assert_eq!(ranges.clear_sparse(0.1), [([10, 0, 1, 0].into(), Vec::new())], "one of 25");
        assert_eq!(ranges.waiting().collect::<Vec<_>>(), [&(0..8).collect::<Vec<_>>()]);
        assert_eq!(ranges.see(&second(2)), Seen::Nothing);
    }

    #[test]
    fn what_less_is_known_of_waits_with_the_others() {
        let less = |last| Finding { ttl: None, ..answer(last, 512) };
        let mut ranges = ranges("10.0.0.0/24");
        assert_eq!(ranges.see(&less(1)), Seen::Nothing);
        wait(&mut ranges, 2);
        assert_eq!(ranges.see(&less(3)), Seen::Alike(&mut vec![2]));
    }

    #[test]
    fn part_of_a_range_and_many_ports_are_not_judged() {
        let mut part = ranges("10.0.0.1-200,10.0.0.202-255");
        assert_eq!(part.see(&answer(1, 512)), Seen::Nothing);
        let mut many = Ranges::<()>::new("10.0.0.0/24".parse().unwrap(), &"80-89".parse().unwrap());
        assert_eq!(many.see(&answer(1, 512)), Seen::Nothing);
        let mut without_edges = ranges("10.0.0.1-254");
        wait(&mut without_edges, 1);
    }
}
