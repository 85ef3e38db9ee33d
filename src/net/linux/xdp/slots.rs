//! The ring of frames that the sending program takes from: one writer, here, and one reader, in the kernel.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::Ebpf;

use super::object::{self, Failure};
use crate::net::linux::sys::SharedMemory;
use crate::packet::FRAME_CAPACITY;

/// What both sides say of the ring: `struct control` of the program.
#[derive(Debug)]
pub(super) struct Control(SharedMemory);

impl Control {
    fn produced(&self) -> &AtomicU64 {
        self.0.word(0)
    }

    /// Frames the program has taken from the ring.
    pub(super) fn consumed(&self) -> u64 {
        self.0.word(64).load(Ordering::Acquire)
    }

    /// How often the program has looked for more: it runs.
    pub(super) fn looks(&self) -> u64 {
        self.0.word(80).load(Ordering::Relaxed)
    }

    /// Frames that the device dropped, or that were malformed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.word(128).load(Ordering::Relaxed) + self.0.word(136).load(Ordering::Relaxed)
    }

    /// Why the device last dropped something, if it is down or gone.
    pub(super) fn failure(&self) -> Option<io::Error> {
        let number = self.0.word(144).load(Ordering::Relaxed) as i32;
        matches!(number, libc::ENETDOWN | libc::ENODEV).then(|| io::Error::from_raw_os_error(number))
    }

    /// Whether the program has taken all that was handed to it.
    pub(super) fn is_drained(&self) -> bool {
        self.consumed() == self.produced().load(Ordering::Relaxed)
    }
}

/// The writing end.
pub(super) struct Slots {
    memory: SharedMemory,
    control: Arc<Control>,
    /// Frames written, and frames written that the program knows of.
    written: u64,
    published: u64,
}

impl Slots {
    /// The ring of a loaded program.
    pub(super) fn of(object: &mut Ebpf) -> Result<Self, Failure> {
        let mut map = |name, len| {
            let data = object::array(object, name)?;
            SharedMemory::map(data.fd().as_fd(), len).map_err(object::step("map ring of frames for"))
        };
        let memory = map("slots", SLOTS * SLOT_BYTES)?;
        let control = Arc::new(Control(map("control", CONTROL_BYTES)?));
        Ok(Self { memory, control, written: 0, published: 0 })
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// As [`crate::net::Transmitter::slot`].
    pub(super) fn slot(&mut self) -> Option<&mut [u8]> {
        if self.written - self.control.consumed() >= ROOM {
            return None;
        }
        Some(self.memory.bytes(place(self.written) + HEADER, FRAME_CAPACITY))
    }

    /// As [`crate::net::Transmitter::commit`].
    pub(super) fn commit(&mut self, len: usize) {
        let len = len.min(FRAME_CAPACITY) as u64;
        self.memory.bytes(place(self.written), HEADER).copy_from_slice(&len.to_ne_bytes());
        self.written += 1;
    }

    /// Lets the program see what was written; how many frames it did not know of.
    pub(super) fn publish(&mut self) -> u64 {
        self.control.produced().store(self.written, Ordering::Release);
        let new = self.written - self.published;
        self.published = self.written;
        new
    }

    /// Whether every frame written was taken by the program.
    pub(super) fn is_drained(&self) -> bool {
        self.written == self.control.consumed()
    }
}

fn place(number: u64) -> usize {
    number as usize % SLOTS * SLOT_BYTES
}

/// At the millions of frames a second a device takes this is two milliseconds' worth: a sender that sleeps for one keeps it busy.
const SLOTS: usize = 8192;
/// A length, a frame, and what fills the cache lines.
const SLOT_BYTES: usize = 192;
const HEADER: usize = 8;
const CONTROL_BYTES: usize = 192;
/// The reader says that it has taken a frame a moment after it has; where a processor reorders writes, perhaps before.
const ROOM: u64 = SLOTS as u64 - 64;
