//! The reporting side of a scan, on the caller's thread: findings become hosts, hosts get their names, counters become progress.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashSet;

use super::doubts::Doubts;
use super::held::{Kept, hosts};
use super::ledger::{Ledger, Roll};
use super::request::{Event, Phase, Progress, Request, Show};
use crate::net::names::{Resolver, ReverseLookup};
use crate::packet::MacAddr;
use crate::scan::{Finding, HostRecord, Reason, Seen};

/// Takes findings in, gives events out: the half of a scan after its receivers.
pub struct Reporter<'a> {
    ledger: Ledger,
    doubts: Doubts,
    show: Show,
    names: Option<ReverseLookup>,
    asked: HashSet<IpAddr>,
    /// Settled hosts whose name is still being looked up.
    nameless: VecDeque<HostRecord>,
    outlet: Outlet<'a>,
}

/// Where settled hosts leave, counted.
struct Outlet<'a> {
    events: &'a mut dyn FnMut(Event),
    hides_suspects: bool,
    suspects: u64,
}

impl Outlet<'_> {
    fn host(&mut self, host: HostRecord) {
        self.suspects += u64::from(host.suspect.is_some());
        if self.hides_suspects {
            if host.suspect.is_some() {
                return;
            }
            // They have waited for this.
            let answers = host.ports.iter().filter(|finding| finding.outcome.reason != Reason::NoResponse);
            answers.for_each(|finding| (self.events)(Event::Finding(*finding)));
        }
        (self.events)(Event::Host(host));
    }
}

impl<'a> Reporter<'a> {
    /// Reports on the hosts of a scan whose order has this seed; looks names up if there is a resolver.
    pub fn new(request: &Request, seed: u64, resolver: Option<Arc<dyn Resolver>>, events: &'a mut dyn FnMut(Event)) -> Self {
        let Request { show, hide_suspect, .. } = *request;
        Self {
            ledger: Ledger::new(show, hide_suspect, u64::from(request.ports.len())),
            doubts: Doubts::new(request, seed),
            show,
            names: resolver.map(|resolver| ReverseLookup::start(&resolver)),
            asked: HashSet::default(),
            nameless: VecDeque::new(),
            outlet: Outlet { events, hides_suspects: hide_suspect, suspects: 0 },
        }
    }

    /// The same where hosts are discovered.
    pub(super) fn discovering(self) -> Self {
        Self { ledger: self.ledger.remembering(), ..self }
    }

    /// Findings of these addresses come in next.
    pub(super) fn foresee(&self, addrs: impl Iterator<Item = IpAddr>) {
        self.doubts.foresee(addrs);
    }

    /// A finding came in, about a host with this hardware address where it has one here.
    pub fn finding(&mut self, finding: Finding, mac: Option<MacAddr>) {
        if finding.outcome.reason != Reason::NoResponse && self.show.singly(finding.outcome.state) {
            self.name(finding.target.addr);
        }
        let waiting = match self.doubts.see(&finding) {
            Seen::Alike(waiting) => Some(waiting),
            Seen::Cleared(acquitted) => {
                hosts(acquitted, finding.target.addr).for_each(|host| self.host(host));
                None
            }
            Seen::Nothing => None,
        };
        match (self.ledger.enter(finding, mac, self.outlet.events), waiting) {
            (None, _) => {}
            (Some(settled), Some(waiting)) if settled.has_open() => waiting.push(Kept::of(settled)),
            (Some(settled), _) => {
                let host = settled.host();
                if !self.doubts.keep(&host) {
                    self.host(host);
                }
            }
        }
    }

    /// So large a share of the targets has been asked after `elapsed`.
    pub(super) fn progress(&mut self, elapsed: Duration, share: f64) {
        for host in self.doubts.progress(elapsed, share) {
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

    /// An answer came in that is not about one of the scan's targets.
    pub(super) fn finding_beside(&mut self, finding: &Finding) {
        self.doubts.see_beside(finding);
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
    fn host(&mut self, mut host: HostRecord) {
        // Its range is not in question, or it would wait.
        host.suspect = self.doubts.verdict_in(None, &host);
        if self.names.is_some() && self.asked.contains(&host.addr) {
            self.nameless.push_back(host);
            self.release();
        } else {
            self.outlet.host(host);
        }
    }

    /// Hosts go out whose names have arrived, in the order they were settled.
    pub(super) fn release(&mut self) {
        let Some(names) = &self.names else { return };
        while self.nameless.front().is_some_and(|host| names.is_settled(host.addr)) {
            let Some(mut host) = self.nameless.pop_front() else { return };
            host.names.extend(names.answer_for(host.addr));
            self.outlet.host(host);
        }
    }

    /// Nothing more waits to be taken in: whoever gathers what he writes, to write it together, writes it now.
    pub fn lull(&mut self) {
        self.event(Event::Lull);
    }

    /// Something else to tell.
    pub(super) fn event(&mut self, event: Event) {
        (self.outlet.events)(event);
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

    /// The scan is over: every host goes out, those of `rest` too, ascending by address; names are waited for up to `patience`. Returns how
    /// many hosts were suspect.
    pub fn close(
        self,
        mac: impl Fn(IpAddr) -> Option<MacAddr>,
        roll: impl Fn(IpAddr, u64) -> Roll,
        mut rest: Vec<HostRecord>,
        patience: Duration,
    ) -> u64 {
        let Self { ledger, mut doubts, names, nameless, mut outlet, .. } = self;
        let mut held = doubts.release();
        let found = names.map(|names| names.finish(patience)).unwrap_or_default();
        let mut out = |mut host: HostRecord| {
            host.names.extend(found.get(&host.addr).cloned());
            host.suspect = host.suspect.or_else(|| doubts.verdict(&host));
            outlet.host(host);
        };
        nameless.into_iter().for_each(&mut out);
        rest.sort_unstable_by_key(|host| host.addr);
        let mut rest = rest.into_iter().peekable();
        let mut earlier = |than: Option<IpAddr>, out: &mut dyn FnMut(HostRecord)| loop {
            let next = rest.next_if(|host| than.is_none_or(|than| host.addr < than));
            held.before(next.as_ref().map(|host| host.addr).or(than), |mut host, range| {
                host.suspect = doubts.verdict_in(range, &host);
                out(host);
            });
            match next {
                Some(host) => out(host),
                None => return,
            }
        };
        ledger.close(mac, roll, |host| {
            earlier(Some(host.addr), &mut out);
            out(host);
        });
        earlier(None, &mut out);
        outlet.suspects
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
