//! What a socket's answer says about the target: a verdict, a local cause that says nothing, or a shortage of our own.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::scan::Reason;
use crate::target::Target;

/// The meaning of one answer of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: the event was stale.
    Pending,
    /// The connection was established.
    Open,
    /// The kernel chose the target's own port as source port and connected the socket to itself (simultaneous open, RFC 9293
    /// section 3.5): the target is to be asked again.
    SelfConnected,
    /// Refused: a RST.
    Closed,
    /// An ICMP error came in answer.
    Filtered {
        /// What it said.
        reason: Reason,
        /// Who said so.
        by: Option<IpAddr>,
    },
    /// This attempt stayed without an answer.
    Silent,
    /// This machine's own doing.
    Local(LocalCause),
    /// This machine is short of something; the target was not asked.
    Short(Shortage),
}

impl Verdict {
    /// A connection was established from `local`.
    pub fn established(target: Target, local: Option<SocketAddr>) -> Self {
        if local.is_some_and(|local| local.ip() == target.addr && local.port() == target.port) { Self::SelfConnected } else { Self::Open }
    }

    /// The error queue holds `note`; `own` says whether an address is this machine's. `None` if the note decides nothing.
    pub fn icmp(target: Target, note: IcmpNote, own: impl Fn(IpAddr) -> bool) -> Option<Self> {
        if note.target.is_some_and(|about| (about.ip(), about.port()) != (target.addr, target.port)) {
            return None;
        }
        let reason = if note.v6 { Reason::from_icmpv6(note.kind, note.code) } else { Reason::from_icmp(note.kind, note.code) }?;
        match note.offender {
            Some(offender) if offender != target.addr && own(offender) => Some(Self::Local(match reason {
                // What the kernel tells its own sockets when ARP or neighbour discovery fails.
                Reason::HostUnreach => LocalCause::HostUnreachable,
                _ => LocalCause::OwnReject,
            })),
            offender => Some(Self::Filtered { reason, by: offender.filter(|offender| *offender != target.addr) }),
        }
    }
}

/// An ICMP error as a socket's error queue keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpNote {
    /// `ICMPv6` (RFC 4443) rather than ICMP (RFC 792).
    pub v6: bool,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Who sent it.
    pub offender: Option<IpAddr>,
    /// The destination of the packet it is about.
    pub target: Option<SocketAddr>,
}

/// Why this machine could not ask a target. Never a verdict about the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalCause {
    /// `EHOSTUNREACH` of our own kernel: no neighbour answered (ARP, neighbour discovery), or an `unreachable` route.
    HostUnreachable,
    /// `ENETUNREACH`, `ENETDOWN`: no route, or the interface is down.
    NetworkUnreachable,
    /// `EACCES`, `EPERM`: a `prohibit` route or a policy.
    Prohibited,
    /// `EINVAL`: a `blackhole` route, or a source address from which the kernel sends nothing there (127.0.0.1).
    Blackhole,
    /// An ICMP error from an address of our own: this machine's firewall.
    OwnReject,
    /// `EAFNOSUPPORT`: this machine has no IPv6 (or no IPv4).
    NoFamily,
    /// Unspecified, broadcast or multicast: connecting to it would reach another host, such as this one for 0.0.0.0.
    NotAHost,
    /// Only a connection of the socket to itself ever came about.
    SelfConnection,
    /// No descriptors, ports or memory for it, again and again with nothing else under way.
    Exhausted,
    /// Another error number of the operating system.
    Other(i32),
}

impl LocalCause {
    /// The word for it in a host's record.
    pub fn reason(self) -> Reason {
        match self {
            Self::HostUnreachable => Reason::HostUnreach,
            Self::NetworkUnreachable => Reason::NetUnreach,
            _ => Reason::LocalError,
        }
    }
}

impl fmt::Display for LocalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostUnreachable => "host unreachable from this machine (no neighbour answered, or an unreachable route)",
            Self::NetworkUnreachable => "no route",
            Self::Prohibited => "prohibited by this machine",
            Self::Blackhole => "blackhole route, an address without its interface, or a --source-ip that does not lead there",
            Self::OwnReject => "rejected by this machine's firewall",
            Self::NoFamily => "address family not supported",
            Self::NotAHost => "not the address of a host",
            Self::SelfConnection => "source and target are the same address and port",
            Self::Exhausted => "out of descriptors, ports or memory",
            Self::Other(errno) => return write!(f, "error {errno} of the operating system"),
        })
    }
}

/// What this machine is short of. The probe is put back and fewer are tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// `EMFILE`, `ENFILE`: no further socket.
    Descriptors,
    /// `EADDRNOTAVAIL`, `EADDRINUSE`: no free source port to this target.
    Ports,
    /// `ENOBUFS`, `ENOMEM`, `EAGAIN`.
    Memory,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target { addr: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), port: 80 };

    fn note(kind: u8, code: u8, offender: &str) -> IcmpNote {
        IcmpNote { v6: false, kind, code, offender: offender.parse().ok(), target: Some("192.0.2.1:80".parse().unwrap()) }
    }

    #[test]
    fn a_socket_connected_to_itself_is_not_open() {
        assert_eq!(Verdict::established(TARGET, Some("192.0.2.1:80".parse().unwrap())), Verdict::SelfConnected);
        assert_eq!(Verdict::established(TARGET, Some("192.0.2.1:81".parse().unwrap())), Verdict::Open);
        assert_eq!(Verdict::established(TARGET, Some("192.0.2.2:80".parse().unwrap())), Verdict::Open);
    }

    #[test]
    fn the_offender_tells_whose_error_it_is() {
        let own = |addr: IpAddr| addr == "192.0.2.9".parse::<IpAddr>().unwrap();
        let by_target = Verdict::Filtered { reason: Reason::PortUnreach, by: None };
        assert_eq!(Verdict::icmp(TARGET, note(3, 3, "192.0.2.1"), own), Some(by_target));
        assert_eq!(Verdict::icmp(TARGET, note(3, 3, "192.0.2.1"), |_| true), Some(by_target), "the target is this machine");
        let by_router = Verdict::Filtered { reason: Reason::AdminProhibited, by: "192.0.2.254".parse().ok() };
        assert_eq!(Verdict::icmp(TARGET, note(3, 13, "192.0.2.254"), own), Some(by_router));
        assert_eq!(Verdict::icmp(TARGET, note(3, 13, "192.0.2.9"), own), Some(Verdict::Local(LocalCause::OwnReject)));
        assert_eq!(Verdict::icmp(TARGET, note(3, 1, "192.0.2.9"), own), Some(Verdict::Local(LocalCause::HostUnreachable)));
    }

    #[test]
    fn notes_about_other_packets_or_of_other_types_decide_nothing() {
        let stale = IcmpNote { target: Some("192.0.2.1:81".parse().unwrap()), ..note(3, 3, "192.0.2.1") };
        assert_eq!(Verdict::icmp(TARGET, stale, |_| false), None);
        assert_eq!(Verdict::icmp(TARGET, note(3, 4, "192.0.2.1"), |_| false), None, "fragmentation needed");
        let v6 = IcmpNote { v6: true, ..note(1, 4, "192.0.2.1") };
        assert_eq!(Verdict::icmp(TARGET, v6, |_| false), Some(Verdict::Filtered { reason: Reason::PortUnreach, by: None }));
    }
}
