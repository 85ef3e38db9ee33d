//! The elements of a path at work. Every packet passes them at its time; packets of one element may come slightly out of order.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::counters::Cause;
use super::hash::{Key, Mixer};
use super::host::{Limit, Tripwire};
use super::path::{Capacity, Element, Latency};
use crate::time::Time;

/// What an element may know of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    /// The simulated address it goes to or comes from.
    pub(super) address: u32,
    /// The port of that address; 0 for ARP.
    pub(super) port: u16,
    pub(super) kind: Kind,
}

/// Whether a packet opens something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A SYN to a target that will answer.
    Welcome,
    /// A SYN to a target that will not.
    Vain,
    /// Anything else.
    Other,
}

/// What became of a packet in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Through(Time),
    Twice(Time, Time),
    Lost(Cause),
}

pub(super) struct Stage {
    key: Key,
    rng: SmallRng,
    state: State,
}

enum State {
    Latency(Latency),
    Loss { share: f64, since: Time },
    Spells(Spells),
    Outage { first: Time, every: Duration, lasts: Duration },
    Duplicate { share: f64, after: Duration },
    Policer { bucket: Bucket, capacity: Capacity },
    Queue { free_at: Time, capacity: Capacity, buffer: Duration },
    FirstContact { loss: f64, seen: HashSet<u32, BuildHasherDefault<Mixer>> },
    NewTargets { bucket: Bucket, limit: Limit, resolved: HashSet<u64, BuildHasherDefault<Mixer>> },
    Uneven { share: f64, loss: f64 },
    Tripwire(Wire),
}

impl Stage {
    pub(super) fn new(element: &Element, key: Key) -> Self {
        let mut rng = SmallRng::seed_from_u64(key.seed());
        let state = match element.clone() {
            Element::Latency(latency) => State::Latency(latency),
            Element::Loss { share, since } => State::Loss { share, since: Time::ZERO + since },
            Element::Bursts { good, bad, loss } => State::Spells(Spells::bursts(good, bad, loss, &mut rng)),
            Element::Failures { apart, lasts } => State::Spells(Spells::failures(apart, lasts, &mut rng)),
            Element::Outage { first, every, lasts } => State::Outage { first: Time::ZERO + first, every, lasts },
            Element::Duplicate { share, after } => State::Duplicate { share, after },
            Element::Policer(capacity) => State::Policer { bucket: Bucket::full(capacity.limit), capacity },
            Element::Queue { capacity, buffer } => State::Queue { free_at: Time::ZERO, capacity, buffer },
            Element::FirstContact { loss } => State::FirstContact { loss, seen: HashSet::default() },
            Element::NewTargets(limit) => State::NewTargets { bucket: Bucket::full(limit), limit, resolved: HashSet::default() },
            Element::Uneven { share, loss } => State::Uneven { share, loss },
            Element::Tripwire(tripwire) => State::Tripwire(Wire::new(tripwire)),
        };
        Self { key, rng, state }
    }

    pub(super) fn pass(&mut self, at: Time, traffic: Traffic) -> Passage {
        let Self { key, rng, state } = self;
        let lost = match state {
            State::Latency(latency) => {
                let mut delay = latency.fixed;
                if !latency.spread.is_zero() {
                    delay += latency.spread.mul_f64(key.share(u64::from(traffic.address)));
                }
                if !latency.jitter.is_zero() {
                    delay += exponential(rng, latency.jitter);
                }
                return Passage::Through(at + delay);
            }
            State::Duplicate { share, after } => {
                return if rng.random::<f64>() < *share { Passage::Twice(at, at + *after) } else { Passage::Through(at) };
            }
            State::Queue { free_at, capacity, buffer } => {
                let wait = free_at.since(at);
                if wait > *buffer {
                    return Passage::Lost(Cause::Queue);
                }
                *free_at = (*free_at).max(at) + transmission(rate_at(capacity, at));
                return Passage::Through(*free_at);
            }
            State::Loss { share, since } => (at >= *since && rng.random::<f64>() < *share).then_some(Cause::Loss),
            State::Spells(spells) => spells.loses(at, rng),
            State::Outage { first, every, lasts } => {
                let within = at.since(*first).as_nanos().checked_rem(every.as_nanos());
                (at >= *first && within.is_none_or(|within| within < lasts.as_nanos())).then_some(Cause::Outage)
            }
            State::Policer { bucket, capacity } => {
                let limit = Limit { per_second: rate_at(capacity, at), ..capacity.limit };
                (!bucket.take(at, limit)).then_some(Cause::Policer)
            }
            State::FirstContact { loss, seen } => {
                let first = traffic.kind != Kind::Other && seen.insert(traffic.address);
                (first && rng.random::<f64>() < *loss).then_some(Cause::FirstContact)
            }
            State::NewTargets { bucket, limit, resolved } => {
                let target = u64::from(traffic.address) << 16 | u64::from(traffic.port);
                if traffic.kind == Kind::Other || resolved.contains(&target) {
                    None
                } else if bucket.take(at, *limit) {
                    if traffic.kind == Kind::Welcome {
                        resolved.insert(target);
                    }
                    None
                } else {
                    Some(Cause::NewTarget)
                }
            }
            State::Uneven { share, loss } => {
                (key.share(u64::from(traffic.address)) < *share && rng.random::<f64>() < *loss).then_some(Cause::Uneven)
            }
            State::Tripwire(wire) => (!wire.admits(at)).then_some(Cause::Firewall),
        };
        lost.map_or(Passage::Through(at), Passage::Lost)
    }
}

/// A token bucket. Time that seems to run backwards refills nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    last: Time,
}

impl Bucket {
    pub(super) fn full(limit: Limit) -> Self {
        Self { tokens: limit.burst, last: Time::ZERO }
    }

    pub(super) fn take(&mut self, at: Time, limit: Limit) -> bool {
        self.tokens = (self.tokens + at.since(self.last).as_secs_f64() * limit.per_second).min(limit.burst);
        self.last = self.last.max(at);
        let enough = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(enough));
        enough
    }
}

/// A tripwire at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    tripwire: Tripwire,
    bucket: Bucket,
    silent_until: Time,
}

impl Wire {
    pub(super) fn new(tripwire: Tripwire) -> Self {
        Self { tripwire, bucket: Bucket::full(tripwire.limit), silent_until: Time::ZERO }
    }

    pub(super) fn admits(&mut self, at: Time) -> bool {
        if at < self.silent_until {
            return false;
        }
        if self.bucket.take(at, self.tripwire.limit) {
            return true;
        }
        self.silent_until = at + self.tripwire.silence;
        self.bucket = Bucket { tokens: self.tripwire.limit.burst, last: self.silent_until };
        false
    }
}

/// Alternating spells of good and bad times.
struct Spells {
    good: Duration,
    bad: Bad,
    loss: f64,
    is_bad: bool,
    until: Time,
}

#[derive(Clone, Copy)]
enum Bad {
    Exponential(Duration),
    Fixed(Duration),
}

impl Spells {
    fn bursts(good: Duration, bad: Duration, loss: f64, rng: &mut SmallRng) -> Self {
        Self::new(good, Bad::Exponential(bad.max(SHORTEST_SPELL)), loss, rng)
    }

    fn failures(apart: Duration, lasts: Duration, rng: &mut SmallRng) -> Self {
        Self::new(apart, Bad::Fixed(lasts.max(SHORTEST_SPELL)), 1.0, rng)
    }

    fn new(good: Duration, bad: Bad, loss: f64, rng: &mut SmallRng) -> Self {
        let good = good.max(SHORTEST_SPELL);
        Self { good, bad, loss, is_bad: false, until: Time::ZERO + exponential(rng, good) }
    }

    fn loses(&mut self, at: Time, rng: &mut SmallRng) -> Option<Cause> {
        self.advance(at, rng);
        let cause = if matches!(self.bad, Bad::Fixed(_)) { Cause::Outage } else { Cause::Burst };
        (self.is_bad && rng.random::<f64>() < self.loss).then_some(cause)
    }

    fn advance(&mut self, at: Time, rng: &mut SmallRng) {
        for _ in 0..MOST_SPELLS {
            if at < self.until {
                return;
            }
            self.is_bad = !self.is_bad;
            let length = match (self.is_bad, self.bad) {
                (false, _) => exponential(rng, self.good),
                (true, Bad::Exponential(mean)) => exponential(rng, mean),
                (true, Bad::Fixed(length)) => length,
            };
            self.until = self.until + length.max(Duration::from_nanos(1));
        }
        // So long a rest forgets the past: begin anew instead of walking through all of it.
        self.is_bad = false;
        self.until = at + exponential(rng, self.good);
    }
}

fn exponential(rng: &mut SmallRng, mean: Duration) -> Duration {
    mean.mul_f64(-(1.0 - rng.random::<f64>()).ln())
}

fn rate_at(capacity: &Capacity, at: Time) -> f64 {
    let passed = capacity.steps.iter().rev().find(|(from, _)| at.since(Time::ZERO) >= *from);
    passed.map_or(capacity.limit.per_second, |&(_, per_second)| per_second)
}

/// How long one packet occupies a queue's exit; a queue without capacity never delivers.
fn transmission(per_second: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX)
}

const SHORTEST_SPELL: Duration = Duration::from_micros(1);
const MOST_SPELLS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stage(element: &Element) -> Stage {
        Stage::new(element, Key::new(7))
    }

    fn to(address: u32) -> Traffic {
        Traffic { address, port: 80, kind: Kind::Welcome }
    }

    fn millis(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn passed(stage: &mut Stage, times: impl IntoIterator<Item = u64>) -> usize {
        times.into_iter().filter(|&t| !matches!(stage.pass(Time::from_nanos(t), to(1)), Passage::Lost(_))).count()
    }

    proptest! {
        #[test]
        fn a_policer_never_passes_more_than_rate_and_burst(
            per_second in 1.0..100_000_f64, burst in 1.0..500_f64, gaps in prop::collection::vec(0..3_000_000_u64, 1..500),
        ) {
            let mut stage = stage(&Element::Policer(Limit { per_second, burst }.into()));
            let (mut now, mut passed_times) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if let Passage::Through(at) = stage.pass(Time::from_nanos(now), to(1)) {
                    prop_assert_eq!(at.as_nanos(), now);
                    passed_times.push(now);
                }
            }
            for (first, &from) in passed_times.iter().enumerate() {
                for (last, &until) in passed_times.iter().enumerate().skip(first) {
                    let allowed = burst + (until - from) as f64 * 1e-9 * per_second;
                    prop_assert!((last - first + 1) as f64 <= allowed + 1e-3);
                }
            }
        }

        #[test]
        fn a_queue_delays_at_most_its_buffer_and_keeps_its_rate(
            per_second in 100.0..100_000_f64, buffer_us in 0..200_000_u64, gaps in prop::collection::vec(0..300_000_u64, 1..400),
        ) {
            let buffer = Duration::from_micros(buffer_us);
            let mut stage = stage(&Element::Queue { capacity: Limit::per_second(per_second).into(), buffer });
            let one = Duration::from_secs_f64(1.0 / per_second);
            let (mut now, mut last) = (Time::ZERO, None);
            for gap in gaps {
                now = now + Duration::from_nanos(gap);
                if let Passage::Through(out) = stage.pass(now, to(1)) {
                    prop_assert!(out.since(now) <= buffer + one, "{:?}", out.since(now));
                    if let Some(last) = last {
                        prop_assert!(out.since(last) >= one);
                    }
                    last = Some(out);
                }
            }
        }

        #[test]
        fn latency_is_never_less_than_its_fixed_part(fixed in 0..10_000_u64, spread in 0..10_000_u64, at in 0..1_000_000_u64, address: u32) {
            let [fixed, spread] = [fixed, spread].map(Duration::from_micros);
            let mut exact = stage(&Element::Latency(Latency { fixed, spread, jitter: Duration::ZERO }));
            let at = Time::from_nanos(at);
            let Passage::Through(out) = exact.pass(at, to(address)) else { panic!("latency loses nothing") };
            prop_assert!((fixed..=fixed + spread).contains(&out.since(at)));
            prop_assert_eq!(exact.pass(at, to(address)), Passage::Through(out));
        }
    }

    #[test]
    fn jitter_has_its_mean() {
        let mut stage = stage(&Element::Latency(Latency { jitter: Duration::from_millis(2), ..Latency::default() }));
        let total: f64 = (0..50_000)
            .map(|_| match stage.pass(Time::ZERO, to(1)) {
                Passage::Through(at) => at.since(Time::ZERO).as_secs_f64(),
                other => panic!("{other:?}"),
            })
            .sum();
        assert!((0.00195..0.00205).contains(&(total / 50_000.0)), "{total}");
    }

    #[test]
    fn loss_begins_when_it_should_and_hits_its_share() {
        let mut stage = stage(&Element::Loss { share: 0.2, since: Duration::from_secs(1) });
        assert_eq!(passed(&mut stage, 0..1000), 1000);
        let kept = passed(&mut stage, (0..50_000).map(|i| 1_000_000_000 + i));
        assert!((39_500..40_500).contains(&kept), "{kept}");
    }

    #[test]
    fn bursts_lose_their_share_in_bad_times_only() {
        let [good, bad] = [Duration::from_millis(90), Duration::from_millis(10)];
        let mut stage = stage(&Element::Bursts { good, bad, loss: 0.5 });
        let lost = 1_000_000 - passed(&mut stage, (0..1_000_000).map(|i| i * 100_000));
        assert!((40_000..60_000).contains(&lost), "{lost}");
    }

    #[test]
    fn a_rest_of_centuries_takes_no_longer_than_a_short_one() {
        let mut stage = stage(&Element::Bursts { good: Duration::ZERO, bad: Duration::ZERO, loss: 0.5 });
        assert!(passed(&mut stage, [0, u64::MAX - 1, u64::MAX]) <= 3);
    }

    #[test]
    fn outages_stand_at_their_times() {
        let seconds = Duration::from_secs;
        let mut stage = stage(&Element::Outage { first: seconds(3), every: seconds(10), lasts: seconds(2) });
        let up: Vec<u64> = (0..20).filter(|s| passed(&mut stage, [s * 1_000_000_000 + 1]) == 1).collect();
        assert_eq!(up, [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn capacity_steps_take_effect() {
        let capacity = Capacity::from(Limit::per_second(1000.0).burst(1.0)).step(Duration::from_secs(1), 100.0);
        let mut stage = stage(&Element::Policer(capacity));
        assert_eq!(passed(&mut stage, (0..2000).map(|i| i * 500_000)), 1000);
        let later = passed(&mut stage, (2000..4000).map(|i| i * 500_000));
        assert!((99..=101).contains(&later), "{later}");
    }

    #[test]
    fn first_contact_costs_one_packet_an_address() {
        let mut stage = stage(&Element::FirstContact { loss: 1.0 });
        assert_eq!(stage.pass(Time::ZERO, Traffic { kind: Kind::Other, ..to(1) }), Passage::Through(Time::ZERO));
        assert_eq!(stage.pass(Time::ZERO, to(1)), Passage::Lost(Cause::FirstContact));
        assert_eq!(stage.pass(Time::ZERO, to(1)), Passage::Through(Time::ZERO));
    }

    #[test]
    fn only_unresolved_targets_are_limited() {
        let mut stage = stage(&Element::NewTargets(Limit { per_second: 1.0, burst: 2.0 }));
        let passes =
            |stage: &mut Stage, kind, address| stage.pass(Time::ZERO, Traffic { address, port: 1, kind }) == Passage::Through(Time::ZERO);
        assert!(passes(&mut stage, Kind::Welcome, 1));
        assert!(passes(&mut stage, Kind::Vain, 2));
        assert!(!passes(&mut stage, Kind::Vain, 2));
        assert!(passes(&mut stage, Kind::Welcome, 1));
    }

    #[test]
    fn a_tripwire_silences_everything_for_its_time() {
        let limit = Limit { per_second: 100.0, burst: 5.0 };
        let mut wire = Wire::new(Tripwire { limit, silence: Duration::from_secs(10) });
        assert_eq!((0..10).filter(|_| wire.admits(Time::ZERO)).count(), 5);
        assert!(!wire.admits(millis(9_999)));
        assert!(wire.admits(millis(10_000)));
    }

    #[test]
    fn uneven_loss_hits_the_same_addresses_always() {
        let mut stage = stage(&Element::Uneven { share: 0.3, loss: 1.0 });
        let mut hit = |address| matches!(stage.pass(Time::ZERO, to(address)), Passage::Lost(Cause::Uneven));
        let first: Vec<bool> = (0..10_000).map(&mut hit).collect();
        assert_eq!(first, (0..10_000).map(&mut hit).collect::<Vec<_>>());
        let share = first.iter().filter(|&&hit| hit).count();
        assert!((2_800..3_200).contains(&share), "{share}");
    }
}
