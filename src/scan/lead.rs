//! What the first sender of a stage sends: its share, or all of it.

use super::prober::{Poll, Prober, Shot, Source};
use super::survey::Survey;
use crate::time::Time;

/// What the first sender sends.
#[derive(Debug)]
pub(super) enum Lead {
    /// Its share of trailing attempts, at a fixed rate.
    Share(Box<Prober>),
    /// All of a stage, with account kept.
    Survey(Box<Survey>),
}

impl Lead {
    pub(super) fn poll(&mut self, now: Time) -> Poll {
        match self {
            Self::Share(prober) => prober.poll(now),
            Self::Survey(survey) => survey.poll(now),
        }
    }

    pub(super) fn peek(&mut self, now: Time) -> Option<Shot> {
        match self {
            Self::Share(prober) => prober.peek(now),
            Self::Survey(survey) => survey.peek(now),
        }
    }

    pub(super) fn sent(&mut self, now: Time) {
        match self {
            Self::Share(prober) => prober.sent(now),
            Self::Survey(survey) => survey.sent(now),
        }
    }

    pub(super) fn taken(&mut self, until: Time) {
        match self {
            Self::Share(prober) => prober.taken(until),
            Self::Survey(survey) => survey.taken(until),
        }
    }

    pub(super) fn leading(&self) -> u8 {
        match self {
            Self::Share(prober) => prober.leading(),
            Self::Survey(survey) => survey.pass(),
        }
    }

    /// Share of the work that is done, as far as it can be foreseen.
    pub(super) fn done(&self) -> f64 {
        match self {
            Self::Share(prober) => {
                let (done, all) = prober.progress();
                share(done, all)
            }
            Self::Survey(survey) => {
                let (done, all) = survey.progress();
                let done = share(done, all);
                // How many passes there will be is not known: most of the work is in the first, and each is smaller than the last.
                match survey.pass() {
                    ..=1 => FIRST_PASS * done,
                    pass => 1.0 - (1.0 - FIRST_PASS) * 0.5_f64.powi(i32::from(pass) - 2) * (1.0 - 0.5 * done),
                }
            }
        }
    }
}

/// What part of all is done; all of nothing is.
pub(super) fn share(done: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { done as f64 / all as f64 }
}

/// The first pass's part of the work.
const FIRST_PASS: f64 = 0.8;
