//! A scan in virtual time, on one thread: the same decisions and steps as on real links, reproducible to the bit.

use std::time::Duration;

use super::step::{Inlet, Next, Outlets, receive_step, transmit_step};
use crate::net::Transmitter;
use crate::scan::{Board, Conductor, Prober, Record};
use crate::time::Time;

/// A clock that is moved by hand, and the events it must not pass.
pub trait VirtualClock {
    /// The present moment.
    fn now(&self) -> Time;
    /// Moves on to `to`, which is later than now.
    fn advance(&self, to: Time);
    /// When the next frame is due.
    fn next_delivery(&self) -> Option<Time>;
}

/// Runs a scan to its end and passes each record to `sink`. `transmitters` makes one transmitter for each link, for each sender.
pub fn lockstep(
    board: &std::sync::Arc<Board>,
    transmitters: &mut dyn FnMut() -> Vec<Box<dyn Transmitter>>,
    inlets: &mut [Inlet],
    clock: &dyn VirtualClock,
    sink: &mut dyn FnMut(Record),
) {
    let mut conductor = Conductor::new(std::sync::Arc::clone(board));
    let mut lead = Outlets::new(transmitters());
    let mut helpers: Vec<(Prober, Outlets)> = Vec::new();
    loop {
        let now = clock.now();
        for inlet in &mut *inlets {
            // A simulated link does not fail.
            let _ = receive_step(inlet, board, 0, Duration::ZERO, &|| clock.now(), sink);
        }
        let next = transmit_step(now, &mut conductor, &mut lead, board);
        let mut wake = match next {
            Next::Again => now,
            Next::At(until) => until,
            Next::Done => return,
        };
        helpers.extend(conductor.take_helpers().into_iter().map(|prober| (prober, Outlets::new(transmitters()))));
        helpers.retain_mut(|(prober, outlets)| match transmit_step(now, prober, outlets, board) {
            Next::Again => {
                wake = now;
                true
            }
            Next::At(until) => {
                wake = wake.min(until);
                true
            }
            Next::Done => false,
        });
        let due = clock.next_delivery().unwrap_or(Time::NEVER);
        clock.advance(wake.min(due).max(now + STEP));
    }
}

/// Virtual time moves at least this far, so that every loop ends; a tenth of the interval at a million probes a second.
const STEP: Duration = Duration::from_nanos(100);
