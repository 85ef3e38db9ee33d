//! Receiving from a packet socket through a `TPACKET_V3` ring.
//!
//! The kernel packs frames that pass the filter into blocks of shared memory and hands a block over when it is full or a millisecond old:
//! no system call and no copy per frame, and under a flood the ring is a queue of tens of thousands of replies. The socket is opened with
//! protocol 0, which receives nothing, and bound only when filter and ring are in place, so that no frame slips in unfiltered.
//!
//! A bare IP link is bound to IPv4 alone and sees only what comes in. That is why `lo` is received as bare IP: bound to all protocols it
//! shows each packet on its way out and in again.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockFilter, Socket};

use super::block::{Captured, Frames};
use super::link;
use super::sys::{self, BlockRing, Layout, LinkAddress, Readiness};
use crate::net::{Frame, Receiver, Reset};
use crate::packet::{Instruction, Medium};

/// What a receive ring is to receive.
#[derive(Clone, Copy)]
pub(super) struct Subscription<'a> {
    /// The interface's number.
    pub(super) index: u32,
    /// What frames shall begin with.
    pub(super) medium: Medium,
    /// Which frames.
    pub(super) filter: &'a [Instruction],
    /// The ring's size in bytes, rounded up to whole blocks.
    pub(super) bytes: usize,
}

/// A packet socket with a receive ring.
pub(super) struct RingReceiver {
    ring: BlockRing,
    socket: Socket,
    medium: Medium,
    next: usize,
    dropped: u64,
    failure: Option<i32>,
}

impl RingReceiver {
    /// Opens, filters and binds the socket.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(super) fn open(subscription: &Subscription<'_>) -> Result<Self, (&'static str, io::Error)> {
        let step = |name| move |error| (name, error);
        let socket = link::packet_socket(subscription.medium).map_err(step("open packet socket on"))?;
        attach_filter(&socket, subscription.filter).map_err(step("attach filter to"))?;
        sys::ignore_outgoing(socket.as_fd()).map_err(step("ignore outgoing frames on"))?;
        sys::use_version_3(socket.as_fd()).map_err(step("set ring version on"))?;
        let ring = map_ring(&socket, subscription.bytes).map_err(step("set up receive ring on"))?;
        let protocol = match subscription.medium {
            Medium::Ethernet => libc::ETH_P_ALL,
            Medium::Ip => libc::ETH_P_IP,
        };
        let address = LinkAddress::new(subscription.index, protocol as u16);
        sys::bind(socket.as_fd(), &address).map_err(step("receive on"))?;
        // Binding to an interface that is down succeeds and leaves the error behind.
        socket.take_error().and_then(|error| error.map_or(Ok(()), Err)).map_err(step("receive on"))?;
        Ok(Self { ring, socket, medium: subscription.medium, next: 0, dropped: 0, failure: None })
    }

    /// Passes on the frames that are there, at most one round of the ring so that a flood cannot keep the caller.
    fn drain(&mut self, each: &mut dyn FnMut(Frame<'_>)) -> usize {
        let (mut count, mut losing) = (0, false);
        for _ in 0..self.ring.blocks() {
            let Some(block) = self.ring.block(self.next) else { break };
            for captured in Frames::of(block) {
                losing |= captured.losing;
                count += 1;
                let Captured { bytes, wall, checksums, .. } = captured;
                each(Frame { bytes, medium: self.medium, wall: Some(wall), checksums, reset: Reset::Due });
            }
            self.ring.release(self.next);
            self.next = (self.next + 1) % self.ring.blocks();
        }
        if losing {
            self.count_dropped();
        }
        count
    }

    fn count_dropped(&mut self) {
        // Reading fails only for a socket that is no packet socket.
        self.dropped += u64::from(sys::dropped(self.socket.as_fd()).unwrap_or(0));
    }

    /// The error behind `POLLERR`; the socket forgets it when asked, this receiver does not.
    fn failure(&mut self) -> io::Error {
        let error = self.socket.take_error().ok().flatten().unwrap_or_else(|| io::Error::from_raw_os_error(libc::ENETDOWN));
        self.failure = Some(error.raw_os_error().unwrap_or(libc::ENETDOWN));
        error
    }
}

impl Receiver for RingReceiver {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        let count = self.drain(each);
        if count > 0 {
            return Ok(count);
        }
        if let Some(number) = self.failure {
            return Err(io::Error::from_raw_os_error(number));
        }
        match sys::wait_readable(self.socket.as_fd(), timeout)? {
            Readiness::Nothing => Ok(0),
            Readiness::Readable => Ok(self.drain(each)),
            Readiness::Failed => match self.drain(each) {
                0 => Err(self.failure()),
                count => Ok(count),
            },
        }
    }

    fn dropped(&mut self) -> u64 {
        self.count_dropped();
        self.dropped
    }
}

/// Attaches a classic BPF filter; every frame that arrives from now on meets it.
pub(super) fn attach_filter(socket: &Socket, filter: &[Instruction]) -> io::Result<()> {
    let program: Vec<SockFilter> = filter.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
    socket.attach_filter(&program)
}

/// Rings of half the size are tried while memory is short.
fn map_ring(socket: &Socket, bytes: usize) -> io::Result<BlockRing> {
    let wanted = bytes.div_ceil(BLOCK_BYTES as usize).clamp(MIN_BLOCKS as usize, MAX_BLOCKS as usize) as u32;
    let mut blocks = wanted;
    loop {
        match sys::map_ring(socket.as_fd(), Layout { block_bytes: BLOCK_BYTES, blocks, timeout_ms: BLOCK_TIMEOUT_MS }) {
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory && blocks > MIN_BLOCKS => blocks = (blocks / 2).max(MIN_BLOCKS),
            outcome => return outcome,
        }
    }
}

/// A block holds some 400 replies, so at a million a second blocks fill faster than they age, and when few come, the ring still has
/// enough blocks for the reader to be late by as many milliseconds.
const BLOCK_BYTES: u32 = 64 * 1024;

/// One block to fill, one to read.
const MIN_BLOCKS: u32 = 2;

/// 1 GiB.
const MAX_BLOCKS: u32 = 16 * 1024;

/// Milliseconds; more would add to every round-trip time and look like loss to a rate controller.
const BLOCK_TIMEOUT_MS: u32 = 1;
