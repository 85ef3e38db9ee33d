//! How fast: decided from what windows of sending brought back. Pure objects; time is passed in.

mod adaptive;
mod blackout;
mod classes;
mod cut;
mod epochs;
mod fixed;
mod growth;
mod meters;
#[cfg(test)]
mod tests;

use std::fmt;

pub use adaptive::{AdaptiveRate, Limit};
pub use classes::{Classes, Mix};
pub use epochs::{Epoch, Epochs};
pub use fixed::FixedRate;
pub use meters::{Baseline, ByClass, Tally};

#[cfg(test)]
use adaptive::LEAST;

use crate::time::Time;

/// What became of the probes of a short window of sending, told when their answers have had their time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowStats {
    /// The epoch it was sent in.
    pub epoch: u32,
    /// When it began.
    pub began: Time,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Probes of any kind that left.
    pub left: f64,
    /// What they met. In a retry pass nothing is expected of the silent: `sent` and `answers` are zero.
    pub tally: Tally,
}

/// Decides the rate from closed windows, and keeps account of which stretches of sending were in trouble.
pub trait RateController: fmt::Debug + Send {
    /// Probes a second, now.
    fn rate(&self) -> f64;
    /// Takes in a window whose answers have had their time.
    fn on_window(&mut self, now: Time, window: &WindowStats);
    /// The stretches of sending at one rate.
    fn epochs(&self) -> &Epochs;
    /// The same, to be written to.
    fn epochs_mut(&mut self) -> &mut Epochs;
    /// Time goes on.
    fn tick(&mut self, _now: Time) {}
    /// Begins a new epoch at the present rate, never above `most` from here on: a pass over the targets has ended.
    fn turn(&mut self, now: Time, most: f64);
    /// An epoch that has ended and whose windows are all closed, judged.
    fn settle(&mut self) -> Option<Epoch>;
    /// This machine sent only so many a second although more were due.
    fn local_limit(&mut self, _now: Time, _achieved: f64) {}
    /// A target has answered; whether it is open, so that a reset left.
    fn answered(&mut self, _open: bool) {}
    /// Whether only canaries may leave: the path is dark.
    fn is_paused(&self) -> bool {
        false
    }
    /// The highest rate that ran clean; what a retry pass, which has no ratio of answers, may rely on.
    fn proven(&self) -> f64 {
        self.rate()
    }
    /// What keeps the rate from rising.
    fn limit(&self) -> Limit;
}

pub(super) fn seconds(time: Time) -> f64 {
    time.as_nanos() as f64 / 1e9
}
