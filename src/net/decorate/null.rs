//! A link to nowhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::net::{Frame, Receiver, Transmitter};
use crate::packet::FRAME_CAPACITY;

/// Takes every frame and forgets it; receives nothing, without waiting. For measuring what comes before a link.
pub struct Null {
    slot: [u8; FRAME_CAPACITY],
    queued: usize,
    frames: Arc<AtomicU64>,
}

impl Null {
    /// Adds the number of frames flushed to `frames`, by which it can be read while the link is lent out.
    pub fn counting(frames: Arc<AtomicU64>) -> Self {
        Self { slot: [0; FRAME_CAPACITY], queued: 0, frames }
    }

    /// Does not tell anyone how many frames it took.
    pub fn new() -> Self {
        Self::counting(Arc::default())
    }
}

impl Default for Null {
    fn default() -> Self {
        Self::new()
    }
}

impl Transmitter for Null {
    fn slot(&mut self) -> Option<&mut [u8]> {
        Some(&mut self.slot)
    }

    fn commit(&mut self, len: usize) {
        // Or the compiler may leave out the building of the frame that a bench measures.
        std::hint::black_box(&self.slot[..len.min(FRAME_CAPACITY)]);
        self.queued += 1;
    }

    fn flush(&mut self) -> io::Result<usize> {
        self.frames.fetch_add(self.queued as u64, Ordering::Relaxed);
        Ok(std::mem::take(&mut self.queued))
    }
}

impl Receiver for Null {
    fn receive(&mut self, _timeout: Duration, _each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        Ok(0)
    }

    fn dropped(&mut self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_flushed() {
        let frames = Arc::new(AtomicU64::new(0));
        let mut link = Null::counting(Arc::clone(&frames));
        for _ in 0..3 {
            assert!(link.slot().unwrap().len() >= FRAME_CAPACITY);
            link.commit(60);
        }
        assert_eq!(frames.load(Ordering::Relaxed), 0);
        assert_eq!((link.flush().unwrap(), frames.load(Ordering::Relaxed)), (3, 3));
    }
}
