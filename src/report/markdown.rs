//! Tables for a report, in Markdown (GitHub's: CommonMark with tables).

use std::fmt::Write as _;
use std::io::{self, Write};

use super::calendar::Rfc3339;
use super::escape::Word;
use super::gathered::Gathered;
use super::rest::rest_of;
use super::{Epoch, Escaped, Report};
use crate::counted::counted;
use crate::scan::{Finding, HostRecord, ScanRecord, State, Summary};
use crate::target::services;
use crate::time::Time;

/// Writes a report in Markdown: what was asked, a table of hosts and their ports, and the result with what may be missing. Text from
/// elsewhere stands between backticks, without a character that Markdown or HTML would obey.
pub struct Markdown {
    out: Gathered,
}

impl Markdown {
    /// A report written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Gathered::new(out) }
    }
}

impl Report for Markdown {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        let mut text = format!("# Scan of {}\n\n", counted(scan.addresses, "address"));
        _ = writeln!(text, "- Begun: {}", Rfc3339(Epoch::of(scan).at(Time::ZERO)));
        _ = writeln!(text, "- Command: {}", code(&scan.arguments.join(" ")));
        _ = writeln!(text, "- By: synprobe {} ({})", scan.version, scan.mode.as_str());
        if let Some(note) = &scan.note {
            _ = writeln!(text, "- Note: {}", code(note));
        }
        text.push_str("\n## Hosts and ports\n\n| Host | Name | Port | State | Service | Reason |\n|---|---|---|---|---|---|\n");
        self.out.write_all(text.as_bytes())
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        let name = host.names.first().map(|name| format!("`{}`", Word(name))).unwrap_or_default();
        let mut text = String::new();
        for port in &host.ports {
            let service = services::name(port.target.port).unwrap_or_default();
            let outcome = port.outcome;
            let from = outcome.reason_addr.map(|addr| format!(" from {addr}")).unwrap_or_default();
            let state = if outcome.state == State::Open { "**open**" } else { outcome.state.as_str() };
            _ = writeln!(text, "| {} | {name} | {}/tcp | {state} | {service} | {}{from} |", host.addr, port.target.port, outcome.reason);
        }
        for state in [State::Closed, State::Filtered] {
            for (reason, count) in rest_of(host, state) {
                _ = writeln!(text, "| {} | {name} | {} | {state} | | {reason} |", host.addr, counted(count, "port"));
            }
        }
        if host.not_probed > 0 || text.is_empty() {
            let ports = if host.not_probed > 0 { counted(host.not_probed, "port") } else { String::new() };
            let what = if host.not_probed > 0 { "not probed" } else { "" };
            _ = writeln!(text, "| {} | {name} | {ports} | {what} | | host {}: {} |", host.addr, host.state.as_str(), host.reason);
        }
        if let Some(suspicion) = host.suspect {
            _ = writeln!(text, "| {} | {name} | | **suspect** | | {suspicion} |", host.addr);
        }
        self.out.write_all(text.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let mut text = String::from("\n## Result\n\n");
        for line in super::text::ending(summary).lines() {
            // What text says is escaped already; Markdown's own characters are not.
            _ = writeln!(text, "- {}", plain(line));
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// A text between backticks, in a line or a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", Escaped(text).to_string().replace('`', "\\u{60}").replace('|', "\\u{7c}"))
}

/// A line whose characters mean themselves (CommonMark section 2.4).
fn plain(line: &str) -> String {
    line.chars().flat_map(|c| "\\`*_[]<>|#!&".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn reads_as_a_report() {
        insta::assert_snapshot!(sample::written(|out| Box::new(Markdown::new(out))), @r#"
        # Scan of 4 addresses

        - Begun: 2026-01-01T12:00:00.000Z
        - Command: `synprobe 10.0.0.0/30 -p 22-23`
        - By: synprobe VERSION (syn)
        - Note: `ticket 7`

        ## Hosts and ports

        | Host | Name | Port | State | Service | Reason |
        |---|---|---|---|---|---|
        | 10.0.0.1 | `gw.example` | 22/tcp | **open** | ssh | syn-ack |
        | 10.0.0.1 | `gw.example` | 80/tcp | closed | http | reset |
        | 10.0.0.1 | `gw.example` | 443/tcp | filtered | https | admin-prohibited from 10.0.0.254 |
        | 10.0.0.1 | `gw.example` | 1003/tcp | filtered |  | no-response |
        | 10.0.0.1 | `gw.example` | 997 ports | closed | | reset |
        | 10.0.0.1 | `gw.example` | 3 ports | filtered | | no-response |
        | 10.0.0.1 | `gw.example` | 1 port | filtered | | admin-prohibited |
        | 10.0.0.2 | `a\u{1b}\u{5b}2J\u{202e}b\u{29}\u{9}x` | 1004 ports | closed | | reset |
        | 10.0.0.2 | `a\u{1b}\u{5b}2J\u{202e}b\u{29}\u{9}x` | | **suspect** | | 5 random high ports are open too, every one asked |
        | 10.0.0.3 |  | 1004 ports | not probed | | host down: no-arp-response |

        ## Result

        - incomplete: 2 replies were dropped by the receiver
        - completeness: 2003 targets answered (1 open); estimated missed: 3.2 (0.0 open), with 95 % confidence at most 7: 99.9 % is not met, for this machine lost replies
        - rate: up to 1990/s, limited by the path; 0.67 probes a target in 3 passes; the path loses 2.1 %
        - assumed: silent targets see the loss that answering ones see
        - 2 of 4 hosts up (1 suspect), 1 down, 1 silent; 1 open port, 2002 closed, 2 filtered, 4 unanswered, 1004 not probed; 2020 probes in 2.41 s (838/s); losses: 2 replies dropped by the receiver, 1 probe not sent
        "#);
    }

    #[test]
    fn every_row_has_the_columns_of_the_table() {
        let text = sample::written(|out| Box::new(Markdown::new(out)));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.len() > 6 && rows.iter().all(|row| row.matches('|').count() == 7), "{rows:#?}");
    }

    #[test]
    fn what_markdown_obeys_stands_for_itself() {
        assert_eq!(code("a`|b"), "`a\\u{60}\\u{7c}b`");
        assert_eq!(plain("not written to <b>*x*</b>"), "not written to \\<b\\>\\*x\\*\\</b\\>");
    }
}
