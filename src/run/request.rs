//! What a caller asks of a scan, and what it is told while the scan runs.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::net::{Engine, Queueing};
use crate::scan::{
    Checkpoint, Discovery, EgressRecord, Finding, HostRecord, LeftScan, LeftStage, Mode, Outcome, Part, Proof, RateChange, ScanRecord,
    Spent, State, Summary,
};
use crate::target::{AddressSet, PortSet, Target};

/// How to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Technique {
    /// SYN where the privilege is there, else connect().
    #[default]
    Auto,
    /// Raw SYN segments, or an error.
    Syn,
    /// connect().
    Connect,
}

/// Probes a second: `500`, `10k`, `1.5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// A rate of `per_second` probes, at least one.
    pub fn per_second(per_second: u64) -> Self {
        Self(per_second.max(1))
    }

    /// Probes a second.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::asked("read rate", format!("'{text}'"), "not a number of probes a second").hint("for example 500, 10k or 1.5m");
        let lower = text.trim().trim_end_matches("/s").to_ascii_lowercase();
        let (digits, unit) = match lower.strip_suffix(['k', 'm', 'g']) {
            Some(digits) => (
                digits,
                match lower.as_bytes()[lower.len() - 1] {
                    b'k' => 1e3,
                    b'm' => 1e6,
                    _ => 1e9,
                },
            ),
            None => (lower.as_str(), 1.0),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(wrong());
        }
        let value = digits.parse::<f64>().map_err(|_| wrong())? * unit;
        if (1.0..=1e10).contains(&value) { Ok(Self(value as u64)) } else { Err(wrong()) }
    }
}

/// Which single records are wanted; open ports always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// Closed ports singly.
    pub closed: bool,
    /// Filtered and unanswered ports singly.
    pub filtered: bool,
    /// Hosts that are down or gave no reply.
    pub down: bool,
}

impl Show {
    /// Whether a port of this state is recorded singly.
    pub fn singly(self, state: State) -> bool {
        match state {
            State::Open => true,
            State::Closed => self.closed,
            State::Filtered => self.filtered,
        }
    }
}

/// What becomes of the packets that prove ports open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// They are read and forgotten.
    #[default]
    Dropped,
    /// They are told.
    Kept,
}

/// Everything a scan is asked to do.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Request {
    /// What to probe, exclusions already taken out.
    pub addresses: AddressSet,
    /// Addresses named singly: probed even if they are a network or broadcast address of an on-link subnet.
    pub named: AddressSet,
    /// Ports of each address.
    pub ports: PortSet,
    /// SYN, connect() or whichever is possible.
    pub technique: Technique,
    /// What carries raw packets on Ethernet.
    pub engine: Engine,
    /// Whether it passes by the interface's queueing discipline.
    pub queueing: Queueing,
    /// Probes a second over all, whatever is lost; `None` = what the path bears (SYN), or the window of open connections (connect()).
    pub rate: Option<Rate>,
    /// Probes a second over all that are never exceeded, also where the path would bear more.
    pub max_rate: Option<Rate>,
    /// Probes a second to one host; `None` = 20,000 (SYN) or no limit (connect()), and with a `rate` that rate.
    pub host_rate: Option<Rate>,
    /// The share of the targets that would answer which a SYN scan is to find, between 0 and 1; `None` = each silent target is asked
    /// `attempts` times, twice where that is `None` too.
    pub completeness: Option<f64>,
    /// The most probes to a silent target, 1 to 16; `None` = 10 (SYN) or 2 (connect()).
    pub attempts: Option<u8>,
    /// How long to wait after the last probe; `None` = as the round-trip times say.
    pub wait: Option<Duration>,
    /// The longest a single attempt is waited for; `None` = as the round-trip times say.
    pub timeout: Option<Duration>,
    /// End after this long, whatever is left.
    pub max_duration: Option<Duration>,
    /// Use this interface for everything.
    pub interface: Option<String>,
    /// Use this source address.
    pub source_ip: Option<IpAddr>,
    /// Use this source port for every probe.
    pub source_port: Option<u16>,
    /// The order's seed; `None` = a random one.
    pub seed: Option<u64>,
    /// Look up names (PTR) of hosts with findings.
    pub reverse_names: bool,
    /// A target known to answer: proves the path when nothing else does.
    pub canary: Option<Target>,
    /// Whether hosts behind routers are asked first whether they are there, which takes raw packets; with [`Discovery::Only`] there are no
    /// ports to ask.
    pub discovery: Discovery,
    /// Single records wanted.
    pub show: Show,
    /// Leave out hosts whose open ports are not believed; then every finding waits until its host is settled.
    pub hide_suspect: bool,
    /// Whether the packet that proves each open port is told ([`Event::Proof`]), which takes raw packets.
    pub evidence: Evidence,
    /// Do not give the calling thread's capabilities up once everything is open.
    pub keep_privileges: bool,
    /// Names that did not resolve while the request was made.
    pub unresolved: u64,
    /// The command line as typed, for the record.
    pub arguments: Vec<String>,
    /// The user's note, for the record.
    pub note: Option<String>,
    /// Which part this is of a scan that was divided among machines, for the record and for rates of hosts that are in every part.
    pub part: Option<Part>,
    /// Whether what a journal needs is told: [`Event::Journal`].
    pub keeps_journal: bool,
    /// A scan that is taken up where it was left: of the same request and seed.
    pub left: Option<Box<LeftScan>>,
}

impl Request {
    /// A request with defaults for everything but what to probe.
    pub fn new(addresses: AddressSet, ports: PortSet) -> Self {
        Self {
            addresses,
            named: AddressSet::new(),
            ports,
            technique: Technique::Auto,
            engine: Engine::Packet,
            queueing: Queueing::Through,
            rate: None,
            max_rate: None,
            host_rate: None,
            completeness: Some(0.999),
            attempts: None,
            wait: None,
            timeout: None,
            max_duration: None,
            interface: None,
            source_ip: None,
            source_port: None,
            seed: None,
            reverse_names: false,
            canary: None,
            discovery: Discovery::Off,
            show: Show::default(),
            hide_suspect: false,
            evidence: Evidence::Dropped,
            keep_privileges: false,
            unresolved: 0,
            arguments: Vec::new(),
            note: None,
            part: None,
            keeps_journal: false,
            left: None,
        }
    }

    /// What one host gets of a rate that is meant for it: a share, where other parts of the scan ask it too.
    pub(super) fn host_share(&self, rate: u64) -> u64 {
        self.part.as_ref().map_or(rate, |part| part.host_share(rate))
    }

    /// The highest rate that was asked for, if any was.
    pub(super) fn most(&self) -> Option<Rate> {
        self.rate.into_iter().chain(self.max_rate).min()
    }
}

/// What would happen: for `--dry-run`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRecord {
    /// The beginning record.
    pub addresses: u64,
    /// Targets to be probed.
    pub targets: u64,
    /// SYN, connect() or both.
    pub mode: Mode,
    /// Ways out.
    pub egresses: Vec<EgressRecord>,
    /// Addresses left out, with the reason.
    pub left_out: Vec<(String, String)>,
    /// Addresses without a route, with the cause.
    pub unroutable: Vec<(String, String)>,
    /// SYNs if nothing answers, and ARP requests.
    pub packets: (u64, u64),
    /// The highest rate, probes a second; `None` = what the path bears.
    pub rate: Option<u64>,
    /// The longest it can be expected to take; `None` where that depends on the path.
    pub duration: Option<Duration>,
    /// The order's seed.
    pub seed: u64,
}

/// What the scan is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Resolving names.
    Resolving,
    /// Asking for hardware addresses.
    Arp,
    /// Sending attempt number `attempt`, from 1.
    Probing {
        /// The attempt of the leading cursor that is not done.
        attempt: u8,
    },
    /// All sent; waiting for late replies.
    Waiting,
    /// All heard; the hosts that are left are told, and the summary.
    Reporting,
}

/// A look at a running scan, a few times a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Share of the work done, 0 to 1; never falls.
    pub done: f64,
    /// Probes a second over the last moments.
    pub rate: f64,
    /// SYNs sent, or connections begun.
    pub probes: u64,
    /// Open ports found.
    pub open: u64,
    /// Targets that answered.
    pub answered: u64,
    /// Time since the beginning.
    pub elapsed: Duration,
    /// Time that remains as expected; does not grow.
    pub remaining: Option<Duration>,
    /// The share that the path loses, where account is kept of it.
    pub loss: Option<f64>,
}

impl Progress {
    /// All is heard: what is left is to tell it.
    pub(super) fn reporting(summary: &Summary) -> Self {
        Self {
            phase: Phase::Reporting,
            done: 1.0,
            rate: summary.rate(),
            probes: summary.probes,
            open: summary.open,
            answered: summary.answered,
            elapsed: summary.elapsed,
            remaining: None,
            loss: None,
        }
    }
}

/// What a scan tells its caller while it runs, on one thread, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// It begins; comes first.
    Begin(Box<ScanRecord>),
    /// The packet that proves the open port whose [`Event::Finding`] comes next of all of that port's, where proofs are wanted.
    Proof(Box<Proof>),
    /// A port was learned (open ones, and others as [`Show`] asks).
    Finding(Finding),
    /// A host is settled.
    Host(HostRecord),
    /// The rate of a SYN scan changed.
    Rate(RateChange),
    /// How far it is.
    Progress(Progress),
    /// All that has come in so far was told: what was gathered to be written together is written now, for more may be long in coming.
    Lull,
    /// Something a user should know, in one line.
    Notice(String),
    /// What a scan that is killed needs to be taken up again, if that was asked for.
    Journal(Entry),
}

/// What a journal holds beside the events that everybody is told.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A stage begins; what it asks. The stage of connect() has the number [`Stages::MOST`](crate::scan::Stages::MOST).
    Stage(Box<LeftStage>),
    /// A target answered and is not told singly, or not yet.
    Answer {
        /// The stage's number.
        stage: usize,
        /// The target's index in it.
        index: u64,
        /// What it answered.
        outcome: Outcome,
    },
    /// A port is open, which is told when its host is settled.
    Finding(Finding),
    /// How far a sender is. All answers that it counts on were told before.
    Checkpoint(Checkpoint),
    /// All that was told before belongs together and can be written down; some twenty times a second.
    Spent(Spent),
}

/// Asks a running scan to end; clones share the wish.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A wish not yet expressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the scan within a second; results so far are reported.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The wish itself, for threads that look at it often.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether the end was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
