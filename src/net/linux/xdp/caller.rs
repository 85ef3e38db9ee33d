//! Calls made by a thread of its own, so that frames are written while others leave: a call is work of the processor that makes it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::program::{Program, Sent};

/// The thread, and what it is doing.
pub(super) struct Caller {
    /// Dropped before the thread is waited for, which ends with it.
    calls: Option<SyncSender<(u64, usize)>>,
    ended: Receiver<Sent>,
    thread: Option<JoinHandle<()>>,
    /// Frames of the call that has not ended.
    out: usize,
}

impl Caller {
    /// Starts it: with the privileges of the thread that asks for it.
    pub(super) fn start(program: Arc<Program>) -> io::Result<Self> {
        let (calls, asked) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let work = move || {
            for (first, count) in asked {
                if end.send(send_all(&program, first, count)).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("send-xdp".to_owned()).spawn(work)?;
        Ok(Self { calls: Some(calls), ended, thread: Some(thread), out: 0 })
    }

    /// Has the frames in `count` slots from number `first` on sent. The call before has been waited for.
    pub(super) fn call(&mut self, first: u64, count: usize) {
        self.out = count;
        if let Some(calls) = &self.calls {
            // A thread that is gone took none of them: `wait` says so.
            _ = calls.send((first, count));
        }
    }

    /// What became of the last call, once it has ended; `None` where that was told.
    pub(super) fn wait(&mut self) -> Option<(usize, Sent)> {
        let count = std::mem::take(&mut self.out);
        let gone = |_| Sent { frames: 0, dropped: 0, error: Some(io::Error::other("the thread that sends has ended")) };
        (count > 0).then(|| (count, self.ended.recv().unwrap_or_else(gone)))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Sends until all are gone, or something else than memory is missing.
fn send_all(program: &Program, first: u64, count: usize) -> Sent {
    let mut all = program.send(first, count);
    for _ in 0..TRIES {
        let is_short = all.error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory);
        if all.frames >= count || !is_short {
            break;
        }
        std::thread::sleep(PAUSE);
        let more = program.send(first + all.frames as u64, count - all.frames);
        all = Sent { frames: all.frames + more.frames, dropped: all.dropped + more.dropped, error: more.error };
    }
    all
}

/// How often, and after what time, memory for a call is asked for again.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(1);
