//! When sending by live frames pays.

/// Watches what sending through the packet socket costs. A live-frame call occupies a core whether it sends or not; when the packet socket
/// takes more than half of one, and the other half is what the sender has left to decide, the call is the cheaper way, and soon the only one.
#[derive(Debug, Default)]
pub(super) struct Meter {
    began: u64,
    spent: u64,
    frames: u64,
    /// Nanoseconds a frame, over the last span.
    cost: Option<f64>,
}

impl Meter {
    /// `frames` were sent through the packet socket from `from` to `to`, in nanoseconds; whether live frames pay now.
    pub(super) fn sent(&mut self, frames: usize, from: u64, to: u64) -> bool {
        self.spent += to.saturating_sub(from);
        self.frames += frames as u64;
        let span = to.saturating_sub(self.began);
        if span < SPAN {
            return false;
        }
        let pays = span < 2 * SPAN && self.spent as f64 > BUSY * span as f64 && self.frames > 0;
        if self.frames >= ENOUGH {
            self.cost = Some(self.spent as f64 / self.frames as f64);
        }
        *self = Self { began: to, cost: self.cost, ..Self::default() };
        pays
    }

    /// Frames a second below which the packet socket is the cheaper way: half of the rate at which live frames began to pay.
    pub(super) fn leave_below(&self) -> f64 {
        self.cost.map_or(0.0, |cost| BUSY / 2.0 * 1e9 / cost)
    }
}

/// Nanoseconds: short beside what a rate takes to double.
const SPAN: u64 = 5_000_000;
/// The share of a core.
const BUSY: f64 = 0.5;
/// Frames whose cost says something.
const ENOUGH: u64 = 100;
