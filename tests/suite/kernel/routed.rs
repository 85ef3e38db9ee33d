//! Hosts behind a gateway.

use synprobe::net::linux::veth::NewRoute;
use synprobe::run::{Rate, Request};
use synprobe::scan::{EgressRecord, HostState, Reason, State};

use super::bed::{Bed, PEER_MAC, addresses, request, scan, targets};

#[test]
fn all_open_ports_of_a_routed_network_and_no_other() {
    let Some(mut bed) = Bed::of("routed::all_open_ports_of_a_routed_network_and_no_other") else { return };
    bed.answer_for("10.64.0.0/24");
    let _listening = bed.listen(&[22, 80, 95, 100]);
    let told = scan(&Request { rate: Some(Rate::per_second(30_000)), ..request("10.64.0.0/24", "1-100") });
    assert_eq!(told.targets(State::Open), targets("10.64.0.0/24", &[22, 80, 95, 100]));
    assert_eq!(told.targets(State::Closed).len(), 256 * 96);
    assert!(told.summary.is_complete() && told.summary.hosts_up == 256, "{:?}", told.summary);
    assert_eq!(told.summary.receiver_drops + told.summary.send_errors + told.summary.invalid, 0, "{:?}", told.summary);
    let via = EgressRecord {
        interface: "scan0".into(),
        source: Some("10.0.0.1".parse().unwrap()),
        gateway: Some("10.0.0.2".parse().unwrap()),
        link: "packet".into(),
        addresses: 256,
    };
    assert_eq!(told.begin.egresses, [via]);
    assert!(told.hosts.iter().all(|host| host.mac.is_none()), "the hardware address there is the gateway's");
}

#[test]
fn a_gateway_that_does_not_answer_is_named() {
    let Some(mut bed) = Bed::of("routed::a_gateway_that_does_not_answer_is_named") else { return };
    bed.answer_for("10.64.0.0/29");
    bed.route("10.65.0.0/29", "10.0.0.99");
    let _listening = bed.listen(&[80]);
    let told = scan(&request("10.65.0.0/29", "80"));
    assert!(told.is_incomplete_for("gateway 10.0.0.99 did not answer ARP"), "{:?}", told.summary);
    assert_eq!((told.summary.probes, told.summary.not_probed, told.summary.path_proven), (0, 8, false));

    let told = scan(&request("10.64.0.0/29,10.65.0.0/29", "80"));
    assert!(told.is_incomplete_for("gateway 10.0.0.99 did not answer ARP"), "{:?}", told.summary);
    assert_eq!(told.targets(State::Open), targets("10.64.0.0/29", &[80]), "the others go on");
    assert_eq!(told.addresses(HostState::NotProbed), addresses("10.65.0.0/29"), "nobody asked them");
    assert_eq!(told.summary.hosts_not_probed, 8);
}

#[test]
fn silence_behind_a_gateway_is_diagnosed() {
    let Some(mut bed) = Bed::of("routed::silence_behind_a_gateway_is_diagnosed") else { return };
    bed.route("10.67.0.0/29", "10.0.0.2");
    bed.there.add_route(NewRoute::blackhole("10.67.0.0/29".parse().unwrap())).unwrap();
    bed.forward();
    let told = scan(&request("10.67.0.0/29", "80,443"));
    assert!(!told.summary.path_proven && told.summary.completeness.is_none(), "{:?}", told.summary);
    let probes = told.summary.probes;
    assert!(probes >= 16, "{probes}");
    for part in [
        format!("nothing answered at all, so the path is unproven: {probes} probes left over scan0 without an error"),
        "gateway 10.0.0.2 answers ARP".to_owned(),
        "next: --canary HOST:PORT names a port known to answer; check firewalls".to_owned(),
    ] {
        assert!(told.is_incomplete_for(&part), "{part}: {:?}", told.summary.incomplete);
    }
}

#[test]
fn a_gateway_known_to_the_kernel_is_not_asked() {
    let Some(mut bed) = Bed::of("routed::a_gateway_known_to_the_kernel_is_not_asked") else { return };
    bed.answer_for("10.64.0.0/29");
    bed.here.add_neighbour("scan0", "10.0.0.2".parse().unwrap(), PEER_MAC).unwrap();
    let told = scan(&request("10.64.0.0/29", "80"));
    assert_eq!((told.summary.arp_requests, told.summary.closed), (0, 8), "{:?}", told.summary);
}

#[test]
fn a_router_that_finds_no_host_says_so() {
    let Some(mut bed) = Bed::of("routed::a_router_that_finds_no_host_says_so") else { return };
    bed.answer_for("10.64.0.0/30");
    bed.route("10.66.0.0/30", "10.0.0.2");
    bed.there.add_route(NewRoute::unreachable("10.66.0.0/30".parse().unwrap())).unwrap();
    bed.forward();
    let told = scan(&request("10.64.0.0/30,10.66.0.0/30", "80"));
    let router = Some("10.0.0.2".parse().unwrap());
    for (target, outcome) in told.outcomes().into_iter().filter(|((addr, _), _)| addresses("10.66.0.0/30").contains(addr)) {
        assert_eq!((outcome.reason, outcome.reason_addr), (Reason::HostUnreach, router), "{target:?}");
    }
    assert_eq!((told.summary.filtered, told.summary.closed), (4, 4));
    assert_eq!(told.addresses(HostState::Filtered), addresses("10.66.0.0/30"), "a router's word says nothing of the host");
    assert_eq!((told.summary.hosts_filtered, told.summary.hosts_up), (4, 4));
}
