//! Hosts on the scanner's own Ethernet: hardware addresses first, then ports.

use std::time::Duration;

use synprobe::net::interface::interfaces;
use synprobe::net::link::{LinkKind, LinkOptions, open};
use synprobe::net::linux::veth::NewRoute;
use synprobe::packet::{Hop, Probe, SynTemplate};
use synprobe::run::{Engine, Queueing, Request, Technique};
use synprobe::scan::{HostState, Reason, State};

use super::bed::{Bed, PEER_MAC, addresses, nft, request, scan, targets};

#[test]
fn half_of_a_network_is_up_and_all_of_that_is_found() {
    let Some(mut bed) = Bed::of("onlink::half_of_a_network_is_up_and_all_of_that_is_found") else { return };
    bed.answer_for("10.0.0.128/25");
    let _listening = bed.listen(&[80]);
    for engine in [Engine::Packet, Engine::Pnet] {
        let told = scan(&Request { engine, ..request("10.0.0.0/24", "80") });
        let up = "10.0.0.2,10.0.0.128-10.0.0.254";
        assert_eq!(told.targets(State::Open), targets(up, &[80]), "{engine:?}");
        assert_eq!(told.targets(State::Closed), targets("10.0.0.1", &[80]), "our own address answers through loopback");
        assert_eq!(told.addresses(HostState::Up), addresses(&format!("10.0.0.1,{up}")));
        assert_eq!(told.addresses(HostState::Down), addresses("10.0.0.3-10.0.0.127"));
        for host in told.hosts.iter().filter(|host| host.addr != addresses("10.0.0.1")[0]) {
            let expected = if host.state == HostState::Up { (Some(PEER_MAC), Reason::SynAck) } else { (None, Reason::NoArpResponse) };
            assert_eq!((host.mac, host.reason), expected, "{host:?}");
        }
        // Neither the network's nor the broadcast address: nobody named them.
        assert_eq!(told.summary.addresses, 254);
        assert!(told.summary.is_complete(), "{:?}", told.summary);
        assert!(told.findings.iter().all(|finding| finding.rtt.is_some() && finding.attempt == 1 && finding.ttl == Some(64)), "{told:?}");
        assert_eq!(bed.half_open(), 0);
    }
}

#[test]
fn a_network_in_which_nobody_answers_proves_nothing() {
    let Some(_bed) = Bed::of_silence("onlink::a_network_in_which_nobody_answers_proves_nothing") else { return };
    // With and without our own address among the targets: that it answers says nothing about the cable.
    let cases = [("10.0.0.2-10.0.0.254", "nothing answered at all"), ("10.0.0.0/24", "nothing but this machine itself answered")];
    for (range, says) in cases {
        let told = scan(&request(range, "80"));
        assert_eq!(told.addresses(HostState::Down), addresses("10.0.0.2-10.0.0.254"), "{range}");
        assert!(!told.summary.path_proven, "{range}: {:?}", told.summary);
        assert!(told.is_incomplete_for(says), "{range}: {:?}", told.summary);
    }
}

#[test]
fn a_network_and_broadcast_address_are_probed_when_named() {
    let Some(mut bed) = Bed::of("onlink::a_network_and_broadcast_address_are_probed_when_named") else { return };
    let _listening = bed.listen(&[80]);
    bed.here.add_route(NewRoute::blackhole("10.0.0.9/32".parse().unwrap())).unwrap();
    let named = "10.0.0.0,10.0.0.9,10.0.0.255".parse().unwrap();
    let told = scan(&Request { named, ..request("10.0.0.0/30,10.0.0.9,10.0.0.254,10.0.0.255", "80") });
    assert_eq!(told.addresses(HostState::Up), addresses("10.0.0.1,10.0.0.2"));
    assert_eq!(told.addresses(HostState::Down), addresses("10.0.0.0,10.0.0.3,10.0.0.254,10.0.0.255"));
    assert_eq!(
        told.summary.incomplete,
        ["no route to 1 address: 10.0.0.9 (a blackhole route)"],
        "the routes are heeded for any other address"
    );
}

#[test]
fn two_kinds_of_scan_agree() {
    let Some(mut bed) = Bed::of("onlink::two_kinds_of_scan_agree") else { return };
    bed.answer_for("10.0.0.128/25");
    let _listening = bed.listen(&[22, 80]);
    let syn = scan(&request("10.0.0.1-10.0.0.254", "20-25,80"));
    let connect = scan(&Request { technique: Technique::Connect, ..request("10.0.0.1,10.0.0.2,10.0.0.128-10.0.0.254", "20-25,80") });
    assert_eq!(syn.targets(State::Open), connect.targets(State::Open));
    assert_eq!(syn.targets(State::Closed), connect.targets(State::Closed));
    assert_eq!(syn.targets(State::Open).len(), 2 * 128);
}

#[test]
fn a_firewall_here_leaves_no_half_open_connection_there() {
    let Some(bed) = Bed::of("onlink::a_firewall_here_leaves_no_half_open_connection_there") else { return };
    let _listening = bed.listen(&[80, 443]);
    // The kernel's own resets are gone: it never sees the answers to what it did not send itself.
    let stateful = "table inet f {\n chain c {\n  type filter hook input priority 0; policy drop;\n  ct state established,related accept\n  iif lo accept\n }\n}\n";
    if !nft(stateful) {
        return;
    }
    let told = scan(&request("10.0.0.2", "80-90,443"));
    assert_eq!(told.targets(State::Open), targets("10.0.0.2", &[80, 443]));
    assert_eq!(told.targets(State::Closed).len(), 10);
    assert_eq!(bed.half_open(), 0);
    // And this is what it looks like where nobody sends the reset.
    send_a_syn(80);
    assert!((0..100).any(|_| bed.half_open() == 1 || pause()), "a SYN alone leaves a connection half open");
}

/// From this machine to the peer's port, and no more.
fn send_a_syn(port: u16) {
    let interface = interfaces().unwrap().into_iter().find(|interface| interface.name == "scan0").unwrap();
    let options = LinkOptions {
        engine: Engine::Packet,
        first_port: 50_000,
        last_port: 50_000,
        transmitters: 1,
        proof: None,
        queueing: Queueing::Through,
        receive_bytes: 1 << 20,
    };
    let mut link = open("scan0", interface.index, LinkKind::Ethernet, &options).unwrap();
    let probe = Probe {
        hop: Hop::Ethernet { source: interface.mac.unwrap(), destination: PEER_MAC },
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        source_port: 50_000,
        destination_port: port,
        sequence: 1,
    };
    let transmitter = &mut link.transmitters[0];
    let len = SynTemplate::new().write(transmitter.slot().unwrap(), &probe);
    transmitter.commit(len);
    assert_eq!(transmitter.flush().unwrap(), 1);
}

/// Gives the kernel a moment; false.
fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(10));
    false
}
