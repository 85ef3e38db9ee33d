//! When more is lost than before: to what the rate falls, and whether the rate is to blame at all.

use super::adaptive::{AdaptiveRate, Seen, State};
use super::meters::Baseline;
use super::{Epoch, Tally, WindowStats, seconds};
use crate::time::Time;

/// The cuts so far, and what they say about the path.
#[derive(Debug)]
pub(super) struct Cuts {
    /// All of them.
    pub(super) count: u32,
    /// Cuts without recovery between them.
    pub(super) chain: u32,
    /// The rate the chain began at.
    pub(super) chain_rate: f64,
    /// The loss at the last cut.
    pub(super) chain_loss: f64,
    /// The least delivered rate in the chain.
    least: f64,
    /// What the path delivers, as far as is known.
    pub(super) capacity: f64,
    /// Seconds to hold after a cut; doubled where the same capacity shows again.
    pub(super) hold: f64,
    pub(super) hold_until: f64,
    /// The clean past is learned anew: it was found that loss does not depend on the rate.
    pub(super) relearns: bool,
    /// The epoch the last cut was made in, until its last windows have told more.
    unsettled: Option<u32>,
    /// What they told.
    pub(super) refined: Option<f64>,
}

impl Default for Cuts {
    fn default() -> Self {
        Self {
            count: 0,
            chain: 0,
            chain_rate: 0.0,
            chain_loss: 0.0,
            least: f64::MAX,
            capacity: 0.0,
            hold: HOLD,
            hold_until: 0.0,
            relearns: false,
            unsettled: None,
            refined: None,
        }
    }
}

impl Cuts {
    /// Whether the loss that caused the last cut is still there, though too little for another verdict by itself.
    pub(super) fn loss_persists(&self, state: State, epoch: &Epoch, past: &Baseline) -> bool {
        if state != State::Cruise || self.chain == 0 {
            return false;
        }
        let expected = epoch.tally.canaries * self.chain_loss;
        let usual = epoch.tally.canaries * past.loss();
        let more = epoch.tally.lost - usual;
        expected >= 8.0 && more >= 0.6 * expected && more >= 3.0 * (usual + 1.0).sqrt()
    }

    /// The epoch of the last cut is settled: all of it tells the capacity better than its first windows did.
    pub(super) fn refine(&mut self, state: State, epoch: &Epoch, past: &Baseline) {
        let (delivered, _) = past.delivered(epoch.tally);
        if self.unsettled == Some(epoch.id) && state == State::Cruise && delivered > 0.1 {
            self.unsettled = None;
            self.refined = Some(epoch.rate * delivered);
        }
    }

    pub(super) fn hold_from(&mut self, now: f64) {
        self.hold_until = now + self.hold;
    }

    pub(super) fn hold_longer(&mut self) {
        self.hold = (self.hold * 2.0).min(HOLD_MOST);
    }

    pub(super) fn hold_as_at_first(&mut self) {
        self.hold = HOLD;
    }

    /// Log likelihood ratio of "this is the same loss as at the high rate" over "this is what a bottleneck at the least delivered rate leaves";
    /// `None` while too little is known.
    fn randomness(&self, epoch: &Epoch, past: &Baseline) -> Option<f64> {
        let bottleneck = (1.0 - self.least / epoch.rate).max(past.loss()).clamp(0.002, 0.98);
        let same = self.chain_loss.clamp(0.004, 0.98);
        let Tally { sent, answers, canaries, lost, .. } = epoch.tally;
        let expected = sent * past.ratio();
        let (n, x) = if canaries >= 10.0 { (canaries, lost) } else { (expected, (expected - answers).clamp(0.0, expected)) };
        (n * same >= 8.0).then(|| x * (same / bottleneck).ln() + (n - x) * ((1.0 - same) / (1.0 - bottleneck)).ln())
    }
}

impl AdaptiveRate {
    /// Loss has shown in `epoch`.
    pub(super) fn cut(&mut self, now: Time, window: &WindowStats, epoch: &Epoch, seen: &Seen) {
        let past = self.epochs.past;
        // Half a deviation below: a first cut rests on few answers, and a rate that is still too high loses less than shows.
        let low = |(delivered, deviation): (f64, f64)| (delivered - 0.5 * deviation).max(0.7 * delivered);
        let mut delivered = low(past.delivered(epoch.tally));
        if seen.window_is_hot() {
            delivered = delivered.min(low(past.delivered(window.tally)));
        }
        if self.cuts.chain >= 2 && delivered < NOTHING {
            // A sixth of the rate, and still nothing is delivered: that is no congestion.
            self.dark.rate = self.cuts.chain_rate;
            return self.pause(now, window);
        }
        // Of what was delivered at the cut few were resets; there will be more when all is delivered.
        let resets = self.resets();
        self.epochs.classes.suspect(self.opens, self.answered);
        let room = ((1.0 + resets * delivered) / (1.0 + resets)).max(ROOM);
        let cuts = &mut self.cuts;
        if cuts.chain == 0 {
            (cuts.chain_rate, cuts.least) = (epoch.rate, f64::MAX);
        }
        if cuts.chain >= 2 && epoch.rate <= 0.6 * cuts.chain_rate && delivered > 0.5 {
            match cuts.randomness(epoch, &past) {
                // More evidence is on its way.
                None => return,
                Some(ratio) if ratio > VERDICT => return self.accept_loss(now, epoch),
                Some(_) => {}
            }
        }
        cuts.count += 1;
        cuts.chain += 1;
        cuts.relearns = false;
        let capacity = epoch.rate * delivered;
        cuts.least = cuts.least.min(capacity);
        cuts.chain_loss = 1.0 - delivered;
        if cuts.chain > 1 {
            cuts.capacity = cuts.capacity.min(capacity);
        } else if (0.7..1.4).contains(&(capacity / cuts.capacity)) {
            cuts.hold_longer();
            cuts.capacity = f64::midpoint(cuts.capacity, capacity);
        } else {
            cuts.hold_as_at_first();
            cuts.capacity = capacity;
        }
        let mut rate = (SHARE * room * cuts.capacity.min(1.1 * capacity)).clamp(0.4 * epoch.rate, 0.9 * epoch.rate);
        if cuts.chain >= 2 {
            rate = rate.min(0.8 * epoch.rate);
        }
        cuts.hold_from(seconds(now));
        cuts.unsettled = Some(epoch.id);
        self.state = State::Cruise;
        self.growth = 1.25;
        self.go_lower(now, rate);
    }

    /// The same share is lost at any rate: that is the path's own loss, and the new normal.
    fn accept_loss(&mut self, now: Time, epoch: &Epoch) {
        let Tally { answers, canaries, lost, .. } = epoch.tally;
        let past = &mut self.epochs.past.0;
        if canaries >= 10.0 {
            let weight = canaries.clamp(20.0, 100.0);
            past.take_canaries(&epoch.tally, weight / canaries);
            past.lost = (lost + 0.5) / (canaries + 1.0) * weight;
        }
        if answers > 0.0 {
            past.take_answers(&epoch.tally, (200.0 / answers).min(1.0));
        }
        self.cuts.count += 1;
        self.cuts.chain = 0;
        self.cuts.capacity = 0.0;
        self.cuts.relearns = true;
        self.cuts.hold_as_at_first();
        self.state = State::Startup;
        self.growth = 1.25;
        self.go_afresh(now, 0.9 * self.cuts.chain_rate);
    }
}

/// Share of the capacity that is used; 0.95 cost completeness, 0.8 only time.
pub(super) const SHARE: f64 = 0.9;
/// A share delivered that is as good as none.
const NOTHING: f64 = 0.1;
/// The least that is left for probes beside resets: where the bottleneck is the hosts', resets are no load.
const ROOM: f64 = 0.9;
/// Log likelihood ratio that is a verdict.
const VERDICT: f64 = 4.0;
/// Seconds; three made bursts of loss very expensive.
const HOLD: f64 = 0.5;
const HOLD_MOST: f64 = 32.0;
