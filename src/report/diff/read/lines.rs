//! JSON lines and journals. Of the lines that are many only what is compared is taken out.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Reading, course, finished, reservations};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::report::diff::asked;
use crate::report::diff::gather::{Facts, Gather, State};
use crate::report::diff::known::Why;
use crate::report::diff::scan::Told;
use crate::report::journal::Spaces;
use crate::report::journal::packed::Row;
use crate::report::json::read::lines::{self, Lines};
use crate::report::json::read::{wire, words};
use crate::report::{Epoch, Strictness};
use crate::scan::{Finding, HostState, Outcome, Reason, ScanRecord, Summary};
use crate::time::Time;

/// Reads JSON lines.
pub(super) fn read(input: &mut dyn BufRead, name: &str, strictness: Strictness) -> Result<Reading> {
    let mut record = Record::default();
    let skipped = lines::read(input, name, strictness, &mut record)?;
    let left_out = skipped.first.map(|first| {
        let cause = format!("left out {} that cannot be read; {first}", counted(skipped.count, "line"));
        Error::asked("read", name, cause)
    });
    finished(record.close(skipped.count > 0), name, strictness, left_out)
}

#[derive(Default)]
struct Record {
    gather: Gather,
    scan: Option<(Box<ScanRecord>, Epoch)>,
    spaces: Spaces,
    /// Of hosts without a line of their own so far: what a journal counts.
    counted: HashMap<IpAddr, Counted>,
    summary: Option<Box<Summary>>,
}

/// Ports of a host that answered without a line of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    closed: u32,
    filtered: u32,
    silent: u32,
    is_up: bool,
}

/// A port or a host; of other lines the type.
#[derive(Deserialize)]
struct Brief<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    addr: Option<IpAddr>,
    port: Option<u16>,
    #[serde(borrow, default)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    open: Option<u64>,
    closed: Option<u64>,
    filtered: Option<u64>,
    unanswered: Option<u64>,
    not_probed: Option<u64>,
    #[serde(default)]
    names: Vec<String>,
}

impl Lines for Record {
    fn has_begun(&self) -> bool {
        self.scan.is_some()
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if self.scan.is_some()
            && let Ok(brief) = serde_json::from_slice::<Brief<'_>>(line)
        {
            let ended = || if self.summary.is_some() { Err("a record after the summary".to_owned()) } else { Ok(()) };
            match (&*brief.kind, brief.addr, brief.port) {
                ("port", Some(addr), Some(port)) => return ended().and_then(|()| self.port(addr, port, &brief)),
                ("host", Some(addr), _) => return ended().and_then(|()| self.host(addr, &brief)),
                _ => {}
            }
        }
        self.other(line)
    }
}

impl Record {
    fn port(&mut self, addr: IpAddr, port: u16, brief: &Brief<'_>) -> Result<(), String> {
        let told = told(words::state(&brief.state)?, words::reason(&brief.reason)?);
        self.gather.port(addr, port, told, &brief.reason);
        Ok(())
    }

    fn host(&mut self, addr: IpAddr, brief: &Brief<'_>) -> Result<(), String> {
        let count = |count: Option<u64>, of: &str| match count.map(u32::try_from) {
            Some(Ok(count)) => Ok(count),
            _ => Err(format!("host {addr} has no count of {of} ports")),
        };
        let facts = Facts {
            addr,
            state: state(words::host_state(&brief.state)?),
            open: Some(count(brief.open, "open")?),
            closed: count(brief.closed, "closed")?,
            filtered: count(brief.filtered, "filtered")?,
            silent: count(brief.unanswered, "unanswered")?,
            not_probed: count(brief.not_probed, "not probed")?,
            why: why(words::reason(&brief.reason)?),
        };
        self.settled(facts, brief.names.first().map(String::as_str));
        Ok(())
    }

    /// What a journal tells of a flood in one line.
    fn row(&mut self, row: Row) {
        match row {
            Row::Port(Finding { target, outcome, .. }) => {
                self.gather.port(target.addr, target.port, told(outcome.state, outcome.reason), outcome.reason.as_str());
            }
            Row::Host(host, open) => {
                let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                let sum = |counts: &BTreeMap<Reason, u64>| counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
                let facts = Facts {
                    addr: host.addr,
                    state: state(host.state),
                    open: Some(count(open)),
                    closed: count(sum(&host.closed)),
                    filtered: count(sum(&host.filtered)),
                    silent: count(host.unanswered),
                    not_probed: count(host.not_probed),
                    why: why(host.reason),
                };
                self.settled(facts, host.names.first().map(String::as_str));
            }
        }
    }

    /// All is known of a host.
    fn settled(&mut self, facts: Facts, name: Option<&str>) {
        if !self.counted.is_empty() {
            self.counted.remove(&facts.addr);
        }
        self.gather.host(facts, name);
    }

    /// A line of which there are few.
    fn other(&mut self, line: &[u8]) -> Result<(), String> {
        let epoch = self.scan.as_ref().map(|(_, epoch)| *epoch);
        match wire::parse(line, epoch)? {
            wire::Record::Beside => return self.beside(line),
            _ if self.summary.is_some() => return Err("a record after the summary".to_owned()),
            wire::Record::Scan(_) if self.scan.is_some() => return Err("a second scan begins".to_owned()),
            wire::Record::Scan(scan) => {
                let epoch = Epoch::of(&scan);
                self.scan = Some((scan, epoch));
            }
            wire::Record::Summary(summary) => self.summary = Some(summary),
            wire::Record::Packed(rows) => rows.into_iter().for_each(|row| self.row(row)),
            // These have been taken in, or lack what every one of them has.
            wire::Record::Port(_) | wire::Record::Host(..) => return Err("it is no whole record".to_owned()),
            wire::Record::Rate(_) => {}
        }
        Ok(())
    }

    /// What only a journal holds: who answered without a line of their own, and what was asked.
    fn beside(&mut self, line: &[u8]) -> Result<(), String> {
        let Some((scan, _)) = &self.scan else { return Err("the scan has not begun".to_owned()) };
        let (ports, counted, gather) = (&scan.ports, &mut self.counted, &mut self.gather);
        self.spaces.line(line, &mut |target, outcome| {
            if ports.contains(target.port) {
                count(counted.entry(target.addr).or_default(), outcome, || {
                    gather.port(target.addr, target.port, Told::Open, Reason::SynAck.as_str());
                });
            }
        })?;
        if let Some(asked) = self.spaces.asked() {
            self.gather.asked = Some(asked);
        }
        Ok(())
    }

    /// Nothing more comes; whether lines were left out.
    fn close(mut self, left_out: bool) -> Gather {
        let summary = self.summary.as_deref();
        if let Some((scan, epoch)) = &self.scan {
            let gather = &mut self.gather;
            gather.started = Some(epoch.at(Time::ZERO));
            gather.addresses = Some(scan.addresses);
            gather.ports = Some(scan.ports.clone());
            gather.asked = gather.asked.take().or_else(|| scan.asked.clone()).or_else(|| asked::of(&scan.arguments, scan.addresses));
            gather.course = course(summary, &scan.arguments);
            gather.course.left_out |= left_out;
            gather.reservations = reservations(summary);
        }
        for (addr, Counted { closed, filtered, silent, is_up }) in self.counted {
            let state = if is_up { State::Up } else { State::NotProbed };
            let facts = Facts { closed, filtered, silent, why: Some(Why::Ended), ..Facts::bare(addr, state) };
            self.gather.host(facts, None);
        }
        self.gather
    }
}

fn told(state: crate::scan::State, reason: Reason) -> Told {
    use crate::scan::State::{Closed, Filtered, Open};
    match (state, reason) {
        (Open, _) => Told::Open,
        (Closed, _) => Told::Closed,
        (Filtered, Reason::NoResponse) => Told::Silent,
        (Filtered, _) => Told::Filtered,
    }
}

fn state(state: HostState) -> State {
    match state {
        HostState::Up => State::Up,
        HostState::Down | HostState::Filtered | HostState::NoReply => State::Silent,
        HostState::NotProbed => State::NotProbed,
    }
}

fn why(reason: Reason) -> Option<Why> {
    match reason {
        Reason::ScanEnded => Some(Why::Ended),
        Reason::LocalError => Some(Why::CouldNotAsk),
        _ => None,
    }
}

fn count(host: &mut Counted, outcome: Outcome, open: impl FnOnce()) {
    use crate::scan::State::{Closed, Filtered, Open};
    match (outcome.state, outcome.reason) {
        (Open, _) => open(),
        (Closed, _) => host.closed += 1,
        (Filtered, Reason::NoResponse) => host.silent += 1,
        (Filtered, _) => host.filtered += 1,
    }
    host.is_up |= outcome.reason_addr.is_none() && outcome.reason != Reason::NoResponse;
}
