//! Answers on their way to the scanner: kept small while they wait, written as frames when they are due.

use std::net::Ipv4Addr;

use super::element::{Kind, Traffic};
use super::seen::{Packet, QUOTED};
use crate::packet::{
    ArpReply, EchoReply, Hop, IcmpMessage, MacAddr, Medium, TcpFlags, TcpSegment, write_arp_reply, write_echo_reply, write_icmp_error,
    write_tcp,
};

/// A frame for the scanner, not yet written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    from: MacAddr,
    to: MacAddr,
    body: Body,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Tcp(TcpSegment),
    Icmp { source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, kind: u8, code: u8, quoted: [u8; QUOTED] },
    Arp(ArpReply),
    Echo(EchoReply),
}

/// What varies in a TCP answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) window: u16,
    pub(super) ttl: u8,
}

impl Answer {
    /// A segment back to where `packet` came from, over the hardware address `from`.
    pub(super) fn tcp(packet: &Packet, from: MacAddr, segment: Segment) -> Self {
        let Segment { flags, sequence, acknowledgement, window, ttl } = segment;
        let body = TcpSegment {
            source: packet.destination(),
            destination: packet.source(),
            source_port: packet.destination_port(),
            destination_port: packet.source_port(),
            sequence,
            acknowledgement,
            flags: TcpFlags(flags),
            window,
            ttl,
            mss: (flags & TcpFlags::SYN != 0).then_some(MSS),
        };
        Self { from, to: packet.mac, body: Body::Tcp(body) }
    }

    pub(super) fn icmp(packet: &Packet, from: MacAddr, source: Ipv4Addr, (kind, code): (u8, u8), ttl: u8) -> Self {
        Self { from, to: packet.mac, body: Body::Icmp { source, destination: packet.source(), ttl, kind, code, quoted: packet.head } }
    }

    /// The reply to an echo request.
    pub(super) fn echo(packet: &Packet, from: MacAddr, ttl: u8) -> Self {
        let [source, destination] = [packet.destination(), packet.source()];
        let identifier = (packet.sequence() >> 16) as u16;
        Self { from, to: packet.mac, body: Body::Echo(EchoReply { source, destination, identifier, cookie: packet.acknowledgement, ttl }) }
    }

    pub(super) fn arp(reply: ArpReply) -> Self {
        Self { from: reply.mac, to: reply.target_mac, body: Body::Arp(reply) }
    }

    /// The same segment, changed: what forgers do.
    pub(super) fn forged(mut self, forge: impl FnOnce(&mut TcpSegment)) -> Self {
        if let Body::Tcp(segment) = &mut self.body {
            forge(segment);
        }
        self
    }

    pub(super) fn traffic(&self) -> Traffic {
        let (address, port) = match &self.body {
            Body::Tcp(segment) => (segment.source, segment.source_port),
            Body::Icmp { quoted, .. } => {
                (Ipv4Addr::new(quoted[16], quoted[17], quoted[18], quoted[19]), u16::from_be_bytes([quoted[22], quoted[23]]))
            }
            Body::Arp(reply) => (reply.addr, 0),
            Body::Echo(reply) => (reply.source, 0),
        };
        Traffic { address: address.to_bits(), port, kind: Kind::Other }
    }

    /// Writes the frame and returns its length.
    pub(super) fn write(&self, slot: &mut [u8], medium: Medium) -> usize {
        let hop = match medium {
            Medium::Ethernet => Hop::Ethernet { source: self.from, destination: self.to },
            Medium::Ip => Hop::Ip,
        };
        match &self.body {
            Body::Tcp(segment) => write_tcp(slot, hop, segment),
            &Body::Icmp { source, destination, ttl, kind, code, ref quoted } => {
                write_icmp_error(slot, hop, &IcmpMessage { source, destination, ttl, kind, code, quoted })
            }
            Body::Arp(reply) => write_arp_reply(slot, reply),
            Body::Echo(reply) => write_echo_reply(slot, hop, reply),
        }
    }
}

/// Ethernet's 1500 bytes without two headers.
const MSS: u16 = 1460;
