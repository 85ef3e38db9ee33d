//! Two meters of loss against a clean past: canaries that were known to answer, and the share of fresh targets that answer.

use std::ops::AddAssign;

/// What was sent and what came back. Counts, as numbers that can be weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Fresh targets probed.
    pub sent: f64,
    /// Answers to these probes.
    pub answers: f64,
    /// Canaries sent.
    pub canaries: f64,
    /// Of these, unanswered.
    pub lost: f64,
    /// What open ports have in it.
    pub open: ByClass,
}

/// The part of a [`Tally`] that is known to belong to open ports, which answer by SYN-ACK; of canaries and answers the rest are resets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ByClass {
    /// Answers to probes of fresh targets.
    pub answers: f64,
    /// Canaries sent.
    pub canaries: f64,
    /// Of these, unanswered.
    pub lost: f64,
}

impl Tally {
    /// As seen by SYN-ACKs alone.
    #[must_use]
    pub fn of_open(self) -> Self {
        let ByClass { answers, canaries, lost } = self.open;
        Self { answers, canaries, lost, ..self }
    }

    /// As seen by resets alone.
    #[must_use]
    pub fn of_closed(self) -> Self {
        let ByClass { answers, canaries, lost } = self.open;
        Self {
            answers: self.answers - answers,
            canaries: self.canaries - canaries,
            lost: self.lost - lost,
            open: ByClass::default(),
            ..self
        }
    }

    /// The canaries of `tally`, as if there had been `factor` times as many.
    pub(super) fn take_canaries(&mut self, tally: &Self, factor: f64) {
        (self.canaries, self.lost) = (tally.canaries * factor, tally.lost * factor);
        (self.open.canaries, self.open.lost) = (tally.open.canaries * factor, tally.open.lost * factor);
    }

    /// The fresh targets of `tally`, as if there had been `factor` times as many.
    pub(super) fn take_answers(&mut self, tally: &Self, factor: f64) {
        (self.sent, self.answers, self.open.answers) = (tally.sent * factor, tally.answers * factor, tally.open.answers * factor);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.sent += more.sent;
        self.answers += more.answers;
        self.canaries += more.canaries;
        self.lost += more.lost;
        self.open.answers += more.open.answers;
        self.open.canaries += more.open.canaries;
        self.open.lost += more.open.lost;
    }
}

/// What was seen while nothing was wrong: the loss that a rate cannot help, and how many targets answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Baseline(pub Tally);

impl Baseline {
    /// Share of canaries lost in the clean past; 5 % while nothing is known.
    pub fn loss(&self) -> f64 {
        (self.0.lost + PRIOR_LOST) / (self.0.canaries + PRIOR_SENT + PRIOR_LOST)
    }

    /// Share of canaries lost, as far as it was seen; none while there were too few to tell.
    pub fn seen_loss(&self) -> f64 {
        if self.0.canaries < FEW { 0.0 } else { self.0.lost / self.0.canaries }
    }

    /// Share of fresh targets that answer.
    pub fn ratio(&self) -> f64 {
        if self.0.sent > 0.0 { self.0.answers / self.0.sent } else { 0.0 }
    }

    /// Takes in a clean epoch; the past fades, so that a slow change is followed.
    pub(super) fn fold(&mut self, tally: Tally) {
        self.0 += tally;
        if self.0.canaries > CANARIES_KEPT {
            let tally = self.0;
            self.0.take_canaries(&tally, 0.5);
        }
        if self.0.answers > ANSWERS_KEPT {
            let tally = self.0;
            self.0.take_answers(&tally, 0.5);
        }
    }

    /// Excess loss against the past, in standard deviations: the larger of both meters, never negative.
    pub fn excess(&self, seen: Tally) -> f64 {
        self.canary_excess(seen).max(self.ratio_excess(seen)).max(0.0)
    }

    /// Whether that is trouble.
    pub(super) fn is_hot(&self, seen: Tally) -> bool {
        self.excess(seen) > HOT
    }

    fn canary_excess(&self, Tally { canaries: n, lost: x, .. }: Tally) -> f64 {
        if n < 3.0 || x < 3.0 {
            return 0.0;
        }
        let (past, past_lost) = (self.0.canaries + PRIOR_SENT, self.0.lost + PRIOR_LOST);
        // Two samples, pooled variance; one loss less for continuity.
        let pooled = ((x + past_lost) / (n + past)).min(0.999);
        let excess = (x - 1.0) / n - past_lost / past;
        if excess > WORTH_NOTING { excess / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / past)).sqrt() } else { 0.0 }
    }

    fn ratio_excess(&self, seen: Tally) -> f64 {
        let ratio = self.ratio();
        let expected = seen.sent * ratio;
        let missing = expected - seen.answers;
        if self.0.answers < 10.0 || expected < 10.0 || missing <= WORTH_NOTING * expected {
            return 0.0;
        }
        let silent = 1.0 - ratio;
        let variance = expected * silent + expected * expected * silent / self.0.answers + 1.0 + expected * self.loss();
        missing / variance.sqrt() - 0.5
    }

    /// Which share of what the past lets expect was delivered, and its standard deviation: the mean of both meters by their
    /// precision; if one is far below it, that one (loss that hits only new or only known targets).
    pub fn delivered(&self, seen: Tally) -> (f64, f64) {
        let canary = (seen.canaries >= 3.0).then(|| {
            let (n, lost) = (seen.canaries, seen.lost / seen.canaries);
            ((1.0 - lost) / (1.0 - self.loss()), n * n / (seen.lost * (1.0 - lost) + 1.0))
        });
        let ratio = self.ratio();
        let expected = seen.sent * ratio;
        let answers = (self.0.answers >= 10.0 && expected >= 5.0).then(|| {
            let silent = 1.0 - ratio;
            let variance = ((seen.answers + 1.0) * silent + 1.0) / (expected * expected) + silent / self.0.answers;
            (seen.answers / expected, 1.0 / variance)
        });
        let meters = || canary.into_iter().chain(answers);
        let precision: f64 = meters().map(|(_, precision)| precision).sum();
        if precision == 0.0 {
            return (1.0, 1.0);
        }
        let mean = meters().map(|(share, precision)| share * precision).sum::<f64>() / precision;
        let worst = meters().filter(|(share, precision)| *share < mean - 3.0 / precision.sqrt()).map(|(share, _)| share);
        (worst.fold(mean, f64::min).clamp(0.0, 1.0), precision.sqrt().recip())
    }

    /// How much was seen, in units of what shows the loss that a step by `growth` beyond the path's capacity would cause: enough from 1 on.
    pub fn evidence(&self, seen: Tally, growth: f64) -> f64 {
        let step = 1.0 - 1.0 / growth;
        let loss = if seen.canaries > 0.0 { self.loss() } else { 0.0 };
        let ratio = self.ratio();
        let canaries = 5.0 / step + 9.0 * loss * (1.0 - loss) / (step * step);
        let answers = 5.0 / step + 9.0 * (1.0 - ratio) / (step * step);
        let expected = if seen.sent > 0.0 { seen.sent * ratio.max(seen.answers / seen.sent) } else { 0.0 };
        seen.canaries / canaries + expected / answers
    }

    /// What the past lets expect of `seen`, and what came.
    pub fn expected_and_got(&self, seen: Tally) -> (f64, f64) {
        let expected = seen.sent * self.ratio() + seen.canaries * (1.0 - self.loss());
        (expected, seen.answers + seen.canaries - seen.lost)
    }
}

/// Standard deviations that are called trouble; 2.5 to 5 made no difference.
pub(super) const HOT: f64 = 3.5;
/// Fewer canaries say nothing about small losses.
const FEW: f64 = 30.0;
/// Loss of so much more than the past is not looked at: no path is stationary to a percent.
const WORTH_NOTING: f64 = 0.01;
/// While no canary was sent, 5 % are taken to be lost: tiny scans take three passes.
const PRIOR_LOST: f64 = 0.5;
const PRIOR_SENT: f64 = 10.0;
const CANARIES_KEPT: f64 = 2000.0;
const ANSWERS_KEPT: f64 = 20_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn past() -> Baseline {
        Baseline(Tally { sent: 50_000.0, answers: 5000.0, canaries: 1000.0, lost: 1.0, ..Tally::default() })
    }

    #[test]
    fn what_the_past_lets_expect_is_no_excess() {
        assert!(past().excess(Tally { sent: 2000.0, answers: 195.0, canaries: 30.0, lost: 0.0, ..Tally::default() }) < 1.0);
        assert!(Baseline::default().excess(Tally { sent: 2000.0, answers: 0.0, canaries: 0.0, lost: 0.0, ..Tally::default() }) < 1e-9);
    }

    #[test]
    fn each_meter_shows_a_path_that_delivers_half() {
        let canaries = Tally { canaries: 30.0, lost: 15.0, ..Tally::default() };
        let answers = Tally { sent: 5000.0, answers: 250.0, ..Tally::default() };
        for seen in [canaries, answers] {
            assert!(past().excess(seen) > 3.5, "{seen:?}");
            let (share, deviation) = past().delivered(seen);
            assert!((share - 0.5).abs() < 0.03 && deviation < 0.15, "{share} {deviation}");
        }
    }

    #[test]
    fn loss_that_only_new_targets_see_is_believed() {
        let seen = Tally { sent: 20_000.0, answers: 1000.0, canaries: 200.0, ..Tally::default() };
        assert!((past().delivered(seen).0 - 0.5).abs() < 0.01);
    }

    #[test]
    fn nothing_seen_says_nothing() {
        assert_eq!(past().delivered(Tally::default()), (1.0, 1.0));
        assert!(past().evidence(Tally::default(), 2.0) < 1e-9);
    }
}
