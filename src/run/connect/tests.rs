//! Real sockets on the loopback interface, as any user. Each test has addresses of its own in 127.0.0.0/8.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Mutex;

use super::*;
use crate::scan::{Reason, State};
use crate::target::{AddressRange, PortSet};

fn job(addr: Ipv4Addr, ports: PortSet) -> ConnectJob {
    let addresses = AddressRange::new(addr.into(), addr.into()).into_iter().collect();
    let space = Arc::new(TargetSpace::new(addresses, ports).unwrap());
    ConnectJob::new(space, 7, Instant::now())
}

fn scan(job: &ConnectJob) -> (ConnectTally, Vec<Finding>) {
    let findings = Mutex::new(Vec::new());
    let counters = ConnectCounters::default();
    let tally = run(job, &AtomicBool::new(false), &counters, &|finding| findings.lock().unwrap().push(finding)).unwrap();
    assert_eq!(counters.in_flight.into_inner(), 0);
    assert_eq!(counters.open.into_inner(), tally.open);
    assert_eq!(tally.targets(), job.space.len(), "{tally:?}");
    (tally, findings.into_inner().unwrap())
}

fn listeners(addr: Ipv4Addr, count: usize) -> (Vec<TcpListener>, BTreeSet<u16>) {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind((addr, 0)).unwrap()).collect();
    let ports = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    (listeners, ports)
}

fn open_ports(findings: &[Finding]) -> BTreeSet<u16> {
    findings.iter().filter(|finding| finding.outcome.state == State::Open).map(|finding| finding.target.port).collect()
}

#[test]
fn what_listens_is_open_and_everything_else_closed() {
    let addr = Ipv4Addr::new(127, 81, 0, 1);
    let (_listeners, truth) = listeners(addr, 30);
    let (tally, findings) = scan(&job(addr, PortSet::all()));
    let open = open_ports(&findings);
    assert!(open.is_superset(&truth), "missed {:?}", truth.difference(&open));
    for port in open.difference(&truth) {
        // Something on this machine listens on every address.
        assert!(TcpStream::connect((addr, *port)).is_ok(), "{port} was called open");
    }
    assert_eq!(findings.len(), 65_535, "one finding a port");
    assert_eq!(tally.closed, 65_535 - open.len() as u64);
    let closed = findings.iter().find(|finding| finding.outcome.state == State::Closed).unwrap();
    assert_eq!((closed.outcome.reason, closed.attempt), (Reason::ConnRefused, 1));
    assert!(closed.rtt.is_some());
}

#[test]
fn a_socket_connected_to_itself_is_never_open() {
    let addr = Ipv4Addr::new(127, 81, 0, 2);
    let port = TcpListener::bind((addr, 0)).unwrap().local_addr().unwrap().port();
    let from_itself = ConnectJob { source_ip: Some(addr.into()), source_port: Some(port), ..job(addr, PortSet::from_iter([port])) };
    let (tally, findings) = scan(&from_itself);
    assert_eq!(findings, []);
    assert!(tally.self_connects > 1);
    assert_eq!(tally.local[&LocalCause::SelfConnection].targets, 1);
}

#[test]
fn one_source_port_serves_all_targets() {
    let addr = Ipv4Addr::new(127, 81, 0, 3);
    let (_listeners, truth) = listeners(addr, 10);
    let source = Ipv4Addr::new(127, 81, 0, 4);
    let port = TcpListener::bind((source, 0)).unwrap().local_addr().unwrap().port();
    let job =
        ConnectJob { source_ip: Some(source.into()), source_port: Some(port), ..job(addr, truth.iter().copied().chain(1..500).collect()) };
    let (_, findings) = scan(&job);
    assert!(open_ports(&findings).is_superset(&truth));
    assert_eq!(findings.len() as u64, job.space.len());
}

#[test]
fn works_with_sixty_four_descriptors() {
    rerun_limited("run::connect::tests::works_with_sixty_four_descriptors", 64, || {
        let addr = Ipv4Addr::new(127, 81, 0, 5);
        let (_listeners, truth) = listeners(addr, 10);
        let (tally, findings) = scan(&job(addr, truth.iter().copied().chain(1..5000).collect()));
        assert!(open_ports(&findings).is_superset(&truth));
        assert_eq!(tally.answered(), findings.len() as u64);
        assert_eq!(tally.local_errors() + tally.unanswered, 0);
    });
}

#[test]
fn a_foreign_source_address_is_said_before_the_first_probe() {
    let job = ConnectJob { source_ip: Some("192.0.2.1".parse().unwrap()), ..job(Ipv4Addr::LOCALHOST, PortSet::from_iter([1])) };
    let error = run(&job, &AtomicBool::new(false), &ConnectCounters::default(), &|_| panic!("probed")).unwrap_err();
    assert!(error.to_string().contains("source address 192.0.2.1"), "{error}");
    let job = ConnectJob { source_ip: None, interface: Some("no-such-if".into()), ..job };
    let error = run(&job, &AtomicBool::new(false), &ConnectCounters::default(), &|_| panic!("probed")).unwrap_err();
    assert!(error.to_string().contains("interface no-such-if"), "{error}");
}

#[test]
fn stops_and_accounts_for_what_it_did_not_do() {
    let addr = Ipv4Addr::new(127, 81, 0, 7);
    let stop = AtomicBool::new(false);
    let job = ConnectJob { rate: Some(2000), ..job(addr, PortSet::all()) };
    let tally = run(&job, &stop, &ConnectCounters::default(), &|_| stop.store(true, Ordering::Relaxed)).unwrap();
    assert!(tally.answered() >= 1);
    assert!(tally.not_probed > 60_000, "{tally:?}");
    assert_eq!(tally.targets(), 65_535);
    assert!(!tally.out_of_time);
}

#[test]
fn the_deadline_ends_the_scan() {
    let job =
        ConnectJob { rate: Some(100), deadline: Some(Duration::from_millis(50)), ..job(Ipv4Addr::new(127, 81, 0, 8), PortSet::all()) };
    let (tally, _) = scan(&job);
    assert!(tally.out_of_time);
    assert!(tally.not_probed > 60_000, "{tally:?}");
}

/// Runs `test` in a process of its own with so many descriptors.
fn rerun_limited(name: &str, descriptors: u32, test: impl FnOnce()) {
    const INSIDE: &str = "SYNPROBE_TEST_LIMITED";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let limited = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited]).arg(std::env::current_exe().unwrap()).args([name, "--exact", "--test-threads=1"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
