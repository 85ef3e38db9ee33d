//! Targets known to answer: asked again at random, they show loss at once, whatever share of the others answers.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt, HashSet};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::outcome::Reason;
use super::rate::Mix;
use crate::time::Time;

/// Whom to ask, and with which number: each question is a flow of its own to a stateful firewall.
#[derive(Debug)]
pub(super) struct Responders {
    open: Pool,
    closed: Pool,
    /// By host: when the next question is due (GCRA).
    hosts: HashMap<u64, Time>,
    follow_ups: VecDeque<(Time, Asked)>,
    numbers: RangeInclusive<u8>,
    random: SmallRng,
}

/// Of many a random sample.
#[derive(Debug, Default)]
struct Pool {
    list: Vec<Responder>,
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Responder {
    index: u64,
    host: u64,
    number: u8,
    round_began: Time,
}

/// Who is asked, with which number, and whether it is known to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) index: u64,
    pub(super) number: u8,
    pub(super) open: bool,
}

impl Responders {
    /// Nobody yet; questions will have these numbers.
    pub(super) fn new(numbers: RangeInclusive<u8>, seed: u64) -> Self {
        Self {
            open: Pool::default(),
            closed: Pool::default(),
            hosts: HashMap::new(),
            follow_ups: VecDeque::new(),
            numbers,
            random: SmallRng::seed_from_u64(seed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.list.is_empty() && self.closed.list.is_empty()
    }

    /// Hosts that may be asked.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Target `index` on `host` has answered.
    pub(super) fn add(&mut self, index: u64, host: u64, reason: Reason) {
        let pool = if reason == Reason::SynAck { &mut self.open } else { &mut self.closed };
        let new = Responder { index, host, number: *self.numbers.start(), round_began: Time::ZERO };
        pool.seen += 1;
        if pool.list.len() < MOST {
            pool.list.push(new);
        } else {
            let place = self.random.random_range(0..pool.seen) as usize;
            if place >= MOST {
                return;
            }
            pool.list[place] = new;
        }
        if self.hosts.len() >= 3 * MOST {
            let kept: HashSet<u64> = self.open.list.iter().chain(&self.closed.list).map(|responder| responder.host).collect();
            self.hosts.retain(|host, _| kept.contains(host));
        }
        self.hosts.entry(host).or_insert(Time::ZERO);
    }

    /// Somebody to ask now.
    pub(super) fn pick(&mut self, now: Time, mix: Mix) -> Option<Asked> {
        for _ in 0..TRIES {
            let open = self.class(mix)?;
            let pool = if open { &self.open } else { &self.closed };
            let place = self.random.random_range(0..pool.list.len());
            if let Some(asked) = self.ask(open, place, now) {
                return Some(asked);
            }
        }
        None
    }

    /// Whether an open one is asked; `None` if there is nobody.
    fn class(&mut self, mix: Mix) -> Option<bool> {
        let (open, closed) = (self.open.seen as f64, self.closed.seen as f64);
        if mix == Mix::OpenOnly {
            return (open > 0.0).then_some(true);
        }
        if open + closed == 0.0 {
            return None;
        }
        let share = match mix {
            _ if closed == 0.0 => 1.0,
            // Of two drawn, the closed one.
            Mix::ClosedFirst => (open / (open + closed)).powi(2),
            _ => f64::min(open, 0.5),
        };
        Some(self.random.random::<f64>() < share)
    }

    fn ask(&mut self, open: bool, place: usize, now: Time) -> Option<Asked> {
        let pool = if open { &mut self.open } else { &mut self.closed };
        let responder = &mut pool.list[place];
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
        Some(Asked { index: responder.index, number, open })
    }

    /// It did not answer: ask it once more, a while later.
    pub(super) fn follow_up(&mut self, now: Time, asked: Asked) {
        if self.follow_ups.len() < FOLLOW_UPS {
            self.follow_ups.push_back((now + AGAIN, asked));
        }
    }

    /// It has answered after all.
    pub(super) fn never_mind(&mut self, index: u64) {
        if let Some(place) = self.follow_ups.iter().position(|&(_, lost)| lost.index == index) {
            self.follow_ups.remove(place);
        }
    }

    /// Who is due to be asked once more.
    pub(super) fn due_follow_up(&mut self, now: Time) -> Option<Asked> {
        self.follow_ups.front().filter(|&&(due, _)| due <= now)?;
        let (_, asked) = self.follow_ups.pop_front()?;
        Some(Asked { number: self.any_number(), ..asked })
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
        let mut pick = |ms| responders.pick(at(ms), Mix::ClosedFirst);
        let asked: Vec<_> = (0..10_000).filter_map(&mut pick).collect();
        assert!((195..=210).contains(&asked.len()), "{}", asked.len());
        let numbers: std::collections::HashSet<u8> = asked.iter().map(|asked| asked.number).collect();
        assert_eq!(numbers.len(), asked.len());
        // All numbers are used up; the first is free again after a minute.
        assert!((10_000..59_000).filter_map(&mut pick).count() < 60);
        assert_eq!(pick(61_000), Some(Asked { index: 5, number: 17, open: false }));
    }

    #[test]
    fn closed_ports_are_preferred_and_open_ones_asked_too() {
        let mut responders = Responders::new(17..=255, 2);
        for index in 0..1000 {
            responders.add(index, index, if index % 2 == 0 { Reason::Reset } else { Reason::SynAck });
        }
        let mut closed =
            |from: u64, mix| (from..from + 1000).filter_map(|ms| responders.pick(at(ms), mix)).filter(|asked| !asked.open).count();
        let counts = [closed(0, Mix::ClosedFirst), closed(1000, Mix::Both), closed(2000, Mix::OpenOnly)];
        assert!((650..850).contains(&counts[0]) && (400..600).contains(&counts[1]) && counts[2] == 0, "{counts:?}");
    }
}
