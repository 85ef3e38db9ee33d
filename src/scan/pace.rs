//! The rate in force and what limits it, for whoever watches.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::rate::Limit;
use crate::time::Time;

/// A rate that came into force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateChange {
    /// When.
    pub time: Time,
    /// The pass it was in, from 1.
    pub pass: u8,
    /// Probes a second before; zero for the first.
    pub before: u64,
    /// Probes a second from now on.
    pub rate: u64,
    /// The share that the path loses at rates it bears.
    pub loss: f64,
    /// What keeps the rate from rising.
    pub limit: Limit,
}

/// Written by the one sender that keeps account, read by whoever watches.
#[derive(Debug)]
pub struct PaceMeter {
    rate: AtomicU64,
    highest: AtomicU64,
    /// In millionths.
    loss: AtomicU32,
    limit: AtomicU8,
    inlet: Sender<RateChange>,
    changes: Receiver<RateChange>,
}

impl Default for PaceMeter {
    fn default() -> Self {
        let (inlet, changes) = unbounded();
        let (rate, highest) = Default::default();
        Self { rate, highest, loss: AtomicU32::new(0), limit: AtomicU8::new(0), inlet, changes }
    }
}

impl PaceMeter {
    pub(super) fn set(&self, time: Time, pass: u8, rate: f64, loss: f64, limit: Limit) {
        let rate = rate as u64;
        let before = self.rate.swap(rate, Ordering::Relaxed);
        self.look(loss, limit);
        if before != rate {
            // The meter holds both ends: there is always somebody. A scan changes its rate a few times a second at most.
            let _ = self.inlet.send(RateChange { time, pass, before, rate, loss, limit });
        }
    }

    /// So many probes a second left for a while.
    pub(super) fn reached(&self, rate: f64) {
        self.highest.fetch_max(rate as u64, Ordering::Relaxed);
    }

    pub(super) fn look(&self, loss: f64, limit: Limit) {
        self.loss.store((loss * 1e6) as u32, Ordering::Relaxed);
        self.limit.store(LIMITS.iter().position(|known| *known == limit).unwrap_or(0) as u8, Ordering::Relaxed);
    }

    /// Probes a second, now; zero while no account is kept.
    pub fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// The highest rate at which probes did leave.
    pub fn highest(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }

    /// The share that the path loses at rates it bears.
    pub fn loss(&self) -> f64 {
        f64::from(self.loss.load(Ordering::Relaxed)) / 1e6
    }

    /// What keeps the rate from rising.
    pub fn limit(&self) -> Limit {
        LIMITS[usize::from(self.limit.load(Ordering::Relaxed))]
    }

    /// Changes of the rate since they were last asked for, in order.
    pub fn changes(&self) -> impl Iterator<Item = RateChange> + '_ {
        self.changes.try_iter()
    }
}

const LIMITS: [Limit; 6] = [Limit::Time, Limit::Path, Limit::Option, Limit::Host, Limit::Machine, Limit::Firewall];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let meter = PaceMeter::default();
        for rate in [1000.0, 2000.0, 2000.0, 900.0] {
            meter.set(Time::ZERO, 1, rate, 0.25, Limit::Path);
        }
        let steps: Vec<_> = meter.changes().map(|change| (change.before, change.rate)).collect();
        assert_eq!(steps, [(0, 1000), (1000, 2000), (2000, 900)]);
        assert_eq!((meter.changes().count(), meter.rate(), meter.highest()), (0, 900, 0));
        meter.reached(1990.4);
        meter.reached(17.0);
        assert_eq!(meter.highest(), 1990);
        assert_eq!((meter.loss(), meter.limit()), (0.25, Limit::Path));
    }
}
