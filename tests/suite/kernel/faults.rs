//! What is wrong from the start, and what goes wrong on the way.

use std::time::{Duration, Instant};

use synprobe::error::{Error, Kind};
use synprobe::net::linux::veth::NewRoute;
use synprobe::run::{Event, Rate, Request};
use synprobe::scan::{HostState, State};

use super::bed::{Bed, Told, addresses, request, scan, scan_during, targets, try_scan};

/// Half an hour of probes, of which the first are answered.
fn long(targets: &str) -> Request {
    Request { rate: Some(Rate::per_second(200)), ..request(targets, "1-1000") }
}

#[test]
fn an_interface_that_goes_away_ends_the_scan_and_is_named() {
    let Some(mut bed) = Bed::of("faults::an_interface_that_goes_away_ends_the_scan_and_is_named") else { return };
    bed.answer_for("10.64.0.0/24");
    let told = ended_by(&long("10.64.0.0/24"), || bed.here.delete_link("scan0").unwrap());
    assert!(told.is_incomplete_for("scan0"), "{:?}", told.summary);
}

#[test]
fn an_interface_switched_off_ends_the_scan_and_is_named() {
    let Some(mut bed) = Bed::of("faults::an_interface_switched_off_ends_the_scan_and_is_named") else { return };
    bed.answer_for("10.0.0.128/25");
    let told = ended_by(&long("10.0.0.128-10.0.0.254"), || bed.here.set_down("scan0").unwrap());
    assert!(told.is_incomplete_for("scan0"), "{:?}", told.summary);
}

/// Scans until `fault` ends it: soon, and with what was found before.
fn ended_by(request: &Request, fault: impl FnOnce()) -> Told {
    let fault = || {
        fault();
        Instant::now()
    };
    let (since, told) = scan_during(request, &mut |_| {}, fault);
    let told = told.unwrap_or_else(|error| panic!("{error}"));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", told.summary);
    let summary = &told.summary;
    assert!(!summary.interrupted && !summary.out_of_time && summary.closed > 0 && summary.not_probed > 0, "{summary:?}");
    told
}

#[test]
fn what_cannot_begin_says_why() {
    let Some(mut bed) = Bed::of("faults::what_cannot_begin_says_why") else { return };
    bed.answer_for("10.64.0.0/29");
    bed.here.add_veth("idle0", "idle1", None).unwrap();
    let base = || request("10.64.0.0/29", "80");
    let over = |name: &str| refused(&Request { interface: Some(name.into()), ..base() });
    assert_eq!(over("eth9"), "use interface eth9: there is none of that name (there are lo, scan0, idle1, idle0)");
    assert_eq!(over("idle0"), "use interface idle0: it is down (ip link set idle0 up)");
    bed.here.set_up("idle0").unwrap();
    assert_eq!(over("idle0"), "use interface idle0: it has no carrier (is the cable in?)");
    let from = |addr: &str| refused(&Request { source_ip: Some(addr.parse().unwrap()), ..base() });
    assert_eq!(from("10.0.0.2"), "send from 10.0.0.2: source address not ours (see `synprobe interfaces`)");
    let to = |targets: &str| refused(&request(targets, "80"));
    assert_eq!(
        to("10.99.0.0/24"),
        "route to 10.99.0.0-10.99.0.255: no route (synprobe interfaces shows the routes; no other target is left)"
    );
    let nothing = try_scan(&request("240.0.0.0/24,0.0.0.0,224.0.0.1,255.255.255.255", "80")).unwrap_err();
    assert_eq!((nothing.kind(), nothing.to_string().starts_with("scan the targets: nothing is left")), (Kind::Asked, true), "{nothing}");
}

/// Why the machine cannot do it.
fn refused(request: &Request) -> String {
    let error: Error = try_scan(request).expect_err("no way");
    assert_eq!(error.kind(), Kind::Machine, "{error}");
    error.to_string()
}

#[test]
fn ranges_without_a_route_stop_no_other() {
    let Some(mut bed) = Bed::of("faults::ranges_without_a_route_stop_no_other") else { return };
    bed.answer_for("10.64.0.0/29");
    bed.here.add_route(NewRoute::blackhole("10.64.0.4/31".parse().unwrap())).unwrap();
    let _listening = bed.listen(&[80]);
    let told = scan(&request("10.64.0.0/29,10.99.0.0/24", "80"));
    assert_eq!(told.targets(State::Open), targets("10.64.0.0/30,10.64.0.6/31", &[80]));
    assert_eq!(told.summary.unroutable, 2 + 256);
    assert!(
        told.is_incomplete_for("no route to 258 addresses: 10.64.0.4/31 (a blackhole route), 10.99.0.0/24 (no route)"),
        "{:?}",
        told.summary
    );
}

#[test]
fn interface_and_source_asked_for_are_used() {
    let Some(mut bed) = Bed::of("faults::interface_and_source_asked_for_are_used") else { return };
    bed.answer_for("10.64.0.0/29");
    bed.here.add_address("scan0", "10.0.0.77/24".parse().unwrap()).unwrap();
    let only_that =
        "table ip f {\n chain c {\n  type filter hook input priority 0;\n  tcp sport != 7777 drop\n  ip saddr != 10.0.0.77 drop\n }\n}\n";
    let _listening = bed.listen(&[80]);
    if !bed.firewall(only_that) {
        return;
    }
    let asked = Request {
        interface: Some("scan0".into()),
        source_ip: Some("10.0.0.77".parse().unwrap()),
        source_port: Some(7777),
        ..request("10.64.0.0/29,10.0.0.2", "80,81")
    };
    let told = scan(&asked);
    assert_eq!(told.targets(State::Open), targets("10.0.0.2,10.64.0.0/29", &[80]));
    assert_eq!(told.targets(State::Closed), targets("10.0.0.2,10.64.0.0/29", &[81]));
    assert!(told.begin.egresses.iter().all(|way| way.source == asked.source_ip), "{:?}", told.begin);
    assert_eq!(bed.half_open(), 0);
}

#[test]
fn one_of_two_interfaces_goes_away_and_the_other_goes_on() {
    let Some(mut bed) = Bed::of("faults::one_of_two_interfaces_goes_away_and_the_other_goes_on") else { return };
    bed.answer_for("10.64.0.0/28");
    bed.here.add_veth("scan1", "gone1", Some(&bed.peer)).unwrap();
    bed.there.add_address("gone1", "10.1.0.2/24".parse().unwrap()).unwrap();
    bed.there.set_up("gone1").unwrap();
    bed.here.add_address("scan1", "10.1.0.1/24".parse().unwrap()).unwrap();
    bed.here.set_up("scan1").unwrap();
    let asked = Request { rate: Some(Rate::per_second(1000)), ..request("10.64.0.0/28,10.1.0.2", "1-100") };
    let ((), told) = scan_during(&asked, &mut |_| {}, || bed.here.delete_link("scan1").unwrap());
    let told = told.unwrap_or_else(|error| panic!("{error}"));
    assert!(told.is_incomplete_for("scan1"), "{:?}", told.summary);
    let onward: Vec<_> = told.targets(State::Closed).into_iter().filter(|(addr, _)| *addr != addresses("10.1.0.2")[0]).collect();
    assert_eq!(onward.len(), 1600, "{:?}", told.summary);
    assert!(told.summary.send_errors > 0 && told.summary.closed < 1700, "{:?}", told.summary);
    // Nobody asked what is left: it is not silent.
    assert_eq!((told.summary.unanswered, told.summary.not_probed), (0, 1700 - told.summary.closed), "{:?}", told.summary);
}

#[test]
fn scanning_threads_hold_no_capability() {
    let Some(mut bed) = Bed::of("faults::scanning_threads_hold_no_capability") else { return };
    bed.answer_for("10.64.0.0/28");
    let mut seen = Vec::new();
    let asked = Request { rate: Some(Rate::per_second(200_000)), ..request("10.64.0.0/28,127.0.0.1", "1-1000") };
    let mut look = |event: &Event| {
        if let (Event::Finding(_), true) = (event, seen.is_empty()) {
            seen.push(("reporting".to_owned(), capabilities("/proc/thread-self/status")));
            for task in std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path()) {
                let Ok(name) = std::fs::read_to_string(task.join("comm")) else { continue };
                seen.push((name.trim().to_owned(), capabilities(task.join("status").to_str().unwrap())));
            }
        }
    };
    let ((), told) = scan_during(&asked, &mut look, || ());
    assert!(told.unwrap().addresses(HostState::Up).len() == 17);
    for kind in ["reporting", "send-0", "receive-scan0", "receive-lo"] {
        let of_kind: Vec<_> = seen.iter().filter(|(name, _)| name == kind).collect();
        assert!(!of_kind.is_empty(), "no thread {kind} in {seen:?}");
        assert!(of_kind.iter().all(|(_, held)| held == &["0000000000000000"; 2]), "{of_kind:?}");
    }
    assert_ne!(capabilities("/proc/thread-self/status"), ["0000000000000000"; 2], "this thread has not scanned");
}

/// What a thread holds, and what it may take back.
fn capabilities(status: &str) -> Vec<String> {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("CapEff:") || line.starts_with("CapPrm:"));
    lines.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[test]
fn a_cable_pulled_is_noticed() {
    let Some(mut bed) = Bed::of("faults::a_cable_pulled_is_noticed") else { return };
    bed.answer_for("10.64.0.0/28");
    let asked = Request { rate: Some(Rate::per_second(1000)), ..request("10.64.0.0/28", "1-100") };
    let ((), told) = scan_during(&asked, &mut |_| {}, || bed.there.set_down("peer0").unwrap());
    let told = told.unwrap_or_else(|error| panic!("{error}"));
    assert!(told.summary.closed < 1600 && told.is_incomplete_for("scan0"), "{:?}", told.summary);
}
