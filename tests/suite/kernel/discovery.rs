//! Discovery of hosts behind a gateway, and of hosts alone.

use std::time::Duration;

use synprobe::run::{Rate, Request};
use synprobe::scan::{Discovery, HostState, Reason, State};
use synprobe::target::PortSet;

use super::bed::{Bed, PEER_MAC, addresses, request, scan, targets};

#[test]
fn only_hosts_that_answer_are_asked_for_the_rest() {
    let Some(mut bed) = Bed::of("discovery::only_hosts_that_answer_are_asked_for_the_rest") else { return };
    bed.answer_for("10.64.0.0/28");
    bed.route("10.65.0.0/24", "10.0.0.2");
    let _listening = bed.listen(&[22, 8080]);
    let told = scan(&Request { discovery: Discovery::First, ..request("10.64.0.0/28,10.65.0.0/24", "20-25,443,8000-8099") });
    assert_eq!(told.targets(State::Open), targets("10.64.0.0/28", &[22, 8080]));
    assert_eq!(told.targets(State::Closed).len(), 16 * 105);
    assert_eq!(told.addresses(HostState::Up), addresses("10.64.0.0/28"));
    assert_eq!(told.addresses(HostState::NoReply), addresses("10.65.0.0/24"), "silence is no proof that nobody is there");
    let silent = told.hosts.iter().filter(|host| host.state == HostState::NoReply);
    assert!(silent.clone().all(|host| (host.reason, host.unanswered, host.not_probed) == (Reason::NoResponse, 2, 105)), "22 and 443");
    assert_eq!(told.summary.unanswered, 256 * 2);
    assert!(told.summary.probes < 256 * 4 * 5 + 16 * 110 * 2, "{:?}", told.summary);
    assert!(told.summary.is_complete() && told.summary.path_proven, "{:?}", told.summary);
}

#[test]
fn a_host_with_ports_that_all_drop_is_found_by_echo() {
    let Some(mut bed) = Bed::of("discovery::a_host_with_ports_that_all_drop_is_found_by_echo") else { return };
    bed.answer_for("10.64.0.0/28");
    if !bed.firewall("table ip t { chain input { type filter hook input priority 0; tcp dport != 8080 drop; }; }") {
        return;
    }
    let _listening = bed.listen(&[8080]);
    let told = scan(&Request { discovery: Discovery::First, ..request("10.64.0.0/28", "8080") });
    assert_eq!(told.targets(State::Open), targets("10.64.0.0/28", &[8080]));
    assert!(told.hosts.iter().all(|host| host.reason == Reason::EchoReply && host.rtt.is_some()), "{:?}", told.hosts);
    assert!(told.begin.ports.contains(8080) && told.summary.hosts_up == 16, "{:?}", told.summary);
}

#[test]
fn without_ports_only_hosts_are_told() {
    let Some(mut bed) = Bed::of("discovery::without_ports_only_hosts_are_told") else { return };
    bed.answer_for("10.64.0.0/28");
    bed.route("10.65.0.0/28", "10.0.0.2");
    let _listening = bed.listen(&[22]);
    let none = PortSet::from_iter([]);
    let only = |list: &str| scan(&Request { discovery: Discovery::Only, ports: none.clone(), ..request(list, "1") });
    let told = only("10.0.0.2,10.0.0.9,10.64.0.0/28,10.65.0.0/28");
    assert!(told.findings.is_empty(), "{:?}", told.findings);
    let states = told.hosts.iter().map(|host| (host.addr, host.state)).collect::<Vec<_>>();
    assert_eq!(told.addresses(HostState::Up), addresses("10.0.0.2,10.64.0.0/28"), "{states:?}");
    assert_eq!(told.addresses(HostState::Down), addresses("10.0.0.9"), "no answer to ARP");
    assert_eq!(told.addresses(HostState::NoReply), addresses("10.65.0.0/28"));
    let by = |reason| told.hosts.iter().filter(|host| host.state == HostState::Up && host.reason == reason).count();
    assert_eq!((by(Reason::ArpResponse), by(Reason::EchoReply) + by(Reason::SynAck) + by(Reason::Reset)), (1, 16));
    assert!(told.hosts.iter().any(|host| host.mac == Some(PEER_MAC) && host.reason == Reason::ArpResponse));
    assert!(told.summary.is_complete() && told.summary.targets == 0, "{:?}", told.summary);
    assert_eq!(told.summary.completeness.map(|account| account.found), Some(16));

    let near = only("10.0.0.2-14");
    assert_eq!((near.summary.probes, near.summary.hosts_up, near.summary.hosts_down), (0, 1, 12), "ARP alone: {:?}", near.summary);
}

#[test]
fn a_discovery_cut_short_knows_whom_it_asked() {
    let Some(mut bed) = Bed::of("discovery::a_discovery_cut_short_knows_whom_it_asked") else { return };
    bed.route("10.65.0.0/20", "10.0.0.2");
    let most = Some(Duration::from_secs(2));
    let told = scan(&Request {
        discovery: Discovery::First,
        rate: Some(Rate::per_second(1000)),
        max_duration: most,
        ..request("10.65.0.0/20", "80,8080")
    });
    let [asked, not_asked] = [HostState::NoReply, HostState::NotProbed].map(|state| told.addresses(state).len());
    assert!(asked > 1000 && not_asked > 1000 && asked + not_asked == 4096, "{asked} asked, {not_asked} not");
    assert!(told.is_incomplete_for("--max-duration"), "{:?}", told.summary);
    let unasked = told.hosts.iter().filter(|host| host.state == HostState::NotProbed);
    assert!(unasked.clone().all(|host| host.reason == Reason::ScanEnded && host.not_probed == 2));
}
