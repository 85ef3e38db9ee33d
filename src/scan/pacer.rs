//! When the next probe may leave: the generic cell rate algorithm (ITU-T I.371) in integers.

use crate::time::Time;

/// Lets probes out at a rate, with at most a short burst after a pause.
///
/// Integers throughout: a floating-point token bucket stepped at the instants it asks for was seen to hang at rates such as
/// 30,000 and 700,000 a second, where the next instant rounds to the present one.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    rate: u64,
    /// Between two probes, in 1/1024 ns.
    interval: u64,
    /// Theoretical arrival time of the next probe, in 1/1024 ns.
    next: u64,
    /// How far `next` may lie behind, in 1/1024 ns.
    tolerance: u64,
}

impl Pacer {
    /// At most `rate` probes a second (at least one).
    pub fn new(rate: u64) -> Self {
        let mut pacer = Self { rate, interval: 0, next: 0, tolerance: 0 };
        pacer.set_rate(rate);
        pacer
    }

    /// `rate` a second, divided evenly among `shares` that keep the pace independently of each other.
    pub fn shared(rate: u64, shares: u64) -> Self {
        let mut pacer = Self::new(rate);
        pacer.set_interval(u128::from(SECOND) * u128::from(shares.max(1)) / u128::from(rate.max(1)));
        pacer
    }

    /// Changes the rate from now on; what was already sent stays accounted for.
    pub fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
        self.set_interval(u128::from(SECOND) / u128::from(rate.max(1)));
    }

    fn set_interval(&mut self, interval: u128) {
        self.interval = u64::try_from(interval).unwrap_or(u64::MAX / 4).max(1);
        self.tolerance = (BURST_PROBES * self.interval).clamp(BURST, BURST_SLOW).max(self.interval);
    }

    /// Probes a second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// How many probes may leave now.
    pub fn allowance(&self, now: Time) -> u64 {
        let now = ticks(now);
        if now < self.next {
            return 0;
        }
        // `next` never lags by more than the tolerance: a pause earns no more than one burst.
        1 + (now - self.next).min(self.tolerance - self.interval) / self.interval
    }

    /// Accounts for `count` probes that left now, at most the allowance.
    pub fn spend(&mut self, now: Time, count: u64) {
        let floor = ticks(now).saturating_sub(self.tolerance - self.interval);
        self.next = self.next.max(floor) + count * self.interval;
    }

    /// Lets one probe out if it may leave now.
    pub fn pass(&mut self, now: Time) -> bool {
        let may = self.allowance(now) > 0;
        if may {
            self.spend(now, 1);
        }
        may
    }

    /// When the next probe may leave.
    pub fn next(&self) -> Time {
        Time::from_nanos(self.next.div_ceil(TICKS))
    }

    /// When it is worth waking up for: so many may leave then that waking costs little beside sending them. Half a burst is not given away
    /// by it, and a thread that wakes later than it asked to still finds all of them.
    pub fn ripe(&self) -> Time {
        let more = if self.interval < SINGLY { BATCH.min(self.tolerance / 2) } else { 0 };
        Time::from_nanos((self.next + more).div_ceil(TICKS))
    }
}

fn ticks(time: Time) -> u64 {
    time.as_nanos().saturating_mul(TICKS)
}

/// Ticks in a nanosecond; a scan may last 200 days before they overflow.
const TICKS: u64 = 1024;
const SECOND: u64 = 1_000_000_000 * TICKS;
/// The longest burst at high rates: a millisecond of traffic, which a switch's queue and a policer bear.
const BURST: u64 = 1_000_000 * TICKS;
/// At 100,000 a second a sender that slept from probe to probe woke up 22,000 times a second, four or five probes each.
const BATCH: u64 = 250_000 * TICKS;
/// Below 64,000 a second each probe is woken up for: paths that slow have small buckets.
const SINGLY: u64 = SECOND / 64_000;
/// At low rates a burst may have so many probes, because a sleeping thread wakes late ...
const BURST_PROBES: u64 = 32;
/// ... but never more than so long a pause earns.
const BURST_SLOW: u64 = 10_000_000 * TICKS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drive(rate: u64, steps: &[u64]) -> Vec<(u64, u64)> {
        let mut pacer = Pacer::new(rate);
        let mut now = 0;
        let mut sent = Vec::new();
        for step in steps {
            now += step;
            let count = pacer.allowance(Time::from_nanos(now));
            pacer.spend(Time::from_nanos(now), count);
            sent.push((now, count));
        }
        sent
    }

    proptest! {
        #[test]
        fn never_faster_than_the_rate(rate in 1u64..20_000_000, steps in proptest::collection::vec(0u64..20_000_000, 1..200)) {
            let sent = drive(rate, &steps);
            let batch = rate.div_ceil(1000).max(32.min(rate / 100));
            for from in 0..sent.len() {
                let mut total = 0;
                for &(at, count) in &sent[from..] {
                    total += count;
                    let span = at - sent[from].0;
                    let allowed = (u128::from(rate) * u128::from(span) * 1001 / 1000 / 1_000_000_000) as u64 + 1 + batch;
                    prop_assert!(total <= allowed, "{total} > {allowed} in {span} ns at {rate}/s");
                }
            }
        }

        #[test]
        fn woken_for_a_batch_it_still_reaches_the_rate(rate in 1u64..20_000_000, late in 0u64..100_000) {
            let mut pacer = Pacer::new(rate);
            let (mut now, mut sent, mut wakes) = (Time::ZERO, 0, 0);
            while sent < 2000 {
                let count = pacer.allowance(now);
                pacer.spend(now, count);
                sent += count;
                wakes += 1;
                now = pacer.ripe().max(now) + std::time::Duration::from_nanos(late);
            }
            let took = now.as_nanos() as f64 / 1e9;
            let ideal = sent as f64 / rate as f64;
            prop_assert!(took <= ideal * 1.001 + 0.002, "{took} against {ideal}");
            prop_assert!(rate < 100_000 || wakes <= 3 + 16_000_000 / rate, "{wakes} wakes");
        }

        #[test]
        fn asked_at_its_own_instants_it_reaches_the_rate(rate in 1u64..20_000_000) {
            let mut pacer = Pacer::new(rate);
            let mut now = Time::ZERO;
            for _ in 0..1000 {
                let count = pacer.allowance(now);
                prop_assert!(count > 0, "stuck at {now:?}");
                pacer.spend(now, 1);
                now = pacer.next().max(now);
            }
            let ideal = 1000.0 / rate as f64;
            let took = now.as_nanos() as f64 / 1e9;
            prop_assert!(took >= ideal * 0.99 - 0.002 && took <= ideal * 1.01 + 1e-6, "{took} against {ideal}");
        }
    }

    #[test]
    fn shares_add_up_to_no_more_than_the_rate() {
        let mut pacer = Pacer::shared(3, 2);
        assert!(pacer.pass(Time::ZERO) && !pacer.pass(Time::ZERO));
        assert_eq!(pacer.next(), Time::from_nanos(666_666_667));
    }

    #[test]
    fn rates_that_hung_a_floating_point_bucket() {
        for rate in [30_000, 700_000, 14_880_000] {
            let mut pacer = Pacer::new(rate);
            let mut now = Time::ZERO;
            for _ in 0..100_000 {
                assert!(pacer.allowance(now) > 0);
                pacer.spend(now, 1);
                now = pacer.next().max(now);
            }
        }
    }
}
