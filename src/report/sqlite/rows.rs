//! Rows of the tables.

use std::time::Duration;

use rusqlite::{CachedStatement, Connection, params};

use super::is_open;
use crate::report::json::summary_line;
use crate::report::{Epoch, Escaped};
use crate::scan::{Finding, HostRecord, ScanRecord, Summary};
use crate::target::services;
use crate::time::Time;

/// A scan begins; its number.
pub(super) fn begin(database: &Connection, scan: &ScanRecord) -> rusqlite::Result<i64> {
    let arguments = serde_json::to_string(&scan.arguments).unwrap_or_default();
    database.execute(
        "INSERT INTO scans (version, arguments, seed, started, mode, addresses, targets, address_list, port_list, note)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            scan.version,
            arguments,
            scan.seed.to_string(),
            seconds(Epoch::of(scan), Time::ZERO),
            scan.mode.as_str(),
            whole(scan.addresses),
            whole(scan.targets),
            scan.asked.as_ref().map(ToString::to_string),
            scan.ports.to_string(),
            scan.note,
        ],
    )?;
    Ok(database.last_insert_rowid())
}

/// A scan ended.
pub(super) fn end(database: &Connection, scan: i64, summary: &Summary) -> rusqlite::Result<()> {
    let record = summary_line(summary).unwrap_or_default();
    let complete = summary.is_complete();
    let row = params![summary.elapsed.as_micros() as f64 / 1e6, complete, summary.interrupted, record, scan];
    database.execute("UPDATE scans SET elapsed = ?, complete = ?, interrupted = ?, summary = ? WHERE id = ?", row).map(|_| ())
}

/// A scan is not to be.
pub(super) fn discard(database: &Connection, scan: i64) -> rusqlite::Result<()> {
    database.execute("DELETE FROM scans WHERE id = ?", [scan]).map(|_| ())
}

/// Statements for the rows of one scan.
pub(super) struct Rows<'a> {
    scan: i64,
    epoch: Epoch,
    port: CachedStatement<'a>,
    stub: CachedStatement<'a>,
    host: CachedStatement<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(database: &'a Connection, scan: i64, epoch: Epoch) -> rusqlite::Result<Self> {
        Ok(Self {
            scan,
            epoch,
            port: database.prepare_cached("INSERT OR REPLACE INTO ports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?,
            stub: database.prepare_cached("INSERT OR IGNORE INTO hosts (scan, addr, state, reason) VALUES (?, ?, ?, ?)")?,
            host: database.prepare_cached("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?,
        })
    }

    /// A port, and its host if that has no row yet: a scan may be killed before it is settled.
    pub(super) fn port(&mut self, finding: &Finding) -> rusqlite::Result<()> {
        let Finding { target, outcome, ttl, rtt, attempt, time, .. } = *finding;
        let addr = target.addr.to_string();
        let state = if outcome.reason_addr.is_none() { "up" } else { "filtered" };
        self.stub.execute(params![self.scan, addr, state, outcome.reason.as_str()])?;
        let row = params![
            self.scan,
            addr,
            target.port,
            outcome.state.as_str(),
            outcome.reason.as_str(),
            outcome.reason_addr.map(|addr| addr.to_string()),
            services::name(target.port),
            ttl,
            rtt.map(micros),
            attempt,
            seconds(self.epoch, time),
        ];
        self.port.execute(row).map(|_| ())
    }

    /// A settled host.
    pub(super) fn host(&mut self, host: &HostRecord) -> rusqlite::Result<()> {
        let row = params![
            self.scan,
            host.addr.to_string(),
            host.state.as_str(),
            host.reason.as_str(),
            host.mac.map(|mac| mac.to_string()),
            host.names.first().map(|name| Escaped(name).to_string()),
            host.rtt.map(micros),
            whole(host.ports.iter().filter(|finding| is_open(finding)).count() as u64),
            whole(host.closed.values().sum()),
            whole(host.filtered.values().sum()),
            whole(host.unanswered),
            whole(host.not_probed),
            host.suspect.map(|suspicion| suspicion.to_string()),
        ];
        self.host.execute(row).map(|_| ())
    }
}

/// Counts of IPv6 can exceed what the database's numbers hold.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn micros(rtt: Duration) -> i64 {
    i64::try_from(rtt.as_micros()).unwrap_or(i64::MAX)
}

fn seconds(epoch: Epoch, time: Time) -> f64 {
    epoch.at(time).as_micros() as f64 / 1e6
}
