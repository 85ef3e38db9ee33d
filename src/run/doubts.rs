//! Hosts that something else may be answering for: which of them wait for a verdict, and what it is.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};

use super::held::{Held, Kept};
use super::request::Request;
use crate::scan::{ControlPorts, Finding, HostRecord, Ranges, Seen, State, Suspicion, is_often_open};

/// Doubts about hosts of a scan. A host under none goes out as soon as it is settled; others wait for the end or their acquittal.
pub(super) struct Doubts {
    /// Ports asked of each host.
    asked: u64,
    controls: ControlPorts,
    /// Control ports found open, by host.
    open_controls: HashMap<IpAddr, Vec<u16>>,
    ranges: Ranges,
    /// Hosts that wait: of a scan in which everything answers alike, all do. By the first address of their range.
    held: HashMap<IpAddr, Held>,
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
            held: HashMap::new(),
            asked_by: VecDeque::new(),
            next_look: 0.0,
        }
    }

    /// Takes a finding in; hosts that it acquits.
    pub(super) fn see(&mut self, finding: &Finding) -> Vec<HostRecord> {
        let IpAddr::V4(addr) = finding.target.addr else { return Vec::new() };
        if self.ranges.see(finding) != Seen::Cleared {
            return Vec::new();
        }
        self.acquit(addr)
    }

    /// So large a share of the targets, 0 to 1, has been asked after `elapsed`; hosts that are acquitted because too few around them have
    /// answered meanwhile. In a long scan they would else wait for its end.
    pub(super) fn progress(&mut self, elapsed: Duration, share: f64) -> Vec<HostRecord> {
        self.asked_by.push_back((elapsed, share));
        let mut due = 0.0;
        while let Some((_, share)) = self.asked_by.pop_front_if(|(then, _)| *then + ANSWERED <= elapsed) {
            due = share;
        }
        if self.held.is_empty() || due < self.next_look {
            return Vec::new();
        }
        self.next_look = due + BETWEEN_LOOKS;
        self.ranges.clear_sparse(due).into_iter().flat_map(|addr| self.acquit(addr)).collect()
    }

    /// The hosts that were kept because of their range.
    fn acquit(&mut self, addr: Ipv4Addr) -> Vec<HostRecord> {
        let first = range(addr.into());
        self.held.remove(&first).into_iter().flat_map(|held| held.ascending(first)).filter_map(|kept| kept.host()).collect()
    }

    /// The answer to a probe that is not among the scan's targets: the `--canary`'s or a control port's.
    pub(super) fn see_beside(&mut self, finding: &Finding) {
        if finding.outcome.state == State::Open && self.controls.ports().contains(finding.target.port) {
            self.open_controls.entry(finding.target.addr).or_default().push(finding.target.port);
        }
    }

    /// Keeps a settled host about which more will be known; whether it is such a one.
    pub(super) fn keep(&mut self, host: &HostRecord) -> bool {
        let open = open(host).count() as u64;
        let waits = (is_often_open(self.asked, open) && !self.controls.are_asked()) || (open > 0 && self.ranges.is_in_question(host.addr));
        if waits {
            self.held.entry(range(host.addr)).or_default().keep(host);
        }
        waits
    }

    /// The hosts that are still kept, ascending: all is known now.
    pub(super) fn release(&mut self) -> impl Iterator<Item = Kept> + use<> {
        let mut held: Vec<_> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_unstable_by_key(|(first, _)| *first);
        held.into_iter().flat_map(|(first, held)| held.ascending(first))
    }

    /// What is known against a host.
    pub(super) fn verdict(&self, host: &HostRecord) -> Option<Suspicion> {
        let all = open(host).count() as u64;
        if all == 0 {
            return None;
        }
        let controls = self.open_controls.get(&host.addr).into_iter().flatten().copied();
        if is_often_open(self.asked, all) && self.controls.are_all_in(controls.chain(open(host).map(|finding| finding.target.port))) {
            return Some(Suspicion::ControlPorts);
        }
        match open(host).filter(|finding| finding.is_zero_window()).count() as u64 {
            0 => self.ranges.verdict(host.addr),
            ports => Some(Suspicion::ZeroWindow(ports)),
        }
    }
}

/// The first address of the /24 of an address; of IPv6 there are no ranges.
fn range(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => Ranges::around(addr).0.into(),
        IpAddr::V6(_) => addr,
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
        assert_eq!(doubts.release().filter_map(|kept| kept.host()).collect::<Vec<_>>(), [busy]);
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
        for last in 1..=3 {
            let answer = finding(last, 80, Some(512));
            assert!(doubts.see(&answer).is_empty());
            assert!(doubts.keep(&host(vec![answer])));
        }
        let released = doubts.see(&finding(4, 80, None));
        assert_eq!(released.iter().map(|host| host.addr).collect::<Vec<_>>(), [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last])));
        let late = host(vec![finding(5, 80, Some(512))]);
        assert!(!doubts.keep(&late));
        assert_eq!(doubts.release().count(), 0);
    }

    #[test]
    fn a_lonely_host_waits_for_a_part_of_the_scan_only() {
        let mut doubts = doubts("80");
        let answer = finding(1, 80, Some(512));
        doubts.see(&answer);
        assert!(doubts.keep(&host(vec![answer])));
        let released = [(0, 0.0), (2, 0.05), (4, 0.1), (6, 0.15), (8, 0.2)]
            .map(|(seconds, share)| doubts.progress(Duration::from_secs(seconds), share).len());
        assert_eq!(released, [0, 0, 0, 0, 1], "a tenth of the scan is four seconds old after eight");
    }
}
