//! One line of a record, parsed. Fields that are not known are passed over: they may come without a new version of the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use super::words;
use crate::report::journal::packed::{self, Row};
use crate::report::{Epoch, SCHEMA_VERSION};
use crate::scan::{
    Completeness, EgressRecord, Finding, HostRecord, Identity, Outcome, Pace, Part, RateChange, Reason, ScanRecord, Summary,
};
use crate::target::{self, Target};
use crate::time::Time;

/// A record of the format.
pub(in crate::report) enum Record {
    Scan(Box<ScanRecord>),
    Port(Finding),
    /// Without its ports, of which so many are open.
    Host(Box<HostRecord>, u64),
    Rate(RateChange),
    Summary(Box<Summary>),
    /// Ports and hosts of which a journal holds many in a line.
    Packed(Vec<Row>),
    /// What a journal holds besides results.
    Beside,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        match row {
            Row::Port(finding) => Self::Port(finding),
            Row::Host(host, open) => Self::Host(host, open),
        }
    }
}

/// Reads a line; times are counted from `epoch`, which the scan's own record sets.
pub(in crate::report) fn parse(line: &[u8], epoch: Option<Epoch>) -> Result<Record, String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let Kind { kind } = json(line)?;
    let begun = || epoch.ok_or("the scan has not begun".to_owned());
    match &*kind {
        "scan" => json::<Scan>(line)?.record().map(|scan| Record::Scan(Box::new(scan))),
        "port" => json::<Port>(line)?.record(begun()?).map(Record::Port),
        "host" => {
            begun()?;
            let host: Host = json(line)?;
            let open = host.open;
            host.record().map(|host| Record::Host(Box::new(host), open))
        }
        "rate" => json::<Rate>(line)?.record(begun()?).map(Record::Rate),
        "summary" => {
            begun()?;
            json::<Totals>(line)?.record().map(|summary| Record::Summary(Box::new(summary)))
        }
        "packed" => {
            begun()?;
            packed::rows(line).map(Record::Packed)
        }
        "journal" | "stage" | "answered" | "pass" | "knowledge" | "progress" => Ok(Record::Beside),
        kind => Err(format!("there is no record of type '{kind}'")),
    }
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// What the parser says, without its own count of lines: it sees one.
fn json<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        text.split(" at line ").next().unwrap_or_default().to_owned()
    })
}

#[derive(Deserialize)]
struct Scan {
    schema_version: u32,
    version: String,
    arguments: Vec<String>,
    seed: String,
    started: f64,
    mode: String,
    addresses: u64,
    targets: u64,
    address_list: Option<String>,
    port_list: String,
    egresses: Vec<Egress>,
    note: Option<String>,
    shard: Option<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    number: u32,
    count: u32,
    addresses: u64,
    ports: u32,
    scan: Whole,
}

#[derive(Deserialize)]
struct Whole {
    targets: String,
    ports: String,
    options: String,
}

impl Shard {
    fn part(self) -> Result<Part, String> {
        let Self { number, count, addresses, ports, scan: Whole { targets, ports: of_ports, options } } = self;
        let shard = target::Shard::new(number, count).ok_or_else(|| format!("of {count} shards there is none of number {number}"))?;
        Ok(Part { shard, addresses, ports, whole: Identity { targets, ports: of_ports, options } })
    }
}

#[derive(Deserialize)]
struct Egress {
    interface: String,
    source: Option<IpAddr>,
    gateway: Option<IpAddr>,
    link: String,
    addresses: u64,
}

impl Scan {
    fn record(self) -> Result<ScanRecord, String> {
        if self.schema_version != SCHEMA_VERSION {
            return Err(format!("it is of schema version {}, and this program reads version {SCHEMA_VERSION}", self.schema_version));
        }
        let egress = |Egress { interface, source, gateway, link, addresses }: Egress| EgressRecord {
            interface,
            source,
            gateway,
            link: link.into(),
            addresses,
        };
        Ok(ScanRecord {
            version: self.version.into(),
            arguments: self.arguments,
            seed: self.seed.parse().map_err(|_| "its seed is no number".to_owned())?,
            started: UNIX_EPOCH.checked_add(seconds(self.started)?).ok_or("its time is beyond all dates")?,
            addresses: self.addresses,
            asked: self.address_list.as_deref().map(words::addresses).transpose()?,
            ports: words::ports(&self.port_list)?,
            targets: self.targets,
            mode: words::mode(&self.mode)?,
            egresses: self.egresses.into_iter().map(egress).collect(),
            note: self.note,
            part: self.shard.map(Shard::part).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the format's")]
struct Port<'a> {
    addr: IpAddr,
    port: u16,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    reason_addr: Option<IpAddr>,
    ttl: Option<u8>,
    rtt_us: Option<u64>,
    attempt: u8,
    time: f64,
    #[serde(borrow)]
    suspect: Option<Cow<'a, str>>,
}

impl Port<'_> {
    fn record(&self, epoch: Epoch) -> Result<Finding, String> {
        let (state, reason) = (words::state(&self.state)?, words::reason(&self.reason)?);
        Ok(Finding {
            target: Target { addr: self.addr, port: self.port },
            outcome: Outcome { state, reason, reason_addr: self.reason_addr },
            ttl: self.ttl,
            // The only window that is recorded.
            window: self.suspect.is_some().then_some(0),
            rtt: self.rtt_us.map(Duration::from_micros),
            attempt: self.attempt,
            time: moment(self.time, epoch)?,
        })
    }
}

#[derive(Deserialize)]
struct Host {
    addr: IpAddr,
    state: String,
    reason: String,
    mac: Option<String>,
    names: Vec<String>,
    rtt_us: Option<u64>,
    open: u64,
    unanswered: u64,
    not_probed: u64,
    #[serde(default)]
    closed_reasons: BTreeMap<String, u64>,
    #[serde(default)]
    filtered_reasons: BTreeMap<String, u64>,
    suspect: Option<Suspect>,
}

#[derive(Deserialize)]
struct Suspect {
    reason: String,
    detail: String,
}

impl Host {
    fn record(self) -> Result<HostRecord, String> {
        let counts = |words: BTreeMap<String, u64>| -> Result<BTreeMap<Reason, u64>, String> {
            words.into_iter().map(|(word, count)| Ok((words::reason(&word)?, count))).collect()
        };
        Ok(HostRecord {
            addr: self.addr,
            state: words::host_state(&self.state)?,
            reason: words::reason(&self.reason)?,
            mac: self.mac.map(|mac| words::mac(&mac)).transpose()?,
            names: self.names,
            rtt: self.rtt_us.map(Duration::from_micros),
            ports: Vec::new(),
            closed: counts(self.closed_reasons)?,
            filtered: counts(self.filtered_reasons)?,
            unanswered: self.unanswered,
            not_probed: self.not_probed,
            suspect: self.suspect.map(|suspect| words::suspicion(&suspect.reason, &suspect.detail)).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the format's")]
struct Rate {
    time: f64,
    pass: u8,
    before: u64,
    rate: u64,
    loss: f64,
    limit: String,
}

impl Rate {
    fn record(self, epoch: Epoch) -> Result<RateChange, String> {
        let Self { time, pass, before, rate, loss, limit } = self;
        Ok(RateChange { time: moment(time, epoch)?, pass, before, rate, loss, limit: words::limit(&limit)? })
    }
}

#[derive(Deserialize)]
struct Totals {
    elapsed: f64,
    addresses: u64,
    hosts_up: u64,
    hosts_down: u64,
    hosts_filtered: u64,
    hosts_not_probed: u64,
    hosts_suspect: u64,
    hosts_hidden: u64,
    targets: u64,
    probes: u64,
    canaries: u64,
    arp_requests: u64,
    answered: u64,
    open: u64,
    closed: u64,
    filtered: u64,
    unanswered: u64,
    not_probed: u64,
    invalid: u64,
    malformed: u64,
    duplicates: u64,
    receiver_drops: u64,
    send_errors: u64,
    resets_lost: u64,
    send_retries: u64,
    unroutable: u64,
    unresolved: u64,
    write_errors: u64,
    interrupted: bool,
    out_of_time: bool,
    path_proven: bool,
    completeness: Option<Estimate>,
    pace: Option<Course>,
    incomplete: Vec<String>,
}

#[derive(Deserialize)]
struct Estimate {
    target: Option<f64>,
    found: u64,
    estimated_missed: f64,
    upper95: u64,
    reason: Option<String>,
    open: Share,
}

#[derive(Deserialize)]
struct Share {
    found: u64,
    estimated_missed: f64,
}

#[derive(Deserialize)]
struct Course {
    highest: u64,
    limit: String,
    loss: f64,
    passes: Option<u8>,
}

impl Totals {
    fn record(self) -> Result<Summary, String> {
        let passes = self.pace.as_ref().and_then(|pace| pace.passes).unwrap_or(1);
        let pace = |course: Course| -> Result<Pace, String> {
            Ok(Pace { highest: course.highest, limit: words::limit(&course.limit)?, loss: course.loss })
        };
        Ok(Summary {
            elapsed: seconds(self.elapsed)?,
            addresses: self.addresses,
            hosts_up: self.hosts_up,
            hosts_down: self.hosts_down,
            hosts_filtered: self.hosts_filtered,
            hosts_not_probed: self.hosts_not_probed,
            hosts_suspect: self.hosts_suspect,
            hosts_hidden: self.hosts_hidden,
            targets: self.targets,
            probes: self.probes,
            canaries: self.canaries,
            arp_requests: self.arp_requests,
            answered: self.answered,
            open: self.open,
            closed: self.closed,
            filtered: self.filtered,
            unanswered: self.unanswered,
            not_probed: self.not_probed,
            invalid: self.invalid,
            malformed: self.malformed,
            duplicates: self.duplicates,
            receiver_drops: self.receiver_drops,
            send_errors: self.send_errors,
            resets_lost: self.resets_lost,
            send_retries: self.send_retries,
            unroutable: self.unroutable,
            unresolved: self.unresolved,
            write_errors: self.write_errors,
            interrupted: self.interrupted,
            out_of_time: self.out_of_time,
            path_proven: self.path_proven,
            completeness: self.completeness.map(|estimate| estimate.record(passes)).transpose()?,
            pace: self.pace.map(pace).transpose()?,
            incomplete: self.incomplete,
        })
    }
}

impl Estimate {
    fn record(self, passes: u8) -> Result<Completeness, String> {
        Ok(Completeness {
            found: self.found,
            open: self.open.found,
            missed: self.estimated_missed,
            open_missed: self.open.estimated_missed,
            upper95: self.upper95,
            goal: self.target,
            shortfall: self.reason.map(|word| words::shortfall(&word)).transpose()?,
            passes,
        })
    }
}

/// Seconds to the microsecond, as they were written.
fn seconds(number: f64) -> Result<Duration, String> {
    // Year 10000: no scan began later.
    if (0.0..253_402_300_800.0).contains(&number) {
        Ok(Duration::from_micros((number * 1e6).round() as u64))
    } else {
        Err(format!("{number} is no time"))
    }
}

fn moment(number: f64, epoch: Epoch) -> Result<Time, String> {
    let since = seconds(number)?.checked_sub(epoch.at(Time::ZERO)).ok_or("it is from before the scan began")?;
    Ok(Time::ZERO + since)
}
