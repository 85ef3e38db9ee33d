//! What the other side answers: the frames of a simulated host or router. A scan writes none of these itself.

use std::net::Ipv4Addr;

use super::TcpFlags;
use super::checksum::{Sum, checksum};
use super::header::{ICMP, IPV4, Ipv4Header, PROTOCOL_ICMP, PROTOCOL_TCP, TCP, write_link};
use super::syn::Hop;

/// A TCP segment without payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment {
    /// The sender.
    pub source: Ipv4Addr,
    /// The receiver.
    pub destination: Ipv4Addr,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; zero where ACK is not set.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, unscaled.
    pub window: u16,
    /// Time to live.
    pub ttl: u8,
    /// Maximum segment size option; without it the header has no options.
    pub mss: Option<u16>,
}

/// Writes `segment` into `slot` and returns the frame's length (at most 58 bytes).
/// Into a slot too short nothing useful is written and 0 returned.
pub fn write_tcp(slot: &mut [u8], hop: Hop, segment: &TcpSegment) -> usize {
    let options = if segment.mss.is_some() { 4 } else { 0 };
    let total = IPV4 + TCP + options;
    let Some((link, packet)) = write_link(slot, hop, total) else {
        debug_assert!(false, "slot too short for a TCP segment");
        return 0;
    };
    let &TcpSegment { source, destination, ttl, .. } = segment;
    let (header, rest) = packet.split_at_mut(IPV4);
    header.copy_from_slice(&Ipv4Header { total_len: total as u16, ttl, protocol: PROTOCOL_TCP, source, destination }.bytes());

    let tcp = &mut rest[..TCP + options];
    tcp[0..2].copy_from_slice(&segment.source_port.to_be_bytes());
    tcp[2..4].copy_from_slice(&segment.destination_port.to_be_bytes());
    tcp[4..8].copy_from_slice(&segment.sequence.to_be_bytes());
    tcp[8..12].copy_from_slice(&segment.acknowledgement.to_be_bytes());
    tcp[12] = ((TCP + options) as u8 / 4) << 4;
    tcp[13] = segment.flags.0;
    tcp[14..16].copy_from_slice(&segment.window.to_be_bytes());
    tcp[16..20].fill(0);
    if let Some(mss) = segment.mss {
        let [high, low] = mss.to_be_bytes();
        tcp[20..24].copy_from_slice(&[2, 4, high, low]);
    }
    let sum = Sum::ZERO.pseudo_header(source, destination, PROTOCOL_TCP, tcp.len() as u16).bytes(tcp).checksum();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    link + total
}

/// An ICMP error (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpMessage<'a> {
    /// Who sends it: the target or a router.
    pub source: Ipv4Addr,
    /// The receiver: who sent the packet that it is about.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// ICMP type: 3 destination unreachable, 11 time exceeded.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The packet it is about, from its IP header on; as much of it is quoted as the slot and RFC 1812 section 4.3.2.3
    /// (576 bytes in all) let.
    pub quoted: &'a [u8],
}

/// Writes `message` into `slot` and returns the frame's length.
/// Into a slot too short for the headers nothing useful is written and 0 returned.
pub fn write_icmp_error(slot: &mut [u8], hop: Hop, message: &IcmpMessage<'_>) -> usize {
    let Some((link, packet)) = write_link(slot, hop, IPV4 + ICMP) else {
        debug_assert!(false, "slot too short for an ICMP error");
        return 0;
    };
    let total = (IPV4 + ICMP + message.quoted.len()).min(packet.len()).min(LONGEST_ERROR);
    let &IcmpMessage { source, destination, ttl, kind, code, quoted } = message;
    let (header, rest) = packet.split_at_mut(IPV4);
    header.copy_from_slice(&Ipv4Header { total_len: total as u16, ttl, protocol: PROTOCOL_ICMP, source, destination }.bytes());

    let icmp = &mut rest[..total - IPV4];
    icmp[..ICMP].copy_from_slice(&[kind, code, 0, 0, 0, 0, 0, 0]);
    let room = icmp.len() - ICMP;
    icmp[ICMP..].copy_from_slice(&quoted[..room]);
    let sum = checksum(icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    link + total
}

/// Bytes of IP packet.
const LONGEST_ERROR: usize = 576;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_quotes_no_more_than_fits() {
        let quoted = [0x45; 1500];
        let [source, destination] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let message = IcmpMessage { source, destination, ttl: 64, kind: 3, code: 3, quoted: &quoted };
        assert_eq!(write_icmp_error(&mut [0; 100], Hop::Ip, &message), 100);
        assert_eq!(write_icmp_error(&mut [0; 2000], Hop::Ip, &message), 576);
        assert_eq!(write_icmp_error(&mut [0; 100], Hop::Ip, &IcmpMessage { quoted: &[], ..message }), 28);
    }
}
