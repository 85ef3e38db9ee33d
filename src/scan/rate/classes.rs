//! Resets against SYN-ACKs: many systems limit the resets they send (FreeBSD: 200 a second, `net.inet.icmp.icmplim`), which says nothing
//! about what the path bears.

use super::Epoch;
use super::meters::{Baseline, Tally};

/// What stretches of trouble say about both classes, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Classes {
    seen: Comparison,
    /// A cut was made; whether for both classes is not known yet.
    suspected: bool,
    trials: u32,
    /// A trial that waits for the comparison is under way.
    on_trial: bool,
    /// What the past was when resets were found to be limited.
    limited: Option<Tally>,
}

/// What open ports would have lost, had they lost as much as resets did, and what they lost.
#[derive(Clone, Copy, Debug, Default)]
struct Comparison {
    expected: f64,
    lost: f64,
    variance: f64,
}

/// Who suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    ResetsOnly,
    Both,
    Undecided,
}

/// A rate on trial to compare the classes at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trials {
    First,
    Later,
}

/// Which responders canaries are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Rather closed ones: they hold no half-open connection.
    ClosedFirst,
    /// As many of each: they are compared.
    Both,
    /// Open ones only: resets tell nothing.
    OpenOnly,
}

impl Classes {
    /// What the past was when resets were found to be limited; `None` where they are not.
    pub fn limited(&self) -> Option<Tally> {
        self.limited
    }

    /// Whom to ask.
    pub fn mix(&self) -> Mix {
        match (self.limited, self.suspected) {
            (Some(_), _) => Mix::OpenOnly,
            (None, true) => Mix::Both,
            (None, false) => Mix::ClosedFirst,
        }
    }

    pub(super) fn limit(&mut self, past: Tally) {
        *self = Self { limited: Some(past), ..Self::default() };
    }

    /// The rate was cut, where `opens` of `answered` targets are open. If these are not few, the comparison comes by itself.
    pub(super) fn suspect(&mut self, opens: f64, answered: f64) {
        self.suspected = opens < FEW_OPEN * answered && self.limited.is_none() && self.seen.verdict() == Verdict::Undecided;
        self.on_trial = false;
    }

    /// A stretch of trouble is settled.
    pub(super) fn add(&mut self, past: &Baseline, tally: Tally) {
        if self.limited.is_some() {
            return;
        }
        self.seen = self.seen.and(Comparison::of(past, tally));
        if self.seen.verdict() == Verdict::Both {
            (self.seen, self.suspected) = (Comparison::default(), false);
        }
    }

    /// With `tally`, of an epoch that is not settled yet.
    pub(super) fn verdict(&self, past: &Baseline, tally: Tally) -> Verdict {
        if self.limited.is_some() { Verdict::Both } else { self.seen.and(Comparison::of(past, tally)).verdict() }
    }

    /// Whether a trial at a rate at which resets are surely lost is worth its loss, where so many targets were found open.
    pub(super) fn is_trial_due(&self, opens: f64) -> Option<Trials> {
        let is_due = self.suspected && opens > 0.0 && self.trials < TRIALS;
        is_due.then_some(if self.trials == 0 { Trials::First } else { Trials::Later })
    }

    pub(super) fn begin_trial(&mut self, compares: bool) {
        self.on_trial = compares;
        self.trials += u32::from(compares);
    }

    /// Whether `epoch`, in trouble, goes on until open ports have shown whether they lose too.
    pub(super) fn is_waited_for(&self, epoch: &Epoch) -> bool {
        self.on_trial && epoch.closed < COMPARING
    }
}

impl Comparison {
    fn of(past: &Baseline, tally: Tally) -> Self {
        let closed = Baseline(past.0.of_closed());
        let (delivered, deviation) = closed.delivered(tally.of_closed());
        // What was lost before is lost to both.
        let loss = 1.0 - delivered;
        let open = Baseline(past.0.of_open());
        let canaries = tally.open.canaries * (1.0 - past.loss());
        let answers = if open.0.answers >= FEW { tally.sent * open.ratio() } else { 0.0 };
        if loss < WORTH_COMPARING || deviation > 0.5 * loss {
            return Self::default();
        }
        let lost = tally.open.lost - past.loss() * tally.open.canaries + if answers > 0.0 { answers - tally.open.answers } else { 0.0 };
        let reached = canaries + answers;
        Self {
            expected: reached * loss,
            lost,
            variance: canaries * 0.25 + answers + answers * answers / open.0.answers.max(1.0) + (reached * deviation).powi(2),
        }
    }

    fn and(self, more: Self) -> Self {
        Self { expected: self.expected + more.expected, lost: self.lost + more.lost, variance: self.variance + more.variance }
    }

    fn verdict(self) -> Verdict {
        let Self { expected, lost, variance } = self;
        if expected >= ENOUGH && lost <= 0.3 * expected && expected - lost >= SURE * variance.sqrt() {
            Verdict::ResetsOnly
        } else if expected >= ENOUGH && lost >= 0.5 * expected || lost >= ENOUGH {
            Verdict::Both
        } else {
            Verdict::Undecided
        }
    }
}

/// The rate of a trial that compares, in present rates.
pub(super) const COMPARE: f64 = 2.0;
/// Seconds of it.
const COMPARING: f64 = 1.5;
/// So often.
const TRIALS: u32 = 4;
/// A share of open ports among those that answer that is few.
const FEW_OPEN: f64 = 0.1;
/// Losses to be expected of open ports before anything is said.
const ENOUGH: f64 = 8.0;
/// Standard deviations.
const SURE: f64 = 4.0;
/// Answers of open ports in the past that make a ratio.
const FEW: f64 = 10.0;
/// Less loss of resets compares with nothing.
const WORTH_COMPARING: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::super::meters::ByClass;
    use super::*;

    fn past() -> Baseline {
        let open = ByClass { answers: 20.0, canaries: 50.0, lost: 0.0 };
        Baseline(Tally { sent: 2000.0, answers: 1900.0, canaries: 400.0, lost: 0.0, open })
    }

    /// 1000 fresh targets and 40 canaries, of which resets lose half and SYN-ACKs this share.
    fn trouble(open_loss: f64) -> Tally {
        let open = ByClass { answers: 10.0 * (1.0 - open_loss), canaries: 40.0, lost: 40.0 * open_loss };
        Tally { sent: 1000.0, answers: 470.0 + open.answers, canaries: 60.0, lost: 10.0 + open.lost, open }
    }

    #[test]
    fn resets_lost_alone_are_told_from_what_the_path_loses() {
        let classes = Classes::default();
        assert_eq!(classes.verdict(&past(), trouble(0.0)), Verdict::ResetsOnly);
        assert_eq!(classes.verdict(&past(), trouble(0.5)), Verdict::Both);
    }

    #[test]
    fn without_open_ports_nothing_is_said() {
        let none = Tally { open: ByClass::default(), ..trouble(0.0) };
        let past = Baseline(Tally { open: ByClass::default(), ..past().0 });
        assert_eq!(Classes::default().verdict(&past, none), Verdict::Undecided);
    }

    #[test]
    fn little_by_little_is_enough_too() {
        let mut classes = Classes::default();
        let little =
            Tally { sent: 100.0, answers: 48.0, canaries: 20.0, lost: 7.0, open: ByClass { answers: 1.0, canaries: 6.0, lost: 0.0 } };
        assert_eq!(classes.verdict(&past(), little), Verdict::Undecided);
        (0..5).for_each(|_| classes.add(&past(), little));
        classes.suspect(20.0, 1900.0);
        assert_eq!(classes.verdict(&past(), little), Verdict::ResetsOnly);
        classes.limit(past().0);
        assert_eq!((classes.mix(), classes.limited()), (Mix::OpenOnly, Some(past().0)));
    }
}
