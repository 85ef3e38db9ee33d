//! A database that scans are added to: SQLite, for whoever asks across scans.

mod open;
mod rows;

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

pub(super) use open::APPLICATION;
pub use open::Migration;
use rows::Rows;

use super::{Epoch, Report, is_answer};
use crate::error::Result;
use crate::scan::{Finding, HostRecord, ScanRecord, Summary};

/// Adds a scan to a database: a row in `scans`, and rows in `hosts` and `ports`, as `sqlite/*.sql` beside this file describe.
///
/// Rows are gathered and written a few times a second in a transaction that holds the write lock for milliseconds; readers are never
/// blocked (WAL). Killed at any moment, the database is valid and lacks the last moments at most. Where another writer holds the lock,
/// rows wait; only at the end is that an error.
#[derive(Debug)]
pub struct Sqlite {
    database: Connection,
    epoch: Epoch,
    scan: i64,
    waiting: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Port(Finding),
    Host(Box<HostRecord>),
}

impl Sqlite {
    /// Opens a database, or makes one; `migration` says whether one of an older version may be changed.
    ///
    /// # Errors
    /// It cannot be written, is locked, is no database of this program's, or is of another version of its schema.
    pub fn open(path: &Path, migration: Migration) -> Result<Self> {
        let database = open::database(path, migration)?;
        Ok(Self { database, epoch: Epoch::default(), scan: 0, waiting: Vec::new() })
    }

    fn put(&mut self, row: Row) -> io::Result<()> {
        self.waiting.push(row);
        if self.waiting.len().is_multiple_of(GATHERED) { self.settle() } else { Ok(()) }
    }

    /// Writes what waits.
    fn write(&mut self) -> rusqlite::Result<()> {
        let Self { database, epoch, scan, waiting } = self;
        if waiting.is_empty() {
            return Ok(());
        }
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut rows = Rows::new(&transaction, *scan, *epoch)?;
            for row in &*waiting {
                match row {
                    Row::Port(finding) => rows.port(finding)?,
                    Row::Host(host) => rows.host(host)?,
                }
            }
        }
        transaction.commit()?;
        waiting.clear();
        Ok(())
    }
}

impl Report for Sqlite {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        self.scan = rows::begin(&self.database, scan).map_err(failed)?;
        self.database.busy_timeout(WHILE_SCANNING).map_err(failed)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if is_answer(finding) { self.put(Row::Port(*finding)) } else { Ok(()) }
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        for finding in host.ports.iter().filter(|finding| !is_answer(finding)) {
            self.put(Row::Port(*finding))?;
        }
        // Its ports have rows of their own.
        let ports = host.ports.iter().filter(|finding| is_open(finding)).copied().collect();
        self.put(Row::Host(Box::new(HostRecord { ports, ..host.clone() })))
    }

    fn settle(&mut self) -> io::Result<()> {
        match self.write() {
            Err(error) if is_locked(&error) => Ok(()),
            written => written.map_err(failed),
        }
    }

    fn discard(&mut self) -> io::Result<()> {
        self.waiting.clear();
        rows::discard(&self.database, self.scan).map_err(failed)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.database.busy_timeout(open::PATIENCE).map_err(failed)?;
        self.write().and_then(|()| rows::end(&self.database, self.scan, summary)).map_err(failed)?;
        // All into the one file, for under sudo the log beside it cannot be taken away; a reader that holds it up does not matter.
        _ = self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        Ok(())
    }
}

fn is_open(finding: &Finding) -> bool {
    finding.outcome.state == crate::scan::State::Open
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn failed(error: impl Into<rusqlite::Error>) -> io::Error {
    let error = error.into();
    let cause = if is_locked(&error) { format!("{error}: {}", open::HOLDERS) } else { error.to_string() };
    io::Error::other(cause)
}

/// So many rows go together at most.
const GATHERED: usize = 4096;
/// Reporting does not wait longer for another writer while a scan runs.
const WHILE_SCANNING: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
