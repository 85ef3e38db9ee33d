//! What a journal needs to know: told in an order that can be taken up after a kill at any moment.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connect::ConnectCounters;
use super::reporter::Reporter;
use super::request::{Entry, Event};
use crate::scan::{Board, Checkpoint, Finding, LeftStage, Record, Spent, Stages, State};
use crate::target::TargetSpace;
use crate::time::Time;

/// Keeps a journal informed, if there is one.
#[derive(Debug)]
pub(super) struct Diary {
    is_kept: bool,
    /// Stages of the board looked at so far.
    stages: usize,
    /// What was spent before this scan was taken up.
    before: Spent,
    next: Time,
}

impl Diary {
    pub(super) fn new(is_kept: bool, before: Spent) -> Self {
        Self { is_kept, stages: 0, before, next: Time::ZERO }
    }

    /// What connect() asks is a stage, too.
    pub(super) fn connects(&self, space: &TargetSpace, reporter: &mut Reporter<'_>) {
        if self.is_kept {
            let stage = LeftStage::new(Stages::MOST, space.addresses().clone(), space.ports().clone());
            reporter.event(Event::Journal(Entry::Stage(Box::new(stage))));
        }
    }

    /// A raw probe was answered; the journal is told unless everybody is.
    pub(super) fn answered(&mut self, record: &Record, finding: &Finding, is_told: bool, board: &Board, reporter: &mut Reporter<'_>) {
        if self.is_kept && !is_told {
            self.stages(board, reporter);
            if finding.outcome.state == State::Open {
                // It waits for its host: what it was like would be lost.
                return reporter.event(Event::Journal(Entry::Finding(*finding)));
            }
            let (place, index) = record.place();
            let Some(stage) = board.stages.at(place).map(|stage| stage.number) else { return };
            reporter.event(Event::Journal(Entry::Answer { stage, index, outcome: finding.outcome }));
        }
    }

    /// A connection was answered, or its target is silent; the journal is told unless everybody is.
    pub(super) fn connected(&self, space: &TargetSpace, finding: &Finding, is_told: bool, reporter: &mut Reporter<'_>) {
        if let Some(index) = space.index_of(finding.target).filter(|_| self.is_kept && !is_told) {
            reporter.event(Event::Journal(Entry::Answer { stage: Stages::MOST, index, outcome: finding.outcome }));
        }
    }

    /// Whether it is time to look what senders have told: what they have goes to [`Self::settle`] when every answer that has arrived by
    /// now is told.
    pub(super) fn look(&mut self, now: Time, board: Option<&Board>) -> Option<Vec<Checkpoint>> {
        if !self.is_kept || now < self.next {
            return None;
        }
        self.next = now + EVERY;
        Some(board.map(|board| board.checkpoints.read().collect()).unwrap_or_default())
    }

    /// All answers that the checkpoints count on are told.
    pub(super) fn settle(
        &mut self,
        now: Time,
        checkpoints: Vec<Checkpoint>,
        board: Option<&Board>,
        connect: &ConnectCounters,
        reporter: &mut Reporter<'_>,
    ) {
        if let Some(board) = board {
            self.stages(board, reporter);
            for Checkpoint { stage, what } in checkpoints {
                if let Some(stage) = board.stages.at(stage).filter(|stage| stage.reported) {
                    reporter.event(Event::Journal(Entry::Checkpoint(Checkpoint { stage: stage.number, what })));
                }
            }
        }
        reporter.event(Event::Journal(Entry::Spent(self.spent(now, board, connect))));
    }

    /// Tells of stages that have begun.
    fn stages(&mut self, board: &Board, reporter: &mut Reporter<'_>) {
        for (_, stage) in board.stages.iter().skip(self.stages) {
            self.stages += 1;
            if stage.reported {
                let told = LeftStage {
                    discovers: stage.presence.is_some(),
                    senders: stage.senders(),
                    ..LeftStage::new(stage.number, stage.space.addresses().clone(), stage.space.ports().clone())
                };
                reporter.event(Event::Journal(Entry::Stage(Box::new(told))));
            }
        }
    }

    fn spent(&self, now: Time, board: Option<&Board>, connect: &ConnectCounters) -> Spent {
        let raw = board.map(|board| &board.counters);
        let count = |of: fn(&crate::scan::Counters) -> &crate::scan::Count| raw.map_or(0, |counters| of(counters).get());
        self.before.and(&Spent {
            elapsed: now.since(Time::ZERO),
            probes: count(|counters| &counters.probes) + connect.probes.load(Ordering::Relaxed),
            canaries: count(|counters| &counters.canaries),
            arp_requests: count(|counters| &counters.arp_requests),
            invalid: count(|counters| &counters.invalid),
            malformed: count(|counters| &counters.malformed),
            duplicates: count(|counters| &counters.duplicates),
            receiver_drops: count(|counters| &counters.receiver_drops),
            send_errors: count(|counters| &counters.send_errors),
            resets_lost: count(|counters| &counters.resets_lost),
            send_retries: count(|counters| &counters.send_retries),
        })
    }
}

/// How much a killed scan may forget.
const EVERY: Duration = Duration::from_millis(25);
