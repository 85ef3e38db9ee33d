//! Reading frames from the network. Lengths, offsets and quoted headers are never trusted.

use std::net::Ipv4Addr;

use super::arp::{IPV4_OVER_ETHERNET, REPLY, REQUEST};
use super::checksum::Sum;
use super::echo;
use super::header::{ETHERNET, ICMP, IPV4, PROTOCOL_ICMP, PROTOCOL_TCP, TCP, TYPE_ARP, TYPE_IPV4};
use super::{ArpReply, Checksums, EchoReply, IcmpError, MacAddr, Medium, Quoted, Reply, TcpFlags, TcpReply, Verdict};

pub(super) fn frame(bytes: &[u8], medium: Medium, checksums: Checksums) -> Result<Reply, Verdict> {
    match medium {
        Medium::Ethernet => ethernet(bytes, checksums),
        Medium::Ip if bytes.first().is_some_and(|first| first >> 4 == 6) => Err(Verdict::Foreign),
        Medium::Ip => ipv4(bytes, None, checksums),
    }
}

fn ethernet(bytes: &[u8], checksums: Checksums) -> Result<Reply, Verdict> {
    let (header, mut rest) = bytes.split_first_chunk::<ETHERNET>().ok_or(Verdict::Malformed)?;
    let source = MacAddr([header[6], header[7], header[8], header[9], header[10], header[11]]);
    let mut kind = u16::from_be_bytes([header[12], header[13]]);
    for _ in 0..2 {
        if !VLAN_TAGS.contains(&kind) {
            break;
        }
        let (tag, tail) = rest.split_first_chunk::<4>().ok_or(Verdict::Malformed)?;
        kind = u16::from_be_bytes([tag[2], tag[3]]);
        rest = tail;
    }
    match kind {
        TYPE_IPV4 => ipv4(rest, Some(source), checksums),
        TYPE_ARP => arp(rest),
        _ => Err(Verdict::Foreign),
    }
}

fn arp(bytes: &[u8]) -> Result<Reply, Verdict> {
    let body = bytes.first_chunk::<28>().ok_or(Verdict::Malformed)?;
    let operation = u16::from_be_bytes([body[6], body[7]]);
    if body[..6] != IPV4_OVER_ETHERNET || !matches!(operation, REQUEST | REPLY) {
        return Err(Verdict::Foreign);
    }
    let addr = address(body, 14);
    if addr.is_unspecified() {
        // A probe for an address nobody has yet (RFC 5227 section 2.1.1): its sender says nothing about itself.
        return Err(Verdict::Foreign);
    }
    let mac = |at: usize| MacAddr(std::array::from_fn(|i| body[at + i]));
    Ok(Reply::Arp(ArpReply { addr, mac: mac(8), target: address(body, 24), target_mac: mac(18) }))
}

fn ipv4(bytes: &[u8], source_mac: Option<MacAddr>, checksums: Checksums) -> Result<Reply, Verdict> {
    let header = bytes.first_chunk::<IPV4>().ok_or(Verdict::Malformed)?;
    let header_len = header_len(header)?;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_len > total_len || total_len > bytes.len() || !Sum::ZERO.bytes(&bytes[..header_len]).is_intact() {
        return Err(Verdict::Malformed);
    }
    if u16::from_be_bytes([header[6], header[7]]) & FRAGMENT != 0 {
        return Err(Verdict::Foreign);
    }
    let body = &bytes[header_len..total_len];
    let envelope = Envelope { source_mac, source: address(header, 12), destination: address(header, 16), ttl: header[8] };
    match header[9] {
        PROTOCOL_TCP => tcp(body, &envelope, checksums),
        PROTOCOL_ICMP => icmp(body, &envelope, checksums),
        _ => Err(Verdict::Foreign),
    }
}

/// What the IP and link-layer headers said.
struct Envelope {
    source_mac: Option<MacAddr>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
}

fn tcp(body: &[u8], envelope: &Envelope, checksums: Checksums) -> Result<Reply, Verdict> {
    let header = body.first_chunk::<TCP>().ok_or(Verdict::Malformed)?;
    let data = usize::from(header[12] >> 4) * 4;
    if data < TCP || data > body.len() {
        return Err(Verdict::Malformed);
    }
    let &Envelope { source_mac, source, destination, ttl } = envelope;
    let sum = Sum::ZERO.pseudo_header(source, destination, PROTOCOL_TCP, body.len() as u16);
    if checksums == Checksums::Verify && !sum.bytes(body).is_intact() {
        return Err(Verdict::Malformed);
    }
    Ok(Reply::Tcp(TcpReply {
        source_mac,
        source,
        destination,
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
        window: u16::from_be_bytes([header[14], header[15]]),
        ttl,
    }))
}

fn icmp(body: &[u8], envelope: &Envelope, checksums: Checksums) -> Result<Reply, Verdict> {
    let (header, rest) = body.split_first_chunk::<ICMP>().ok_or(Verdict::Malformed)?;
    if checksums == Checksums::Verify && !Sum::ZERO.bytes(body).is_intact() {
        return Err(Verdict::Malformed);
    }
    let [kind, code, ..] = *header;
    let &Envelope { source_mac, source, destination, ttl } = envelope;
    if kind == echo::REPLY {
        let (identifier, cookie) = echo::read(&body[4..]).ok_or(Verdict::Foreign)?;
        return Ok(Reply::Echo(EchoReply { source, destination, identifier, cookie, ttl }));
    }
    if !matches!(kind, UNREACHABLE | TIME_EXCEEDED) {
        return Err(Verdict::Foreign);
    }
    let quoted = quoted(rest)?;
    Ok(Reply::Icmp(IcmpError { source_mac, source, ttl, kind, code, quoted }))
}

/// Routers change what they quote (time to live, checksum, total length), so of the IP header only what finds the ports is looked at.
fn quoted(bytes: &[u8]) -> Result<Quoted, Verdict> {
    let header = bytes.first_chunk::<IPV4>().ok_or(Verdict::Malformed)?;
    let header_len = header_len(header)?;
    if header[9] != PROTOCOL_TCP || u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_OFFSET != 0 {
        return Err(Verdict::Foreign);
    }
    let tcp = bytes.get(header_len..).and_then(<[u8]>::first_chunk::<8>).ok_or(Verdict::Malformed)?;
    Ok(Quoted {
        source: address(header, 12),
        destination: address(header, 16),
        source_port: u16::from_be_bytes([tcp[0], tcp[1]]),
        destination_port: u16::from_be_bytes([tcp[2], tcp[3]]),
        sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
    })
}

/// Length of an IPv4 header with its options, in bytes.
fn header_len(header: &[u8; IPV4]) -> Result<usize, Verdict> {
    match header[0] {
        first @ 0x45..=0x4f => Ok(usize::from(first & 0x0f) * 4),
        _ => Err(Verdict::Malformed),
    }
}

/// The address at a constant offset of a header whose length is known: never out of bounds.
fn address<const N: usize>(header: &[u8; N], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3])
}

/// IEEE 802.1Q customer and service tags, and the value in use for the outer one before 802.1ad.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// More fragments, or an offset.
const FRAGMENT: u16 = 0x3fff;
const FRAGMENT_OFFSET: u16 = 0x1fff;

const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;

#[cfg(test)]
mod tests;
