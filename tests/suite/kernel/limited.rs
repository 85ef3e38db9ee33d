//! Scans with default options through paths that carry less than they could be given: real queues and packet limits of a kernel that
//! routes, and simulated ones on a real interface.

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use synprobe::lab::{Element, HostSpec, Latency, Limit, PathSpec, PortState};
use synprobe::net::linux::namespace::Namespace;
use synprobe::net::linux::testing::rerun_in_namespace;
use synprobe::net::linux::veth::{NewRoute, Wiring};
use synprobe::scan::State;

use super::bed::{Bed, Told, request, scan, skipped};
use super::practice::practise;

/// The peer of a bed becomes a router; behind it one more stack answers for 10.64.0.0/24 with two open ports.
struct Behind {
    bed: Bed,
    _wiring: Wiring,
    _listening: Vec<TcpListener>,
}

impl Behind {
    fn of(name: &str) -> Option<Self> {
        let mut bed = Bed::of(name)?;
        let target = Namespace::new().unwrap();
        let mut wiring = Wiring::open_in(&target).unwrap();
        bed.there.add_veth("out0", "far0", Some(&target)).unwrap();
        bed.there.set_up("out0").unwrap();
        bed.there.add_address("out0", "10.9.0.1/30".parse().unwrap()).unwrap();
        wiring.loopback_up().unwrap();
        wiring.set_up("far0").unwrap();
        wiring.add_address("far0", "10.9.0.2/30".parse().unwrap()).unwrap();
        wiring.add_route(NewRoute::through("10.0.0.0/24".parse().unwrap(), [10, 9, 0, 1].into())).unwrap();
        let targets = "10.64.0.0/24".parse().unwrap();
        wiring.add_route(NewRoute::local(targets)).unwrap();
        bed.there.add_route(NewRoute::through(targets, [10, 9, 0, 2].into())).unwrap();
        bed.route("10.64.0.0/24", "10.0.0.2");
        bed.forward();
        let listen = || OPEN.iter().map(|&port| TcpListener::bind(("0.0.0.0", port)).unwrap()).collect();
        let listening = target.run(listen).unwrap();
        Some(Self { bed, _wiring: wiring, _listening: listening })
    }
}

/// What anybody types: no option for speed or repeats.
fn by_default(targets: &str, ports: &str) -> Told {
    scan(&request(targets, ports))
}

fn finds_all(told: &Told, targets: u64, open: usize) {
    let summary = &told.summary;
    assert!(summary.completeness.is_some_and(|completeness| completeness.is_met()), "{summary:?}");
    assert!(summary.answered as f64 >= 0.999 * targets as f64, "{summary:?}");
    assert!(told.targets(State::Open).len() as f64 >= 0.999 * open as f64, "{summary:?}");
}

#[test]
fn a_router_that_takes_20_000_packets_a_second() {
    let Some(behind) = Behind::of("limited::a_router_that_takes_20_000_packets_a_second") else { return };
    let rules = "table ip limited {\n chain pass {\n  type filter hook forward priority 0; policy accept;\n  \
                 iifname \"peer0\" limit rate over 20000/second burst 200 packets counter drop\n }\n}\n";
    if !behind.bed.firewall(rules) {
        return;
    }
    let told = by_default("10.64.0.0/24", "1-100");
    finds_all(&told, 25_600, 2 * 256);
    // Lost in part, or it was no limit; and not asked again and again.
    let per_target = told.summary.probes_per_target();
    assert!((1.01..1.6).contains(&per_target), "{per_target} probes a target");
}

#[test]
fn a_router_with_a_short_queue() {
    let Some(behind) = Behind::of("limited::a_router_with_a_short_queue") else { return };
    let Some(tc) = ["/usr/sbin/tc", "/sbin/tc"].into_iter().find(|path| Path::new(path).exists()) else {
        return skipped("a router with a queue: tc is not installed");
    };
    // Some 16,000 SYNs a second, and 40 ms of them wait.
    let queue = ["qdisc", "add", "dev", "out0", "root", "tbf", "rate", "8mbit", "burst", "3000", "limit", "40000"];
    let shaped = behind.bed.peer.run(|| Command::new(tc).args(queue).status()).unwrap();
    if !shaped.is_ok_and(|status| status.success()) {
        return skipped("a router with a queue: this kernel has none");
    }
    finds_all(&by_default("10.64.0.0/24", "1-100"), 25_600, 2 * 256);
}

#[test]
fn a_simulated_policer() {
    let policer = Element::Policer(Limit::per_second(20_000.0).burst(200.0).into());
    on_a_simulated_path("limited::a_simulated_policer", PathSpec::new().up(policer));
}

#[test]
fn a_simulated_queue_of_50_ms() {
    let queue = Element::Queue { capacity: Limit::per_second(20_000.0).into(), buffer: Duration::from_millis(50) };
    on_a_simulated_path("limited::a_simulated_queue_of_50_ms", PathSpec::new().up(queue));
}

#[test]
fn two_in_a_hundred_lost() {
    on_a_simulated_path("limited::two_in_a_hundred_lost", PathSpec::new().loss(0.02));
}

/// 10.1.0.0/18, a tenth of it answers on port 80, the rest is silent.
fn on_a_simulated_path(name: &str, path: PathSpec) {
    if !rerun_in_namespace(&format!("kernel::{name}")).inside() {
        return;
    }
    let latency = Latency { fixed: Duration::from_millis(10), spread: Duration::from_millis(2), jitter: Duration::from_micros(500) };
    let host = HostSpec::all(PortState::Silent).ports([80], PortState::Open);
    let (told, network) = practise(0.1, host, path.round_trip(latency), &request("10.1.0.0/18", "80"));
    let answering = |addr: &IpAddr| matches!(addr, IpAddr::V4(addr) if network.truth().open([*addr], [80]).next().is_some());
    let range = (0..1 << 14).map(|number: u32| IpAddr::V4((u32::from_be_bytes([10, 1, 0, 0]) + number).into()));
    let open = range.filter(answering).count();
    assert!(open > 1400, "{open} hosts answer");
    // 16 of 1,600 might be one more than a thousandth and by chance; what is promised is 99.9 in a hundred of what is there.
    assert!(told.summary.answered + 3 >= open as u64 && told.summary.answered <= open as u64, "{open} answer: {:?}", told.summary);
    assert!(told.summary.completeness.is_some_and(|completeness| completeness.is_met()), "{:?}", told.summary);
}

const OPEN: [u16; 2] = [22, 80];
