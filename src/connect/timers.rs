//! A timer for each slot: a hashed wheel (Varghese and Lauck 1987, scheme 6), so that setting and cancelling cost the same with
//! one connection under way as with thirty thousand.

use std::time::Duration;

use crate::time::Time;

/// One timer a slot. A timer fires in its tick's order, never early, and at most one tick (about a millisecond) late.
#[derive(Debug)]
pub struct Timers {
    buckets: Vec<List>,
    occupied: Vec<u64>,
    entries: Vec<Entry>,
    position: u64,
    armed: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The tick, or `UNARMED`.
    due: u64,
    next: u32,
    previous: u32,
}

impl Timers {
    /// The grain of time: 2^20 ns.
    pub const TICK: Duration = Duration::from_nanos(1 << SHIFT);

    /// No timers.
    pub fn new() -> Self {
        Self {
            buckets: vec![List { first: NONE, last: NONE }; BUCKETS],
            occupied: vec![0; BUCKETS / 64],
            entries: Vec::new(),
            position: 0,
            armed: 0,
        }
    }

    /// Lets the slot's timer fire at `deadline`, in place of an earlier setting.
    pub fn set(&mut self, slot: u32, deadline: Time) {
        self.cancel(slot);
        if self.entries.len() <= slot as usize {
            self.entries.resize(slot as usize + 1, Entry { due: UNARMED, next: NONE, previous: NONE });
        }
        let due = deadline.as_nanos().div_ceil(1 << SHIFT).max(self.position);
        let bucket = bucket_of(due);
        let last = std::mem::replace(&mut self.buckets[bucket].last, slot);
        self.entries[slot as usize] = Entry { due, next: NONE, previous: last };
        match last {
            NONE => self.buckets[bucket].first = slot,
            last => self.entries[last as usize].next = slot,
        }
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.armed += 1;
    }

    /// Stops the slot's timer if it runs.
    pub fn cancel(&mut self, slot: u32) {
        let Some(&Entry { due, next, previous }) = self.entries.get(slot as usize) else { return };
        if due == UNARMED {
            return;
        }
        let bucket = bucket_of(due);
        match previous {
            NONE => self.buckets[bucket].first = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => self.buckets[bucket].last = previous,
            next => self.entries[next as usize].previous = previous,
        }
        if self.buckets[bucket].first == NONE {
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        }
        self.entries[slot as usize].due = UNARMED;
        self.armed -= 1;
    }

    /// The next slot whose time has come by `now`, once.
    pub fn pop(&mut self, now: Time) -> Option<u32> {
        let limit = now.as_nanos() >> SHIFT;
        while self.armed > 0 && self.position <= limit {
            let mut slot = self.buckets[bucket_of(self.position)].first;
            while slot != NONE {
                let entry = self.entries[slot as usize];
                if entry.due <= self.position {
                    self.cancel(slot);
                    return Some(slot);
                }
                slot = entry.next;
            }
            self.position = self.occupied_from(self.position + 1).min(limit + 1);
        }
        self.position = self.position.max(if self.armed == 0 { limit } else { 0 });
        None
    }

    /// When to look again: no timer fires before this. `None` if none is set.
    pub fn next(&self) -> Option<Time> {
        (self.armed > 0).then(|| Time::from_nanos(self.occupied_from(self.position).saturating_mul(1 << SHIFT)))
    }

    /// The first tick from `tick` on whose bucket holds something, which may be due in a later turn of the wheel.
    fn occupied_from(&self, tick: u64) -> u64 {
        let mut ahead = 0;
        while ahead < BUCKETS as u64 {
            let bucket = bucket_of(tick + ahead);
            let word = self.occupied[bucket / 64] >> (bucket % 64);
            if word != 0 {
                return tick + ahead + u64::from(word.trailing_zeros());
            }
            ahead += 64 - bucket as u64 % 64;
        }
        // Round again: the first word was read from its middle.
        tick + ahead.min(BUCKETS as u64)
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

const SHIFT: u32 = 20;
/// 4.3 s: longer than any usual timeout, so that few entries are passed over.
const BUCKETS: usize = 4096;
const NONE: u32 = u32::MAX;
const UNARMED: u64 = u64::MAX;

fn bucket_of(tick: u64) -> usize {
    tick as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fires_once_and_not_early() {
        let mut timers = Timers::new();
        timers.set(3, Time::ZERO + Duration::from_millis(100));
        assert_eq!(timers.pop(Time::ZERO + Duration::from_millis(99)), None);
        assert!(timers.next().unwrap() <= Time::ZERO + Duration::from_millis(102));
        assert_eq!(timers.pop(Time::ZERO + Duration::from_millis(102)), Some(3));
        assert_eq!(timers.pop(Time::ZERO + Duration::from_millis(200)), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn survives_a_sleep_of_many_turns() {
        let mut timers = Timers::new();
        timers.set(0, Time::ZERO + Duration::from_hours(24));
        assert_eq!(timers.pop(Time::ZERO + Duration::from_hours(48)), Some(0));
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0u8..3, 0u32..40, 0u64..20_000_000_000), 1..300)) {
            let mut timers = Timers::new();
            let mut list: HashMap<u32, Time> = HashMap::new();
            let mut now = Time::ZERO;
            for (action, slot, nanos) in steps {
                match action {
                    0 => {
                        let deadline = now + Duration::from_nanos(nanos);
                        timers.set(slot, deadline);
                        list.insert(slot, deadline);
                    }
                    1 => {
                        timers.cancel(slot);
                        list.remove(&slot);
                    }
                    _ => {
                        now = now + Duration::from_nanos(nanos);
                        let mut before = Time::ZERO;
                        while let Some(slot) = timers.pop(now) {
                            let deadline = list.remove(&slot);
                            prop_assert!(deadline.is_some_and(|at| at <= now), "early, or not set");
                            prop_assert!(deadline.unwrap() + Timers::TICK >= before, "out of order");
                            before = before.max(deadline.unwrap());
                        }
                        prop_assert!(list.values().all(|at| *at + Timers::TICK > now), "late");
                    }
                }
                let earliest = list.values().min().copied();
                prop_assert_eq!(timers.next().is_some(), earliest.is_some());
                if let (Some(next), Some(earliest)) = (timers.next(), earliest) {
                    prop_assert!(next <= earliest + Timers::TICK, "would sleep past a timer");
                }
            }
        }
    }
}
