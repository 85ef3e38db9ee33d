//! Reads JSON lines back: a record becomes the events it was written from.

mod hosts;
pub(in crate::report) mod wire;
pub(in crate::report) mod words;

use std::io::{BufRead, Read};

use hosts::Hosts;

use crate::error::{Error, Kind, Result};
use crate::report::Epoch;
use crate::report::journal::Spaces;
use crate::scan::{Finding, HostRecord, RateChange, Reason, ScanRecord, Summary};

/// What a record tells, in the order of the scan: [`Told::Begin`] first, [`Told::End`] last.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What was asked.
    Begin(Box<ScanRecord>),
    /// A port was learned by an answer.
    Finding(Finding),
    /// A host was settled; its ports are those told before.
    Host(Box<HostRecord>),
    /// The rate changed.
    Rate(RateChange),
    /// The end.
    End(Box<Summary>),
}

/// What becomes of a line that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// It is an error.
    #[default]
    Strict,
    /// It is left out, and counted.
    Lenient,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a summary.
    Whole,
    /// Without: the scan was killed, or still runs. [`Told::End`] is made of what there is, and says so.
    CutShort,
}

/// What became of a record.
#[derive(Debug)]
pub struct Reading {
    /// How it ended.
    pub ending: Ending,
    /// Lines left out because they could not be read.
    pub skipped: u64,
    /// Why the first of them was.
    pub first_skipped: Option<Error>,
}

/// Reads a record called `name` and tells what it holds. A last line without its line feed is one that was being written when the scan was
/// killed: if it is not whole, it is as if it were not there.
///
/// Of the kinds of records that only a journal has, `stage` and `answered` tell of hosts without a line of their own; the others are passed over.
///
/// # Errors
/// The input cannot be read, is no record of a scan, or, if [`Strictness::Strict`], has a line that is no record or contradicts those before;
/// the line is named.
pub fn read(input: &mut dyn BufRead, name: &str, strictness: Strictness, tell: &mut dyn FnMut(Told)) -> Result<Reading> {
    let mut replay = Replay { tell, scan: None, hosts: Hosts::default(), spaces: Spaces::default(), ended: false };
    let mut reading = Reading { ending: Ending::CutShort, skipped: 0, first_skipped: None };
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
        let length = Read::take(&mut *input, LONGEST).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        let is_torn = line.last() != Some(&b'\n') && (length as u64) < LONGEST;
        let Err(cause) = replay.line(&line) else { continue };
        if is_torn && replay.scan.is_some() {
            break;
        }
        if replay.scan.is_none() && number == 1 {
            return Err(no_beginning(name, &line, &cause));
        }
        let error = Error::asked("read", format!("{name} line {number}"), cause);
        if strictness == Strictness::Strict {
            return Err(error.hint("--lenient uses what can be read"));
        }
        reading.skipped += 1;
        reading.first_skipped.get_or_insert(error);
    }
    if replay.scan.is_none() {
        return Err(empty(name));
    }
    reading.ending = replay.close();
    Ok(reading)
}

/// Reads no more of a record called `name` than its first line.
///
/// # Errors
/// It cannot be read, or is no record of a scan.
pub(in crate::report) fn beginning(input: &mut dyn BufRead, name: &str) -> Result<ScanRecord> {
    let mut line = Vec::new();
    let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
    match Read::take(input, LONGEST).read_until(b'\n', &mut line).map_err(failed)? {
        0 => Err(empty(name)),
        _ => match wire::parse(&line, None) {
            Ok(wire::Record::Scan(scan)) => Ok(*scan),
            Ok(_) => Err(no_beginning(name, &line, "it is of something else")),
            Err(cause) => Err(no_beginning(name, &line, &cause)),
        },
    }
}

fn empty(name: &str) -> Error {
    Error::asked("read", name, "it is empty, or holds no beginning of a scan")
}

fn no_beginning(name: &str, line: &[u8], cause: &str) -> Error {
    let cause = foreign(line).map_or_else(|| format!("its first line is no beginning of a scan: {cause}"), str::to_owned);
    Error::asked("read", name, cause).hint("a record is what -o json:FILE writes")
}

/// Longer lines are no records, and are not taken into memory whole.
const LONGEST: u64 = 16 << 20;

struct Replay<'a> {
    tell: &'a mut dyn FnMut(Told),
    scan: Option<(Box<ScanRecord>, Epoch)>,
    hosts: Hosts,
    spaces: Spaces,
    ended: bool,
}

impl Replay<'_> {
    /// Takes in a line, or says why not.
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let epoch = self.scan.as_ref().map(|(_, epoch)| *epoch);
        match wire::parse(line, epoch)? {
            wire::Record::Beside => self.beside(line),
            wire::Record::Packed(rows) => rows.into_iter().try_for_each(|row| self.record(row.into())),
            record => self.record(record),
        }
    }

    fn record(&mut self, record: wire::Record) -> Result<(), String> {
        match record {
            _ if self.ended => return Err("a record after the summary".to_owned()),
            wire::Record::Scan(_) if self.scan.is_some() => return Err("a second scan begins".to_owned()),
            wire::Record::Scan(scan) => {
                self.scan = Some((scan.clone(), Epoch::of(&scan)));
                (self.tell)(Told::Begin(scan));
            }
            wire::Record::Port(finding) => {
                self.hosts.port(&finding)?;
                // Silence is told with its host.
                if finding.outcome.reason != Reason::NoResponse {
                    (self.tell)(Told::Finding(finding));
                }
            }
            wire::Record::Host(host, open) => {
                let host = self.hosts.settle(host, open)?;
                (self.tell)(Told::Host(host));
            }
            wire::Record::Rate(change) => {
                self.hosts.passed(change.time);
                (self.tell)(Told::Rate(change));
            }
            wire::Record::Summary(summary) => {
                self.ended = true;
                (self.tell)(Told::End(summary));
            }
            wire::Record::Packed(_) | wire::Record::Beside => {}
        }
        Ok(())
    }

    /// What only a journal holds: who answered without a line of their own.
    fn beside(&mut self, line: &[u8]) -> Result<(), String> {
        let Some((scan, _)) = &self.scan else { return Err("the scan has not begun".to_owned()) };
        let (ports, hosts) = (&scan.ports, &mut self.hosts);
        self.spaces.line(line, &mut |target, outcome| {
            if ports.contains(target.port) {
                hosts.unlisted(target, outcome);
            }
        })
    }

    /// Nothing more comes. Of a record without a summary, what is known of hosts that were not settled is told, and a summary of it all.
    fn close(mut self) -> Ending {
        if self.ended {
            return Ending::Whole;
        }
        if let Some((scan, _)) = self.scan.take() {
            for host in self.hosts.unsettled() {
                (self.tell)(Told::Host(Box::new(host)));
            }
            (self.tell)(Told::End(Box::new(self.hosts.summary(&scan))));
        }
        Ending::CutShort
    }
}

/// What a file is that does not begin as a record does, as far as its first bytes show.
fn foreign(line: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 7] = [
        (b"<?xml", "it is XML, not JSON lines"),
        (b"SQLite format 3\0", "it is a database, not JSON lines"),
        (b"\x0a\x0d\x0d\x0a", "it is a capture, not JSON lines"),
        (b"#masscan", "it is a list, not JSON lines"),
        (b"# Nmap", "it is nmap's grepable output, not JSON lines"),
        (b"# synprobe", "it is grepable output, not JSON lines"),
        (b"{\"ip\"", "its records are another tool's (masscan, ZMap)"),
    ];
    KNOWN.iter().find(|(start, _)| line.starts_with(start)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests;
