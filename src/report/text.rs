//! What a person reads: a block per host, and a last line that says how it went.

mod account;
mod block;
mod ending;
mod style;

use std::io::{self, Write};

pub use style::{Colour, Live, Style};

use super::gathered::Gathered;
use super::{Escaped, Report};
use crate::scan::{Finding, HostRecord, ScanRecord, State, Summary};
use crate::target::{Target, services};

/// Writes text for people. Names from the network are escaped.
pub struct Text {
    out: Gathered,
    style: Style,
    /// The block of a host under way, used again.
    block: String,
}

impl Text {
    /// Text written to `out` in a style.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out: Gathered::new(out), style, block: String::new() }
    }
}

impl Report for Text {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        match &scan.note {
            Some(note) => self.out.write_all(format!("note: {}\n", Escaped(note)).as_bytes()),
            None => Ok(()),
        }
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let state = finding.outcome.state;
        if self.style.live == Live::No || state != State::Open {
            return Ok(());
        }
        let mut line = format!("{}  {}", endpoint(finding.target), self.style.state(state, state.as_str()));
        if let Some(service) = services::name(finding.target.port) {
            line.push_str("  ");
            line.push_str(service);
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        self.block.clear();
        block::append(&mut self.block, host, self.style);
        self.out.write_all(self.block.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.write_all(ending::of(summary).as_bytes())?;
        self.out.flush()
    }
}

/// The last lines of a scan, as other formats for people say them too.
pub(super) fn ending(summary: &Summary) -> String {
    ending::of(summary)
}

fn endpoint(target: Target) -> String {
    std::net::SocketAddr::new(target.addr, target.port).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::sample;

    fn text(style: Style) -> String {
        sample::written(|out| Box::new(Text::new(out, style)))
    }

    #[test]
    fn a_file_holds_blocks() {
        insta::assert_snapshot!(text(Style::default()), @r#"
        note: ticket 7
        10.0.0.1  gw.example  up  0.4 ms  02:fc:00:00:00:01
          22/tcp    open      ssh
          80/tcp    closed    http
          443/tcp   filtered  https
          1003/tcp  filtered
          997 closed (reset)
          4 filtered (3 no-response, 1 admin-prohibited)
        10.0.0.2  a\u{1b}[2J\u{202e}b)\u{9}x  up  0.4 ms
          suspect: 5 random high ports are open too, every one asked
          1004 closed (reset)
        10.0.0.3  down
          1004 not probed
        incomplete: 2 replies were dropped by the receiver
        completeness: 2003 targets answered (1 open); estimated missed: 3.2 (0.0 open), with 95 % confidence at most 7: 99.9 % is not met, for this machine lost replies
        rate: up to 1990/s, limited by the path; 0.67 probes a target in 3 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        2 of 4 hosts up (1 suspect), 1 down, 1 silent; 1 open port, 2002 closed, 2 filtered, 4 unanswered, 1004 not probed; 2020 probes in 2.41 s (838/s); losses: 2 replies dropped by the receiver, 1 probe not sent
        "#);
    }

    #[test]
    fn reasons_are_a_column() {
        insta::assert_snapshot!(text(Style { reasons: true, ..Style::default() }), @r#"
        note: ticket 7
        10.0.0.1  gw.example  up  arp-response  0.4 ms  02:fc:00:00:00:01
          22/tcp    open      ssh    syn-ack ttl 64
          80/tcp    closed    http   reset ttl 64
          443/tcp   filtered  https  admin-prohibited ttl 64 from 10.0.0.254
          1003/tcp  filtered         no-response
          997 closed (reset)
          4 filtered (3 no-response, 1 admin-prohibited)
        10.0.0.2  a\u{1b}[2J\u{202e}b)\u{9}x  up  reset  0.4 ms
          suspect: 5 random high ports are open too, every one asked
          1004 closed (reset)
        10.0.0.3  down  no-arp-response
          1004 not probed
        incomplete: 2 replies were dropped by the receiver
        completeness: 2003 targets answered (1 open); estimated missed: 3.2 (0.0 open), with 95 % confidence at most 7: 99.9 % is not met, for this machine lost replies
        rate: up to 1990/s, limited by the path; 0.67 probes a target in 3 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        2 of 4 hosts up (1 suspect), 1 down, 1 silent; 1 open port, 2002 closed, 2 filtered, 4 unanswered, 1004 not probed; 2020 probes in 2.41 s (838/s); losses: 2 replies dropped by the receiver, 1 probe not sent
        "#);
    }

    #[test]
    fn a_terminal_gets_open_ports_at_once_and_colour() {
        let shown = text(Style { live: Live::Yes, colour: Colour::Ansi, ..Style::default() });
        insta::assert_snapshot!(shown.replace('\u{1b}', "ESC"), @r#"
        note: ticket 7
        10.0.0.1:22  ESC[32mopenESC[0m  ssh
        ESC[1m10.0.0.1ESC[0m  gw.example  up  0.4 ms  02:fc:00:00:00:01
          22/tcp    ESC[32mopen    ESC[0m  ssh
          80/tcp    ESC[31mclosed  ESC[0m  http
          443/tcp   ESC[33mfilteredESC[0m  https
          1003/tcp  ESC[33mfilteredESC[0m
          997 closed (reset)
          4 filtered (3 no-response, 1 admin-prohibited)
        ESC[1m10.0.0.2ESC[0m  a\u{1b}[2J\u{202e}b)\u{9}x  up  0.4 ms
          suspect: 5 random high ports are open too, every one asked
          1004 closed (reset)
        ESC[1m10.0.0.3ESC[0m  down
          1004 not probed
        incomplete: 2 replies were dropped by the receiver
        completeness: 2003 targets answered (1 open); estimated missed: 3.2 (0.0 open), with 95 % confidence at most 7: 99.9 % is not met, for this machine lost replies
        rate: up to 1990/s, limited by the path; 0.67 probes a target in 3 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        2 of 4 hosts up (1 suspect), 1 down, 1 silent; 1 open port, 2002 closed, 2 filtered, 4 unanswered, 1004 not probed; 2020 probes in 2.41 s (838/s); losses: 2 replies dropped by the receiver, 1 probe not sent
        "#);
        assert_eq!(shown.matches("\u{1b}[0m").count() * 2, shown.matches("\u{1b}[").count(), "every colour ends");
    }

    #[test]
    fn a_scan_without_losses_says_so() {
        let summary = Summary {
            elapsed: Duration::from_millis(2410),
            addresses: 256,
            hosts_up: 3,
            targets: 256,
            probes: 512,
            answered: 3,
            open: 2,
            closed: 1,
            unanswered: 253,
            path_proven: true,
            ..Summary::default()
        };
        insta::assert_snapshot!(ending::of(&summary), @r#"
        3 of 256 hosts up, 253 silent; 2 open ports, 1 closed, 253 unanswered; 512 probes in 2.41 s (212/s); no losses
        "#);
    }
}
