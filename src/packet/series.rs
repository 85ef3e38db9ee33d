//! SYNs that differ only in whom they ask: what they have in common is written and summed up once.

use std::net::Ipv4Addr;

use super::checksum::Sum;
use super::header::ETHERNET;
use super::syn::{SYN_FRAME_LEN, SYN_PACKET_LEN, too_short};
use super::{Hop, Probe, SynTemplate};

/// What varies within a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syn {
    /// The target's address.
    pub destination: Ipv4Addr,
    /// The target's port.
    pub port: u16,
    /// The sequence number: the cookie.
    pub sequence: u32,
}

impl Syn {
    /// To nobody.
    pub const NONE: Self = Self { destination: Ipv4Addr::UNSPECIFIED, port: 0, sequence: 0 };
}

/// SYNs over one hop from one address and port.
#[derive(Clone, Debug)]
pub struct SynSeries {
    hop: Hop,
    source: Ipv4Addr,
    port: u16,
    /// With a link-layer header, if the hop has one; the packet is at the end in any case.
    frame: [u8; SYN_FRAME_LEN],
    /// Of all that is in the IP header.
    ip: Sum,
    /// Of all that is in the TCP header and the pseudo-header.
    tcp: Sum,
}

impl SynSeries {
    /// From `source` and `port` over `hop`.
    pub fn new(hop: Hop, source: Ipv4Addr, port: u16) -> Self {
        let template = SynTemplate::new();
        let nobody = Probe { hop, source, destination: Ipv4Addr::UNSPECIFIED, source_port: port, destination_port: 0, sequence: 0 };
        let mut frame = [0; SYN_FRAME_LEN];
        let start = if hop == Hop::Ip { ETHERNET } else { 0 };
        template.write(&mut frame[start..], &nobody);
        let (ip, tcp) = template.sums(&nobody);
        Self { hop, source, port, frame, ip, tcp }
    }

    /// Whether it is the one over `hop` from `source` and `port`.
    pub fn is(&self, hop: Hop, source: Ipv4Addr, port: u16) -> bool {
        (self.hop, self.source, self.port) == (hop, source, port)
    }

    /// One of its SYNs by itself.
    pub fn probe(&self, syn: &Syn) -> Probe {
        let &Syn { destination, port: destination_port, sequence } = syn;
        Probe { hop: self.hop, source: self.source, destination, source_port: self.port, destination_port, sequence }
    }

    /// As [`SynTemplate::write`].
    #[inline]
    pub fn write(&self, slot: &mut [u8], syn: &Syn) -> usize {
        let packet = match self.hop {
            Hop::Ethernet { .. } => {
                let Some(frame) = slot.first_chunk_mut::<SYN_FRAME_LEN>() else { return too_short() };
                *frame = self.frame;
                frame.last_chunk_mut::<SYN_PACKET_LEN>()
            }
            Hop::Ip => {
                let packet = slot.first_chunk_mut::<SYN_PACKET_LEN>();
                packet.zip(self.frame.last_chunk()).map(|(packet, bytes)| {
                    *packet = *bytes;
                    packet
                })
            }
        };
        let Some(packet) = packet else { return too_short() };
        let to = syn.destination.to_bits();
        // The address counts in both checksums, once as header and once as pseudo-header.
        let ip = self.ip.u32(to);
        let tcp = self.tcp.u32(to).u16(syn.port).u32(syn.sequence);
        packet[10..12].copy_from_slice(&ip.checksum().to_be_bytes());
        packet[16..20].copy_from_slice(&to.to_be_bytes());
        packet[22..24].copy_from_slice(&syn.port.to_be_bytes());
        packet[24..28].copy_from_slice(&syn.sequence.to_be_bytes());
        packet[36..38].copy_from_slice(&tcp.checksum().to_be_bytes());
        match self.hop {
            Hop::Ethernet { .. } => SYN_FRAME_LEN,
            Hop::Ip => SYN_PACKET_LEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::MacAddr;

    proptest! {
        #[test]
        fn writes_what_the_template_writes(source: u32, port: u16, here: [u8; 6], there: [u8; 6], bare: bool, to: u32, at: u16, sequence: u32) {
            let hop = if bare { Hop::Ip } else { Hop::Ethernet { source: MacAddr(here), destination: MacAddr(there) } };
            let series = SynSeries::new(hop, source.into(), port);
            let syn = Syn { destination: to.into(), port: at, sequence };
            let (mut one, mut other) = ([0xaa; 128], [0xaa; 128]);
            prop_assert_eq!(series.write(&mut one, &syn), SynTemplate::new().write(&mut other, &series.probe(&syn)));
            prop_assert_eq!(one, other);
        }
    }
}
