//! Attempts as trailing cursors: attempt k follows attempt k−1 over the same steps, a delay later.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// The places of all attempts in one sender's share.
#[derive(Debug)]
pub(super) struct Cursors(Vec<Cursor>);

#[derive(Debug, Default)]
struct Cursor {
    next: u64,
    /// Steps below this may be taken: the attempt before took them long enough ago.
    released: u64,
    /// (step, time): steps below `step` were taken from `time` on, within a grain.
    trail: VecDeque<(u64, Time)>,
}

impl Cursors {
    pub(super) fn new(attempts: u8) -> Self {
        Self((0..attempts).map(|_| Cursor::default()).collect())
    }

    /// As they were left: attempt k (from 1) at step `at(k)`. What the attempt before had taken by then was taken long ago.
    pub(super) fn left(attempts: u8, at: impl Fn(u8) -> u64) -> Self {
        let cursor = |attempt: u8| Cursor { next: at(attempt), released: at(attempt.saturating_sub(1).max(1)), trail: VecDeque::new() };
        Self((1..=attempts).map(cursor).collect())
    }

    /// One more attempt, after all others are through.
    pub(super) fn open(&mut self) {
        let released = self.0.last().map_or(0, |cursor| cursor.next);
        self.0.push(Cursor { released, ..Cursor::default() });
    }

    /// The next step of `attempt` (from 1).
    pub(super) fn at(&self, attempt: u8) -> u64 {
        self.0[usize::from(attempt) - 1].next
    }

    /// The step below which `attempt` may go on now, `delay` after the attempt before, and when that will change.
    pub(super) fn release(&mut self, attempt: u8, steps: u64, now: Time, delay: Duration) -> (u64, Time) {
        let Some(number) = usize::from(attempt).checked_sub(2) else { return (steps, Time::NEVER) };
        let delay = delay + GRAIN;
        while let Some(&(step, left)) = self.0[number].trail.front() {
            if now < left + delay {
                return (self.0[number + 1].released, left + delay);
            }
            self.0[number].trail.pop_front();
            self.0[number + 1].released = step;
        }
        (self.0[number + 1].released, Time::NEVER)
    }

    /// `attempt` has taken, or passed over, the steps below `step`.
    pub(super) fn advance(&mut self, attempt: u8, step: u64, now: Time) {
        let is_last = usize::from(attempt) == self.0.len();
        let cursor = &mut self.0[usize::from(attempt) - 1];
        cursor.next = step;
        if !is_last {
            match cursor.trail.back_mut() {
                Some(back) if now.since(back.1) < GRAIN => back.0 = step,
                _ => cursor.trail.push_back((step, now)),
            }
        }
    }

    pub(super) fn are_through(&self, steps: u64) -> bool {
        self.0.iter().all(|cursor| cursor.next >= steps)
    }

    pub(super) fn leading(&self, steps: u64) -> u8 {
        let through = self.0.iter().take_while(|cursor| cursor.next >= steps).count();
        1 + through.min(self.0.len() - 1) as u8
    }

    pub(super) fn progress(&self, steps: u64) -> (u64, u64) {
        (self.0.iter().map(|cursor| cursor.next).sum(), steps * self.0.len() as u64)
    }
}

/// A retry is late by at most this; the trail has one entry for it, a thousand a second of delay.
const GRAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_retry_follows_after_the_delay() {
        let mut cursors = Cursors::new(2);
        let delay = Duration::from_millis(300);
        assert_eq!(cursors.release(1, 50, at(0), delay), (50, Time::NEVER));
        for step in 0..50 {
            cursors.advance(1, step + 1, at(step * 10));
        }
        assert_eq!(cursors.release(2, 50, at(300), delay).0, 0);
        assert_eq!(cursors.release(2, 50, at(301), delay), (1, at(311)));
        // What was released stays so although nobody took it.
        assert_eq!(cursors.release(2, 50, at(302), delay), (1, at(311)));
        assert_eq!(cursors.release(2, 50, at(491 + 300), delay), (50, Time::NEVER));
        assert!(!cursors.are_through(50));
        cursors.advance(2, 50, at(900));
        assert!(cursors.are_through(50));
    }
}
