//! Findings grouped by host: what is known of each host until nothing more will be learned about it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::request::{Event, Show};
use crate::packet::MacAddr;
use crate::scan::{Finding, HostRecord, HostState, Reason, State};

/// What became of the targets of one host, as far as the ledger cannot know from findings.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    /// Probed and silent.
    pub unanswered: u64,
    /// Never probed.
    pub not_probed: u64,
    /// Why not; because the scan ended before if `None`.
    pub why: Option<Reason>,
    /// The silent ones singly, if they are shown.
    pub silent: Vec<Finding>,
}

/// The hosts with findings that are not settled yet.
pub(super) struct Ledger {
    show: Show,
    /// Findings are not passed on before their host is settled.
    is_quiet: bool,
    /// Ports probed on each host.
    ports: u64,
    hosts: HashMap<IpAddr, Entry>,
    /// Hosts without a hardware address that answered something themselves.
    up_elsewhere: u64,
    /// Hosts without a hardware address of which only others spoke.
    filtered: u64,
    /// Settled hosts that will be asked about again when the scan closes: on-link ones, or all if silent ones are shown.
    settled: HashSet<IpAddr>,
}

#[derive(Default)]
struct Entry {
    ports: Vec<Finding>,
    closed: BTreeMap<Reason, u64>,
    filtered: BTreeMap<Reason, u64>,
    /// Found silent; only where that is told.
    silent: u64,
    answered: u64,
    rtt: Option<Duration>,
    /// The first reply of the host itself; a router's error says nothing about the host.
    first: Option<Reason>,
    /// Only others' errors about it have come.
    spoken_of: bool,
}

impl Ledger {
    /// No host has answered; each has `ports` ports to be probed. A quiet one passes no single findings on.
    pub(super) fn new(show: Show, is_quiet: bool, ports: u64) -> Self {
        Self { show, is_quiet, ports, hosts: HashMap::new(), up_elsewhere: 0, filtered: 0, settled: HashSet::new() }
    }

    /// Enters a finding and passes it on if it is shown singly; the host's record, if that settles the host.
    pub(super) fn enter(&mut self, finding: Finding, mac: Option<MacAddr>, events: &mut dyn FnMut(Event)) -> Option<HostRecord> {
        let addr = finding.target.addr;
        let Finding { outcome, .. } = finding;
        let entry = self.hosts.entry(addr).or_default();
        entry.answered += 1;
        match outcome.state {
            State::Open => {}
            State::Closed => *entry.closed.entry(outcome.reason).or_default() += 1,
            State::Filtered if outcome.reason == Reason::NoResponse => entry.silent += 1,
            State::Filtered => *entry.filtered.entry(outcome.reason).or_default() += 1,
        }
        if outcome.reason_addr.is_none() && outcome.reason != Reason::NoResponse {
            if entry.first.is_none() {
                self.up_elsewhere += u64::from(mac.is_none());
                self.filtered -= u64::from(entry.spoken_of);
                entry.spoken_of = false;
                entry.first = Some(outcome.reason);
            }
            entry.rtt = [entry.rtt, finding.rtt].into_iter().flatten().min();
        } else if outcome.reason_addr.is_some() && entry.first.is_none() && mac.is_none() && !entry.spoken_of {
            entry.spoken_of = true;
            self.filtered += 1;
        }
        if self.show.singly(outcome.state) {
            entry.ports.push(finding);
            if !self.is_quiet {
                events(Event::Finding(finding));
            }
        }
        if entry.answered < self.ports {
            return None;
        }
        let entry = self.hosts.remove(&addr)?;
        if mac.is_some() || self.show.down {
            self.settled.insert(addr);
        }
        Some(entry.record(addr, mac, Roll::default()))
    }

    /// Hosts without a hardware address here of which at least one reply came.
    pub(super) fn up_elsewhere(&self) -> u64 {
        self.up_elsewhere
    }

    /// Hosts without a hardware address here of which only ICMP errors of others came back.
    pub(super) fn filtered(&self) -> u64 {
        self.filtered
    }

    /// Every host with findings that is not settled, ascending, with its record; `roll` calls over its targets.
    pub(super) fn close(
        self,
        mac: impl Fn(IpAddr) -> Option<MacAddr>,
        roll: impl Fn(IpAddr, u64) -> Roll,
        mut each: impl FnMut(HostRecord),
    ) {
        let mut hosts: Vec<_> = self.hosts.into_iter().collect();
        hosts.sort_unstable_by_key(|(addr, _)| *addr);
        for (addr, entry) in hosts {
            let roll = roll(addr, entry.answered);
            each(entry.record(addr, mac(addr), roll));
        }
    }

    /// Whether a host has been seen in any finding.
    pub(super) fn knows(&self, addr: IpAddr) -> bool {
        self.hosts.contains_key(&addr) || self.settled.contains(&addr)
    }
}

impl Entry {
    fn record(mut self, addr: IpAddr, mac: Option<MacAddr>, roll: Roll) -> HostRecord {
        self.ports.extend(roll.silent);
        self.ports.sort_unstable_by_key(|finding| finding.target.port);
        let (state, reason) = match (self.first, mac) {
            (Some(reason), _) => (HostState::Up, reason),
            (None, Some(_)) => (HostState::Up, Reason::ArpResponse),
            (None, None) if self.spoken_of => (HostState::Filtered, most_frequent(&self.filtered)),
            (None, None) if roll.not_probed > 0 && roll.unanswered + self.silent == 0 => {
                (HostState::NotProbed, roll.why.unwrap_or(Reason::ScanEnded))
            }
            (None, None) => (HostState::NoReply, Reason::NoResponse),
        };
        HostRecord {
            addr,
            state,
            reason,
            mac,
            names: Vec::new(),
            rtt: self.rtt,
            ports: self.ports,
            closed: self.closed,
            filtered: self.filtered,
            unanswered: roll.unanswered + self.silent,
            not_probed: roll.not_probed,
            suspect: None,
        }
    }
}

fn most_frequent(reasons: &BTreeMap<Reason, u64>) -> Reason {
    reasons.iter().max_by_key(|(_, count)| **count).map_or(Reason::NoResponse, |(reason, _)| *reason)
}

/// The record of a host without findings.
pub(super) fn silent_host(addr: IpAddr, mac: Option<MacAddr>, roll: Roll) -> HostRecord {
    Entry::default().record(addr, mac, roll)
}

/// The record of a host that did not answer ARP: none of its `ports` ports was probed.
pub(super) fn down_host(addr: IpAddr, ports: u64) -> HostRecord {
    let roll = Roll { not_probed: ports, ..Roll::default() };
    HostRecord { state: HostState::Down, reason: Reason::NoArpResponse, ..silent_host(addr, None, roll) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Outcome;
    use crate::target::Target;
    use crate::time::Time;

    fn finding(port: u16, state: State, reason: Reason, from: Option<&str>) -> Finding {
        let target = Target { addr: [10, 0, 0, 1].into(), port };
        let outcome = Outcome { state, reason, reason_addr: from.map(|addr| addr.parse().unwrap()) };
        Finding {
            target,
            outcome,
            ttl: Some(64),
            window: None,
            rtt: Some(Duration::from_micros(u64::from(port))),
            attempt: 1,
            time: Time::ZERO,
        }
    }

    #[test]
    fn a_host_of_which_only_a_router_spoke_is_filtered() {
        let mut ledger = Ledger::new(Show::default(), false, 2);
        let said = |port| finding(port, State::Filtered, Reason::AdminProhibited, Some("10.0.0.254"));
        assert!(ledger.enter(said(80), None, &mut |_| {}).is_none());
        assert_eq!((ledger.filtered(), ledger.up_elsewhere()), (1, 0));
        let host = ledger.enter(said(81), None, &mut |_| {}).expect("both ports are settled");
        assert_eq!((host.state, host.reason), (HostState::Filtered, Reason::AdminProhibited));
        assert_eq!(host.filtered[&Reason::AdminProhibited], 2);
    }

    #[test]
    fn a_host_that_nobody_asked_is_not_silent() {
        let addr = [10, 0, 0, 1].into();
        let told = |unanswered, not_probed, why| {
            let host = silent_host(addr, None, Roll { unanswered, not_probed, why, ..Roll::default() });
            (host.state, host.reason)
        };
        assert_eq!(told(0, 2, Some(Reason::NetUnreach)), (HostState::NotProbed, Reason::NetUnreach));
        assert_eq!(told(0, 2, None), (HostState::NotProbed, Reason::ScanEnded));
        assert_eq!(told(1, 1, None), (HostState::NoReply, Reason::NoResponse));
        assert_eq!(down_host(addr, 2).state, HostState::Down);
    }

    #[test]
    fn a_host_that_spoke_itself_is_up() {
        let mut ledger = Ledger::new(Show::default(), false, 3);
        ledger.enter(finding(80, State::Filtered, Reason::AdminProhibited, Some("10.0.0.254")), None, &mut |_| {});
        let mut told = 0;
        ledger.enter(finding(22, State::Open, Reason::SynAck, None), None, &mut |event| {
            told += u32::from(matches!(event, Event::Finding(_)));
        });
        assert_eq!((ledger.filtered(), ledger.up_elsewhere(), told), (0, 1, 1));
        let mut hosts = Vec::new();
        ledger.close(|_| None, |_, answered| Roll { unanswered: 3 - answered, ..Roll::default() }, |host| hosts.push(host));
        assert_eq!((hosts[0].state, hosts[0].reason, hosts[0].unanswered), (HostState::Up, Reason::SynAck, 1));
        assert_eq!(hosts[0].rtt, Some(Duration::from_micros(22)));
    }
}
