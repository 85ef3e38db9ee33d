//! A small scan made up for the tests of every format.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use super::Report;
use crate::packet::MacAddr;
use crate::scan::rate::Limit;
use crate::scan::{
    Completeness, EgressRecord, Finding, HostRecord, HostState, Mode, Outcome, Pace, RateChange, Reason, ScanRecord, Shortfall, State,
    Summary, Suspicion,
};
use crate::target::Target;
use crate::time::Time;

pub(super) const NOTE: &str = "ticket 7";

/// What a format writes about the sample scan.
pub(super) fn written(report: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Report>) -> String {
    let shared = Shared::default();
    let mut report = report(Box::new(shared.clone()));
    report.begin(&scan()).unwrap();
    report.rate(&rate()).unwrap();
    for host in hosts() {
        host.ports.iter().filter(|port| port.outcome.reason != Reason::NoResponse).for_each(|port| report.finding(port).unwrap());
        report.host(&host).unwrap();
    }
    report.end(&summary()).unwrap();
    let bytes = shared.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// What a format writes of what it is told.
pub(super) fn replayed(report: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Report>, tell: impl FnOnce(&mut dyn Report)) -> String {
    String::from_utf8(replayed_bytes(report, tell)).unwrap()
}

/// The same of a format that is no text.
pub(super) fn replayed_bytes(report: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Report>, tell: impl FnOnce(&mut dyn Report)) -> Vec<u8> {
    let shared = Shared::default();
    tell(report(Box::new(shared.clone())).as_mut());
    shared.0.lock().unwrap().clone()
}

/// What a format writes about a scan without hosts that ended so.
pub(super) fn ended(report: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Report>, summary: &Summary) -> String {
    let shared = Shared::default();
    let mut report = report(Box::new(shared.clone()));
    report.begin(&scan()).unwrap();
    report.end(summary).unwrap();
    let bytes = shared.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

pub(super) fn scan() -> ScanRecord {
    ScanRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        arguments: ["synprobe", "10.0.0.0/30", "-p", "22-23"].map(str::to_owned).to_vec(),
        seed: u64::MAX,
        started: UNIX_EPOCH + Duration::new(1_767_268_800, 0),
        addresses: 4,
        asked: Some("10.0.0.0/30".parse().unwrap()),
        ports: (1..=1004).collect(),
        targets: 4016,
        mode: Mode::Syn,
        egresses: vec![EgressRecord {
            interface: "eth0".to_owned(),
            source: Some(addr(9)),
            gateway: None,
            link: "packet".into(),
            addresses: 4,
        }],
        note: Some(NOTE.to_owned()),
        part: None,
    }
}

fn rate() -> RateChange {
    RateChange { time: Time::from_nanos(500_000_000), pass: 1, before: 1_000, rate: 2_000, loss: 0.0, limit: Limit::Time }
}

/// One host with everything, one with nothing but a hostile name, one that is down.
pub(super) fn hosts() -> Vec<HostRecord> {
    let gateway = HostRecord {
        addr: addr(1),
        state: HostState::Up,
        reason: Reason::ArpResponse,
        mac: Some(MacAddr([2, 0xfc, 0, 0, 0, 1])),
        names: vec!["gw.example".to_owned()],
        rtt: Some(Duration::from_micros(412)),
        ports: vec![
            port(22, State::Open, Reason::SynAck, None),
            port(80, State::Closed, Reason::Reset, None),
            port(443, State::Filtered, Reason::AdminProhibited, Some(addr(254))),
            port(1003, State::Filtered, Reason::NoResponse, None),
        ],
        closed: BTreeMap::from([(Reason::Reset, 998)]),
        filtered: BTreeMap::from([(Reason::AdminProhibited, 2)]),
        unanswered: 4,
        not_probed: 0,
        suspect: None,
    };
    let hostile = HostRecord {
        addr: addr(2),
        reason: Reason::Reset,
        mac: None,
        names: vec!["a\u{1b}[2J\u{202e}b)\tx".to_owned()],
        ports: Vec::new(),
        closed: BTreeMap::from([(Reason::Reset, 1004)]),
        filtered: BTreeMap::new(),
        unanswered: 0,
        suspect: Some(Suspicion::ControlPorts),
        ..gateway.clone()
    };
    let down = HostRecord {
        addr: addr(3),
        state: HostState::Down,
        reason: Reason::NoArpResponse,
        mac: None,
        names: Vec::new(),
        rtt: None,
        ports: Vec::new(),
        closed: BTreeMap::new(),
        filtered: BTreeMap::new(),
        unanswered: 0,
        not_probed: 1004,
        suspect: None,
    };
    vec![gateway, hostile, down]
}

pub(super) fn summary() -> Summary {
    Summary {
        elapsed: Duration::from_millis(2410),
        addresses: 4,
        hosts_up: 2,
        hosts_down: 1,
        hosts_suspect: 1,
        targets: 4016,
        probes: 2020,
        canaries: 9,
        arp_requests: 7,
        answered: 2004,
        open: 1,
        closed: 2002,
        filtered: 2,
        unanswered: 4,
        not_probed: 1004,
        receiver_drops: 2,
        send_errors: 1,
        path_proven: true,
        completeness: Some(Completeness {
            found: 2003,
            open: 1,
            missed: 3.25,
            open_missed: 0.0016,
            upper95: 7,
            goal: Some(0.999),
            shortfall: Some(Shortfall::ReceiverDrops),
            passes: 3,
        }),
        pace: Some(Pace { highest: 1_990, limit: Limit::Path, loss: 0.021 }),
        incomplete: vec!["2 replies were dropped by the receiver".to_owned()],
        ..Summary::default()
    }
}

fn addr(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn port(port: u16, state: State, reason: Reason, reason_addr: Option<IpAddr>) -> Finding {
    let answered = reason != Reason::NoResponse;
    Finding {
        target: Target { addr: addr(1), port },
        outcome: Outcome { state, reason, reason_addr },
        ttl: answered.then_some(64),
        window: (state == State::Open).then_some(64_240),
        rtt: answered.then_some(Duration::from_micros(412)),
        attempt: if answered { 1 } else { 2 },
        time: Time::from_nanos(1_250_000_000),
    }
}

/// What was written, for whoever wrote it and whoever looks.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    /// All of it.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
