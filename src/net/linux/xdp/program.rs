//! The attached program as senders and receiver share it.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aya::maps::{MapData, RingBuf};
use aya::programs::{ProgramError, Xdp};
use aya::{Ebpf, TestRun, TestRunAttrs, TestRunOptions};

use super::object::{Failure, Loaded, step};
use super::slots::{SLOT_BYTES, Slots};
use crate::net::linux::sys::SharedMemory;
use crate::packet::SYN_FRAME_LEN;

/// It stays attached as long as this lives.
pub(super) struct Program {
    object: Ebpf,
    /// `struct control` of the program.
    control: SharedMemory,
    slots: MapData,
    senders: usize,
    /// Calls take turns: there is one position in the slots, and one processor whose drops are counted.
    turn: Mutex<()>,
}

/// What became of frames.
#[derive(Debug)]
pub(super) struct Sent {
    /// So many were taken from their slots.
    pub(super) frames: usize,
    /// So many of these the device did not take.
    pub(super) dropped: u64,
    /// Why not all were taken.
    pub(super) error: Option<io::Error>,
}

impl Program {
    /// The program, and the ring of records that it writes.
    pub(super) fn of(loaded: Loaded) -> Result<(Self, RingBuf<MapData>), Failure> {
        let Loaded { object, control, slots, records, senders } = loaded;
        let control = SharedMemory::map(control.fd().as_fd(), CONTROL_BYTES).map_err(step("map counts of"))?;
        Ok((Self { object, control, slots, senders, turn: Mutex::new(()) }, records))
    }

    /// Whether one sends alone.
    pub(super) fn has_one_sender(&self) -> bool {
        self.senders == 1
    }

    /// The slots of all senders.
    pub(super) fn slots(&self) -> Result<SharedMemory, Failure> {
        SharedMemory::map(self.slots.fd().as_fd(), Slots::of(self.senders) * SLOT_BYTES).map_err(step("map frames of"))
    }

    /// Sends the frames in `count` slots from number `first` on.
    pub(super) fn send(&self, first: u64, count: usize) -> Sent {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.dropped();
        self.word(NEXT).store(first, Ordering::Release);
        let mut frames = 0;
        let mut error = None;
        // A signal ends a call early.
        while frames < count && error.is_none() {
            error = self.call(count - frames).err().filter(|error| error.kind() != io::ErrorKind::Interrupted);
            frames = self.word(NEXT).load(Ordering::Acquire).saturating_sub(first) as usize;
        }
        self.word(PROCESSOR).store(0, Ordering::Release);
        let dropped = self.dropped() - before;
        drop(turn);
        let down = self.word(ERROR).swap(0, Ordering::Relaxed) as i32;
        if matches!(down, libc::ENETDOWN | libc::ENODEV) {
            error = Some(io::Error::from_raw_os_error(down));
        }
        Sent { frames: frames.min(count), dropped, error }
    }

    /// Records there was no room for, since the program was attached.
    pub(super) fn lost(&self) -> u64 {
        self.word(LOST).load(Ordering::Relaxed)
    }

    /// Runs the program on so many live frames.
    fn call(&self, frames: usize) -> io::Result<()> {
        let program: Result<&Xdp, ProgramError> = self.object.program("link").ok_or(ProgramError::NotLoaded).and_then(TryInto::try_into);
        let options = TestRunOptions {
            // A run starts with a frame of this length; what is in it does not matter.
            data_in: Some(&[0; SYN_FRAME_LEN]),
            repeat: frames as u32,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        };
        match program.and_then(|program| program.test_run(options)) {
            Ok(_) => Ok(()),
            Err(ProgramError::SyscallError(error)) => Err(error.io_error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn dropped(&self) -> u64 {
        self.word(DROPPED).load(Ordering::Relaxed) + self.word(MALFORMED).load(Ordering::Relaxed)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        self.control.word(at)
    }
}

/// Frames between two flushes to the device, whose queue holds a few hundred.
const BATCH: u32 = 64;

// Where things are in `struct control`.
const NEXT: usize = 0;
const PROCESSOR: usize = 8;
const DROPPED: usize = 16;
const MALFORMED: usize = 24;
const ERROR: usize = 32;
const LOST: usize = 64;
const CONTROL_BYTES: usize = 128;
