//! A comparison as one JSON object per line, as `schema.json` beside this file describes.

use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::difference::{Cause, Count, HostDiff, PortDiff, Side, Totals};
use super::known::{Known, Verdict};
use super::report::DiffReport;
use super::scan::Scan;
use crate::report::json::line::append_value;
use crate::target::services;

/// The JSON Schema (2020-12) that every line of a comparison fulfils.
pub const DIFF_SCHEMA: &str = include_str!("schema.json");

/// The `schema_version` of `diff` records.
pub const DIFF_SCHEMA_VERSION: u32 = 1;

/// Writes JSON lines: a `diff`, then `host`, `port` and `ports` records, a `summary` last.
pub(super) struct Json {
    out: Box<dyn Write + Send>,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }

    fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut line = Vec::with_capacity(256);
        append_value(&mut line, record)?;
        self.out.write_all(&line)
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record<'a> {
    Diff {
        schema_version: u32,
        version: &'static str,
        old: About<'a>,
        new: About<'a>,
    },
    Host {
        addr: IpAddr,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        change: &'static str,
        old: &'static str,
        new: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<Because>,
    },
    Port {
        addr: IpAddr,
        port: u16,
        proto: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<&'static str>,
        change: &'static str,
        old: State<'a>,
        new: State<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<Because>,
    },
    Ports {
        addr: IpAddr,
        count: u32,
        change: &'static str,
        old: Counts,
        new: Counts,
    },
    Summary {
        equal: bool,
        complete: bool,
        hosts: Changes,
        ports: Changes,
        opened: u64,
        no_longer_open: u64,
        unjudged: Vec<Unjudged>,
    },
}

#[derive(Serialize)]
struct About<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<u64>,
    port_list: String,
    incomplete: &'a [String],
}

#[derive(Serialize)]
struct State<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Counts {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered: Option<u32>,
}

#[derive(Serialize)]
struct Because {
    scan: &'static str,
    cause: &'static str,
}

#[derive(Serialize)]
struct Changes {
    appeared: u64,
    disappeared: u64,
    changed: u64,
    unjudged: u64,
}

#[derive(Serialize)]
struct Unjudged {
    scan: &'static str,
    cause: &'static str,
    hosts: u64,
    ports: u64,
}

impl DiffReport for Json {
    fn begin(&mut self, old: &Scan, new: &Scan) -> io::Result<()> {
        let [old, new] = [about(old), about(new)];
        self.write(&Record::Diff { schema_version: DIFF_SCHEMA_VERSION, version: env!("CARGO_PKG_VERSION"), old, new })
    }

    fn host(&mut self, host: &HostDiff<'_>) -> io::Result<()> {
        let (addr, change) = (host.addr, host.whole().as_str());
        let (old, new) = (host.old.as_str(), host.new.as_str());
        self.write(&Record::Host { addr, name: host.name, change, old, new, because: host.cause().map(because) })?;
        host.ports.iter().try_for_each(|port| self.write(&record(addr, port)))?;
        let Some(rest) = &host.rest else { return Ok(()) };
        let counts = |known: Known, of: Option<(u32, u32)>| Counts {
            state: known.as_str(),
            closed: of.map(|(closed, _)| closed),
            filtered: of.map(|(_, filtered)| filtered),
        };
        let [before, after] = rest.counts.map_or([None, None], |counts| counts.map(Some));
        let (old, new) = (counts(rest.old, before), counts(rest.new, after));
        self.write(&Record::Ports { addr, count: rest.ports, change: rest.verdict.as_str(), old, new })
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let unjudged = totals.unjudged.iter().map(|((side, cause), (hosts, ports))| Unjudged {
            scan: side.as_str(),
            cause: cause.as_str(),
            hosts: *hosts,
            ports: *ports,
        });
        self.write(&Record::Summary {
            equal: !totals.differs(),
            complete: !totals.is_incomplete(),
            hosts: changes(totals.hosts),
            ports: changes(totals.ports),
            opened: totals.opened,
            no_longer_open: totals.no_longer_open,
            unjudged: unjudged.collect(),
        })?;
        self.out.flush()
    }
}

fn about(scan: &Scan) -> About<'_> {
    About {
        name: &scan.name,
        started: scan.started.map(|started| started.as_micros() as f64 / 1e6),
        addresses: scan.addresses,
        port_list: scan.ports.to_string(),
        incomplete: &scan.reservations,
    }
}

fn record<'a>(addr: IpAddr, port: &PortDiff<'a>) -> Record<'a> {
    let state = |(known, reason): (Known, Option<&'a str>)| State { state: known.as_str(), reason };
    Record::Port {
        addr,
        port: port.port,
        proto: "tcp",
        service: services::name(port.port),
        change: Verdict::as_str(port.verdict),
        old: state(port.old),
        new: state(port.new),
        because: port.cause().map(because),
    }
}

fn because((side, cause): (Side, Cause)) -> Because {
    Because { scan: side.as_str(), cause: cause.as_str() }
}

fn changes(count: Count) -> Changes {
    let Count { appeared, disappeared, changed, unjudged } = count;
    Changes { appeared, disappeared, changed, unjudged }
}
