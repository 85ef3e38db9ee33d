//! ICMP echo (RFC 792): whether a host is there. The request carries the proof of a SYN, in the fields that a reply must repeat.

use std::net::Ipv4Addr;

use super::checksum::checksum;
use super::header::{ICMP, IPV4, Ipv4Header, PROTOCOL_ICMP, write_link};
use super::syn::{Hop, Probe, fingerprint};

/// An echo reply addressed to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoReply {
    /// The sender: who was asked.
    pub source: Ipv4Addr,
    /// Us.
    pub destination: Ipv4Addr,
    /// The identifier: the source port of the probe.
    pub identifier: u16,
    /// The data: the cookie of the probe.
    pub cookie: u32,
    /// Time to live, on arrival where it is read.
    pub ttl: u8,
}

/// Length of an echo message with a cookie on a bare IP link, in bytes.
pub const ECHO_PACKET_LEN: usize = IPV4 + ICMP + COOKIE;

/// Writes the echo request of `probe` into `slot` and returns the frame's length (46, or 32 on a bare IP link): the source port is the
/// identifier, the cookie is the data and its high half the sequence number; the destination port is of no use here.
/// Into a slot too short nothing useful is written and 0 returned.
pub fn write_echo_request(slot: &mut [u8], probe: &Probe) -> usize {
    let &Probe { hop, source, destination, source_port, sequence, .. } = probe;
    write(slot, hop, REQUEST, &EchoReply { source, destination, identifier: source_port, cookie: sequence, ttl: fingerprint::TTL })
}

/// Writes `reply` into `slot` and returns the frame's length: what a host answers. A scan writes none of these itself.
/// Into a slot too short nothing useful is written and 0 returned.
pub fn write_echo_reply(slot: &mut [u8], hop: Hop, reply: &EchoReply) -> usize {
    write(slot, hop, REPLY, reply)
}

fn write(slot: &mut [u8], hop: Hop, kind: u8, echo: &EchoReply) -> usize {
    let Some((link, packet)) = write_link(slot, hop, ECHO_PACKET_LEN) else {
        debug_assert!(false, "slot too short for an echo message");
        return 0;
    };
    let &EchoReply { source, destination, identifier, cookie, ttl } = echo;
    let (header, rest) = packet.split_at_mut(IPV4);
    let total_len = ECHO_PACKET_LEN as u16;
    header.copy_from_slice(&Ipv4Header { total_len, ttl, protocol: PROTOCOL_ICMP, source, destination }.bytes());
    let icmp = &mut rest[..ICMP + COOKIE];
    icmp[..4].copy_from_slice(&[kind, 0, 0, 0]);
    icmp[4..6].copy_from_slice(&identifier.to_be_bytes());
    icmp[6..8].copy_from_slice(&sequence_number(cookie).to_be_bytes());
    icmp[8..].copy_from_slice(&cookie.to_be_bytes());
    let sum = checksum(icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    link + ECHO_PACKET_LEN
}

/// Identifier and cookie of an echo message after its first four bytes; `None` if it is none of ours.
pub(super) fn read(rest: &[u8]) -> Option<(u16, u32)> {
    let &[i0, i1, s0, s1, c0, c1, c2, c3] = rest.first_chunk::<8>()?;
    let cookie = u32::from_be_bytes([c0, c1, c2, c3]);
    (u16::from_be_bytes([s0, s1]) == sequence_number(cookie)).then_some((u16::from_be_bytes([i0, i1]), cookie))
}

const fn sequence_number(cookie: u32) -> u16 {
    (cookie >> 16) as u16
}

const COOKIE: usize = 4;
const REQUEST: u8 = 8;
pub(super) const REPLY: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Checksums, Medium, Reply, Verdict};

    const PROBE: Probe = Probe {
        hop: Hop::Ip,
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        source_port: 40000,
        destination_port: 0,
        sequence: 0x1234_5678,
    };

    #[test]
    fn the_whole_request_byte_by_byte() {
        let mut slot = [0xaa; 128];
        assert_eq!(write_echo_request(&mut slot, &PROBE), 32);
        assert_eq!(slot[..10], [0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 1]);
        assert_eq!(slot[12..22], [10, 0, 0, 1, 10, 0, 0, 2, 8, 0]);
        assert_eq!(slot[24..33], [0x9c, 0x40, 0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 0xaa]);
        assert_eq!((checksum(&slot[..20]), checksum(&slot[20..32])), (0, 0));
    }

    #[test]
    fn a_reply_brings_the_cookie_back_and_a_request_says_nothing() {
        let reply = EchoReply { source: PROBE.destination, destination: PROBE.source, identifier: 40000, cookie: 0x1234_5678, ttl: 63 };
        let mut slot = [0; 128];
        let len = write_echo_reply(&mut slot, Hop::Ip, &reply);
        let parse = |bytes: &[u8]| Reply::parse(bytes, Medium::Ip, Checksums::Verify);
        assert_eq!(parse(&slot[..len]), Ok(Reply::Echo(reply)));
        slot[31] ^= 1;
        assert_eq!(parse(&slot[..len]), Err(Verdict::Malformed), "the checksum is wrong");
        write_echo_request(&mut slot, &PROBE);
        assert_eq!(parse(&slot[..len]), Err(Verdict::Foreign));
    }

    #[test]
    fn somebody_elses_ping_is_not_ours() {
        assert_eq!(read(&[0x9c, 0x40, 0, 1, 0x12, 0x34, 0x56, 0x78]), None);
        assert_eq!(read(&[0x9c, 0x40, 0, 1]), None);
    }
}
