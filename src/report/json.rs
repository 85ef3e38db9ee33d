//! One JSON object per line, as `schema.json` beside this file describes.

pub(super) mod line;
mod lines;
mod object;
pub(super) mod read;
mod record;

use std::io::{self, Write};

pub(super) use lines::Lines;

use super::gathered::Gathered;
use super::{Report, is_answer};
use crate::scan::{Finding, HostRecord, RateChange, ScanRecord, Summary};

/// The JSON Schema (2020-12) that every line fulfils.
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// The `schema_version` of `scan` records. It grows when a field changes its meaning or goes; new fields may come without.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes one JSON object per line: a `scan`, then `port`, `host` and `rate` records as they are learned, a `summary` last.
///
/// Times are seconds since the Unix epoch with a fraction, round-trip times whole microseconds. What is not known is left out.
/// Characters that a terminal would obey stand as `\u` escapes.
pub struct Json {
    out: Gathered,
    lines: Lines,
}

impl Json {
    /// JSON lines written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Gathered::new(out), lines: Lines::default() }
    }

    fn port(&mut self, finding: &Finding) -> io::Result<()> {
        let lines = &self.lines;
        self.out.record(|line| lines.port(line, finding))
    }
}

/// The record of a summary, for formats that keep it whole.
pub(super) fn summary_line(summary: &Summary) -> io::Result<String> {
    let mut line = Vec::new();
    line::append(&mut line, &record::summary(summary), None)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

impl Report for Json {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        let mut line = Vec::new();
        self.lines.scan(&mut line, scan)?;
        self.out.write_all(&line)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if is_answer(finding) { self.port(finding) } else { Ok(()) }
    }

    fn rate(&mut self, change: &RateChange) -> io::Result<()> {
        let mut line = Vec::new();
        self.lines.rate(&mut line, change)?;
        self.out.write_all(&line)
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        host.ports.iter().filter(|finding| !is_answer(finding)).try_for_each(|finding| self.port(finding))?;
        let lines = &self.lines;
        self.out.record(|line| lines.host(line, host))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let mut line = Vec::new();
        self.lines.summary(&mut line, summary)?;
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample;

    fn lines() -> Vec<Value> {
        let text = sample::written(|out| Box::new(Json::new(out)));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn reads_as_one_object_per_line() {
        insta::assert_snapshot!(sample::written(|out| Box::new(Json::new(out))), @r#"
        {"type":"scan","schema_version":1,"version":"VERSION","arguments":["synprobe","10.0.0.0/30","-p","22-23"],"seed":"18446744073709551615","started":1767268800.0,"mode":"syn","addresses":4,"ports":1004,"targets":4016,"address_list":"10.0.0.0/30","port_list":"1-1004","egresses":[{"interface":"eth0","source":"10.0.0.9","link":"packet","addresses":4}],"note":"ticket 7"}
        {"type":"rate","time":1767268800.5,"pass":1,"before":1000,"rate":2000,"loss":0.0,"limit":"time","note":"ticket 7"}
        {"type":"port","addr":"10.0.0.1","port":22,"proto":"tcp","state":"open","reason":"syn-ack","service":"ssh","ttl":64,"rtt_us":412,"attempt":1,"time":1767268801.25,"note":"ticket 7"}
        {"type":"port","addr":"10.0.0.1","port":80,"proto":"tcp","state":"closed","reason":"reset","service":"http","ttl":64,"rtt_us":412,"attempt":1,"time":1767268801.25,"note":"ticket 7"}
        {"type":"port","addr":"10.0.0.1","port":443,"proto":"tcp","state":"filtered","reason":"admin-prohibited","reason_addr":"10.0.0.254","service":"https","ttl":64,"rtt_us":412,"attempt":1,"time":1767268801.25,"note":"ticket 7"}
        {"type":"port","addr":"10.0.0.1","port":1003,"proto":"tcp","state":"filtered","reason":"no-response","attempt":2,"time":1767268801.25,"note":"ticket 7"}
        {"type":"host","addr":"10.0.0.1","state":"up","reason":"arp-response","mac":"02:fc:00:00:00:01","names":["gw.example"],"rtt_us":412,"open":1,"closed":998,"filtered":2,"unanswered":4,"not_probed":0,"closed_reasons":{"reset":998},"filtered_reasons":{"admin-prohibited":2},"note":"ticket 7"}
        {"type":"host","addr":"10.0.0.2","state":"up","reason":"reset","names":["a\u001b[2J\u202eb)\tx"],"rtt_us":412,"open":0,"closed":1004,"filtered":0,"unanswered":0,"not_probed":0,"closed_reasons":{"reset":1004},"suspect":{"reason":"control-ports","detail":"5 random high ports are open too, every one asked"},"note":"ticket 7"}
        {"type":"host","addr":"10.0.0.3","state":"down","reason":"no-arp-response","names":[],"open":0,"closed":0,"filtered":0,"unanswered":0,"not_probed":1004,"note":"ticket 7"}
        {"type":"summary","elapsed":2.41,"addresses":4,"hosts_up":2,"hosts_down":1,"hosts_filtered":0,"hosts_not_probed":0,"hosts_suspect":1,"hosts_hidden":0,"targets":4016,"probes":2020,"canaries":9,"arp_requests":7,"answered":2004,"open":1,"closed":2002,"filtered":2,"unanswered":4,"not_probed":1004,"invalid":0,"malformed":0,"duplicates":0,"receiver_drops":2,"send_errors":1,"resets_lost":0,"send_retries":0,"unroutable":0,"unresolved":0,"write_errors":0,"interrupted":false,"out_of_time":false,"path_proven":true,"completeness":{"target":0.999,"met":false,"found":2003,"estimated_missed":3.25,"upper95":7,"reason":"receiver-drops","assumption":"silent targets see the loss that answering ones see","open":{"found":1,"estimated_missed":0.0016}},"pace":{"highest":1990,"limit":"path","loss":0.021,"probes_per_target":0.6707,"passes":3},"complete":false,"incomplete":["2 replies were dropped by the receiver"],"note":"ticket 7"}
        "#);
    }

    #[test]
    fn every_record_fulfils_the_schema() {
        let validator = jsonschema::validator_for(&serde_json::from_str(JSON_SCHEMA).unwrap()).unwrap();
        for record in lines() {
            let errors: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{record}: {errors:?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_not_a_record() {
        let validator = jsonschema::validator_for(&serde_json::from_str(JSON_SCHEMA).unwrap()).unwrap();
        for record in lines() {
            for field in ["type", "addr", "port", "state", "reason", "schema_version", "elapsed"] {
                let mut broken = record.clone();
                if broken.as_object_mut().unwrap().remove(field).is_some() && !(field == "port" && record["type"] == "host") {
                    assert!(!validator.is_valid(&broken), "valid without {field}: {broken}");
                }
            }
            let mut broken = record.clone();
            broken["surprise"] = Value::Bool(true);
            assert!(!validator.is_valid(&broken), "valid with a field the schema does not know: {broken}");
        }
    }

    #[test]
    fn a_port_with_a_window_of_zero_says_so() {
        let validator = jsonschema::validator_for(&serde_json::from_str(JSON_SCHEMA).unwrap()).unwrap();
        let suspect = |window| {
            let finding = Finding { window, ..sample::hosts()[0].ports[0] };
            let mut line = Vec::new();
            Lines::default().port(&mut line, &finding);
            let record: Value = serde_json::from_slice(&line).unwrap();
            assert!(validator.is_valid(&record), "{record}");
            record.get("suspect").cloned()
        };
        assert_eq!([Some(0), Some(1), None].map(suspect), [Some(Value::from("zero-window")), None, None]);
    }

    #[test]
    fn the_note_is_in_every_record() {
        assert!(lines().iter().all(|record| record["note"] == sample::NOTE));
    }
}
