//! Scans of the simulated network in virtual time, and what they found, as rows of a table: for tests and for the bench of the same name.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use synprobe::lab::{Network, Scenario, Tally, VirtualNetwork, mac_of};
use synprobe::packet::MacAddr;
use synprobe::run::{Inlet, VirtualClock, lockstep};
use synprobe::scan::{Board, Cookie, Egress, EgressMap, Neighbours, NextHop, Observer, ScanConfig, Shortfall, SourcePorts, Wanted};
use synprobe::target::{AddressRange, AddressSet};
use synprobe::time::Time;

/// A simulated network's own time.
pub(crate) struct VirtualTime(pub(crate) VirtualNetwork);

impl VirtualClock for VirtualTime {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn advance(&self, to: Time) {
        self.0.advance(to);
    }

    fn next_delivery(&self) -> Option<Time> {
        self.0.next_delivery()
    }
}

/// What one scan found, and what it said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) answering: u64,
    pub(crate) found: u64,
    /// Open ports there are, those found, and those said to be missed.
    pub(crate) opens: u64,
    pub(crate) open: u64,
    pub(crate) open_missed: f64,
    pub(crate) probes: u64,
    pub(crate) seconds: f64,
    pub(crate) estimated: f64,
    pub(crate) upper95: u64,
    pub(crate) shortfall: Option<Shortfall>,
    /// Most probes that one host, the first, got in a second.
    pub(crate) busiest: u64,
}

/// The network of `scenario`, in its own time.
pub(crate) fn network(scenario: &Scenario, seed: u64) -> VirtualNetwork {
    VirtualNetwork::with_limit(Network::new(scenario.topology().tally(Tally::PerAddress), seed), Scenario::DEVICE)
}

/// A scan of `scenario` that is about to begin, its gateway known.
pub(crate) fn board(scenario: &Scenario, seed: u64, tune: impl FnOnce(&mut ScanConfig)) -> Board {
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
    let board = Board::new(config, Cookie::new([7; 16], ports, Cookie::most(ports)), egresses, neighbours);
    assert!(board.neighbours.learn(0, Scenario::GATEWAY, mac_of(Scenario::GATEWAY), Time::ZERO) != synprobe::scan::News::None);
    board
}

/// Scans `scenario` as `tune` wants it.
pub(crate) fn run(scenario: &Scenario, seed: u64, tune: impl FnOnce(&mut ScanConfig)) -> Run {
    let first = scenario.hosts().next().expect("a host");
    let network = network(scenario, seed);
    let board = Arc::new(board(scenario, seed, tune));
    let mut inlets = [Inlet::new(network.receiver(), Observer::new(Arc::clone(&board), 0), network.transmitter())];
    lockstep(&board, &mut || vec![network.transmitter()], &mut inlets, &VirtualTime(network.clone()), &mut |_| {});
    if std::env::var_os("TRACE").is_some() {
        for change in board.pace.changes() {
            eprintln!("{} {seed}: {change:?}", scenario.name());
        }
    }
    let ports: Vec<u16> = scenario.ports().iter().collect();
    let answering = network.truth(|truth| truth.natures(scenario.hosts(), ports.clone()).filter(|(_, nature)| nature.answers()).count());
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

/// The table of these scenarios over so many seeds each; two threads share the rows.
pub(crate) fn table(scenarios: &[Scenario], seeds: impl Fn(&Scenario) -> u64 + Sync) -> String {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![String::new(); scenarios.len()]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(number) else { return };
                    let row = row(scenario, seeds(scenario));
                    rows.lock().expect("nobody panicked")[number] = row;
                }
            });
        }
    });
    HEAD.to_owned() + &rows.into_inner().expect("nobody panicked").concat()
}
