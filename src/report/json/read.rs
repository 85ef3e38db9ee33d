//! Reads JSON lines back: a record becomes the events it was written from.

mod hosts;
pub(in crate::report) mod lines;
pub(in crate::report) mod wire;
pub(in crate::report) mod words;

use std::io::BufRead;

use hosts::Hosts;
use lines::{Lines, Skipped};

use crate::error::{Error, Result};
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
    let Skipped { count, first } = lines::read(input, name, strictness, &mut replay)?;
    Ok(Reading { ending: replay.close(), skipped: count, first_skipped: first })
}

struct Replay<'a> {
    tell: &'a mut dyn FnMut(Told),
    scan: Option<(Box<ScanRecord>, Epoch)>,
    hosts: Hosts,
    spaces: Spaces,
    ended: bool,
}

impl Lines for Replay<'_> {
    fn has_begun(&self) -> bool {
        self.scan.is_some()
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let epoch = self.scan.as_ref().map(|(_, epoch)| *epoch);
        match wire::parse(line, epoch)? {
            wire::Record::Beside => self.beside(line),
            wire::Record::Packed(rows) => {
                // One that contradicts those before is no reason to leave the others out.
                let mut said = Ok(());
                for row in rows {
                    said = said.and(self.record(row.into()));
                }
                said
            }
            record => self.record(record),
        }
    }
}

impl Replay<'_> {
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

#[cfg(test)]
mod tests;
