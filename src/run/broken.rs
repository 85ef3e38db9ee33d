//! Links that failed during a scan: silence behind one of them says nothing about anybody.

use std::net::IpAddr;

use super::ledger::Roll;
use super::plan::count;
use super::threads::LinkReport;
use crate::scan::{Board, Reason};
use crate::target::AddressSet;

/// What was to be reached over links that failed.
#[derive(Debug, Default)]
pub(super) struct Broken {
    addresses: AddressSet,
    /// Targets that answered before.
    heard: u64,
}

impl Broken {
    /// `heard` counts the targets that answered, by link.
    pub(super) fn of(board: &Board, links: &LinkReport, heard: &[u64]) -> Self {
        let failed = |link: &usize| links.failed.contains(link);
        Self {
            addresses: board.egresses.parts().filter(|(_, egress)| failed(&egress.link)).map(|(range, _)| range).collect(),
            heard: heard.iter().enumerate().filter(|(link, _)| failed(link)).map(|(_, heard)| heard).sum(),
        }
    }

    /// Whether an address was to be reached over one of them.
    pub(super) fn contains(&self, addr: IpAddr) -> bool {
        self.addresses.contains(addr)
    }

    /// Of a host's `silent` targets none is known to have been asked.
    pub(super) fn roll(silent: u64) -> Roll {
        Roll { not_probed: silent, why: Some(Reason::LocalError), ..Roll::default() }
    }

    /// How many of the scan's `unanswered` targets are of those.
    pub(super) fn unheard(&self, board: &Board, unanswered: u64) -> u64 {
        if self.addresses.is_empty() {
            return 0;
        }
        let (mut silent, mut all, mut covered) = (0u64, 0u64, true);
        for (_, stage) in board.stages.iter().filter(|(_, stage)| stage.reported) {
            silent += count(&stage.space.addresses().intersection(&self.addresses)).saturating_mul(stage.wanted());
            all += count(stage.space.addresses()).saturating_mul(stage.wanted());
            covered &= stage.is_covered();
        }
        silent = silent.saturating_sub(self.heard);
        if covered {
            return silent.min(unanswered);
        }
        // The order is uniform: of the targets not visited before the scan ended these have their share.
        let share = unanswered as f64 / all.saturating_sub(board.counters.answered.get()).max(1) as f64;
        ((silent as f64 * share).round() as u64).min(unanswered)
    }

    /// How many of the hosts that did not answer ARP are behind them: nobody knows whether those are down.
    pub(super) fn not_asked(&self, board: &Board, onlink: &AddressSet) -> u64 {
        let behind = onlink.intersection(&self.addresses);
        let known = board.neighbours.known().filter(|(addr, _)| behind.contains(IpAddr::V4(*addr))).count() as u64;
        count(&behind).saturating_sub(known)
    }
}
