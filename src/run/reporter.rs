//! The reporting side of a scan, on the caller's thread: findings become hosts, hosts get their names, counters become progress.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Ledger, Roll};
use super::request::{Event, Phase, Progress, Show};
use crate::net::names::{Resolver, ReverseLookup};
use crate::packet::MacAddr;
use crate::scan::{Finding, HostRecord, Reason};

/// Takes findings in, gives events out.
pub(super) struct Reporter<'a> {
    ledger: Ledger,
    show: Show,
    names: Option<ReverseLookup>,
    asked: HashSet<IpAddr>,
    /// Settled hosts whose name is still being looked up.
    nameless: VecDeque<HostRecord>,
    events: &'a mut dyn FnMut(Event),
}

impl<'a> Reporter<'a> {
    /// Reports on hosts of `ports` ports each; looks names up if there is a resolver.
    pub(super) fn new(show: Show, ports: u64, resolver: Option<Arc<dyn Resolver>>, events: &'a mut dyn FnMut(Event)) -> Self {
        Self {
            ledger: Ledger::new(show, ports),
            show,
            names: resolver.map(|resolver| ReverseLookup::start(&resolver)),
            asked: HashSet::new(),
            nameless: VecDeque::new(),
            events,
        }
    }

    /// The same where hosts are discovered.
    pub(super) fn discovering(self) -> Self {
        Self { ledger: self.ledger.remembering(), ..self }
    }

    /// A finding came in.
    pub(super) fn finding(&mut self, finding: Finding, mac: Option<MacAddr>) {
        if finding.outcome.reason != Reason::NoResponse && self.show.singly(finding.outcome.state) {
            self.name(finding.target.addr);
        }
        if let Some(host) = self.ledger.enter(finding, mac, self.events) {
            self.host(host);
        }
    }

    /// What came in is of no port that was asked for: it says only whether its host is there, which settles a host without ports.
    pub(super) fn presence(&mut self, finding: &Finding) {
        let host = self.ledger.hear(finding);
        if let Some(host) = host {
            self.name(host.addr);
            self.host(host);
        }
    }

    /// Looks the name of a host up, if names are wanted.
    pub(super) fn name(&mut self, addr: IpAddr) {
        if let Some(names) = &self.names
            && self.asked.insert(addr)
        {
            names.ask(addr);
        }
    }

    /// A host is settled: it goes out as soon as its name is known, or known not to be.
    pub(super) fn host(&mut self, host: HostRecord) {
        if self.names.is_some() && self.asked.contains(&host.addr) {
            self.nameless.push_back(host);
            self.release();
        } else {
            (self.events)(Event::Host(Box::new(host)));
        }
    }

    /// Hosts go out whose names have arrived, in the order they were settled.
    pub(super) fn release(&mut self) {
        let Some(names) = &self.names else { return };
        while self.nameless.front().is_some_and(|host| names.is_settled(host.addr)) {
            let Some(mut host) = self.nameless.pop_front() else { return };
            host.names.extend(names.answer_for(host.addr));
            (self.events)(Event::Host(Box::new(host)));
        }
    }

    /// Something else to tell.
    pub(super) fn event(&mut self, event: Event) {
        (self.events)(event);
    }

    /// Whether a host has been seen in any finding.
    pub(super) fn knows(&self, addr: IpAddr) -> bool {
        self.ledger.knows(addr)
    }

    /// Hosts that answered and have no hardware address here: those beyond a gateway, and this machine.
    pub(super) fn hosts_elsewhere(&self) -> u64 {
        self.ledger.up_elsewhere()
    }

    /// Hosts of which only others spoke.
    pub(super) fn hosts_filtered(&self) -> u64 {
        self.ledger.filtered()
    }

    /// The scan is over: every host goes out, those of `rest` too, ascending by address; names are waited for up to `patience`.
    pub(super) fn close(
        self,
        mac: impl Fn(IpAddr) -> Option<MacAddr>,
        roll: impl Fn(IpAddr, u64) -> Roll,
        rest: impl Iterator<Item = HostRecord>,
        patience: Duration,
    ) {
        let Self { ledger, names, nameless, events, .. } = self;
        let found = names.map(|names| names.finish(patience)).unwrap_or_default();
        let mut out = |mut host: HostRecord| {
            host.names.extend(found.get(&host.addr).cloned());
            events(Event::Host(Box::new(host)));
        };
        nameless.into_iter().for_each(&mut out);
        let mut rest = rest.peekable();
        ledger.close(mac, roll, |host| {
            while let Some(earlier) = rest.next_if(|other| other.addr < host.addr) {
                out(earlier);
            }
            out(host);
        });
        rest.for_each(out);
    }
}

/// Turns counters into progress whose remaining time does not grow.
#[derive(Debug)]
pub(super) struct ProgressMeter {
    rate: f64,
    probes: u64,
    elapsed: Duration,
    remaining: Option<Duration>,
}

/// Counters of a running scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) phase: Phase,
    pub(super) done: f64,
    pub(super) probes: u64,
    pub(super) open: u64,
    pub(super) answered: u64,
    pub(super) elapsed: Duration,
    pub(super) loss: Option<f64>,
}

impl ProgressMeter {
    pub(super) fn new() -> Self {
        Self { rate: 0.0, probes: 0, elapsed: Duration::ZERO, remaining: None }
    }

    pub(super) fn read(&mut self, reading: Reading) -> Progress {
        let Reading { phase, done, probes, open, answered, elapsed, loss } = reading;
        let span = elapsed.saturating_sub(self.elapsed);
        if span >= Duration::from_millis(50) {
            let now = probes.saturating_sub(self.probes) as f64 / span.as_secs_f64();
            self.rate = if self.probes == 0 { now } else { 0.6 * self.rate + 0.4 * now };
            self.probes = probes;
            self.elapsed = elapsed;
        }
        let expected = (done > 0.01).then(|| elapsed.mul_f64(((1.0 - done) / done).min(1e9)));
        let before = self.remaining.map(|remaining| remaining.saturating_sub(span));
        self.remaining = match (expected, before) {
            (Some(expected), Some(before)) => Some(expected.min(before.max(expected.mul_f64(0.5)))),
            (expected, before) => expected.or(before),
        };
        Progress { phase, done, rate: self.rate, probes, open, answered, elapsed, remaining: self.remaining, loss }
    }
}
