//! Links that tell a function of every frame: for captures.
//!
//! The function decides where frames go; for a pcapng file that is [`crate::packet::pcapng`]. It also stamps what is sent, since a link
//! knows no clock.

use std::io;
use std::time::Duration;

use crate::net::{Frame, Receiver, Transmitter};
use crate::packet::FRAME_CAPACITY;

/// A transmitter that tells of each frame as it is queued.
///
/// A frame that the device then refuses (see [`Transmitter::refused`]) has been told of as well.
pub struct RecordSent<T, F> {
    inner: T,
    record: F,
    slot: [u8; FRAME_CAPACITY],
}

impl<T: Transmitter, F: FnMut(&[u8]) + Send> RecordSent<T, F> {
    /// Frames go to `inner`; `record` sees them.
    pub fn new(inner: T, record: F) -> Self {
        Self { inner, record, slot: [0; FRAME_CAPACITY] }
    }
}

impl<T: Transmitter, F: FnMut(&[u8]) + Send> Transmitter for RecordSent<T, F> {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.inner.slot().is_some().then_some(&mut self.slot)
    }

    fn commit(&mut self, len: usize) {
        let frame = &self.slot[..len.min(FRAME_CAPACITY)];
        if let Some(slot) = self.inner.slot() {
            slot[..frame.len()].copy_from_slice(frame);
            self.inner.commit(frame.len());
            (self.record)(frame);
        }
    }

    fn flush(&mut self) -> io::Result<usize> {
        self.inner.flush()
    }

    fn refused(&mut self) -> u64 {
        self.inner.refused()
    }
}

/// A receiver that tells of each frame before it passes it on.
pub struct RecordReceived<R, F> {
    inner: R,
    record: F,
}

impl<R: Receiver, F: FnMut(&Frame<'_>) + Send> RecordReceived<R, F> {
    /// Frames come from `inner`; `record` sees them first.
    pub fn new(inner: R, record: F) -> Self {
        Self { inner, record }
    }
}

impl<R: Receiver, F: FnMut(&Frame<'_>) + Send> Receiver for RecordReceived<R, F> {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        let record = &mut self.record;
        self.inner.receive(timeout, &mut |frame| {
            record(&frame);
            each(frame);
        })
    }

    fn dropped(&mut self) -> u64 {
        self.inner.dropped()
    }
}
