//! Hosts that are in every shard, put together from what each says of its ports.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::scan::{HostRecord, HostState, ScanRecord, Summary};

/// Hosts, fewer than shards.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    known: BTreeMap<IpAddr, HostRecord>,
    /// Of these, those that the shard under way told of.
    told: HashSet<IpAddr>,
    /// Ports, of each host, of shards before, by what is known of them where such a shard did not tell of the host.
    silent: u64,
    unknown: u64,
}

impl Hosts {
    /// What the shard under way says of a host.
    pub(super) fn add(&mut self, host: HostRecord) {
        self.told.insert(host.addr);
        if let Some(known) = self.known.get_mut(&host.addr) {
            return join(known, host);
        }
        let unanswered = host.unanswered.saturating_add(self.silent);
        let not_probed = host.not_probed.saturating_add(self.unknown);
        self.known.insert(host.addr, HostRecord { unanswered, not_probed, ..host });
    }

    /// A shard has said all. A host that it did not tell of was silent, if it asked all of its targets, and leaves nobody out who answered.
    pub(super) fn passed(&mut self, scan: &ScanRecord, end: &Summary) {
        let ports = u64::from(scan.ports.len());
        let leaves_out = scan.arguments.iter().any(|word| ["--open", "--hide-suspect"].contains(&word.as_str()));
        let is_silent = end.not_probed == 0 && (end.answered == 0 || !leaves_out);
        let (silent, unknown) = if is_silent { (ports, 0) } else { (0, ports) };
        for (addr, host) in &mut self.known {
            if !self.told.contains(addr) {
                host.unanswered = host.unanswered.saturating_add(silent);
                host.not_probed = host.not_probed.saturating_add(unknown);
            }
        }
        self.told.clear();
        self.silent += silent;
        self.unknown += unknown;
    }

    /// How many are up, how many only others spoke of, and how many are suspect.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let count = |is: &dyn Fn(&HostRecord) -> bool| self.known.values().filter(|host| is(host)).count() as u64;
        (
            count(&|host| host.state == HostState::Up),
            count(&|host| host.state == HostState::Filtered),
            count(&|host| host.suspect.is_some()),
        )
    }

    /// The hosts, ascending by address.
    pub(super) fn into_records(self) -> impl Iterator<Item = HostRecord> {
        self.known.into_values()
    }
}

/// Adds what another shard says.
fn join(known: &mut HostRecord, other: HostRecord) {
    if rank(other.state) > rank(known.state) {
        (known.state, known.reason) = (other.state, other.reason);
    }
    known.mac = known.mac.or(other.mac);
    if known.names.is_empty() {
        known.names = other.names;
    }
    known.rtt = known.rtt.into_iter().chain(other.rtt).min();
    known.suspect = known.suspect.or(other.suspect);
    known.ports.extend(other.ports);
    known.ports.sort_by_key(|finding| finding.target.port);
    known.ports.dedup_by_key(|finding| finding.target.port);
    for (counts, more) in [(&mut known.closed, other.closed), (&mut known.filtered, other.filtered)] {
        for (reason, count) in more {
            let sum = counts.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    known.unanswered = known.unanswered.saturating_add(other.unanswered);
    known.not_probed = known.not_probed.saturating_add(other.not_probed);
}

/// How much a state says: whoever was heard by one shard is there.
fn rank(state: HostState) -> u8 {
    match state {
        HostState::NotProbed => 0,
        HostState::NoReply => 1,
        HostState::Down => 2,
        HostState::Filtered => 3,
        HostState::Up => 4,
    }
}
