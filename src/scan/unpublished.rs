//! What a sender has sent since the board was last told.

use super::board::Counters;
use crate::time::Time;

/// Told once a poll: a shared counter raised at each probe is fought over by all threads, and costs as much as building the frame.
#[derive(Debug, Default)]
pub(super) struct Unpublished {
    pub(super) probes: u64,
    /// Of these, to targets that were not probed before.
    pub(super) targets: u64,
    /// Of these, beside the passes.
    pub(super) canaries: u64,
    pub(super) last_sent: Time,
}

impl Unpublished {
    pub(super) fn publish(&mut self, counters: &Counters) {
        if self.probes == 0 {
            return;
        }
        counters.probes.add(self.probes);
        counters.last_sent.raise_to(self.last_sent.as_nanos());
        if self.targets > 0 {
            counters.targets_probed.add(self.targets);
        }
        if self.canaries > 0 {
            counters.canaries.add(self.canaries);
        }
        *self = Self { last_sent: self.last_sent, ..Self::default() };
    }
}
