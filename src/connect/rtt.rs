//! Round-trip times, smoothed as in RFC 6298 section 2.

use std::time::Duration;

/// An estimate of the round-trip time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    smoothed: u64,
    variation: u64,
    largest: u64,
}

impl Rtt {
    /// No answer comes so reliably that waiting less than this pays: delayed answers would be lost and asked for again.
    pub const FLOOR: Duration = Duration::from_millis(150);

    /// Takes a measured round trip into account.
    pub fn sample(&mut self, rtt: Duration) {
        let rtt = nanos(rtt).max(1);
        if self.largest == 0 {
            self.smoothed = rtt;
            self.variation = rtt / 2;
        } else {
            self.variation = (3 * self.variation + self.smoothed.abs_diff(rtt)) / 4;
            self.smoothed = (7 * self.smoothed + rtt) / 8;
        }
        self.largest = self.largest.max(rtt);
    }

    /// How long an answer may take (the smoothed time and four times its variation, at least [`Rtt::FLOOR`]); `None` before a sample.
    pub fn timeout(&self) -> Option<Duration> {
        (self.largest > 0).then(|| Duration::from_nanos(self.smoothed.saturating_add(4 * self.variation)).max(Self::FLOOR))
    }

    /// The largest round trip seen; `None` before a sample.
    pub fn largest(&self) -> Option<Duration> {
        (self.largest > 0).then(|| Duration::from_nanos(self.largest))
    }
}

/// A minute is longer than any connection is waited for; the cap keeps the sums far from overflow.
fn nanos(rtt: Duration) -> u64 {
    u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX).min(60_000_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn starts_unknown_and_follows_the_path() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(), None);
        rtt.sample(Duration::from_millis(200));
        assert_eq!(rtt.timeout(), Some(Duration::from_millis(600)), "RFC 6298 (2.2): R + 4 * R/2");
        for _ in 0..100 {
            rtt.sample(Duration::from_millis(20));
        }
        assert_eq!(rtt.timeout(), Some(Rtt::FLOOR));
        assert_eq!(rtt.largest(), Some(Duration::from_millis(200)));
    }

    proptest! {
        #[test]
        fn waits_longer_than_a_steady_round_trip(millis in 0u64..100_000, times in 1usize..50) {
            let mut rtt = Rtt::default();
            for _ in 0..times {
                rtt.sample(Duration::from_millis(millis));
            }
            let timeout = rtt.timeout().unwrap();
            prop_assert!(timeout >= Rtt::FLOOR);
            // Rounding in the eighths and quarters may cost a few nanoseconds.
            prop_assert!(timeout + Duration::from_micros(1) >= Duration::from_millis(millis).min(Duration::from_mins(1)));
        }
    }
}
