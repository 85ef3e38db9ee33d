//! How far a scan has come: what it tells while it runs, and where one that was ended takes up again.
//!
//! A target counts as done in a pass when its probe had the time to be answered and every answer until then has been read. What was under
//! way when a scan was killed is therefore asked again, and nothing that was not asked is passed over.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use roaring::RoaringTreemap;

use super::outcome::{Finding, Outcome};
use super::record::ScanRecord;
use crate::target::{AddressSet, PortSet, Target};
use crate::time::Time;

/// What a sender tells of its way through a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The stage's number.
    pub stage: usize,
    /// What of it.
    pub what: Milestone,
}

/// A part of the way.
#[derive(Clone, Debug, PartialEq)]
pub enum Milestone {
    /// Every target before `place` had its probe of this attempt, or had answered before, and has had the time to answer.
    Place(Place),
    /// A pass after the first begins, over these blocks of the order, ascending.
    Pass {
        /// Its number, from 2.
        pass: u8,
        /// Numbers of blocks.
        blocks: Vec<u32>,
    },
    /// What is known about loss.
    Knowledge(Knowledge),
}

/// What a stage's canaries have shown, and what follows for every block of its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Knowledge {
    /// Sums over canaries: sent, lost; of those asked again after a loss, sent, lost; over clean epochs, their number and the sums of sent,
    /// sent², lost², lost·sent.
    pub canaries: [f64; 9],
    /// A chance of loss that only an audit of silent targets showed, in the first pass.
    pub unseen: f64,
    /// By number.
    pub blocks: Vec<BlockState>,
}

/// How far a sender is with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the sender, from 0.
    pub sender: u64,
    /// The attempt, or pass, from 1.
    pub attempt: u8,
    /// How many steps of the sender's share of the order are done.
    pub step: u64,
    /// Targets, of all senders, that this attempt was the first to bring an answer of.
    pub answers: u64,
}

/// What is known of a block of the order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockState {
    /// The chance that one of its targets that would answer was missed in the passes before.
    pub missed: f32,
    /// An upper bound of it.
    pub missed_upper: f32,
    /// Of the probes of the pass before, the share that met loss, times that loss.
    pub hot_before: f32,
    /// Passes in which it had few losses.
    pub clean: u8,
    /// The last pass that asked it, from 1; 0 if none has.
    pub asked_in: u8,
    /// Of that pass so far: probes; of these, those in epochs that lost; their loss, summed; over the others, the share of canaries lost,
    /// and how many there were, summed.
    pub pass: [f32; 5],
}

/// A stage as it was left.
#[derive(Clone, Debug)]
pub struct LeftStage {
    /// Its number among the stages.
    pub number: usize,
    /// Hosts.
    pub addresses: AddressSet,
    /// Ports of each; port 0 is an echo request.
    pub ports: PortSet,
    /// Whether it was to show who is there.
    pub discovers: bool,
    /// How many senders shared its order.
    pub senders: u64,
    /// Who had answered what, by index of the target.
    pub answered: Vec<(Outcome, RoaringTreemap)>,
    /// How far each attempt had come.
    pub places: Vec<Place>,
    /// The last pass that began, with its blocks, if it was not the first.
    pub pass: Option<(u8, Vec<u32>)>,
    /// What was known about loss when that was told last.
    pub knowledge: Option<Knowledge>,
}

impl LeftStage {
    /// Stage number `number` over these hosts and ports, of which nothing is done yet.
    pub fn new(number: usize, addresses: AddressSet, ports: PortSet) -> Self {
        Self {
            number,
            addresses,
            ports,
            discovers: false,
            senders: 1,
            answered: Vec::new(),
            places: Vec::new(),
            pass: None,
            knowledge: None,
        }
    }

    /// Takes in what was told next.
    pub fn tell(&mut self, milestone: Milestone) {
        match milestone {
            Milestone::Place(place) => {
                match self.places.iter_mut().find(|known| (known.sender, known.attempt) == (place.sender, place.attempt)) {
                    Some(known) => (known.step, known.answers) = (known.step.max(place.step), known.answers.max(place.answers)),
                    None => self.places.push(place),
                }
            }
            Milestone::Pass { pass, blocks } => self.pass = Some((pass, blocks)),
            Milestone::Knowledge(knowledge) => self.knowledge = Some(knowledge),
        }
    }

    /// These targets have answered so.
    pub fn answered(&mut self, outcome: Outcome, targets: RoaringTreemap) {
        match self.answered.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, all)) => *all |= targets,
            None => self.answered.push((outcome, targets)),
        }
    }

    /// The last attempt that was begun.
    pub(super) fn last_attempt(&self) -> u8 {
        self.places.iter().map(|place| place.attempt).max().unwrap_or(1)
    }

    /// How many steps of `sender` are done in `attempt`.
    pub(super) fn step(&self, sender: u64, attempt: u8) -> u64 {
        let place = self.places.iter().find(|place| (place.sender, place.attempt) == (sender, attempt));
        place.map_or(0, |place| place.step)
    }
}

/// What a scan had spent when it was left, beyond what its findings tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time, from the first packet on.
    pub elapsed: Duration,
    /// SYNs and echo requests sent, or connections begun.
    pub probes: u64,
    /// Of these, asked beside the passes.
    pub canaries: u64,
    /// ARP requests sent.
    pub arp_requests: u64,
    /// Replies that proved nothing.
    pub invalid: u64,
    /// Frames that could not be parsed.
    pub malformed: u64,
    /// Proven replies to targets already answered.
    pub duplicates: u64,
    /// Replies the kernel could not deliver.
    pub receiver_drops: u64,
    /// Probes that could not be sent.
    pub send_errors: u64,
    /// Resets that could not be sent.
    pub resets_lost: u64,
    /// Times a device was full.
    pub send_retries: u64,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        Self {
            elapsed: self.elapsed + more.elapsed,
            probes: self.probes + more.probes,
            canaries: self.canaries + more.canaries,
            arp_requests: self.arp_requests + more.arp_requests,
            invalid: self.invalid + more.invalid,
            malformed: self.malformed + more.malformed,
            duplicates: self.duplicates + more.duplicates,
            receiver_drops: self.receiver_drops + more.receiver_drops,
            send_errors: self.send_errors + more.send_errors,
            resets_lost: self.resets_lost + more.resets_lost,
            send_retries: self.send_retries + more.send_retries,
        }
    }
}

/// A scan as it was left.
#[derive(Clone, Debug)]
pub struct LeftScan {
    /// What it said when it began.
    pub scan: ScanRecord,
    /// Its stages of raw probes, ascending by number.
    pub stages: Vec<LeftStage>,
    /// What it asked by connect(), if anything: those silent in every attempt count as answered.
    pub connect: Option<LeftStage>,
    /// Findings that were told singly, by target.
    pub told: HashMap<Target, Finding>,
    /// What it had spent.
    pub spent: Spent,
}

/// What senders have told and nobody has read yet. Where nobody wants to know, nothing is told.
#[derive(Debug)]
pub struct Checkpoints {
    inlet: Sender<Checkpoint>,
    told: Receiver<Checkpoint>,
    is_wanted: bool,
}

impl Checkpoints {
    pub(super) fn new(is_wanted: bool) -> Self {
        let (inlet, told) = unbounded();
        Self { inlet, told, is_wanted }
    }

    /// Whether anybody wants to know.
    pub(super) fn are_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn tell(&self, stage: usize, what: Milestone) {
        // Both ends are here: there is always somebody.
        let _ = self.inlet.send(Checkpoint { stage, what });
    }

    /// What was told since this was last asked, in order. Whoever reads findings after this has every answer that it counts on.
    pub fn read(&self) -> impl Iterator<Item = Checkpoint> + '_ {
        self.told.try_iter()
    }
}

/// Places in the order and when they were reached, so that it can be told which have had their time.
#[derive(Debug, Default)]
pub(super) struct Trail {
    list: VecDeque<(Time, u64)>,
    settled: u64,
}

impl Trail {
    /// All steps before `step` were taken before `now`.
    pub(super) fn reach(&mut self, now: Time, step: u64) {
        let is_new = self.list.back().map_or(step > self.settled, |&(at, last)| step > last && now >= at + GRAIN);
        if is_new {
            self.list.push_back((now, step));
        }
    }

    /// The first step that was not taken before `until`, if that is a later one than when this was last asked.
    pub(super) fn settle(&mut self, until: Time) -> Option<u64> {
        let before = self.settled;
        while let Some((_, step)) = self.list.pop_front_if(|(at, _)| *at <= until) {
            self.settled = step;
        }
        (self.settled > before).then_some(self.settled)
    }
}

/// Places are told apart by this.
const GRAIN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_step_is_settled_when_it_had_its_time() {
        let mut trail = Trail::default();
        for millis in 0..100 {
            trail.reach(at(millis), millis + 1);
        }
        assert_eq!(trail.settle(at(0)), Some(1));
        assert_eq!(trail.settle(at(4)), None);
        assert_eq!(trail.settle(at(52)), Some(51));
        trail.reach(at(200), 100);
        assert_eq!((trail.settle(at(300)), trail.settle(at(400))), (Some(100), None));
    }

    #[test]
    fn what_was_told_last_holds() {
        let mut left = LeftStage::new(0, AddressSet::new(), PortSet::all());
        for step in [5, 9, 7] {
            left.tell(Milestone::Place(Place { sender: 0, attempt: 1, step, answers: 2 }));
        }
        left.tell(Milestone::Place(Place { sender: 0, attempt: 2, step: 3, answers: 0 }));
        left.tell(Milestone::Pass { pass: 2, blocks: vec![1] });
        assert_eq!((left.step(0, 1), left.step(0, 2), left.step(1, 1)), (9, 3, 0));
        assert_eq!(left.pass, Some((2, vec![1])));
    }

    #[test]
    fn nobody_is_told_who_does_not_want_to_know() {
        let checkpoints = Checkpoints::new(true);
        checkpoints.tell(1, Milestone::Pass { pass: 2, blocks: vec![] });
        assert!(checkpoints.are_wanted() && !Checkpoints::new(false).are_wanted());
        assert_eq!((checkpoints.read().count(), checkpoints.read().count()), (1, 0));
    }
}
