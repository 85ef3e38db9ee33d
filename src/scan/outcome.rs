//! What was learned about a target, and from what evidence.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::target::Target;
use crate::time::Time;

/// The state of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// A proven SYN-ACK, or a completed connection.
    Open,
    /// A proven RST, or a refused connection.
    Closed,
    /// A proven ICMP error, or no reply.
    Filtered,
}

impl State {
    /// The field's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a port or host is in its state, in the words tools expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// A SYN-ACK that acknowledges our sequence number.
    SynAck,
    /// A RST that acknowledges our sequence number.
    Reset,
    /// connect() was refused (an RST that the kernel saw).
    ConnRefused,
    /// Silence after every attempt.
    NoResponse,
    /// ICMP 3/0; of a host not probed, this machine's own word: it has no route.
    NetUnreach,
    /// ICMP 3/1; of a host not probed, this machine's own word: no neighbour answered.
    HostUnreach,
    /// ICMP 3/2.
    ProtoUnreach,
    /// ICMP 3/3.
    PortUnreach,
    /// ICMP 3/9.
    NetProhibited,
    /// ICMP 3/10.
    HostProhibited,
    /// ICMP 3/13.
    AdminProhibited,
    /// ICMP 11.
    TimeExceeded,
    /// Host up: it answered ICMP echo.
    EchoReply,
    /// Host up: it answered ARP.
    ArpResponse,
    /// Host down: it did not answer ARP.
    NoArpResponse,
    /// Host up: it is this machine.
    LocalhostResponse,
    /// Host not probed: this machine could not.
    LocalError,
    /// Host not probed: the scan ended before.
    ScanEnded,
}

impl Reason {
    /// Every reason, in the order they are declared in.
    pub(super) const ALL: [Self; 18] = [
        Self::SynAck,
        Self::Reset,
        Self::ConnRefused,
        Self::NoResponse,
        Self::NetUnreach,
        Self::HostUnreach,
        Self::ProtoUnreach,
        Self::PortUnreach,
        Self::NetProhibited,
        Self::HostProhibited,
        Self::AdminProhibited,
        Self::TimeExceeded,
        Self::EchoReply,
        Self::ArpResponse,
        Self::NoArpResponse,
        Self::LocalhostResponse,
        Self::LocalError,
        Self::ScanEnded,
    ];

    /// The field's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SynAck => "syn-ack",
            Self::Reset => "reset",
            Self::ConnRefused => "conn-refused",
            Self::NoResponse => "no-response",
            Self::NetUnreach => "net-unreach",
            Self::HostUnreach => "host-unreach",
            Self::ProtoUnreach => "proto-unreach",
            Self::PortUnreach => "port-unreach",
            Self::NetProhibited => "net-prohibited",
            Self::HostProhibited => "host-prohibited",
            Self::AdminProhibited => "admin-prohibited",
            Self::TimeExceeded => "time-exceeded",
            Self::EchoReply => "echo-reply",
            Self::ArpResponse => "arp-response",
            Self::NoArpResponse => "no-arp-response",
            Self::LocalhostResponse => "localhost-response",
            Self::LocalError => "local-error",
            Self::ScanEnded => "scan-ended",
        }
    }

    /// Whether a host owes it to each probe, so that a missing one is a lost one. Errors are limited in number (RFC 1812 section 4.3.2.8).
    pub(super) const fn is_owed(self) -> bool {
        matches!(self, Self::SynAck | Self::Reset | Self::EchoReply)
    }

    /// What an ICMP error of this type and code says about the port (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1); `None` if nothing.
    pub const fn from_icmp(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (3, 0) => Some(Self::NetUnreach),
            (3, 1) => Some(Self::HostUnreach),
            (3, 2) => Some(Self::ProtoUnreach),
            (3, 3) => Some(Self::PortUnreach),
            (3, 9) => Some(Self::NetProhibited),
            (3, 10) => Some(Self::HostProhibited),
            (3, 13) => Some(Self::AdminProhibited),
            (11, _) => Some(Self::TimeExceeded),
            _ => None,
        }
    }

    /// What an `ICMPv6` error of this type and code says about the port (RFC 4443 sections 3.1 and 3.3); `None` if nothing.
    pub const fn from_icmpv6(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (1, 0) => Some(Self::NetUnreach),
            (1, 1 | 5 | 6) => Some(Self::AdminProhibited),
            (1, 3) => Some(Self::HostUnreach),
            (1, 4) => Some(Self::PortUnreach),
            (3, _) => Some(Self::TimeExceeded),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A state and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// The state.
    pub state: State,
    /// The evidence's name.
    pub reason: Reason,
    /// Who answered, if it was not the target.
    pub reason_addr: Option<IpAddr>,
}

/// A target with its outcome and evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was probed.
    pub target: Target,
    /// What it is.
    pub outcome: Outcome,
    /// Time to live of the reply on arrival; unknown from connect().
    pub ttl: Option<u8>,
    /// Window of the SYN-ACK, unscaled; unknown from connect().
    pub window: Option<u16>,
    /// Round-trip time; left out where the reply cannot be matched to one transmission.
    pub rtt: Option<Duration>,
    /// Which attempt was answered, from 1.
    pub attempt: u8,
    /// When the reply arrived.
    pub time: Time,
}

impl Finding {
    /// Whether it is a SYN-ACK that lets nothing be sent: a SYN proxy's, not a server's.
    pub fn is_zero_window(&self) -> bool {
        self.window == Some(0)
    }
}
