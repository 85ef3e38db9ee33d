use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const SETTINGS: Settings = Settings { attempts: 2, timeout: Settings::TIMEOUT, start: 64, slots: 256, pace: None, host_pace: None };

fn candidate(host: u64, port: u16) -> Candidate {
    let addr = if host % 3 == 2 {
        IpAddr::V6(Ipv6Addr::from(u128::from(host) + 1))
    } else {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + host as u32))
    };
    Candidate { host, target: Target { addr, port } }
}

fn candidates(hosts: u64, ports: u16) -> impl Iterator<Item = Candidate> {
    (1..=ports).flat_map(move |port| (0..hosts).map(move |host| candidate(host, port)))
}

fn dial<S: Iterator<Item = Candidate>>(prober: &mut Prober<S>, now: Time) -> Dial {
    match prober.next(now) {
        Step::Connect(dial) => dial,
        step => panic!("{step:?}"),
    }
}

/// Every slot's attempt is left to its timer.
fn run_silent<S: Iterator<Item = Candidate>>(prober: &mut Prober<S>, mut now: Time) -> Time {
    loop {
        match prober.next(now) {
            Step::Connect(_) => {}
            Step::Wait(until) => {
                now = now.max(until) + Timers::TICK;
                while prober.expire(now).is_some() {}
            }
            Step::Done => return now,
        }
    }
}

#[test]
fn silence_is_asked_again_and_then_counted() {
    let mut prober = Prober::new(candidates(1, 500), SETTINGS);
    let end = run_silent(&mut prober, Time::ZERO);
    assert_eq!(prober.tally().unanswered, 500);
    assert_eq!(prober.tally().probes, 1000);
    assert!(end.since(Time::ZERO) >= UNKNOWN + Settings::TIMEOUT);
}

#[test]
fn one_answer_shortens_the_wait_for_the_silent() {
    let mut prober = Prober::new(candidates(1, 2), SETTINGS);
    let open = dial(&mut prober, Time::ZERO);
    let finding = prober.settle(open.slot, Verdict::Open, Time::ZERO + Duration::from_millis(1)).unwrap();
    assert_eq!((finding.outcome.state, finding.attempt, finding.rtt), (State::Open, 1, Some(Duration::from_millis(1))));
    let end = run_silent(&mut prober, Time::ZERO + Duration::from_millis(1));
    assert!(end.since(Time::ZERO) < Rtt::FLOOR * 3 + Duration::from_millis(10), "{end:?}");
    assert_eq!((prober.tally().open, prober.tally().unanswered), (1, 1));
}

#[test]
fn a_self_connection_is_asked_again_and_never_open() {
    let mut prober = Prober::new(candidates(1, 1), SETTINGS);
    for _ in 1..SELF_CONNECTS {
        let dial = dial(&mut prober, Time::ZERO);
        assert_eq!(prober.settle(dial.slot, Verdict::SelfConnected, Time::ZERO), None);
    }
    let last = dial(&mut prober, Time::ZERO);
    prober.settle(last.slot, Verdict::SelfConnected, Time::ZERO);
    assert_eq!(prober.next(Time::ZERO), Step::Done);
    assert_eq!(prober.tally().open, 0);
    assert_eq!(prober.tally().local[&LocalCause::SelfConnection].targets, 1);
}

#[test]
fn a_shortage_is_no_verdict_and_lowers_the_number_under_way() {
    let mut prober = Prober::new(candidates(1, 40), SETTINGS);
    for n in 0..10 {
        assert_eq!(dial(&mut prober, Time::ZERO).slot, n);
    }
    let refused = dial(&mut prober, Time::ZERO);
    prober.settle(refused.slot, Verdict::Short(Shortage::Descriptors), Time::ZERO);
    assert!(matches!(prober.next(Time::ZERO), Step::Wait(_)));
    prober.settle(3, Verdict::Closed, Time::ZERO);
    let again = dial(&mut prober, Time::ZERO);
    assert_eq!(again, Dial { slot: 3, target: refused.target }, "a socket that exists, and the target put back");
    assert_eq!((prober.tally().resource_waits, prober.in_flight()), (1, 10));
}

#[test]
fn a_shortage_that_stays_ends_in_a_local_cause() {
    let mut prober = Prober::new(candidates(1, 3), SETTINGS);
    let mut now = Time::ZERO;
    loop {
        match prober.next(now) {
            Step::Connect(dial) => assert_eq!(prober.settle(dial.slot, Verdict::Short(Shortage::Ports), now), None),
            Step::Wait(until) => now = until,
            Step::Done => break,
        }
    }
    assert_eq!(prober.tally().local[&LocalCause::Exhausted].targets, 3);
    assert_eq!(prober.tally().probes, 0);
    assert!(now.since(Time::ZERO) < Duration::from_secs(20));
}

#[test]
fn addresses_that_lead_elsewhere_are_not_connected_to() {
    let targets = ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"];
    let source = targets.iter().zip(0..).map(|(addr, host)| Candidate { host, target: Target { addr: addr.parse().unwrap(), port: 80 } });
    let mut prober = Prober::new(source, SETTINGS);
    assert_eq!(prober.next(Time::ZERO), Step::Done);
    assert_eq!(prober.tally().local[&LocalCause::NotAHost].targets, 5);
}

#[test]
fn keeps_its_pace_with_repeats_included() {
    let settings = Settings { pace: Some(Pacer::shared(100, 1)), ..SETTINGS };
    let mut prober = Prober::new(candidates(1, 100), settings);
    let end = run_silent(&mut prober, Time::ZERO);
    assert!(end.since(Time::ZERO) >= Duration::from_millis(1950), "200 connections at 100/s: {end:?}");
}

#[test]
fn keeps_the_pace_of_each_host() {
    let settings = Settings { host_pace: Some(Pacer::shared(50, 1)), attempts: 1, ..SETTINGS };
    let mut prober = Prober::new(candidates(3, 50), settings);
    let mut begun: HashMap<IpAddr, Vec<Time>> = HashMap::new();
    let mut now = Time::ZERO + Duration::from_secs(1);
    loop {
        match prober.next(now) {
            Step::Connect(dial) => {
                begun.entry(dial.target.addr).or_default().push(now);
                prober.settle(dial.slot, Verdict::Closed, now);
            }
            Step::Wait(until) => now = until,
            Step::Done => break,
        }
    }
    for times in begun.values() {
        assert_eq!(times.len(), 50);
        assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= Duration::from_millis(18)), "{times:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_target_ends_in_exactly_one_outcome(
        seed in any::<u64>(), hosts in 1u64..40, ports in 1u16..40, attempts in 1u8..4, slots in 1u32..100,
        rates in (0u64..2, 0u64..2), stop_after in prop::option::of(0u32..2000),
    ) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pace = (rates.0 == 1).then(|| Pacer::shared(10_000, 1));
        let host_pace = (rates.1 == 1).then(|| Pacer::shared(1_000, 1));
        let settings = Settings { attempts, slots, start: 16, pace, host_pace, ..SETTINGS };
        let total = hosts * u64::from(ports);
        let mut prober = Prober::new(candidates(hosts, ports), settings);
        let mut busy: BTreeSet<u32> = BTreeSet::new();
        let mut silences: HashMap<Target, u8> = HashMap::new();
        let mut found: BTreeSet<Target> = BTreeSet::new();
        let mut now = Time::ZERO;
        let mut steps = 0;
        let done = loop {
            steps += 1;
            prop_assert!(steps < 1_000_000, "neither time nor state advances");
            if stop_after.is_some_and(|most| steps > most) {
                break false;
            }
            match prober.next(now) {
                Step::Connect(dial) => {
                    prop_assert!(busy.insert(dial.slot), "a busy slot is used again");
                    prop_assert!(dial.slot < slots);
                    prop_assert_eq!(prober.target(dial.slot), Some(dial.target));
                    prop_assert!(!found.contains(&dial.target), "asked again though settled");
                    prop_assert!(silences.get(&dial.target).is_none_or(|silent| *silent < attempts));
                }
                Step::Wait(until) => {
                    let latest = now + Duration::from_millis(rng.random_range(1..50));
                    now = if until <= now { now + Timers::TICK } else { until.min(latest) };
                }
                Step::Done => break true,
            }
            prop_assert_eq!(prober.in_flight() as usize, busy.len());
            // Any slot, busy or not, may report anything at any time.
            for _ in 0..rng.random_range(0..3) {
                let slot = rng.random_range(0..slots);
                let verdict = match rng.random_range(0..12) {
                    0 => Verdict::Open,
                    1 => Verdict::SelfConnected,
                    2..4 => Verdict::Closed,
                    4 => Verdict::Filtered { reason: Reason::PortUnreach, by: None },
                    5 => Verdict::Silent,
                    6 => Verdict::Local(LocalCause::HostUnreachable),
                    7 => Verdict::Short(Shortage::Ports),
                    8 => Verdict::Short(Shortage::Descriptors),
                    _ => Verdict::Pending,
                };
                let target = prober.target(slot);
                prop_assert_eq!(target.is_some(), busy.contains(&slot));
                let finding = prober.settle(slot, verdict, now);
                if verdict != Verdict::Pending {
                    busy.remove(&slot);
                    if let (Verdict::Silent, Some(target)) = (verdict, target) {
                        *silences.entry(target).or_default() += 1;
                    }
                }
                if let Some(finding) = finding {
                    prop_assert_eq!(Some(finding.target), target);
                    prop_assert!(found.insert(finding.target), "found twice");
                    prop_assert!((1..=attempts).contains(&finding.attempt));
                }
            }
            while let Some(slot) = prober.expire(now) {
                prop_assert!(busy.remove(&slot));
            }
        };
        if done {
            prop_assert_eq!(prober.tally().targets(), total, "settled before the end: {:?}", prober.tally());
        }
        let tally = prober.finish(total);
        prop_assert_eq!(tally.targets(), total);
        prop_assert_eq!(tally.answered(), found.len() as u64);
        prop_assert!(!done || tally.unfinished + tally.not_probed == 0);
    }
}
