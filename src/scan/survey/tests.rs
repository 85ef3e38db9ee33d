//! What holds whatever the network and the controller do: driven in virtual time, without a network.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::scan::ScanConfig;
use crate::scan::rate::{Epoch, Epochs, WindowStats};
use crate::scan::testing::{self, aimed};

/// A controller without sense: the next rate and pause of a list every 50 looks.
#[derive(Debug)]
struct Whim {
    course: Vec<(f64, bool)>,
    looks: usize,
    account: FixedRate,
}

impl Whim {
    fn new(mut course: Vec<(f64, bool)>) -> Self {
        // It may not rest for ever.
        course.push((1000.0, false));
        Self { course, looks: 0, account: FixedRate::new(1000.0) }
    }

    fn now(&self) -> (f64, bool) {
        self.course[self.looks / 50 % self.course.len()]
    }
}

impl RateController for Whim {
    fn rate(&self) -> f64 {
        self.now().0
    }

    fn on_window(&mut self, now: Time, window: &WindowStats) {
        self.account.on_window(now, window);
    }

    fn epochs(&self) -> &Epochs {
        self.account.epochs()
    }

    fn epochs_mut(&mut self) -> &mut Epochs {
        self.account.epochs_mut()
    }

    fn tick(&mut self, _now: Time) {
        self.looks += 1;
    }

    fn turn(&mut self, now: Time, most: f64) {
        self.account.turn(now, most);
    }

    fn settle(&mut self) -> Option<Epoch> {
        self.account.settle()
    }

    fn is_paused(&self) -> bool {
        self.now().1
    }

    fn limit(&self) -> Limit {
        Limit::Option
    }
}

/// A scan of `hosts` with `ports` each, and what answers: of a hundred targets so many, of whose probes or answers a share is lost.
#[derive(Clone, Debug)]
struct Setting {
    hosts: u32,
    ports: u16,
    seed: u64,
    answering: u64,
    lost: u64,
    /// Milliseconds that the sender oversleeps.
    late: u64,
    /// Of a hundred frames so many find the link full.
    full: u64,
    /// And before so many an answer is read that came in the meantime.
    meanwhile: u64,
}

/// What left, when: index of the target, and whether in a pass; and the rate in force from each moment on.
#[derive(Debug, Default, PartialEq)]
struct Sent {
    probes: Vec<(Time, u64, bool)>,
    rates: Vec<(Time, u64)>,
    passes: u8,
}

impl Setting {
    fn board(&self, tune: impl FnOnce(&mut ScanConfig)) -> Arc<Board> {
        let board = testing::board(self.hosts, self.ports, self.seed, true, tune);
        assert_eq!(board.stages.begin(testing::stage(&board)), Some(0));
        board
    }

    /// Drives `survey` to its end, as a sender does; answers take ten milliseconds.
    fn drive(&self, board: &Arc<Board>, mut survey: Survey) -> Sent {
        let mut random = SmallRng::seed_from_u64(self.seed ^ 5);
        let mut now = Time::from_nanos(1_000_000);
        let mut sent = Sent::default();
        let mut coming: VecDeque<(Time, Echo)> = VecDeque::new();
        for _ in 0..MOST_STEPS {
            while let Some((_, echo)) = coming.pop_front_if(|(due, _)| *due <= now) {
                hear(board, echo);
            }
            board.hearing.heard(0, now);
            let poll = survey.poll(now);
            sent.rates.push((now, survey.rate.rate() as u64));
            match poll {
                Poll::Done => {
                    survey.conclude(now);
                    survey.unpublished.publish(&board.counters);
                    sent.passes = survey.pass();
                    return sent;
                }
                Poll::Wait(until) => now = until.max(now + Duration::from_micros(10)) + Duration::from_millis(self.late),
                Poll::Send(count) => {
                    let before = sent.probes.len();
                    let room = survey.emit(now, count, &mut |shot: &Shot| {
                        if random_share(&mut random) < self.meanwhile
                            && let Some((_, echo)) = coming.pop_front()
                        {
                            hear(board, echo);
                        }
                        if random_share(&mut random) < self.full {
                            return false;
                        }
                        let (index, attempt) = aimed(board, shot);
                        let in_pass = attempt <= board.config.most_attempts;
                        sent.probes.push((now, index, in_pass));
                        let answers = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                        if answers % 100 < self.answering && random_share(&mut random) >= self.lost {
                            let reason = if answers & 1 == 0 { Reason::SynAck } else { Reason::Reset };
                            let arrived = now + Duration::from_millis(10);
                            let left = in_pass.then_some(now);
                            coming.push_back((arrived, Echo { index, arrived, sent: left, stage: 0, attempt, is_first: false, reason }));
                        }
                        true
                    });
                    assert!((sent.probes.len() - before) as u64 <= count, "no more than were allowed");
                    if !room {
                        now = now + Duration::from_micros(100);
                    }
                }
            }
        }
        panic!("it does not end: {sent:?}");
    }
}

fn random_share(random: &mut SmallRng) -> u64 {
    rand::RngExt::random_range(random, 0..100)
}

/// What an observer does with an answer.
fn hear(board: &Board, mut echo: Echo) {
    let stage = board.stages.at(0).unwrap();
    echo.is_first = stage.answered.mark(echo.index);
    if echo.is_first {
        stage.answered_first(echo.attempt, echo.reason);
        board.counters.answered.add(1);
    }
    if echo.is_first || echo.attempt > board.config.most_attempts {
        board.echoes.tell(echo);
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    let links = (0u64..4, 0u64..30, 0u64..10);
    (1u32..8, 20u16..200, any::<u64>(), 0u64..100, 0u64..40, links).prop_map(
        |(hosts, ports, seed, answering, lost, (late, full, meanwhile))| Setting {
            hosts,
            ports,
            seed,
            answering,
            lost,
            late,
            full,
            meanwhile,
        },
    )
}

fn whims() -> impl Strategy<Value = Vec<(f64, bool)>> {
    proptest::collection::vec((50.0f64..200_000.0, proptest::bool::weighted(0.2)), 1..6)
}

/// The most that ever leaves in any `span`, as (how many, until when) by `of`.
fn busiest(sent: &[(Time, u64, bool)], span: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, &(at, ..)) in sent.iter().enumerate() {
        while sent[first].0 + span <= at {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_target_is_skipped_whatever_the_controller_does(setting in settings(), whims in whims(), attempts in 1u8..4) {
        let board = setting.board(|config| (config.completeness, config.attempts) = (None, attempts));
        let sent = setting.drive(&board, Survey::with(Arc::clone(&board), 0, Box::new(Whim::new(whims))));
        let mut asked = vec![0; usize::from(setting.ports) * setting.hosts as usize];
        sent.probes.iter().filter(|(.., in_pass)| *in_pass).for_each(|&(_, index, _)| asked[index as usize] += 1);
        let stage = board.stages.at(0).unwrap();
        let beside = sent.probes.iter().filter(|(.., in_pass)| !*in_pass).count();
        prop_assert_eq!(board.counters.probes.get(), sent.probes.len() as u64);
        prop_assert_eq!(board.counters.canaries.get(), beside as u64);
        for (index, &asked) in asked.iter().enumerate() {
            let least = if stage.answered.contains(index as u64) { 1 } else { attempts };
            prop_assert!((least..=attempts).contains(&asked), "{index}: {asked}");
        }
        prop_assert_eq!(board.counters.targets_probed.get(), asked.len() as u64);
    }

    #[test]
    fn in_ten_milliseconds_no_more_than_the_rate_and_a_batch(setting in settings(), whims in whims()) {
        let board = setting.board(|config| (config.completeness, config.host_rate) = (None, 1_000_000));
        let Sent { probes, rates, .. } = setting.drive(&board, Survey::with(Arc::clone(&board), 0, Box::new(Whim::new(whims))));
        let (mut first, mut early) = (0, 0);
        for (last, &(at, ..)) in probes.iter().enumerate() {
            while probes[first].0 + Duration::from_millis(10) <= at {
                first += 1;
            }
            // The rate that the first of them left at, and all that followed.
            while rates[early].0 < probes[first].0 {
                early += 1;
            }
            let rate = rates[early..].iter().take_while(|&&(since, _)| since <= at).map(|&(_, rate)| rate).max().unwrap_or(0) as f64;
            let batch = (rate / 1000.0).max(f64::min(32.0, rate / 100.0)) + 1.0;
            let most = rate / 100.0 + batch;
            prop_assert!((last + 1 - first) as f64 <= most + 1.0, "{} > {most} at {at:?}", last + 1 - first);
        }
    }

    #[test]
    fn the_rate_keeps_to_the_option(setting in settings(), most in 50u64..1500) {
        let board = setting.board(|config| config.rate = most);
        let Sent { probes, rates, .. } = setting.drive(&board, Survey::new(Arc::clone(&board), 0));
        prop_assert!(rates.iter().all(|&(_, rate)| (1..=most).contains(&rate)));
        let batch = (most / 1000).max(32.min(most / 100)) + 1;
        prop_assert!(busiest(&probes, Duration::from_secs(1)) as u64 <= most + batch);
    }

    #[test]
    fn no_host_gets_more_than_its_share_in_any_second_of_any_pass(setting in settings(), cap in 5u64..3000, uneven in 0u64..3) {
        let board = setting.board(|config| (config.host_rate, config.most_attempts) = (cap, 4));
        let stage = board.stages.at(0).unwrap();
        // Some hosts have answered all but a few: later passes and the end of this one are uneven.
        for index in 0..stage.order.len() {
            if stage.space.host_of(index) < uneven && index % 16 != 0 {
                stage.answered.mark(index);
            }
        }
        let sent = setting.drive(&board, Survey::new(Arc::clone(&board), 0));
        let mut hosts: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        sent.probes.iter().for_each(|&probe| hosts.entry(stage.space.host_of(probe.1)).or_default().push(probe));
        for (host, probes) in hosts {
            let most = busiest(&probes, Duration::from_secs(1)) as u64;
            prop_assert!(most <= cap, "host {host}: {most} of {cap} in a second");
        }
    }

    #[test]
    fn no_more_is_claimed_than_was_probed(setting in settings(), whims in whims(), millis in 2u64..3000) {
        let board = setting.board(|config| config.deadline = Some(Time::from_nanos(millis * 1_000_000)));
        setting.drive(&board, Survey::with(Arc::clone(&board), 0, Box::new(Whim::new(whims))));
        let probed = board.counters.targets_probed.get();
        let done = board.stages.at(0).unwrap().completeness().unwrap();
        prop_assert!(done.found as f64 + done.missed <= probed as f64 + 1e-6, "{probed} probed, {done:?}");
        prop_assert!(done.found + done.upper95 <= probed, "{probed} probed, {done:?}");
    }

    #[test]
    fn the_same_seed_sends_the_same(setting in settings()) {
        let run = || {
            let board = setting.board(|_| {});
            setting.drive(&board, Survey::new(Arc::clone(&board), 0))
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn a_block_that_the_deadline_cut_counts_with_what_was_asked_in_it() {
    // One block; a tenth of it is asked before the end, and half of the answers are lost.
    let setting = Setting { hosts: 1, ports: 60, seed: 3, answering: 100, lost: 50, late: 0, full: 0, meanwhile: 0 };
    let board = setting.board(|config| config.deadline = Some(Time::from_nanos(1_000_000 + 100_000_000)));
    setting.drive(&board, Survey::with(Arc::clone(&board), 0, Box::new(Whim::new(vec![(60.0, false)]))));
    let done = board.stages.at(0).unwrap().completeness().unwrap();
    let probed = board.counters.targets_probed.get();
    assert!((3..20).contains(&probed) && done.upper95 <= probed && done.missed < probed as f64, "{probed}: {done:?}");
    assert_eq!(done.shortfall, Some(Shortfall::Time));
}

/// Enough for the longest of these scans.
const MOST_STEPS: u32 = 3_000_000;
