//! What was missed and how fast it went, in words for the reader of an audit report.

use std::fmt::Write;

use crate::counted::{counted, percent};
use crate::scan::rate::Limit;
use crate::scan::{Completeness, Pace, Shortfall, Summary};

/// The lines before the last; none where no account was kept.
pub(super) fn of(summary: &Summary) -> String {
    let mut text = String::new();
    let Some(pace) = &summary.pace else { return text };
    let completeness = summary.completeness.as_ref();
    let known =
        completeness.map_or("not known, for no target answered and loss could not be measured".to_owned(), |known| found(known, summary));
    _ = writeln!(text, "completeness: {known}");
    _ = writeln!(text, "{}", course(pace, summary, completeness));
    if completeness.is_some_and(|completeness| completeness.upper95 > 0) {
        _ = writeln!(text, "assumed: {}", Completeness::ASSUMPTION);
    }
    text
}

fn found(completeness: &Completeness, summary: &Summary) -> String {
    let Completeness { found, open, missed, upper95, goal, shortfall, .. } = *completeness;
    // Where no port is asked for, it is hosts that are found.
    let answered = match summary.targets {
        0 => format!("{} answered", counted(found, "host")),
        _ => format!("{} answered ({open} open)", counted(found, "target")),
    };
    if upper95 == 0 && missed < 0.05 && summary.unanswered == 0 && summary.targets > 0 {
        return format!("{answered}, and none stayed silent");
    }
    let of_open = if open > 0 { format!(" ({} open)", estimate(completeness.open_missed)) } else { String::new() };
    let verdict = match (goal, shortfall) {
        (None, _) => String::new(),
        (Some(goal), None) => format!(": {} is met", percent(goal)),
        (Some(goal), Some(shortfall)) => format!(": {} is not met, {}", percent(goal), because(shortfall)),
    };
    format!("{answered}; estimated missed: {}{of_open}, with 95 % confidence at most {upper95}{verdict}", estimate(missed))
}

fn because(shortfall: Shortfall) -> &'static str {
    match shortfall {
        Shortfall::Attempts => "for the attempts ran out",
        Shortfall::Time => "for the scan was cut short",
        Shortfall::NobodyAnswered => "for nobody answered",
        Shortfall::ReceiverDrops => "for this machine lost replies",
        Shortfall::HostsUnheard => "for hosts that are up did not answer ARP",
        Shortfall::ResetsLimited => "for only so many resets are sent: closed ports are missing, open ones are found as asked for",
    }
}

fn course(pace: &Pace, summary: &Summary, completeness: Option<&Completeness>) -> String {
    let limit = match pace.limit {
        Limit::Time => "still rising at the end",
        Limit::Path => "limited by the path",
        Limit::Option => "limited by an option",
        Limit::Host => "limited by what one host may get",
        Limit::Machine => "limited by this machine",
        Limit::Firewall => "limited by a firewall that falls silent above",
    };
    let passes = completeness.map_or(String::new(), |completeness| format!(" in {}", counted(completeness.passes, "pass")));
    let loss = if pace.loss >= 0.0005 { format!("; the path loses {:.1} %", pace.loss * 100.0) } else { String::new() };
    let asked = if summary.targets == 0 { "host" } else { "target" };
    format!("rate: up to {}/s, {limit}; {:.2} probes a {asked}{passes}{loss}", pace.highest, summary.probes_per_target())
}

/// Few enough to have a fraction, or a whole number.
fn estimate(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(completeness: Option<Completeness>) -> Summary {
        let pace = Pace { highest: 18_600, limit: Limit::Path, loss: 0.021 };
        Summary { targets: 65_536, probes: 82_575, unanswered: 59_000, pace: Some(pace), completeness, ..Summary::default() }
    }

    #[test]
    fn a_reader_learns_what_may_be_missing() {
        let met = Completeness {
            found: 6_536,
            open: 12,
            missed: 1.24,
            open_missed: 0.0023,
            upper95: 4,
            goal: Some(0.999),
            shortfall: None,
            passes: 2,
        };
        insta::assert_snapshot!(of(&summary(Some(met))), @"
        completeness: 6536 targets answered (12 open); estimated missed: 1.2 (0.0 open), with 95 % confidence at most 4: 99.9 % is met
        rate: up to 18600/s, limited by the path; 1.26 probes a target in 2 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        ");
        let limited = Completeness { missed: 4100.0, upper95: 4310, shortfall: Some(Shortfall::ResetsLimited), ..met };
        insta::assert_snapshot!(of(&summary(Some(limited))).lines().next().unwrap_or_default(), @"completeness: 6536 targets answered (12 open); estimated missed: 4100 (0.0 open), with 95 % confidence at most 4310: 99.9 % is not met, for only so many resets are sent: closed ports are missing, open ones are found as asked for");
        let unmet = Completeness { missed: 31.4, open_missed: 0.058, upper95: 55, shortfall: Some(Shortfall::Attempts), passes: 10, ..met };
        insta::assert_snapshot!(of(&summary(Some(unmet))), @"
        completeness: 6536 targets answered (12 open); estimated missed: 31 (0.1 open), with 95 % confidence at most 55: 99.9 % is not met, for the attempts ran out
        rate: up to 18600/s, limited by the path; 1.26 probes a target in 10 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        ");
    }

    #[test]
    fn without_ports_hosts_are_counted() {
        let found = Completeness { found: 120, missed: 0.04, upper95: 1, goal: Some(0.999), passes: 2, ..Completeness::default() };
        let summary = Summary { addresses: 254, targets: 0, probes: 1270, ..summary(Some(found)) };
        insta::assert_snapshot!(of(&summary), @"
        completeness: 120 hosts answered; estimated missed: 0.0, with 95 % confidence at most 1: 99.9 % is met
        rate: up to 18600/s, limited by the path; 5.00 probes a host in 2 passes; the path loses 2.1 %
        assumed: silent targets see the loss that answering ones see
        ");
    }

    #[test]
    fn nothing_is_claimed_where_nobody_answered() {
        insta::assert_snapshot!(of(&summary(None)), @"
        completeness: not known, for no target answered and loss could not be measured
        rate: up to 18600/s, limited by the path; 1.26 probes a target; the path loses 2.1 %
        ");
        assert_eq!(of(&Summary::default()), "");
    }
}
