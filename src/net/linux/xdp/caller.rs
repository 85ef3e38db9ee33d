//! Calls made by a thread of its own, so that frames are written while others leave: a call is work of the processor that makes it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::program::{Program, Sent};
use super::slots::BANKS;

/// The thread, and what it is doing.
pub(super) struct Caller {
    /// Dropped before the thread is waited for, which ends with it.
    banks: Option<SyncSender<Bank>>,
    calls: Receiver<Call>,
    thread: Option<JoinHandle<()>>,
    /// Of the calls that have not ended.
    out: Out,
}

/// Frames in slots that follow one another: the number of the first, and how many there are.
type Bank = (u64, usize);

#[derive(Clone, Copy, Default)]
struct Out {
    banks: usize,
    frames: usize,
}

/// A call that has ended.
struct Call {
    out: Out,
    sent: Sent,
}

impl Caller {
    /// Starts it: with the privileges of the thread that asks for it.
    pub(super) fn start(program: Arc<Program>, lane: usize) -> io::Result<Self> {
        let (banks, waiting) = sync_channel(BANKS);
        let (end, calls) = sync_channel(BANKS);
        let work = move || {
            let mut first = None;
            while let Some(bank) = first.take().or_else(|| waiting.recv().ok()) {
                let (out, next) = together(bank, &waiting);
                first = next;
                if end.send(Call { out, sent: send_all(&program, lane, bank.0, out.frames) }).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("send-xdp".to_owned()).spawn(work)?;
        Ok(Self { banks: Some(banks), calls, thread: Some(thread), out: Out::default() })
    }

    /// Has the frames in `count` slots from number `first` on sent. A bank is free for it.
    pub(super) fn call(&mut self, first: u64, count: usize) {
        self.out = Out { banks: self.out.banks + 1, frames: self.out.frames + count };
        if let Some(banks) = &self.banks {
            // A thread that is gone took none of them: `ended` says so.
            _ = banks.send((first, count));
        }
    }

    /// Banks of calls that have not ended, as far as is told.
    pub(super) fn out(&self) -> usize {
        self.out.banks
    }

    /// What became of the frames of the next call that ends, and how many these were; `None` where all that were out are told of. Waits while
    /// so many banks are out.
    pub(super) fn ended(&mut self, most_out: usize) -> Option<(usize, Sent)> {
        if self.out.banks == 0 {
            return None;
        }
        let ended = if self.out.banks < most_out {
            match self.calls.try_recv() {
                Err(TryRecvError::Empty) => return None,
                other => other.ok(),
            }
        } else {
            self.calls.recv().ok()
        };
        let Call { out, sent } = ended.unwrap_or_else(|| {
            let error = Some(io::Error::other("the thread that sends has ended"));
            Call { out: self.out, sent: Sent { frames: 0, dropped: 0, error } }
        });
        self.out = Out { banks: self.out.banks.saturating_sub(out.banks), frames: self.out.frames.saturating_sub(out.frames) };
        Some((out.frames, sent))
    }
}

/// Those that wait with `bank` and follow it make one call with it; and the first that does not.
fn together((first, count): Bank, waiting: &Receiver<Bank>) -> (Out, Option<Bank>) {
    let mut out = Out { banks: 1, frames: count };
    while let Ok(next) = waiting.try_recv() {
        if next.0 != first + out.frames as u64 {
            return (out, Some(next));
        }
        out = Out { banks: out.banks + 1, frames: out.frames + next.1 };
    }
    (out, None)
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.banks = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Sends until all are gone, or something else than memory is missing.
fn send_all(program: &Program, lane: usize, first: u64, count: usize) -> Sent {
    let mut all = program.send(lane, first, count);
    for _ in 0..TRIES {
        let is_short = all.error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory);
        if all.frames >= count || !is_short {
            break;
        }
        std::thread::sleep(PAUSE);
        let more = program.send(lane, first + all.frames as u64, count - all.frames);
        all = Sent { frames: all.frames + more.frames, dropped: all.dropped + more.dropped, error: more.error };
    }
    all
}

/// How often, and after what time, memory for a call is asked for again.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_that_follow_one_another_make_one_call() {
        let (banks, waiting) = sync_channel(BANKS);
        let all = |bank| {
            let (out, next) = together(bank, &waiting);
            (out.banks, out.frames, next)
        };
        assert_eq!(all((0, 1024)), (1, 1024, None));
        for bank in [(1024, 1024), (2048, 500), (3072, 1024), (0, 1024)] {
            banks.send(bank).unwrap();
        }
        assert_eq!(all((0, 1024)), (3, 2548, Some((3072, 1024))), "the third is not full");
        assert_eq!(all((3072, 1024)), (1, 1024, Some((0, 1024))), "the first is no neighbour of the last");
    }
}
