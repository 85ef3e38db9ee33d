//! WHERE packets go: the operating system. It does not know what a scan is.
//!
//! The seam to everything above is two traits; the device lends the buffer, so one frame writer serves rings, `sendmmsg`,
//! pnet, the simulator and a dry run.

pub mod decorate;
pub mod interface;
pub mod link;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod names;
pub mod neighbour;
mod outbox;
mod portable;
pub mod ports;
pub mod privilege;
pub mod route;
pub mod view;

pub use link::{Engine, Queueing};

use std::io;
use std::time::Duration;

use crate::packet::{Checksums, Medium, Syn, SynSeries};

/// The sending half of a link.
pub trait Transmitter: Send {
    /// The next free frame slot, at least [`crate::packet::FRAME_CAPACITY`] bytes; `None` while the queue is full.
    fn slot(&mut self) -> Option<&mut [u8]>;
    /// Queues the slot last borrowed, with `len` bytes of frame in it.
    fn commit(&mut self, len: usize);
    /// Writes and queues `syns` of `series`, as many as there are slots for; how many these were. For whoever does not know the kind of
    /// transmitter it is one call for all of them.
    fn write_all(&mut self, series: &SynSeries, syns: &[Syn]) -> usize {
        for (written, syn) in syns.iter().enumerate() {
            let Some(slot) = self.slot() else { return written };
            let len = series.write(slot, syn);
            self.commit(len);
        }
        syns.len()
    }
    /// Hands queued frames to the device; how many left the queue: those it took, and those it refused for good ([`Self::refused`]). The
    /// others stay queued.
    ///
    /// # Errors
    /// `WouldBlock` (`EAGAIN`, `ENOBUFS`) says that the device is full now; anything else that the link failed.
    fn flush(&mut self) -> io::Result<usize>;
    /// How many frames are best handed over at once, where there are so many; at most as many as there are slots.
    fn batch(&self) -> usize {
        256
    }
    /// Frames given up since the link was opened: the device refused them for good (too long, malformed, barred by the machine's own
    /// firewall), so they were skipped lest they hold up the queue. [`Self::flush`] counts them among those that left the queue:
    /// frames committed = frames that left + frames still queued. Where a device drops what it had taken and says so afterwards (XDP), those
    /// count here too, and the next flush says `WouldBlock` once for them.
    fn refused(&mut self) -> u64 {
        0
    }
}

/// The receiving half of a link.
pub trait Receiver: Send {
    /// Waits up to `timeout` for frames and passes each that is there to `each`; how many there were.
    ///
    /// # Errors
    /// When the link failed: the interface went away.
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize>;
    /// Frames the kernel could not deliver, since the link was opened.
    fn dropped(&mut self) -> u64;
}

/// A received frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// From the link-layer header on (Ethernet) or the IP header on (bare IP).
    pub bytes: &'a [u8],
    /// What `bytes` begins with.
    pub medium: Medium,
    /// When the kernel saw it: nanoseconds of the wall clock since the Unix epoch (`CLOCK_REALTIME`); `None` where the link cannot tell.
    pub wall: Option<u64>,
    /// Whether its transport checksum is to be verified.
    pub checksums: Checksums,
    /// Whether a SYN-ACK in it still wants the reset that ends the half-open connection.
    pub reset: Reset,
}

/// What became of the reset a received SYN-ACK is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It is for whoever reads the frame to send.
    Due,
    /// The link has sent it.
    Sent,
    /// The link has passed the frame on before and could not send its reset, which is still due: nothing else of it is new.
    Only,
}

impl<T: Transmitter + ?Sized> Transmitter for Box<T> {
    fn slot(&mut self) -> Option<&mut [u8]> {
        (**self).slot()
    }

    fn commit(&mut self, len: usize) {
        (**self).commit(len);
    }

    fn write_all(&mut self, series: &SynSeries, syns: &[Syn]) -> usize {
        (**self).write_all(series, syns)
    }

    fn flush(&mut self) -> io::Result<usize> {
        (**self).flush()
    }

    fn batch(&self) -> usize {
        (**self).batch()
    }

    fn refused(&mut self) -> u64 {
        (**self).refused()
    }
}

impl<T: Receiver + ?Sized> Receiver for Box<T> {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        (**self).receive(timeout, each)
    }

    fn dropped(&mut self) -> u64 {
        (**self).dropped()
    }
}
