//! When a probe was sent, without memory per probe: position in the order → time, in a small ring of marks.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Time;

/// Times at which positions were sent, for one sender and one attempt. The sender writes, receivers read.
#[derive(Debug)]
pub(super) struct Marks {
    /// Groups of positions: at the highest rate the last ten seconds.
    groups: Ring,
    /// Where groups have more than one position: the newest positions one by one. At a low rate a group takes longer than a round trip.
    newest: Option<Ring>,
}

impl Marks {
    /// Marks for `positions` positions sent at up to `rate` a second: exact for as many as a ring holds, coarser groups beyond,
    /// so that the last ten seconds are always covered.
    pub(super) fn new(positions: u64, rate: u64) -> Self {
        let cover = positions.min(rate.saturating_mul(COVER.as_secs())).max(1);
        let shift = cover.div_ceil(ENTRIES).next_power_of_two().trailing_zeros();
        let entries = (cover >> shift).clamp(1, ENTRIES).next_power_of_two();
        Self { groups: Ring::new(entries, shift), newest: (shift > 0).then(|| Ring::new(ENTRIES, 0)) }
    }

    /// The probe at `position` leaves now; positions ascend.
    #[inline]
    pub(super) fn sent(&self, position: u64, now: Time) {
        self.groups.sent(position, now);
        if let Some(newest) = &self.newest {
            newest.sent(position, now);
        }
    }

    /// As [`Self::sent`] for each of `positions`.
    #[inline]
    pub(super) fn all_sent(&self, positions: Range<u64>, now: Time) {
        self.groups.all_sent(positions.clone(), now);
        if let Some(newest) = &self.newest {
            newest.all_sent(positions, now);
        }
    }

    /// When the probe at `position` left, if that is still known: not earlier than the truth by more than a group takes.
    #[inline]
    pub(super) fn time(&self, position: u64) -> Option<Time> {
        self.newest.as_ref().and_then(|newest| newest.time(position)).or_else(|| self.groups.time(position))
    }
}

/// Times of groups of consecutive positions, the newest groups only.
#[derive(Debug)]
struct Ring {
    /// Group number (low 24 bits) and time (40 bits of microseconds, 12 days), one entry a group.
    entries: Vec<AtomicU64>,
    /// A group has `1 << shift` positions.
    shift: u32,
}

impl Ring {
    fn new(len: u64, shift: u32) -> Self {
        let mut entries = Vec::new();
        entries.resize_with(len as usize, || AtomicU64::new(EMPTY));
        Self { entries, shift }
    }

    #[inline]
    fn sent(&self, position: u64, now: Time) {
        let group = position >> self.shift;
        let entry = &self.entries[group as usize & (self.entries.len() - 1)];
        let tag = group & TAG;
        if self.shift == 0 || entry.load(Ordering::Relaxed) & TAG != tag || position & ((1 << self.shift) - 1) == 0 {
            entry.store((now.as_nanos() / 1000) << 24 | tag, Ordering::Relaxed);
        }
    }

    #[inline]
    fn all_sent(&self, positions: Range<u64>, now: Time) {
        // Within a group only the first may be one that is marked.
        let mut position = positions.start;
        while position < positions.end {
            self.sent(position, now);
            position = ((position >> self.shift) + 1) << self.shift;
        }
    }

    #[inline]
    fn time(&self, position: u64) -> Option<Time> {
        let group = position >> self.shift;
        let at = self.look(group)?;
        if self.shift == 0 {
            return Some(at);
        }
        let Some(after) = self.look(group + 1) else { return Some(at) };
        let share = position & ((1 << self.shift) - 1);
        let span = after.since(at).as_nanos() as u64;
        Some(at + Duration::from_nanos((span >> self.shift) * share))
    }

    fn look(&self, group: u64) -> Option<Time> {
        let entry = self.entries[group as usize & (self.entries.len() - 1)].load(Ordering::Relaxed);
        (entry != EMPTY && entry & TAG == group & TAG).then(|| Time::from_nanos((entry >> 24) * 1000))
    }
}

/// Entries of a ring: 512 KiB.
const ENTRIES: u64 = 1 << 16;
/// Longer than any round trip that is waited for.
const COVER: Duration = Duration::from_secs(10);
const TAG: u64 = (1 << 24) - 1;
const EMPTY: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exact_while_small() {
        let marks = Marks::new(1000, 10_000);
        for position in 0..1000 {
            marks.sent(position, Time::from_nanos(position * 100_000));
        }
        for position in 0..1000 {
            assert_eq!(marks.time(position), Some(Time::from_nanos(position * 100_000)));
        }
    }

    #[test]
    fn exact_for_the_newest_at_any_rate() {
        let marks = Marks::new(u64::MAX, 1_000_000);
        for position in 0..70_000 {
            marks.sent(position, Time::from_nanos(position * 1_000_000));
        }
        for position in 70_000 - ENTRIES..70_000 {
            assert_eq!(marks.time(position), Some(Time::from_nanos(position * 1_000_000)));
        }
        assert!(marks.time(100).is_some(), "the last ten seconds of the highest rate are covered, if roughly");
    }

    proptest! {
        #[test]
        fn several_are_marked_as_each(rate in 1_000u64..100_000_000, runs in prop::collection::vec((0u64..3, 0u64..2000), 1..60)) {
            let (one, all) = (Marks::new(u64::MAX, rate), Marks::new(u64::MAX, rate));
            let (mut position, mut now) = (0, Time::ZERO);
            for (skipped, count) in runs {
                let first = position + skipped;
                position = first + count;
                now = now + Duration::from_micros(100);
                (first..position).for_each(|position| one.sent(position, now));
                all.all_sent(first..position, now);
            }
            for position in 0..position {
                prop_assert_eq!(one.time(position), all.time(position));
            }
        }

        #[test]
        fn recent_positions_are_close(rate in 1_000u64..5_000_000, positions in 1u64..2_000_000) {
            let marks = Marks::new(u64::MAX, rate);
            let interval = 1_000_000_000 / rate;
            for position in 0..positions {
                marks.sent(position, Time::from_nanos(position * interval));
            }
            let last = positions - 1;
            let group = (10 * rate).div_ceil(ENTRIES).next_power_of_two();
            for back in [0, 1, 7, rate / 10, rate, 5 * rate] {
                let Some(position) = last.checked_sub(back) else { continue };
                let time = marks.time(position).expect("covered");
                let error = time.as_nanos().abs_diff(position * interval);
                prop_assert!(error <= (group + 1) * interval + 2_000, "{error} ns at {position} of {positions}, {rate}/s");
            }
        }
    }
}
