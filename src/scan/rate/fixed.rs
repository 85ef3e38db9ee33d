//! The rate the user named, with the same account of loss.

use super::adaptive::Limit;
use super::{Epoch, Epochs, RateController, WindowStats, seconds};
use crate::time::Time;

/// Never another rate, whatever is lost.
#[derive(Debug)]
pub struct FixedRate {
    rate: f64,
    epochs: Epochs,
    held: bool,
}

impl FixedRate {
    /// So many probes a second.
    pub fn new(rate: f64) -> Self {
        Self { rate, epochs: Epochs::new(rate), held: false }
    }
}

impl RateController for FixedRate {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn on_window(&mut self, now: Time, window: &WindowStats) {
        let Some(epoch) = self.epochs.enter(window) else { return };
        if epoch.id == self.epochs.current() && epoch.age(now) > EPOCH {
            self.epochs.begin(seconds(now), self.rate, true);
        }
    }

    fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    fn epochs_mut(&mut self) -> &mut Epochs {
        &mut self.epochs
    }

    fn turn(&mut self, now: Time, most: f64) {
        self.rate = self.rate.min(most);
        self.epochs.begin(seconds(now), self.rate, true);
    }

    fn settle(&mut self) -> Option<Epoch> {
        self.epochs.settle()
    }

    fn local_limit(&mut self, _now: Time, _achieved: f64) {
        self.held = true;
    }

    fn limit(&self) -> Limit {
        if self.held { Limit::Machine } else { Limit::Option }
    }
}

/// Seconds that are judged as one.
const EPOCH: f64 = 0.5;
