//! What may go to one host in any second, whatever the order and the pass.

use std::time::Duration;

use crate::time::Time;

/// When each host may be asked next: the generic cell rate algorithm for each (ITU-T I.371).
///
/// A uniform order spreads targets evenly only on average; over a second a host may be met far more often. Hosts beyond [`SLOTS`] share
/// places, which makes their limit stricter.
#[derive(Debug)]
pub(super) struct HostPace {
    /// In nanoseconds.
    next: Vec<u64>,
    interval: u64,
    /// How much earlier than due a probe may leave.
    tolerance: u64,
}

impl HostPace {
    /// At most `per_second` to each of `hosts`, which have `ports` targets each, in any second.
    pub(super) fn new(hosts: u128, ports: u32, per_second: u64) -> Self {
        let per_second = per_second.max(1);
        // A host with one target is met once a pass, of which there are 16 at most, and by 20 canaries a second: that is no matter of
        // pace, and a look into 8 MB at each probe would take as long as all the rest of it.
        let hosts = if ports == 1 && per_second >= SLOW { 0 } else { hosts };
        // In any second n leave where 1 s plus the tolerance holds n - 1 intervals.
        let (interval, tolerance) =
            if per_second < SLOW { (SECOND.div_ceil(per_second), 0) } else { ((SECOND + TOLERANCE).div_ceil(per_second - 1), TOLERANCE) };
        Self { next: vec![0; hosts.min(SLOTS as u128) as usize], interval, tolerance }
    }

    /// When `host` may be asked.
    #[inline]
    pub(super) fn due(&self, host: u64) -> Time {
        if self.next.is_empty() {
            return Time::ZERO;
        }
        let next = self.next.get(host as usize % SLOTS).copied().unwrap_or(0);
        Time::from_nanos(next.saturating_sub(self.tolerance))
    }

    /// `host` is asked now.
    #[inline]
    pub(super) fn spend(&mut self, host: u64, now: Time) {
        if let Some(next) = self.next.get_mut(host as usize % SLOTS) {
            *next = (*next).max(now.as_nanos()) + self.interval;
        }
    }

    /// `host` was not asked after all, for which it was spent last.
    pub(super) fn take_back(&mut self, host: u64) {
        if let Some(next) = self.next.get_mut(host as usize % SLOTS) {
            *next -= self.interval;
        }
    }
}

/// Places: 8 MB of them.
const SLOTS: usize = 1 << 20;
const SECOND: u64 = Duration::from_secs(1).as_nanos() as u64;
/// A host may be met a little earlier than its turn: order and batches are uneven.
const TOLERANCE: u64 = Duration::from_millis(20).as_nanos() as u64;
/// Fewer a second leave one by one.
const SLOW: u64 = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn in_no_second_more_than_allowed(cap in 1u64..30_000, steps in proptest::collection::vec(0u64..40_000_000, 1..400)) {
            let mut pace = HostPace::new(1, 2, cap);
            let (mut now, mut sent) = (1_000_000_000, std::collections::VecDeque::new());
            for step in steps {
                now += step;
                while pace.due(0) <= Time::from_nanos(now) {
                    pace.spend(0, Time::from_nanos(now));
                    sent.push_back(now);
                }
                while sent.front().is_some_and(|&at| at + SECOND <= now) {
                    sent.pop_front();
                }
                prop_assert!(sent.len() as u64 <= cap, "{} of {cap}", sent.len());
            }
        }
    }

    #[test]
    fn nearly_all_that_is_allowed_leaves() {
        for cap in [1, 7, 300, 20_000] {
            let mut pace = HostPace::new(3, 2, cap);
            let mut sent = 0;
            for ms in 0..10_000 {
                while pace.due(2) <= Time::from_nanos(1_000_000_000 + ms * 1_000_000) {
                    pace.spend(2, Time::from_nanos(1_000_000_000 + ms * 1_000_000));
                    sent += 1;
                }
            }
            assert!((cap * 95 / 10..=cap * 10 + 1 + cap / 50).contains(&sent), "{sent} of {cap}");
        }
    }
}
