//! A comparison for people: a block for each host, a sign before each line.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::difference::{HostDiff, PortDiff, Totals};
use super::known::{Known, Verdict};
use super::report::DiffReport;
use super::scan::Scan;
use super::words;
use crate::report::{Escaped, Message, Style};
use crate::target::services;

/// Writes a comparison as text. Names from records are escaped.
pub(super) struct Text {
    out: Box<dyn Write + Send>,
    style: Style,
}

impl Text {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out, style }
    }

    /// The sign of a verdict, in its colour.
    fn sign(&self, verdict: Verdict) -> String {
        self.style.change(verdict, &words::sign(verdict).to_string())
    }

    fn port(&self, port: &PortDiff<'_>) -> String {
        let said = |(known, reason): (Known, Option<&str>)| Message(&words::port(known, reason)).to_string();
        let name = format!("{}/tcp", port.port);
        let service = services::name(port.port).unwrap_or_default();
        let cause = port.cause().map(|cause| format!(": {}", words::cause(cause))).unwrap_or_default();
        format!("  {} {name:<9}  {service:<12}  {} -> {}{cause}\n", self.sign(port.verdict), said(port.old), said(port.new))
    }
}

impl DiffReport for Text {
    fn begin(&mut self, old: &Scan, new: &Scan) -> io::Result<()> {
        let mut text = String::new();
        for (side, scan) in [("old", old), ("new", new)] {
            _ = writeln!(text, "{side}: {}", Message(&words::scan(scan)));
            for reservation in &scan.reservations {
                _ = writeln!(text, "     incomplete: {}", Message(reservation));
            }
        }
        for line in words::scope(old, new) {
            _ = writeln!(text, "{line}");
        }
        self.out.write_all(text.as_bytes())
    }

    fn host(&mut self, host: &HostDiff<'_>) -> io::Result<()> {
        let whole = host.whole();
        let mut text = format!("{} {}", self.sign(whole), self.style.strong(&host.addr.to_string()));
        if let Some(name) = host.name {
            _ = write!(text, "  {}", Escaped(name));
        }
        if host.old.as_str() == host.new.as_str() {
            _ = write!(text, "  {}", words::host(host.new));
        } else {
            _ = write!(text, "  {} -> {}", words::host(host.old), words::host(host.new));
        }
        if let Some(cause) = host.cause() {
            _ = write!(text, ": {}", words::cause(cause));
        }
        text.push('\n');
        host.ports.iter().for_each(|port| text.push_str(&self.port(port)));
        if let Some(rest) = &host.rest {
            let [old, new] = words::rest(rest);
            _ = writeln!(text, "  {} {}  {old} -> {new}", self.sign(rest.verdict), words::rest_name(rest));
        }
        self.out.write_all(text.as_bytes())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let mut text = String::new();
        for line in words::unjudged(totals) {
            _ = writeln!(text, "{line}");
        }
        _ = writeln!(text, "{}", words::result(totals));
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
