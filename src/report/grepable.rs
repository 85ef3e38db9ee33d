//! nmap's grepable lines: one or two per host, fields between tabs.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::calendar::Asctime;
use super::escape::Word;
use super::gathered::Gathered;
use super::rest::rest_of;
use super::{Epoch, Escaped, Report, hidden};
use crate::counted::counted;
use crate::scan::{Finding, HostRecord, HostState, ScanRecord, State, Summary};
use crate::target::services;
use crate::time::Time;

/// Writes nmap's grepable lines. They hold one ignored state, the most frequent; the other formats hold all counts.
pub struct Grepable {
    out: Gathered,
    epoch: Epoch,
}

impl Grepable {
    /// Grepable lines written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Gathered::new(out), epoch: Epoch::default() }
    }
}

impl Report for Grepable {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        let (version, date) = (&scan.version, Asctime(self.epoch.at(Time::ZERO)));
        let arguments = scan.arguments.join(" ");
        let mut lines = format!("# synprobe {version} scan initiated {date} as: {}\n", Escaped(&arguments));
        if let Some(note) = &scan.note {
            _ = writeln!(lines, "# note: {}", Escaped(note));
        }
        _ = writeln!(lines, "# Ports scanned: TCP({};{}) UDP(0;) SCTP(0;) PROTOCOLS(0;)", scan.ports.len(), scan.ports);
        self.out.write_all(lines.as_bytes())
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        let name = host.names.first().map_or("", String::as_str);
        let head = format!("Host: {} ({})", host.addr, Word(name));
        let status = match host.state {
            HostState::Up => "Up",
            // nmap's word where it lists hosts without asking them.
            HostState::NotProbed => "Unknown",
            HostState::Down | HostState::Filtered | HostState::NoReply => "Down",
        };
        let mut lines = format!("{head}\tStatus: {status}\n");
        let fields = [ports(host), ignored(host)].into_iter().flatten().collect::<Vec<_>>();
        if host.state != HostState::Down && !fields.is_empty() {
            _ = writeln!(lines, "{head}\t{}", fields.join("\t"));
        }
        if let Some(suspicion) = host.suspect {
            _ = writeln!(lines, "# suspect {}: {suspicion}", host.addr);
        }
        self.out.write_all(lines.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let date = Asctime(self.epoch.at(Time::ZERO) + summary.elapsed);
        let mut lines = String::new();
        for reason in &summary.incomplete {
            _ = writeln!(lines, "# incomplete: {}", Escaped(reason));
        }
        lines.extend(hidden(summary));
        let (addresses, up) = (counted(summary.addresses, "IP address"), counted(summary.hosts_up, "host"));
        let seconds = summary.elapsed.as_secs_f64();
        let state = if summary.interrupted { "interrupted" } else { "done" };
        _ = writeln!(lines, "# synprobe {state} at {date} -- {addresses} ({up} up) scanned in {seconds:.2} seconds");
        self.out.write_all(lines.as_bytes())?;
        self.out.flush()
    }
}

fn ports(host: &HostRecord) -> Option<String> {
    let port = |finding: &Finding| {
        let port = finding.target.port;
        format!("{port}/{}/tcp//{}///", finding.outcome.state, services::name(port).unwrap_or_default())
    };
    let ports: Vec<String> = host.ports.iter().map(port).collect();
    (!ports.is_empty()).then(|| format!("Ports: {}", ports.join(", ")))
}

fn ignored(host: &HostRecord) -> Option<String> {
    let count = |state| rest_of(host, state).iter().map(|(_, count)| count).sum::<u64>();
    let states = [State::Closed, State::Filtered].map(|state| (count(state), state));
    let (count, state) = states.into_iter().max_by_key(|(count, _)| *count)?;
    (count > 0).then(|| format!("Ignored State: {state} ({count})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn reads_as_nmaps_grepable_lines() {
        insta::assert_snapshot!(sample::written(|out| Box::new(Grepable::new(out))), @r#"
        # synprobe VERSION scan initiated Thu Jan  1 12:00:00 2026 as: synprobe 10.0.0.0/30 -p 22-23
        # note: ticket 7
        # Ports scanned: TCP(1004;1-1004) UDP(0;) SCTP(0;) PROTOCOLS(0;)
        Host: 10.0.0.1 (gw.example)	Status: Up
        Host: 10.0.0.1 (gw.example)	Ports: 22/open/tcp//ssh///, 80/closed/tcp//http///, 443/filtered/tcp//https///, 1003/filtered/tcp/////	Ignored State: closed (997)
        Host: 10.0.0.2 (a\u{1b}\u{5b}2J\u{202e}b\u{29}\u{9}x)	Status: Up
        Host: 10.0.0.2 (a\u{1b}\u{5b}2J\u{202e}b\u{29}\u{9}x)	Ignored State: closed (1004)
        # suspect 10.0.0.2: 5 random high ports are open too, every one asked
        Host: 10.0.0.3 ()	Status: Down
        # incomplete: 2 replies were dropped by the receiver
        # synprobe done at Thu Jan  1 12:00:02 2026 -- 4 IP addresses (2 hosts up) scanned in 2.41 seconds
        "#);
    }
}
