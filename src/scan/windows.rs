//! Which short window of sending each probe left in, and what became of it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::canary::Asked;
use super::rate::{ByClass, Epoch, RateController, Tally, WindowStats};
use crate::time::Time;

/// The windows whose answers may still come.
#[derive(Debug, Default)]
pub(super) struct Windows {
    list: VecDeque<Window>,
    /// Number of the first in `list`.
    first: u32,
    /// How many of `list` are closed.
    closed: usize,
    /// Canaries and audits on their way or lately back, by target and number.
    asked: HashMap<(u64, u8), (u32, u32)>,
    round_trip: RoundTrip,
}

/// Up to 20 ms of sending at one rate.
#[derive(Debug)]
pub(super) struct Window {
    epoch: u32,
    began: Time,
    ended: Option<Time>,
    fresh: bool,
    sent: u32,
    answers: u32,
    /// Of these, of open ports.
    open_answers: u32,
    left: u32,
    canaries: Vec<Canary>,
    blocks: Vec<(u32, u32)>,
    state: State,
}

/// A target that was asked beside the pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canary {
    pub(super) asked: Asked,
    pub(super) purpose: Purpose,
    sent: Time,
    answered: bool,
}

/// Why a target is asked beside the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is known to answer: whether it does is a sample of loss.
    Meter,
    /// It is known to answer and did not: whether it does now tells how loss repeats.
    FollowUp,
    /// It was silent: whether it still is tells what canaries cannot see.
    Audit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Settled { hot: bool },
}

/// What an answer to a canary means.
#[derive(Clone, Copy, Debug)]
pub(super) struct CanaryAnswer {
    /// Whether it was sent to a port known to be open.
    pub(super) open: bool,
    pub(super) purpose: Purpose,
    /// It was already counted as lost in a clean epoch.
    pub(super) is_late: bool,
    pub(super) round_trip: Duration,
}

impl Windows {
    /// How long answers are waited for.
    pub(super) fn patience(&self) -> Duration {
        self.round_trip.patience()
    }

    pub(super) fn sample(&mut self, rtt: Duration) {
        self.round_trip.sample(rtt);
    }

    /// The window of now; a new one begins when the last is over or the rate has changed. Also tells how long a window that ended by
    /// itself was, and how many had left in it.
    pub(super) fn now(&mut self, now: Time, fresh: bool, rate: &mut dyn RateController) -> &mut Window {
        let epoch = rate.epochs().current();
        let length = self.length();
        let goes_on = self.list.back().is_some_and(|window| window.epoch == epoch && window.ended.is_none() && now < window.began + length);
        if !goes_on {
            self.end(now);
            rate.epochs_mut().open_window();
            self.list.push_back(Window {
                epoch,
                began: now,
                ended: None,
                fresh,
                sent: 0,
                answers: 0,
                open_answers: 0,
                left: 0,
                canaries: Vec::new(),
                blocks: Vec::new(),
                state: State::Open,
            });
        }
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    fn length(&self) -> Duration {
        if self.round_trip.smoothed.is_some_and(|(mean, _)| mean < LOCAL) { LOCAL_WINDOW } else { WINDOW }
    }

    /// Ends the window under way.
    pub(super) fn end(&mut self, now: Time) {
        let length = self.length();
        if let Some(window) = self.list.back_mut() {
            window.ended = window.ended.or(Some(now.min(window.began + length)));
        }
    }

    /// Notes a canary in the window of now.
    pub(super) fn ask(&mut self, now: Time, asked: Asked, purpose: Purpose) {
        let id = self.first + self.list.len() as u32 - 1;
        let Some(window) = self.list.back_mut() else { return };
        self.asked.insert((asked.index, asked.number), (id, window.canaries.len() as u32));
        window.canaries.push(Canary { asked, purpose, sent: now, answered: false });
        window.left += 1;
    }

    /// A target answered a probe of the pass that left at `sent`; whether it is open.
    pub(super) fn answered(&mut self, sent: Time, open: bool) {
        // Marks know whole microseconds.
        let after = self.list.partition_point(|window| window.began.as_nanos() / 1000 * 1000 <= sent.as_nanos());
        if let Some(window) = after.checked_sub(1).and_then(|place| self.list.get_mut(place)).filter(|window| window.state == State::Open) {
            window.answers += 1;
            window.open_answers += u32::from(open);
        }
    }

    /// A target answered canary `number`; `None` if that was not asked, long ago, or answered before.
    pub(super) fn canary_answered(&mut self, index: u64, number: u8, arrived: Time) -> Option<CanaryAnswer> {
        let (id, place) = *self.asked.get(&(index, number))?;
        let window = self.list.get_mut(id.checked_sub(self.first)? as usize)?;
        let canary = window.canaries.get_mut(place as usize).filter(|canary| !canary.answered)?;
        canary.answered = true;
        let is_late = window.state == State::Settled { hot: false };
        Some(CanaryAnswer { open: canary.asked.open, purpose: canary.purpose, is_late, round_trip: arrived.since(canary.sent) })
    }

    /// The next window whose answers have had their time; `heard` is up to when all that arrived has been read.
    pub(super) fn close(&mut self, now: Time, heard: Time) -> Option<WindowStats> {
        let length = self.length();
        if let Some(window) = self.list.back_mut().filter(|window| window.ended.is_none() && now >= window.began + length) {
            window.ended = Some(window.began + length);
        }
        let patience = self.patience();
        let window = self.list.get_mut(self.closed)?;
        let ended = window.ended.filter(|&ended| heard >= ended + patience)?;
        self.closed += 1;
        window.state = State::Closed;
        let count = |of: &dyn Fn(&Canary) -> bool| {
            window.canaries.iter().filter(|canary| canary.purpose == Purpose::Meter && of(canary)).count() as f64
        };
        let fresh = |count: u32| if window.fresh { f64::from(count) } else { 0.0 };
        Some(WindowStats {
            epoch: window.epoch,
            began: window.began,
            seconds: ended.since(window.began).as_secs_f64(),
            left: f64::from(window.left),
            tally: Tally {
                sent: fresh(window.sent),
                answers: fresh(window.answers),
                canaries: count(&|_| true),
                lost: count(&|canary| !canary.answered),
                open: ByClass {
                    answers: fresh(window.open_answers),
                    canaries: count(&|canary| canary.asked.open),
                    lost: count(&|canary| canary.asked.open && !canary.answered),
                },
            },
        })
    }

    /// Whether no window waits for answers.
    pub(super) fn are_closed(&self) -> bool {
        self.closed == self.list.len()
    }

    /// When the next window can be closed.
    pub(super) fn next_close(&self) -> Time {
        self.list.get(self.closed).map_or(Time::NEVER, |window| window.ended.unwrap_or(window.began + self.length()) + self.patience())
    }

    /// `epoch` is settled: passes the blocks probed in each of its windows, and whom its canaries asked and whether they answered.
    pub(super) fn settle(&mut self, epoch: &Epoch, blocks: &mut dyn FnMut(u32, u32), canaries: &mut dyn FnMut(Canary, bool)) {
        for window in self.list.iter_mut().filter(|window| window.epoch == epoch.id && window.state == State::Closed) {
            window.state = State::Settled { hot: epoch.hot };
            window.blocks.iter().for_each(|&(block, count)| blocks(block, count));
            window.canaries.iter().for_each(|&canary| canaries(canary, canary.answered));
        }
    }

    /// Forgets windows that even late answers no longer come to.
    pub(super) fn forget(&mut self, now: Time) {
        let patience = self.patience() + LATE;
        while let Some(window) = self.list.front() {
            let is_old = matches!(window.state, State::Settled { .. }) && window.ended.is_some_and(|ended| now > ended + patience);
            if !is_old {
                return;
            }
            for (place, canary) in window.canaries.iter().enumerate() {
                let key = (canary.asked.index, canary.asked.number);
                if self.asked.get(&key) == Some(&(self.first, place as u32)) {
                    self.asked.remove(&key);
                }
            }
            self.list.pop_front();
            self.first += 1;
            self.closed -= 1;
        }
    }
}

impl Window {
    /// `more` probes of the pass left, for targets in `block`.
    pub(super) fn sent(&mut self, block: u32, more: u32) {
        self.sent += more;
        self.left += more;
        match self.blocks.last_mut() {
            Some((last, count)) if *last == block => *count += more,
            _ => self.blocks.push((block, more)),
        }
    }
}

/// Smoothed round trips (as RFC 6298, with a longer memory: there are many samples).
#[derive(Debug, Default)]
struct RoundTrip {
    smoothed: Option<(f64, f64)>,
}

impl RoundTrip {
    fn sample(&mut self, rtt: Duration) {
        // Hosts repeat an unanswered SYN-ACK after one second and more.
        if rtt >= SYN_ACK_REPEAT {
            return;
        }
        let rtt = rtt.as_secs_f64();
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 4.0 + 0.002),
            Some((mean, deviation)) => (mean + (rtt - mean) / 32.0, deviation + ((rtt - mean).abs() - deviation) / 32.0),
        });
    }

    fn patience(&self) -> Duration {
        self.smoothed.map_or(UNKNOWN, |(mean, deviation)| Duration::from_secs_f64(mean + 4.0 * deviation + 0.005))
    }
}

/// Ten to fifty milliseconds made no difference.
const WINDOW: Duration = Duration::from_millis(20);
/// On a local network answers are there sooner, and start-up can go faster.
const LOCAL_WINDOW: Duration = Duration::from_millis(10);
/// Round trips below are local, in seconds.
const LOCAL: f64 = 0.002;
/// While nobody has answered.
const UNKNOWN: Duration = Duration::from_millis(500);
/// Answers so late are credited back.
const LATE: Duration = Duration::from_secs(3);
const SYN_ACK_REPEAT: Duration = Duration::from_millis(950);
