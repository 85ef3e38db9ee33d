//! The attached program as senders and receiver share it.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
    /// Calls of a lane take turns: it has one position in the slots.
    lanes: [Mutex<()>; LANES],
    /// Each lane has a queue of the device.
    is_wide: bool,
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

/// What became of frames that the device was offered.
struct Run {
    /// The first that it was not offered.
    next: u64,
    /// Its queue was full.
    is_full: bool,
    /// Those it had no room for.
    full: Range<u64>,
    /// So many others it did not take.
    dropped: u64,
    error: Option<io::Error>,
}

impl Program {
    /// The program, and the ring of records that it writes.
    pub(super) fn of(loaded: Loaded, queues: usize) -> Result<(Self, RingBuf<MapData>), Failure> {
        let Loaded { object, control, slots, records, senders } = loaded;
        let control = SharedMemory::map(control.fd().as_fd(), LANES * CONTROL_BYTES).map_err(step("map counts of"))?;
        Ok((Self { object, control, slots, senders, lanes: Default::default(), is_wide: queues >= LANES }, records))
    }

    /// Whether calls of different lanes run side by side.
    pub(super) fn is_wide(&self) -> bool {
        self.is_wide
    }

    /// Whether one sends alone.
    pub(super) fn has_one_sender(&self) -> bool {
        self.senders == 1
    }

    /// The slots of all senders.
    pub(super) fn slots(&self) -> Result<SharedMemory, Failure> {
        SharedMemory::map(self.slots.fd().as_fd(), Slots::of(self.senders) * SLOT_BYTES).map_err(step("map frames of"))
    }

    /// Sends the frames in `count` slots from number `first` on. What finds the device's queue full is sent again when that has had time to
    /// drain. Calls of different lanes run side by side.
    pub(super) fn send(&self, lane: usize, first: u64, count: usize) -> Sent {
        let lane = if self.is_wide { lane % LANES } else { 0 };
        let turn = self.lanes[lane].lock().unwrap_or_else(PoisonError::into_inner);
        let mut pauses = 0;
        let mut sent = Sent { frames: 0, dropped: 0, error: None };
        let mut reached = first;
        // Those left, the first of them last.
        let mut left: Vec<_> = std::iter::once(first..first + count as u64).collect();
        while let Some(slots) = left.pop() {
            let run = self.run(lane, slots.clone());
            reached = reached.max(run.next);
            sent.dropped += run.dropped;
            left.extend([run.next..slots.end, run.full].into_iter().filter(|slots| !slots.is_empty()));
            if run.error.is_some() {
                sent.error = run.error;
                break;
            }
            if run.is_full {
                if pauses == MOST_PAUSES {
                    reached = first + count as u64;
                    break;
                }
                pauses += 1;
                std::thread::sleep(PAUSE);
            }
        }
        drop(turn);
        let among = |slots: Range<u64>| slots.end.min(reached).saturating_sub(slots.start);
        sent.dropped += left.into_iter().map(among).sum::<u64>();
        Sent { frames: (reached - first) as usize, ..sent }
    }

    /// Offers the device frames until its queue is full.
    fn run(&self, lane: usize, slots: Range<u64>) -> Run {
        let before = self.dropped(lane);
        for word in [NEXT, OFFERED] {
            self.word(lane, word).store(slots.start, Ordering::Release);
        }
        self.word(lane, FULL).store(0, Ordering::Release);
        let (mut next, mut error) = (slots.start, None);
        // A signal ends a call early.
        while next < slots.end && self.word(lane, FULL).load(Ordering::Acquire) == 0 && error.is_none() {
            error = self.call(lane, (slots.end - next) as usize).err().filter(|error| error.kind() != io::ErrorKind::Interrupted);
            next = self.word(lane, NEXT).load(Ordering::Acquire).clamp(slots.start, slots.end);
        }
        // What others send until the next call is not this one's.
        self.word(lane, OFFERED).store(self.word(lane, NEXT).load(Ordering::Acquire), Ordering::Release);
        let dropped = self.dropped(lane) - before;
        let full = self.word(lane, FULL).load(Ordering::Acquire);
        let mut run = Run { next, is_full: full > 0, full: 0..0, dropped, error };
        match self.word(lane, ERROR).swap(0, Ordering::Relaxed) as i32 {
            // The queue had no room for these.
            0 if full > slots.start && full - 1 + dropped <= next => (run.full, run.dropped) = (full - 1..full - 1 + dropped, 0),
            down @ (libc::ENETDOWN | libc::ENODEV) => run.error = Some(io::Error::from_raw_os_error(down)),
            _ => {}
        }
        run
    }

    /// Records there was no room for, since the program was attached.
    pub(super) fn lost(&self) -> u64 {
        self.word(0, LOST).load(Ordering::Relaxed)
    }

    /// Runs the program on so many live frames.
    fn call(&self, lane: usize, frames: usize) -> io::Result<()> {
        let program: Result<&Xdp, ProgramError> = self.object.program("link").ok_or(ProgramError::NotLoaded).and_then(TryInto::try_into);
        // `struct xdp_md`: the frame begins after the words that tell the lane.
        let words = lane * size_of::<u32>();
        let mut context = [0; 6 * size_of::<u32>()];
        context[..4].copy_from_slice(&(words as u32).to_ne_bytes());
        context[4..8].copy_from_slice(&((words + SYN_FRAME_LEN) as u32).to_ne_bytes());
        let options = TestRunOptions {
            // A run starts with a frame of this length; what is in it does not matter.
            data_in: Some(&[0; LANES * size_of::<u32>() + SYN_FRAME_LEN][..words + SYN_FRAME_LEN]),
            ctx_in: Some(&context),
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

    fn dropped(&self, lane: usize) -> u64 {
        self.word(lane, DROPPED).load(Ordering::Relaxed) + self.word(lane, MALFORMED).load(Ordering::Relaxed)
    }

    fn word(&self, lane: usize, at: usize) -> &AtomicU64 {
        self.control.word(lane * CONTROL_BYTES + at)
    }
}

/// In this time a queue of some hundred frames drains, if somebody serves it.
const PAUSE: Duration = Duration::from_micros(50);
/// One that stays full for a tenth of a second is given up.
const MOST_PAUSES: u32 = 1000;
/// Frames between two flushes to the device, whose queue holds a few hundred.
const BATCH: u32 = 64;

/// Calls that run side by side.
const LANES: usize = 2;

// Where things are in `struct control`.
const NEXT: usize = 0;
const OFFERED: usize = 8;
const FULL: usize = 16;
const DROPPED: usize = 24;
const MALFORMED: usize = 32;
const ERROR: usize = 40;
const LOST: usize = 64;
const CONTROL_BYTES: usize = 128;
