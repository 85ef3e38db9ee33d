//! What is told of differences in sentences, as every format for people says it.

use super::difference::{Cause, Count, RestDiff, Side, Totals};
use super::known::{HostKnown, Known, Verdict};
use super::scan::Scan;
use crate::counted::counted;
use crate::report::Rfc3339;

impl Side {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// One character for each verdict.
pub(super) const fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Same => '=',
        Verdict::Appeared => '+',
        Verdict::Disappeared => '-',
        Verdict::Changed => '~',
        Verdict::Unjudged => '?',
    }
}

/// A state with its reason, which a record may have made up: to be escaped.
pub(super) fn port(known: Known, reason: Option<&str>) -> String {
    let state = known.as_str().replace('-', " ");
    reason.map_or(state.clone(), |reason| format!("{state} ({reason})"))
}

pub(super) fn host(known: HostKnown) -> String {
    known.as_str().replace('-', " ")
}

/// What the ports are that only counts are known of, in the old and the new scan.
pub(super) fn rest(rest: &RestDiff) -> [String; 2] {
    let counted = |known: Known, (closed, filtered): (u32, u32)| match known {
        Known::NotOpen => format!("{closed} closed, {filtered} filtered"),
        known => port(known, None),
    };
    match rest.counts {
        Some([old, new]) => [counted(rest.old, old), counted(rest.new, new)],
        None => [port(rest.old, None), port(rest.new, None)],
    }
}

/// How many ports, and which.
pub(super) fn rest_name(rest: &RestDiff) -> String {
    let vague = [rest.old, rest.new].contains(&Known::NotOpen);
    let at_least = if vague { "at least " } else { "" };
    format!("{at_least}{}", counted(rest.ports, "other port"))
}

/// Why something could not be judged.
pub(super) fn cause((side, cause): (Side, Cause)) -> String {
    let what = match cause {
        Cause::NotAsked => "did not ask",
        Cause::NotHeard => "may have missed the answer",
        Cause::Unknown(why) => why.sentence(),
    };
    format!("the {} scan {what}", side.as_str())
}

/// A scan: its name and beginning, and how much it asked.
pub(super) fn scan(scan: &Scan) -> String {
    let started = scan.started.map(|started| Rfc3339(started).to_string());
    let addresses = scan.addresses.map(|addresses| counted(addresses, "address"));
    let ports = Some(counted(scan.ports.len(), "port"));
    [Some(scan.name.clone()), started, addresses, ports].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What one scan asked and the other did not.
pub(super) fn scope(old: &Scan, new: &Scan) -> Vec<String> {
    let mut lines = Vec::new();
    for (side, this, other) in [(Side::Old, old, new), (Side::New, new, old)] {
        let ports = this.ports.difference(&other.ports);
        if !ports.is_empty() {
            lines.push(format!("only the {} scan asked ports {ports}", side.as_str()));
        }
        if let (Some(asked), Some(others)) = (&this.asked, &other.asked) {
            let only = asked.difference(others);
            if !only.is_empty() && !this.is_assumed && !other.is_assumed {
                lines.push(format!("only the {} scan asked {}", side.as_str(), counted(only.len(), "address")));
            }
        }
    }
    lines
}

/// What could not be judged, a line for each cause; and the hint that helps, if there is one.
pub(super) fn unjudged(totals: &Totals) -> Vec<String> {
    let line = |(reason, (hosts, ports)): (&(Side, Cause), &(u64, u64))| {
        let [hosts, ports] = [(*hosts, "host"), (*ports, "port")].map(|(count, noun)| (count > 0).then(|| counted(count, noun)));
        let what: Vec<String> = [hosts, ports].into_iter().flatten().collect();
        let hint = if reason.1 == Cause::Unknown(super::Why::TargetsNotRecorded) {
            " (--same-targets takes it that both asked the same)"
        } else {
            ""
        };
        format!("could not be judged: {}: {}{hint}", what.join(" and "), cause(*reason))
    };
    totals.unjudged.iter().map(line).collect()
}

/// The last line.
pub(super) fn result(totals: &Totals) -> String {
    if !totals.differs() {
        return if totals.unjudged.is_empty() { "no difference" } else { "no difference in what both scans tell" }.to_owned();
    }
    let list = |count: Count, noun: &str| {
        let all = [(count.appeared, "appeared"), (count.disappeared, "disappeared"), (count.changed, "changed")];
        let said = all.iter().filter(|(count, _)| *count > 0);
        said.map(|(count, what)| format!("{} {what}", counted(*count, noun))).collect::<Vec<_>>()
    };
    let mut parts = list(totals.hosts, "host");
    parts.extend(list(totals.ports, "port"));
    let open = [(totals.opened, "open now"), (totals.no_longer_open, "no longer open")];
    let open: Vec<String> =
        open.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", counted(*count, "port"))).collect();
    let colon = if open.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", parts.join(", "), open.join(", "))
}
