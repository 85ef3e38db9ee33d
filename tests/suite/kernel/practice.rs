//! Scans over a real interface of a simulated network, which can do what no kernel does: lose, forge, repeat.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use synprobe::lab::{Forgery, HostSpec, Latency, Lie, Network, PathSpec, Place, PortState, Practice, Router, Segment, Topology};
use synprobe::net::linux::testing::rerun_in_namespace;
use synprobe::run::{self, Event, Request, Show, Stop};
use synprobe::scan::{State, Suspicion};

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

#[test]
fn middleboxes_are_flagged_and_busy_hosts_are_not() {
    if !rerun_in_namespace("kernel::practice::middleboxes_are_flagged_and_busy_hosts_are_not").inside() {
        return;
    }
    let gateway = Ipv4Addr::new(10, 0, 0, 254);
    let [everywhere, few, many, equal] = ["10.1.0.0/16", "10.1.0.0/24", "10.1.1.0/24", "10.1.2.0/24"].map(|net| net.parse().unwrap());
    let host = |last: u8| Ipv4Addr::new(10, 1, 0, last);
    let topology = Topology::new()
        .router(Router::new(gateway))
        .segment(
            Segment::routed(few, [gateway])
                .host(host(1), HostSpec::tarpit())
                .host(host(2), HostSpec::all(PortState::Closed).ports(1..=90, PortState::Open))
                .host(host(3), HostSpec::serving([80]).window(0)),
        )
        .segment(Segment::routed(many, [gateway]).population(1.0, HostSpec::tarpit()))
        .segment(Segment::routed(equal, [gateway]).population(0.9, HostSpec::serving([80])));
    let place = Place { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, beyond: Some((everywhere, gateway)) };
    let practice = Practice::begin(Network::new(topology, 3), place).unwrap();
    let verdicts = |targets: &str, ports: &str| {
        let told = scan(&request(targets, ports));
        let mut suspects: Vec<_> =
            told.hosts.iter().filter_map(|host| Some((host.addr.to_string(), host.suspect.map(Suspicion::as_str)?))).collect();
        assert_eq!(suspects.len() as u64, told.summary.hosts_suspect);
        // A host with a single answer to wait for is told of first.
        suspects.sort_unstable();
        suspects
    };
    let named = [("10.1.0.1".to_owned(), "control-ports"), ("10.1.0.3".to_owned(), "zero-window")];
    assert_eq!(verdicts("10.1.0.1-3", "1-100"), named);
    assert_eq!(verdicts("10.1.0.1-3", "80"), named[1..], "one open port is no reason for doubt");
    assert_eq!(verdicts("10.1.0.1", "-"), named[..1]);
    let range = verdicts("10.1.1.0/24", "80-81");
    assert!(range.len() == 256 && range.iter().all(|(_, word)| *word == "uniform-range"), "{range:?}");
    assert_eq!(verdicts("10.1.2.0/24", "80-81"), [], "equal servers close what they do not serve");
    practice.end().unwrap();
}

#[test]
fn suspects_are_left_out_where_that_is_asked_for() {
    if !rerun_in_namespace("kernel::practice::suspects_are_left_out_where_that_is_asked_for").inside() {
        return;
    }
    let gateway = Ipv4Addr::new(10, 0, 0, 254);
    let everywhere = "10.1.0.0/16".parse().unwrap();
    let segment = Segment::routed(everywhere, [gateway])
        .host(Ipv4Addr::new(10, 1, 0, 1), HostSpec::syn_proxy())
        .host(Ipv4Addr::new(10, 1, 0, 2), HostSpec::serving([22, 80]));
    let network = Network::new(Topology::new().router(Router::new(gateway)).segment(segment), 3);
    let place = Place { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, beyond: Some((everywhere, gateway)) };
    let practice = Practice::begin(network, place).unwrap();
    let (mut findings, mut hosts) = (Vec::new(), Vec::new());
    let request = Request { hide_suspect: true, show: Show::default(), ..request("10.1.0.1-2", "1-100") };
    let summary = run::scan(&request, &Stop::new(), &mut |event| match event {
        Event::Finding(finding) => findings.push((hosts.len(), SocketAddr::new(finding.target.addr, finding.target.port).to_string())),
        Event::Host(host) => hosts.push((host.addr.to_string(), host.ports.len(), host.suspect)),
        _ => {}
    });
    practice.end().unwrap();
    let summary = summary.unwrap();
    assert_eq!(hosts, [("10.1.0.2".to_owned(), 2, None)]);
    assert_eq!(findings, [22, 80].map(|port| (0, format!("10.1.0.2:{port}"))));
    assert_eq!((summary.hosts_suspect, summary.hosts_hidden, summary.hosts_up, summary.open), (1, 1, 2, 102));
    assert!(summary.probes >= 205 && summary.is_complete(), "{summary:?}");
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
