//! What came back, as values.

use std::net::Ipv4Addr;

use super::{EchoReply, MacAddr, Medium, parse};

/// The control bits of a TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// ACK.
    pub const ACK: u8 = 0x10;

    /// SYN and ACK set, RST and FIN clear; ECN bits may be anything.
    pub const fn is_syn_ack(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN) == Self::SYN | Self::ACK
    }
    /// RST set.
    pub const fn is_rst(self) -> bool {
        self.0 & Self::RST != 0
    }
    /// ACK set.
    pub const fn is_ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// A TCP segment addressed to us. `source` is the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpReply {
    /// The sender's hardware address, on Ethernet.
    pub source_mac: Option<MacAddr>,
    /// The sender: the target.
    pub source: Ipv4Addr,
    /// Us.
    pub destination: Ipv4Addr,
    /// The target's port.
    pub source_port: u16,
    /// Our port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; meaningful only with ACK set.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, unscaled.
    pub window: u16,
    /// Time to live on arrival.
    pub ttl: u8,
}

/// The start of our own packet as an ICMP error quotes it (RFC 792: IP header and at least eight octets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Us.
    pub source: Ipv4Addr,
    /// The target.
    pub destination: Ipv4Addr,
    /// Our port.
    pub source_port: u16,
    /// The target's port.
    pub destination_port: u16,
    /// The sequence number we sent.
    pub sequence: u32,
}

/// An ICMP error about a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The sender's hardware address, on Ethernet.
    pub source_mac: Option<MacAddr>,
    /// Who sent it: the target or a router.
    pub source: Ipv4Addr,
    /// Time to live on arrival.
    pub ttl: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Our packet as quoted.
    pub quoted: Quoted,
}

/// An ARP reply (or an announcement): `addr` is at `mac`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpReply {
    /// Sender protocol address.
    pub addr: Ipv4Addr,
    /// Sender hardware address.
    pub mac: MacAddr,
    /// Target protocol address.
    pub target: Ipv4Addr,
    /// Target hardware address.
    pub target_mac: MacAddr,
}

/// A frame's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A TCP segment with a good checksum (or one the kernel left to hardware).
    Tcp(TcpReply),
    /// An ICMP error quoting a TCP segment.
    Icmp(IcmpError),
    /// An ICMP echo reply that may be to a request of ours.
    Echo(EchoReply),
    /// ARP.
    Arp(ArpReply),
}

/// Why a frame has no meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well formed, and not for a scan: other protocols, other ICMP types, fragments.
    Foreign,
    /// Truncated, or lengths or checksums that cannot be.
    Malformed,
}

/// Whether TCP and ICMP checksums are verified, or the kernel says the hardware will fill them in (`TP_STATUS_CSUMNOTREADY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Verify.
    Verify,
    /// Not yet filled in: a frame from this very machine.
    Pending,
}

impl Reply {
    /// Reads one received frame.
    ///
    /// One or two VLAN tags (IEEE 802.1Q) and bytes after the IP packet's end (Ethernet padding) are passed over. The IP header's
    /// checksum is verified whatever `checksums` says: the kernel always fills it in.
    ///
    /// # Errors
    /// A [`Verdict`] for everything that is not a whole, well-formed reply.
    pub fn parse(bytes: &[u8], medium: Medium, checksums: Checksums) -> Result<Self, Verdict> {
        parse::frame(bytes, medium, checksums)
    }
}
