//! The other links: this very machine, a tunnel, several interfaces in one scan.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use synprobe::lab::{HostSpec, Network, PortState, Rejection, Segment, Topology};
use synprobe::net::linux::namespace::Namespace;
use synprobe::net::linux::tun::Tun;
use synprobe::net::linux::veth::{NewRoute, Wiring};
use synprobe::packet::Medium;
use synprobe::run::Request;
use synprobe::scan::{HostState, Mode, Reason, State};
use synprobe::time::Time;

use super::bed::{Bed, addresses, request, scan, skipped, targets};

#[test]
fn this_machine_answers_on_all_its_addresses() {
    let Some(bed) = Bed::of("links::this_machine_answers_on_all_its_addresses") else { return };
    let _listening: Vec<_> = [80, 8080].map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap()).into();
    let own = "127.0.0.1,127.0.0.5,127.200.3.4,10.0.0.1";
    let told = scan(&request(own, "79-81,8080"));
    assert_eq!(told.targets(State::Open), targets(own, &[80, 8080]));
    assert_eq!(told.targets(State::Closed), targets(own, &[79, 81]));
    assert_eq!((told.begin.mode, told.begin.egresses.len()), (Mode::Syn, 1), "{:?}", told.begin);
    assert_eq!(told.begin.egresses[0].link, "raw-ip");
    assert!(told.summary.is_complete(), "{:?}", told.summary);
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    assert!(!table.lines().any(|line| line.split_whitespace().nth(3) == Some("03")), "half open: {table}");
    drop(bed);
}

#[test]
fn every_port_of_loopback() {
    let Some(_bed) = Bed::of("links::every_port_of_loopback") else { return };
    let listening: Vec<_> = (0..50).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut truth: Vec<_> = listening.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    truth.sort_unstable();
    let told = scan(&Request { rate: Some("100k".parse().unwrap()), ..request("127.0.0.1", "-") });
    assert_eq!(told.targets(State::Open), targets("127.0.0.1", &truth));
    assert_eq!(told.summary.closed, 65_535 - 50, "{:?}", told.summary);
}

#[test]
fn behind_a_tunnel() {
    let Some(mut bed) = Bed::of("links::behind_a_tunnel") else { return };
    let tun = match Tun::open("tun0") {
        Ok(tun) => tun,
        Err(error) => return skipped(&format!("the tunnel: {error}")),
    };
    bed.here.add_address("tun0", "10.8.0.1/24".parse().unwrap()).unwrap();
    bed.here.set_up("tun0").unwrap();
    bed.here.add_route(NewRoute::on_link("10.70.0.0/28".parse().unwrap(), "tun0")).unwrap();
    std::thread::spawn(|| far_end(tun));
    let told = scan(&request("10.70.0.0/28,10.8.0.2", "79-82"));
    assert_eq!(told.begin.egresses.iter().map(|egress| &*egress.link).collect::<Vec<_>>(), ["tunnel"]);
    assert_eq!(told.targets(State::Open), targets("10.8.0.2,10.70.0.1", &[80]));
    assert_eq!(told.targets(State::Closed), targets("10.8.0.2,10.70.0.1", &[79, 82]));
    let refused = told.outcomes()[&("10.70.0.1".parse().unwrap(), 81)];
    assert_eq!((refused.state, refused.reason), (State::Filtered, Reason::AdminProhibited));
    assert_eq!(told.addresses(HostState::NoReply).len(), 15);
    assert!(told.summary.is_complete(), "{:?}", told.summary);
}

/// Two hosts at the other end of the tunnel, simulated.
fn far_end(mut tun: Tun) {
    let host = || HostSpec::serving([80]).ports([81], PortState::Rejected(Rejection::ADMIN_PROHIBITED));
    let near = Segment::routed("10.8.0.0/24".parse().unwrap(), []).host("10.8.0.2".parse().unwrap(), host());
    let far = Segment::routed("10.70.0.0/28".parse().unwrap(), []).host("10.70.0.1".parse().unwrap(), host());
    let mut network = Network::new(Topology::new().medium(Medium::Ip).segment(near).segment(far), 1);
    socket2::SockRef::from(&tun).set_nonblocking(true).unwrap();
    let (began, mut packet) = (Instant::now(), [0; 2048]);
    // For as long as the process lives.
    loop {
        let now = Time::from_nanos(began.elapsed().as_nanos() as u64);
        match tun.read(&mut packet) {
            Ok(len) => network.inject(now, &packet[..len]),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        network.deliver(now, &mut |_, answer| {
            tun.write_all(answer).unwrap();
        });
    }
}

#[test]
fn two_interfaces_in_one_scan() {
    let Some(mut bed) = Bed::of("links::two_interfaces_in_one_scan") else { return };
    bed.answer_for("10.64.0.0/28");
    let _first = bed.listen(&[80]);
    let other = Namespace::new().unwrap();
    let mut there = Wiring::open_in(&other).unwrap();
    there.loopback_up().unwrap();
    bed.here.add_veth("scan1", "other0", Some(&other)).unwrap();
    there.add_address("other0", "10.1.0.2/24".parse().unwrap()).unwrap();
    there.set_up("other0").unwrap();
    there.add_route(NewRoute::local("10.80.0.0/28".parse().unwrap())).unwrap();
    bed.here.add_address("scan1", "10.1.0.1/24".parse().unwrap()).unwrap();
    bed.here.set_up("scan1").unwrap();
    bed.route("10.80.0.0/28", "10.1.0.2");
    let _second = other.run(|| TcpListener::bind("0.0.0.0:443").unwrap()).unwrap();

    let told = scan(&request("10.0.0.2-10.0.0.4,10.1.0.2-10.1.0.4,10.64.0.0/28,10.80.0.0/28,127.0.0.1", "80,443"));
    let mut open = targets("10.0.0.2,10.64.0.0/28", &[80]);
    open.extend(targets("10.1.0.2,10.80.0.0/28", &[443]));
    open.sort_unstable();
    assert_eq!(told.targets(State::Open), open);
    assert_eq!(told.addresses(HostState::Down), addresses("10.0.0.3,10.0.0.4,10.1.0.3,10.1.0.4"));
    let mut ways: Vec<_> = told.begin.egresses.iter().map(|way| (way.interface.as_str(), way.gateway.is_some(), way.addresses)).collect();
    ways.sort_unstable();
    assert_eq!(ways, [("lo", false, 1), ("scan0", false, 3), ("scan0", true, 16), ("scan1", false, 3), ("scan1", true, 16)]);
    assert!(told.summary.is_complete(), "{:?}", told.summary);
}
