//! A link that shows frames instead of sending them.

use std::io;

use crate::net::Transmitter;
use crate::packet::FRAME_CAPACITY;

/// Passes each frame to a function; nothing is sent.
pub struct DryRun<F> {
    show: F,
    slot: [u8; FRAME_CAPACITY],
    queued: usize,
}

impl<F: FnMut(&[u8]) + Send> DryRun<F> {
    /// Frames go to `show`, in order, as they are committed.
    pub fn new(show: F) -> Self {
        Self { show, slot: [0; FRAME_CAPACITY], queued: 0 }
    }
}

impl<F: FnMut(&[u8]) + Send> Transmitter for DryRun<F> {
    fn slot(&mut self) -> Option<&mut [u8]> {
        Some(&mut self.slot)
    }

    fn commit(&mut self, len: usize) {
        (self.show)(&self.slot[..len.min(FRAME_CAPACITY)]);
        self.queued += 1;
    }

    fn flush(&mut self) -> io::Result<usize> {
        Ok(std::mem::take(&mut self.queued))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_frames_in_order() {
        let mut shown = Vec::new();
        let mut link = DryRun::new(|frame: &[u8]| shown.push(frame.to_vec()));
        for byte in [1, 2] {
            link.slot().unwrap()[..3].fill(byte);
            link.commit(3);
        }
        assert_eq!((link.flush().unwrap(), link.flush().unwrap(), link.refused()), (2, 0, 0));
        assert_eq!(shown, [[1; 3], [2; 3]]);
    }
}
