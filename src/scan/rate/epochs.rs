//! Stretches of sending at one rate: what windows bring is summed up here, and judged when all of them are closed.

use std::collections::VecDeque;

use super::classes::Classes;
use super::meters::{Baseline, Tally};
use super::{WindowStats, seconds};
use crate::time::Time;

/// A stretch of sending at one rate.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its number.
    pub id: u32,
    /// Probes a second.
    pub rate: f64,
    /// When it began, in seconds of the scan.
    pub began: f64,
    /// What its closed windows met.
    pub tally: Tally,
    /// Seconds of closed windows.
    pub closed: f64,
    /// Probes of any kind that left in them.
    pub left: f64,
    /// Whether more was lost than the clean past lets expect.
    pub hot: bool,
    /// Share lost, if hot.
    pub loss: f64,
    /// Whether it teaches the clean past when it turns out clean.
    pub(super) teaches: bool,
    /// Windows that are not closed yet.
    open: u32,
    ended: bool,
}

/// All epochs that are not settled, and the clean past of those that were clean.
#[derive(Debug)]
pub struct Epochs {
    list: VecDeque<Epoch>,
    /// The clean past.
    pub past: Baseline,
    /// Whether resets are lost where SYN-ACKs are not.
    pub classes: Classes,
}

impl Epochs {
    pub(super) fn new(rate: f64) -> Self {
        let mut epochs = Self { list: VecDeque::new(), past: Baseline::default(), classes: Classes::default() };
        epochs.begin(0.0, rate, true);
        epochs
    }

    /// The number of the present epoch.
    pub fn current(&self) -> u32 {
        self.list.back().map_or(0, |epoch| epoch.id)
    }

    /// Whether all but the present epoch are settled, and that one has no window under way.
    pub fn are_settled(&self) -> bool {
        self.list.len() == 1 && self.list[0].open == 0
    }

    /// A window of the present epoch has begun.
    pub fn open_window(&mut self) {
        if let Some(epoch) = self.list.back_mut() {
            epoch.open += 1;
        }
    }

    pub(super) fn begin(&mut self, now: f64, rate: f64, teaches: bool) {
        let id = self.list.back().map_or(0, |epoch| epoch.id + 1);
        if let Some(epoch) = self.list.back_mut() {
            epoch.ended = true;
        }
        let tally = Tally::default();
        self.list.push_back(Epoch {
            id,
            rate,
            began: now,
            tally,
            closed: 0.0,
            left: 0.0,
            hot: false,
            loss: 0.0,
            teaches,
            open: 0,
            ended: false,
        });
    }

    pub(super) fn at(&mut self, id: u32) -> Option<&mut Epoch> {
        let first = self.list.front()?.id;
        self.list.get_mut(id.checked_sub(first)? as usize)
    }

    pub(super) fn since(&mut self, id: u32) -> impl Iterator<Item = &mut Epoch> {
        self.list.iter_mut().filter(move |epoch| epoch.id >= id)
    }

    /// Enters a closed window, of which only what is looked at is left ([`Self::metered`]); the epoch as it stands now.
    pub(super) fn enter(&mut self, window: &WindowStats) -> Option<Epoch> {
        let epoch = self.at(window.epoch)?;
        epoch.open = epoch.open.saturating_sub(1);
        epoch.closed += window.seconds;
        epoch.left += window.left;
        epoch.tally += window.tally;
        Some(epoch.clone())
    }

    /// The oldest epoch, if it has ended and all its windows are closed: judged, and if clean, learned from.
    pub(super) fn settle(&mut self) -> Option<Epoch> {
        self.list.front().filter(|epoch| epoch.ended && epoch.open == 0)?;
        let mut epoch = self.list.pop_front()?;
        let Tally { canaries, lost, .. } = epoch.tally;
        // For the account only: too little for a verdict on the rate, too much to be called clean. A rate on trial is suspect at once: one
        // canary lost to a step too far, if called chance, is expected of every probe of the scan, and doubles the second pass.
        let (suspect, chance) = if epoch.teaches { (2.0, 0.3) } else { (1.0, 0.0) };
        epoch.hot |= lost >= suspect && lost > 3.0 * (canaries * self.past.loss() + chance);
        if epoch.hot {
            self.classes.add(&self.past, epoch.tally);
            let (delivered, deviation) = self.past.delivered(epoch.tally);
            epoch.loss = (1.0 - delivered * (1.0 - self.past.loss()) + deviation).clamp(0.05, 1.0);
        } else if epoch.teaches {
            self.past.fold(epoch.tally);
        }
        Some(epoch)
    }

    /// As much of `tally` as is looked at: resets tell nothing about the path where only they are limited.
    pub(super) fn metered(&self, tally: Tally) -> Tally {
        if self.classes.limited().is_some() { tally.of_open() } else { tally }
    }

    /// From now on only SYN-ACKs are looked at, in the past too.
    pub(super) fn look_at_open_only(&mut self) {
        self.classes.limit(self.past.0);
        self.past.0 = self.past.0.of_open();
        let past = self.past;
        for epoch in &mut self.list {
            epoch.tally = epoch.tally.of_open();
            epoch.hot = past.is_hot(epoch.tally);
        }
    }
}

impl Epoch {
    /// Whether this machine sends what is due; what is not sent proves nothing about the rate.
    pub(super) fn keeps_up(&self) -> bool {
        self.rate < SLOW || self.left >= KEEPS_UP * self.rate * self.closed
    }

    /// Probes a second that left, which is less than its rate where this machine does not keep up.
    pub(crate) fn achieved(&self) -> f64 {
        if self.closed > 0.0 { self.rate.min(self.left / self.closed) } else { 0.0 }
    }

    pub(super) fn age(&self, now: Time) -> f64 {
        seconds(now) - self.began
    }
}

/// A machine that sends this share of what is due keeps up.
const KEEPS_UP: f64 = 0.75;
/// So few probes a second come in lumps.
const SLOW: f64 = 2000.0;
