//! Two scans of a database.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::{Reading, course, finished, reservations};
use crate::error::{Error, Result};
use crate::report::diff::asked;
use crate::report::diff::gather::{Facts, Gather, State};
use crate::report::diff::known::Why;
use crate::report::diff::scan::{Scan, Told};
use crate::report::json::read::{wire, words};
use crate::report::sqlite::APPLICATION;
use crate::report::{Epoch, Strictness};
use crate::scan::{HostState, Reason, Summary};

/// The version of the schema since which a scan tells which addresses it asked.
const ASKED: i64 = 3;

/// Which scans of a database are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last one, and the one that is this many scans from the end: 2 is the one before it.
    Last(u32),
    /// By their numbers.
    Numbers(i64, i64),
}

impl Scan {
    /// The numbers of the old and the new scan in a database.
    ///
    /// # Errors
    /// It cannot be read, is no database of ours, or has no such scans.
    pub fn numbers(path: &Path, which: Which) -> Result<[i64; 2]> {
        let database = open(path)?;
        let failed = |cause| explain(path, &cause);
        let numbers: Vec<i64> = {
            let mut query = database.prepare("SELECT id FROM scans ORDER BY id DESC").map_err(failed)?;
            query.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(failed)?
        };
        let there = || match numbers[..] {
            [] => "it holds no scan".to_owned(),
            [only] => format!("it holds scan {only} only"),
            [newest, .., oldest] => format!("it holds {} scans, {oldest} to {newest}", numbers.len()),
        };
        match which {
            Which::Last(from_end) => {
                let old = numbers.get(from_end.saturating_sub(1) as usize).copied();
                let error = || Error::asked("read", path.display(), format!("{}, and two are compared", there()));
                Ok([old.ok_or_else(error)?, numbers[0]])
            }
            Which::Numbers(old, new) => {
                for number in [old, new] {
                    if !numbers.contains(&number) {
                        return Err(Error::asked("read", path.display(), format!("scan {number} is not in it: {}", there())));
                    }
                }
                Ok([old, new])
            }
        }
    }

    /// A scan of a database, by its number.
    ///
    /// # Errors
    /// It cannot be read, or has no such scan.
    pub fn of_database(path: &Path, number: i64) -> Result<Reading> {
        let database = open(path)?;
        let gather = gather(&database, number).map_err(|cause| explain(path, &cause))?;
        // A database holds what was written, whole.
        finished(gather, &format!("{} scan {number}", path.display()), Strictness::Strict, None)
    }
}

fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |cause| explain(path, &cause);
    let database = Connection::open_with_flags(path, flags).map_err(failed)?;
    database.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    let application: i64 = database.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION {
        let error = Error::asked("read", path.display(), "it is another program's database");
        return Err(error.hint("-o sqlite:FILE adds scans to one of ours"));
    }
    Ok(database)
}

fn explain(path: &Path, cause: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, NotADatabase};
    match cause.sqlite_error_code() {
        Some(NotADatabase) => Error::asked("read", path.display(), "it is no database").hint("records in files are compared without --db"),
        Some(CannotOpen) => Error::asked("read", path.display(), "it cannot be opened").hint("is there such a file, and may you read it?"),
        _ => Error::asked("read", path.display(), cause),
    }
}

fn gather(database: &Connection, number: i64) -> rusqlite::Result<Gather> {
    let mut gather = Gather::default();
    // Those of an earlier version are read as they are.
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let asked = if version < ASKED { "NULL" } else { "address_list" };
    let sql = &format!("SELECT started, addresses, port_list, arguments, summary, {asked} FROM scans WHERE id = ?");
    let scan = |row: &Row<'_>| -> rusqlite::Result<_> {
        let (started, addresses): (f64, i64) = (row.get(0)?, row.get(1)?);
        let (ports, arguments, summary): (String, String, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((started, addresses, ports, arguments, summary, row.get::<_, Option<String>>(5)?))
    };
    let found = database.query_row(sql, [number], scan).optional()?;
    let Some((started, addresses, ports, arguments, summary, asked)) = found else { return Err(rusqlite::Error::QueryReturnedNoRows) };
    gather.started = Duration::try_from_secs_f64(started).ok();
    gather.addresses = u64::try_from(addresses).ok();
    gather.ports = words::ports(&ports).ok();
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap_or_default();
    gather.asked = asked.and_then(|asked| words::addresses(&asked).ok());
    gather.asked = gather.asked.or_else(|| asked::of(&arguments, gather.addresses?));
    let summary = summary.as_deref().and_then(of_line);
    gather.course = course(summary.as_deref(), &arguments);
    gather.reservations = reservations(summary.as_deref());
    hosts(database, number, &mut gather)?;
    ports_of(database, number, &mut gather)?;
    Ok(gather)
}

/// A database keeps the summary's own record.
fn of_line(line: &str) -> Option<Box<Summary>> {
    match wire::parse(line.as_bytes(), Some(Epoch::default())) {
        Ok(wire::Record::Summary(summary)) => Some(summary),
        _ => None,
    }
}

fn hosts(database: &Connection, number: i64, gather: &mut Gather) -> rusqlite::Result<()> {
    let mut query =
        database.prepare("SELECT addr, state, reason, name, open, closed, filtered, unanswered, not_probed FROM hosts WHERE scan = ?")?;
    let mut rows = query.query([number])?;
    while let Some(row) = rows.next()? {
        let (Some(addr), Some(state)) =
            (text(row, 0)?.and_then(|addr| addr.parse().ok()), text(row, 1)?.and_then(|word| words::host_state(word).ok()))
        else {
            continue;
        };
        let reason = text(row, 2)?.and_then(|word| words::reason(word).ok());
        let why = match reason {
            Some(Reason::ScanEnded) => Some(Why::Ended),
            Some(Reason::LocalError) => Some(Why::CouldNotAsk),
            _ => None,
        };
        let state = match state {
            HostState::Up => State::Up,
            HostState::Down | HostState::Filtered | HostState::NoReply => State::Silent,
            HostState::NotProbed => State::NotProbed,
        };
        // Until a host is settled its counts are NULL, and so are those of ports that are told by nothing else.
        let is_settled = row.get::<_, Option<i64>>(4)?.is_some();
        if !is_settled {
            continue;
        }
        let count = |column: usize| -> rusqlite::Result<u32> { Ok(row.get::<_, u32>(column).unwrap_or_default()) };
        let facts = Facts {
            addr,
            state,
            open: Some(count(4)?),
            closed: count(5)?,
            filtered: count(6)?,
            silent: count(7)?,
            not_probed: count(8)?,
            why,
        };
        gather.host(facts, text(row, 3)?);
    }
    Ok(())
}

fn ports_of(database: &Connection, number: i64, gather: &mut Gather) -> rusqlite::Result<()> {
    let mut query = database.prepare("SELECT addr, port, state, reason FROM ports WHERE scan = ?")?;
    let mut rows = query.query([number])?;
    while let Some(row) = rows.next()? {
        let Some(addr) = text(row, 0)?.and_then(|addr| addr.parse().ok()) else { continue };
        let reason = text(row, 3)?.unwrap_or_default();
        let told = match (text(row, 2)?.unwrap_or_default(), reason) {
            ("open", _) => Told::Open,
            ("closed", _) => Told::Closed,
            ("filtered", "no-response") => Told::Silent,
            ("filtered", _) => Told::Filtered,
            _ => Told::Unclear,
        };
        gather.port(addr, row.get(1)?, told, reason);
    }
    Ok(())
}

/// A text where it lies.
fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    row.get_ref(column).map(|value| value.as_str_or_null().ok().flatten())
}
