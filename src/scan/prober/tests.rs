//! Shares of a stage, driven in virtual time by links that are full now and then, while targets answer.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::scan::testing::{aimed, board, stage};

#[derive(Clone, Debug)]
struct Setting {
    hosts: u32,
    ports: u16,
    senders: u64,
    attempts: u8,
    seed: u64,
    /// Of a hundred frames so many find the link full.
    full: u64,
    /// Before so many of a hundred frames some target's answer is read.
    answered: u64,
}

/// What one sender sent, in order: when, whom, in which attempt.
type Sent = Vec<(Time, u64, u8)>;

impl Setting {
    fn board(&self) -> Arc<Board> {
        let board = board(self.hosts, self.ports, self.seed, false, |config| {
            (config.senders, config.attempts, config.most_attempts) = (self.senders, self.attempts, self.attempts);
            config.timeout = Some(DELAY);
        });
        assert_eq!(board.stages.begin(stage(&board)), Some(0));
        board
    }

    /// Drives every sender's share to its end, one after the other.
    fn drive(&self, board: &Arc<Board>) -> Vec<Sent> {
        let random = &mut SmallRng::seed_from_u64(self.seed);
        (0..self.senders).map(|sender| self.drive_one(board, sender, random)).collect()
    }

    fn drive_one(&self, board: &Arc<Board>, sender: u64, random: &mut SmallRng) -> Sent {
        let mut prober = Prober::new(Arc::clone(board), 0, sender, 100_000);
        let targets = board.stages.at(0).unwrap().order.len();
        let (mut now, mut sent) = (Time::from_nanos(1_000_000), Sent::new());
        for _ in 0..1_000_000 {
            match prober.poll(now) {
                Poll::Done => return sent,
                Poll::Wait(until) => now = until.max(now + Duration::from_micros(10)),
                Poll::Send(count) => {
                    let before = sent.len();
                    let room = prober.emit(now, count, &mut |shot: &Shot| {
                        if random.random_range(0..100) < self.answered {
                            board.stages.at(0).unwrap().answered.mark(random.random_range(0..targets));
                        }
                        if random.random_range(0..100) < self.full {
                            return false;
                        }
                        let (index, attempt) = aimed(board, shot);
                        sent.push((now, index, attempt));
                        true
                    });
                    assert!((sent.len() - before) as u64 <= count, "no more than were allowed");
                    if !room {
                        now = now + Duration::from_micros(100);
                    }
                }
            }
        }
        panic!("it does not end: {} sent", sent.len());
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    (1u32..6, 1u16..150, 1u64..4, 1u8..4, any::<u64>(), 0u64..40, 0u64..10).prop_map(
        |(hosts, ports, senders, attempts, seed, full, answered)| Setting { hosts, ports, senders, attempts, seed, full, answered },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_silent_target_gets_each_attempt_once_and_in_its_time(setting in settings()) {
        let board = setting.board();
        let sent = setting.drive(&board);
        let stage = board.stages.at(0).unwrap();
        let mut times = vec![Vec::new(); stage.order.len() as usize];
        for (sender, shares) in sent.iter().enumerate() {
            for &(at, index, attempt) in shares {
                prop_assert_eq!(stage.order.position(index) % setting.senders, sender as u64, "its own share");
                let times = &mut times[index as usize];
                prop_assert_eq!(usize::from(attempt), times.len() + 1, "attempts of {} in order", index);
                prop_assert!(times.last().is_none_or(|&before: &Time| at >= before + DELAY), "{} too early", index);
                times.push(at);
            }
        }
        for (index, times) in times.iter().enumerate() {
            prop_assert!(times.len() == usize::from(setting.attempts) || stage.answered.contains(index as u64), "{index}: {times:?}");
        }
        prop_assert_eq!(board.counters.probes.get(), sent.iter().flatten().count() as u64);
        prop_assert_eq!(board.counters.targets_probed.get(), times.iter().filter(|times| !times.is_empty()).count() as u64);
    }

    #[test]
    fn what_waits_for_a_device_is_no_place_that_was_reached(setting in settings()) {
        let setting = Setting { answered: 0, full: 0, ..setting };
        let board = board(setting.hosts, setting.ports, setting.seed, false, |config| config.keeps_journal = true);
        prop_assert_eq!(board.stages.begin(stage(&board)), Some(0));
        let mut prober = Prober::new(Arc::clone(&board), 0, 0, 1_000);
        let stuck = Time::from_nanos(20_000_000);
        let mut left = Vec::new();
        for millis in 1..2000 {
            let now = Time::from_nanos(millis * 1_000_000);
            board.hearing.heard(0, now);
            prober.taken(if now > stuck { stuck } else { Time::NEVER });
            if let Poll::Send(count) = prober.poll(now) {
                prober.emit(now, count, &mut |shot: &Shot| { left.push((now, aimed(&board, shot).1)); true });
            }
        }
        let taken = left.iter().filter(|&&(at, attempt)| attempt == 1 && at < stuck).count() as u64;
        let places = board.checkpoints.read().filter_map(|told| match told.what { Milestone::Place(place) => Some(place), _ => None });
        let reached = places.filter(|place| place.attempt == 1).map(|place| place.step).max().unwrap_or(0);
        prop_assert!(reached <= taken, "{reached} reached, {taken} taken");
    }
}

const DELAY: Duration = Duration::from_millis(300);
