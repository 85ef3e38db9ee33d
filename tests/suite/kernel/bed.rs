//! Two network stacks of the kernel, joined by a virtual cable: here the scanner, there what it scans.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use synprobe::error::Result;
use synprobe::net::linux::namespace::Namespace;
use synprobe::net::linux::testing::rerun_in_namespace;
use synprobe::net::linux::veth::{NewRoute, Wiring};
use synprobe::packet::MacAddr;
use synprobe::run::{self, Event, Request, Show, Stop, Technique};
use synprobe::scan::{Finding, HostRecord, HostState, Outcome, Reason, ScanRecord, State, Summary};

/// The scanner is 10.0.0.1 on `scan0`, the peer 10.0.0.2 on `peer0`, both in 10.0.0.0/24; neither knows the other's hardware address.
pub(super) struct Bed {
    pub(super) peer: Namespace,
    pub(super) here: Wiring,
    pub(super) there: Wiring,
}

impl Bed {
    /// Inside a process of its own for the test `name` of this folder; `None` in the process outside, which has nothing left to do.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::with_queues(name, 1)
    }

    /// The same, but that the peer has no address and answers nothing.
    pub(super) fn of_silence(name: &str) -> Option<Self> {
        rerun_in_namespace(&format!("kernel::{name}")).inside().then(|| Self::bare(1))
    }

    /// As [`Self::of`], with so many queues each way.
    pub(super) fn with_queues(name: &str, queues: u32) -> Option<Self> {
        rerun_in_namespace(&format!("kernel::{name}")).inside().then(|| {
            let mut bed = Self::bare(queues);
            bed.there.add_address("peer0", "10.0.0.2/24".parse().unwrap()).unwrap();
            bed
        })
    }

    fn bare(queues: u32) -> Self {
        let peer = Namespace::new().unwrap();
        let (mut here, mut there) = (Wiring::open().unwrap(), Wiring::open_in(&peer).unwrap());
        here.loopback_up().unwrap();
        there.loopback_up().unwrap();
        here.add_wide_veth("scan0", "peer0", Some(&peer), queues).unwrap();
        there.set_mac("peer0", PEER_MAC).unwrap();
        // Without IPv6 the kernel sends nothing of its own.
        std::fs::write("/proc/sys/net/ipv6/conf/scan0/disable_ipv6", "1").ok();
        there.set_up("peer0").unwrap();
        here.add_address("scan0", "10.0.0.1/24".parse().unwrap()).unwrap();
        here.set_up("scan0").unwrap();
        let bed = Self { peer, here, there };
        // A kernel sends six ICMP errors and then one a second.
        bed.sysctl("net/ipv4/icmp_ratelimit", "0");
        bed.sysctl("net/ipv4/icmp_msgs_per_sec", "100000");
        bed
    }

    /// The peer answers for every address of `network`, which is reached through it unless it is on the link.
    pub(super) fn answer_for(&mut self, network: &str) {
        self.there.add_route(NewRoute::local(network.parse().unwrap())).unwrap();
        if !network.starts_with("10.0.0.") {
            self.route(network, "10.0.0.2");
        }
    }

    /// The scanner reaches `network` through `gateway`.
    pub(super) fn route(&mut self, network: &str, gateway: &str) {
        self.here.add_route(NewRoute::through(network.parse().unwrap(), gateway.parse().unwrap())).unwrap();
    }

    /// Opens ports of every address of the peer, for as long as the listeners live.
    pub(super) fn listen(&self, ports: &[u16]) -> Vec<TcpListener> {
        self.peer.run(|| ports.iter().map(|&port| TcpListener::bind(("0.0.0.0", port)).unwrap()).collect()).unwrap()
    }

    /// Loads the peer's firewall; false, and said, where there is no nftables.
    pub(super) fn firewall(&self, rules: &str) -> bool {
        self.peer.run(|| nft(rules)).unwrap()
    }

    /// Connections that the peer takes for half open: state 03 (`TCP_SYN_RECV`) of proc(5)'s `/proc/net/tcp`.
    pub(super) fn half_open(&self) -> usize {
        // `/proc/net` would be the namespace of the process's first thread.
        let table = self.peer.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp")).unwrap().unwrap();
        table.lines().filter(|line| line.split_whitespace().nth(3) == Some("03")).count()
    }

    /// The peer forwards packets that are not for itself.
    pub(super) fn forward(&self) {
        self.sysctl("net/ipv4/ip_forward", "1");
    }

    pub(super) fn sysctl(&self, name: &str, value: &str) {
        // Not every one of them is in every namespace; a test that needs it fails by itself.
        self.peer.run(|| std::fs::write(format!("/proc/sys/{name}"), value)).unwrap().ok();
    }
}

/// Loads a firewall in this namespace; false, and said, where there is no nftables.
pub(super) fn nft(rules: &str) -> bool {
    let Some(program) = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].into_iter().find(|path| Path::new(path).exists()) else {
        skipped("the part with a firewall: nft is not installed");
        return false;
    };
    let mut child = Command::new(program).args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
    true
}

/// Says so on a line of its own, which the process outside passes on.
pub(super) fn skipped(what: &str) {
    println!("\nSKIPPED {what}");
}

/// A SYN scan of which everything is shown.
pub(super) fn request(targets: &str, ports: &str) -> Request {
    Request {
        technique: Technique::Syn,
        show: Show { closed: true, filtered: true, down: true },
        seed: Some(7),
        max_duration: Some(Duration::from_mins(1)),
        ..Request::new(targets.parse().unwrap(), ports.parse().unwrap())
    }
}

/// What a scan told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) begin: Box<ScanRecord>,
    pub(super) findings: Vec<Finding>,
    pub(super) hosts: Vec<HostRecord>,
    pub(super) summary: Summary,
}

/// Scans to the end.
pub(super) fn scan(request: &Request) -> Told {
    try_scan(request).unwrap_or_else(|error| panic!("{error}"))
}

/// Scans to the end, or says why that cannot even begin.
pub(super) fn try_scan(request: &Request) -> Result<Told> {
    let ((), told) = scan_during(request, &mut |_| {}, || ());
    told
}

/// Scans, and does `work` on this thread once the first target has answered: what a scan does costs its own thread its privileges.
/// `each` is shown every event on that thread.
pub(super) fn scan_during<T>(request: &Request, each: &mut (dyn FnMut(&Event) + Send), work: impl FnOnce() -> T) -> (T, Result<Told>) {
    let (answered, wait) = mpsc::channel();
    thread::scope(|scope| {
        let scan = scope.spawn(move || {
            let (mut begin, mut findings, mut hosts) = (None, Vec::new(), Vec::new());
            let summary = run::scan(request, &Stop::new(), &mut |event| {
                each(&event);
                match event {
                    Event::Begin(record) => begin = Some(record),
                    Event::Finding(finding) => {
                        findings.push(finding);
                        answered.send(()).ok();
                    }
                    Event::Host(host) => hosts.push(host),
                    Event::Notice(_) | Event::Journal(_) | Event::Lull | Event::Progress(_) | Event::Proof(_) | Event::Rate(_) => {}
                }
            });
            let summary = summary?;
            let told = Told { begin: begin.expect("a beginning"), findings, hosts, summary };
            told.adds_up(request);
            Ok(told)
        });
        // The queue ends with the scan.
        wait.recv_timeout(Duration::from_secs(20)).ok();
        let done = work();
        (done, scan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

impl Told {
    /// What became of every target probed, silent ones too.
    pub(super) fn outcomes(&self) -> BTreeMap<(IpAddr, u16), Outcome> {
        let findings = self.hosts.iter().flat_map(|host| &host.ports);
        findings.map(|finding| ((finding.target.addr, finding.target.port), finding.outcome)).collect()
    }

    /// The targets in this state, in the order `outcomes` has.
    pub(super) fn targets(&self, state: State) -> Vec<(IpAddr, u16)> {
        self.outcomes().into_iter().filter(|(_, outcome)| outcome.state == state).map(|(target, _)| target).collect()
    }

    /// The addresses in this state, ascending.
    pub(super) fn addresses(&self, state: HostState) -> Vec<IpAddr> {
        let mut addresses: Vec<_> = self.hosts.iter().filter(|host| host.state == state).map(|host| host.addr).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Whether a word of the summary's reasons says that the answer is incomplete because of `what`.
    pub(super) fn is_incomplete_for(&self, what: &str) -> bool {
        !self.summary.is_complete() && self.summary.incomplete.iter().any(|reason| reason.contains(what))
    }

    /// Every target is accounted for, once, and the totals are those of the records.
    fn adds_up(&self, request: &Request) {
        let Self { summary, hosts, .. } = self;
        let Summary { open, closed, filtered, unanswered, not_probed, .. } = *summary;
        assert_eq!(open + closed + filtered + unanswered + not_probed, summary.targets, "{summary:?}");
        assert_eq!(summary.answered, open + closed + filtered, "{summary:?}");
        // Silence is no finding of a SYN scan, but of connect(), which gives each target up by itself.
        let answers = self.findings.iter().filter(|finding| finding.outcome.reason != Reason::NoResponse);
        assert_eq!(answers.count() as u64, summary.answered, "{summary:?}");
        assert_eq!(hosts.len() as u64, summary.addresses, "{summary:?}");
        let (outcomes, unknown) = (self.outcomes(), hosts.iter().map(|host| host.not_probed).sum::<u64>());
        assert_eq!((outcomes.len() as u64, unknown), (summary.targets - not_probed, not_probed), "{summary:?}");
        for finding in &self.findings {
            assert_eq!(outcomes.get(&(finding.target.addr, finding.target.port)), Some(&finding.outcome));
        }
        let ports = u64::from(request.ports.len());
        assert!(hosts.iter().all(|host| host.ports.len() as u64 + host.not_probed == ports), "{hosts:?}");
        let count = |state| self.addresses(state).len() as u64;
        assert_eq!((count(HostState::Up), count(HostState::Down)), (summary.hosts_up, summary.hosts_down), "{summary:?}");
    }
}

/// The addresses of a list as targets are written.
pub(super) fn addresses(list: &str) -> Vec<IpAddr> {
    list.parse::<synprobe::target::AddressSet>().unwrap().iter().collect()
}

/// Each of these addresses with each of these ports.
pub(super) fn targets(list: &str, ports: &[u16]) -> Vec<(IpAddr, u16)> {
    addresses(list).into_iter().flat_map(|addr| ports.iter().map(move |&port| (addr, port))).collect()
}

/// The hardware address of `peer0`.
pub(super) const PEER_MAC: MacAddr = MacAddr([0x02, 0xfc, 10, 0, 0, 2]);
