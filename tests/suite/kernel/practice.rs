//! Scans over a real interface of a simulated network, which can do what no kernel does: lose, forge, repeat.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use synprobe::lab::{Forgery, HostSpec, Latency, Lie, Network, PathSpec, Place, PortState, Practice, Router, Segment, Topology};
use synprobe::net::linux::testing::rerun_in_namespace;
use synprobe::run::Request;
use synprobe::scan::State;

use super::bed::{Told, request, scan};

#[test]
fn two_in_a_hundred_packets_lost_each_way() {
    if !rerun_in_namespace("kernel::practice::two_in_a_hundred_packets_lost_each_way").inside() {
        return;
    }
    let host = HostSpec::all(PortState::Closed).ports((1..=5000).step_by(49), PortState::Open);
    let latency = Latency { fixed: Duration::from_millis(5), spread: Duration::from_millis(1), jitter: Duration::from_micros(200) };
    let path = PathSpec::new().loss(0.02).round_trip(latency);
    let (told, network) = practise(1.0, host, path, &request("10.1.0.7", "1-5000"));
    assert_open_ports_are(&told, &network);
    let lost = network.truth().counters().fates.dropped.total();
    assert!(lost > 20, "{lost} probes lost of 5,000");
    // Every open port, and of all targets as many as are promised.
    assert!(told.summary.answered >= 4995, "{:?}", told.summary);
    assert!(told.summary.completeness.is_some_and(|completeness| completeness.is_met()), "{:?}", told.summary);
    // Our resets are lost like anything else; a host's repeats, answered in their turn, come after the scan.
    assert!(network.truth().half_open() < 103 / 5, "{} half open", network.truth().half_open());
}

#[test]
fn forged_answers_are_counted_and_not_reported() {
    if !rerun_in_namespace("kernel::practice::forged_answers_are_counted_and_not_reported").inside() {
        return;
    }
    let host = HostSpec::shielded([80]).forgery(Forgery { share: 0.1, lie: Lie::Acknowledgement });
    let (told, network) = practise(1.0, host, PathSpec::new(), &request("10.1.0.0/22", "80-82"));
    assert_open_ports_are(&told, &network);
    let forged = network.truth().counters().forged;
    assert!(forged > 200, "{forged} forged of 3072 targets");
    assert_eq!(told.summary.invalid, forged, "{:?}", told.summary);
}

/// Scans a share of hosts of this kind in 10.1.0.0/16, behind this path.
pub(super) fn practise(share: f64, host: HostSpec, path: PathSpec, request: &Request) -> (Told, Network) {
    let gateway = Ipv4Addr::new(10, 0, 0, 254);
    let everywhere = "10.1.0.0/16".parse().unwrap();
    let segment = Segment::routed(everywhere, [gateway]).path(path).population(share, host);
    let network = Network::new(Topology::new().router(Router::new(gateway)).segment(segment), 3);
    let place = Place { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, beyond: Some((everywhere, gateway)) };
    let practice = Practice::begin(network, place).unwrap();
    let told = scan(request);
    let (network, served) = practice.end().unwrap();
    assert_eq!(served.unsent, 0);
    (told, network)
}

fn assert_open_ports_are(told: &Told, network: &Network) {
    let hosts = told.hosts.iter().map(|host| match host.addr {
        IpAddr::V4(addr) => addr,
        IpAddr::V6(addr) => panic!("{addr} in an IPv4 scan"),
    });
    let ports: Vec<u16> = told.begin.ports.iter().collect();
    let mut truth: Vec<(IpAddr, u16)> =
        network.truth().open(hosts.collect::<Vec<_>>(), ports).map(|target| ((*target.ip()).into(), target.port())).collect();
    truth.sort_unstable();
    assert_eq!(told.targets(State::Open), truth);
}
