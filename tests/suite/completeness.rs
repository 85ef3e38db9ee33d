//! How much a scan of hard paths finds, how long it takes, and whether what it says about itself is true: in virtual time, with the
//! defaults. The table is a snapshot: a change of behaviour shows as a difference in review.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use synprobe::lab::{Network, Scenario, Tally, VirtualNetwork, mac_of};
use synprobe::packet::MacAddr;
use synprobe::run::{Inlet, lockstep};
use synprobe::scan::{
    Board, Cookie, Egress, EgressMap, Neighbours, NextHop, Observer, RatePolicy, ScanConfig, Shortfall, SourcePorts, Wanted,
};
use synprobe::target::{AddressRange, AddressSet};
use synprobe::time::Time;

use crate::simulation::VirtualTime;

/// What one scan found, and what it said.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    answering: u64,
    found: u64,
    /// Open ports there are, those found, and those said to be missed.
    opens: u64,
    open: u64,
    open_missed: f64,
    probes: u64,
    seconds: f64,
    estimated: f64,
    upper95: u64,
    shortfall: Option<Shortfall>,
    /// Most probes that one host, the first, got in a second.
    busiest: u64,
}

/// Scans `scenario` as `tune` wants it.
fn run(scenario: &Scenario, seed: u64, tune: impl FnOnce(&mut ScanConfig)) -> Run {
    let network = Network::new(scenario.topology().tally(Tally::PerAddress), seed);
    let network = VirtualNetwork::with_limit(network, Scenario::DEVICE);
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let mut config = ScanConfig::adaptive(scenario.addresses(), scenario.ports(), seed);
    tune(&mut config);
    let hop = NextHop::Gateway(mac, 0);
    let (first, last) = (scenario.hosts().next().expect("a host"), scenario.hosts().last().expect("a host"));
    let range = AddressRange::new(first.into(), last.into()).expect("a range");
    let egresses = EgressMap::new([(range, Egress { link: 0, source: Scenario::SCANNER, hop })]);
    let gateway = Wanted { link: 0, source: Scenario::SCANNER, source_mac: mac, addr: Scenario::GATEWAY };
    let neighbours = Neighbours::new(vec![gateway], AddressSet::new());
    let ports = SourcePorts::Block { first: 61_184, count: 256 };
    let cookie = Cookie::new([7; 16], ports, Cookie::most(ports));
    let board = Arc::new(Board::new(config, cookie, egresses, neighbours));
    assert!(board.neighbours.learn(0, Scenario::GATEWAY, mac_of(Scenario::GATEWAY), Time::ZERO) != synprobe::scan::News::None);
    let mut inlets = [Inlet::new(network.receiver(), Observer::new(Arc::clone(&board), 0), network.transmitter())];
    lockstep(&board, &mut || vec![network.transmitter()], &mut inlets, &VirtualTime(network.clone()), &mut |_| {});
    let ports: Vec<u16> = scenario.ports().iter().collect();
    let answering = network.truth(|truth| truth.natures(scenario.hosts(), ports).filter(|(_, nature)| nature.answers()).count());
    let ports: Vec<u16> = scenario.ports().iter().collect();
    let opens = network.truth(|truth| truth.open(scenario.hosts(), ports).count());
    let completeness = board.completeness().expect("account was kept");
    assert_eq!(completeness.found, board.counters.answered.get());
    Run {
        answering: answering as u64,
        found: completeness.found,
        opens: opens as u64,
        open: completeness.open,
        open_missed: completeness.open_missed,
        probes: board.counters.probes.get(),
        seconds: network.now().as_nanos() as f64 / 1e9,
        estimated: completeness.missed,
        upper95: completeness.upper95,
        shortfall: completeness.shortfall,
        busiest: network.truth(|truth| truth.busiest_second(first)),
    }
}

pub(crate) const HEAD: &str =
    "scenario                  found %    min %   99.9   per tgt     time   /ideal  longest   missed    estim.  bound holds\n";

/// A row of the table over some seeds.
pub(crate) fn row(scenario: &Scenario, seeds: u64) -> String {
    let runs: Vec<Run> = (0..seeds).map(|seed| run(scenario, 1 + seed, |_| {})).collect();
    let mean = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let share = |run: &Run| run.found as f64 / (run.answering as f64).max(1.0);
    let ideal = scenario.ideal().as_secs_f64();
    let targets = scenario.targets() as f64;
    let found = runs.iter().map(|run| run.found).sum::<u64>() as f64 / (runs.iter().map(|run| run.answering).sum::<u64>() as f64).max(1.0);
    let mut row = String::new();
    writeln!(
        row,
        "{:<24} {:>8.3} {:>8.2} {:>6.2} {:>9.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.2} {:>12.2}",
        scenario.name(),
        100.0 * found,
        100.0 * runs.iter().map(share).fold(1.0, f64::min),
        mean(&|run| f64::from(u8::from(run.found as f64 >= 0.999 * run.answering as f64))),
        mean(&|run| run.probes as f64 / targets),
        mean(&|run| run.seconds),
        mean(&|run| run.seconds / ideal),
        runs.iter().map(|run| run.seconds / ideal).fold(0.0, f64::max),
        mean(&|run| (run.answering - run.found) as f64),
        mean(&|run| run.estimated),
        mean(&|run| f64::from(u8::from(run.answering - run.found <= run.upper95))),
    )
    .expect("a string takes everything");
    row
}

/// The table of all scenarios with so many targets; two threads share the rows.
fn table(targets: std::ops::RangeInclusive<u64>, seeds: u64) -> String {
    let scenarios: Vec<Scenario> = Scenario::all().into_iter().filter(|scenario| targets.contains(&scenario.targets())).collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![String::new(); scenarios.len()]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(number) else { return };
                    let row = row(scenario, seeds);
                    rows.lock().expect("nobody panicked")[number] = row;
                }
            });
        }
    });
    HEAD.to_owned() + &rows.into_inner().expect("nobody panicked").concat()
}

#[test]
fn small_scans() {
    insta::assert_snapshot!(table(1..=65_536, 3));
}

#[test]
fn larger_scans() {
    insta::assert_snapshot!(table(65_537..=262_144, 1));
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
