//! An interface's transmitters and receiver.
//!
//! | kind | next hop | transmit | receive |
//! |---|---|---|---|
//! | Ethernet | a hardware address in each frame | packet socket | packet ring |
//! | loopback, own addresses | none | raw IP socket | packet ring on `lo`, bare IP |
//! | tunnel | none | packet socket, bare IP | packet ring, bare IP |
//!
//! With [`Engine::Xdp`] (Linux) programs in the driver send and receive on Ethernet; the other links are as in the table.
//! With [`Engine::Packet`] (Linux) frames leave by `sendmmsg` and arrive through a `TPACKET_V3` ring behind a classic BPF filter; with
//! [`Engine::Pnet`] through pnet's datalink channel, on any system pnet knows. Everything that needs a privilege happens in [`open`];
//! the halves work in threads without any.

use std::io;

use super::{Receiver, Transmitter, portable};
use crate::error::{Error, Result};
use crate::packet::Medium;

/// What kind of link an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ethernet frames to a next hop's hardware address.
    Ethernet,
    /// This very machine: loopback and its own addresses, all of which are routed through `lo`.
    Loopback,
    /// Bare IP packets to the other end.
    Tunnel,
}

impl LinkKind {
    /// What frames on such a link begin with.
    pub const fn medium(self) -> Medium {
        match self {
            Self::Ethernet => Medium::Ethernet,
            Self::Loopback | Self::Tunnel => Medium::Ip,
        }
    }
}

/// By what means frames are sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Linux packet sockets.
    #[cfg_attr(target_os = "linux", default)]
    Packet,
    /// XDP programs in the driver, on Ethernet; elsewhere as [`Engine::Packet`]. Linux 5.18 or newer, and a driver that can.
    Xdp,
    /// pnet's datalink channel: the portable way.
    #[cfg_attr(not(target_os = "linux"), default)]
    Pnet,
}

/// Whether frames go through the interface's queueing discipline (Linux packet sockets on Ethernet and tunnels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Queueing {
    /// They do: a full queue is felt, and waited for; whoever shares the interface gets a share.
    #[default]
    Through,
    /// Straight to the driver (`PACKET_QDISC_BYPASS`): whatever the administrator has set up there, shaping or fairness, is passed by.
    Bypass,
}

/// How to open a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// By what means.
    pub engine: Engine,
    /// The first of our ports: TCP segments to other ports are not received. ICMP errors are, whatever they quote.
    pub first_port: u16,
    /// The last of our ports.
    pub last_port: u16,
    /// How many transmitters: one for each sending thread; 0 counts as 1. The last of several is for little, such as resets.
    pub transmitters: usize,
    /// What proves a TCP reply, for engines that prove in the kernel; the others let whoever reads the frames do it.
    pub proof: Option<Proof>,
    /// Whether frames go through the interface's queueing discipline.
    pub queueing: Queueing,
    /// Memory for frames received and not yet read, in bytes. It is part of the process's resident memory once used.
    pub receive_bytes: usize,
}

/// What proves that a TCP segment answers one of ours: its acknowledgement number is one more than the low half of SipHash-1-3 over 15
/// bytes: our address and port, two bytes of zero, the other's address and port (all as in the headers), and a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The hash's key.
    pub key: [u8; 16],
    /// The number goes from 1 to this, at most 32, and any of them proves; 0: it is always zero.
    pub numbers: u8,
}

/// Without the key, which would make replies forgeable.
impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").field("numbers", &self.numbers).finish_non_exhaustive()
    }
}

impl LinkOptions {
    /// A receive buffer for some 60,000 replies.
    pub const RECEIVE_BYTES: usize = 8 << 20;

    /// A receive buffer for the replies to `rate` probes a second that wait a quarter of a second, for that long a busy machine may not
    /// run the receiver: between 1 MiB and `most`.
    pub fn receive_bytes_at(rate: u64, most: usize) -> usize {
        usize::try_from(rate / 4).unwrap_or(usize::MAX).saturating_mul(BYTES_A_REPLY).clamp(1 << 20, most.max(1 << 20))
    }
}

/// A SYN-ACK with what the kernel writes before it (`TPACKET_V3`), aligned.
const BYTES_A_REPLY: usize = 128;

/// An open link.
pub struct Link {
    /// What frames to be sent begin with.
    pub medium: Medium,
    /// What kind of link it is.
    pub kind: LinkKind,
    /// One for each sending thread.
    pub transmitters: Vec<Box<dyn Transmitter>>,
    /// For the receiving thread.
    pub receiver: Box<dyn Receiver>,
}

/// Opens the interface `name`, numbered `index`; for [`LinkKind::Loopback`] that is `lo`.
///
/// # Errors
/// What could not be done on which interface, and what helps: the privilege is missing, the interface does not exist or is down, or the
/// engine is not for this system.
pub fn open(name: &str, index: u32, kind: LinkKind, options: &LinkOptions) -> Result<Link> {
    match options.engine {
        #[cfg(target_os = "linux")]
        Engine::Packet => super::linux::link::open(name, index, kind, options),
        #[cfg(target_os = "linux")]
        Engine::Xdp => super::linux::xdp::open(name, index, kind, options),
        #[cfg(not(target_os = "linux"))]
        Engine::Xdp => Err(Error::asked("open", name, "XDP is Linux's").hint("use --engine pnet")),
        #[cfg(not(target_os = "linux"))]
        Engine::Packet => Err(Error::asked("open", name, "packet sockets are Linux's").hint("use --engine pnet")),
        Engine::Pnet => portable::open(name, index, kind, options),
    }
}

/// Opens the interface `name`, numbered `index`, as the far end of a private network: with one transmitter, and a receiver that is shown
/// every frame that comes in, whoever it is for. Frames that leave must still fit [`crate::packet::FRAME_CAPACITY`].
///
/// # Errors
/// As [`open`].
#[cfg(target_os = "linux")]
pub fn tap(name: &str, index: u32, kind: LinkKind, receive_bytes: usize) -> Result<Link> {
    super::linux::link::tap(name, index, kind, receive_bytes)
}

/// Why `operation` on `interface` failed, and what helps.
pub(super) fn failed(operation: &'static str, interface: &str, cause: io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::PermissionDenied => Some("needs CAP_NET_RAW: use sudo, or --connect".to_owned()),
        io::ErrorKind::NetworkDown => Some(format!("the interface is down: ip link set {interface} up")),
        io::ErrorKind::NotFound => Some(NO_SUCH_INTERFACE.to_owned()),
        _ if cause.raw_os_error().is_some_and(|number| MISSING.contains(&number)) => Some(NO_SUCH_INTERFACE.to_owned()),
        _ => None,
    };
    let error = Error::io(operation, interface, cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

const NO_SUCH_INTERFACE: &str = "no such interface: synprobe interfaces lists them";

/// `ENXIO` and `ENODEV`, which have these numbers on every Unix.
const MISSING: [i32; 2] = [6, 19];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_helps() {
        let text = |cause: io::Error| failed("attach filter to", "eth0", cause).to_string();
        let denied = text(io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied, "attach filter to eth0: permission denied (needs CAP_NET_RAW: use sudo, or --connect)");
        assert!(text(io::ErrorKind::NetworkDown.into()).ends_with(" (the interface is down: ip link set eth0 up)"));
        for number in MISSING {
            assert!(text(io::Error::from_raw_os_error(number)).ends_with(" (no such interface: synprobe interfaces lists them)"));
        }
        assert!(text(io::ErrorKind::OutOfMemory.into()).ends_with("out of memory"));
    }
}
