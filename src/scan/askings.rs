//! How many hosts were lost to ARP: told from the asking at which the others answered.

use super::completeness::{beta_upper, expected_for, poisson_upper};

/// Askings of everybody who had not answered, and how many answered each.
#[derive(Clone, Debug, Default)]
pub(super) struct Askings {
    answers: Vec<u64>,
    known: u64,
}

/// Hosts that are up and never answered, as far as can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Unheard {
    pub(super) hosts: f64,
    /// With 95 % confidence no more.
    pub(super) upper95: f64,
    /// So few that the goal is not in danger.
    pub(super) is_enough: bool,
}

impl Askings {
    /// All who were silent have been asked once more, and the answers had their time: so many are known now.
    pub(super) fn settle(&mut self, known: u64) {
        self.answers.push(known.saturating_sub(self.known));
        self.known = known;
    }

    /// How often everybody was asked.
    pub(super) fn count(&self) -> usize {
        self.answers.len()
    }

    /// Of `silent` hosts, how many are up, if each asking is lost with the same chance; the share `goal` of all hosts is to be found.
    pub(super) fn unheard(&self, silent: u64, goal: f64) -> Unheard {
        let (found, silent) = (self.known as f64, silent as f64);
        let count = self.count().min(1000) as u16;
        if count == 0 || found == 0.0 {
            return Unheard { is_enough: silent == 0.0, ..Unheard::default() };
        }
        let failures: f64 = self.answers.iter().enumerate().map(|(before, &answers)| before as f64 * answers as f64).sum();
        // The chance follows from how many are missing, and these from the chance: the truncated geometric distribution, by repetition.
        let missing = |loss: f64| {
            let never = loss.powi(count.into());
            (found * never / (1.0 - never).max(1e-9)).min(silent)
        };
        let mut hosts = 0.0;
        for _ in 0..ROUNDS {
            let lost = failures + f64::from(count) * hosts + PRIOR_LOST;
            hosts = missing(lost / (lost + found + PRIOR_ANSWERED));
        }
        let lost = failures + f64::from(count) * hosts + PRIOR_LOST;
        let upper = missing(beta_upper(lost, found + PRIOR_ANSWERED));
        let allowed = expected_for(SAFE * (1.0 - goal) * (found + hosts));
        Unheard { hosts, upper95: poisson_upper(1.5 * upper).min(silent), is_enough: hosts <= allowed }
    }
}

/// As for probes: while nothing is known, 5 % are taken to be lost.
const PRIOR_LOST: f64 = 0.5;
const PRIOR_ANSWERED: f64 = 10.0;
/// Of what may be missed, so much is planned for.
const SAFE: f64 = 0.6;
/// Enough for the sum to settle, or to reach all silent hosts.
const ROUNDS: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[u64]) -> Askings {
        let mut askings = Askings::default();
        let mut known = 0;
        for answers in answers {
            known += answers;
            askings.settle(known);
        }
        askings
    }

    #[test]
    fn where_all_answer_at_once_nobody_is_missing() {
        let unheard = after(&[200, 0]).unheard(54, 0.999);
        assert!(unheard.hosts < 0.01 && unheard.upper95 == 0.0 && unheard.is_enough, "{unheard:?}");
        // One is few to tell from.
        let one = after(&[1, 0]).unheard(253, 0.999);
        assert!(one.hosts < 0.01 && !one.is_enough, "{one:?}");
        assert!(after(&[1, 0, 0]).unheard(253, 0.999).is_enough);
    }

    #[test]
    fn what_each_asking_loses_is_missing_at_the_end() {
        // 200 hosts, half of the askings lost.
        let unheard = after(&[100, 50, 25]).unheard(79, 0.999);
        assert!((18.0..32.0).contains(&unheard.hosts) && unheard.upper95 > 30.0 && !unheard.is_enough, "{unheard:?}");
        let later = after(&[100, 50, 25, 13, 6, 3, 2, 1, 0, 0, 0, 0, 0]).unheard(54, 0.999);
        assert!(later.hosts < 0.05 && later.is_enough, "{later:?}");
    }

    #[test]
    fn no_more_is_missing_than_silent() {
        let unheard = after(&[1, 10]).unheard(3, 0.999);
        assert!(unheard.hosts <= 3.0 && unheard.upper95 <= 3.0, "{unheard:?}");
        assert!(after(&[20]).unheard(0, 0.999).hosts < 1e-9);
    }

    #[test]
    fn before_anybody_was_asked_nothing_is_said() {
        assert_eq!(Askings::default().unheard(10, 0.999), Unheard::default());
        assert!(!after(&[0, 0]).unheard(10, 0.999).is_enough);
    }
}
