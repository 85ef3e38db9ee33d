//! Frames that wait in memory the program reads.

use crate::net::linux::sys::SharedMemory;
use crate::packet::FRAME_CAPACITY;

/// A sender's slots: a bank is filled from the first to the last, sent, and filled again.
pub(super) struct Slots {
    memory: SharedMemory,
    /// Which bank is filled, among those of all senders.
    bank: usize,
    sent: usize,
    written: usize,
}

impl Slots {
    /// The slots of sender `number` in `memory`, which holds those of all.
    pub(super) fn new(memory: SharedMemory, number: usize) -> Self {
        Self { memory, bank: number, sent: 0, written: 0 }
    }

    /// Slots of all of so many senders, a bank each. One alone has [`BANKS`].
    pub(super) fn of(senders: usize) -> usize {
        if senders > 1 { senders * SLOTS } else { BANKS * SLOTS }
    }

    /// Goes on with the next bank of a sender that is alone: the number of the first frame that waits in this, and how many do.
    pub(super) fn turn(&mut self) -> (u64, usize) {
        let waiting = self.waiting();
        self.bank = (self.bank + 1) % BANKS;
        (self.sent, self.written) = (0, 0);
        waiting
    }

    /// As [`crate::net::Transmitter::slot`].
    pub(super) fn slot(&mut self) -> Option<&mut [u8]> {
        let place = self.place(self.written);
        (self.written < SLOTS).then(|| self.memory.bytes(place + HEADER, FRAME_CAPACITY))
    }

    /// As [`crate::net::Transmitter::commit`].
    pub(super) fn commit(&mut self, len: usize) {
        let (place, len) = (self.place(self.written), len.min(FRAME_CAPACITY) as u64);
        self.memory.bytes(place, HEADER).copy_from_slice(&len.to_ne_bytes());
        self.written += 1;
    }

    /// The number of the first that waits, and how many do.
    pub(super) fn waiting(&self) -> (u64, usize) {
        ((self.bank * SLOTS + self.sent) as u64, self.written - self.sent)
    }

    /// The first `count` of those that wait have left.
    pub(super) fn left(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.written {
            (self.sent, self.written) = (0, 0);
        }
    }

    /// The frame that has waited longest.
    pub(super) fn front(&mut self) -> &[u8] {
        let place = self.place(self.sent);
        let slot = self.memory.bytes(place, HEADER + FRAME_CAPACITY);
        let (header, frame) = slot.split_at(HEADER);
        let len = header.first_chunk().map_or(0, |len| u64::from_ne_bytes(*len) as usize);
        &frame[..len.min(FRAME_CAPACITY)]
    }

    fn place(&self, number: usize) -> usize {
        (self.bank * SLOTS + number) * SLOT_BYTES
    }
}

/// Slots of a bank.
pub(super) const SLOTS: usize = 1024;
/// Banks of a sender that is alone: some are filled while the frames of the others leave.
pub(super) const BANKS: usize = 8;
/// `struct slot` of the program: a length, a frame, and what fills the cache lines.
pub(super) const SLOT_BYTES: usize = 192;
const HEADER: usize = 8;
