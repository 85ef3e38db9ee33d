//! The rate that the path bears: raised while nothing is lost, cut to what was delivered, held, and tried again.

use std::collections::VecDeque;

use super::blackout::Darkness;
use super::classes::Verdict;
use super::cut::Cuts;
use super::growth::Trial;
use super::meters::HOT;
use super::{Epoch, Epochs, RateController, Tally, WindowStats, seconds};
use crate::time::Time;

/// A closed loop over windows of sending. See the table of constants at the end of this file and of its siblings for the reasons.
#[derive(Debug)]
pub struct AdaptiveRate {
    pub(super) epochs: Epochs,
    pub(super) state: State,
    pub(super) rate: f64,
    /// The user's, the hosts', or this machine's limit.
    pub(super) most: f64,
    /// Factor of the next step of start-up.
    pub(super) growth: f64,
    /// Epochs before this one were sent before the last decision: they are accounted for, and not reacted to.
    pub(super) barrier: u32,
    pub(super) cuts: Cuts,
    pub(super) dark: Darkness,
    pub(super) trial: Trial,
    /// The highest rate that ran clean for 0.3 s, and for a second.
    pub(super) proven_shortly: f64,
    pub(super) proven: f64,
    /// Seconds at the present rate without trouble.
    pub(super) clean_for: f64,
    /// (when, how many): what left in the last seconds.
    pub(super) history: VecDeque<(f64, f64)>,
    /// Until when the path is left to recover from the rate before the last cut.
    drains_until: Option<f64>,
    /// Targets that answered, and of these, those that are open: they are sent a reset.
    pub(super) answered: f64,
    pub(super) opens: f64,
    local: Option<Local>,
}

#[derive(Clone, Copy, Debug)]
struct Local {
    rate: f64,
    until: f64,
    doubled: i32,
}

impl Local {
    /// For so many seconds.
    fn believed(&self) -> f64 {
        LOCAL * f64::from(1 << self.doubled)
    }
}

/// What the controller is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The rate rises as fast as there is evidence that nothing is lost.
    Startup,
    /// The rate holds.
    Cruise,
    /// A quarter more, on trial.
    Probe,
    /// Half, on trial: does the loss depend on the rate?
    Down,
    /// Nothing comes back: canaries only.
    Pause,
}

/// What keeps the rate from rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing yet: the scan ended while the rate was rising.
    Time,
    /// What was delivered.
    Path,
    /// An option: `--rate`, `--max-rate`.
    Option,
    /// What may go to one host, times the hosts there are.
    Host,
    /// This machine: its device, its processor.
    Machine,
    /// A firewall that fell silent above.
    Firewall,
}

impl Limit {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Path => "path",
            Self::Option => "option",
            Self::Host => "host",
            Self::Machine => "machine",
            Self::Firewall => "firewall",
        }
    }
}

impl AdaptiveRate {
    /// Begins slowly for `hosts` hosts, so that a limit of each does not hide in what is taken for the clean past; never above `most` probes a second.
    pub fn new(hosts: f64, most: f64) -> Self {
        let rate = FIRST.min(hosts * FIRST_PER_HOST).min(most).max(LEAST.min(most));
        Self {
            epochs: Epochs::new(rate),
            state: State::Startup,
            rate,
            most,
            growth: 2.0,
            barrier: 0,
            cuts: Cuts::default(),
            dark: Darkness::default(),
            trial: Trial::default(),
            proven_shortly: 0.0,
            proven: 0.0,
            clean_for: 0.0,
            history: VecDeque::new(),
            drains_until: None,
            answered: 0.0,
            opens: 0.0,
            local: None,
        }
    }

    pub(super) fn nobody_answered(&self) -> bool {
        self.answered == 0.0
    }

    /// Resets for each probe, where nothing is lost: they take the same way.
    pub(super) fn resets(&self) -> f64 {
        self.epochs.past.ratio() * self.opens / self.answered.max(1.0)
    }

    /// From now on at `rate`, as far as it may.
    pub(super) fn go(&mut self, now: Time, rate: f64) {
        let now = seconds(now);
        let mut rate = rate.min(self.most);
        if let Some(ceiling) = self.dark.ceiling(now) {
            rate = rate.min(ceiling);
        }
        if let Some(local) = self.local.filter(|local| now < local.until) {
            rate = rate.min(local.rate);
        }
        rate = rate.max(LEAST.min(self.most));
        if (rate - self.rate).abs() > 1e-9 {
            self.clean_for = 0.0;
        }
        self.rate = rate;
        self.drains_until = None;
        let teaches = self.state == State::Cruise || self.cuts.count == 0 || self.cuts.relearns;
        self.epochs.begin(now, rate, teaches);
    }

    /// The same, and what was sent before is not reacted to any more.
    pub(super) fn go_afresh(&mut self, now: Time, rate: f64) {
        self.go(now, rate);
        self.barrier = self.epochs.current();
    }

    /// As [`Self::go_afresh`] after a cut. What is sent at once finds buckets empty and queues full that the rate before left so: it is
    /// accounted for as lost in part, and teaches nothing about the new rate.
    pub(super) fn go_lower(&mut self, now: Time, rate: f64) {
        self.go_afresh(now, rate);
        self.epochs.since(self.barrier).for_each(|epoch| epoch.hot = true);
        self.barrier += 1;
        self.drains_until = Some(seconds(now) + DRAIN);
    }

    pub(super) fn is_at_most(&self, now: Time) -> bool {
        let now = seconds(now);
        let local = self.local.filter(|local| now < local.until).map_or(f64::MAX, |local| local.rate);
        let most = self.most.min(local).min(self.dark.ceiling(now).unwrap_or(f64::MAX));
        self.rate >= 0.99 * most
    }

    /// Only resets are limited: that is no reason to be slow. The rate is found anew by what open ports show.
    fn go_by_open(&mut self, now: Time) {
        let rate = self.rate.max(if self.cuts.chain > 0 { self.cuts.chain_rate } else { 0.0 });
        self.epochs.look_at_open_only();
        self.cuts = Cuts::default();
        self.state = State::Startup;
        self.growth = 2.0;
        self.go_afresh(now, rate);
    }

    fn remember(&mut self, window: &WindowStats) {
        let began = seconds(window.began);
        self.history.push_back((began, window.left));
        while self.history.front().is_some_and(|&(at, _)| at < began - HISTORY) {
            self.history.pop_front();
        }
    }

    /// Counts time without trouble.
    fn prove(&mut self, window: &WindowStats) {
        self.clean_for += window.seconds;
        if self.clean_for >= 0.3 {
            self.proven_shortly = self.proven_shortly.max(self.rate);
        }
        if self.clean_for >= 1.0 {
            self.proven = self.proven.max(self.rate);
        }
    }
}

impl RateController for AdaptiveRate {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn on_window(&mut self, now: Time, window: &WindowStats) {
        self.remember(window);
        let window = &WindowStats { tally: self.epochs.metered(window.tally), ..*window };
        let Some(epoch) = self.epochs.enter(window) else { return };
        let seen = Seen::new(&self.epochs, window.tally, &epoch);
        let hot = seen.is_hot() || (epoch.id == self.epochs.current() && self.cuts.loss_persists(self.state, &epoch, &self.epochs.past));
        if hot {
            self.epochs.at(epoch.id).into_iter().for_each(|epoch| epoch.hot = true);
        }
        if self.state == State::Pause {
            return self.wait_for_light(now, window);
        }
        if window.epoch >= self.barrier && self.goes_dark(window, &epoch) {
            return self.pause(now, window);
        }
        if hot && epoch.id >= self.barrier && !self.dark.may_be_beginning() {
            return match self.epochs.classes.verdict(&self.epochs.past, epoch.tally) {
                Verdict::ResetsOnly => self.go_by_open(now),
                Verdict::Undecided if self.state == State::Probe && self.epochs.classes.is_waited_for(&epoch) => {}
                _ => self.cut(now, window, &epoch, &seen),
            };
        }
        if hot || epoch.id != self.epochs.current() {
            return;
        }
        self.prove(window);
        self.grow(now, &epoch, &seen);
    }

    fn tick(&mut self, now: Time) {
        if self.drains_until.is_some_and(|until| seconds(now) >= until) {
            self.go(now, self.rate);
        }
    }

    fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    fn epochs_mut(&mut self) -> &mut Epochs {
        &mut self.epochs
    }

    fn turn(&mut self, now: Time, most: f64) {
        self.most = self.most.min(most);
        self.go(now, self.rate);
    }

    fn settle(&mut self) -> Option<Epoch> {
        let epoch = self.epochs.settle()?;
        if epoch.hot {
            self.cuts.refine(self.state, &epoch, &self.epochs.past);
        }
        Some(epoch)
    }

    fn local_limit(&mut self, now: Time, achieved: f64) {
        let time = seconds(now);
        let doubled = match self.local {
            // It has become slower still.
            Some(local) if time < local.until => local.doubled,
            // More was tried, and was too much.
            Some(local) if time < local.until + local.believed() => (local.doubled + 1).min(MOST_DOUBLED),
            _ => 0,
        };
        let local = Local { rate: ABOVE_LOCAL * achieved, until: time, doubled };
        self.local = Some(Local { until: time + local.believed(), ..local });
        if self.state != State::Pause {
            // A little more than it can keeps the machine busy; its queues lose nothing.
            self.go(now, (ABOVE_LOCAL * achieved).min(self.rate));
        }
    }

    fn answered(&mut self, open: bool) {
        self.answered += 1.0;
        self.opens += f64::from(u8::from(open));
    }

    fn is_paused(&self) -> bool {
        self.state == State::Pause
    }

    fn proven(&self) -> f64 {
        self.proven_shortly.max(self.rate)
    }

    fn limit(&self) -> Limit {
        if self.rate >= 0.9 * self.most {
            Limit::Option
        } else if self.local.is_some_and(|local| self.rate >= 0.8 * local.rate) {
            Limit::Machine
        } else if self.dark.ceilings > 0 && self.cuts.count == 0 {
            Limit::Firewall
        } else if self.cuts.count > 0 {
            Limit::Path
        } else {
            Limit::Time
        }
    }
}

/// How far a window and its epoch are from the clean past.
pub(super) struct Seen {
    pub(super) window: f64,
    pub(super) epoch: f64,
}

impl Seen {
    fn new(epochs: &Epochs, window: Tally, epoch: &Epoch) -> Self {
        Self { window: epochs.past.excess(window), epoch: epochs.past.excess(epoch.tally) }
    }

    pub(super) fn window_is_hot(&self) -> bool {
        self.window > HOT
    }

    fn is_hot(&self) -> bool {
        self.window > HOT || self.epoch > HOT
    }
}

/// The first rate ...
const FIRST: f64 = 1000.0;
/// ... but no more to one host: a host that answers 100 a second must not be taken for one that answers a tenth.
const FIRST_PER_HOST: f64 = 100.0;
/// Seconds in which a bucket or queue recovers from the rate before a cut; one canary lost in them used to double the second pass.
const DRAIN: f64 = 0.03;
/// Less is no scan.
pub(super) const LEAST: f64 = 50.0;
/// Seconds of sending that are remembered.
const HISTORY: f64 = 5.0;
/// Of what this machine achieved, the rate it is given.
const ABOVE_LOCAL: f64 = 1.1;
/// Seconds for which this machine's limit is believed, doubling each time that it shows again soon after, ...
const LOCAL: f64 = 1.0;
/// ... so often at most.
const MOST_DOUBLED: i32 = 4;
