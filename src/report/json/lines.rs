//! What each record says as a line, appended to a buffer that is used again.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::line;
use super::object::Object;
use super::record::{self, Record};
use crate::report::Epoch;
use crate::scan::{Finding, HostRecord, RateChange, Reason, ScanRecord, State, Summary, Suspicion};
use crate::target::services;

/// Writes lines of the JSON format into memory. What they all need is learned from the scan's own.
#[derive(Debug, Default)]
pub(in crate::report) struct Lines {
    epoch: Epoch,
    note: Option<String>,
}

impl Lines {
    /// The scan begins.
    pub(in crate::report) fn scan(&mut self, line: &mut Vec<u8>, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        self.note.clone_from(&scan.note);
        self.record(line, &record::scan(scan))
    }

    /// A port, as far as it is known.
    pub(in crate::report) fn port(&self, line: &mut Vec<u8>, finding: &Finding) {
        let Finding { target, outcome, ttl, rtt, attempt, time, .. } = finding;
        let mut port = Object::begin(line, "port");
        port.address("addr", target.addr);
        port.number("port", target.port.into());
        port.word("proto", "tcp");
        port.word("state", outcome.state.as_str());
        port.word("reason", outcome.reason.as_str());
        if let Some(addr) = outcome.reason_addr {
            port.address("reason_addr", addr);
        }
        if let Some(service) = services::name(target.port) {
            port.word("service", service);
        }
        if let Some(ttl) = ttl {
            port.number("ttl", (*ttl).into());
        }
        if let Some(rtt) = rtt {
            port.number("rtt_us", micros(*rtt));
        }
        port.number("attempt", (*attempt).into());
        port.seconds("time", self.epoch.at(*time));
        if finding.is_zero_window() {
            port.word("suspect", Suspicion::ZeroWindow(1).as_str());
        }
        port.end(self.note.as_deref());
    }

    /// A settled host, its ports counted.
    pub(in crate::report) fn host(&self, line: &mut Vec<u8>, host: &HostRecord) {
        let open = host.ports.iter().filter(|finding| finding.outcome.state == State::Open).count();
        self.host_of(line, host, open as u64);
    }

    /// A settled host of whose ports so many are open, wherever they are.
    pub(in crate::report) fn host_of(&self, line: &mut Vec<u8>, host: &HostRecord, open: u64) {
        let HostRecord { addr, state, reason, mac, names, rtt, closed, filtered, unanswered, not_probed, suspect, .. } = host;
        let mut record = Object::begin(line, "host");
        record.address("addr", *addr);
        record.word("state", state.as_str());
        record.word("reason", reason.as_str());
        if let Some(mac) = mac {
            record.word("mac", &mac.to_string());
        }
        record.texts("names", names);
        if let Some(rtt) = rtt {
            record.number("rtt_us", micros(*rtt));
        }
        record.number("open", open);
        record.number("closed", closed.values().sum());
        record.number("filtered", filtered.values().sum());
        record.number("unanswered", *unanswered);
        record.number("not_probed", *not_probed);
        for (key, counts) in [("closed_reasons", closed), ("filtered_reasons", filtered)] {
            if !counts.is_empty() {
                record.within(key, |reasons| by_word(counts).into_iter().for_each(|(word, count)| reasons.number(word, count)));
            }
        }
        if let Some(suspicion) = suspect {
            record.within("suspect", |suspect| {
                suspect.word("reason", suspicion.as_str());
                suspect.words("detail", suspicion);
            });
        }
        record.end(self.note.as_deref());
    }

    /// The rate changed.
    pub(in crate::report) fn rate(&self, line: &mut Vec<u8>, change: &RateChange) -> io::Result<()> {
        self.record(line, &record::rate(change, self.epoch))
    }

    /// The scan ended.
    pub(in crate::report) fn summary(&self, line: &mut Vec<u8>, summary: &Summary) -> io::Result<()> {
        self.record(line, &record::summary(summary))
    }

    fn record(&self, line: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
        line::append(line, record, self.note.as_deref())
    }
}

/// Reasons by the alphabet, as readers find them.
fn by_word(counts: &BTreeMap<Reason, u64>) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(reason, count)| (reason.as_str(), *count)).collect()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
