//! The thread that runs the sending program on live frames.
//!
//! One call of the kernel lasts for billions of runs, since setting one up takes 25 ms, and keeps its processor busy whether there are frames
//! or not; a signal ends it. So the call has a thread of its own, which rests while the packet socket does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use aya::programs::{ProgramError, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, TestRun};

use super::object::{Failure, step};
use super::slots::Control;
use crate::net::linux::sys::{ThreadNumber, make_interruptible};
use crate::packet::SYN_FRAME_LEN;

/// Runs the sending program, or lets it rest.
#[derive(Debug)]
pub(super) struct Live {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    wish: AtomicU8,
    is_in_call: AtomicBool,
    number: AtomicI32,
    /// Why the kernel does not run the program, an error's number.
    failure: AtomicI32,
    control: Arc<Control>,
}

/// What the thread shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Wish {
    Rest,
    Run,
    End,
}

impl Live {
    /// Starts the thread, at rest. It keeps what privileges its maker has at this moment.
    pub(super) fn start(object: Ebpf, control: Arc<Control>) -> Result<Self, Failure> {
        make_interruptible().map_err(step("handle the signal that ends sending on"))?;
        let shared = Arc::new(Shared {
            wish: AtomicU8::new(Wish::Rest as u8),
            is_in_call: AtomicBool::new(false),
            number: AtomicI32::new(0),
            failure: AtomicI32::new(0),
            control,
        });
        let work = Arc::clone(&shared);
        let thread = thread::Builder::new().name("xdp-send".to_owned()).spawn(move || work.serve(object));
        Ok(Self { shared, thread: Some(thread.map_err(step("start thread to send on"))?) })
    }

    /// Has the program run, or rest.
    pub(super) fn want(&self, wish: Wish) {
        if self.shared.wish.swap(wish as u8, Ordering::AcqRel) != wish as u8
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        self.nudge();
    }

    /// Whether it is wanted to run.
    pub(super) fn is_wanted(&self) -> bool {
        self.shared.is(Wish::Run)
    }

    /// Whether the program takes frames now.
    pub(super) fn is_running(&self) -> bool {
        self.shared.is(Wish::Run) && self.shared.is_in_call.load(Ordering::Acquire) && self.shared.control.looks() > 0
    }

    /// Ends a call that nobody wants any more. A signal that comes before the call has begun ends nothing, hence the repetition.
    pub(super) fn nudge(&self) {
        if !self.shared.is(Wish::Run) && self.shared.is_in_call.load(Ordering::Acquire) {
            ThreadNumber(self.shared.number.load(Ordering::Relaxed)).interrupt();
        }
    }

    /// Why the kernel runs the program no longer.
    pub(super) fn failure(&self) -> Option<io::Error> {
        Some(self.shared.failure.load(Ordering::Relaxed)).filter(|&number| number != 0).map(io::Error::from_raw_os_error)
    }

    /// Frames that the program has taken, and whether those are all.
    pub(super) fn control(&self) -> &Control {
        &self.shared.control
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.wish.store(Wish::End as u8, Ordering::Release);
        wake(thread.thread());
        while !thread.is_finished() {
            self.nudge();
            thread::sleep(NUDGE);
        }
        let _ = thread.join();
    }
}

fn wake(thread: &Thread) {
    thread.unpark();
}

impl Shared {
    fn is(&self, wish: Wish) -> bool {
        self.wish.load(Ordering::Acquire) == wish as u8
    }

    fn serve(&self, mut object: Ebpf) {
        self.number.store(ThreadNumber::own().0, Ordering::Relaxed);
        while !self.is(Wish::End) {
            if !self.is(Wish::Run) || self.failure.load(Ordering::Relaxed) != 0 {
                thread::park();
                continue;
            }
            self.is_in_call.store(true, Ordering::Release);
            let ended = call(&mut object);
            self.is_in_call.store(false, Ordering::Release);
            if let Err(number) = ended {
                self.failure.store(number, Ordering::Relaxed);
            }
        }
    }
}

/// Runs the program on live frames until a signal comes, or for billions of frames.
fn call(object: &mut Ebpf) -> Result<(), i32> {
    let program: Result<&mut Xdp, ProgramError> = object.program_mut("transmit").ok_or(ProgramError::NotLoaded).and_then(TryInto::try_into);
    let frame = [0; SYN_FRAME_LEN];
    let options = TestRunOptions {
        data_in: Some(&frame),
        repeat: u32::MAX,
        attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
        ..TestRunOptions::new()
    };
    match program.and_then(|program| program.test_run(options)) {
        Ok(_) => Ok(()),
        Err(ProgramError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(ProgramError::SyscallError(error)) => Err(error.io_error.raw_os_error().unwrap_or(libc::EIO)),
        Err(_) => Err(libc::EINVAL),
    }
}

/// Frames between two flushes to the device, whose queue holds a few hundred.
const BATCH: u32 = 64;
const NUDGE: Duration = Duration::from_micros(200);
