//! The summary of the whole: what shards counted, added up, and what is lacking.

use std::time::{Duration, SystemTime};

use super::head::{Head, Heads};
use super::hosts::Hosts;
use crate::counted::counted;
use crate::report::Ending;
use crate::scan::{Completeness, EgressRecord, Pace, Summary};
use crate::target::{Cut, Shard};

/// Adds up the summaries of shards.
#[derive(Debug)]
pub(super) struct Account {
    cut: Cut,
    began: SystemTime,
    ended: SystemTime,
    whole: Summary,
    completeness: Option<Completeness>,
    pace: Option<Pace>,
    /// Probes that the loss of `pace` is the mean over.
    paced: u64,
    /// A shard asked and kept no account of what it missed: then of the whole nothing is known.
    is_unknown: bool,
    shards: usize,
    missing: Option<String>,
    /// Shards that were not finished, and how to go on with them.
    unfinished: Vec<String>,
    /// Other lines, and the shards that said them.
    said: Vec<(String, Vec<Shard>)>,
    /// Ways out over which somebody answered.
    proven: Vec<EgressRecord>,
    /// Shards that nobody answered: their ways out, and what they said of it.
    unproven: Vec<(Shard, Vec<EgressRecord>, String)>,
}

impl Account {
    /// Nothing but what is missing.
    pub(super) fn new(heads: &Heads) -> Self {
        let (addresses, targets) = heads.missing_counts();
        let missing = heads.missing_named().map(|named| {
            let what = if targets > 0 { counted(targets, "target") } else { counted(addresses, "address") };
            format!("missing: the records of shards {named}; their {what} count as not probed")
        });
        Self {
            cut: heads.cut(),
            began: heads.started(),
            ended: heads.started(),
            whole: Summary { addresses, targets, hosts_not_probed: addresses, not_probed: targets, ..Summary::default() },
            completeness: None,
            pace: None,
            paced: 0,
            is_unknown: false,
            shards: 0,
            missing,
            unfinished: Vec::new(),
            said: Vec::new(),
            proven: Vec::new(),
            unproven: Vec::new(),
        }
    }

    /// Adds a shard.
    pub(super) fn add(&mut self, head: &Head, summary: Summary, ending: Ending) {
        self.shards += 1;
        self.ended = self.ended.max(head.scan.started + summary.elapsed);
        self.completeness(&summary);
        self.sums(&summary);
        self.hosts(&summary);
        let (shard, name) = (head.part.shard, &head.name);
        let how = match ending {
            Ending::CutShort => Some("was killed or still runs; what it does not tell counts as not probed"),
            Ending::Whole if summary.interrupted => Some("was interrupted"),
            Ending::Whole if summary.out_of_time => Some("ran out of time"),
            Ending::Whole => None,
        };
        self.unfinished.extend(how.map(|how| format!("shard {shard} {how}: synprobe resume {name} goes on with it")));
        if ending == Ending::Whole {
            let (unproven, others): (Vec<_>, Vec<_>) =
                summary.incomplete.into_iter().partition(|reason| reason.contains(Summary::UNPROVEN));
            for reason in others {
                self.says(shard, reason);
            }
            self.unproven.extend(unproven.into_iter().map(|reason| (shard, head.scan.egresses.clone(), reason)));
        }
        if summary.path_proven {
            for egress in &head.scan.egresses {
                if !self.proven.iter().any(|proven| is_same_way(proven, egress)) {
                    self.proven.push(egress.clone());
                }
            }
        }
    }

    fn says(&mut self, shard: Shard, reason: String) {
        match self.said.iter_mut().find(|(said, _)| *said == reason) {
            Some((_, shards)) => shards.push(shard),
            None => self.said.push((reason, vec![shard])),
        }
    }

    /// Hosts that are in every shard are counted as what they are on the whole.
    pub(super) fn count(&mut self, hosts: &Hosts) {
        let whole = &mut self.whole;
        // With --open a shard tells of those alone that have open ports in it.
        let (up, filtered, suspect) = hosts.counts();
        whole.hosts_up = whole.hosts_up.max(up);
        let mut rest = whole.addresses.saturating_sub(whole.hosts_up);
        for count in [&mut whole.hosts_down, &mut whole.hosts_filtered, &mut whole.hosts_not_probed] {
            *count = (*count).min(rest);
            rest -= *count;
        }
        whole.hosts_filtered = whole.hosts_filtered.max(filtered.min(rest + whole.hosts_filtered));
        whole.hosts_suspect = whole.hosts_suspect.max(suspect);
    }

    /// What the whole lacks, a line each.
    pub(super) fn lacking(&self) -> Vec<String> {
        self.missing.iter().chain(&self.unfinished).cloned().collect()
    }

    /// The summary of the whole.
    pub(super) fn summary(mut self) -> Summary {
        // That a run of addresses is silent proves nothing against a way that others were answered over.
        for (shard, egresses, reason) in std::mem::take(&mut self.unproven) {
            // A way to this machine itself is not in question.
            let mut ways = egresses.iter().filter(|egress| egress.link != "raw-ip").peekable();
            let is_asked_elsewhere = ways.peek().is_some();
            if !is_asked_elsewhere || !ways.all(|egress| self.proven.iter().any(|proven| is_same_way(proven, egress))) {
                self.says(shard, reason);
                // Then silence is not believed: whoever compares the whole must not take it for an answer.
                self.whole.path_proven = false;
            }
        }
        let elapsed = self.ended.duration_since(self.began).unwrap_or(Duration::ZERO);
        let mut incomplete = self.lacking();
        for (reason, shards) in &self.said {
            let who = match shards.len() {
                all if all == self.shards && all > 1 => "in each shard".to_owned(),
                1 => format!("shard {}", shards[0]),
                _ => format!("shards {}", shards.iter().map(Shard::to_string).collect::<Vec<_>>().join(", ")),
            };
            incomplete.push(format!("{who}: {reason}"));
        }
        let known = !self.is_unknown;
        Summary { elapsed, completeness: self.completeness.filter(|_| known), pace: self.pace.filter(|_| known), incomplete, ..self.whole }
    }

    /// A shard in which nobody answered, though account was kept, is taken for like the others.
    fn completeness(&mut self, summary: &Summary) {
        let asked = if summary.targets > 0 { summary.targets - summary.not_probed.min(summary.targets) } else { summary.addresses };
        if asked > 0 && summary.pace.is_none() {
            self.is_unknown = true;
        }
        self.completeness = match (self.completeness, summary.completeness) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        if let Some(pace) = summary.pace {
            let lost = self.pace.map_or(0.0, |before| before.loss * self.paced as f64) + pace.loss * summary.probes as f64;
            add(&mut self.paced, summary.probes);
            let fastest = self.pace.filter(|before| before.highest >= pace.highest).unwrap_or(pace);
            self.pace = Some(Pace { loss: lost / self.paced.max(1) as f64, ..fastest });
        }
    }

    fn sums(&mut self, summary: &Summary) {
        let whole = &mut self.whole;
        add(&mut whole.targets, summary.targets);
        add(&mut whole.probes, summary.probes);
        add(&mut whole.canaries, summary.canaries);
        add(&mut whole.arp_requests, summary.arp_requests);
        add(&mut whole.answered, summary.answered);
        add(&mut whole.open, summary.open);
        add(&mut whole.closed, summary.closed);
        add(&mut whole.filtered, summary.filtered);
        add(&mut whole.unanswered, summary.unanswered);
        add(&mut whole.not_probed, summary.not_probed);
        add(&mut whole.invalid, summary.invalid);
        add(&mut whole.malformed, summary.malformed);
        add(&mut whole.duplicates, summary.duplicates);
        add(&mut whole.receiver_drops, summary.receiver_drops);
        add(&mut whole.send_errors, summary.send_errors);
        add(&mut whole.resets_lost, summary.resets_lost);
        add(&mut whole.send_retries, summary.send_retries);
        add(&mut whole.write_errors, summary.write_errors);
        whole.interrupted |= summary.interrupted;
        whole.out_of_time |= summary.out_of_time;
        whole.path_proven |= summary.path_proven;
        // Each shard was asked for all names.
        whole.unresolved = whole.unresolved.max(summary.unresolved);
    }

    /// Hosts are each in one shard, or all in every one.
    fn hosts(&mut self, summary: &Summary) {
        let (whole, cut) = (&mut self.whole, self.cut);
        if cut == Cut::Ports && summary.addresses == 0 {
            return;
        }
        // Who is up in one shard is up; down is who is down in all of them.
        let first = whole.addresses == 0;
        let most =
            |whole: &mut u64, count: u64| *whole = if cut == Cut::Addresses { whole.saturating_add(count) } else { (*whole).max(count) };
        let least = |whole: &mut u64, count: u64| match cut {
            Cut::Addresses => add(whole, count),
            Cut::Ports => *whole = if first { count } else { (*whole).min(count) },
        };
        most(&mut whole.addresses, summary.addresses);
        most(&mut whole.hosts_up, summary.hosts_up);
        most(&mut whole.hosts_suspect, summary.hosts_suspect);
        most(&mut whole.hosts_hidden, summary.hosts_hidden);
        most(&mut whole.unroutable, summary.unroutable);
        most(&mut whole.hosts_filtered, summary.hosts_filtered);
        least(&mut whole.hosts_down, summary.hosts_down);
        least(&mut whole.hosts_not_probed, summary.hosts_not_probed);
    }
}

/// The same way out, of the same machine as far as its address tells.
pub(super) fn is_same_way(one: &EgressRecord, other: &EgressRecord) -> bool {
    let way = |egress: &EgressRecord| (egress.interface.clone(), egress.gateway, egress.link.clone());
    one.source.is_some() && one.source == other.source && way(one) == way(other)
}

/// What a file says may be any number.
fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}
