//! Who is there behind a router: asked by ICMP echo and by SYNs to a few ports before any other port is.

use std::sync::atomic::{AtomicU64, Ordering};

use super::answered::Answered;
use super::completeness::Completeness;
use super::outcome::Reason;
use super::stage::{Stage, Stages};
use crate::target::{AddressRange, AddressSet, PortSet, TargetSpace};

/// Whether hosts behind a router have to show that they are there before their ports are asked. Hosts on the link do so by ARP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// No: each port of each host is asked.
    #[default]
    Off,
    /// Yes: only a host that answered something is asked for the rest of its ports.
    First,
    /// That is all that is asked; no ports are scanned.
    Only,
}

impl Discovery {
    /// TCP ports that discovery asks, those that nmap's does and one more: HTTPS, HTTP and SSH are what most hosts answer for, open or closed.
    pub const PORTS: [u16; 3] = [22, 80, 443];
    /// In the place of a port: an ICMP echo request.
    pub const ECHO: u16 = 0;

    /// How many questions a host is asked: an echo and a SYN to each of the ports.
    pub(super) const QUESTIONS: u32 = 1 + Self::PORTS.len() as u32;

    /// What a host is asked: echo and ports.
    pub fn questions() -> PortSet {
        PortSet::from_iter(Self::PORTS).and_zero()
    }

    /// The ports of `all` that discovery does not ask.
    pub(super) fn rest(all: &PortSet) -> PortSet {
        all.difference(&PortSet::from_iter(Self::PORTS))
    }
}

/// What a stage of discovery learns: the hosts that answered anything themselves. What others say of a host does not prove that it is there.
#[derive(Debug)]
pub struct Presence {
    heard: Answered,
    hosts: AtomicU64,
    /// Hosts with an answer that they owe, and those with more than one.
    once: Answered,
    again: Answered,
    /// How many have just one.
    singles: AtomicU64,
    /// Ports that the scan asks anyway: their findings count as any others.
    wanted: PortSet,
    found: AtomicU64,
    open: AtomicU64,
}

impl Presence {
    /// Nobody of `space` has been heard; `ports` are what the scan asks.
    pub(super) fn new(space: &TargetSpace, ports: &PortSet) -> Self {
        let wanted = space.ports().iter().filter(|port| ports.contains(*port)).collect();
        let hosts = u64::try_from(space.addresses().len()).unwrap_or(u64::MAX);
        // No account is kept where there is no bit for each target.
        let accounted = if space.len() <= Answered::LIMIT { hosts } else { 0 };
        let [heard, once, again] = [hosts, accounted, accounted].map(Answered::new);
        let [hosts, singles, found, open] = [(); 4].map(|()| AtomicU64::new(0));
        Self { heard, hosts, once, again, singles, wanted, found, open }
    }

    /// The ports whose findings count.
    pub(super) fn wanted(&self) -> &PortSet {
        &self.wanted
    }

    /// Host number `host` answered something.
    pub(super) fn hear(&self, host: u64) {
        if self.heard.mark(host) {
            self.hosts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The question to port `port` of host number `host` was answered for the first time.
    pub(super) fn answered(&self, host: u64, port: u16, reason: Reason) {
        if !reason.is_owed() {
            return;
        }
        if self.once.mark(host) {
            self.singles.fetch_add(1, Ordering::Relaxed);
        } else if self.again.mark(host) {
            self.singles.fetch_sub(1, Ordering::Relaxed);
        }
        if self.wanted.contains(port) {
            self.found.fetch_add(1, Ordering::Relaxed);
            self.open.fetch_add(u64::from(reason == Reason::SynAck), Ordering::Relaxed);
        }
    }

    /// How many hosts answered.
    pub(super) fn count(&self) -> u64 {
        self.hosts.load(Ordering::Relaxed)
    }

    /// The hosts of `space` that answered.
    pub fn hosts(&self, space: &TargetSpace) -> AddressSet {
        let addresses = space.addresses();
        let heard = (0..u64::try_from(addresses.len()).unwrap_or(u64::MAX)).filter(|&host| self.heard.contains(host));
        heard.filter_map(|host| addresses.nth(host)).filter_map(|addr| AddressRange::new(addr, addr)).collect()
    }

    /// Of the account of its questions (`asked`): what it means for hosts, or, where those found were asked for more and `followed` targets
    /// of theirs answered, for the targets of the scan.
    ///
    /// A host is missed if all of its answers are. Where a share q of answers is missed, hosts with one answer are missed q / (1 - q) times as
    /// often as they are found; hosts with more answers are missed less often than that for each that was found by just one.
    fn account(&self, asked: Completeness, discovery: Discovery, followed: u64) -> Completeness {
        let odds = |missed: f64| if asked.found == 0 { 0.0 } else { missed / asked.found as f64 };
        let singles = self.singles.load(Ordering::Relaxed) as f64;
        let [missed, upper] = [asked.missed, asked.upper95 as f64].map(odds);
        if discovery == Discovery::Only {
            return Completeness {
                found: self.count(),
                open: 0,
                open_missed: 0.0,
                missed: singles * missed,
                upper95: (singles * upper).ceil() as u64,
                ..asked
            };
        }
        let found = self.found.load(Ordering::Relaxed);
        let each = (followed + found) as f64 / self.count().max(1) as f64;
        let targets = |odds: f64| odds * (singles * each + found as f64);
        let (missed, open) = (targets(missed), self.open.load(Ordering::Relaxed));
        Completeness {
            found,
            open,
            open_missed: missed * open as f64 / found.max(1) as f64,
            missed,
            upper95: targets(upper).ceil() as u64,
            ..asked
        }
    }
}

/// The account of all stages together.
pub(super) fn account(stages: &Stages, discovery: Discovery) -> Option<Completeness> {
    let reported = || stages.iter().map(|(_, stage)| stage).filter(|stage| stage.reported);
    // Those behind routers whose hosts were discovered.
    let followed = |space: &TargetSpace| -> u64 {
        let follows = |stage: &&Stage| {
            stage.presence.is_none() && stage.space.addresses().nth(0).is_some_and(|addr| space.addresses().contains(addr))
        };
        reported().filter(follows).filter_map(Stage::completeness).map(|completeness| completeness.found).sum()
    };
    let part = |stage: &Stage| {
        let asked = stage.completeness()?;
        Some(stage.presence.as_ref().map_or(asked, |presence| presence.account(asked, discovery, followed(&stage.space))))
    };
    reported().filter_map(part).reduce(Completeness::and)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(hosts: &str, ports: &str) -> Stage {
        let space = TargetSpace::new(hosts.parse().unwrap(), Discovery::questions()).unwrap();
        Stage::new(space, 1, 1, 10, 1000, true).discovering(&ports.parse().unwrap())
    }

    #[test]
    fn echo_and_three_ports_are_asked_and_not_again() {
        assert_eq!(Discovery::questions().iter().collect::<Vec<_>>(), [0, 22, 80, 443]);
        assert_eq!(Discovery::questions().len(), Discovery::QUESTIONS);
        let all: PortSet = "21-23,443,8080".parse().unwrap();
        assert_eq!(Discovery::rest(&all).to_string(), "21,23,8080");
    }

    #[test]
    fn only_who_was_heard_is_there_and_only_what_was_asked_counts() {
        let stage = stage("10.0.0.0/30", "80-90");
        let presence = stage.presence.as_ref().unwrap();
        presence.hear(1);
        presence.hear(3);
        presence.hear(3);
        assert_eq!(presence.count(), 2);
        let hosts: Vec<String> = presence.hosts(&stage.space).ranges().map(|range| range.first().to_string()).collect();
        assert_eq!(hosts, ["10.0.0.1", "10.0.0.3"]);
        assert_eq!([0, 22, 80, 443].map(|port| stage.counts(port)), [false, false, true, false]);
        assert_eq!(stage.wanted(), 1);
    }

    #[test]
    fn hosts_found_by_one_answer_say_how_many_are_missed() {
        let stage = stage("10.0.0.0/25", "80,8080");
        let presence = stage.presence.as_ref().unwrap();
        // 40 hosts with one answer, 20 with all four; of one more only its own error is known, which it does not owe.
        for host in 0..60 {
            presence.hear(host);
            presence.answered(host, 0, Reason::EchoReply);
            if host >= 40 {
                for port in Discovery::PORTS {
                    presence.answered(host, port, Reason::Reset);
                }
            }
        }
        presence.answered(60, 80, Reason::PortUnreach);
        let asked = Completeness { found: 120, missed: 12.0, upper95: 24, goal: Some(0.999), passes: 2, ..Completeness::default() };
        let hosts = presence.account(asked, Discovery::Only, 0);
        assert_eq!((hosts.found, hosts.missed, hosts.upper95), (60, 4.0, 8));
        // Five targets on each host found, 20 of them asked by discovery: four hosts missed are 20 targets, and a tenth of 20 is missed too.
        let targets = presence.account(asked, Discovery::First, 280);
        assert_eq!((targets.found, targets.missed.round(), targets.upper95), (20, 22.0, 44));
        let nobody = presence.account(Completeness::default(), Discovery::First, 0);
        assert_eq!((nobody.missed, nobody.upper95), (0.0, 0));
    }
}
