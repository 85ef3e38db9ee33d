//! Sending many frames in a call, or a few through a packet socket. A sender that is alone has the call made by another thread where there is
//! another processor for it, and calls beside that when it has enough to do and the device another queue. Several call side by side or, where
//! the device has one queue, take turns, and write while another calls.

use std::io;
use std::sync::Arc;

use super::caller::Caller;
use super::object::Failure;
use super::program::{Program, Sent};
use super::slots::{BANKS, SLOTS, Slots};
use crate::net::Transmitter;

/// Slots the program sends from, and a packet socket for when there are few frames.
pub(super) struct XdpTransmitter {
    program: Arc<Program>,
    slots: Slots,
    lane: usize,
    packets: Box<dyn Transmitter>,
    caller: Option<Caller>,
    /// Whether a thread for the calls is wanted.
    is_alone: bool,
    /// Frames that the packet socket was given, and those of them it said it took.
    given: u64,
    taken: u64,
    refused: u64,
    /// The device dropped frames when it was last given some.
    is_full: bool,
    /// The interface went down in a call of which some frames were told already.
    failure: Option<io::Error>,
}

impl XdpTransmitter {
    /// The transmitter of sender `number`; few frames go through `packets`.
    pub(super) fn new(program: &Arc<Program>, number: usize, packets: Box<dyn Transmitter>) -> Result<Self, Failure> {
        let slots = Slots::new(program.slots()?, number);
        let is_alone = program.has_one_sender() && std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        Ok(Self {
            program: Arc::clone(program),
            slots,
            lane: number,
            packets,
            caller: None,
            is_alone,
            given: 0,
            taken: 0,
            refused: 0,
            is_full: false,
            failure: None,
        })
    }

    /// Has the other thread send the frames that wait, which count as taken: what becomes of them is told by the flushes after.
    fn hand_over(&mut self) -> io::Result<usize> {
        self.settle(BANKS);
        if self.is_full || self.failure.is_some() {
            return self.flush();
        }
        let Some(caller) = &mut self.caller else {
            // Where no thread can be had, whoever asks calls.
            self.caller = Caller::start(Arc::clone(&self.program), self.lane + 1).ok();
            self.is_alone = self.caller.is_some();
            return self.flush();
        };
        if self.program.is_wide() && caller.out() + 1 == BANKS {
            // It has enough to do: these leave beside.
            let (first, count) = self.slots.waiting();
            return self.flush_many(first, count);
        }
        let (first, count) = self.slots.turn();
        caller.call(first, count);
        // What is written next needs a bank.
        self.settle(BANKS);
        Ok(count)
    }

    /// Keeps what became of the frames that the other thread had, and waits while it has so many banks of them.
    fn settle(&mut self, most_out: usize) {
        while let Some((count, Sent { frames, dropped, error })) = self.caller.as_mut().and_then(|caller| caller.ended(most_out)) {
            let left = (count - frames.min(count)) as u64;
            self.refused += dropped + left;
            self.is_full |= dropped > 0;
            if left > 0 || error.as_ref().is_some_and(is_down) {
                self.failure = error.or_else(|| Some(io::ErrorKind::NetworkDown.into()));
            }
        }
    }

    /// Hands the frames that wait to the packet socket.
    fn flush_few(&mut self) -> io::Result<usize> {
        while self.slots.waiting().1 > 0
            && let Some(slot) = self.packets.slot()
        {
            let frame = self.slots.front();
            slot[..frame.len()].copy_from_slice(frame);
            self.packets.commit(frame.len());
            self.slots.left(1);
            self.given += 1;
        }
        self.flush_left_over()
    }

    fn flush_left_over(&mut self) -> io::Result<usize> {
        let taken = self.packets.flush()?;
        self.taken += taken as u64;
        Ok(taken)
    }

    /// Whether the packet socket has frames that it has neither sent nor given up.
    fn has_left_over(&self) -> bool {
        self.given > self.taken
    }

    fn flush_many(&mut self, first: u64, count: usize) -> io::Result<usize> {
        let sent = self.program.send(self.lane, first, count);
        self.slots.left(sent.frames);
        let is_down = sent.error.as_ref().is_some_and(is_down);
        if is_down && sent.dropped >= sent.frames as u64 {
            // None of them went: they are as lost as those that still wait.
            return Err(sent.error.unwrap_or_else(|| io::ErrorKind::NetworkDown.into()));
        }
        self.refused += sent.dropped;
        // The device's queue stayed full. Whoever sends shall wait: the next flush says so.
        self.is_full = sent.dropped > 0;
        match sent.error {
            // Memory for a call may be there the next time.
            Some(error) if sent.frames == 0 && error.kind() == io::ErrorKind::OutOfMemory => Err(io::ErrorKind::WouldBlock.into()),
            Some(error) if sent.frames == 0 => Err(error),
            // Those of this call are counted: what did not go is told with the next.
            Some(error) if is_down => {
                self.failure = Some(error);
                Ok(sent.frames)
            }
            _ => Ok(sent.frames),
        }
    }
}

impl Transmitter for XdpTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.slots.slot()
    }

    fn commit(&mut self, len: usize) {
        self.slots.commit(len);
    }

    fn flush(&mut self) -> io::Result<usize> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if std::mem::take(&mut self.is_full) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = if self.has_left_over() { self.flush_left_over()? } else { 0 };
        let (first, count) = self.slots.waiting();
        let now = match count {
            0 => Ok(0),
            _ if count < FEW || self.has_left_over() => self.flush_few(),
            _ if count >= MANY && self.is_alone => self.hand_over(),
            _ => self.flush_many(first, count),
        };
        // What went is told before what did not.
        match now {
            Err(error) if before > 0 => {
                self.failure = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                Ok(before)
            }
            now => now.map(|count| before + count),
        }
    }

    fn batch(&self) -> usize {
        SLOTS
    }

    fn refused(&mut self) -> u64 {
        self.settle(1);
        self.refused + self.packets.refused()
    }
}

/// Fewer frames than this cost less through the packet socket, at 2 µs each, than a call with its 18 µs before the first.
const FEW: usize = 12;
/// From so many frames on, which are written in 40 µs, another thread is worth waking.
const MANY: usize = 256;

/// Whether the interface is down or gone.
fn is_down(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| matches!(code, libc::ENETDOWN | libc::ENODEV))
}
