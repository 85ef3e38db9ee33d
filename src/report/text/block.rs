//! The block of one host.

use std::fmt::Write;
use std::time::Duration;

use super::Style;
use crate::report::Escaped;
use crate::report::rest::rest_of;
use crate::scan::{Finding, HostRecord, State};
use crate::target::services;

/// Appends the host's line, its ports aligned, and the counts of the rest.
pub(super) fn append(block: &mut String, host: &HostRecord, style: Style) {
    head(block, host, style);
    block.push('\n');
    if let Some(suspicion) = host.suspect {
        _ = writeln!(block, "  suspect: {suspicion}");
    }
    aligned(block, &host.ports, style);
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
}

fn head(block: &mut String, host: &HostRecord, style: Style) {
    style.write_strong(block, |block| _ = write!(block, "{}", host.addr));
    for name in &host.names {
        _ = write!(block, "  {}", Escaped(name));
    }
    block.push_str("  ");
    block.push_str(host.state.as_str());
    if style.reasons {
        block.push_str("  ");
        block.push_str(host.reason.as_str());
    }
    if let Some(rtt) = host.rtt {
        block.push_str("  ");
        span(block, rtt);
    }
    if let Some(mac) = host.mac {
        _ = write!(block, "  {mac}");
    }
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
        block.push_str("  ");
        block.push_str(itoa::Buffer::new().format(port));
        block.push_str("/tcp");
        pad(block, ports_wide - digits(port));
        block.push_str("  ");
        style.write_state(block, state, |block| {
            block.push_str(state.as_str());
            pad(block, states_wide - state.as_str().len());
        });
        block.push_str("  ");
        block.push_str(name);
        if style.reasons {
            pad(block, names_wide - name.len());
            _ = write!(block, "  {}", evidence(finding));
        }
        if finding.is_zero_window() {
            if !style.reasons {
                pad(block, names_wide - name.len());
            }
            block.push_str("  zero window");
        }
        block.truncate(block.trim_end().len());
        block.push('\n');
    }
}

fn pad(block: &mut String, count: usize) {
    block.extend(std::iter::repeat_n(' ', count));
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

/// Appends a round-trip time to two significant digits or so.
fn span(block: &mut String, time: Duration) {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..0.01 => block.push_str("<0.01 ms"),
        ..0.095 => _ = write!(block, "{millis:.2} ms"),
        ..9.95 => {
            let micros = time.as_micros() as u64;
            let (tenths, rest) = (micros / 100, micros % 100);
            // What lies between two tenths is nearer to one of them in binary, too, unless it is half of one.
            if rest.abs_diff(50) > 1 {
                let tenths = tenths + u64::from(rest > 50);
                _ = write!(block, "{}.{} ms", tenths / 10, tenths % 10);
            } else {
                _ = write!(block, "{millis:.1} ms");
            }
        }
        ..999.5 => _ = write!(block, "{millis:.0} ms"),
        _ => _ = write!(block, "{:.1} s", millis / 1e3),
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
        let text = |nanos| {
            let mut text = String::new();
            span(&mut text, Duration::from_nanos(nanos));
            text
        };
        let texts = texts.map(text);
        assert_eq!(texts, ["<0.01 ms", "0.04 ms", "0.09 ms", "0.4 ms", "9.9 ms", "10 ms", "250 ms", "1.0 s", "2.3 s"]);
    }

    #[test]
    fn tenths_of_milliseconds_are_a_doubles() {
        for micros in (95..9_950).chain([9_949, 9_950, 9_951]) {
            let time = Duration::from_micros(micros);
            let mut text = String::new();
            span(&mut text, time);
            let millis = time.as_secs_f64() * 1e3;
            assert_eq!(text, if millis < 9.95 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") });
        }
    }

    #[test]
    fn a_port_with_a_window_of_zero_says_so() {
        let mut host = sample::hosts().remove(0);
        host.ports.truncate(1);
        host.ports[0].window = Some(0);
        host.suspect = Some(Suspicion::ZeroWindow(1));
        let mut block = String::new();
        append(&mut block, &host, Style { reasons: true, ..Style::default() });
        assert!(
            block.contains("\n  suspect: 1 port answered with a window of zero\n  22/tcp  open  ssh  syn-ack ttl 64  zero window\n"),
            "{block}"
        );
    }
}
