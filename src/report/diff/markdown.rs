//! A comparison as tables for a report, in Markdown (GitHub's: CommonMark with tables).

use std::fmt::Write as _;
use std::io::{self, Write};

use super::difference::{HostDiff, Totals};
use super::known::Verdict;
use super::report::DiffReport;
use super::scan::Scan;
use super::words;
use crate::report::escape::Word;
use crate::report::markdown::{code, plain};
use crate::target::services;

/// Writes a comparison as a report in Markdown. Text from records stands between backticks, without a character that Markdown would obey.
pub(super) struct Markdown {
    out: Box<dyn Write + Send>,
}

impl Markdown {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl DiffReport for Markdown {
    fn begin(&mut self, old: &Scan, new: &Scan) -> io::Result<()> {
        let mut text = "# Two scans compared\n\n".to_owned();
        for (side, scan) in [("Old", old), ("New", new)] {
            _ = writeln!(text, "- {side}: {}", code(&words::scan(scan)));
            for reservation in &scan.reservations {
                _ = writeln!(text, "  - incomplete: {}", code(reservation));
            }
        }
        for line in words::scope(old, new) {
            _ = writeln!(text, "- {}", plain(&line));
        }
        text.push_str("\n## Differences\n\n| Change | Host | Name | Port | Service | Old | New |\n|---|---|---|---|---|---|---|\n");
        self.out.write_all(text.as_bytes())
    }

    fn host(&mut self, host: &HostDiff<'_>) -> io::Result<()> {
        let addr = host.addr;
        let name = host.name.map(|name| format!("`{}`", Word(name))).unwrap_or_default();
        let mut text = String::new();
        if host.verdict != Verdict::Same {
            let (change, cause) = (change(host.verdict), because(host.cause().map(words::cause)));
            let [old, new] = [host.old, host.new].map(words::host);
            _ = writeln!(text, "| {change} | {addr} | {name} | | | {old} | {new}{cause} |");
        }
        for port in &host.ports {
            let (change, cause) = (change(port.verdict), because(port.cause().map(words::cause)));
            let [old, new] = [port.old, port.new].map(|(known, reason)| plain(&words::port(known, reason)));
            let service = services::name(port.port).unwrap_or_default();
            _ = writeln!(text, "| {change} | {addr} | {name} | {}/tcp | {service} | {old} | {new}{cause} |", port.port);
        }
        if let Some(rest) = &host.rest {
            let [old, new] = words::rest(rest);
            _ = writeln!(text, "| {} | {addr} | {name} | {} | | {old} | {new} |", change(rest.verdict), words::rest_name(rest));
        }
        self.out.write_all(text.as_bytes())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let mut text = "\n## Result\n\n".to_owned();
        for line in words::unjudged(totals).into_iter().chain([words::result(totals)]) {
            _ = writeln!(text, "- {}", plain(&line));
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn change(verdict: Verdict) -> String {
    if verdict.differs() { format!("**{}**", verdict.as_str()) } else { "not judged".to_owned() }
}

fn because(cause: Option<String>) -> String {
    cause.map(|cause| format!(" ({cause})")).unwrap_or_default()
}
