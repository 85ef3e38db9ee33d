//! What the network sees of an injected frame. Read independently of the scanner's own parser, so that one checks the other.

use std::net::Ipv4Addr;

use crate::packet::checksum::Sum;
use crate::packet::{Checksums, MacAddr, Medium, TcpFlags};

/// A frame that means something to the simulated hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Arp(ArpRequest),
    Tcp { next_hop: Option<MacAddr>, packet: Packet },
    Echo { next_hop: Option<MacAddr>, packet: Packet },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArpRequest {
    pub(super) mac: MacAddr,
    pub(super) source: Ipv4Addr,
    pub(super) wanted: Ipv4Addr,
}

/// A TCP segment or ICMP echo request of the scanner: its headers as far as an ICMP error quotes them, and what an answer needs besides.
/// An echo request has no flags, and the first four bytes of its data for an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) head: [u8; QUOTED],
    pub(super) mac: MacAddr,
    pub(super) flags: TcpFlags,
    pub(super) acknowledgement: u32,
}

/// Bytes of IP header and data that an ICMP error quotes (RFC 792).
pub(super) const QUOTED: usize = 28;

impl Packet {
    pub(super) fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.u32_at(12))
    }
    pub(super) fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.u32_at(16))
    }
    pub(super) fn source_port(&self) -> u16 {
        self.u16_at(20)
    }
    pub(super) fn destination_port(&self) -> u16 {
        self.u16_at(22)
    }
    pub(super) fn sequence(&self) -> u32 {
        self.u32_at(24)
    }
    pub(super) fn ttl(&self) -> u8 {
        self.head[8]
    }

    /// Whether it is a SYN: neither a SYN-ACK nor a RST.
    pub(super) fn opens(&self) -> bool {
        self.flags.0 & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST) == TcpFlags::SYN
    }

    /// The packet after `hops` routers, as the last of them would quote it.
    pub(super) fn after(mut self, hops: u8) -> Self {
        self.head[8] = self.head[8].saturating_sub(hops);
        self.head[10..12].fill(0);
        let sum = Sum::ZERO.bytes(&self.head[..20]).checksum();
        self.head[10..12].copy_from_slice(&sum.to_be_bytes());
        self
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.head[at], self.head[at + 1]])
    }
    fn u32_at(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.head[at], self.head[at + 1], self.head[at + 2], self.head[at + 3]])
    }
}

/// Why nobody reads a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Malformed,
    Foreign,
}

pub(super) fn read(frame: &[u8], medium: Medium, checksums: Checksums) -> Result<Seen, Unread> {
    if medium == Medium::Ip {
        return ip(frame, MacAddr::default(), None, checksums);
    }
    let (header, body) = frame.split_first_chunk::<14>().ok_or(Unread::Malformed)?;
    let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, kind0, kind1] = header;
    let [destination, source] = [MacAddr([d0, d1, d2, d3, d4, d5]), MacAddr([s0, s1, s2, s3, s4, s5])];
    match u16::from_be_bytes([kind0, kind1]) {
        0x0800 => ip(body, source, Some(destination), checksums),
        0x0806 => arp(body).map(Seen::Arp),
        _ => Err(Unread::Foreign),
    }
}

fn arp(body: &[u8]) -> Result<ArpRequest, Unread> {
    let body = body.first_chunk::<28>().ok_or(Unread::Malformed)?;
    if body[..8] != [0, 1, 8, 0, 6, 4, 0, 1] {
        return Err(Unread::Foreign);
    }
    let &[_, _, _, _, _, _, _, _, m0, m1, m2, m3, m4, m5, s0, s1, s2, s3, _, _, _, _, _, _, t0, t1, t2, t3] = body;
    Ok(ArpRequest { mac: MacAddr([m0, m1, m2, m3, m4, m5]), source: Ipv4Addr::new(s0, s1, s2, s3), wanted: Ipv4Addr::new(t0, t1, t2, t3) })
}

fn ip(bytes: &[u8], mac: MacAddr, next_hop: Option<MacAddr>, checksums: Checksums) -> Result<Seen, Unread> {
    let header = bytes.first_chunk::<20>().ok_or(Unread::Malformed)?;
    if header[0] != 0x45 {
        // Another version, or IP options: no scan of ours sends them, no host here reads them.
        return Err(if header[0] >> 4 == 4 && header[0] & 15 < 5 { Unread::Malformed } else { Unread::Foreign });
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let segment = bytes.get(20..total).ok_or(Unread::Malformed)?;
    if !Sum::ZERO.bytes(header).is_intact() {
        return Err(Unread::Malformed);
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    match header[9] {
        _ if fragment => Err(Unread::Foreign),
        6 => tcp(bytes, segment, mac, checksums).map(|packet| Seen::Tcp { next_hop, packet }),
        1 => echo(bytes, segment, mac, checksums).map(|packet| Seen::Echo { next_hop, packet }),
        _ => Err(Unread::Foreign),
    }
}

/// An echo request with at least four bytes of data.
fn echo(bytes: &[u8], message: &[u8], mac: MacAddr, checksums: Checksums) -> Result<Packet, Unread> {
    let &[kind, _, _, _, _, _, _, _, d0, d1, d2, d3] = message.first_chunk::<12>().ok_or(Unread::Foreign)?;
    if checksums == Checksums::Verify && !Sum::ZERO.bytes(message).is_intact() {
        return Err(Unread::Malformed);
    }
    if kind != 8 {
        return Err(Unread::Foreign);
    }
    let head = *bytes.first_chunk::<QUOTED>().ok_or(Unread::Malformed)?;
    Ok(Packet { head, mac, flags: TcpFlags(0), acknowledgement: u32::from_be_bytes([d0, d1, d2, d3]) })
}

fn tcp(bytes: &[u8], segment: &[u8], mac: MacAddr, checksums: Checksums) -> Result<Packet, Unread> {
    let tcp = segment.first_chunk::<20>().ok_or(Unread::Malformed)?;
    let offset = usize::from(tcp[12] >> 4) * 4;
    if offset < 20 || offset > segment.len() {
        return Err(Unread::Malformed);
    }
    let head = *bytes.first_chunk::<QUOTED>().ok_or(Unread::Malformed)?;
    let packet = Packet { head, mac, flags: TcpFlags(tcp[13]), acknowledgement: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]) };
    let sum = Sum::ZERO.pseudo_header(packet.source(), packet.destination(), 6, segment.len() as u16);
    if checksums == Checksums::Verify && !sum.bytes(segment).is_intact() {
        return Err(Unread::Malformed);
    }
    Ok(packet)
}
