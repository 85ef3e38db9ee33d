//! Whole scans of simulated networks in virtual time. The table is a snapshot: a change of behaviour shows as a difference in review.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::Ipv4Network;
use synprobe::lab::{
    Element, Forgery, HostSpec, Latency, Lie, Limit, Network, PathSpec, PortState, Rejection, Router, Segment, Tally, Topology,
    VirtualNetwork,
};
use synprobe::net::Receiver as _;
use synprobe::packet::MacAddr;
use synprobe::run::{Inlet, lockstep};
use synprobe::scan::{
    Board, ControlPorts, Cookie, Egress, EgressMap, Finding, Neighbours, NextHop, Observer, RatePolicy, ScanConfig, Shortfall, SourcePorts,
    State, Wanted,
};
use synprobe::target::{AddressRange, AddressSet, PortSet};
use synprobe::time::Time;

use crate::measure::VirtualTime;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// A simulated scan that has ended.
pub(crate) struct Done {
    pub(crate) board: Arc<Board>,
    pub(crate) network: VirtualNetwork,
    findings: Vec<Finding>,
    /// Answers that are not about a target.
    beside: Vec<Finding>,
    ended: Time,
    targets: Vec<Ipv4Network>,
    ports: PortSet,
}

impl Done {
    fn found(&self, state: State) -> BTreeSet<SocketAddrV4> {
        let of_state = self.findings.iter().filter(|finding| finding.outcome.state == state);
        of_state
            .map(|finding| match finding.target.addr {
                std::net::IpAddr::V4(addr) => SocketAddrV4::new(addr, finding.target.port),
                std::net::IpAddr::V6(addr) => panic!("{addr} in an IPv4 scan"),
            })
            .collect()
    }

    /// The same, of the ports asked for.
    pub(crate) fn wanted(&self, state: State) -> BTreeSet<SocketAddrV4> {
        self.found(state).into_iter().filter(|target| self.ports.contains(target.port())).collect()
    }

    pub(crate) fn open(&self) -> BTreeSet<SocketAddrV4> {
        let addresses: Vec<Ipv4Addr> = self.targets.iter().flat_map(|net| net.iter()).collect();
        let ports: Vec<u16> = self.ports.iter().collect();
        self.network.truth(|truth| truth.open(addresses, ports).collect())
    }

    fn seconds(&self) -> f64 {
        self.ended.as_nanos() as f64 / 1e9
    }

    fn row(&self, table: &mut String, name: &str) {
        let (found, truth) = (self.found(State::Open), self.open());
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is for one lifetime, the closure for all")]
        let half_open = self.network.truth(|truth| truth.half_open());
        let counters = &self.board.counters;
        let targets = self.board.config.addresses.len() as f64 * f64::from(self.ports.len());
        let wrong = found.difference(&truth).count();
        writeln!(
            table,
            "{name:<22} {:>5} of {:>5}  {wrong:>3}  {:>7.2}  {:>6.2} s  {:>6}  {:>5}",
            found.intersection(&truth).count(),
            truth.len(),
            counters.probes.get() as f64 / targets,
            self.seconds(),
            counters.invalid.get(),
            half_open,
        )
        .expect("a string takes everything");
    }
}

/// Scans `targets` of `topology`; on-link if they are in 10.0.0.0/24, else through the gateway.
pub(crate) fn scan(topology: Topology, targets: &[&str], ports: &str, seed: u64, tune: impl FnOnce(&mut ScanConfig)) -> Done {
    let network = VirtualNetwork::new(Network::new(topology.tally(Tally::PerAddress), seed));
    let targets: Vec<Ipv4Network> = targets.iter().map(|word| word.parse().expect("a network")).collect();
    let ranges = targets.iter().filter_map(|net| AddressRange::new(net.network().into(), net.broadcast().into()));
    let addresses: AddressSet = ranges.clone().collect();
    let ports: PortSet = ports.parse().expect("ports");
    let is_onlink = |net: &Ipv4Network| net.network().octets()[..3] == [10, 0, 0];
    let parts = targets.iter().zip(ranges).map(|(net, range)| {
        let hop = if is_onlink(net) { NextHop::OnLink(OUR_MAC) } else { NextHop::Gateway(OUR_MAC, 0) };
        (range, Egress { link: 0, source: OURS, hop })
    });
    let egresses = EgressMap::new(parts);
    let onlink =
        targets.iter().filter(|net| is_onlink(net)).filter_map(|net| AddressRange::new(net.network().into(), net.broadcast().into()));
    let gateway = Wanted { link: 0, source: OURS, source_mac: OUR_MAC, addr: GATEWAY };
    let neighbours = Neighbours::new(vec![gateway], onlink.collect());
    // What the program does without options.
    let mut config = ScanConfig::adaptive(addresses, ports.clone(), seed);
    tune(&mut config);
    let block = SourcePorts::Block { first: 61_184, count: 256 };
    let cookie = Cookie::new([7; 16], block, Cookie::most(block));
    let board = Arc::new(Board::new(config, cookie, egresses, neighbours));
    let mut inlets = [Inlet::new(network.receiver(), Observer::new(Arc::clone(&board), 0), network.transmitter())];
    let (mut findings, mut beside) = (Vec::new(), Vec::new());
    lockstep(&board, &mut || vec![network.transmitter()], &mut inlets, &VirtualTime(network.clone()), &mut |record| {
        let into = if record.is_reported(&board.stages) { &mut findings } else { &mut beside };
        into.extend(record.finding(&board.stages));
    });
    let ended = network.now();
    // What was sent last arrives.
    network.advance(ended + Duration::from_millis(700));
    network.receiver().receive(Duration::ZERO, &mut |_| {}).expect("a simulated link does not fail");
    Done { board, network, findings, beside, ended, targets, ports }
}

/// A rate that is kept, and two attempts, whatever is lost.
pub(crate) fn at(config: &mut ScanConfig, rate: u64) {
    (config.policy, config.completeness, config.rate, config.host_rate) = (RatePolicy::Fixed, None, rate, rate);
}

pub(crate) fn network(text: &str) -> Ipv4Network {
    text.parse().expect("a network")
}

/// 10.1.0.0/16 behind the gateway, all hosts like `host`, the way there like `path`.
fn routed(host: HostSpec, path: PathSpec) -> Topology {
    let latency = Latency { fixed: Duration::from_millis(10), spread: Duration::from_millis(2), jitter: Duration::from_micros(500) };
    Topology::new()
        .router(Router::new(GATEWAY))
        .segment(Segment::routed(network("10.1.0.0/16"), [GATEWAY]).path(path.round_trip(latency)).population(1.0, host))
}

fn office(share: f64, host: HostSpec) -> Topology {
    let latency = Latency { fixed: Duration::from_micros(300), spread: Duration::from_micros(200), jitter: Duration::from_micros(50) };
    let segment = Segment::on_link(network("10.0.0.0/24")).path(PathSpec::new().round_trip(latency));
    Topology::new().router(Router::new(GATEWAY)).segment(segment.population(share, host))
}

fn mixed() -> HostSpec {
    HostSpec::all(PortState::Closed).ports([22, 80, 443, 8080], PortState::Open).ports(100..150, PortState::Silent)
}

#[test]
fn table() {
    let mut table =
        format!("{:<22} {:>14}  {:>3}  {:>7}  {:>8}  {:>6}  {:>5}\n", "scenario", "open found", "bad", "per tgt", "time", "inval.", "half");
    let plain = |_: &mut ScanConfig| {};
    let web = || HostSpec::serving([80]);
    scan(office(0.5, web()), &["10.0.0.0/24"], "80", 1, plain).row(&mut table, "lan /24 half up");
    let slow_arp = synprobe::lab::Arp { delay: Duration::from_millis(150), cold_loss: 0.5, ..synprobe::lab::Arp::default() };
    scan(office(0.5, web().arp(slow_arp)), &["10.0.0.0/24"], "80", 1, plain).row(&mut table, "lan cold slow arp");
    scan(office(0.5, web().up_from(Duration::from_millis(400))), &["10.0.0.0/24"], "80", 1, plain).row(&mut table, "lan late hosts");
    scan(routed(mixed(), PathSpec::new()), &["10.1.0.0/24"], "1-1000", 1, plain).row(&mut table, "routed /24 x 1000");
    scan(routed(mixed(), PathSpec::new().loss(0.02)), &["10.1.0.0/24"], "1-1000", 1, plain).row(&mut table, "routed 2% loss");
    let many = HostSpec::all(PortState::Closed).ports((1..=65_535).step_by(98), PortState::Open);
    for seed in 1..=3 {
        scan(routed(many.clone(), PathSpec::new().loss(0.02)), &["10.1.0.7/32"], "-", seed, plain).row(&mut table, "one host -p- 2% loss");
    }
    let quiet = HostSpec::all(PortState::Silent).ports([80], PortState::Open);
    scan(routed(quiet.clone(), PathSpec::new()), &["10.1.0.0/22"], "80,81", 1, plain).row(&mut table, "rest silent");
    scan(routed(quiet, PathSpec::new().loss(0.1)), &["10.1.0.0/22"], "80,81", 1, plain).row(&mut table, "rest silent 10% loss");
    let far = PathSpec::new().round_trip(Latency { fixed: Duration::from_millis(600), ..Latency::default() });
    scan(routed(mixed(), far), &["10.1.0.0/26"], "1-100", 1, plain).row(&mut table, "far away 600 ms");
    let forged = web().forgery(Forgery { share: 0.1, lie: Lie::Acknowledgement });
    scan(routed(forged, PathSpec::new()), &["10.1.0.0/20"], "80-82", 1, plain).row(&mut table, "10% forged");
    let twice = PathSpec::new().down(Element::Duplicate { share: 0.3, after: Duration::from_millis(3) });
    scan(routed(mixed(), twice), &["10.1.0.0/26"], "1-100", 1, plain).row(&mut table, "30% duplicates");
    let policer = PathSpec::new().up(Element::Policer(Limit::per_second(20_000.0).burst(200.0).into()));
    scan(routed(mixed(), policer.clone()), &["10.1.0.0/24"], "1-200", 1, plain).row(&mut table, "policer 20k");
    scan(routed(mixed(), policer), &["10.1.0.0/24"], "1-200", 1, |config| at(config, 100_000)).row(&mut table, "policer 20k at 100k/s");
    let rejecting =
        HostSpec::all(PortState::Rejected(Rejection::unreachable(13, synprobe::lab::Sender::Router))).ports([80], PortState::Open);
    scan(routed(rejecting, PathSpec::new()), &["10.1.0.0/24"], "80-83", 1, plain).row(&mut table, "admin prohibited");
    scan(routed(HostSpec::syn_proxy(), PathSpec::new()), &["10.1.0.0/26"], "1-50", 1, plain).row(&mut table, "syn proxies");
    scan(Topology::new(), &["10.1.0.0/24"], "80", 1, plain).row(&mut table, "gateway is down");
    insta::assert_snapshot!(table);
}

#[test]
fn same_seed_same_scan() {
    let run = || {
        let done = scan(routed(mixed(), PathSpec::new().loss(0.05)), &["10.1.0.0/25"], "1-100", 9, |_| {});
        (done.findings.clone(), done.ended, done.board.counters.probes.get())
    };
    assert_eq!(run(), run());
}

#[test]
fn several_senders_share_one_order() {
    let one = scan(routed(mixed(), PathSpec::new()), &["10.1.0.0/25"], "1-200", 3, |config| at(config, 200_000));
    let three = scan(routed(mixed(), PathSpec::new()), &["10.1.0.0/25"], "1-200", 3, |config| {
        at(config, 200_000);
        config.senders = 3;
    });
    assert_eq!(one.found(State::Open), three.found(State::Open));
    assert_eq!(one.found(State::Closed), three.found(State::Closed));
    assert_eq!(one.board.counters.probes.get(), three.board.counters.probes.get());
}

#[test]
fn round_trips_are_measured_at_any_rate() {
    for rate in [1_000, 100_000, 500_000] {
        let fixed = Latency { fixed: Duration::from_millis(40), ..Latency::default() };
        let segment = Segment::routed(network("10.1.0.0/16"), [GATEWAY]).path(PathSpec::new().round_trip(fixed));
        let topology = Topology::new().router(Router::new(GATEWAY)).segment(segment.population(1.0, HostSpec::serving([80])));
        let done = scan(topology, &["10.1.0.0/22"], "80", 5, |config| at(config, rate));
        assert_eq!(done.findings.len(), 1024);
        for finding in &done.findings {
            let rtt = finding.rtt.expect("a reply to the only attempt has a round trip");
            assert!(rtt.abs_diff(Duration::from_millis(40)) < Duration::from_millis(1), "{rtt:?} at {rate}/s");
        }
    }
}

#[test]
fn no_host_is_asked_twice_on_a_clean_path() {
    let done = scan(routed(HostSpec::serving([80]), PathSpec::new()), &["10.1.0.0/22"], "80", 5, |_| {});
    done.network.truth(|truth| {
        let syns: u64 = truth.probed().iter().map(|&addr| truth.syns_to(addr)).sum();
        let canaries = done.board.counters.canaries.get();
        assert_eq!(syns - canaries, 1024, "canaries are the only ones asked again");
        assert!((1..80).contains(&canaries), "{canaries}");
        assert_eq!(truth.probed().len(), 1024);
        assert_eq!(truth.half_open(), 0, "every SYN-ACK was answered with a reset");
    });
}

/// An office in which ARP requests are lost.
fn lossy_office(loss: f64, seed: u64) -> Done {
    let arp = synprobe::lab::Arp { loss, ..synprobe::lab::Arp::default() };
    scan(office(0.5, HostSpec::serving([80]).arp(arp)), &["10.0.0.0/24"], "80", seed, |_| {})
}

#[test]
fn a_host_lost_to_arp_is_missed_and_asked_for_again() {
    // Half of all requests are lost: after the three askings of a short scan sixteen hosts would be missing.
    for seed in 1..=10 {
        let done = lossy_office(0.5, seed);
        let missed = done.open().len() - done.found(State::Open).len();
        let completeness = done.board.completeness().expect("account was kept");
        assert!(missed <= 2 && missed as u64 <= completeness.upper95, "{seed}: {missed} of {}, {completeness:?}", done.open().len());
    }
    // Where attempts run out it is told how many are missing.
    let lossy = lossy_office(0.9, 1);
    let missed = (lossy.open().len() - lossy.found(State::Open).len()) as f64;
    let completeness = lossy.board.completeness().expect("account was kept");
    assert!(missed > 10.0 && (0.4 * missed..2.0 * missed).contains(&completeness.missed), "{missed}: {completeness:?}");
    assert!(completeness.upper95 as f64 >= missed && completeness.shortfall == Some(Shortfall::HostsUnheard), "{missed}: {completeness:?}");
    // Where nothing is lost nobody is asked for more often than before.
    let clean = lossy_office(0.0, 1);
    let silent = 256 - clean.board.neighbours.known().count() as u64;
    let asked = clean.board.counters.arp_requests.get();
    assert!(asked <= 257 + 3 * silent, "{asked} for {silent} silent");
    assert_eq!(clean.board.completeness().map(|completeness| completeness.upper95), Some(0));
}

#[test]
fn the_deadline_ends_it_in_time() {
    let done = scan(routed(HostSpec::all(PortState::Silent), PathSpec::new()), &["10.1.0.0/16"], "80", 5, |config| {
        at(config, 10_000);
        config.deadline = Some(Time::from_nanos(2_000_000_000));
    });
    assert!(done.seconds() < 2.6, "{}", done.seconds());
    let probed = done.board.counters.targets_probed.get();
    assert!((9_000..=20_100).contains(&probed), "{probed}");
}

/// How many hosts have all five control ports open, and how many answers of control ports there are.
fn controls(done: &Done) -> (usize, usize) {
    let controls = ControlPorts::draw(done.board.config.seed, &done.ports, None);
    let mut hosts: BTreeMap<IpAddr, Vec<u16>> = BTreeMap::new();
    for finding in &done.beside {
        assert!(controls.ports().contains(finding.target.port), "{finding:?}");
        let open = hosts.entry(finding.target.addr).or_default();
        open.extend((finding.outcome.state == State::Open).then_some(finding.target.port));
    }
    (hosts.values().filter(|open| controls.are_all_in(open.iter().copied())).count(), done.beside.len())
}

#[test]
fn control_probes_tell_proxies_from_busy_hosts() {
    let scanned = |host: HostSpec| scan(routed(host, PathSpec::new()), &["10.1.0.0/28"], "1-1000", 4, |_| {});
    let proxies = scanned(HostSpec::syn_proxy());
    assert_eq!(controls(&proxies), (16, 80));
    assert_eq!(proxies.board.counters.open.get(), 16_000, "control ports are not among the open ones");
    assert_eq!(proxies.findings.iter().filter(|finding| finding.is_zero_window()).count(), 16_000);
    proxies.network.truth(|truth| assert_eq!(truth.half_open(), 0));
    // Busy, and what is not served is closed, silent or refused.
    for rest in [PortState::Closed, PortState::Silent, PortState::Rejected(Rejection::HOST_PROHIBITED)] {
        let busy = scanned(HostSpec::all(rest).ports(1..=600, PortState::Open));
        let (suspect, answers) = controls(&busy);
        assert_eq!((suspect, answers), (0, if rest == PortState::Silent { 0 } else { 80 }), "{rest:?}");
        assert_eq!(busy.board.counters.open.get(), 9600);
    }
}

#[test]
fn a_normal_host_gets_no_control_probe() {
    for rest in [PortState::Closed, PortState::Silent] {
        let host = HostSpec::all(rest).ports(1..=20, PortState::Open);
        let done = scan(routed(host, PathSpec::new()), &["10.1.0.0/28"], "1-1000", 4, |_| {});
        assert_eq!((done.board.stages.iter().count(), done.beside.len()), (1, 0), "{rest:?}");
    }
}

#[test]
fn control_probes_keep_to_what_the_path_bears() {
    let path = PathSpec::new().up(Element::Policer(Limit { per_second: 5000.0, burst: 100.0 }.into()));
    let done = scan(routed(HostSpec::syn_proxy(), path), &["10.1.0.0/21"], "1-12", 4, |_| {});
    let (suspect, answers) = controls(&done);
    assert!(suspect >= 2048 * 99 / 100, "{suspect} of 2048 by {answers} answers");
    // A host's share of probes after the scan is five, each a few times at most.
    let beside = done.board.counters.probes.get() as f64 / (2048.0 * 12.0);
    assert!(beside < 2.6, "{beside} probes a target");
}

#[test]
fn control_probes_wait_for_nobody_when_time_is_up() {
    let done = scan(routed(HostSpec::syn_proxy(), PathSpec::new()), &["10.1.0.0/24"], "1-100", 4, |config| {
        at(config, 10_000);
        config.deadline = Some(Time::from_nanos(2_000_000_000));
    });
    assert!(done.seconds() < 2.6, "{}", done.seconds());
    assert_eq!((done.board.stages.iter().count(), done.beside.len()), (1, 0));
}
