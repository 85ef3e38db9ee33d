//! The SYN segment as a desktop system sends it, and the RST that ends a half-open connection.

use std::net::Ipv4Addr;

use super::answer::{TcpSegment, write_tcp};
use super::checksum::Sum;
use super::header::{DONT_FRAGMENT, ETHERNET, IPV4, PROTOCOL_TCP, TCP, TYPE_IPV4, ethernet};
use super::{MacAddr, TcpFlags, TcpReply};

/// The link-layer addresses of a frame; none on a bare IP link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Ethernet: from our interface to the next hop.
    Ethernet {
        /// Our interface's hardware address.
        source: MacAddr,
        /// The next hop's hardware address.
        destination: MacAddr,
    },
    /// A bare IP link.
    Ip,
}

/// What varies from one SYN to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Link-layer addresses.
    pub hop: Hop,
    /// Our address.
    pub source: Ipv4Addr,
    /// The target's address.
    pub destination: Ipv4Addr,
    /// Our port; it carries the attempt.
    pub source_port: u16,
    /// The target's port.
    pub destination_port: u16,
    /// The sequence number: the cookie.
    pub sequence: u32,
}

/// What never varies in a SYN of ours, so that the audited side can recognise and filter it.
///
/// It is what a Linux desktop with TCP timestamps turned off sends, but for the identification, which is always zero.
/// IPv4 header without options, type of service 0, Don't Fragment set; SYN the only control bit; no payload.
pub mod fingerprint {
    /// IPv4 time to live at the start.
    pub const TTL: u8 = 64;
    /// IPv4 identification: zero, as RFC 6864 section 4.1 lets a packet that cannot be fragmented have.
    pub const IDENTIFICATION: u16 = 0;
    /// TCP window.
    pub const WINDOW: u16 = 64240;
    /// Maximum segment size option.
    pub const MSS: u16 = 1460;
    /// Window scale option.
    pub const WINDOW_SCALE: u8 = 7;
    /// The TCP options as they stand in the header: MSS, two NOP, SACK permitted, NOP, window scale.
    pub const OPTIONS: [u8; 12] = [2, 4, (MSS >> 8) as u8, MSS as u8, 1, 1, 4, 2, 1, 3, 3, WINDOW_SCALE];
}

/// Length of a SYN on Ethernet, in bytes.
pub const SYN_FRAME_LEN: usize = ETHERNET + SYN_PACKET_LEN;
/// Length of a SYN on a bare IP link, in bytes.
pub const SYN_PACKET_LEN: usize = IPV4 + SYN_SEGMENT_LEN;
const SYN_SEGMENT_LEN: usize = TCP + fingerprint::OPTIONS.len();

/// A SYN with everything filled in that does not vary: MSS, SACK permitted, window scale; fixed window and TTL.
#[derive(Clone, Debug)]
pub struct SynTemplate {
    packet: [u8; SYN_PACKET_LEN],
    /// Of the IP header's fixed fields.
    ip: Sum,
    /// Of the TCP header's fixed fields and the pseudo-header's.
    tcp: Sum,
}

impl SynTemplate {
    /// The SYN of the documented [`fingerprint`].
    pub const fn new() -> Self {
        let [l0, l1] = (SYN_PACKET_LEN as u16).to_be_bytes();
        let [i0, i1] = fingerprint::IDENTIFICATION.to_be_bytes();
        let [f0, f1] = DONT_FRAGMENT.to_be_bytes();
        let [w0, w1] = fingerprint::WINDOW.to_be_bytes();
        let header = [0x45, 0, l0, l1, i0, i1, f0, f1, fingerprint::TTL, PROTOCOL_TCP];
        let segment = [(SYN_SEGMENT_LEN as u8 / 4) << 4, TcpFlags::SYN, w0, w1];

        let mut packet = [0; SYN_PACKET_LEN];
        packet.split_at_mut(header.len()).0.copy_from_slice(&header);
        packet.split_at_mut(32).1.split_at_mut(segment.len()).0.copy_from_slice(&segment);
        packet.split_at_mut(40).1.copy_from_slice(&fingerprint::OPTIONS);
        Self {
            packet,
            ip: Sum::ZERO.bytes(&header),
            tcp: Sum::ZERO.bytes(&segment).bytes(&fingerprint::OPTIONS).u16(PROTOCOL_TCP as u16).u16(SYN_SEGMENT_LEN as u16),
        }
    }

    /// Writes the frame into `slot` (at least [`super::FRAME_CAPACITY`] bytes) and returns its length: [`SYN_FRAME_LEN`] or
    /// [`SYN_PACKET_LEN`]. Into a slot too short nothing is written and 0 returned.
    #[inline]
    pub fn write(&self, slot: &mut [u8], probe: &Probe) -> usize {
        let start = match probe.hop {
            Hop::Ethernet { .. } => ETHERNET,
            Hop::Ip => 0,
        };
        let Some(packet) = slot.get_mut(start..).and_then(<[u8]>::first_chunk_mut) else { return too_short() };
        self.fill(packet, probe);
        if let Hop::Ethernet { source, destination } = probe.hop
            && let Some(link) = slot.first_chunk_mut()
        {
            *link = ethernet(source.0, destination.0, TYPE_IPV4);
        }
        start + SYN_PACKET_LEN
    }

    #[inline]
    fn fill(&self, packet: &mut [u8; SYN_PACKET_LEN], probe: &Probe) {
        let source = probe.source.to_bits();
        let destination = probe.destination.to_bits();
        let ports = ports(probe);
        let (ip, tcp) = self.sums(probe);
        *packet = self.packet;
        packet[10..12].copy_from_slice(&ip.checksum().to_be_bytes());
        packet[12..16].copy_from_slice(&source.to_be_bytes());
        packet[16..20].copy_from_slice(&destination.to_be_bytes());
        packet[20..24].copy_from_slice(&ports.to_be_bytes());
        packet[24..28].copy_from_slice(&probe.sequence.to_be_bytes());
        packet[36..38].copy_from_slice(&tcp.checksum().to_be_bytes());
    }

    /// Of the IP header, and of the TCP header with the pseudo-header.
    #[inline]
    pub(super) fn sums(&self, probe: &Probe) -> (Sum, Sum) {
        // The addresses count in both checksums, once as header and once as pseudo-header.
        let addresses = Sum::ZERO.u32(probe.source.to_bits()).u32(probe.destination.to_bits());
        (self.ip.and(addresses), self.tcp.and(addresses).u32(ports(probe)).u32(probe.sequence))
    }
}

/// As they stand in the header.
#[inline]
fn ports(probe: &Probe) -> u32 {
    u32::from(probe.source_port) << 16 | u32::from(probe.destination_port)
}

impl Default for SynTemplate {
    fn default() -> Self {
        Self::new()
    }
}

#[cold]
pub(super) fn too_short() -> usize {
    debug_assert!(false, "slot too short for a SYN");
    0
}

/// The RST that answers a proven SYN-ACK (RFC 9293 section 3.10.7.3: sequence number = the reply's acknowledgement number).
#[derive(Clone, Debug, Default)]
pub struct RstTemplate {}

impl RstTemplate {
    /// Time to live 64, window 0, no options, RST the only control bit.
    pub const fn new() -> Self {
        Self {}
    }

    /// Writes the RST for `reply`, back to where it came from over `hop`, and returns the frame's length (54, or 40 on a bare IP link).
    /// Into a slot too short nothing useful is written and 0 returned.
    pub fn write(&self, slot: &mut [u8], hop: Hop, reply: &TcpReply) -> usize {
        let segment = TcpSegment {
            source: reply.destination,
            destination: reply.source,
            source_port: reply.destination_port,
            destination_port: reply.source_port,
            sequence: reply.acknowledgement,
            acknowledgement: 0,
            flags: TcpFlags(TcpFlags::RST),
            window: 0,
            ttl: fingerprint::TTL,
            mss: None,
        };
        write_tcp(slot, hop, &segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::checksum::checksum;

    const PROBE: Probe = Probe {
        hop: Hop::Ip,
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        source_port: 40000,
        destination_port: 443,
        sequence: 0x1234_5678,
    };

    #[test]
    fn the_whole_syn_byte_by_byte() {
        let mut slot = [0xaa; 128];
        assert_eq!(SynTemplate::new().write(&mut slot, &PROBE), 52);
        let (header, segment) = slot[..52].split_at(20);
        assert_eq!(header[..10], [0x45, 0, 0, 52, 0, 0, 0x40, 0, 64, 6]);
        assert_eq!(header[12..], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(segment[..16], [0x9c, 0x40, 0x01, 0xbb, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0x80, 0x02, 0xfa, 0xf0]);
        assert_eq!(segment[18..], [0, 0, 2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
        assert_eq!(checksum(header), 0);
        assert!(Sum::ZERO.pseudo_header(PROBE.source, PROBE.destination, 6, 32).bytes(segment).is_intact());
        assert_eq!(slot[52], 0xaa);
    }

    #[test]
    fn both_media_carry_the_same_packet() {
        let mut frame = [0; 128];
        let mut packet = [0; 128];
        let hop = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 1]), destination: MacAddr([2, 0, 0, 0, 0, 2]) };
        assert_eq!(SynTemplate::new().write(&mut frame, &Probe { hop, ..PROBE }), 66);
        SynTemplate::new().write(&mut packet, &PROBE);
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!(frame[14..66], packet[..52]);
    }
}
