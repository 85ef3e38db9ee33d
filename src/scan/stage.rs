//! A part of the scan with an order of its own: what is reachable when it begins. Hosts that answer ARP later are the next stage.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::answered::Answered;
use super::board::Counters;
use super::checkpoint::LeftStage;
use super::completeness::Completeness;
use super::discovery::Presence;
use super::marks::Marks;
use super::outcome::Reason;
use super::suspicion::Opens;
use crate::target::{Permutation, PortSet, Target, TargetSpace};
use crate::time::Time;

/// Targets in their order, with what is remembered of each.
#[derive(Debug)]
pub struct Stage {
    /// The targets.
    pub space: TargetSpace,
    /// The order they are visited in.
    pub order: Permutation,
    /// Who has answered.
    pub answered: Answered,
    /// Whether its findings are reported: not for the stages of the `--canary` and of control probes.
    pub reported: bool,
    /// How many ports of each host are open.
    pub opens: Opens,
    /// What its order was drawn by. It is kept when a scan is taken up, where its place among the stages may be another.
    pub number: usize,
    /// Who is there, where that is what the stage is to show.
    pub presence: Option<Presence>,
    senders: u64,
    /// By sender, then attempt; made when the attempt begins, which most of the later ones never do.
    marks: Vec<OnceLock<Marks>>,
    /// Positions and probes a second of a sender.
    share: (u64, u64),
    attempts: u64,
    /// Targets that answered.
    answers: AtomicU64,
    /// By attempt: targets of which a TCP segment answered it first. Errors do not count: routers limit them (RFC 1812 section 4.3.2.8),
    /// so that more of them with every attempt say nothing about loss.
    firsts: Vec<AtomicU64>,
    /// By sender: the steps below this had their first attempt.
    taken: Vec<AtomicU64>,
    /// The first position whose target could not be asked when it had its turn.
    unreached: AtomicU64,
    completeness: OnceLock<Completeness>,
}

impl Stage {
    /// A stage over `space` for `senders` senders at `rate` probes a second together.
    pub fn new(space: TargetSpace, seed: u64, senders: u64, attempts: u8, rate: u64, reported: bool) -> Self {
        let targets = space.len();
        Self {
            order: Permutation::new(targets, seed),
            answered: Answered::new(targets),
            opens: Opens::new(&space),
            space,
            reported,
            number: 0,
            presence: None,
            senders,
            marks: (0..senders * u64::from(attempts)).map(|_| OnceLock::new()).collect(),
            share: (targets.div_ceil(senders), rate.div_ceil(senders)),
            answers: AtomicU64::new(0),
            firsts: (0..attempts).map(|_| AtomicU64::new(0)).collect(),
            taken: (0..senders).map(|_| AtomicU64::new(0)).collect(),
            unreached: AtomicU64::new(u64::MAX),
            attempts: u64::from(attempts),
            completeness: OnceLock::new(),
        }
    }

    /// The same, with this number.
    #[must_use]
    pub(super) fn numbered(self, number: usize) -> Self {
        Self { number, ..self }
    }

    /// The same, to show who is there: of its ports only those count that are among `ports`.
    #[must_use]
    pub(super) fn discovering(self, ports: &PortSet) -> Self {
        Self { presence: Some(Presence::new(&self.space, ports)), ..self }
    }

    /// Whether targets of this address are in it, and are told.
    pub fn holds(&self, addr: IpAddr) -> bool {
        self.reported && self.space.addresses().contains(addr)
    }

    /// Whether the targets of a port are among those that the scan was asked for.
    pub fn counts(&self, port: u16) -> bool {
        self.reported && self.presence.as_ref().is_none_or(|presence| presence.wanted().contains(port))
    }

    /// Whether so all are, or none, whatever the port.
    #[inline]
    pub(super) fn counts_all(&self) -> Option<bool> {
        if self.reported && self.presence.is_some() { None } else { Some(self.reported) }
    }

    /// How many senders share its order.
    pub fn senders(&self) -> u64 {
        self.senders
    }

    /// How many targets of each host are among those that the scan was asked for.
    pub fn wanted(&self) -> u64 {
        self.presence.as_ref().map_or(self.space.ports().len(), |presence| presence.wanted().len()).into()
    }

    /// Notes that attempt `attempt` (from 1) at `step` of `sender`'s share leaves now.
    #[inline]
    pub fn sent(&self, sender: u64, attempt: u8, step: u64, now: Time) {
        self.marks_of(sender, attempt).sent(step, now);
    }

    /// Where `sender` marks when its steps of `attempt` (from 1) leave.
    #[inline]
    pub(super) fn marks_of(&self, sender: u64, attempt: u8) -> &Marks {
        let (positions, rate) = self.share;
        self.marks(sender, attempt).get_or_init(|| Marks::new(positions, rate))
    }

    /// Notes that the target at `position` was passed over, for no hardware address is known to send to.
    pub(super) fn passed_over(&self, position: u64) {
        self.unreached.fetch_min(position, Ordering::Relaxed);
    }

    /// The first position that was passed over so.
    pub(super) fn unreached(&self) -> u64 {
        self.unreached.load(Ordering::Relaxed)
    }

    /// Of the positions that are done, `is_done`, and of those that had answered before, how many are among what the scan was asked for.
    pub(super) fn counted(&self, left: &LeftStage, done: impl Iterator<Item = u64>, is_done: impl Fn(u64) -> bool) -> u64 {
        if !self.reported {
            return 0;
        }
        let counts = |index: u64| self.counts(self.space.port_of(index));
        let passed = match &self.presence {
            None => done.count(),
            Some(_) => done.filter(|position| counts(self.order.index(*position))).count(),
        };
        let answered = left.answered.iter().flat_map(|(_, indices)| indices).filter(|index| *index < self.order.len());
        let beyond = answered.filter(|index| counts(*index) && !is_done(self.order.position(*index)));
        (passed + beyond.count()) as u64
    }

    /// Notes that `sender` has taken the steps below `step` with the first attempt.
    pub(super) fn took(&self, sender: u64, step: u64) {
        self.taken[sender as usize].store(step, Ordering::Relaxed);
    }

    /// Counts that target `index` answered, for the first time, attempt `attempt`.
    pub(super) fn admit(&self, counters: &Counters, index: u64, attempt: u8, reason: Reason) {
        let port = self.space.port_of(index);
        self.answered_first(attempt, reason);
        if let Some(presence) = &self.presence {
            presence.answered(self.space.host_of(index), port, reason);
        }
        if self.counts(port) {
            counters.answered.add(1);
            match reason {
                Reason::SynAck => {
                    self.opens.add(index);
                    counters.open.add(1);
                }
                Reason::Reset => counters.closed.add(1),
                _ => counters.filtered.add(1),
            }
        }
    }

    /// Takes in who had answered before the scan was left.
    pub(super) fn take_up(&self, counters: &Counters, left: &LeftStage) {
        for (outcome, indices) in &left.answered {
            for index in indices.iter().take_while(|index| *index < self.space.len()).filter(|index| self.answered.mark(*index)) {
                if let Some(presence) = self.presence.as_ref().filter(|_| outcome.reason_addr.is_none()) {
                    presence.hear(self.space.host_of(index));
                }
                self.admit(counters, index, 1, outcome.reason);
            }
        }
        for (attempt, count) in (1..).zip(&self.firsts) {
            let answers = left.places.iter().filter(|place| place.attempt == attempt).map(|place| place.answers);
            count.store(answers.max().unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Targets that attempt `attempt` (from 1) was the first to bring an answer of.
    pub(super) fn first_answers(&self, attempt: u8) -> u64 {
        self.firsts.get(usize::from(attempt) - 1).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Counts the attempt that was answered, the first time that the target was heard.
    pub(super) fn answered_first(&self, attempt: u8, reason: Reason) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if reason.is_owed() {
            // Canaries and audits are beside the attempts.
            if let Some(count) = self.firsts.get(usize::from(attempt) - 1) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn conclude(&self, completeness: Completeness) {
        // Said once.
        let _ = self.completeness.set(completeness);
    }

    /// What is known about what was missed, when the stage has ended, if account was kept.
    pub fn completeness(&self) -> Option<Completeness> {
        self.completeness.get().copied()
    }

    /// Whether a target is left that has not answered, as far as that is known: without a bit for each target, duplicates count too.
    pub fn has_silent(&self) -> bool {
        self.answered.is_blind() || self.answers.load(Ordering::Relaxed) < self.order.len()
    }

    /// Whether another attempt after `attempts` of them may be expected to bring answers. Where the last brought some, there is
    /// loss; if it goes on shrinking the silent as it did, the next brings the square of the last over the one before.
    pub fn is_worthwhile(&self, attempts: u8) -> bool {
        let first = |attempt: u8| self.first_answers(attempt) as f64;
        let last = first(attempts);
        let before = if attempts > 1 { first(attempts - 1) } else { last };
        last > 0.0 && last * last / before.max(1.0) >= WORTHWHILE
    }

    /// Whether target `index` was probed at all, or passed over because it had answered.
    pub fn was_probed(&self, index: u64) -> bool {
        let position = self.order.position(index);
        position / self.senders < self.taken[(position % self.senders) as usize].load(Ordering::Relaxed)
    }

    /// Whether every target was probed at least once.
    pub fn is_covered(&self) -> bool {
        let len = self.order.len();
        (0..self.senders)
            .all(|sender| self.taken[sender as usize].load(Ordering::Relaxed) >= (len + self.senders - 1 - sender) / self.senders)
    }

    /// When attempt `attempt` (from 1) was sent to target `index`.
    pub fn sent_at(&self, index: u64, attempt: u8) -> Option<Time> {
        if u64::from(attempt) > self.attempts {
            return None;
        }
        let position = self.order.position(index);
        self.marks(position % self.senders, attempt).get()?.time(position / self.senders)
    }

    fn marks(&self, sender: u64, attempt: u8) -> &OnceLock<Marks> {
        &self.marks[(sender * self.attempts + u64::from(attempt - 1)) as usize]
    }
}

/// Answers that another attempt must be expected to bring.
const WORTHWHILE: f64 = 0.1;

/// The stages of a scan, in the order they began. Written by the conductor, read by receivers.
#[derive(Debug)]
pub struct Stages([OnceLock<Stage>; Stages::MOST]);

impl Default for Stages {
    fn default() -> Self {
        Self([const { OnceLock::new() }; Self::MOST])
    }
}

impl Stages {
    /// Most stages of a scan: hosts that join after the last are not probed, and counted.
    pub const MOST: usize = 8;

    /// Begins a stage; its number, or `None` if there have been too many.
    pub fn begin(&self, stage: Stage) -> Option<usize> {
        let mut stage = Some(stage);
        self.0.iter().position(|slot| match stage.take() {
            Some(new) => match slot.set(new) {
                Ok(()) => true,
                Err(back) => {
                    stage = Some(back);
                    false
                }
            },
            None => false,
        })
    }

    /// The stage of a number.
    pub fn at(&self, number: usize) -> Option<&Stage> {
        self.0.get(number)?.get()
    }

    /// All stages begun so far, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Stage)> {
        self.0.iter().map_while(OnceLock::get).enumerate()
    }

    /// The stage and index of a target.
    pub fn find(&self, target: Target) -> Option<(usize, &Stage, u64)> {
        self.iter().find_map(|(number, stage)| Some((number, stage, stage.space.index_of(target)?)))
    }
}
