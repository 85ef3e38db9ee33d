//! Discovery of hosts behind routers, in simulated networks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use synprobe::lab::{HostSpec, Latency, PathSpec, PortState, Router, Segment, Topology};
use synprobe::scan::{Discovery, Presence, ScanConfig, State};

use crate::simulation::{Done, GATEWAY, at, network, scan};

/// 10.1.0.0/20, in which one address of fifty is a host: ordinary, silent but to echo, with an open 22 alone, or with an open 8080 alone.
fn sparse(path: PathSpec, round_trip: Duration) -> Topology {
    let latency = Latency { fixed: round_trip, ..Latency::default() };
    let segment = Segment::routed(network("10.1.0.0/20"), [GATEWAY]).path(path.round_trip(latency));
    let shielded = |port| HostSpec::shielded([port]).without_echo();
    let segment = segment
        .population(0.005, HostSpec::serving([80, 8080]))
        .population(0.005, HostSpec::shielded([8080]))
        .population(0.005, shielded(22))
        .population(0.005, shielded(8080));
    Topology::new().router(Router::new(GATEWAY)).segment(segment)
}

const TARGETS: &[&str] = &["10.1.0.0/20"];
const PORTS: &str = "22,80,8000-8099";

fn first(config: &mut ScanConfig) {
    config.discovery = Discovery::First;
}

/// Who shows that it is there: all but the last kind. The open port tells the kinds apart.
fn discoverable(done: &Done) -> BTreeSet<Ipv4Addr> {
    let open = done.network.truth(|truth| {
        let addresses: Vec<Ipv4Addr> = network(TARGETS[0]).iter().collect();
        let echo = truth.echoing(addresses.iter().copied()).collect::<BTreeSet<_>>();
        let by_port = truth.open(addresses, Discovery::PORTS).map(|target| *target.ip()).collect::<BTreeSet<_>>();
        echo.union(&by_port).copied().collect::<BTreeSet<_>>()
    });
    assert!((40..90).contains(&open.len()), "{}", open.len());
    open
}

fn discovered(done: &Done) -> BTreeSet<Ipv4Addr> {
    let stages = done.board.stages.iter();
    let found = stages.filter_map(|(_, stage)| stage.presence.as_ref().map(|presence: &Presence| presence.hosts(&stage.space)));
    let addresses: Vec<IpAddr> = found.flat_map(|hosts| hosts.iter().collect::<Vec<_>>()).collect();
    addresses
        .into_iter()
        .map(|addr| match addr {
            IpAddr::V4(addr) => addr,
            IpAddr::V6(addr) => panic!("{addr} in an IPv4 scan"),
        })
        .collect()
}

#[test]
fn only_hosts_that_answered_are_asked_for_the_rest_of_their_ports() {
    let done = scan(sparse(PathSpec::new(), Duration::from_millis(10)), TARGETS, PORTS, 1, first);
    let there = discoverable(&done);
    assert_eq!(discovered(&done), there);
    let open: BTreeSet<_> = done.open().into_iter().filter(|target| there.contains(target.ip())).collect();
    assert_eq!(done.wanted(State::Open), open, "all ports of who is there, also those that discovery asked");
    assert!(done.open().len() > open.len(), "an open 8080 alone shows nothing: that is the price");
    done.network.truth(|truth| {
        for addr in network(TARGETS[0]).iter().filter(|addr| !there.contains(addr)) {
            // A silent host is asked in more than one pass where others' answers show loss, and by audits: each time three SYNs, not a hundred.
            assert!(truth.syns_to(addr) <= 12, "{addr}: {}", truth.syns_to(addr));
        }
    });
    let counters = &done.board.counters;
    let (probed, asked) = (counters.targets_probed.get(), 4096 * 2 + there.len() as u64 * 100);
    assert_eq!(probed, asked, "22 and 80 of each, and the others of who is there");
    let account = done.board.completeness().expect("account is kept");
    assert_eq!((account.found, account.open), (counters.open.get() + counters.closed.get(), counters.open.get()));
    assert!(account.is_met() && account.missed < 2.0 && account.upper95 < account.found / 20, "{account:?}");
}

#[test]
fn no_target_is_asked_in_two_stages() {
    let busy = Segment::routed(network("10.1.0.0/24"), [GATEWAY]).population(1.0, HostSpec::serving([80]));
    let done = scan(Topology::new().router(Router::new(GATEWAY)).segment(busy), &["10.1.0.0/24"], "80-89,443", 1, first);
    assert_eq!(done.wanted(State::Open).len(), 256);
    assert_eq!(done.wanted(State::Closed).len(), 256 * 10);
    assert_eq!(done.board.counters.answered.get(), 256 * 11);
    done.network.truth(|truth| {
        let syns: u64 = truth.probed().iter().map(|&addr| truth.syns_to(addr)).sum();
        // 22 is asked beside the ports wanted; canaries are asked again, some by echo.
        assert!(syns <= 256 * 12 + done.board.counters.canaries.get(), "{syns}");
        assert_eq!(truth.counters().echo_requests + syns, done.board.counters.probes.get());
    });
}

#[test]
fn loss_hides_no_host() {
    for seed in 1..=3 {
        let done = scan(sparse(PathSpec::new().loss(0.1), Duration::from_millis(20)), TARGETS, PORTS, seed, first);
        let (found, there) = (discovered(&done), discoverable(&done));
        let missed = there.difference(&found).count();
        assert!(missed <= 1 && found.is_subset(&there), "{missed} of {} are missed, seed {seed}", there.len());
        let account = done.board.completeness().expect("account is kept");
        let open = done.open().into_iter().filter(|target| there.contains(target.ip())).count();
        let missed = open - done.wanted(State::Open).len();
        assert!(missed as u64 <= account.upper95, "{missed} missed, {account:?}");
    }
}

#[test]
fn discovery_alone_asks_no_port_more() {
    let done = scan(sparse(PathSpec::new(), Duration::from_millis(10)), TARGETS, PORTS, 1, |config| {
        (config.discovery, config.ports) = (Discovery::Only, [].into_iter().collect());
    });
    let there = discoverable(&done);
    assert_eq!(discovered(&done), there);
    let counters = &done.board.counters;
    assert_eq!((counters.targets_probed.get(), counters.answered.get(), done.board.stages.iter().count()), (0, 0, 1));
    let account = done.board.completeness().expect("account is kept");
    assert_eq!((account.found, account.open, account.is_met()), (there.len() as u64, 0, true), "hosts are counted: {account:?}");
}

#[test]
fn late_answers_count_at_a_fixed_rate_too() {
    let done = scan(sparse(PathSpec::new(), Duration::from_millis(200)), TARGETS, PORTS, 1, |config| {
        at(config, 50_000);
        // The senders end with the last probe, and do not wait for its answer.
        (config.attempts, config.most_attempts) = (1, 1);
        first(config);
    });
    assert_eq!(discovered(&done), discoverable(&done));
    assert_eq!(done.board.stages.iter().count(), 2, "all of them are waited for before any is asked for more");
    let open = done.open().into_iter().filter(|target| discovered(&done).contains(target.ip())).collect::<BTreeSet<_>>();
    assert_eq!(done.wanted(State::Open), open);
}

#[test]
fn hosts_on_the_link_need_no_discovery() {
    let lan = Segment::on_link(network("10.0.0.0/24")).population(0.2, HostSpec::shielded([8080]).without_echo());
    let far =
        Segment::routed(network("10.1.0.0/24"), [GATEWAY]).population(0.2, HostSpec::all(PortState::Silent).ports([8080], PortState::Open));
    let topology = Topology::new().router(Router::new(GATEWAY)).segment(lan).segment(far);
    let done = scan(topology, &["10.0.0.0/24", "10.1.0.0/24"], "8080", 1, first);
    assert_eq!(done.wanted(State::Open), done.open());
    let far = |addr: &Ipv4Addr| addr.octets()[1] == 1;
    assert!(!discovered(&done).is_empty() && discovered(&done).iter().all(far), "ARP finds the others");
    assert!(done.open().iter().any(|target| !far(target.ip())));
}
