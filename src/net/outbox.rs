//! Frames waiting for a device, and what to do when it will not take one. Every transmitter of this crate is an outbox and a way to send.

use std::io;

use crate::packet::FRAME_CAPACITY;

/// A queue of frame slots in the order they were committed.
pub(super) struct Outbox {
    slots: Box<[Slot]>,
    head: usize,
    queued: usize,
    refused: u64,
    tries: u32,
}

#[derive(Clone)]
struct Slot {
    frame: [u8; FRAME_CAPACITY],
    len: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let slots = vec![Slot { frame: [0; FRAME_CAPACITY], len: 0 }; CAPACITY].into_boxed_slice();
        Self { slots, head: 0, queued: 0, refused: 0, tries: 0 }
    }

    /// As [`super::Transmitter::slot`].
    pub(super) fn slot(&mut self) -> Option<&mut [u8]> {
        if self.queued == CAPACITY {
            return None;
        }
        Some(&mut self.slots[(self.head + self.queued) % CAPACITY].frame)
    }

    /// As [`super::Transmitter::commit`].
    pub(super) fn commit(&mut self, len: usize) {
        assert!(self.queued < CAPACITY, "commit without a slot");
        self.slots[(self.head + self.queued) % CAPACITY].len = len.min(FRAME_CAPACITY);
        self.queued += 1;
    }

    /// As [`super::Transmitter::refused`].
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Passes the queued frames to `send`, up to [`BATCH`] at a time, until none is left or the device is full; how many left the
    /// queue: taken, or refused for good.
    ///
    /// `send` says how many frames from the front it took, or why it did not take the first.
    ///
    /// # Errors
    /// As [`super::Transmitter::flush`]; when some frames left the queue, the error waits for the next call.
    pub(super) fn flush(&mut self, mut send: impl FnMut(&[&[u8]]) -> io::Result<usize>) -> io::Result<usize> {
        let mut gone = 0;
        while self.queued > 0 {
            let mut batch: [&[u8]; BATCH] = [&[]; BATCH];
            let count = self.queued.min(BATCH);
            for (i, frame) in batch[..count].iter_mut().enumerate() {
                let slot = &self.slots[(self.head + i) % CAPACITY];
                *frame = &slot.frame[..slot.len];
            }
            let refusal = match send(&batch[..count]) {
                Ok(0) => Refusal::Full,
                Ok(accepted) => {
                    let accepted = accepted.min(count);
                    self.skip(accepted);
                    gone += accepted;
                    continue;
                }
                Err(error) => Refusal::of(error),
            };
            match refusal {
                Refusal::Full if self.tries < PATIENCE => {
                    self.tries += 1;
                    return if gone > 0 { Ok(gone) } else { Err(io::ErrorKind::WouldBlock.into()) };
                }
                Refusal::Full | Refusal::Frame => {
                    self.refuse();
                    gone += 1;
                }
                Refusal::Link(_) if gone > 0 => return Ok(gone),
                Refusal::Link(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    fn refuse(&mut self) {
        self.skip(1);
        self.refused += 1;
    }

    fn skip(&mut self, count: usize) {
        self.head = (self.head + count) % CAPACITY;
        self.queued -= count;
        self.tries = 0;
    }
}

/// Why a device did not take a frame.
enum Refusal {
    /// It is full now.
    Full,
    /// This frame cannot be sent; the next one may.
    Frame,
    /// No frame can be sent.
    Link(io::Error),
}

impl Refusal {
    fn of(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.raw_os_error() {
            Some(number) if number == number::NO_BUFFERS => return Self::Full,
            Some(number) if number == number::MESSAGE_SIZE => return Self::Frame,
            _ => {}
        }
        match error.kind() {
            Kind::WouldBlock | Kind::Interrupted | Kind::OutOfMemory | Kind::TimedOut => Self::Full,
            Kind::InvalidInput | Kind::PermissionDenied | Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
                Self::Frame
            }
            _ => Self::Link(error),
        }
    }
}

/// Error numbers that [`io::ErrorKind`] has no name for.
#[cfg(target_os = "linux")]
mod number {
    pub(super) const NO_BUFFERS: i32 = libc::ENOBUFS;
    pub(super) const MESSAGE_SIZE: i32 = libc::EMSGSIZE;
}

/// `sys/errno.h` of the BSDs and macOS; Windows reports neither.
#[cfg(not(target_os = "linux"))]
mod number {
    pub(super) const NO_BUFFERS: i32 = 55;
    pub(super) const MESSAGE_SIZE: i32 = 40;
}

/// Frames an outbox holds.
pub(super) const CAPACITY: usize = 256;

/// Frames passed on at once. The cost of a system call over 64 frames is already below that of copying them.
pub(super) const BATCH: usize = 64;

/// How often in a row the same frame meets a full device before it is given up. A queue that drains at all takes it long before;
/// an egress rule that drops it reports `ENOBUFS` as well, and for ever.
const PATIENCE: u32 = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(outbox: &mut Outbox, frame: &[u8]) -> bool {
        let Some(slot) = outbox.slot() else { return false };
        slot[..frame.len()].copy_from_slice(frame);
        outbox.commit(frame.len());
        true
    }

    #[test]
    fn holds_its_capacity_and_no_more() {
        let mut outbox = Outbox::new();
        for i in 0..CAPACITY {
            assert!(put(&mut outbox, &[i as u8]));
        }
        assert!(outbox.slot().is_none());
        assert_eq!(outbox.flush(|batch| Ok(batch.len())).unwrap(), CAPACITY);
        assert!(outbox.slot().is_some());
    }

    #[test]
    fn a_refused_frame_is_skipped_and_counted() {
        let mut outbox = Outbox::new();
        for frame in [b"a", b"!", b"b"] {
            put(&mut outbox, frame);
        }
        let mut sent = Vec::new();
        let gone = outbox.flush(|batch| {
            if batch[0] == b"!" {
                return Err(io::Error::from_raw_os_error(number::MESSAGE_SIZE));
            }
            sent.extend_from_slice(batch[0]);
            Ok(1)
        });
        assert_eq!((gone.unwrap(), outbox.refused(), sent.as_slice()), (3, 1, b"ab".as_slice()));
    }

    #[test]
    fn a_failed_link_is_reported_after_what_was_taken() {
        let mut outbox = Outbox::new();
        put(&mut outbox, b"a");
        put(&mut outbox, b"b");
        let mut first = true;
        let mut send = |_: &[&[u8]]| if std::mem::take(&mut first) { Ok(1) } else { Err(io::ErrorKind::NetworkDown.into()) };
        assert_eq!(outbox.flush(&mut send).unwrap(), 1);
        assert_eq!(outbox.flush(&mut send).unwrap_err().kind(), io::ErrorKind::NetworkDown);
        assert_eq!(outbox.flush(|batch| Ok(batch.len())).unwrap(), 1, "the frame was kept");
    }

    #[test]
    fn a_frame_no_device_queue_ever_takes_is_given_up() {
        let mut outbox = Outbox::new();
        put(&mut outbox, b"a");
        let full = |_: &[&[u8]]| Err(io::Error::from_raw_os_error(number::NO_BUFFERS));
        for _ in 0..PATIENCE {
            assert_eq!(outbox.flush(full).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        assert_eq!(outbox.refused(), 0);
        assert_eq!(outbox.flush(full).unwrap(), 1);
        assert_eq!(outbox.refused(), 1);
    }

    proptest! {
        /// Whatever the device answers, frames leave in order, none twice, and committed = gone + queued.
        #[test]
        fn nothing_is_lost_or_repeated(answers in prop::collection::vec(0..6u8, 1..200)) {
            let mut outbox = Outbox::new();
            let (mut committed, mut gone) = (0u32, 0);
            let (mut sent, mut refused) = (Vec::new(), Vec::new());
            for answer in answers {
                for _ in 0..40 {
                    if put(&mut outbox, &committed.to_be_bytes()) {
                        committed += 1;
                    }
                }
                let mut answer = answer;
                let outcome = outbox.flush(|batch| {
                    let numbers: Vec<u32> = batch.iter().map(|frame| u32::from_be_bytes((*frame).try_into().unwrap())).collect();
                    answer = (answer + 1) % 6;
                    match answer {
                        0 => Err(io::Error::from_raw_os_error(number::NO_BUFFERS)),
                        1 => { refused.push(numbers[0]); Err(io::ErrorKind::InvalidInput.into()) }
                        2 => Err(io::ErrorKind::NetworkDown.into()),
                        3 => Err(io::ErrorKind::WouldBlock.into()),
                        n => {
                            let n = numbers.len().min(n as usize * 7);
                            sent.extend_from_slice(&numbers[..n]);
                            Ok(n)
                        }
                    }
                });
                gone += outcome.unwrap_or(0) as u32;
            }
            prop_assert_eq!(outbox.refused(), refused.len() as u64);
            prop_assert_eq!(gone as usize, sent.len() + refused.len());
            prop_assert_eq!(committed as usize, sent.len() + refused.len() + outbox.queued);
            sent.extend(&refused);
            sent.sort_unstable();
            prop_assert!(sent.iter().copied().eq(0..sent.len() as u32), "{sent:?}");
        }
    }
}
