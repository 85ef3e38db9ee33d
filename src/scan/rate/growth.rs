//! Nothing is lost: when and how far the rate rises.

use super::adaptive::{AdaptiveRate, Seen, State};
use super::classes::{COMPARE, Trials};
use super::cut::SHARE;
use super::{Epoch, Tally, seconds};
use crate::time::Time;

/// A rate on trial, above or below.
#[derive(Debug)]
pub(super) struct Trial {
    /// The rate it is compared with.
    from: f64,
    /// The loss there, on a trial below.
    loss: f64,
    /// No trial below before, and seconds between two.
    below_from: f64,
    below_every: f64,
}

impl Default for Trial {
    fn default() -> Self {
        Self { from: 0.0, loss: 0.0, below_from: 0.0, below_every: 1.0 }
    }
}

impl AdaptiveRate {
    /// The present epoch, `epoch`, is clean so far.
    pub(super) fn grow(&mut self, now: Time, epoch: &Epoch, seen: &Seen) {
        match self.state {
            State::Startup => self.start_up(now, epoch, seen),
            State::Cruise => self.cruise(now, epoch),
            State::Probe => self.probe(now, epoch, seen),
            State::Down => self.below(now, epoch),
            State::Pause => {}
        }
    }

    fn start_up(&mut self, now: Time, epoch: &Epoch, seen: &Seen) {
        if self.nobody_answered() {
            if self.rate < BLIND && epoch.age(now) > 0.3 {
                self.go(now, (2.0 * self.rate).min(BLIND));
            }
            return;
        }
        let lasting = match self.cuts.count {
            0 => 0.0,
            // Far above what the path was seen to take it shows at once.
            _ if self.rate > 1.6 * self.cuts.capacity => 0.05,
            _ => TRIAL,
        };
        let enough = self.epochs.past.evidence(epoch.tally, self.growth) >= 1.0;
        if !enough || seen.epoch >= 2.0 || epoch.closed < lasting || !epoch.keeps_up() {
            return;
        }
        self.cuts.chain = 0;
        if self.is_at_most(now) {
            self.state = State::Cruise;
            self.cuts.hold_until = seconds(now);
            return;
        }
        let rate = self.rate * self.growth;
        self.growth = if self.growth < 1.4 { 1.5 } else { 2.0 };
        self.go(now, rate);
    }

    fn cruise(&mut self, now: Time, epoch: &Epoch) {
        let Tally { canaries, lost, .. } = epoch.tally;
        let past = self.epochs.past;
        let mut enough = past.evidence(epoch.tally, 1.5) >= 1.0;
        let cuts = &mut self.cuts;
        // A cut is confirmed only when the loss that caused it has visibly gone.
        let expected = canaries * cuts.chain_loss.max(0.02);
        if (expected >= 10.0 && lost < 0.3 * expected + past.loss() * canaries) || (canaries < 10.0 && enough) {
            cuts.chain = 0;
        }
        enough &= cuts.chain == 0 || epoch.age(now) > 3.0;
        if enough {
            cuts.chain = 0;
        }
        if let Some(capacity) = cuts.refined.take().filter(|&capacity| cuts.chain <= 1 && capacity < cuts.capacity) {
            cuts.capacity = capacity;
            let rate = (SHARE * capacity).clamp(0.5 * self.rate, self.rate);
            if rate < 0.95 * self.rate {
                return self.go(now, rate);
            }
        }
        if !enough {
            return;
        }
        let deciding = canaries / epoch.closed * past.loss() * BELOW >= DECIDES;
        if past.loss() > 0.02 && past.0.canaries > 50.0 && canaries >= 10.0 && deciding && seconds(now) > self.trial.below_from {
            return self.try_below(now);
        }
        let compares = self.epochs.classes.is_trial_due(self.opens);
        if (seconds(now) >= self.cuts.hold_until || compares == Some(Trials::First)) && !self.is_at_most(now) {
            self.state = State::Probe;
            self.trial.from = self.rate;
            self.epochs.classes.begin_trial(compares.is_some());
            self.go(now, self.rate * if compares.is_some() { COMPARE } else { STEP });
        } else if epoch.age(now) > 0.5 {
            self.go(now, self.rate);
        }
    }

    fn probe(&mut self, now: Time, epoch: &Epoch, seen: &Seen) {
        if self.epochs.past.evidence(epoch.tally, STEP) < 1.0 || epoch.closed < TRIAL || !epoch.keeps_up() {
            return;
        }
        if seen.epoch < 1.5 {
            self.state = State::Startup;
            self.growth = 1.5;
            return self.go(now, self.rate * STEP);
        }
        // Not enough for a cut, too much to go on.
        self.epochs.at(epoch.id).into_iter().for_each(|epoch| epoch.hot = true);
        self.state = State::Cruise;
        self.cuts.hold_longer();
        self.cuts.hold_from(seconds(now));
        self.go_lower(now, self.trial.from);
    }

    /// Half the rate for a moment: is the loss that was taken for the path's own really independent of the rate?
    fn try_below(&mut self, now: Time) {
        self.trial.loss = self.epochs.past.loss();
        self.trial.from = self.rate;
        self.trial.below_from = seconds(now) + self.trial.below_every;
        self.trial.below_every = (2.0 * self.trial.below_every).min(60.0);
        self.state = State::Down;
        self.go(now, 0.5 * self.rate);
    }

    fn below(&mut self, now: Time, epoch: &Epoch) {
        let expected = epoch.tally.canaries * self.trial.loss;
        if expected < DECIDES && epoch.closed < BELOW {
            return;
        }
        self.state = State::Cruise;
        if expected < DECIDES || epoch.tally.lost >= 0.4 * expected {
            return self.go(now, self.trial.from);
        }
        // It was congestion.
        let past = &mut self.epochs.past.0;
        past.take_canaries(&epoch.tally, 1.0);
        if epoch.tally.answers > 0.0 {
            past.take_answers(&epoch.tally, 1.0);
        }
        self.trial.below_every = 1.0;
        self.cuts.capacity = self.trial.from * (1.0 - self.trial.loss);
        self.cuts.hold_as_at_first();
        self.cuts.hold_from(seconds(now));
        self.go_afresh(now, (SHARE * self.cuts.capacity).min(self.trial.from));
    }
}

/// A step on trial: what a buffer of 50 ms and a bucket of 200 cannot hide for [`TRIAL`].
const STEP: f64 = 1.25;
/// Seconds of a trial.
const TRIAL: f64 = 0.25;
/// Seconds at most of a trial below, and losses to be expected in it.
const BELOW: f64 = 2.0;
const DECIDES: f64 = 8.0;
/// Probes a second at most while nobody has answered.
const BLIND: f64 = 10_000.0;
