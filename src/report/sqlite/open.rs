//! Opening a database: whose it is, and of which version.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::is_locked;
use crate::error::{Error, Result};

/// Whether a database of an older version may be brought to this one; a copy of the old is kept beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migration {
    /// It is refused.
    #[default]
    Refused,
    /// It may.
    Allowed,
}

/// How long another writer is waited for before the first packet and after the last.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Who could hold the lock.
pub(super) const HOLDERS: &str = "another scan that writes to it, or a program with an open transaction; fuser names it";

/// The steps from an empty file to the schema of this version; as many as were taken are the file's `user_version`.
pub(super) const STEPS: [&str; 3] = [include_str!("1-tables.sql"), include_str!("2-views.sql"), include_str!("3-asked.sql")];

/// How many there are.
const VERSION: i64 = 3;
const _: () = assert!(STEPS.len() == VERSION as usize);

/// Pages kept in memory.
const CACHE_KIB: i64 = 32 * 1024;

/// `synp`: tells our files from other programs'.
pub(in crate::report) const APPLICATION: i64 = 0x7379_6e70;

pub(super) fn database(path: &Path, migration: Migration) -> Result<Connection> {
    let shown = path.display();
    let refused = |cause: rusqlite::Error| explain(path, &cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(path, flags).map_err(refused)?;
    database.busy_timeout(PATIENCE).map_err(refused)?;
    let (version, application) = (pragma(&database, "user_version"), pragma(&database, "application_id"));
    let (version, application) = (version.map_err(refused)?, application.map_err(refused)?);
    let is_empty = database.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get::<_, bool>(0)).map_err(refused)?;
    if application != APPLICATION && !is_empty {
        return Err(Error::asked("write", shown, "it is another program's database").hint("name a file of its own for scans"));
    }
    if version > VERSION {
        let cause = format!("its schema is version {version}, and this program knows {VERSION}");
        return Err(Error::asked("write", shown, cause).hint("a newer synprobe made it; use that, or another file"));
    }
    if version < VERSION && !is_empty {
        if migration == Migration::Refused {
            let cause = format!("its schema is version {version}, and this program writes {VERSION}");
            return Err(Error::asked("write", shown, cause).hint("--migrate brings it to that, and keeps a copy"));
        }
        keep_copy(&database, path, version)?;
    }
    // Readers are not blocked by a writer then. Where the file system cannot do that, SQLite keeps its usual journal.
    database.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).map_err(refused)?;
    database.pragma_update(None, "synchronous", "normal").map_err(refused)?;
    database.pragma_update(None, "foreign_keys", true).map_err(refused)?;
    database.pragma_update(None, "temp_store", "memory").map_err(refused)?;
    // Findings come in a random order: with pages kept and copied home seldom, each is written a few times and not hundreds.
    database.pragma_update(None, "cache_size", -CACHE_KIB).map_err(refused)?;
    database.pragma_update(None, "wal_autocheckpoint", 8 * 1024).map_err(refused)?;
    climb(&mut database).map_err(refused)?;
    Ok(database)
}

/// Takes the steps that were not taken. In one transaction: two scans may begin at once, and a file that cannot be written is known now.
fn climb(database: &mut Connection) -> rusqlite::Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = usize::try_from(pragma(&transaction, "user_version")?).unwrap_or_default();
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    if taken < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

fn keep_copy(database: &Connection, path: &Path, version: i64) -> Result<()> {
    let copy = copy_of(path, version);
    if copy.exists() {
        return Err(
            Error::asked("write", copy.display(), "it exists, and the copy of the old database would go there").hint("move it away")
        );
    }
    database.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(|cause| explain(&copy, &cause))?;
    Ok(())
}

/// `audit.db.v1`.
pub(super) fn copy_of(path: &Path, version: i64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".v{version}"));
    PathBuf::from(name)
}

fn pragma(database: &Connection, name: &str) -> rusqlite::Result<i64> {
    database.pragma_query_value(None, name, |row| row.get(0))
}

fn explain(path: &Path, cause: &rusqlite::Error) -> Error {
    let shown = path.display();
    if is_locked(cause) {
        let cause = format!("it was locked for {} seconds", PATIENCE.as_secs());
        return Error::asked("write", shown, cause).hint(HOLDERS);
    }
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::asked("write", shown, "it is no database").hint("scans are added to a file of their own"),
        Some(ErrorCode::CannotOpen) => {
            Error::asked("write", shown, "it cannot be opened").hint("is there such a folder, and may you write to it?")
        }
        _ => Error::asked("write", shown, cause),
    }
}
