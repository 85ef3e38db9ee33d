//! The scan without privileges against real kernels: the scanner in one network namespace, its targets in another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use synprobe::connect::LocalCause;
use synprobe::net::linux::namespace::Namespace;
use synprobe::net::linux::testing::rerun_in_namespace;
use synprobe::net::linux::veth::{NewRoute, Wiring};
use synprobe::run::connect::{ConnectCounters, ConnectJob, ConnectTally, run};
use synprobe::scan::{Finding, Outcome, Reason, State};
use synprobe::target::{AddressRange, PortSet, TargetSpace};

#[test]
fn every_icmp_error_is_told_as_a_raw_scan_tells_it() {
    if !rerun_in_namespace("connect::every_icmp_error_is_told_as_a_raw_scan_tells_it").inside() {
        return;
    }
    let bed = Bed::new();
    let v4 = (9000..).zip(ICMP).map(|(port, (word, _))| format!("  ip daddr 10.64.0.1 tcp dport {port} reject with icmp type {word}\n"));
    let v6 = (9000..).zip(ICMPV6).map(|(port, (word, _))| format!("  ip6 nexthdr tcp tcp dport {port} reject with icmpv6 type {word}\n"));
    let rules: String = v4.chain(v6).collect();
    let table = format!("table inet f {{\n chain c {{\n  type filter hook input priority 0;\n{rules} }}\n}}\n");
    // A router refuses on behalf of a host behind it.
    let router = "table inet r {\n chain c {\n  type filter hook prerouting priority -150;\n  ip daddr 10.64.0.9 reject with icmp type admin-prohibited\n }\n}\n";
    if !bed.nft(&(table + router)) {
        return;
    }

    let (_, findings) = scan(&job("10.64.0.1", (9000..9008).collect()));
    let expected: BTreeMap<u16, Outcome> = (9000..).zip(ICMP).map(|(port, (_, reason))| (port, filtered(reason, None))).collect();
    let told: BTreeMap<u16, Outcome> = findings.iter().filter(|f| f.target.port != 9007).map(|f| (f.target.port, f.outcome)).collect();
    assert_eq!(told, expected);
    assert_eq!(findings.len(), 8, "and the port without a rule is closed");
    nmap_agrees(&findings);

    let (_, findings) = scan(&job("fd20::2", (9000..9007).collect()));
    let expected: BTreeMap<u16, Outcome> = (9000..).zip(ICMPV6).map(|(port, (_, reason))| (port, filtered(reason, None))).collect();
    let told: BTreeMap<u16, Outcome> = findings.iter().filter(|f| f.target.port < 9006).map(|f| (f.target.port, f.outcome)).collect();
    assert_eq!(told, expected);

    let (_, findings) = scan(&job("10.64.0.9", PortSet::from_iter([80])));
    assert_eq!(findings[0].outcome, filtered(Reason::AdminProhibited, Some("10.20.0.2".parse().unwrap())));
}

#[test]
fn what_this_machine_refuses_is_no_verdict() {
    if !rerun_in_namespace("connect::what_this_machine_refuses_is_no_verdict").inside() {
        return;
    }
    let bed = Bed::new();
    let mut here = Wiring::open().unwrap();
    here.add_route(NewRoute::unreachable("10.91.0.0/16".parse().unwrap())).unwrap();
    here.add_route(NewRoute::prohibit("10.92.0.0/16".parse().unwrap())).unwrap();
    here.add_route(NewRoute::blackhole("10.93.0.0/16".parse().unwrap())).unwrap();
    for (addr, cause) in [
        ("10.91.0.1", LocalCause::HostUnreachable),
        ("10.92.0.1", LocalCause::Prohibited),
        ("10.93.0.1", LocalCause::Blackhole),
        ("10.94.0.1", LocalCause::NetworkUnreachable),
        ("2001:db8::1", LocalCause::NetworkUnreachable),
        ("0.0.0.0", LocalCause::NotAHost),
    ] {
        assert_local(addr, cause);
    }
    let rules = "table inet o {\n chain c {\n  type filter hook output priority 0;\n  tcp dport 1-99 reject with icmpx type port-unreachable\n }\n}\n";
    if nft(rules) {
        assert_local("10.64.0.1", LocalCause::OwnReject);
        assert_local("fd20::2", LocalCause::OwnReject);
    }
    drop(bed);
}

#[test]
fn silence_is_unanswered_and_hides_no_open_port() {
    if !rerun_in_namespace("connect::silence_is_unanswered_and_hides_no_open_port").inside() {
        return;
    }
    let bed = Bed::new();
    let rules = "table inet f {\n chain c {\n  type filter hook prerouting priority -150;\n  tcp dport 1-4999 drop\n }\n}\n";
    if !bed.nft(rules) {
        return;
    }
    let _listeners = bed.listen(&["10.64.0.1:5001", "10.64.0.1:5500"]);
    let (tally, findings) = scan(&job("10.64.0.1", (4000..=6000).collect()));
    assert_eq!(open(&findings), BTreeSet::from([5001, 5500]));
    assert_eq!((tally.unanswered, tally.closed), (1000, 999));
    assert!(tally.probes >= 3001, "each silent one is asked twice: {tally:?}");
}

#[test]
fn found_is_the_truth_on_the_whole_loopback() {
    if !rerun_in_namespace("connect::found_is_the_truth_on_the_whole_loopback").inside() {
        return;
    }
    Wiring::open().unwrap().loopback_up().unwrap();
    let listeners: Vec<_> = (0..100).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let truth: BTreeSet<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    // About one self-connection a run is to be expected; none may be taken for an open port.
    for seed in 0..4 {
        let (tally, findings) = scan(&ConnectJob { seed, ..job("127.0.0.1", PortSet::all()) });
        assert_eq!(open(&findings), truth, "seed {seed}: {tally:?}");
        assert_eq!(tally.closed, 65_435);
    }
}

/// nftables' word for each ICMP code, and what it means.
pub(crate) const ICMP: [(&str, Reason); 7] = [
    ("net-unreachable", Reason::NetUnreach),
    ("host-unreachable", Reason::HostUnreach),
    ("prot-unreachable", Reason::ProtoUnreach),
    ("port-unreachable", Reason::PortUnreach),
    ("net-prohibited", Reason::NetProhibited),
    ("host-prohibited", Reason::HostProhibited),
    ("admin-prohibited", Reason::AdminProhibited),
];

/// The same for `ICMPv6`.
const ICMPV6: [(&str, Reason); 6] = [
    ("no-route", Reason::NetUnreach),
    ("admin-prohibited", Reason::AdminProhibited),
    ("addr-unreachable", Reason::HostUnreach),
    ("port-unreachable", Reason::PortUnreach),
    ("policy-fail", Reason::AdminProhibited),
    ("reject-route", Reason::AdminProhibited),
];

/// A host that answers for 10.20.0.2, `fd20::2` and all of 10.64.0.0/16; the scanner is 10.20.0.1 and `fd20::1`.
struct Bed {
    targets: Namespace,
}

impl Bed {
    fn new() -> Self {
        let targets = Namespace::new().unwrap();
        let (mut here, mut there) = (Wiring::open().unwrap(), Wiring::open_in(&targets).unwrap());
        here.loopback_up().unwrap();
        there.loopback_up().unwrap();
        here.add_veth("scan0", "target0", Some(&targets)).unwrap();
        for (wiring, name, v4, v6) in
            [(&mut here, "scan0", "10.20.0.1/24", "fd20::1/64"), (&mut there, "target0", "10.20.0.2/24", "fd20::2/64")]
        {
            let namespace = if name == "scan0" { None } else { Some(&targets) };
            // Otherwise the address is tentative for a second or two.
            sysctl(namespace, &format!("net/ipv6/conf/{name}/accept_dad"), "0");
            wiring.add_address(name, v4.parse().unwrap()).unwrap();
            wiring.add_address(name, v6.parse().unwrap()).unwrap();
            wiring.set_up(name).unwrap();
        }
        here.add_route(NewRoute::through("10.64.0.0/16".parse().unwrap(), "10.20.0.2".parse().unwrap())).unwrap();
        there.add_route(NewRoute::local("10.64.0.0/16".parse().unwrap())).unwrap();
        // A kernel sends six ICMP errors and then one a second.
        sysctl(Some(&targets), "net/ipv4/icmp_ratelimit", "0");
        sysctl(Some(&targets), "net/ipv6/icmp/ratelimit", "0");
        Self { targets }
    }

    fn nft(&self, rules: &str) -> bool {
        self.targets.run(|| nft(rules)).unwrap()
    }

    fn listen(&self, addresses: &[&str]) -> Vec<TcpListener> {
        let bind = |addr: &&str| TcpListener::bind(addr.parse::<SocketAddr>().unwrap()).unwrap();
        self.targets.run(|| addresses.iter().map(bind).collect()).unwrap()
    }
}

fn sysctl(namespace: Option<&Namespace>, name: &str, value: &str) {
    let write = || std::fs::write(format!("/proc/sys/{name}"), value);
    match namespace {
        Some(namespace) => namespace.run(write).unwrap(),
        None => write(),
    }
    .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Loads the rules; false, and said, where there is no nftables.
fn nft(rules: &str) -> bool {
    let Some(program) = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].into_iter().find(|path| std::path::Path::new(path).exists()) else {
        println!("SKIPPED the part with a firewall: nft is not installed");
        return false;
    };
    let mut child = Command::new(program).args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
    true
}

fn job(addr: &str, ports: PortSet) -> ConnectJob {
    let addr: IpAddr = addr.parse().unwrap();
    let addresses = AddressRange::new(addr, addr).into_iter().collect();
    let space = Arc::new(TargetSpace::new(addresses, ports).unwrap());
    ConnectJob { deadline: Some(Duration::from_mins(2)), ..ConnectJob::new(space, 1, Instant::now()) }
}

fn scan(job: &ConnectJob) -> (ConnectTally, Vec<Finding>) {
    let findings = Mutex::new(Vec::new());
    let sink = |finding| findings.lock().unwrap().push(finding);
    let tally = run(job, &AtomicBool::new(false), &ConnectCounters::default(), &sink).unwrap();
    assert_eq!(tally.targets(), job.space.len(), "{tally:?}");
    (tally, findings.into_inner().unwrap())
}

fn assert_local(addr: &str, cause: LocalCause) {
    let (tally, findings) = scan(&job(addr, (1..4).collect()));
    assert_eq!(findings, [], "{addr}");
    assert_eq!(tally.local.keys().copied().collect::<Vec<_>>(), [cause], "{addr}: {tally:?}");
    assert_eq!(tally.local[&cause].hosts, BTreeMap::from([(addr.parse().unwrap(), 3)]));
}

fn filtered(reason: Reason, reason_addr: Option<IpAddr>) -> Outcome {
    Outcome { state: State::Filtered, reason, reason_addr }
}

fn open(findings: &[Finding]) -> BTreeSet<u16> {
    findings.iter().filter(|finding| finding.outcome.state == State::Open).map(|finding| finding.target.port).collect()
}

/// Where nmap is installed, its raw scan of 10.64.0.1 gives the same states, and the same reasons for what is filtered.
fn nmap_agrees(findings: &[Finding]) {
    let arguments = ["--privileged", "-sS", "-n", "-Pn", "--reason", "-p", "9000-9007", "10.64.0.1"];
    let Ok(output) = Command::new("nmap").args(arguments).stdin(Stdio::null()).output() else {
        println!("SKIPPED the comparison with nmap: it is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    for finding in findings {
        let line = text.lines().find(|line| line.starts_with(&format!("{}/tcp", finding.target.port)));
        let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        let words: Vec<_> = line.split_whitespace().collect();
        let reason = if finding.outcome.state == State::Closed { "reset" } else { finding.outcome.reason.as_str() };
        assert!(words.contains(&finding.outcome.state.as_str()) && words.contains(&reason), "{line}\n{finding:?}");
    }
}
