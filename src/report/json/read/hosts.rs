//! Ports that were told before their host, kept until it is.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use crate::scan::{Finding, HostRecord, HostState, Outcome, Reason, ScanRecord, State, Summary};
use crate::target::Target;
use crate::time::Time;

/// What is known of hosts that are not settled, and the counts of those that are.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    waiting: HashMap<IpAddr, Vec<Kept>>,
    /// Answers without a line of their own, of hosts that are not settled.
    unlisted: HashMap<IpAddr, Unlisted>,
    counts: Summary,
    last: Time,
}

/// What a journal keeps of a host's answers that are not told singly.
#[derive(Debug, Default)]
struct Unlisted {
    open: Vec<u16>,
    closed: BTreeMap<Reason, u64>,
    filtered: BTreeMap<Reason, u64>,
    unanswered: u64,
    /// Who answered first: the host itself, or another for it.
    own: Option<Reason>,
}

/// A finding without its address, in a third of its size: millions may wait.
#[derive(Clone, Debug)]
struct Kept {
    time: Time,
    reason_addr: Option<Box<IpAddr>>,
    rtt: Option<std::num::NonZeroU32>,
    port: u16,
    state: State,
    reason: Reason,
    ttl: Option<u8>,
    attempt: u8,
    is_zero_window: bool,
}

const _: () = assert!(size_of::<Kept>() <= 32);

impl Hosts {
    /// A port was told.
    pub(super) fn port(&mut self, finding: &Finding) -> Result<(), String> {
        let kept = Kept::of(finding).ok_or("its round-trip time is over an hour")?;
        self.passed(finding.time);
        self.waiting.entry(finding.target.addr).or_default().push(kept);
        Ok(())
    }

    /// A target answered, or was given up as silent, that is told with its host only.
    pub(super) fn unlisted(&mut self, target: Target, outcome: Outcome) {
        let host = self.unlisted.entry(target.addr).or_default();
        match (outcome.state, outcome.reason) {
            (State::Open, _) => host.open.push(target.port),
            (State::Closed, reason) => *host.closed.entry(reason).or_default() += 1,
            (State::Filtered, Reason::NoResponse) => host.unanswered += 1,
            (State::Filtered, reason) => *host.filtered.entry(reason).or_default() += 1,
        }
        if outcome.reason_addr.is_none() && outcome.reason != Reason::NoResponse {
            host.own.get_or_insert(outcome.reason);
        }
    }

    /// Something was told of this moment.
    pub(super) fn passed(&mut self, time: Time) {
        self.last = self.last.max(time);
    }

    /// A host is settled: gives it its ports, of which so many were said to be open.
    pub(super) fn settle(&mut self, mut host: Box<HostRecord>, open: u64) -> Result<Box<HostRecord>, String> {
        let addr = host.addr;
        self.unlisted.remove(&addr);
        host.ports = self.waiting.remove(&addr).unwrap_or_default().into_iter().map(|kept| kept.finding(addr)).collect();
        host.ports.sort_by_key(|finding| finding.target.port);
        let told = host.ports.iter().filter(|finding| finding.outcome.state == State::Open).count() as u64;
        if told != open {
            return Err(format!("{addr} has {open} open ports, but {told} were recorded before"));
        }
        self.count(&host);
        Ok(host)
    }

    /// Hosts with ports and without a record of their own, ascending by address.
    pub(super) fn unsettled(&mut self) -> Vec<HostRecord> {
        let mut unlisted = std::mem::take(&mut self.unlisted);
        let mut waiting: BTreeMap<_, _> = std::mem::take(&mut self.waiting).into_iter().collect();
        for addr in unlisted.keys() {
            waiting.entry(*addr).or_default();
        }
        let hosts: Vec<_> = waiting
            .into_iter()
            .map(|(addr, ports)| {
                let host = host_of(addr, ports);
                match unlisted.remove(&addr) {
                    Some(more) => more.beside(host),
                    None => host,
                }
            })
            .collect();
        for host in &hosts {
            self.count(host);
        }
        hosts
    }

    /// What is known of the whole; what was not told counts as not probed.
    pub(super) fn summary(&self, scan: &ScanRecord) -> Summary {
        let counts = &self.counts;
        // What a file counts may be any number.
        let sum = |counts: &[u64]| counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let told = sum(&[counts.open, counts.closed, counts.filtered, counts.unanswered]);
        let known = sum(&[counts.hosts_up, counts.hosts_down, counts.hosts_filtered]);
        Summary {
            elapsed: self.last.since(Time::ZERO),
            addresses: scan.addresses,
            targets: scan.targets,
            hosts_not_probed: scan.addresses.saturating_sub(known),
            not_probed: scan.targets.saturating_sub(told),
            answered: sum(&[counts.open, counts.closed, counts.filtered]),
            interrupted: true,
            path_proven: [counts.open, counts.closed, counts.hosts_up].iter().any(|count| *count > 0),
            incomplete: vec![CUT_SHORT.to_owned()],
            ..counts.clone()
        }
    }

    fn count(&mut self, host: &HostRecord) {
        let counts = &mut self.counts;
        *match host.state {
            HostState::Up => &mut counts.hosts_up,
            HostState::Down => &mut counts.hosts_down,
            HostState::Filtered => &mut counts.hosts_filtered,
            HostState::NoReply | HostState::NotProbed => &mut counts.hosts_not_probed,
        } += 1;
        counts.hosts_suspect += u64::from(host.suspect.is_some());
        counts.open += host.ports.iter().filter(|finding| finding.outcome.state == State::Open).count() as u64;
        for (sum, more) in [(&mut counts.closed, &host.closed), (&mut counts.filtered, &host.filtered)] {
            *sum = more.values().fold(*sum, |sum, count| sum.saturating_add(*count));
        }
        counts.unanswered = counts.unanswered.saturating_add(host.unanswered);
    }
}

const CUT_SHORT: &str =
    "the record ends without a summary, for the scan was killed or still runs; what it does not tell counts as not probed";

impl Unlisted {
    /// The host, with what it answered beside.
    fn beside(self, mut host: HostRecord) -> HostRecord {
        let add = |counts: &mut BTreeMap<Reason, u64>, more: BTreeMap<Reason, u64>| {
            for (reason, count) in more {
                let sum = counts.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
        };
        match (host.state, self.own) {
            (HostState::Up, _) => {}
            (_, Some(own)) => (host.state, host.reason) = (HostState::Up, own),
            (HostState::NoReply, None) => {
                if let Some(said) = self.filtered.keys().next() {
                    (host.state, host.reason) = (HostState::Filtered, *said);
                }
            }
            _ => {}
        }
        add(&mut host.closed, self.closed);
        add(&mut host.filtered, self.filtered);
        host.unanswered = host.unanswered.saturating_add(self.unanswered);
        let outcome = Outcome { state: State::Open, reason: Reason::SynAck, reason_addr: None };
        let bare = |port| {
            let target = Target { addr: host.addr, port };
            Finding { target, outcome, ttl: None, window: None, rtt: None, attempt: 1, time: Time::ZERO }
        };
        host.ports.extend(self.open.into_iter().map(bare));
        host.ports.sort_by_key(|finding| finding.target.port);
        host.ports.dedup_by_key(|finding| finding.target.port);
        host
    }
}

/// A host of which nothing is known but the ports that were told.
fn host_of(addr: IpAddr, ports: Vec<Kept>) -> HostRecord {
    let mut ports: Vec<Finding> = ports.into_iter().map(|kept| kept.finding(addr)).collect();
    let own = |finding: &&Finding| finding.outcome.reason_addr.is_none() && finding.outcome.reason != Reason::NoResponse;
    let (state, reason) = match (ports.iter().find(own), ports.first()) {
        (Some(first), _) => (HostState::Up, first.outcome.reason),
        (None, Some(said)) => (HostState::Filtered, said.outcome.reason),
        (None, None) => (HostState::NoReply, Reason::NoResponse),
    };
    ports.sort_by_key(|finding| finding.target.port);
    let by_reason = |state: State| {
        let mut counts = BTreeMap::new();
        for finding in ports.iter().filter(|finding| finding.outcome.state == state && finding.outcome.reason != Reason::NoResponse) {
            *counts.entry(finding.outcome.reason).or_insert(0) += 1;
        }
        counts
    };
    HostRecord {
        addr,
        state,
        reason,
        mac: None,
        names: Vec::new(),
        rtt: ports.iter().filter_map(|finding| finding.rtt).min(),
        closed: by_reason(State::Closed),
        filtered: by_reason(State::Filtered),
        unanswered: ports.iter().filter(|finding| finding.outcome.reason == Reason::NoResponse).count() as u64,
        not_probed: 0,
        suspect: None,
        ports,
    }
}

impl Kept {
    fn of(finding: &Finding) -> Option<Self> {
        let Finding { target, outcome, ttl, rtt, attempt, time, .. } = *finding;
        let rtt = match rtt {
            // One more, so that zero is one of them.
            Some(rtt) => Some(u32::try_from(rtt.as_micros() + 1).ok().and_then(std::num::NonZeroU32::new)?),
            None => None,
        };
        Some(Self {
            time,
            reason_addr: outcome.reason_addr.map(Box::new),
            rtt,
            port: target.port,
            state: outcome.state,
            reason: outcome.reason,
            ttl,
            attempt,
            is_zero_window: finding.is_zero_window(),
        })
    }

    fn finding(self, addr: IpAddr) -> Finding {
        Finding {
            target: Target { addr, port: self.port },
            outcome: Outcome { state: self.state, reason: self.reason, reason_addr: self.reason_addr.map(|addr| *addr) },
            ttl: self.ttl,
            window: self.is_zero_window.then_some(0),
            rtt: self.rtt.map(|rtt| Duration::from_micros(u64::from(rtt.get() - 1))),
            attempt: self.attempt,
            time: self.time,
        }
    }
}
