//! What receivers tell the sender that decides on rate and retries: each answer to be accounted for.

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::outcome::Reason;
use crate::time::Time;

/// An answer, as far as the account of the scan needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo {
    /// Index of the target in its stage.
    pub(super) index: u64,
    pub(super) arrived: Time,
    /// When the probe left; unknown for canaries, whose sender knows.
    pub(super) sent: Option<Time>,
    pub(super) stage: u8,
    /// Attempt, or number of the canary.
    pub(super) attempt: u8,
    /// Whether the target had not answered before.
    pub(super) is_first: bool,
    pub(super) reason: Reason,
}

/// The way of echoes. Never full: it is emptied by whoever sends, many times in a round trip.
#[derive(Debug)]
pub(super) struct Echoes {
    inlet: Sender<Echo>,
    outlet: Receiver<Echo>,
}

impl Default for Echoes {
    fn default() -> Self {
        let (inlet, outlet) = unbounded();
        Self { inlet, outlet }
    }
}

impl Echoes {
    pub(super) fn tell(&self, echo: Echo) {
        // The board holds both ends: there is always somebody.
        let _ = self.inlet.send(echo);
    }

    pub(super) fn next(&self) -> Option<Echo> {
        self.outlet.try_recv().ok()
    }
}
