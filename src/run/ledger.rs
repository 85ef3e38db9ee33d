//! Findings grouped by host: what is known of each host until nothing more will be learned about it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::request::{Event, Show};
use crate::packet::MacAddr;
use crate::scan::{Finding, HostRecord, HostState, Outcome, Packed, Reason, State, unpacked};

/// What became of the targets of one host, as far as the ledger cannot know from findings.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Probed and silent.
    pub unanswered: u64,
    /// Never probed.
    pub not_probed: u64,
    /// Why not: because the scan ended before if `None`; because the host did not answer when it was asked whether it is there if
    /// [`Reason::NoResponse`].
    pub why: Option<Reason>,
    /// The silent ones singly, if they are shown.
    pub silent: Vec<Finding>,
}

impl Roll {
    /// Whether not even discovery asked the host.
    fn is_of_nobody_asked(&self) -> bool {
        let asked = self.unanswered > 0 || self.why == Some(Reason::NoResponse);
        !asked && (self.not_probed > 0 || self.why.is_some())
    }
}

/// A host of which nothing more is expected.
#[derive(Debug)]
pub(super) enum Settled {
    /// All that is known of it is that its one port is open, and its hardware address where it has one here.
    Lone(Finding, Option<MacAddr>),
    Whole(HostRecord),
}

impl Settled {
    pub(super) fn has_open(&self) -> bool {
        match self {
            Self::Lone(..) => true,
            Self::Whole(host) => host.ports.iter().any(|finding| finding.outcome.state == State::Open),
        }
    }

    pub(super) fn host(self) -> HostRecord {
        match self {
            Self::Lone(finding, mac) => lone_host(finding, mac),
            Self::Whole(host) => host,
        }
    }
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
    /// Settled hosts that will be asked about again when the scan closes: on-link ones, or all if silent ones are shown; or all because more
    /// may be heard of them.
    settled: HashSet<IpAddr>,
    remembers: bool,
}

#[derive(Default)]
struct Entry {
    /// Findings told singly, packed: of millions of ports most wait here for the last of their hosts.
    ports: Vec<u8>,
    closed: BTreeMap<Reason, u64>,
    filtered: BTreeMap<Reason, u64>,
    /// Found silent; only where that is told.
    silent: u64,
    answered: u64,
    rtt: Option<Duration>,
    /// The first reply of the host itself; a router's error says nothing about the host.
    first: Option<Reason>,
    /// Only others' errors about it have come; the first.
    spoken_of: Option<Reason>,
}

impl Ledger {
    /// No host has answered; each has `ports` ports to be probed. A quiet one passes no single findings on.
    pub(super) fn new(show: Show, is_quiet: bool, ports: u64) -> Self {
        Self { show, is_quiet, ports, hosts: HashMap::new(), up_elsewhere: 0, filtered: 0, settled: HashSet::new(), remembers: false }
    }

    /// The same where a host answers more than its ports' probes: what comes after its last port does not begin it anew.
    pub(super) fn remembering(self) -> Self {
        Self { remembers: true, ..self }
    }

    /// Enters a finding and passes it on if it is shown singly; the host, if that settles it.
    pub(super) fn enter(&mut self, finding: Finding, mac: Option<MacAddr>, events: &mut dyn FnMut(Event)) -> Option<Settled> {
        let addr = finding.target.addr;
        let Finding { outcome, .. } = finding;
        if self.ports == 1 && outcome.state == State::Open && outcome.reason_addr.is_none() && !self.hosts.contains_key(&addr) {
            return Some(self.lone(finding, mac, events));
        }
        // A host with one port is settled by its first answer, and need not be entered.
        let mut only = Entry::default();
        let entry = if self.ports == 1 {
            if !self.hosts.is_empty() {
                only = self.hosts.remove(&addr).unwrap_or_default();
            }
            &mut only
        } else {
            self.hosts.entry(addr).or_default()
        };
        entry.answered += 1;
        match outcome.state {
            State::Open => {}
            State::Closed => *entry.closed.entry(outcome.reason).or_default() += 1,
            State::Filtered if outcome.reason == Reason::NoResponse => entry.silent += 1,
            State::Filtered => *entry.filtered.entry(outcome.reason).or_default() += 1,
        }
        (self.up_elsewhere, self.filtered) = entry.hear(&finding, mac, (self.up_elsewhere, self.filtered));
        if self.show.singly(outcome.state) {
            if self.ports != 1 {
                finding.pack(&mut entry.ports);
            }
            if !self.is_quiet {
                events(Event::Finding(finding));
            }
        }
        if entry.answered < self.ports {
            return None;
        }
        self.settle(addr, mac);
        if self.ports == 1 {
            let ports = if self.show.singly(outcome.state) { vec![finding] } else { Vec::new() };
            return Some(Settled::Whole(only.settled(addr, mac, &Roll::default(), ports)));
        }
        Some(Settled::Whole(self.hosts.remove(&addr)?.record(addr, mac, Roll::default())))
    }

    /// Passes on that the only port of a host is open, of which nothing was known. Of millions of hosts that is all that ever comes.
    fn lone(&mut self, finding: Finding, mac: Option<MacAddr>, events: &mut dyn FnMut(Event)) -> Settled {
        self.up_elsewhere += u64::from(mac.is_none());
        self.settle(finding.target.addr, mac);
        if !self.is_quiet {
            events(Event::Finding(finding));
        }
        Settled::Lone(finding, mac)
    }

    fn settle(&mut self, addr: IpAddr, mac: Option<MacAddr>) {
        if mac.is_some() || self.show.down || self.remembers {
            self.settled.insert(addr);
        }
    }

    /// Enters a reply that is of none of the ports probed, from or about a host without a hardware address here; the host's record, if that
    /// settles the host, for it has no ports.
    pub(super) fn hear(&mut self, finding: &Finding) -> Option<HostRecord> {
        let addr = finding.target.addr;
        if self.settled.contains(&addr) {
            return None;
        }
        let entry = self.hosts.entry(addr).or_default();
        (self.up_elsewhere, self.filtered) = entry.hear(finding, None, (self.up_elsewhere, self.filtered));
        if self.ports > 0 || entry.first.is_none() {
            return None;
        }
        let entry = self.hosts.remove(&addr)?;
        // More replies of its may come.
        self.settled.insert(addr);
        Some(entry.record(addr, None, Roll::default()))
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
    /// Notes who speaks, the host or others of it; how many hosts elsewhere are up and how many only spoken of, as they were and as they are.
    fn hear(&mut self, finding: &Finding, mac: Option<MacAddr>, (mut up, mut filtered): (u64, u64)) -> (u64, u64) {
        let Outcome { reason, reason_addr, .. } = finding.outcome;
        if reason_addr.is_none() && reason != Reason::NoResponse {
            if self.first.is_none() {
                up += u64::from(mac.is_none());
                filtered -= u64::from(self.spoken_of.is_some());
                self.spoken_of = None;
                self.first = Some(reason);
            }
            self.rtt = [self.rtt, finding.rtt].into_iter().flatten().min();
        } else if reason_addr.is_some() && self.first.is_none() && mac.is_none() && self.spoken_of.is_none() {
            self.spoken_of = Some(reason);
            filtered += 1;
        }
        (up, filtered)
    }

    fn record(self, addr: IpAddr, mac: Option<MacAddr>, mut roll: Roll) -> HostRecord {
        let mut ports: Vec<Finding> = unpacked(&self.ports).chain(std::mem::take(&mut roll.silent)).collect();
        ports.sort_unstable_by_key(|finding| finding.target.port);
        self.settled(addr, mac, &roll, ports)
    }

    fn settled(self, addr: IpAddr, mac: Option<MacAddr>, roll: &Roll, ports: Vec<Finding>) -> HostRecord {
        let is_of_nobody_asked = roll.is_of_nobody_asked() && self.silent == 0;
        let (state, reason) = match (self.first, mac) {
            (Some(reason), _) => (HostState::Up, reason),
            (None, Some(_)) => (HostState::Up, Reason::ArpResponse),
            (None, None) => match self.spoken_of {
                Some(reason) => (HostState::Filtered, most_frequent(&self.filtered).unwrap_or(reason)),
                None if is_of_nobody_asked => (HostState::NotProbed, roll.why.unwrap_or(Reason::ScanEnded)),
                None => (HostState::NoReply, Reason::NoResponse),
            },
        };
        HostRecord {
            addr,
            state,
            reason,
            mac,
            names: Vec::new(),
            rtt: self.rtt,
            ports,
            closed: self.closed,
            filtered: self.filtered,
            unanswered: roll.unanswered + self.silent,
            not_probed: roll.not_probed,
            suspect: None,
        }
    }
}

fn most_frequent(reasons: &BTreeMap<Reason, u64>) -> Option<Reason> {
    reasons.iter().max_by_key(|(_, count)| **count).map(|(reason, _)| *reason)
}

/// The record of a host of which only its one port is known, which is open.
pub(super) fn lone_host(finding: Finding, mac: Option<MacAddr>) -> HostRecord {
    HostRecord {
        addr: finding.target.addr,
        state: HostState::Up,
        reason: finding.outcome.reason,
        mac,
        names: Vec::new(),
        rtt: finding.rtt,
        ports: vec![finding],
        closed: BTreeMap::new(),
        filtered: BTreeMap::new(),
        unanswered: 0,
        not_probed: 0,
        suspect: None,
    }
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
        let host = ledger.enter(said(81), None, &mut |_| {}).expect("both ports are settled").host();
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

    #[test]
    fn a_host_whose_only_port_is_open_is_entered_like_any_other() {
        let open = finding(443, State::Open, Reason::SynAck, None);
        for (mac, elsewhere) in [(None, 1), (Some(MacAddr([2; 6])), 0)] {
            let mut ledger = Ledger::new(Show::default(), false, 1);
            let mut told = 0;
            let settled = ledger.enter(open, mac, &mut |event| told += u32::from(matches!(event, Event::Finding(_)))).unwrap();
            assert!(matches!(settled, Settled::Lone(..)));
            assert_eq!((told, ledger.up_elsewhere(), ledger.knows(open.target.addr)), (1, elsewhere, mac.is_some()));
            let mut entry = Entry::default();
            entry.hear(&open, mac, (0, 0));
            assert_eq!(settled.host(), entry.settled(open.target.addr, mac, &Roll::default(), vec![open]));
        }
    }

    #[test]
    fn a_host_of_which_all_is_told_is_not_begun_anew() {
        let echo = finding(0, State::Filtered, Reason::EchoReply, None);
        let mut ledger = Ledger::new(Show::default(), false, 1).remembering();
        assert!(ledger.hear(&echo).is_none(), "its port is still to come");
        let host =
            ledger.enter(finding(443, State::Closed, Reason::Reset, None), None, &mut |_| {}).expect("its one port is settled").host();
        assert_eq!((host.state, host.reason, host.closed[&Reason::Reset]), (HostState::Up, Reason::EchoReply, 1));
        assert!(ledger.hear(&echo).is_none());
        assert_eq!(ledger.up_elsewhere(), 1);
        ledger.close(|_| None, |_, _| Roll::default(), |host| panic!("told again: {host:?}"));
    }

    #[test]
    fn a_host_without_ports_is_told_once_when_it_answers_itself() {
        let mut ledger = Ledger::new(Show::default(), false, 0).remembering();
        assert!(ledger.hear(&finding(80, State::Filtered, Reason::HostUnreach, Some("10.0.0.254"))).is_none());
        assert_eq!((ledger.up_elsewhere(), ledger.filtered()), (0, 1));
        let host = ledger.hear(&finding(0, State::Filtered, Reason::EchoReply, None)).expect("it is there");
        assert_eq!((host.state, host.reason, ledger.up_elsewhere(), ledger.filtered()), (HostState::Up, Reason::EchoReply, 1, 0));
        assert!(ledger.hear(&finding(443, State::Open, Reason::SynAck, None)).is_none());
        let mut spoken_of = Ledger::new(Show::default(), false, 0);
        spoken_of.hear(&finding(80, State::Filtered, Reason::HostUnreach, Some("10.0.0.254")));
        spoken_of.close(
            |_| None,
            |_, _| Roll::default(),
            |host| assert_eq!((host.state, host.reason), (HostState::Filtered, Reason::HostUnreach)),
        );
    }
}
