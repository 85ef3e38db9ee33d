//! Hosts that something else may be answering for: which of them wait for a verdict, and what it is.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use prefetch_index::prefetch_index;

use super::held::{Kept, Released, hosts};
use super::request::Request;
use crate::scan::{ControlPorts, Finding, HostRecord, Ranges, Seen, State, Suspicion, is_often_open};

/// Doubts about hosts of a scan. A host under none goes out as soon as it is settled; others wait for the end or their acquittal.
pub(super) struct Doubts {
    /// Ports asked of each host.
    asked: u64,
    controls: ControlPorts,
    /// Control ports found open, by host.
    open_controls: HashMap<IpAddr, Vec<u16>>,
    /// With the hosts that wait there: of a scan in which everything answers alike, all do.
    ranges: Ranges<Vec<Kept>>,
    /// Hosts that wait for their control probes.
    often_open: Vec<(IpAddr, Kept)>,
    /// The share of targets that was asked at moments gone by, oldest first.
    asked_by: VecDeque<(Duration, f64)>,
    /// From this share on ranges are looked through again.
    next_look: f64,
}

impl Doubts {
    /// None so far, in a scan whose order has this seed.
    pub(super) fn new(request: &Request, seed: u64) -> Self {
        Self {
            asked: u64::from(request.ports.len()),
            controls: ControlPorts::draw(seed, &request.ports, request.canary),
            open_controls: HashMap::new(),
            ranges: Ranges::new(request.addresses.clone(), &request.ports),
            often_open: Vec::new(),
            asked_by: VecDeque::new(),
            next_look: 0.0,
        }
    }

    /// Findings of these addresses are seen next: asks for the memory they will touch, which in a large scan is far apart.
    pub(super) fn foresee(&self, addrs: impl Iterator<Item = IpAddr>) {
        for waiting in addrs.filter_map(|addr| self.ranges.waiting_at(addr)) {
            prefetch_index(waiting, waiting.len());
        }
    }

    /// Takes a finding in: whether the hosts of its range wait for the end, with those that do, or are acquitted.
    #[inline]
    pub(super) fn see(&mut self, finding: &Finding) -> Seen<'_, Vec<Kept>> {
        self.ranges.see(finding)
    }

    /// So large a share of the targets, 0 to 1, has been asked after `elapsed`; hosts that are acquitted because too few around them have
    /// answered meanwhile. In a long scan they would else wait for its end.
    pub(super) fn progress(&mut self, elapsed: Duration, share: f64) -> Vec<HostRecord> {
        self.asked_by.push_back((elapsed, share));
        let mut due = 0.0;
        while let Some((_, share)) = self.asked_by.pop_front_if(|(then, _)| *then + ANSWERED <= elapsed) {
            due = share;
        }
        if due < self.next_look || (self.often_open.is_empty() && self.ranges.waiting().all(Vec::is_empty)) {
            return Vec::new();
        }
        self.next_look = due + BETWEEN_LOOKS;
        let cleared = self.ranges.clear_sparse(due).into_iter();
        cleared.flat_map(|(range, kept)| hosts(kept, range.into())).collect()
    }

    /// The answer to a probe that is not among the scan's targets: the `--canary`'s or a control port's.
    pub(super) fn see_beside(&mut self, finding: &Finding) {
        if finding.outcome.state == State::Open && self.controls.ports().contains(finding.target.port) {
            self.open_controls.entry(finding.target.addr).or_default().push(finding.target.port);
        }
    }

    /// Keeps a settled host, in no range that is open to suspicion, about which control probes will tell more; whether it is such a one.
    pub(super) fn keep(&mut self, host: &HostRecord) -> bool {
        let waits = is_often_open(self.asked, open(host).count() as u64) && !self.controls.are_asked();
        if waits {
            self.often_open.push((host.addr, Kept::whole(host)));
        }
        waits
    }

    /// The hosts that are still kept: all is known now.
    pub(super) fn release(&mut self) -> Released {
        let in_ranges = self.ranges.release().into_iter().map(|(range, kept, suspicion)| (range.into(), kept, suspicion));
        let often_open = std::mem::take(&mut self.often_open).into_iter().map(|(addr, kept)| (addr, vec![kept], None));
        Released::new(in_ranges.chain(often_open).collect())
    }

    /// What is known against a host.
    pub(super) fn verdict(&self, host: &HostRecord) -> Option<Suspicion> {
        self.judge(host, || self.ranges.verdict(host.addr))
    }

    /// What is known against a host, this being the verdict on its range.
    pub(super) fn verdict_in(&self, range: Option<Suspicion>, host: &HostRecord) -> Option<Suspicion> {
        self.judge(host, || range)
    }

    fn judge(&self, host: &HostRecord, range: impl FnOnce() -> Option<Suspicion>) -> Option<Suspicion> {
        let all = open(host).count() as u64;
        if all == 0 {
            return None;
        }
        let controls = self.open_controls.get(&host.addr).into_iter().flatten().copied();
        if is_often_open(self.asked, all) && self.controls.are_all_in(controls.chain(open(host).map(|finding| finding.target.port))) {
            return Some(Suspicion::ControlPorts);
        }
        match open(host).filter(|finding| finding.is_zero_window()).count() as u64 {
            0 => range(),
            ports => Some(Suspicion::ZeroWindow(ports)),
        }
    }
}

/// What was asked so long ago has answered or will not: the longest patience with a probe.
const ANSWERED: Duration = Duration::from_secs(4);
/// Share of the scan between two looks through all ranges.
const BETWEEN_LOOKS: f64 = 1.0 / 32.0;

fn open(host: &HostRecord) -> impl Iterator<Item = &Finding> {
    host.ports.iter().filter(|finding| finding.outcome.state == State::Open)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::run::ledger::Settled;
    use crate::scan::{HostState, Outcome, Reason};
    use crate::target::Target;
    use crate::time::Time;

    fn finding(last: u8, port: u16, window: Option<u16>) -> Finding {
        let (state, reason) = if window.is_some() { (State::Open, Reason::SynAck) } else { (State::Closed, Reason::Reset) };
        let target = Target { addr: [10, 0, 0, last].into(), port };
        let outcome = Outcome { state, reason, reason_addr: None };
        Finding { target, outcome, ttl: Some(64), window, rtt: None, attempt: 1, time: Time::ZERO }
    }

    fn host(ports: Vec<Finding>) -> HostRecord {
        HostRecord {
            addr: ports[0].target.addr,
            state: HostState::Up,
            reason: Reason::SynAck,
            mac: None,
            names: Vec::new(),
            rtt: None,
            ports,
            closed: BTreeMap::new(),
            filtered: BTreeMap::new(),
            unanswered: 0,
            not_probed: 0,
            suspect: None,
        }
    }

    fn doubts(ports: &str) -> Doubts {
        Doubts::new(&Request::new("10.0.0.0/24".parse().unwrap(), ports.parse().unwrap()), 7)
    }

    /// The hosts that have waited to the end.
    fn released(doubts: &mut Doubts) -> Vec<HostRecord> {
        let mut all = Vec::new();
        doubts.release().before(None, |host, _| all.push(host));
        all
    }

    /// A host answers like all of its range so far, and waits.
    fn wait(doubts: &mut Doubts, last: u8) {
        let answer = finding(last, 80, Some(512));
        let Seen::Alike(waiting) = doubts.see(&answer) else { panic!("{last} is like the others") };
        waiting.push(Kept::of(Settled::Lone(answer, None)));
    }

    #[test]
    fn a_host_that_is_open_all_over_waits_for_its_control_probes() {
        let mut doubts = doubts("1-100");
        let honest = host((1..=50).map(|port| finding(1, port, Some(512))).collect());
        assert!(!doubts.keep(&honest));
        let busy = host((1..=51).map(|port| finding(2, port, Some(512))).collect());
        assert!(doubts.keep(&busy));
        let controls: Vec<u16> = doubts.controls.ports().iter().collect();
        controls[1..].iter().for_each(|&port| doubts.see_beside(&finding(2, port, Some(512))));
        doubts.see_beside(&finding(2, controls[0], None));
        assert_eq!(doubts.verdict(&busy), None, "one of five is closed");
        doubts.see_beside(&finding(2, controls[0], Some(512)));
        assert_eq!(doubts.verdict(&busy), Some(Suspicion::ControlPorts));
        assert_eq!(released(&mut doubts), [busy]);
    }

    #[test]
    fn a_scan_of_all_ports_needs_no_control_probes() {
        let doubts = &mut doubts("-");
        let open = |ports: &mut dyn Iterator<Item = u16>| host(ports.map(|port| finding(1, port, Some(512))).collect());
        let (all, half) = (open(&mut (1..=65_535)), open(&mut (1..=40_000)));
        assert_eq!((doubts.verdict(&all), doubts.verdict(&half)), (Some(Suspicion::ControlPorts), None));
        assert!(!doubts.keep(&all), "nothing more will be known");
    }

    #[test]
    fn a_window_of_zero_is_enough() {
        let doubts = doubts("80-81");
        let verdict =
            |windows: [u16; 2]| doubts.verdict(&host((80..).zip(windows).map(|(port, window)| finding(1, port, Some(window))).collect()));
        assert_eq!(verdict([0, 512]), Some(Suspicion::ZeroWindow(1)));
        assert_eq!(verdict([1, 512]), None);
    }

    #[test]
    fn hosts_of_a_range_wait_until_one_of_them_differs() {
        let mut doubts = doubts("80");
        for last in [3, 1, 2] {
            wait(&mut doubts, last);
        }
        let Seen::Cleared(acquitted) = doubts.see(&finding(4, 80, None)) else { panic!("it differs") };
        let acquitted: Vec<_> = hosts(acquitted, [10, 0, 0, 4].into()).map(|host| host.addr).collect();
        assert_eq!(acquitted, [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last])));
        let late = finding(5, 80, Some(512));
        assert!(matches!(doubts.see(&late), Seen::Nothing));
        assert!(!doubts.keep(&host(vec![late])));
        assert_eq!(released(&mut doubts), []);
    }

    #[test]
    fn a_lonely_host_waits_for_a_part_of_the_scan_only() {
        let mut doubts = doubts("80");
        wait(&mut doubts, 1);
        let released = [(0, 0.0), (2, 0.05), (4, 0.1), (6, 0.15), (8, 0.2)]
            .map(|(seconds, share)| doubts.progress(Duration::from_secs(seconds), share).len());
        assert_eq!(released, [0, 0, 0, 0, 1], "a tenth of the scan is four seconds old after eight");
    }
}
