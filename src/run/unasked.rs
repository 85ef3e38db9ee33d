//! Targets that this machine could not ask, by host: local causes are never a verdict.

use std::collections::HashMap;
use std::net::IpAddr;

use super::connect::ConnectTally;
use super::ledger::Roll;
use crate::scan::Reason;

/// The targets that connect() could not ask.
#[derive(Debug, Default)]
pub(super) struct Unasked {
    /// How many on each host, and the cause of the most.
    hosts: HashMap<IpAddr, (u64, Reason)>,
    /// How many on hosts that the tally does not name any more.
    unnamed: u64,
}

impl Unasked {
    /// What a tally says.
    pub(super) fn of(tally: Option<&ConnectTally>) -> Self {
        let mut unasked = Self::default();
        for (cause, errors) in tally.iter().flat_map(|tally| &tally.local) {
            unasked.unnamed += errors.targets;
            for (host, targets) in &errors.hosts {
                unasked.unnamed -= targets;
                let (all, reason) = unasked.hosts.entry(*host).or_insert((0, cause.reason()));
                if *targets > *all {
                    *reason = cause.reason();
                }
                *all += targets;
            }
        }
        unasked
    }

    /// Of a host's `silent` targets: which were asked, which not. What is not known to have been asked is not called silent.
    pub(super) fn roll(&self, addr: IpAddr, silent: u64) -> Roll {
        let (targets, why) = match self.hosts.get(&addr) {
            Some((targets, reason)) => (*targets, *reason),
            None if self.unnamed > 0 => (silent, Reason::LocalError),
            None => return Roll { unanswered: silent, ..Roll::default() },
        };
        let not_probed = targets.min(silent);
        Roll { unanswered: silent - not_probed, not_probed, why: Some(why), ..Roll::default() }
    }

    /// Hosts of `ports` ports none of which could be asked.
    pub(super) fn hosts(&self, ports: u64) -> u64 {
        self.hosts.values().filter(|(targets, _)| *targets >= ports).count() as u64 + self.unnamed / ports.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{LocalCause, LocalErrors};

    #[test]
    fn a_local_cause_is_no_silence() {
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        let mut tally = ConnectTally::default();
        for (cause, last, targets) in [
            (LocalCause::HostUnreachable, 1, 3),
            (LocalCause::OwnReject, 2, 1),
            (LocalCause::NetworkUnreachable, 3, 1),
            (LocalCause::Prohibited, 3, 2),
        ] {
            tally.local.entry(cause).or_insert_with(LocalErrors::default).record(host(last), targets);
        }
        let unasked = Unasked::of(Some(&tally));
        let rolls = [1, 2, 3, 4].map(|last| unasked.roll(host(last), 3));
        let counts = rolls.map(|roll| (roll.unanswered, roll.not_probed, roll.why));
        assert_eq!(
            counts,
            [(0, 3, Some(Reason::HostUnreach)), (2, 1, Some(Reason::LocalError)), (0, 3, Some(Reason::LocalError)), (3, 0, None)]
        );
        assert_eq!(unasked.hosts(3), 2);
    }

    #[test]
    fn hosts_beyond_the_named_are_not_called_silent() {
        let mut tally = ConnectTally::default();
        tally.local.entry(LocalCause::NetworkUnreachable).or_insert_with(LocalErrors::default).targets = 8;
        let unasked = Unasked::of(Some(&tally));
        assert_eq!(unasked.roll(IpAddr::from([10, 0, 0, 1]), 2).not_probed, 2);
        assert_eq!(unasked.hosts(2), 4);
    }
}
