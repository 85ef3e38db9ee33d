//! Links by Linux's own means.
//!
//! | link | transmit | receive |
//! |---|---|---|
//! | Ethernet | packet socket, `sendmmsg` | packet socket, ring, classic BPF filter |
//! | loopback, own addresses | raw IP socket, `sendmmsg` | the same on `lo`, bare IP |
//! | tunnel | packet socket, bare IP | the same, bare IP |

use std::io;

use socket2::{Domain, Socket, Type};

use super::packet_socket::PacketTransmitter;
use super::raw_ip::RawIpTransmitter;
use super::ring::{RingReceiver, Subscription};
use crate::error::Result;
use crate::net::link::{Link, LinkKind, LinkOptions, Queueing, failed};
use crate::net::{Receiver, Transmitter};
use crate::packet::{FilterSpec, Instruction, Medium, filter};

/// As [`crate::net::link::open`], with the packet engine.
pub(in crate::net) fn open(name: &str, index: u32, kind: LinkKind, options: &LinkOptions) -> Result<Link> {
    let subscription = Subscription { index, medium: kind.medium(), filter: &program(kind, options), bytes: options.receive_bytes };
    join(name, kind, &subscription, options.transmitters, options.queueing)
}

/// As [`crate::net::link::tap`].
pub(in crate::net) fn tap(name: &str, index: u32, kind: LinkKind, receive_bytes: usize) -> Result<Link> {
    join(name, kind, &Subscription { index, medium: kind.medium(), filter: &[ACCEPT], bytes: receive_bytes }, 1, Queueing::Through)
}

fn join(name: &str, kind: LinkKind, subscription: &Subscription<'_>, transmitters: usize, queueing: Queueing) -> Result<Link> {
    let explain = |(operation, error)| failed(operation, name, error);
    let &Subscription { index, medium, .. } = subscription;
    let receiver = RingReceiver::open(subscription).map_err(explain)?;
    let transmitters = (0..transmitters.max(1))
        .map(|_| -> std::result::Result<Box<dyn Transmitter>, _> {
            Ok(match kind {
                LinkKind::Ethernet | LinkKind::Tunnel => Box::new(PacketTransmitter::open(index, medium, queueing)?),
                LinkKind::Loopback => Box::new(RawIpTransmitter::open()?),
            })
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(explain)?;
    Ok(Link { medium, kind, transmitters, receiver: Box::new(receiver) as Box<dyn Receiver> })
}

/// What a link of this `kind` is to receive.
pub(super) fn program(kind: LinkKind, options: &LinkOptions) -> Vec<Instruction> {
    let spec = FilterSpec { first_port: options.first_port, last_port: options.last_port, arp: kind == LinkKind::Ethernet };
    filter(kind.medium(), &spec)
}

/// A packet socket that receives nothing until it is bound to a protocol.
pub(super) fn packet_socket(medium: Medium) -> io::Result<Socket> {
    let kind = match medium {
        Medium::Ethernet => Type::RAW,
        Medium::Ip => Type::DGRAM,
    };
    Socket::new(Domain::PACKET, kind.nonblocking(), None)
}

/// Ends a filter: the whole frame is wanted (`BPF_RET | BPF_K`).
const ACCEPT: Instruction = Instruction { code: 0x06, jt: 0, jf: 0, k: u32::MAX };
