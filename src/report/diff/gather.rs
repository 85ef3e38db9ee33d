//! From what a record tells, line by line, to a [`Scan`].

use std::net::IpAddr;
use std::time::Duration;

use super::known::{HostKnown, Known, Why};
use super::scan::{Host, NO_NAME, Port, Scan, Told, Words};
use crate::target::{AddressSet, PortSet};

/// A scan whose record is being read.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pub(super) started: Option<Duration>,
    pub(super) addresses: Option<u64>,
    pub(super) asked: Option<AddressSet>,
    pub(super) ports: Option<PortSet>,
    pub(super) course: Course,
    pub(super) reservations: Vec<String>,
    rows: Vec<Row>,
    told: Vec<Port>,
    reasons: Words,
    names: Vec<Box<str>>,
}

/// How a scan went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    /// It was interrupted, killed, ran out of time, or its record was cut.
    pub(super) ended_early: bool,
    pub(super) doubt: Doubt,
    /// Its record holds only hosts and ports that are open.
    pub(super) only_open: bool,
    /// Its record lacks hosts or ports.
    pub(super) left_out: bool,
    /// So many hosts could not be asked.
    pub(super) not_probed: u64,
}

/// What silence may hide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Doubt {
    #[default]
    Nothing,
    /// Resets that hosts limit.
    Closed,
    Anything,
}

/// A host as its record tells of it. Counts are of all its ports, those that are told singly included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) addr: IpAddr,
    pub(super) state: State,
    /// How many are open, where the record counts them.
    pub(super) open: Option<u32>,
    pub(super) closed: u32,
    pub(super) filtered: u32,
    pub(super) silent: u32,
    pub(super) not_probed: u32,
    /// Why ports were not probed that were not.
    pub(super) why: Option<Why>,
}

/// Whether a host is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Silent,
    NotProbed,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    facts: Facts,
    name: u32,
}

impl Facts {
    /// So many ports more are told to be so.
    pub(super) fn add(&mut self, told: Told, count: u32) {
        let of = match told {
            Told::Closed => &mut self.closed,
            Told::Filtered => &mut self.filtered,
            Told::Silent => &mut self.silent,
            Told::Open | Told::NotOpen | Told::Unclear => return,
        };
        *of = of.saturating_add(count);
    }

    /// Whether nothing is told of its ports.
    pub(super) fn is_without_ports(&self) -> bool {
        self.closed == 0 && self.filtered == 0 && self.silent == 0
    }

    /// Nothing but where it is and whether.
    pub(super) fn bare(addr: IpAddr, state: State) -> Self {
        Self { addr, state, open: None, closed: 0, filtered: 0, silent: 0, not_probed: 0, why: None }
    }
}

impl Gather {
    pub(super) fn port(&mut self, addr: IpAddr, port: u16, state: Told, reason: &str) {
        let reason = self.reasons.number(reason);
        self.told.push(Port { addr, number: port, state, reason });
    }

    pub(super) fn host(&mut self, facts: Facts, name: Option<&str>) {
        let name = name.filter(|name| !name.is_empty()).map_or(NO_NAME, |name| {
            self.names.push(Box::from(name));
            (self.names.len() - 1) as u32
        });
        self.rows.push(Row { facts, name });
    }

    /// The record is read. Beside the scan, what contradicts itself in it.
    pub(super) fn finish(mut self, name: String) -> (Scan, Vec<String>) {
        let told = self.sorted();
        let rows = std::mem::take(&mut self.rows);
        let silence = match self.course.doubt {
            Doubt::Nothing => Known::NoAnswer,
            Doubt::Closed => Known::NotOpen,
            Doubt::Anything => Known::NotHeard,
        };
        let (mut hosts, mut wrong, mut at) = (Vec::with_capacity(rows.len()), Vec::new(), 0);
        let ports = self.ports.take().unwrap_or_else(|| std::iter::empty().collect());
        let measure = Measure { course: self.course, asked: ports.len(), silence };
        let mut push = |row: Row, singles: &[Port]| {
            let (host, contradiction) = measure.host(&row, singles);
            hosts.push(host);
            wrong.extend(contradiction);
        };
        for row in &rows {
            // Ports of hosts that have no row.
            while let Some(first) = told.get(at).filter(|port| port.addr < row.facts.addr) {
                let end = at + run(&told[at..]);
                push(stub(first.addr), &told[at..end]);
                at = end;
            }
            let end = if told.get(at).is_some_and(|port| port.addr == row.facts.addr) { at + run(&told[at..]) } else { at };
            push(*row, &told[at..end]);
            at = end;
        }
        while let Some(first) = told.get(at) {
            let end = at + run(&told[at..]);
            push(stub(first.addr), &told[at..end]);
            at = end;
        }
        let listed = rows.iter().filter(|row| row.facts.state == State::NotProbed).count() as u64;
        let (unlisted, unlisted_ports) = measure.unlisted(listed);
        let Self { started, addresses, asked, reservations, reasons, names, .. } = self;
        let scan = Scan {
            name,
            started,
            addresses,
            ports,
            reservations,
            asked,
            is_assumed: false,
            unlisted,
            unlisted_ports,
            silence,
            hosts,
            told,
            reasons,
            names,
        };
        (scan, wrong)
    }

    /// Rows and ports by address; what was told last of the same counts.
    fn sorted(&mut self) -> Vec<Port> {
        let mut told = std::mem::take(&mut self.told);
        // One number is compared faster than an address and a port, and most scans are of IPv4.
        if told.iter().all(|port| port.addr.is_ipv4()) {
            told.sort_by_key(|port| of_v4(port.addr) << 16 | u64::from(port.number));
        } else {
            told.sort_by_key(|port| (port.addr, port.number));
        }
        told.dedup_by(|later, earlier| {
            let same = (later.addr, later.number) == (earlier.addr, earlier.number);
            if same {
                *earlier = *later;
            }
            same
        });
        self.rows.sort_by_key(|row| row.facts.addr);
        self.rows.dedup_by(|later, earlier| {
            let same = later.facts.addr == earlier.facts.addr;
            if same {
                *earlier = *later;
            }
            same
        });
        told
    }
}

/// A host that the record does not settle.
fn stub(addr: IpAddr) -> Row {
    Row { facts: Facts { why: Some(Why::Ended), ..Facts::bare(addr, State::NotProbed) }, name: NO_NAME }
}

/// An IPv4 address as a number.
fn of_v4(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(_) => u64::from(u32::MAX),
    }
}

/// How many at the beginning are of one host.
fn run(ports: &[Port]) -> usize {
    ports.iter().take_while(|port| port.addr == ports[0].addr).count()
}

/// What makes knowledge of counts.
struct Measure {
    course: Course,
    /// How many ports each host was asked.
    asked: u32,
    silence: Known,
}

impl Measure {
    fn host(&self, row: &Row, singles: &[Port]) -> (Host, Option<String>) {
        let facts = &row.facts;
        let has_own = singles.iter().any(|port| !matches!(port.state, Told::Filtered | Told::Silent));
        let state = if facts.state == State::NotProbed && has_own { State::Up } else { facts.state };
        let of = |state: Told| singles.iter().filter(|port| port.state == state).count() as u32;
        let [open, closed, filtered, silent] = [Told::Open, Told::Closed, Told::Filtered, Told::Silent].map(of);
        let contradiction =
            facts.open.filter(|said| *said != open).map(|said| format!("{} has {said} open ports, but {open} were recorded", facts.addr));
        let closed = facts.closed.saturating_sub(closed);
        let filtered = facts.filtered.saturating_sub(filtered);
        let silent = facts.silent.saturating_sub(silent);
        let told = [singles.len() as u32, closed, filtered, silent, facts.not_probed].into_iter().fold(0_u32, u32::saturating_add);
        let missing = self.asked.saturating_sub(told);
        let is_down =
            state == State::Silent && facts.why.is_none() && facts.not_probed > 0 && (told == facts.not_probed || !self.course.ended_early);
        let rest = if contradiction.is_some() {
            Known::Unknown(Why::LeftOut)
        } else if facts.not_probed > 0 && !is_down || state == State::NotProbed {
            Known::Unknown(facts.why.unwrap_or(if self.course.ended_early { Why::Ended } else { Why::CouldNotAsk }))
        } else if missing > 0 && facts.why == Some(Why::NotTold) {
            Known::Unknown(Why::NotTold)
        } else if missing > 0 && self.course.only_open {
            self.unrecorded()
        } else if missing > 0 {
            Known::Unknown(if self.course.ended_early { Why::Ended } else { Why::LeftOut })
        } else {
            match (closed, filtered, silent) {
                (0, 0, 0) if is_down && self.course.doubt == Doubt::Anything => Known::NotHeard,
                (0, 0, 0) if is_down => Known::HostDown,
                (0, 0, _) => self.silence,
                (_, 0, 0) => Known::Closed,
                (0, _, 0) => Known::Filtered,
                // One of them is said by an error, the others are silent: filtered all, if silence is believed.
                (0, ..) => self.silence,
                // The open ones may be among the silent.
                _ if silent > 0 && self.course.doubt == Doubt::Anything => Known::NotHeard,
                _ => Known::NotOpen,
            }
        };
        let known = match state {
            State::Up => HostKnown::Up,
            State::Silent if self.course.doubt == Doubt::Anything => HostKnown::NotHeard,
            State::Silent => HostKnown::NoAnswer,
            State::NotProbed => {
                HostKnown::Unknown(facts.why.unwrap_or(if self.course.ended_early { Why::Ended } else { Why::CouldNotAsk }))
            }
        };
        let host = Host { addr: facts.addr, known, rest, closed, filtered: filtered.saturating_add(silent), name: row.name };
        (host, contradiction)
    }

    /// What is known of a port that a record of open ones does not hold.
    fn unrecorded(&self) -> Known {
        if self.course.doubt == Doubt::Anything { Known::NotHeard } else { Known::NotOpen }
    }

    /// What is known of a host that was asked and has no row, where so many rows are of hosts that were not probed.
    fn unlisted(&self, not_probed: u64) -> (HostKnown, Known) {
        let unknown = |why| (HostKnown::Unknown(why), Known::Unknown(why));
        match self.course {
            Course { ended_early: true, .. } => unknown(Why::Ended),
            Course { left_out: true, .. } => unknown(Why::LeftOut),
            Course { not_probed: all, .. } if all > not_probed => unknown(Why::CouldNotAsk),
            Course { only_open: true, .. } => (HostKnown::Unknown(Why::LeftOut), self.unrecorded()),
            Course { doubt: Doubt::Anything, .. } => (HostKnown::NotHeard, Known::NotHeard),
            _ => (HostKnown::NoAnswer, Known::NoAnswer),
        }
    }
}
