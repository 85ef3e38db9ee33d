//! How much a scan of hard paths finds, how long it takes, and whether what it says about itself is true: in virtual time, with the
//! defaults. The table is a snapshot: a change of behaviour shows as a difference in review.

use synprobe::lab::Scenario;
use synprobe::scan::{RatePolicy, Shortfall};
use synprobe::time::Time;

use crate::measure::{run, table};

fn sized(targets: std::ops::RangeInclusive<u64>) -> Vec<Scenario> {
    Scenario::all().into_iter().filter(|scenario| targets.contains(&scenario.targets())).collect()
}

#[test]
fn small_scans() {
    insta::assert_snapshot!(table(&sized(1..=65_536), |_| 3));
}

#[test]
fn larger_scans() {
    insta::assert_snapshot!(table(&sized(65_537..=262_144), |_| 3));
}

#[test]
fn same_seed_same_scan() {
    let scenario = Scenario::named("loss5-pol20k").expect("it is there").with_hosts(8192);
    assert_eq!(run(&scenario, 4, |_| {}), run(&scenario, 4, |_| {}));
}

#[test]
fn a_fixed_rate_is_kept_and_what_it_loses_is_asked_again() {
    let scenario = Scenario::named("pol20k-64k").expect("it is there").with_hosts(16_384);
    let done = run(&scenario, 2, |config| {
        config.policy = RatePolicy::Fixed;
        config.rate = 60_000;
        config.most_attempts = 16;
    });
    assert!(done.found as f64 >= 0.99 * done.answering as f64, "{done:?}");
    let hurried = run(&scenario, 2, |config| {
        config.policy = RatePolicy::Fixed;
        config.rate = 60_000;
        config.most_attempts = 2;
    });
    // Two attempts cannot be enough there, and it says so.
    assert!(hurried.answering - hurried.found > 100 && hurried.shortfall == Some(Shortfall::Attempts), "{hurried:?}");
    assert!(hurried.estimated > 0.5 * (hurried.answering - hurried.found) as f64, "{hurried:?}");
}

#[test]
fn without_completeness_the_silent_are_asked_as_often_as_said() {
    let scenario = Scenario::named("lan-254").expect("it is there").with_hosts(2000);
    let done = run(&scenario, 3, |config| config.completeness = None);
    let silent = 2000 - done.found;
    // Canaries and audits beside them.
    assert!((2000 + silent..2000 + silent + 400).contains(&done.probes), "{done:?}");
}

#[test]
fn out_of_time_it_says_so() {
    let scenario = Scenario::named("pol5k-64k").expect("it is there");
    let done = run(&scenario, 1, |config| config.deadline = Some(Time::from_nanos(3_000_000_000)));
    assert!(done.seconds < 3.6 && done.shortfall == Some(Shortfall::Time), "{done:?}");
    assert!(done.found > 500 && done.found < done.answering / 2, "{done:?}");
}

#[test]
fn limited_resets_do_not_slow_down_the_search_for_open_ports() {
    for (name, seconds) in [("rst200-1%open", 20.0), ("rst200-64x1000", 20.0)] {
        let done = run(&Scenario::named(name).expect("it is there"), 1, |_| {});
        assert_eq!(done.open, done.opens, "{name}: {done:?}");
        // At the pace of the resets it would be five minutes for one host.
        assert!(done.seconds < seconds && done.open_missed < 0.5, "{name}: {done:?}");
        let missed = done.answering - done.found;
        assert!(done.estimated > 0.9 * missed as f64 && missed <= done.upper95, "{name}: {done:?}");
        let is_told = done.shortfall == Some(Shortfall::ResetsLimited);
        assert_eq!(is_told, missed as f64 > 0.001 * done.answering as f64, "{name}: {done:?}");
    }
}

#[test]
fn a_host_gets_no_more_than_its_share() {
    let scenario = Scenario::named("host-nolim-r1").expect("it is there");
    let done = run(&scenario, 1, |config| config.host_rate = 5000);
    assert_eq!(done.found, done.answering);
    assert!((4800..=5000).contains(&done.busiest), "{done:?}");
}
