//! What is known of each host: its window, its pace and its round-trip time, and the targets that wait for its turn.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::rtt::Rtt;
use super::window::Window;
use crate::scan::Pacer;
use crate::target::Target;
use crate::time::Time;

/// A target to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The number of its address.
    pub host: u64,
    /// What to connect to.
    pub target: Target,
}

/// A target that is not settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) candidate: Candidate,
    /// The attempt under way or due, from 1.
    pub(super) attempt: u8,
    pub(super) self_connects: u8,
    /// How long the first attempt waited.
    pub(super) first_wait: Duration,
}

impl Pending {
    /// Whether a connection was begun before the attempt that is due.
    pub(super) fn was_probed(&self) -> bool {
        self.attempt > 1 || self.self_connects > 0
    }
}

pub(super) struct Host {
    pub(super) window: Window,
    pub(super) rtt: Rtt,
    pub(super) in_flight: u32,
    pace: Option<Pacer>,
    waiting: VecDeque<Pending>,
    /// Stands in `ready` or, waiting for its pace, in `wake`.
    queued: bool,
}

impl Host {
    fn is_idle(&self, now: Time) -> bool {
        self.in_flight == 0 && self.waiting.is_empty() && self.pace.is_none_or(|pace| pace.next() <= now)
    }
}

/// The hosts with something under way, and the last ones heard of.
pub(super) struct Hosts {
    table: HashMap<u64, Host>,
    ready: VecDeque<u64>,
    wake: BinaryHeap<Reverse<(Time, u64)>>,
    waiting: usize,
    window: Window,
    pace: Option<Pacer>,
    sweep_at: usize,
}

impl Hosts {
    /// Every host begins with `window` and `pace`.
    pub(super) fn new(window: Window, pace: Option<Pacer>) -> Self {
        Self { table: HashMap::new(), ready: VecDeque::new(), wake: BinaryHeap::new(), waiting: 0, window, pace, sweep_at: REMEMBERED }
    }

    /// How many targets wait for their host.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The targets that wait for their host.
    pub(super) fn held(&self) -> impl Iterator<Item = &Pending> {
        self.table.values().flat_map(|host| &host.waiting)
    }

    /// The host, which has something under way.
    pub(super) fn host(&mut self, number: u64) -> &mut Host {
        let (window, pace) = (self.window, self.pace);
        self.table.entry(number).or_insert_with(|| Host {
            window,
            rtt: Rtt::default(),
            in_flight: 0,
            pace,
            waiting: VecDeque::new(),
            queued: false,
        })
    }

    /// Returns the target if its host may be asked now (it then counts as under way); holds it back otherwise.
    pub(super) fn admit(&mut self, pending: Pending, now: Time) -> Option<Pending> {
        self.sweep(now);
        let host = self.host(pending.candidate.host);
        if host.in_flight < host.window.size() && host.pace.as_mut().is_none_or(|pace| pace.pass(now)) {
            host.in_flight += 1;
            return Some(pending);
        }
        host.waiting.push_back(pending);
        self.waiting += 1;
        self.enqueue(pending.candidate.host);
        None
    }

    /// The next target that was held back and whose host may be asked now.
    pub(super) fn next(&mut self, now: Time) -> Option<Pending> {
        while self.wake.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((_, number)) = self.wake.pop()?;
            self.ready.push_back(number);
        }
        while let Some(number) = self.ready.pop_front() {
            let host = self.host(number);
            host.queued = false;
            let mut admitted = None;
            if host.in_flight < host.window.size() && !host.waiting.is_empty() && host.pace.as_mut().is_none_or(|pace| pace.pass(now)) {
                host.in_flight += 1;
                admitted = host.waiting.pop_front();
                self.waiting -= 1;
            }
            self.enqueue(number);
            if admitted.is_some() {
                return admitted;
            }
        }
        None
    }

    /// Something under way to the host ended.
    pub(super) fn ended(&mut self, number: u64) {
        let host = self.host(number);
        host.in_flight = host.in_flight.saturating_sub(1);
        self.enqueue(number);
    }

    /// When a held target's pace lets it pass.
    pub(super) fn next_wake(&self) -> Option<Time> {
        self.wake.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets a host with room and waiting targets take its turn; one without room does so when something under way ends.
    fn enqueue(&mut self, number: u64) {
        let host = self.host(number);
        if host.queued || host.waiting.is_empty() || host.in_flight >= host.window.size() {
            return;
        }
        host.queued = true;
        match host.pace.map(|pace| pace.next()) {
            Some(at) => self.wake.push(Reverse((at, number))),
            None => self.ready.push_back(number),
        }
    }

    /// Forgets idle hosts when there are many: a scan of millions of hosts keeps a bounded table.
    fn sweep(&mut self, now: Time) {
        if self.table.len() >= self.sweep_at {
            self.table.retain(|_, host| !host.is_idle(now));
            self.sweep_at = self.table.len() + REMEMBERED;
        }
    }
}

const REMEMBERED: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn pending(host: u64, port: u16) -> Pending {
        let target = Target { addr: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        Pending { candidate: Candidate { host, target }, attempt: 1, self_connects: 0, first_wait: Duration::ZERO }
    }

    #[test]
    fn a_full_host_waits_and_the_others_go_on() {
        let mut hosts = Hosts::new(Window::new(2, 2), None);
        assert!(hosts.admit(pending(1, 1), Time::ZERO).is_some());
        assert!(hosts.admit(pending(1, 2), Time::ZERO).is_some());
        assert!(hosts.admit(pending(1, 3), Time::ZERO).is_none());
        assert!(hosts.admit(pending(2, 1), Time::ZERO).is_some());
        assert!(hosts.next(Time::ZERO).is_none());
        hosts.ended(1);
        assert_eq!(hosts.next(Time::ZERO).unwrap().candidate.target.port, 3);
        assert_eq!((hosts.waiting(), hosts.host(1).in_flight), (0, 2));
    }

    #[test]
    fn a_paced_host_wakes_at_its_time() {
        let mut hosts = Hosts::new(Window::new(10, 10), Some(Pacer::shared(10, 1)));
        let start = Time::ZERO + Duration::from_secs(1);
        assert!(hosts.admit(pending(1, 1), start).is_some());
        assert!(hosts.admit(pending(1, 2), start).is_none());
        let at = hosts.next_wake().unwrap();
        assert!(at.since(start) > Duration::from_millis(90));
        assert!(hosts.next(start).is_none());
        assert!(hosts.next(at).is_some());
    }

    #[test]
    fn remembers_a_bounded_number_of_hosts() {
        let mut hosts = Hosts::new(Window::new(10, 10), None);
        for number in 0..100_000 {
            assert!(hosts.admit(pending(number, 1), Time::ZERO).is_some());
            hosts.ended(number);
        }
        assert!(hosts.table.len() <= REMEMBERED);
    }
}
