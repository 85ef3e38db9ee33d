//! HOW a probe looks on the wire: pure bytes. Nothing here allocates on the hot path, and no input makes it panic.

mod answer;
mod arp;
mod bpf;
pub mod checksum;
mod echo;
mod header;
mod mac;
mod parse;
pub mod pcapng;
mod reply;
mod series;
mod syn;

pub use answer::{IcmpMessage, TcpSegment, write_icmp_error, write_tcp};
pub use arp::{ARP_FRAME_LEN, write_arp_reply, write_request};
pub use bpf::{FilterSpec, Instruction, filter};
pub use echo::{ECHO_PACKET_LEN, EchoReply, write_echo_reply, write_echo_request};
pub use mac::MacAddr;
pub use reply::{ArpReply, Checksums, IcmpError, Quoted, Reply, TcpFlags, TcpReply, Verdict};
pub use series::{Syn, SynSeries};
pub use syn::{Hop, Probe, RstTemplate, SYN_FRAME_LEN, SYN_PACKET_LEN, SynTemplate, fingerprint};

/// What a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Ethernet II frames.
    Ethernet,
    /// Bare IP packets: a tunnel, or a raw IP socket.
    Ip,
}

/// The longest frame this crate writes, in bytes: Ethernet, IPv6 and a TCP header with options.
pub const FRAME_CAPACITY: usize = 128;
