//! Scans that are killed at any moment and taken up again, in virtual time: the parts together find what one scan finds, and ask hardly more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roaring::RoaringTreemap;
use synprobe::lab::{Scenario, VirtualNetwork};
use synprobe::run::{Inlet, VirtualClock, lockstep};
use synprobe::scan::{Board, Checkpoint, LeftStage, Observer, Outcome, RatePolicy, ScanConfig};
use synprobe::time::Time;

use crate::measure::{board, network};

/// Virtual time in which the scan is killed at a moment; what it told until then is kept, with the time.
struct Killer<'a> {
    network: VirtualNetwork,
    board: &'a Board,
    at: Time,
    told: RefCell<Vec<(Time, Checkpoint)>>,
}

impl VirtualClock for Killer<'_> {
    fn now(&self) -> Time {
        self.network.now()
    }

    fn advance(&self, to: Time) {
        let now = self.network.now();
        self.told.borrow_mut().extend(self.board.checkpoints.read().map(|checkpoint| (now, checkpoint)));
        if now >= self.at {
            self.board.stop.store(true, Ordering::Relaxed);
        }
        self.network.advance(to);
    }

    fn next_delivery(&self) -> Option<Time> {
        self.network.next_delivery()
    }
}

/// One part of a scan.
struct Part {
    /// What is known of it when it is killed; the last part's end.
    left: Vec<LeftStage>,
    /// Probes until then.
    probes: u64,
    found: BTreeSet<(u64, Outcome)>,
    is_done: bool,
}

/// Scans from where `left` says until `at`. What was told in the last `LAG` before is not on disk.
fn part(scenario: &Scenario, seed: u64, at: Time, left: Vec<LeftStage>, tune: impl FnOnce(&mut ScanConfig)) -> Part {
    let network = network(scenario, seed);
    let begun = board(scenario, seed, |config| {
        tune(config);
        config.keeps_journal = true;
    });
    let mut found: BTreeSet<(u64, Outcome)> =
        left.iter().flat_map(|left| &left.answered).flat_map(|(outcome, set)| set.iter().map(|index| (index, *outcome))).collect();
    let board = Arc::new(begun.taking_up(left.clone()));
    let clock = Killer { network: network.clone(), board: &board, at, told: RefCell::default() };
    let mut inlets = [Inlet::new(network.receiver(), Observer::new(Arc::clone(&board), 0), network.transmitter())];
    let mut answers = Vec::new();
    lockstep(&board, &mut || vec![network.transmitter()], &mut inlets, &clock, &mut |record| {
        let finding = record.finding(&board.stages).expect("of a stage");
        let (_, _, index) = board.stages.find(finding.target).expect("a target");
        answers.push((network.now(), index, finding.outcome));
    });
    let is_done = !board.is_stopped();
    let probes = board.counters.probes.get();
    let until = Time::from_nanos(at.as_nanos().saturating_sub(LAG.as_nanos() as u64));
    let on_disk = |time: Time| is_done || time <= until;
    let mut stages = left;
    if stages.is_empty() {
        stages.push(LeftStage::new(0, scenario.addresses(), scenario.ports()));
        stages[0].senders = board.config.senders;
    }
    for (_, checkpoint) in clock.told.into_inner().into_iter().filter(|(time, _)| on_disk(*time)) {
        assert_eq!(checkpoint.stage, 0, "there is one");
        stages[0].tell(checkpoint.what);
    }
    for (_, index, outcome) in answers.into_iter().filter(|(time, ..)| on_disk(*time)) {
        assert!(found.insert((index, outcome)), "target {index} was found twice");
        stages[0].answered(outcome, RoaringTreemap::from_iter([index]));
    }
    Part { left: stages, probes, found, is_done }
}

/// Kills a scan after these spans, one after another, and takes it up each time; what was found, how many probes it took, and how often it
/// was killed.
fn in_parts(scenario: &Scenario, seed: u64, spans: &[u64], tune: impl Fn(&mut ScanConfig)) -> (BTreeSet<(u64, Outcome)>, u64, usize) {
    let (mut left, mut probes, mut kills) = (Vec::new(), 0, 0);
    for millis in spans.iter().map(|millis| Some(*millis)).chain([None]) {
        let at = millis.map_or(Time::NEVER, |millis| Time::from_nanos(millis * 1_000_000));
        // Each part meets other packets that are lost.
        let done = part(scenario, seed, at, left, &tune);
        probes += done.probes;
        if done.is_done {
            return (done.found, probes, kills);
        }
        kills += 1;
        left = done.left;
    }
    unreachable!("the last part is not killed")
}

fn fixed(config: &mut ScanConfig) {
    (config.policy, config.rate, config.host_rate) = (RatePolicy::Fixed, 10_000, 10_000);
}

/// Nearly random moments between 0.2 and 6 seconds.
fn moments(number: u64) -> [u64; 3] {
    [1, 2, 3].map(|turn: u64| 200 + (number * 7919 + turn * 104_729) * 2_654_435_761 % 5800)
}

fn compare(name: &str, hosts: u32, most: f64, least_found: f64, tune: impl Fn(&mut ScanConfig)) {
    let scenario = Scenario::named(name).expect("it is there").with_hosts(hosts);
    let whole = part(&scenario, 1, Time::NEVER, Vec::new(), &tune);
    assert!(whole.is_done);
    for number in 0..10 {
        let spans = moments(number);
        let (found, probes, kills) = in_parts(&scenario, 1, &spans, &tune);
        let more = probes as f64 / whole.probes as f64;
        println!("{name} killed {kills} times after {spans:?} ms: {} of {}, {more:.3} of the probes", found.len(), whole.found.len());
        assert!(found.len() as f64 >= least_found * whole.found.len() as f64, "{name} {spans:?}: {} of {}", found.len(), whole.found.len());
        assert!(more < most, "{name} killed {kills} times after {spans:?}: {more:.3} of the probes");
    }
}

#[test]
fn on_a_clean_path_the_parts_are_the_whole() {
    let scenario = Scenario::named("lan-1M").expect("it is there").with_hosts(65_536);
    let whole = part(&scenario, 1, Time::NEVER, Vec::new(), fixed);
    for number in 0..10 {
        let (found, probes, kills) = in_parts(&scenario, 1, &moments(number), fixed);
        assert_eq!(found, whole.found, "killed {kills} times after {:?}", moments(number));
        assert!((probes as f64) < 1.1 * whole.probes as f64, "killed {kills} times: {probes} probes instead of {}", whole.probes);
    }
}

#[test]
fn where_packets_are_lost_too() {
    compare("loss5", 65_536, 1.1, 0.999, fixed);
}

#[test]
fn trailing_attempts_go_on_where_they_were() {
    compare("loss5", 65_536, 1.1, 0.999, |config| {
        fixed(config);
        config.completeness = None;
        config.most_attempts = 3;
        config.attempts = 2;
    });
}

/// What is written to disk is at most so old.
const LAG: Duration = Duration::from_millis(50);
