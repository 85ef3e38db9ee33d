//! Nothing at all comes back: an outage, or a firewall that has had enough. Sending rests; canaries ask until one answers.

use super::adaptive::{AdaptiveRate, State};
use super::{Epoch, WindowStats, seconds};
use crate::time::Time;

/// What is known about darkness.
#[derive(Debug, Default)]
pub(super) struct Darkness {
    /// Answers that should have come and did not, in a row, and for how many seconds.
    missing: f64,
    seconds: f64,
    /// The rate it began at.
    pub(super) rate: f64,
    /// Canaries answered while paused.
    light: f64,
    paused_at: f64,
    resumed_at: f64,
    /// The rate to go on at.
    resume: f64,
    blackouts: i32,
    /// How often the rate was blamed.
    pub(super) ceilings: u32,
    ceiling: Option<(f64, f64)>,
}

impl Darkness {
    /// Whether what is missing might be all: then a cut would be the wrong answer.
    pub(super) fn may_be_beginning(&self) -> bool {
        self.missing >= 3.0
    }

    /// The rate above which a firewall fell silent, while that is believed.
    pub(super) fn ceiling(&self, now: f64) -> Option<f64> {
        self.ceiling.filter(|&(_, until)| now < until).map(|(rate, _)| rate)
    }
}

impl AdaptiveRate {
    /// Whether it has been dark for long enough.
    pub(super) fn goes_dark(&mut self, window: &WindowStats, epoch: &Epoch) -> bool {
        let (expected, got) = self.epochs.past.expected_and_got(window.tally);
        let dark = &mut self.dark;
        if expected > 0.0 && got <= 0.03 * expected {
            if dark.missing == 0.0 {
                dark.rate = if self.cuts.chain > 0 { self.cuts.chain_rate } else { epoch.rate };
            }
            dark.missing += expected;
            dark.seconds += window.seconds;
        } else {
            (dark.missing, dark.seconds) = (0.0, 0.0);
        }
        dark.missing >= 12.0 && dark.seconds >= 0.1
    }

    pub(super) fn pause(&mut self, now: Time, window: &WindowStats) {
        let dark = &mut self.dark;
        let began = seconds(window.began) + window.seconds - dark.seconds;
        let rate = dark.rate;
        dark.blackouts += 1;
        // What has run for a second without trouble is not to blame.
        let blamed = rate > 1.02 * self.proven;
        dark.resume = 0.85 * rate;
        if blamed {
            let span = if dark.blackouts == 1 { 1.0 } else { (began - dark.resumed_at).clamp(0.3, 1.0) };
            // What left in the second before, and until it was noticed: a bucket that overflowed after less than a second holds less than
            // it seems, and seven tenths leave room for that.
            let sent: f64 = self.history.iter().filter(|(at, _)| *at >= began - 1.0).map(|(_, left)| left).sum();
            dark.resume = (0.7 * sent / span).clamp(RESUME_LEAST.min(rate), rate);
            dark.ceiling = Some((dark.resume, seconds(now) + CEILING * 2f64.powi(dark.blackouts.min(8))));
            dark.ceilings += 1;
        }
        (dark.light, dark.paused_at) = (0.0, seconds(now));
        self.state = State::Pause;
        self.epochs.since(window.epoch).for_each(|epoch| epoch.hot = true);
        self.go_afresh(now, self.rate);
    }

    pub(super) fn wait_for_light(&mut self, now: Time, window: &WindowStats) {
        if window.epoch < self.barrier {
            return;
        }
        let dark = &mut self.dark;
        dark.light += window.tally.canaries - window.tally.lost;
        let lit = dark.light >= 3.0;
        if !lit && seconds(now) - dark.paused_at <= PAUSE_MOST {
            return;
        }
        if !lit {
            dark.resume *= 0.5;
        }
        (dark.missing, dark.seconds, dark.resumed_at) = (0.0, 0.0, seconds(now));
        let rate = dark.resume;
        self.state = State::Startup;
        self.growth = 1.5;
        self.cuts.chain = 0;
        self.go_afresh(now, rate);
    }
}

/// A blamed rate is not gone back below this.
const RESUME_LEAST: f64 = 500.0;
/// Seconds that a ceiling is believed for, doubling with each blackout.
const CEILING: f64 = 20.0;
/// After so many seconds in the dark sending goes on at half the rate.
const PAUSE_MOST: f64 = 15.0;
