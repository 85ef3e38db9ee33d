//! A packet socket made ready for pnet, which only has to bind it.

use std::io;
use std::os::fd::{AsFd, IntoRawFd, RawFd};

use socket2::Socket;

use super::link;
use super::ring::attach_filter;
use super::sys::{self, Buffer};
use crate::error::Result;
use crate::net::link::{LinkKind, LinkOptions, failed};

/// Our half of a socket that pnet reads and writes.
pub(in crate::net) struct PreparedSocket {
    socket: Socket,
    dropped: u64,
}

impl PreparedSocket {
    /// Opens a socket that will deliver what a link of this `kind` is to receive.
    pub(in crate::net) fn open(name: &str, kind: LinkKind, options: &LinkOptions) -> Result<Self> {
        let failed = |operation| move |error| failed(operation, name, error);
        let socket = link::packet_socket(kind.medium()).map_err(failed("open packet socket on"))?;
        attach_filter(&socket, &link::program(kind, options)).map_err(failed("attach filter to"))?;
        sys::ignore_outgoing(socket.as_fd()).map_err(failed("ignore outgoing frames on"))?;
        sys::enlarge_buffer(socket.as_fd(), Buffer::Receive, options.receive_bytes).map_err(failed("size receive buffer on"))?;
        Ok(Self { socket, dropped: 0 })
    }

    /// The socket for pnet, which closes it.
    pub(in crate::net) fn hand_over(&self) -> io::Result<Option<RawFd>> {
        Ok(Some(self.socket.try_clone()?.into_raw_fd()))
    }

    /// The error that binding to an interface that is down leaves behind.
    pub(in crate::net) fn check_bound(&self) -> io::Result<()> {
        self.socket.take_error()?.map_or(Ok(()), Err)
    }

    /// Why reading failed, where pnet only says that the socket had something to say.
    pub(in crate::net) fn failure(&self, error: io::Error) -> io::Error {
        match self.socket.take_error() {
            Ok(Some(cause)) => cause,
            _ => error,
        }
    }

    /// Frames the kernel could not deliver so far.
    pub(in crate::net) fn dropped(&mut self) -> u64 {
        // Reading fails only for a socket that is no packet socket.
        self.dropped += u64::from(sys::dropped(self.socket.as_fd()).unwrap_or(0));
        self.dropped
    }
}
