//! Sending through a packet socket with `sendmmsg`.
//!
//! Measured beside it: one `sendto` per frame is a third slower; a TX ring is up to a third faster on an idle device and slower on veth,
//! and its fixed frames report refusals one poll late. `PACKET_QDISC_BYPASS` would save the queueing discipline, whose push-back is what
//! tells us to slow down. The socket has protocol 0: it receives nothing, whatever arrives.

use std::io;
use std::os::fd::AsFd;

use socket2::Socket;

use super::link;
use super::sys::{self, Buffer, LinkAddress, To};
use crate::net::Transmitter;
use crate::net::outbox::Outbox;
use crate::packet::Medium;

/// A packet socket for sending on one interface.
pub(super) struct PacketTransmitter {
    socket: Socket,
    /// Where bare IP packets go; the kernel adds the link's header, if any, for this protocol.
    address: Option<LinkAddress>,
    outbox: Outbox,
}

impl PacketTransmitter {
    /// Opens a socket that sends frames of `medium` on the interface numbered `index`.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(super) fn open(index: u32, medium: Medium) -> Result<Self, (&'static str, io::Error)> {
        let step = |name| move |error| (name, error);
        let socket = link::packet_socket(medium).map_err(step("open packet socket on"))?;
        sys::enlarge_buffer(socket.as_fd(), Buffer::Send, SEND_BYTES).map_err(step("size send buffer on"))?;
        sys::bind(socket.as_fd(), &LinkAddress::new(index, 0)).map_err(step("send on"))?;
        let address = match medium {
            Medium::Ethernet => None,
            Medium::Ip => Some(LinkAddress::new(index, libc::ETH_P_IP as u16)),
        };
        Ok(Self { socket, address, outbox: Outbox::new() })
    }
}

impl Transmitter for PacketTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.outbox.slot()
    }

    fn commit(&mut self, len: usize) {
        self.outbox.commit(len);
    }

    fn flush(&mut self) -> io::Result<usize> {
        let to = self.address.as_ref().map_or(To::Bound, To::Link);
        let socket = self.socket.as_fd();
        self.outbox.flush(|batch| sys::send_many(socket, batch, to))
    }

    fn refused(&mut self) -> u64 {
        self.outbox.refused()
    }
}

/// The kernel doubles it and counts 768 bytes a short frame: some 680 frames, fewer than the 1,000 a device queue usually holds, so that
/// a full link shows as `EAGAIN` before the queue has to drop.
const SEND_BYTES: usize = 256 * 1024;
