//! The headers that every frame of ours begins with.

use std::net::Ipv4Addr;

use super::checksum::checksum;
use super::syn::Hop;

pub(super) const ETHERNET: usize = 14;
pub(super) const IPV4: usize = 20;
pub(super) const TCP: usize = 20;
pub(super) const ICMP: usize = 8;

pub(super) const TYPE_IPV4: u16 = 0x0800;
pub(super) const TYPE_ARP: u16 = 0x0806;

pub(super) const PROTOCOL_ICMP: u8 = 1;
pub(super) const PROTOCOL_TCP: u8 = 6;

/// Don't fragment, offset zero.
pub(super) const DONT_FRAGMENT: u16 = 0x4000;

/// Writes the link-layer header, if the link has one, and returns its length and what follows it in `slot`;
/// `None` if fewer than `room` bytes follow.
pub(super) fn write_link(slot: &mut [u8], hop: Hop, room: usize) -> Option<(usize, &mut [u8])> {
    let (len, rest) = match hop {
        Hop::Ip => (0, slot),
        Hop::Ethernet { source, destination } => {
            let (header, rest) = slot.split_first_chunk_mut::<ETHERNET>()?;
            *header = ethernet(source.0, destination.0, TYPE_IPV4);
            (ETHERNET, rest)
        }
    };
    (rest.len() >= room).then_some((len, rest))
}

/// An Ethernet II header.
pub(super) const fn ethernet(source: [u8; 6], destination: [u8; 6], kind: u16) -> [u8; ETHERNET] {
    let [d0, d1, d2, d3, d4, d5] = destination;
    let [s0, s1, s2, s3, s4, s5] = source;
    let [k0, k1] = kind.to_be_bytes();
    [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, k0, k1]
}

/// An IPv4 header without options (RFC 791 section 3.1), checksum included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv4Header {
    pub(super) total_len: u16,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
}

impl Ipv4Header {
    pub(super) const fn bytes(&self) -> [u8; IPV4] {
        let [l0, l1] = self.total_len.to_be_bytes();
        let [f0, f1] = DONT_FRAGMENT.to_be_bytes();
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        let mut bytes = [0x45, 0, l0, l1, 0, 0, f0, f1, self.ttl, self.protocol, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3];
        [bytes[10], bytes[11]] = checksum(&bytes).to_be_bytes();
        bytes
    }
}
