//! What a whole scan's canaries and audits say about loss.

use super::completeness::beta_upper;
use super::rate::{Epoch, Tally};
use super::windows::Purpose;

/// Canaries of clean epochs, and audits.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    sent: f64,
    lost: f64,
    again: f64,
    lost_again: f64,
    spread: Spread,
    audited: f64,
    audit_answers: f64,
}

/// Sums over clean epochs, for the moments of the loss between them.
#[derive(Debug, Default)]
struct Spread {
    epochs: f64,
    sent: f64,
    sent_sent: f64,
    lost_lost: f64,
    lost_sent: f64,
}

/// Chances of loss, as estimated and as bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chances {
    /// A probe in a clean epoch is lost.
    pub(super) first: f64,
    pub(super) first_upper: f64,
    /// A probe is lost whose target lost one before: where loss is uneven that is more.
    pub(super) again: f64,
    pub(super) again_upper: f64,
    /// How many canaries of its own an epoch needs to count as much as all others together.
    pub(super) weight: f64,
}

impl Evidence {
    /// What canaries have said so far, as numbers that [`Self::of`] reads.
    pub(super) fn state(&self) -> [f64; Self::NUMBERS] {
        let Self { sent, lost, again, lost_again, spread, .. } = self;
        let Spread { epochs, sent: in_epochs, sent_sent, lost_lost, lost_sent } = spread;
        [*sent, *lost, *again, *lost_again, *epochs, *in_epochs, *sent_sent, *lost_lost, *lost_sent]
    }

    /// As it was when it said this. The audit of a pass begins anew.
    pub(super) fn of(state: [f64; Self::NUMBERS]) -> Self {
        let [sent, lost, again, lost_again, epochs, in_epochs, sent_sent, lost_lost, lost_sent] = state.map(|sum| sum.max(0.0));
        let spread = Spread { epochs, sent: in_epochs, sent_sent, lost_lost, lost_sent };
        Self { sent, lost, again, lost_again, spread, ..Self::default() }
    }

    /// How many numbers its state has.
    pub(super) const NUMBERS: usize = 9;

    /// A clean epoch is settled.
    pub(super) fn clean(&mut self, epoch: &Epoch) {
        let Tally { canaries, lost, .. } = epoch.tally;
        if canaries > 0.0 {
            self.spread.epochs += 1.0;
            self.spread.sent += canaries;
            self.spread.sent_sent += canaries * canaries;
            self.spread.lost_lost += lost * lost;
            self.spread.lost_sent += canaries * lost;
        }
    }

    /// A canary of a clean epoch.
    pub(super) fn canary(&mut self, purpose: Purpose, answered: bool) {
        let lost = f64::from(u8::from(!answered));
        match purpose {
            Purpose::Meter => (self.sent, self.lost) = (self.sent + 1.0, self.lost + lost),
            Purpose::FollowUp => (self.again, self.lost_again) = (self.again + 1.0, self.lost_again + lost),
            Purpose::Audit => {}
        }
    }

    /// A canary that was counted as lost has answered.
    pub(super) fn late(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Meter => self.lost -= 1.0,
            Purpose::FollowUp => self.lost_again -= 1.0,
            Purpose::Audit => {}
        }
    }

    /// Forgets the audit of this pass so far.
    pub(super) fn forget_audit(&mut self) {
        (self.audited, self.audit_answers) = (0.0, 0.0);
    }

    pub(super) fn audited(&mut self) {
        self.audited += 1.0;
    }

    pub(super) fn audit_answered(&mut self) {
        self.audit_answers += 1.0;
    }

    pub(super) fn chances(&self) -> Chances {
        let sent = self.sent + PRIOR_LOST + PRIOR_SENT;
        let first = (self.lost + PRIOR_LOST) / sent;
        let first_upper = beta_upper(self.lost + PRIOR_LOST, self.sent - self.lost + PRIOR_SENT);
        let prior = first.max(0.02);
        let again = ((self.lost_again + PRIOR_AGAIN * prior) / (self.again + PRIOR_AGAIN)).max(first);
        let again_upper =
            beta_upper(self.lost_again + PRIOR_AGAIN * prior, self.again - self.lost_again + PRIOR_AGAIN * (1.0 - prior)).max(again);
        Chances { first, first_upper, again, again_upper, weight: self.weight() }
    }

    /// By the moments of a beta-binomial distribution: the more loss varies between epochs, the less their mean says about one.
    fn weight(&self) -> f64 {
        let Spread { epochs, sent, sent_sent, lost_lost, lost_sent } = self.spread;
        if epochs < 2.0 {
            return POOLED;
        }
        let mean = (self.lost + 0.5) / (self.sent + 1.0);
        let variance = lost_lost - 2.0 * mean * lost_sent + mean * mean * sent_sent;
        let excess = variance / (mean * (1.0 - mean) * sent).max(1e-9) - 1.0 - 2.0 * (2.0 / epochs).sqrt();
        if excess <= 0.0 { POOLED } else { ((sent / epochs - 1.0) / excess - 1.0).clamp(20.0, POOLED) }
    }

    /// Ends the audit of a pass: the chance that a probe of it was lost, if far more of the silent answered than canaries let expect,
    /// where a share `ratio` of targets would answer.
    pub(super) fn close_audit(&mut self, ratio: f64) -> Option<f64> {
        let (asked, answers) = (std::mem::take(&mut self.audited), std::mem::take(&mut self.audit_answers));
        let first = self.chances().first;
        let ratio = ratio.min(0.999);
        let expected = asked * ratio * first / (1.0 - ratio + ratio * first).max(1e-9);
        if answers < 2.0 || answers <= expected + 3.0 * (expected + 0.1).sqrt() {
            return None;
        }
        let missed = answers / asked;
        Some((missed * (1.0 - ratio) / (missed * (1.0 - ratio) + ratio)).min(1.0))
    }
}

const PRIOR_LOST: f64 = 0.5;
const PRIOR_SENT: f64 = 10.0;
const PRIOR_AGAIN: f64 = 2.0;
const POOLED: f64 = 1e6;
