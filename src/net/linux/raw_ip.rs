//! Sending through a raw IP socket: the way to this very machine.
//!
//! A frame injected on `lo` by a packet socket arrives without a route and is discarded as martian, also when it is meant for another of
//! the machine's own addresses, whose route leads through `lo` as well. A packet sent by a raw IP socket (`IP_HDRINCL`) is routed and
//! answered like any other. The kernel fills in total length and header checksum; a socket of `IPPROTO_RAW` receives nothing. It cannot be bound to `lo`: the local routes of
//! own addresses name their own interfaces, and a socket bound to another does not find them.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::sys::{self, Buffer, InetDestination, To};
use crate::net::Transmitter;
use crate::net::outbox::{BATCH, Outbox};

/// A raw IP socket for sending whole IPv4 packets to where their headers say.
pub(in crate::net) struct RawIpTransmitter {
    socket: Socket,
    outbox: Outbox,
}

impl RawIpTransmitter {
    /// Opens the socket.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(in crate::net) fn open() -> Result<Self, (&'static str, io::Error)> {
        let step = |name| move |error| (name, error);
        let socket =
            Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).map_err(step("open raw IP socket for"))?;
        sys::enlarge_buffer(socket.as_fd(), Buffer::Send, SEND_BYTES).map_err(step("size send buffer on"))?;
        Ok(Self { socket, outbox: Outbox::new() })
    }
}

impl Transmitter for RawIpTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.outbox.slot()
    }

    fn commit(&mut self, len: usize) {
        self.outbox.commit(len);
    }

    fn flush(&mut self) -> io::Result<usize> {
        let socket = self.socket.as_fd();
        self.outbox.flush(|batch| {
            let mut addresses = [InetDestination::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); BATCH];
            for (i, packet) in batch.iter().enumerate() {
                match destination(packet) {
                    Some(destination) => addresses[i] = SocketAddrV4::new(destination, 0).into(),
                    None if i == 0 => return Err(io::ErrorKind::InvalidInput.into()),
                    None => return sys::send_many(socket, &batch[..i], To::Each(&addresses)),
                }
            }
            sys::send_many(socket, batch, To::Each(&addresses))
        })
    }

    fn refused(&mut self) -> u64 {
        self.outbox.refused()
    }
}

/// The destination in an IPv4 header (RFC 791 section 3.1).
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let [.., a, b, c, d] = *header;
    (header[0] >> 4 == 4).then_some(Ipv4Addr::new(a, b, c, d))
}

/// Replies come while we send, on the same processor: a short queue keeps them from overflowing the backlog of `lo`.
const SEND_BYTES: usize = 128 * 1024;
