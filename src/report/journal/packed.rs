//! Findings and hosts, many in one line: what a journal holds of a flood. A line of JSON each would cost more to write, and more to
//! digest, than the scan that found them.

use std::borrow::Cow;

use serde::Deserialize;

use super::bits;
use crate::report::Lines;
use crate::scan::{Finding, HostRecord, Packed, State};

/// A finding or a host, as a line of its own tells it.
#[derive(Debug, PartialEq)]
pub(in crate::report) enum Row {
    Port(Finding),
    /// Without its ports, of which so many are open.
    Host(Box<HostRecord>, u64),
}

impl Row {
    /// Takes one off the front of `bytes`.
    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        match *kind {
            PORT => Finding::unpack(bytes).map(Self::Port),
            HOST => {
                let open = u64::unpack(bytes)?;
                Some(Self::Host(Box::new(HostRecord::unpack(bytes)?), open))
            }
            _ => None,
        }
    }
}

/// The only window that is recorded is none at all.
fn port(bytes: &mut Vec<u8>, finding: &Finding) {
    bytes.push(PORT);
    Finding { window: finding.window.filter(|window| *window == 0), ..*finding }.pack(bytes);
}

const PORT: u8 = 0;
const HOST: u8 = 1;

/// Rows that wait to become lines.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    count: u64,
}

impl Rows {
    pub(super) fn port(&mut self, finding: &Finding) {
        port(&mut self.bytes, finding);
        self.count += 1;
    }

    pub(super) fn host(&mut self, host: &HostRecord) {
        let open = host.ports.iter().filter(|finding| finding.outcome.state == State::Open).count() as u64;
        self.bytes.push(HOST);
        open.pack(&mut self.bytes);
        host.pack_without_ports(&mut self.bytes);
        self.count += 1;
    }

    /// Whether there are enough for a line.
    pub(super) fn are_enough(&self) -> bool {
        self.bytes.len() >= ENOUGH
    }

    /// Appends them: together if they are many, each as a line that anybody can read if they are few.
    pub(super) fn append(&mut self, text: &mut Vec<u8>, lines: &Lines) {
        if self.count >= MANY {
            // What is base64 needs no escape.
            text.extend(br#"{"type":"packed","rows":""#);
            bits::append_bytes(text, &self.bytes);
            text.extend(b"\"}\n");
        } else {
            let mut rest = &self.bytes[..];
            while let Some(row) = Row::unpack(&mut rest) {
                match row {
                    Row::Port(finding) => lines.port(text, &finding),
                    Row::Host(host, open) => lines.host_of(text, &host, open),
                }
            }
        }
        self.bytes.clear();
        self.count = 0;
    }
}

/// The rows of such a line.
pub(in crate::report) fn rows(line: &[u8]) -> Result<Vec<Row>, String> {
    let line: PackedLine<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let bytes = bits::to_bytes(&line.rows)?;
    let mut rest = &bytes[..];
    let mut rows = Vec::new();
    while !rest.is_empty() {
        rows.push(Row::unpack(&mut rest).ok_or("its rows are cut short")?);
    }
    Ok(rows)
}

#[derive(Deserialize)]
struct PackedLine<'a> {
    #[serde(borrow)]
    rows: Cow<'a, str>,
}

/// So many in a twentieth of a second are a flood.
const MANY: u64 = 512;
/// A longer line would be long to wait for.
const ENOUGH: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn many_are_one_line_and_few_are_lines() {
        let host = sample::hosts().remove(0);
        let mut lines = Lines::default();
        lines.scan(&mut Vec::new(), &sample::scan()).unwrap();
        let mut rows_waiting = Rows::default();
        let written = |times: u64, waiting: &mut Rows| {
            for _ in 0..times {
                host.ports.iter().for_each(|port| waiting.port(port));
                waiting.host(&host);
            }
            let mut text = Vec::new();
            waiting.append(&mut text, &lines);
            text
        };
        let few = String::from_utf8(written(1, &mut rows_waiting)).unwrap();
        assert_eq!((few.lines().count(), few.contains("packed")), (5, false), "{few}");
        assert!(few.contains(r#""open":1"#), "{few}");
        let many = written(MANY, &mut rows_waiting);
        let read = rows(&many).unwrap();
        assert_eq!((read.len() as u64, many.split_inclusive(|byte| *byte == b'\n').count()), (5 * MANY, 1));
        let Row::Port(port) = &read[0] else { panic!("{:?}", read[0]) };
        assert_eq!(*port, Finding { window: None, ..host.ports[0] });
        assert_eq!(read[4], Row::Host(Box::new(HostRecord { ports: Vec::new(), ..host.clone() }), 1));
    }

    #[test]
    fn rows_that_are_none_are_refused() {
        let line = |bytes: &[u8]| {
            let mut base64 = Vec::new();
            bits::append_bytes(&mut base64, bytes);
            format!(r#"{{"type":"packed","rows":"{}"}}"#, str::from_utf8(&base64).unwrap())
        };
        assert_eq!(rows(line(&[]).as_bytes()), Ok(Vec::new()));
        for bytes in [&[7][..], &[PORT], &[HOST, 1, 0], &[PORT, 0, 1, 4, 10, 0, 0, 1, 80]] {
            assert!(rows(line(bytes).as_bytes()).unwrap_err().contains("cut short"), "{bytes:?}");
        }
        assert!(rows(br#"{"type":"packed","rows":"-"}"#).unwrap_err().contains("base64"));
    }
}
