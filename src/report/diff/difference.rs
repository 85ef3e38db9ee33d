//! What is told of two scans: hosts and ports of which they do not tell the same, and how many.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::known::{HostKnown, Known, Verdict, Why};

/// One of the two scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one before.
    Old,
    /// The one after.
    New,
}

/// Why something could not be judged, said of one of the scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is no target of that scan.
    NotAsked,
    /// That scan may have missed its answer.
    NotHeard,
    /// The record does not tell.
    Unknown(Why),
}

impl Cause {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::NotHeard => "not-heard",
            Self::Unknown(why) => why.as_str(),
        }
    }
}

/// What two scans tell of a host, where that is not the same.
#[derive(Debug)]
pub struct HostDiff<'a> {
    /// Its address.
    pub addr: IpAddr,
    /// Its name in the newer scan that has one, as it was recorded: never print it raw.
    pub name: Option<&'a str>,
    /// In the old scan.
    pub old: HostKnown,
    /// In the new scan.
    pub new: HostKnown,
    /// Whether the host itself appeared or disappeared; [`Verdict::Same`] if only its ports differ.
    pub verdict: Verdict,
    /// Ports that differ; of those that could not be judged the ones that are open in one scan.
    pub ports: Vec<PortDiff<'a>>,
    /// Of ports that neither record tells singly.
    pub rest: Option<RestDiff>,
}

/// What two scans tell of a port.
#[derive(Clone, Copy, Debug)]
pub struct PortDiff<'a> {
    /// Its number.
    pub port: u16,
    /// In the old scan, with the reason that is recorded.
    pub old: (Known, Option<&'a str>),
    /// In the new scan.
    pub new: (Known, Option<&'a str>),
    /// What that means.
    pub verdict: Verdict,
}

/// What two scans tell of the ports of a host that neither tells singly.
#[derive(Clone, Copy, Debug)]
pub struct RestDiff {
    /// How many both asked.
    pub ports: u32,
    /// In the old scan.
    pub old: Known,
    /// In the new scan.
    pub new: Known,
    /// How many are closed and how many filtered in each, if both count them.
    pub counts: Option<[(u32, u32); 2]>,
    /// What that means.
    pub verdict: Verdict,
}

/// How much differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Hosts.
    pub hosts: Count,
    /// Ports, those that are only counted included.
    pub ports: Count,
    /// Ports that are open and were not.
    pub opened: u64,
    /// Ports that were open and are not.
    pub no_longer_open: u64,
    /// Whether among what a record does not tell is a port that is open in the other scan, or all of a host that is up there.
    pub lost_sight: bool,
    /// Why hosts and ports could not be judged: how many of each.
    pub unjudged: BTreeMap<(Side, Cause), (u64, u64)>,
}

/// How many of something, by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// That appeared.
    pub appeared: u64,
    /// That disappeared.
    pub disappeared: u64,
    /// That changed; hosts of which ports differ.
    pub changed: u64,
    /// That could not be judged.
    pub unjudged: u64,
}

impl Count {
    pub(super) fn add(&mut self, verdict: Verdict, count: u64) {
        match verdict {
            Verdict::Same => {}
            Verdict::Appeared => self.appeared += count,
            Verdict::Disappeared => self.disappeared += count,
            Verdict::Changed => self.changed += count,
            Verdict::Unjudged => self.unjudged += count,
        }
    }

    const fn differs(self) -> bool {
        self.appeared + self.disappeared + self.changed > 0
    }
}

impl Totals {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        self.hosts.differs() || self.ports.differs()
    }

    /// Whether anything could not be judged because a scan did not do all it was asked to, or what was there because a record does not tell;
    /// what was not asked of a scan is another matter.
    pub fn is_incomplete(&self) -> bool {
        self.lost_sight
            || self.unjudged.keys().any(|(_, cause)| matches!(cause, Cause::NotHeard | Cause::Unknown(Why::Ended | Why::CouldNotAsk)))
    }

    pub(super) fn unjudged(&mut self, reason: Option<(Side, Cause)>, hosts: u64, ports: u64) {
        if let Some(reason) = reason {
            let count = self.unjudged.entry(reason).or_default();
            *count = (count.0 + hosts, count.1 + ports);
        }
    }
}

impl HostDiff<'_> {
    /// What is to be said of the host as a whole: that it changed, if only its ports differ.
    pub fn whole(&self) -> Verdict {
        let differs = self.ports.iter().map(|port| port.verdict).chain(self.rest.map(|rest| rest.verdict)).any(Verdict::differs);
        match self.verdict {
            Verdict::Same | Verdict::Unjudged if differs => Verdict::Changed,
            Verdict::Same => Verdict::Unjudged,
            verdict => verdict,
        }
    }

    /// Which scan does not tell, and why, if it could not be judged.
    pub fn cause(&self) -> Option<(Side, Cause)> {
        (self.verdict == Verdict::Unjudged).then(|| cause(of_host(self.old), of_host(self.new))).flatten()
    }
}

impl PortDiff<'_> {
    /// Which scan does not tell, and why, if it could not be judged.
    pub fn cause(&self) -> Option<(Side, Cause)> {
        (self.verdict == Verdict::Unjudged).then(|| cause(of_port(self.old.0), of_port(self.new.0))).flatten()
    }
}

pub(super) fn of_port(known: Known) -> Option<Cause> {
    match known {
        Known::NotAsked => Some(Cause::NotAsked),
        Known::NotHeard => Some(Cause::NotHeard),
        Known::Unknown(why) => Some(Cause::Unknown(why)),
        _ => None,
    }
}

fn of_host(known: HostKnown) -> Option<Cause> {
    match known {
        HostKnown::NotAsked => Some(Cause::NotAsked),
        HostKnown::NotHeard => Some(Cause::NotHeard),
        HostKnown::Unknown(why) => Some(Cause::Unknown(why)),
        _ => None,
    }
}

pub(super) fn cause(old: Option<Cause>, new: Option<Cause>) -> Option<(Side, Cause)> {
    old.map(|cause| (Side::Old, cause)).or(new.map(|cause| (Side::New, cause)))
}
