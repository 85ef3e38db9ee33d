//! The last lines: what is missing, then the result in one line.

use std::fmt::Write;

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
    _ = writeln!(text, "{}; {}; {}{}", hosts(summary), ports(summary), work(summary), losses(summary));
    text
}

fn hosts(summary: &Summary) -> String {
    let silent = summary.addresses.saturating_sub(summary.hosts_up + summary.hosts_down + summary.hosts_filtered + summary.unroutable);
    let counts =
        [(summary.hosts_down, "down"), (summary.hosts_filtered, "filtered"), (silent, "silent"), (summary.unroutable, "without a route")];
    format!("{} of {} up{}", summary.hosts_up, counted(summary.addresses, "host"), listed(&counts))
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
    let seconds = summary.elapsed.as_secs_f64();
    format!("{} in {seconds:.2} s ({:.0}/s)", counted(summary.probes, "probe"), summary.rate())
}

fn losses(summary: &Summary) -> String {
    let counts = [
        (summary.receiver_drops, "reply", "dropped by the receiver"),
        (summary.send_errors, "probe", "not sent"),
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
