//! The records of the JSON format of which there are few: what `scan` knows, under the names that are kept for good.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::report::Epoch;
use crate::report::precision::rounded;
use crate::scan::{Completeness, EgressRecord, Identity, Pace, Part, RateChange, ScanRecord, Shortfall, Summary};
use crate::time::Time;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Record<'a> {
    Scan(Scan<'a>),
    Rate(Rate),
    Summary(Box<Totals<'a>>),
}

#[derive(Serialize)]
pub(super) struct Scan<'a> {
    schema_version: u32,
    version: &'a str,
    arguments: &'a [String],
    /// Text, because a JSON reader may keep numbers as doubles.
    seed: String,
    started: f64,
    mode: &'static str,
    addresses: u64,
    ports: u32,
    targets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address_list: Option<String>,
    port_list: String,
    egresses: Vec<Egress<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard<'a>>,
}

/// Which part of a scan it is, and of which.
#[derive(Serialize)]
struct Shard<'a> {
    number: u32,
    count: u32,
    addresses: u64,
    ports: u32,
    scan: Whole<'a>,
}

#[derive(Serialize)]
struct Whole<'a> {
    targets: &'a str,
    ports: &'a str,
    options: &'a str,
}

#[derive(Serialize)]
struct Egress<'a> {
    interface: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    link: &'a str,
    addresses: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the format's")]
pub(super) struct Rate {
    time: f64,
    pass: u8,
    before: u64,
    rate: u64,
    loss: f64,
    limit: &'static str,
}

#[derive(Serialize)]
struct Estimate {
    target: Option<f64>,
    met: Option<bool>,
    found: u64,
    estimated_missed: f64,
    upper95: u64,
    reason: Option<&'static str>,
    assumption: &'static str,
    open: Share,
}

#[derive(Serialize)]
struct Share {
    found: u64,
    estimated_missed: f64,
}

#[derive(Serialize)]
struct Course {
    highest: u64,
    limit: &'static str,
    loss: f64,
    probes_per_target: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    passes: Option<u8>,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the record")]
pub(super) struct Totals<'a> {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<Course>,
    complete: bool,
    incomplete: &'a [String],
}

pub(super) fn scan(scan: &ScanRecord) -> Record<'_> {
    Record::Scan(Scan {
        schema_version: super::SCHEMA_VERSION,
        version: &scan.version,
        arguments: &scan.arguments,
        seed: scan.seed.to_string(),
        started: seconds(Epoch::of(scan).at(Time::ZERO)),
        mode: scan.mode.as_str(),
        addresses: scan.addresses,
        ports: scan.ports.len(),
        targets: scan.targets,
        address_list: scan.asked.as_ref().map(ToString::to_string),
        port_list: scan.ports.to_string(),
        egresses: scan.egresses.iter().map(egress).collect(),
        shard: scan.part.as_ref().map(shard),
    })
}

fn shard(part: &Part) -> Shard<'_> {
    let Identity { targets, ports, options } = &part.whole;
    Shard {
        number: part.shard.number(),
        count: part.shard.count(),
        addresses: part.addresses,
        ports: part.ports,
        scan: Whole { targets, ports, options },
    }
}

fn egress(egress: &EgressRecord) -> Egress<'_> {
    let EgressRecord { interface, source, gateway, link, addresses } = egress;
    Egress { interface, source: *source, gateway: *gateway, link, addresses: *addresses }
}

pub(super) fn summary(summary: &Summary) -> Record<'_> {
    Record::Summary(Box::new(Totals {
        elapsed: seconds(summary.elapsed),
        addresses: summary.addresses,
        hosts_up: summary.hosts_up,
        hosts_down: summary.hosts_down,
        hosts_filtered: summary.hosts_filtered,
        hosts_not_probed: summary.hosts_not_probed,
        hosts_suspect: summary.hosts_suspect,
        hosts_hidden: summary.hosts_hidden,
        targets: summary.targets,
        probes: summary.probes,
        canaries: summary.canaries,
        arp_requests: summary.arp_requests,
        answered: summary.answered,
        open: summary.open,
        closed: summary.closed,
        filtered: summary.filtered,
        unanswered: summary.unanswered,
        not_probed: summary.not_probed,
        invalid: summary.invalid,
        malformed: summary.malformed,
        duplicates: summary.duplicates,
        receiver_drops: summary.receiver_drops,
        send_errors: summary.send_errors,
        resets_lost: summary.resets_lost,
        send_retries: summary.send_retries,
        unroutable: summary.unroutable,
        unresolved: summary.unresolved,
        write_errors: summary.write_errors,
        interrupted: summary.interrupted,
        out_of_time: summary.out_of_time,
        path_proven: summary.path_proven,
        completeness: summary.completeness.as_ref().map(estimate),
        pace: summary.pace.as_ref().map(|pace| course(pace, summary)),
        complete: summary.is_complete(),
        incomplete: &summary.incomplete,
    }))
}

fn estimate(completeness: &Completeness) -> Estimate {
    let Completeness { found, open, missed, upper95, goal, shortfall, .. } = *completeness;
    Estimate {
        target: goal,
        met: goal.map(|_| shortfall.is_none()),
        found,
        estimated_missed: rounded(missed),
        upper95,
        reason: shortfall.map(Shortfall::as_str),
        assumption: Completeness::ASSUMPTION,
        open: Share { found: open, estimated_missed: rounded(completeness.open_missed) },
    }
}

fn course(pace: &Pace, summary: &Summary) -> Course {
    Course {
        highest: pace.highest,
        limit: pace.limit.as_str(),
        loss: rounded(pace.loss),
        probes_per_target: rounded(summary.probes_per_target()),
        passes: summary.completeness.map(|completeness| completeness.passes),
    }
}

pub(super) fn rate(change: &RateChange, epoch: Epoch) -> Record<'static> {
    let RateChange { time, pass, before, rate, loss, limit } = *change;
    Record::Rate(Rate { time: seconds(epoch.at(time)), pass, before, rate, loss: rounded(loss), limit: limit.as_str() })
}

/// Seconds to the microsecond: a double holds no more of today's dates.
fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}
