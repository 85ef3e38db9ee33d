//! The block of one host.

use std::fmt::Write;
use std::time::Duration;

use super::Style;
use crate::report::Escaped;
use crate::report::rest::rest_of;
use crate::scan::{Finding, HostRecord, State};
use crate::target::services;

/// The host's line, its ports aligned, and the counts of the rest.
pub(super) fn of(host: &HostRecord, style: Style) -> String {
    let mut block = head(host, style);
    block.push('\n');
    if let Some(suspicion) = host.suspect {
        _ = writeln!(block, "  suspect: {suspicion}");
    }
    aligned(&mut block, &host.ports, style);
    for state in [State::Closed, State::Filtered] {
        let rest = rest_of(host, state);
        let total: u64 = rest.iter().map(|(_, count)| count).sum();
        match rest.as_slice() {
            [] => {}
            [(reason, _)] => _ = writeln!(block, "  {total} {state} ({reason})"),
            many => {
                let reasons: Vec<String> = many.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                _ = writeln!(block, "  {total} {state} ({})", reasons.join(", "));
            }
        }
    }
    if host.not_probed > 0 {
        _ = writeln!(block, "  {} not probed", host.not_probed);
    }
    block
}

fn head(host: &HostRecord, style: Style) -> String {
    let mut fields = vec![style.strong(&host.addr.to_string())];
    fields.extend(host.names.iter().map(|name| Escaped(name).to_string()));
    fields.push(host.state.as_str().to_owned());
    if style.reasons {
        fields.push(host.reason.to_string());
    }
    fields.extend(host.rtt.map(span));
    fields.extend(host.mac.map(|mac| mac.to_string()));
    fields.join("  ")
}

/// Appends a row for each port, in columns.
fn aligned(block: &mut String, ports: &[Finding], style: Style) {
    let digits = |port: u16| 1 + port.max(1).ilog10() as usize;
    let names: Vec<&str> = ports.iter().map(|finding| services::name(finding.target.port).unwrap_or_default()).collect();
    let ports_wide = ports.iter().map(|finding| digits(finding.target.port)).max().unwrap_or_default();
    let states_wide = ports.iter().map(|finding| finding.outcome.state.as_str().len()).max().unwrap_or_default();
    let names_wide = names.iter().map(|name| name.len()).max().unwrap_or_default();
    for (finding, name) in ports.iter().zip(names) {
        let (port, state) = (finding.target.port, finding.outcome.state);
        let shown = style.state(state, &format!("{state:states_wide$}"));
        _ = write!(block, "  {port}/tcp{:gap$}  {shown}  {name:names_wide$}", "", gap = ports_wide - digits(port));
        if style.reasons {
            _ = write!(block, "  {}", evidence(finding));
        }
        if finding.is_zero_window() {
            block.push_str("  zero window");
        }
        block.truncate(block.trim_end().len());
        block.push('\n');
    }
}

fn evidence(finding: &Finding) -> String {
    let mut evidence = finding.outcome.reason.to_string();
    if let Some(ttl) = finding.ttl {
        _ = write!(evidence, " ttl {ttl}");
    }
    if let Some(addr) = finding.outcome.reason_addr {
        _ = write!(evidence, " from {addr}");
    }
    evidence
}

/// A round-trip time to two significant digits or so.
fn span(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..0.01 => "<0.01 ms".to_owned(),
        ..0.095 => format!("{millis:.2} ms"),
        ..9.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::scan::Suspicion;

    #[test]
    fn times_are_short() {
        let texts = [3, 42_000, 94_999, 410_000, 9_940_000, 9_960_000, 250_400_000, 999_600_000, 2_340_000_000];
        let texts = texts.map(|nanos| span(Duration::from_nanos(nanos)));
        assert_eq!(texts, ["<0.01 ms", "0.04 ms", "0.09 ms", "0.4 ms", "9.9 ms", "10 ms", "250 ms", "1.0 s", "2.3 s"]);
    }

    #[test]
    fn a_port_with_a_window_of_zero_says_so() {
        let mut host = sample::hosts().remove(0);
        host.ports.truncate(1);
        host.ports[0].window = Some(0);
        host.suspect = Some(Suspicion::ZeroWindow(1));
        let block = of(&host, Style { reasons: true, ..Style::default() });
        assert!(
            block.contains("\n  suspect: 1 port answered with a window of zero\n  22/tcp  open  ssh  syn-ack ttl 64  zero window\n"),
            "{block}"
        );
    }
}
