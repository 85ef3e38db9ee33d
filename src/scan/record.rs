//! What a scan says about itself and about hosts: plain values, given to reporters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::completeness::Completeness;
use super::outcome::{Finding, Reason};
use super::part::Part;
use super::rate::Limit;
use super::suspicion::Suspicion;
use crate::packet::MacAddr;
use crate::target::{AddressSet, PortSet};

/// How ports are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Raw SYN segments.
    Syn,
    /// connect().
    Connect,
    /// SYN for what has a raw link, connect() for the rest.
    Mixed,
}

impl Mode {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Connect => "connect",
            Self::Mixed => "mixed",
        }
    }
}

/// One way out that the scan uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressRecord {
    /// Interface name.
    pub interface: String,
    /// Our address there.
    pub source: Option<IpAddr>,
    /// The gateway, where there is one.
    pub gateway: Option<IpAddr>,
    /// What carries the packets: `packet`, `raw-ip`, `tunnel`, `pnet`, `connect`.
    pub link: Cow<'static, str>,
    /// How many addresses go this way.
    pub addresses: u64,
}

/// The beginning of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRecord {
    /// The version of synprobe that scanned.
    pub version: Cow<'static, str>,
    /// The command line as typed.
    pub arguments: Vec<String>,
    /// The order's seed.
    pub seed: u64,
    /// Wall-clock time at [`crate::time::Time::ZERO`].
    pub started: SystemTime,
    /// How many addresses.
    pub addresses: u64,
    /// Which they are; a record may not tell.
    pub asked: Option<AddressSet>,
    /// The ports of each; none where only hosts are discovered.
    pub ports: PortSet,
    /// How many targets.
    pub targets: u64,
    /// SYN, connect() or both.
    pub mode: Mode,
    /// Ways out.
    pub egresses: Vec<EgressRecord>,
    /// The user's `--note`.
    pub note: Option<String>,
    /// Which part of a scan it is that was divided among machines.
    pub part: Option<Part>,
}

/// Whether a host is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostState {
    /// It answered something.
    Up,
    /// On-link, and it did not answer ARP.
    Down,
    /// Nothing of its own came back; others said why, in ICMP errors.
    Filtered,
    /// Routed, and nothing came back.
    NoReply,
    /// Nobody asked it: this machine could not, or the scan ended before. Nothing is known of it.
    NotProbed,
}

impl HostState {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Filtered => "filtered",
            Self::NoReply => "no-reply",
            Self::NotProbed => "not-probed",
        }
    }
}

/// One host, when nothing more will be learned about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRecord {
    /// Its address.
    pub addr: IpAddr,
    /// Whether it is there.
    pub state: HostState,
    /// How that is known.
    pub reason: Reason,
    /// Its hardware address, on-link.
    pub mac: Option<MacAddr>,
    /// Its names (PTR), unescaped as the resolver gave them: never print them raw.
    pub names: Vec<String>,
    /// The smallest round-trip time seen.
    pub rtt: Option<Duration>,
    /// Single ports: all open ones, and closed and filtered ones if asked for, by port.
    pub ports: Vec<Finding>,
    /// How many ports are closed, by reason.
    pub closed: BTreeMap<Reason, u64>,
    /// How many ports are filtered by an error message, by reason.
    pub filtered: BTreeMap<Reason, u64>,
    /// How many probed ports did not answer.
    pub unanswered: u64,
    /// How many ports were never probed: the host was down or not discovered, this machine could not ask, or the scan ended.
    pub not_probed: u64,
    /// Why its open ports are not believed, if they are not.
    pub suspect: Option<Suspicion>,
}

/// The end of a scan: every probe and reply accounted for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// From the first packet to the last.
    pub elapsed: Duration,
    /// How many addresses were asked for.
    pub addresses: u64,
    /// Hosts that answered something.
    pub hosts_up: u64,
    /// On-link hosts without an ARP answer.
    pub hosts_down: u64,
    /// Hosts of which only others spoke: ICMP errors about them came back.
    pub hosts_filtered: u64,
    /// Hosts none of whose ports this machine could ask: local causes, gateways that did not answer.
    pub hosts_not_probed: u64,
    /// Hosts whose open ports are not believed.
    pub hosts_suspect: u64,
    /// Of these, left out of the results because that was asked for.
    pub hosts_hidden: u64,
    /// Targets asked for.
    pub targets: u64,
    /// SYNs and echo requests sent, or connections begun.
    pub probes: u64,
    /// Of these, asked beside the passes to measure loss.
    pub canaries: u64,
    /// ARP requests sent.
    pub arp_requests: u64,
    /// Targets that answered.
    pub answered: u64,
    /// Open ports.
    pub open: u64,
    /// Closed ports.
    pub closed: u64,
    /// Ports filtered by an error message.
    pub filtered: u64,
    /// Probed ports that stayed silent.
    pub unanswered: u64,
    /// Targets never probed (host down or not discovered, scan ended).
    pub not_probed: u64,
    /// Replies that proved nothing: wrong acknowledgement, unknown port, never probed.
    pub invalid: u64,
    /// Frames that could not be parsed.
    pub malformed: u64,
    /// Proven replies to targets already answered.
    pub duplicates: u64,
    /// Replies the kernel could not deliver to us.
    pub receiver_drops: u64,
    /// Probes the kernel refused for good.
    pub send_errors: u64,
    /// Resets that could not be sent: so many connections stay half open on their hosts until those give up.
    pub resets_lost: u64,
    /// Times the device was full and sending slowed.
    pub send_retries: u64,
    /// Addresses without a route.
    pub unroutable: u64,
    /// Names that did not resolve.
    pub unresolved: u64,
    /// Records an output could not take.
    pub write_errors: u64,
    /// Ended by a signal.
    pub interrupted: bool,
    /// Ended by `--max-duration`.
    pub out_of_time: bool,
    /// Whether anything at all answered: ARP, RST, SYN-ACK, ICMP.
    pub path_proven: bool,
    /// How much a SYN scan missed; `None` if no target answered, or no account was kept.
    pub completeness: Option<Completeness>,
    /// The rate of a SYN scan that kept account of loss.
    pub pace: Option<Pace>,
    /// What made it incomplete, in words; empty if nothing did.
    pub incomplete: Vec<String>,
}

/// The rate of a scan, looked back upon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The highest there was, probes a second.
    pub highest: u64,
    /// What kept it from rising further.
    pub limit: Limit,
    /// The share that the path lost at rates it bore.
    pub loss: f64,
}

impl Summary {
    /// Part of the reason that a scan gives where nothing of another machine answered: see [`Self::path_proven`].
    pub const UNPROVEN: &'static str = "so the path is unproven";

    /// Probes for each target that was probed, those that measured loss included; for each host where no port was asked for.
    pub fn probes_per_target(&self) -> f64 {
        if self.targets == 0 {
            return self.probes as f64 / self.addresses.max(1) as f64;
        }
        self.probes as f64 / self.targets.saturating_sub(self.not_probed).max(1) as f64
    }

    /// Whether the scan did all it was asked to, as far as it knows.
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty() && !self.interrupted
    }

    /// Probes a second over the whole scan.
    pub fn rate(&self) -> f64 {
        self.probes as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}
