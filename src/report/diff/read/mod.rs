//! Records of every kind, taken in: recognised by what they hold.

mod database;
mod lines;
mod xml;

use std::io::BufRead;

use super::gather::{Course, Doubt, Gather};
use super::scan::Scan;
use crate::error::{Error, Kind, Result};
use crate::report::Strictness;
use crate::scan::{Shortfall, Summary};

pub use database::Which;

/// A scan, and what of its record could not be read.
#[derive(Debug)]
pub struct Reading {
    /// The scan.
    pub scan: Scan,
    /// How much was left out, with the first of it; only if [`Strictness::Lenient`].
    pub left_out: Option<Error>,
}

impl Scan {
    /// Reads a record called `name`: a journal, JSON lines, or XML of ours or nmap's.
    ///
    /// # Errors
    /// It cannot be read, is no record of a scan, or, if [`Strictness::Strict`], holds what cannot be read; the line or byte is named.
    pub fn read(input: &mut dyn BufRead, name: &str, strictness: Strictness) -> Result<Reading> {
        let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
        let first = input.fill_buf().map_err(failed)?;
        if first.starts_with(b"SQLite format 3\0") {
            let error = Error::asked("read", name, "it is a database, which holds many scans");
            return Err(error.hint(format!("--db {name} --last 2 compares the last two")));
        }
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        if text.starts_with(b"<") { xml::read(input, name, strictness) } else { lines::read(input, name, strictness) }
    }
}

/// A scan that was gathered. What contradicts itself is an error, or left out.
fn finished(gather: Gather, name: &str, strictness: Strictness, left_out: Option<Error>) -> Result<Reading> {
    let (scan, wrong) = gather.finish(name.to_owned());
    let Some(first) = wrong.first() else { return Ok(Reading { scan, left_out }) };
    let error = Error::asked("read", name, first);
    match strictness {
        Strictness::Strict => Err(error.hint("--lenient uses what can be read")),
        Strictness::Lenient => Ok(Reading { scan, left_out: left_out.or(Some(error)) }),
    }
}

/// How a scan of ours went, by its own account and its command line.
fn course(summary: Option<&Summary>, arguments: &[String]) -> Course {
    let only_open = arguments.iter().any(|word| word == "--open");
    let Some(summary) = summary else { return Course { ended_early: true, doubt: Doubt::Anything, only_open, ..Course::default() } };
    let shortfall = summary.completeness.and_then(|completeness| completeness.shortfall);
    let lost = summary.receiver_drops > 0 || summary.send_errors > 0 || !summary.path_proven;
    let ended_early = summary.interrupted || summary.out_of_time;
    let doubt = match shortfall {
        _ if ended_early || lost => Doubt::Anything,
        None => Doubt::Nothing,
        Some(Shortfall::ResetsLimited) => Doubt::Closed,
        Some(_) => Doubt::Anything,
    };
    let left_out = summary.write_errors > 0 || summary.hosts_hidden > 0;
    let not_probed = summary.hosts_not_probed.saturating_add(summary.unroutable);
    Course { ended_early, doubt, only_open, left_out, not_probed }
}

/// What a scan of ours says about how complete it is.
fn reservations(summary: Option<&Summary>) -> Vec<String> {
    let Some(summary) = summary else { return vec!["its record ends without a summary, for it was killed or still runs".to_owned()] };
    let early = match summary {
        Summary { interrupted: true, .. } => Some("it was interrupted".to_owned()),
        Summary { out_of_time: true, .. } if summary.incomplete.is_empty() => Some("it ran out of time".to_owned()),
        _ => None,
    };
    early.into_iter().chain(summary.incomplete.iter().cloned()).collect()
}
