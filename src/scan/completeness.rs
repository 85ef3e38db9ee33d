//! How much was missed: estimated, bounded, and whether that is good enough.

use super::askings::Unheard;
use super::rate::Baseline;

/// What a scan says about what it did not find. All numbers are of targets that would answer.
///
/// It assumes that silent targets see the loss that answering ones see.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Completeness {
    /// Targets that answered.
    pub found: u64,
    /// Of these, open.
    pub open: u64,
    /// Targets that would have answered and were not found, as far as can be told.
    pub missed: f64,
    /// Of these, open ones.
    pub open_missed: f64,
    /// With 95 % confidence no more than so many were missed.
    pub upper95: u64,
    /// The share asked for, if one was.
    pub goal: Option<f64>,
    /// Why the goal was not met; `None` if it was.
    pub shortfall: Option<Shortfall>,
    /// Passes over the targets, the last perhaps over few.
    pub passes: u8,
}

/// Why less was found than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// No attempt was left.
    Attempts,
    /// The time was up, or the user ended it.
    Time,
    /// Nobody answered: nothing can be said.
    NobodyAnswered,
    /// This machine lost replies.
    ReceiverDrops,
    /// Of open ports enough was found; of closed ones not, for only so many resets are sent, by hosts or on the way.
    ResetsLimited,
    /// Hosts that are up were lost to ARP, with all their ports.
    HostsUnheard,
}

impl Shortfall {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempt-limit",
            Self::Time => "time-limit",
            Self::NobodyAnswered => "nobody-answered",
            Self::ReceiverDrops => "receiver-drops",
            Self::ResetsLimited => "resets-limited",
            Self::HostsUnheard => "hosts-unheard",
        }
    }
}

impl Completeness {
    /// What it rests on.
    pub const ASSUMPTION: &'static str = "silent targets see the loss that answering ones see";

    /// Resets are limited, and all so far is about open ports: adds the closed ones that are missing, of `asked` targets of which `silent`
    /// did not answer, by what share of targets was closed in a `past` in which resets were not lost.
    pub(super) fn add_closed(&mut self, past: Baseline, asked: u64, silent: u64) {
        let found = (self.found - self.open) as f64;
        let loss = past.loss();
        let past = past.0;
        let targets = asked as f64 / past.sent.max(1.0);
        let room = (silent as f64 - self.missed).max(0.0);
        let missed = (past.answers * targets / (1.0 - loss) - found).clamp(0.0, room);
        let upper =
            ((past.answers + NORMAL_95 * past.answers.sqrt() + 1.0) * targets / (1.0 - 2.0 * loss).max(0.1) - found).clamp(0.0, room);
        self.open_missed = self.missed;
        self.missed += missed;
        self.upper95 = (self.upper95 + upper.ceil() as u64).min(silent);
        if self.shortfall.is_none() && self.goal.is_some_and(|goal| missed > (1.0 - goal) * (found + missed)) {
            self.shortfall = Some(Shortfall::ResetsLimited);
        }
    }

    /// Adds the ports of hosts lost to ARP: `ports` each, of which as many would answer as of the `probed` targets did.
    #[must_use]
    pub(super) fn with_unheard(mut self, unheard: Unheard, ports: u64, probed: u64) -> Self {
        let answering = ports as f64 * (self.found as f64 / probed.max(1) as f64).min(1.0);
        let missed = unheard.hosts * answering;
        self.missed += missed;
        self.open_missed += missed * self.open as f64 / self.found.max(1) as f64;
        self.upper95 += (unheard.upper95 * answering).ceil() as u64;
        let found = self.found as f64;
        if self.shortfall.is_none() && self.goal.is_some_and(|goal| !unheard.is_enough && missed > (1.0 - goal) * (found + missed)) {
            self.shortfall = Some(Shortfall::HostsUnheard);
        }
        self
    }

    /// Share found of what would answer; `None` if nobody answered.
    pub fn share(&self) -> Option<f64> {
        (self.found > 0).then(|| self.found as f64 / (self.found as f64 + self.missed))
    }

    /// Whether as much was found as asked for.
    pub fn is_met(&self) -> bool {
        self.shortfall.is_none()
    }

    /// Both parts of a scan together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        // A part in which nobody answered is taken for like the other.
        let silent = |part: Self| part.shortfall.filter(|_| part.found > 0 || part.shortfall != Some(Shortfall::NobodyAnswered));
        let [one, two] =
            if self.found == 0 && other.found == 0 { [self.shortfall, other.shortfall] } else { [silent(self), silent(other)] };
        // Open ports are missing by every other.
        let shortfall = one.filter(|one| *one != Shortfall::ResetsLimited).or(two).or(one);
        // Only the estimates add up exactly; the sum of two bounds is a bound.
        Self {
            shortfall,
            found: self.found.saturating_add(other.found),
            open: self.open.saturating_add(other.open),
            missed: self.missed + other.missed,
            open_missed: self.open_missed + other.open_missed,
            upper95: self.upper95.saturating_add(other.upper95),
            goal: self.goal.or(other.goal),
            passes: self.passes.max(other.passes),
        }
    }
}

/// Expected misses up to which the true number stays below `allowed` in 95 of 100 scans.
pub(super) fn expected_for(allowed: f64) -> f64 {
    let room = (0.676 + allowed).sqrt() - 0.822;
    (0.25 * allowed).max(room * room)
}

/// The 95 % quantile of a Beta distribution with `a` far below `b`.
pub(super) fn beta_upper(a: f64, b: f64) -> f64 {
    let gamma = gamma_upper(a);
    (gamma / (gamma + b).max(1e-9)).clamp(0.0, 1.0)
}

/// The 95 % quantile of a Gamma distribution of shape `a` (Wilson and Hilferty 1931).
fn gamma_upper(a: f64) -> f64 {
    if a < 0.3 {
        return 1.9;
    }
    let cube = (1.0 - 1.0 / (9.0 * a) + NORMAL_95 / (3.0 * a.sqrt())).powi(3);
    let least = if a < 1.0 { 2.71 * a.sqrt() } else { 0.0 };
    (a * cube).max(least)
}

/// The smallest number that a Poisson variable of this mean does not exceed in 95 of 100 cases.
pub(super) fn poisson_upper(mean: f64) -> f64 {
    if mean > 200.0 {
        return (mean + NORMAL_95 * mean.sqrt() + 1.0).floor();
    }
    let (mut term, mut number) = ((-mean).exp(), 0.0);
    let mut sum = term;
    while sum < 0.95 && number < 1000.0 {
        number += 1.0;
        term *= mean / number;
        sum += term;
    }
    number
}

const NORMAL_95: f64 = 1.6449;

#[cfg(test)]
mod tests {
    use super::super::rate::Tally;
    use super::*;

    #[test]
    fn quantiles_are_where_tables_have_them() {
        assert_eq!([0.0, 0.05, 1.0, 3.0, 10.0].map(|mean| poisson_upper(mean) as u32), [0, 0, 3, 6, 15]);
        assert!((poisson_upper(1000.0) - 1052.0).abs() <= 1.0);
        // Gamma: 5 has 9.1535, 50 has 62.17.
        assert!((gamma_upper(5.0) - 9.1535).abs() < 0.03);
        assert!((gamma_upper(50.0) - 62.17).abs() < 0.05);
        // Beta(10, 990): 0.01557.
        assert!((beta_upper(10.0, 990.0) - 0.0156).abs() < 0.0003);
    }

    #[test]
    fn closed_ports_behind_limited_resets_are_told_apart() {
        // Of 10,000 asked half would be reset, 1,000 were; the open ones are nearly all there.
        let past = Tally { sent: 1000.0, answers: 500.0, canaries: 1000.0, ..Tally::default() };
        let of_open = Completeness { found: 1010, open: 10, missed: 0.01, goal: Some(0.999), ..Completeness::default() };
        let mut all = of_open;
        all.add_closed(Baseline(past), 10_000, 8_990);
        assert!((4000.0..4010.0).contains(&all.missed) && (all.open_missed - 0.01).abs() < 1e-9, "{all:?}");
        assert!((4200..5000).contains(&all.upper95) && all.shortfall == Some(Shortfall::ResetsLimited), "{all:?}");
        // Nobody is silent: nobody is missing.
        let mut done = Completeness { found: 10_000, ..of_open };
        done.add_closed(Baseline(past), 10_000, 0);
        assert!(done.missed < 0.1 && done.shortfall.is_none() && done.upper95 == 0, "{done:?}");
    }

    #[test]
    fn limited_resets_of_one_part_hide_no_other_shortfall() {
        let part = |shortfall| Completeness { found: 9, shortfall, ..Completeness::default() };
        let [met, resets, attempts] = [None, Some(Shortfall::ResetsLimited), Some(Shortfall::Attempts)];
        for (one, other, both) in [(resets, attempts, attempts), (attempts, resets, attempts), (resets, met, resets), (met, resets, resets)]
        {
            assert_eq!(part(one).and(part(other)).shortfall, both, "{one:?} {other:?}");
        }
    }

    #[test]
    fn less_is_expected_than_allowed() {
        for allowed in [0.1, 1.0, 6.5, 26.0, 1000.0] {
            let expected = expected_for(allowed);
            assert!(expected > 0.0 && poisson_upper(expected) <= allowed.max(1.0) + 1.0, "{allowed}: {expected}");
        }
    }
}
