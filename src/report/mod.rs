//! What a reader sees: one file per format. It receives findings and summaries; it never asks.
//!
//! Every writer of a stream hands whole records to its output in one `write` call, so whatever moment the scan is killed at, the output
//! ends after a whole record. It gathers them only while more are at hand: [`Report::flush`] comes as soon as none is. A database gets
//! records in transactions, a few a second.
//!
//! [`read()`] turns JSON lines back into what was told, and so into every other format. For that to come out alike, live formats are given
//! values as precise as a record holds them: [`Recorded`]. [`Shards`] does the same with the records of all shards of a scan.

mod calendar;
mod csv;
pub mod diff;
mod digits;
mod escape;
mod field;
mod format;
mod gathered;
mod grepable;
mod journal;
mod json;
mod list;
mod markdown;
mod merge;
mod pcapng;
mod precision;
mod rest;
#[cfg(test)]
mod sample;
mod sqlite;
mod text;
mod xml;

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use calendar::Rfc3339;
pub use csv::Csv;
pub use escape::{Escaped, Message};
pub use field::{Field, Fields};
pub use format::{Destination, Format, Growth, Look, OutputSpec};
pub use gathered::records_lost;
pub use grepable::Grepable;
pub use journal::{Journal, JournalReading, Order, read_journal};
use json::Lines;
pub use json::read::{Ending, Reading, Strictness, Told, read};
pub use json::{JSON_SCHEMA, Json, SCHEMA_VERSION};
pub use list::List;
pub use markdown::Markdown;
pub use merge::{Merged, OpenRecord, Shards};
pub use pcapng::Pcapng;
pub use precision::Recorded;
pub use sqlite::{Migration, Sqlite};
pub use text::{Colour, Live, Style, Text};
pub use xml::Xml;

use crate::counted::counted;
use crate::scan::{Finding, HostRecord, Proof, RateChange, Reason, ScanRecord, Summary};
use crate::time::Time;

/// One output in one format.
pub trait Report: Send {
    /// The scan begins.
    ///
    /// # Errors
    /// The output could not be written.
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()>;
    /// A port was learned, this moment (closed and filtered ones only if they are shown singly).
    ///
    /// # Errors
    /// The output could not be written.
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    /// The packet that proves a port open, told before its finding where that was asked for; a format without packets leaves it out.
    ///
    /// # Errors
    /// The output could not be written.
    fn proof(&mut self, _proof: &Proof) -> io::Result<()> {
        Ok(())
    }
    /// The rate of a SYN scan changed; a format that keeps findings only leaves it out.
    ///
    /// # Errors
    /// The output could not be written.
    fn rate(&mut self, _change: &RateChange) -> io::Result<()> {
        Ok(())
    }
    /// Nothing more will be learned about a host.
    ///
    /// # Errors
    /// The output could not be written.
    fn host(&mut self, host: &HostRecord) -> io::Result<()>;
    /// Nothing more is at hand to be told: what was gathered to be written together goes out.
    ///
    /// # Errors
    /// The output could not be written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// A few times a second while a scan runs: what was held back to be written together goes out.
    ///
    /// # Errors
    /// The output could not be written.
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// What was begun is not to be: takes back what can be taken back. Nothing is written after this.
    ///
    /// # Errors
    /// It could not be taken back.
    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// The scan ended; after this the output is complete and valid.
    ///
    /// # Errors
    /// The output could not be written.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Whether a port is learned by a reply, and so recorded at once. Silence is only known when its host is settled: formats of
/// one record a port write it then.
fn is_answer(finding: &Finding) -> bool {
    finding.outcome.reason != Reason::NoResponse
}

/// A comment that tells of hosts left out, for formats with comments.
fn hidden(summary: &Summary) -> Option<String> {
    let hidden = summary.hosts_hidden;
    (hidden > 0).then(|| format!("# {} hidden\n", counted(hidden, "suspect host")))
}

/// The scan's beginning on the wall clock, since the Unix epoch: what turns [`Time`] into dates.
#[derive(Clone, Copy, Debug, Default)]
struct Epoch(Duration);

impl Epoch {
    fn of(scan: &ScanRecord) -> Self {
        Self::from(scan.started)
    }

    /// Since the Unix epoch.
    fn at(self, time: Time) -> Duration {
        self.0 + time.since(Time::ZERO)
    }
}

impl From<SystemTime> for Epoch {
    fn from(moment: SystemTime) -> Self {
        Self(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_1970() {
        assert_eq!(Epoch::from(UNIX_EPOCH - Duration::from_secs(1)).at(Time::ZERO), Duration::ZERO);
    }
}
