//! The last lines: what is missing, then the result in one line.

use std::fmt::Write;

use super::account;
use crate::counted::counted;
use crate::report::Escaped;
use crate::scan::Summary;

/// A line for each cause of incompleteness, then the last line.
pub(super) fn of(summary: &Summary) -> String {
    let mut text = String::new();
    if summary.interrupted {
        text.push_str("interrupted: these are the results so far\n");
    }
    for reason in &summary.incomplete {
        _ = writeln!(text, "incomplete: {}", Escaped(reason));
    }
    text.push_str(&account::of(summary));
    let ports = if summary.targets == 0 { String::new() } else { format!("; {}", ports(summary)) };
    _ = writeln!(text, "{}{ports}; {}{}", hosts(summary), work(summary), losses(summary));
    text
}

fn hosts(summary: &Summary) -> String {
    let heard_or_known = summary.hosts_up + summary.hosts_down + summary.hosts_filtered + summary.hosts_not_probed;
    let counts = [
        (summary.hosts_down, "down"),
        (summary.hosts_filtered, "filtered"),
        (summary.addresses.saturating_sub(heard_or_known), "silent"),
        (summary.hosts_not_probed, "not probed"),
        (summary.unroutable, "without a route"),
    ];
    // Those without a route are not among the scan's addresses.
    let asked = counted(summary.addresses.saturating_add(summary.unroutable), "host");
    let suspects = match (summary.hosts_suspect, summary.hosts_hidden) {
        (0, _) => String::new(),
        (suspect, 0) => format!(" ({suspect} suspect)"),
        (_, hidden) => format!(" ({} hidden)", counted(hidden, "suspect host")),
    };
    format!("{} of {asked} up{suspects}{}", summary.hosts_up, listed(&counts))
}

fn ports(summary: &Summary) -> String {
    let counts = [
        (summary.closed, "closed"),
        (summary.filtered, "filtered"),
        (summary.unanswered, "unanswered"),
        (summary.not_probed, "not probed"),
    ];
    format!("{}{}", counted(summary.open, "open port"), listed(&counts))
}

fn work(summary: &Summary) -> String {
    // A record that was cut short does not tell.
    if summary.probes == 0 && summary.answered > 0 {
        return format!("probes not known, in {}", pace(summary));
    }
    format!("{} in {}", counted(summary.probes, "probe"), pace(summary))
}

/// How long it took, and the rate. Under a second most of the time is waiting, and a rate would say nothing.
fn pace(summary: &Summary) -> String {
    let elapsed = summary.elapsed;
    match elapsed.as_millis() {
        0 => "<1 ms".to_owned(),
        millis @ ..1000 => format!("{millis} ms"),
        _ if summary.rate() < 1.0 => format!("{:.2} s", elapsed.as_secs_f64()),
        _ => format!("{:.2} s ({:.0}/s)", elapsed.as_secs_f64(), summary.rate()),
    }
}

fn losses(summary: &Summary) -> String {
    let counts = [
        (summary.receiver_drops, "reply", "dropped by the receiver"),
        (summary.send_errors, "probe", "not sent"),
        (summary.resets_lost, "reset", "not sent"),
        (summary.write_errors, "record", "not written"),
    ];
    let losses = counts.iter().filter(|(count, ..)| *count > 0);
    let losses: Vec<String> = losses.map(|(count, noun, fate)| format!("{} {fate}", counted(*count, noun))).collect();
    match losses.as_slice() {
        [] if summary.incomplete.is_empty() => "; no losses".to_owned(),
        [] => String::new(),
        losses => format!("; losses: {}", losses.join(", ")),
    }
}

/// `, 3 of this, 4 of that`: what is not zero.
fn listed(counts: &[(u64, &str)]) -> String {
    let mut text = String::new();
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        _ = write!(text, ", {count} {what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_short_scan_has_a_time_and_no_rate() {
        let work = |nanos| work(&Summary { probes: 1, elapsed: Duration::from_nanos(nanos), ..Summary::default() });
        let texts = [0, 999_999, 3_400_000, 999_900_000, 1_000_000_000, 2_500_000_000].map(work);
        let spans = ["<1 ms", "<1 ms", "3 ms", "999 ms", "1.00 s (1/s)", "2.50 s"];
        assert_eq!(texts, spans.map(|span| format!("1 probe in {span}")));
    }

    #[test]
    fn probes_that_were_not_recorded_are_not_none() {
        let summary = Summary { answered: 3, elapsed: Duration::from_millis(353), ..Summary::default() };
        assert_eq!(work(&summary), "probes not known, in 353 ms");
    }

    #[test]
    fn one_is_singular_everywhere() {
        let one = Summary {
            addresses: 1,
            targets: 1,
            hosts_up: 1,
            open: 1,
            probes: 1,
            receiver_drops: 1,
            send_errors: 1,
            resets_lost: 1,
            write_errors: 1,
            ..Summary::default()
        };
        assert_eq!(
            of(&one),
            "1 of 1 host up; 1 open port; 1 probe in <1 ms; losses: 1 reply dropped by the receiver, 1 probe not sent, 1 reset not sent, 1 record not written\n"
        );
    }

    #[test]
    fn suspects_are_counted_and_so_are_those_left_out() {
        let told =
            |hosts_suspect, hosts_hidden| hosts(&Summary { addresses: 4, hosts_up: 3, hosts_suspect, hosts_hidden, ..Summary::default() });
        assert_eq!(told(0, 0), "3 of 4 hosts up, 1 silent");
        assert_eq!(told(2, 0), "3 of 4 hosts up (2 suspect), 1 silent");
        assert_eq!(told(1, 1), "3 of 4 hosts up (1 suspect host hidden), 1 silent");
    }
}
