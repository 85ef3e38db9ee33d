//! The lines of a record, one by one: which end it, which are left out, and what is no record at all.

use std::io::{BufRead, Read};

use super::{Strictness, wire};
use crate::error::{Error, Kind, Result};
use crate::scan::ScanRecord;

/// What takes the lines of a record in.
pub(in crate::report) trait Lines {
    /// Whether the scan's own record was taken in.
    fn has_begun(&self) -> bool;
    /// Takes in a line, or says why not.
    fn line(&mut self, line: &[u8]) -> Result<(), String>;
}

/// Lines that could not be taken in.
#[derive(Debug, Default)]
pub(in crate::report) struct Skipped {
    pub(in crate::report) count: u64,
    /// Why the first could not.
    pub(in crate::report) first: Option<Error>,
}

/// Reads the lines of a record called `name`. A last line without its line feed that is not whole is as if it were not there.
///
/// # Errors
/// The input cannot be read, is no record of a scan, or, if [`Strictness::Strict`], has a line that is not taken in; the line is named.
pub(in crate::report) fn read(input: &mut dyn BufRead, name: &str, strictness: Strictness, lines: &mut dyn Lines) -> Result<Skipped> {
    let mut skipped = Skipped::default();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
        let length = Read::take(&mut *input, LONGEST).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        let is_torn = line.last() != Some(&b'\n') && (length as u64) < LONGEST;
        let Err(cause) = lines.line(&line) else { continue };
        if is_torn && lines.has_begun() {
            break;
        }
        if !lines.has_begun() && number == 1 {
            return Err(no_beginning(name, &line, &cause));
        }
        let error = Error::asked("read", format!("{name} line {number}"), cause);
        if strictness == Strictness::Strict {
            return Err(error.hint("--lenient uses what can be read"));
        }
        skipped.count += 1;
        skipped.first.get_or_insert(error);
    }
    if lines.has_begun() { Ok(skipped) } else { Err(empty(name)) }
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
pub(super) const LONGEST: u64 = 16 << 20;

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
