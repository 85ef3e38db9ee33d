//! Asking and telling the kernel: rtnetlink(7). The socket belongs to the namespace of the thread that opened it.

mod links;
mod neighbours;
mod routes;
mod rules;

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::error::{Error, Result};

pub(crate) use links::{Address, Link};
pub(crate) use routes::{Answer, Question, Route};

/// A conversation with the kernel about links, addresses, routes and neighbours.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens it in the calling thread's namespace.
    pub(crate) fn open() -> Result<Self> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|cause| Error::io("open", "netlink socket", cause))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(RECEIVE_BUFFER) })
    }

    /// Has the kernel make something that must not be there yet.
    pub(crate) fn create(&mut self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.exchange(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Has the kernel change or delete something.
    pub(crate) fn change(&mut self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.exchange(message, NLM_F_ACK).map(drop)
    }

    /// Asks one question; the kernel's "no" is an error of the operating system.
    fn ask(&mut self, message: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        self.exchange(message, 0)?.ok_or_else(|| not_understood("no answer"))
    }

    fn exchange(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Option<RouteNetlinkMessage>> {
        self.send(message, flags)?;
        loop {
            self.receive()?;
            for part in parts(&self.buffer) {
                let message = decode(part?)?;
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => return Ok(Some(inner)),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    _ => return Ok(None),
                }
            }
        }
    }

    /// What `keep` keeps of a whole list, and how many of its entries were not understood. A list that changed while it was
    /// read is read again.
    fn dump<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        mut keep: impl FnMut(RouteNetlinkMessage) -> Option<T>,
    ) -> io::Result<(Vec<T>, usize)> {
        for _ in 0..DUMP_TRIES {
            self.send(message.clone(), NLM_F_DUMP)?;
            let mut list = List { kept: Vec::new(), not_understood: 0, interrupted: false };
            while self.receive_part(&mut list, &mut keep)? {}
            if !list.interrupted {
                return Ok((list.kept, list.not_understood));
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the list keeps changing while it is read"))
    }

    /// Reads one datagram of a list; false after the last.
    fn receive_part<T>(&mut self, list: &mut List<T>, keep: &mut impl FnMut(RouteNetlinkMessage) -> Option<T>) -> io::Result<bool> {
        self.receive()?;
        for part in parts(&self.buffer) {
            let part = part?;
            if NetlinkBuffer::new(part).sequence_number() != self.sequence {
                continue;
            }
            list.interrupted |= NetlinkBuffer::new(part).flags() & NLM_F_DUMP_INTR != 0;
            match decode(part).map(|message| message.payload) {
                Ok(NetlinkPayload::InnerMessage(inner)) => list.kept.extend(keep(inner)),
                Ok(NetlinkPayload::Done(done)) if done.code < 0 => return Err(io::Error::from_raw_os_error(-done.code)),
                Ok(NetlinkPayload::Done(_)) => return Ok(false),
                Ok(NetlinkPayload::Error(error)) => return Err(error.to_io()),
                Ok(_) => {}
                Err(_) => list.not_understood += 1,
            }
        }
        Ok(true)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_TRUNC) {
                Ok(length) if length > self.buffer.len() => return Err(not_understood("answer longer than its buffer")),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

struct List<T> {
    kept: Vec<T>,
    not_understood: usize,
    interrupted: bool,
}

/// The messages of a datagram, each with its header.
fn parts(mut datagram: &[u8]) -> impl Iterator<Item = io::Result<&[u8]>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let length = match NetlinkBuffer::new_checked(datagram) {
            Ok(header) => header.length() as usize,
            Err(cause) => {
                datagram = &[];
                return Some(Err(not_understood(cause)));
            }
        };
        let (message, rest) = datagram.split_at(length);
        // Messages begin at multiples of four bytes.
        datagram = rest.get(length.next_multiple_of(4) - length..).unwrap_or_default();
        Some(Ok(message))
    })
}

fn decode(message: &[u8]) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(message).map_err(not_understood)
}

fn not_understood(cause: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel's answer was not understood: {cause}"))
}

/// Above the 32 KiB the kernel fills at most in one go while a list is read.
const RECEIVE_BUFFER: usize = 64 << 10;
const DUMP_TRIES: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_shorter_than_its_header_ends_the_datagram() {
        for length in 0_u32..16 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            let read: Vec<_> = parts(&bytes).collect();
            assert!(matches!(read.as_slice(), [Err(_)]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_panics_or_loops(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let mut read = 0;
            for part in parts(&bytes).flatten() {
                read += part.len();
                let _ = decode(part);
            }
            prop_assert!(read <= bytes.len());
        }
    }
}
