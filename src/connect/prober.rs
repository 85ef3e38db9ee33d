//! Which target is connected to next, and what becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::hosts::{Candidate, Hosts, Pending};
use super::rtt::Rtt;
use super::tally::Tally;
use super::timers::Timers;
use super::verdict::{LocalCause, Shortage, Verdict};
use super::window::{Answered, Window};
use crate::scan::Pacer;
use crate::scan::{Finding, Outcome, Reason, State};
use crate::target::Target;
use crate::time::Time;

/// How a prober works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often a silent target is tried, at least once.
    pub attempts: u8,
    /// The longest an attempt waits.
    pub timeout: Duration,
    /// How many connections may be under way at first.
    pub start: u32,
    /// The most slots.
    pub slots: u32,
    /// The pace over all.
    pub pace: Option<Pacer>,
    /// The pace to each host.
    pub host_pace: Option<Pacer>,
}

impl Settings {
    /// The longest an attempt waits unless told otherwise: the kernel repeats a SYN by itself after one second (RFC 6298 section 2.1).
    pub const TIMEOUT: Duration = Duration::from_millis(950);
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin a connection.
    Connect(Dial),
    /// Nothing before this moment, unless an answer comes.
    Wait(Time),
    /// All targets are settled.
    Done,
}

/// A connection to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The socket to use.
    pub slot: u32,
    /// Where to.
    pub target: Target,
}

/// The decisions of one worker over its share of the targets.
pub struct Prober<S> {
    source: S,
    drained: bool,
    settings: Settings,
    slots: Vec<Slot>,
    free: Free,
    in_flight: u32,
    /// The most that may be under way after a shortage; it recovers slowly.
    ceiling: u32,
    settled: u64,
    descriptors_short: bool,
    shortages: u32,
    paused_until: Time,
    timers: Timers,
    window: Window,
    rtt: Rtt,
    hosts: Hosts,
    again: VecDeque<Pending>,
    /// Targets silent in every attempt, if they are asked for.
    silent: Option<Vec<Finding>>,
    tally: Tally,
}

#[derive(Clone, Copy)]
struct Slot {
    pending: Option<Pending>,
    sent: Time,
}

/// Slots without a connection, by the family their socket was made for.
#[derive(Default)]
struct Free {
    v4: Vec<u32>,
    v6: Vec<u32>,
    /// No socket could be had for these.
    none: Vec<u32>,
}

impl<S: Iterator<Item = Candidate>> Prober<S> {
    /// A prober of the targets of `source`, each of which must come once.
    pub fn new(source: S, settings: Settings) -> Self {
        let slots = settings.slots.max(1);
        let window = Window::new(settings.start, slots);
        Self {
            source,
            drained: false,
            settings: Settings { attempts: settings.attempts.max(1), slots, ..settings },
            slots: Vec::new(),
            free: Free::default(),
            in_flight: 0,
            ceiling: slots,
            settled: 0,
            descriptors_short: false,
            shortages: 0,
            paused_until: Time::ZERO,
            timers: Timers::new(),
            window,
            rtt: Rtt::default(),
            hosts: Hosts::new(window, settings.host_pace),
            again: VecDeque::new(),
            silent: None,
            tally: Tally::default(),
        }
    }

    /// From now on targets that stay silent are kept for [`Prober::take_silent`].
    pub fn keep_silent(&mut self) {
        self.silent = Some(Vec::new());
    }

    /// The targets that were given up as silent since the last call.
    pub fn take_silent(&mut self) -> Vec<Finding> {
        self.silent.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What to do now. After [`Step::Connect`] the connection counts as begun; its answer goes to [`Prober::settle`].
    pub fn next(&mut self, now: Time) -> Step {
        if self.in_flight >= self.window.size().min(self.ceiling) {
            return self.wait(Time::NEVER);
        }
        if now < self.paused_until {
            return self.wait(self.paused_until);
        }
        if let Some(at) = self.settings.pace.map(|pace| pace.next()).filter(|at| *at > now) {
            return if self.is_done() { Step::Done } else { self.wait(at) };
        }
        let Some(pending) = self.pick(now) else {
            return if self.is_done() { Step::Done } else { self.wait(self.hosts.next_wake().unwrap_or(Time::NEVER)) };
        };
        if let Some(pace) = &mut self.settings.pace {
            pace.pass(now);
        }
        Step::Connect(self.begin(pending, now))
    }

    /// The target the slot is connecting to; `None` if it is free.
    pub fn target(&self, slot: u32) -> Option<Target> {
        self.slots.get(slot as usize)?.pending.map(|pending| pending.candidate.target)
    }

    /// Takes an answer for the slot into account. Unless it was [`Verdict::Pending`] the slot is free afterwards.
    pub fn settle(&mut self, slot: u32, verdict: Verdict, now: Time) -> Option<Finding> {
        if verdict == Verdict::Pending {
            return None;
        }
        let Slot { pending, sent } = *self.slots.get(slot as usize)?;
        let pending = pending?;
        self.release(slot, pending.candidate, verdict);
        match verdict {
            Verdict::Short(shortage) => self.put_back(pending, shortage, now),
            Verdict::SelfConnected => self.ask_again(pending),
            Verdict::Local(cause) => self.give_up(pending, cause),
            Verdict::Silent => self.silent(pending, now),
            Verdict::Pending => {}
            Verdict::Open => return Some(self.answered(pending, (State::Open, Reason::SynAck), sent, now)),
            Verdict::Closed => return Some(self.answered(pending, (State::Closed, Reason::ConnRefused), sent, now)),
            Verdict::Filtered { reason, by } => {
                let mut finding = self.answered(pending, (State::Filtered, reason), sent, now);
                finding.outcome.reason_addr = by;
                return Some(finding);
            }
        }
        None
    }

    /// A slot whose connection waited long enough: the attempt counts as silent and the slot's socket has to be disconnected
    /// before anything else. Answers that had arrived by `now` must have been settled before.
    pub fn expire(&mut self, now: Time) -> Option<u32> {
        let slot = self.timers.pop(now)?;
        self.settle(slot, Verdict::Silent, now);
        Some(slot)
    }

    /// How many connections are under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Ends the scan. What is not settled counts as unfinished or, with the targets not drawn yet, as not probed; `targets` is
    /// how many there are in all.
    pub fn finish(mut self, targets: u64) -> Tally {
        let under_way = self.slots.iter().filter_map(|slot| slot.pending.as_ref());
        let waiting = self.again.iter().chain(self.hosts.held()).filter(|pending| pending.was_probed());
        self.tally.unfinished = (under_way.count() + waiting.count()) as u64;
        self.tally.not_probed = targets - self.tally.targets();
        self.tally
    }

    fn is_done(&mut self) -> bool {
        self.in_flight == 0 && self.again.is_empty() && self.hosts.waiting() == 0 && self.drained
    }

    fn wait(&self, until: Time) -> Step {
        Step::Wait(self.timers.next().map_or(until, |timer| timer.min(until)))
    }

    /// Held targets first, then repeats, then new ones; new ones only while few are held, so that memory stays bounded.
    fn pick(&mut self, now: Time) -> Option<Pending> {
        if let Some(pending) = self.hosts.next(now) {
            return Some(pending);
        }
        while let Some(pending) = self.again.pop_front() {
            if let Some(pending) = self.hosts.admit(pending, now) {
                return Some(pending);
            }
        }
        while !self.drained && self.hosts.waiting() < HELD {
            let Some(candidate) = self.source.next() else {
                self.drained = true;
                break;
            };
            let pending = Pending { candidate, attempt: 1, self_connects: 0, first_wait: Duration::ZERO };
            if !is_host(candidate.target) {
                self.give_up(pending, LocalCause::NotAHost);
            } else if let Some(pending) = self.hosts.admit(pending, now) {
                return Some(pending);
            }
        }
        None
    }

    fn begin(&mut self, mut pending: Pending, now: Time) -> Dial {
        let slot = self.free_slot(pending.candidate.target);
        let wait = self.wait_for(&pending);
        if pending.attempt == 1 {
            pending.first_wait = wait;
        }
        self.slots[slot as usize] = Slot { pending: Some(pending), sent: now };
        self.timers.set(slot, now + wait);
        self.in_flight += 1;
        self.tally.probes += 1;
        Dial { slot, target: pending.candidate.target }
    }

    /// One whose socket fits, else a new one; where no more sockets can be had, one whose socket has to be made anew.
    fn free_slot(&mut self, target: Target) -> u32 {
        let (own, other) =
            if target.addr.is_ipv4() { (&mut self.free.v4, &mut self.free.v6) } else { (&mut self.free.v6, &mut self.free.v4) };
        if let Some(slot) = own.pop() {
            return slot;
        }
        let full = self.descriptors_short || self.slots.len() >= self.settings.slots as usize;
        if let Some(slot) = if full { other.pop() } else { None } {
            return slot;
        }
        if let Some(slot) = self.free.none.pop() {
            return slot;
        }
        self.slots.push(Slot { pending: None, sent: Time::ZERO });
        (self.slots.len() - 1) as u32
    }

    fn release(&mut self, slot: u32, candidate: Candidate, verdict: Verdict) {
        self.slots[slot as usize].pending = None;
        self.timers.cancel(slot);
        self.in_flight -= 1;
        self.hosts.ended(candidate.host);
        match verdict {
            Verdict::Short(Shortage::Descriptors) => self.free.none.push(slot),
            _ if candidate.target.addr.is_ipv4() => self.free.v4.push(slot),
            _ => self.free.v6.push(slot),
        }
        if !matches!(verdict, Verdict::Short(_)) {
            self.shortages = 0;
            self.settled += 1;
            if self.settled.is_multiple_of(RECOVERY) {
                self.ceiling = (self.ceiling + 1).min(self.settings.slots);
            }
        }
    }

    fn answered(&mut self, pending: Pending, (state, reason): (State, Reason), sent: Time, now: Time) -> Finding {
        let rtt = now.since(sent);
        // Past a second the kernel has repeated the SYN and the answer may belong to either.
        let rtt = (rtt < KERNEL_REPEATS).then_some(rtt);
        match state {
            State::Open => self.tally.open += 1,
            State::Closed => self.tally.closed += 1,
            State::Filtered => self.tally.filtered += 1,
        }
        self.tally.repeats += u64::from(pending.attempt > 1);
        let host = self.hosts.host(pending.candidate.host);
        if let Some(rtt) = rtt.filter(|_| state != State::Filtered) {
            // Not from ICMP: a router sends it in its own time (3 s for a failed ARP), not the host's.
            host.rtt.sample(rtt);
            self.rtt.sample(rtt);
        }
        let in_time = rtt.is_some_and(|rtt| rtt < pending.first_wait);
        let answered = if pending.attempt > 1 && in_time { Answered::OnRepeat } else { Answered::AtOnce };
        let timeout = host.rtt.timeout().unwrap_or(Settings::TIMEOUT);
        host.window.answer(answered, host.in_flight + 1, now, timeout);
        self.window.answer(answered, self.in_flight + 1, now, timeout);
        let outcome = Outcome { state, reason, reason_addr: None };
        Finding { target: pending.candidate.target, outcome, ttl: None, window: None, rtt, attempt: pending.attempt, time: now }
    }

    fn silent(&mut self, mut pending: Pending, now: Time) {
        let host = self.hosts.host(pending.candidate.host);
        host.window.silence(host.in_flight + 1);
        self.window.silence(self.in_flight + 1);
        if pending.attempt >= self.settings.attempts {
            self.tally.unanswered += 1;
            let outcome = Outcome { state: State::Filtered, reason: Reason::NoResponse, reason_addr: None };
            let Pending { candidate: Candidate { target, .. }, attempt, .. } = pending;
            self.silent
                .iter_mut()
                .for_each(|silent| silent.push(Finding { target, outcome, ttl: None, window: None, rtt: None, attempt, time: now }));
        } else {
            pending.attempt += 1;
            self.again.push_back(pending);
        }
    }

    fn ask_again(&mut self, mut pending: Pending) {
        self.tally.self_connects += 1;
        pending.self_connects += 1;
        if pending.self_connects >= SELF_CONNECTS {
            self.give_up(pending, LocalCause::SelfConnection);
        } else {
            self.again.push_front(pending);
        }
    }

    /// The probe was not sent. With something under way, what ends makes room; with nothing, only time does.
    fn put_back(&mut self, pending: Pending, shortage: Shortage, now: Time) {
        self.tally.probes -= 1;
        self.tally.resource_waits += 1;
        self.descriptors_short |= shortage == Shortage::Descriptors;
        self.ceiling = self.in_flight.max(1);
        if self.in_flight == 0 {
            self.shortages += 1;
            if self.shortages > SHORTAGES {
                self.shortages = 0;
                return self.give_up(pending, LocalCause::Exhausted);
            }
            self.paused_until = now + PAUSE * (1 << self.shortages.min(8));
        }
        self.again.push_front(pending);
    }

    fn give_up(&mut self, pending: Pending, cause: LocalCause) {
        self.tally.local.entry(cause).or_default().record(pending.candidate.target.addr, 1);
    }

    /// Doubled with each attempt, and doubled at least once for the last. A host that was never heard may be farther than any
    /// that was.
    fn wait_for(&mut self, pending: &Pending) -> Duration {
        let last = pending.attempt >= self.settings.attempts;
        let base = match (self.hosts.host(pending.candidate.host).rtt.timeout(), self.rtt.timeout(), self.rtt.largest()) {
            (Some(known), ..) => known,
            (None, Some(usual), Some(largest)) => usual.max(2 * largest).max(UNHEARD),
            _ => UNKNOWN,
        };
        let doublings = u32::from(pending.attempt - 1).max(u32::from(last)).min(16);
        base.saturating_mul(1 << doublings).min(self.settings.timeout)
    }
}

/// Whether connecting to the address reaches the address: 0.0.0.0 and :: lead to this machine.
fn is_host(target: Target) -> bool {
    let addr = target.addr;
    let broadcast = matches!(addr, std::net::IpAddr::V4(addr) if addr.is_broadcast());
    target.port != 0 && !addr.is_unspecified() && !addr.is_multicast() && !broadcast
}

/// So many targets may wait for their hosts before no new ones are drawn.
const HELD: usize = 8192;
/// First attempt to a host that was not heard, when others were.
const UNHEARD: Duration = Duration::from_millis(300);
/// First attempt when nothing was ever heard.
const UNKNOWN: Duration = Duration::from_millis(500);
const KERNEL_REPEATS: Duration = Duration::from_secs(1);
/// The chance of one is about 1 in 28,000; many in a row mean that source and target are the same by configuration.
const SELF_CONNECTS: u8 = 16;
/// Shortages in a row with nothing under way before a target is given up: about five seconds.
const SHORTAGES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(5);
/// Settled targets that lift the ceiling by one.
const RECOVERY: u64 = 16;

#[cfg(test)]
mod tests;
