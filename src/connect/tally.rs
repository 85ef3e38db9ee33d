//! Every target accounted for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::verdict::LocalCause;

/// What became of the targets. Each that was drawn is in exactly one of `open`, `closed`, `filtered`, `unanswered`, `local`,
/// `unfinished` and `not_probed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections begun.
    pub probes: u64,
    /// Targets with a connection established.
    pub open: u64,
    /// Targets that refused.
    pub closed: u64,
    /// Targets filtered by an ICMP error.
    pub filtered: u64,
    /// Targets silent in every attempt.
    pub unanswered: u64,
    /// Targets given up for a local cause.
    pub local: BTreeMap<LocalCause, LocalErrors>,
    /// Targets probed, for whose answer the scan did not wait because it was ended.
    pub unfinished: u64,
    /// Targets never probed because the scan was ended.
    pub not_probed: u64,
    /// Sockets that connected to themselves; the target was asked again.
    pub self_connects: u64,
    /// Times this machine was short of descriptors, ports or memory; the probe was put back.
    pub resource_waits: u64,
    /// Targets that answered only a repeated attempt.
    pub repeats: u64,
    /// The deadline ended the scan.
    pub out_of_time: bool,
}

impl Tally {
    /// Targets that answered: open, closed or filtered by an ICMP error.
    pub fn answered(&self) -> u64 {
        self.open + self.closed + self.filtered
    }

    /// Targets given up for any local cause.
    pub fn local_errors(&self) -> u64 {
        self.local.values().map(|errors| errors.targets).sum()
    }

    /// All targets accounted for.
    pub fn targets(&self) -> u64 {
        self.answered() + self.unanswered + self.local_errors() + self.unfinished + self.not_probed
    }

    /// Adds another worker's tally.
    pub fn add(&mut self, other: Self) {
        self.probes += other.probes;
        self.open += other.open;
        self.closed += other.closed;
        self.filtered += other.filtered;
        self.unanswered += other.unanswered;
        self.unfinished += other.unfinished;
        self.not_probed += other.not_probed;
        self.self_connects += other.self_connects;
        self.resource_waits += other.resource_waits;
        self.repeats += other.repeats;
        self.out_of_time |= other.out_of_time;
        for (cause, errors) in other.local {
            let entry = self.local.entry(cause).or_default();
            entry.targets += errors.targets - errors.hosts.values().sum::<u64>();
            for (host, targets) in errors.hosts {
                entry.record(host, targets);
            }
        }
    }
}

/// Targets that this machine could not ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalErrors {
    /// How many.
    pub targets: u64,
    /// How many of them on each host: the first [`LocalErrors::HOSTS`] hosts, so that a missing route to millions costs no memory.
    pub hosts: BTreeMap<IpAddr, u64>,
}

impl LocalErrors {
    /// So many hosts are named.
    pub const HOSTS: usize = 1 << 16;

    /// Counts `targets` targets on `host`.
    pub fn record(&mut self, host: IpAddr, targets: u64) {
        self.targets += targets;
        if self.hosts.len() < Self::HOSTS || self.hosts.contains_key(&host) {
            *self.hosts.entry(host).or_default() += targets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_lose_nothing_though_hosts_are_left_out() {
        let mut tallies = [Tally::default(), Tally::default()];
        for (n, tally) in tallies.iter_mut().enumerate() {
            let errors = tally.local.entry(LocalCause::NetworkUnreachable).or_default();
            for host in 0..40_000u32 {
                errors.record(IpAddr::from([10, n as u8, (host / 256) as u8, (host % 256) as u8]), 2);
            }
        }
        let [mut sum, other] = tallies;
        sum.add(other);
        assert_eq!(sum.local_errors(), 160_000);
        assert_eq!(sum.targets(), 160_000);
        assert_eq!(sum.local[&LocalCause::NetworkUnreachable].hosts.len(), LocalErrors::HOSTS);
    }
}
