//! Targets known to answer: asked again at random, they show loss at once, whatever share of the others answers.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::outcome::Reason;
use crate::time::Time;

/// Whom to ask, and with which number: each question is a flow of its own to a stateful firewall.
#[derive(Debug)]
pub(super) struct Responders {
    pool: Vec<Responder>,
    seen: u64,
    /// By host: when the next question is due (GCRA).
    hosts: HashMap<u64, Time>,
    follow_ups: VecDeque<(Time, u64)>,
    numbers: RangeInclusive<u8>,
    random: SmallRng,
}

#[derive(Clone, Copy, Debug)]
struct Responder {
    index: u64,
    host: u64,
    closed: bool,
    number: u8,
    round_began: Time,
}

impl Responders {
    /// Nobody yet; questions will have these numbers.
    pub(super) fn new(numbers: RangeInclusive<u8>, seed: u64) -> Self {
        Self {
            pool: Vec::new(),
            seen: 0,
            hosts: HashMap::new(),
            follow_ups: VecDeque::new(),
            numbers,
            random: SmallRng::seed_from_u64(seed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Hosts that may be asked.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Target `index` on `host` has answered. Of many a random sample is kept.
    pub(super) fn add(&mut self, index: u64, host: u64, reason: Reason) {
        let closed = reason != Reason::SynAck;
        let new = Responder { index, host, closed, number: *self.numbers.start(), round_began: Time::ZERO };
        self.seen += 1;
        if self.pool.len() < MOST {
            self.pool.push(new);
        } else {
            let place = self.random.random_range(0..self.seen) as usize;
            if place >= MOST {
                return;
            }
            self.pool[place] = new;
        }
        if self.hosts.len() >= 2 * MOST {
            let kept: std::collections::HashSet<u64> = self.pool.iter().map(|responder| responder.host).collect();
            self.hosts.retain(|host, _| kept.contains(host));
        }
        self.hosts.entry(host).or_insert(Time::ZERO);
    }

    /// Somebody to ask now: target and number. Of two drawn, the closed one: it holds no half-open connection.
    pub(super) fn pick(&mut self, now: Time) -> Option<(u64, u8)> {
        if self.pool.is_empty() {
            return None;
        }
        for _ in 0..TRIES {
            let (one, other) = (self.random.random_range(0..self.pool.len()), self.random.random_range(0..self.pool.len()));
            let place = if self.pool[one].closed { one } else { other };
            if let Some(asked) = self.ask(place, now) {
                return Some(asked);
            }
        }
        None
    }

    fn ask(&mut self, place: usize, now: Time) -> Option<(u64, u8)> {
        let responder = &mut self.pool[place];
        let due = self.hosts.entry(responder.host).or_insert(Time::ZERO);
        if *due > now + HOST_BURST {
            return None;
        }
        let number = responder.number;
        if number == *self.numbers.start() {
            if responder.round_began != Time::ZERO && now < responder.round_began + REUSE {
                return None;
            }
            responder.round_began = now;
        }
        responder.number = if number == *self.numbers.end() { *self.numbers.start() } else { number + 1 };
        *due = (*due).max(now) + HOST_INTERVAL;
        Some((responder.index, number))
    }

    /// `index` did not answer: ask it once more, a while later.
    pub(super) fn follow_up(&mut self, now: Time, index: u64) {
        if self.follow_ups.len() < FOLLOW_UPS {
            self.follow_ups.push_back((now + AGAIN, index));
        }
    }

    /// It has answered after all.
    pub(super) fn never_mind(&mut self, index: u64) {
        if let Some(place) = self.follow_ups.iter().position(|&(_, lost)| lost == index) {
            self.follow_ups.remove(place);
        }
    }

    /// Who is due to be asked once more, and the number.
    pub(super) fn due_follow_up(&mut self, now: Time) -> Option<(u64, u8)> {
        self.follow_ups.front().filter(|&&(due, _)| due <= now)?;
        let (_, index) = self.follow_ups.pop_front()?;
        Some((index, self.any_number()))
    }

    /// A number for a question to somebody who is no responder.
    pub(super) fn any_number(&mut self) -> u8 {
        self.random.random_range(self.numbers.clone())
    }
}

/// Responders kept.
const MOST: usize = 8192;
/// Questions to one host: 20 a second, a few at once.
const HOST_INTERVAL: Duration = Duration::from_millis(50);
const HOST_BURST: Duration = Duration::from_millis(200);
/// Hosts drawn before a slot is given back.
const TRIES: u32 = 4;
/// A flow is not used again before the tables on its way have forgotten it.
const REUSE: Duration = Duration::from_mins(1);
/// A canary that was lost is asked again after so long.
const AGAIN: Duration = Duration::from_millis(300);
const FOLLOW_UPS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(1_000_000_000 + millis * 1_000_000)
    }

    #[test]
    fn a_host_is_asked_twenty_times_a_second_each_time_with_another_number() {
        let mut responders = Responders::new(17..=255, 1);
        responders.add(5, 5, Reason::Reset);
        let asked: Vec<_> = (0..10_000).filter_map(|ms| responders.pick(at(ms))).collect();
        assert!((195..=210).contains(&asked.len()), "{}", asked.len());
        let numbers: std::collections::HashSet<u8> = asked.iter().map(|&(_, number)| number).collect();
        assert_eq!(numbers.len(), asked.len());
        // All numbers are used up; the first is free again after a minute.
        assert!((10_000..59_000).filter_map(|ms| responders.pick(at(ms))).count() < 60);
        assert_eq!(responders.pick(at(61_000)), Some((5, 17)));
    }

    #[test]
    fn closed_ports_are_preferred_and_open_ones_asked_too() {
        let mut responders = Responders::new(17..=255, 2);
        for index in 0..1000 {
            responders.add(index, index, if index % 2 == 0 { Reason::Reset } else { Reason::SynAck });
        }
        let closed = (0..1000).filter_map(|ms| responders.pick(at(ms))).filter(|(index, _)| index % 2 == 0).count();
        assert!((650..850).contains(&closed), "{closed}");
    }
}
