//! Links that lose, repeat, delay and refuse, the same way for the same seed: for tests of what stands above a link.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::net::{Frame, Receiver, Reset, Transmitter};
use crate::packet::{Checksums, FRAME_CAPACITY, Medium};

/// How often what goes wrong; probabilities from 0 to 1, for each frame on its own. By default nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The frame vanishes, as in a network: the sender is told that it was taken.
    pub drop: f64,
    /// The frame comes twice in a row.
    pub duplicate: f64,
    /// The frame is held back until [`Self::delay_by`] others went past it, or the link is idle.
    pub delay: f64,
    /// How many others go past a delayed frame.
    pub delay_by: usize,
    /// A flush fails with `WouldBlock`; of a transmitter only.
    pub would_block: f64,
}

/// What becomes of a frame.
enum Fate {
    Dropped,
    Delayed,
    Passed { copies: usize },
}

struct Dice {
    faults: Faults,
    rng: SmallRng,
}

impl Dice {
    fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: SmallRng::seed_from_u64(seed) }
    }

    fn says(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability.clamp(0.0, 1.0))
    }

    fn fate(&mut self) -> Fate {
        let faults = self.faults;
        if self.says(faults.drop) {
            Fate::Dropped
        } else if self.says(faults.delay) {
            Fate::Delayed
        } else {
            Fate::Passed { copies: if self.says(faults.duplicate) { 2 } else { 1 } }
        }
    }
}

/// Frames held back, each with the number of others still to go past it.
struct Held<T>(VecDeque<(usize, T)>);

impl<T> Held<T> {
    fn one_went_past(&mut self) {
        for (left, _) in &mut self.0 {
            *left = left.saturating_sub(1);
        }
    }

    /// The next frame whose time has come; all were held back for equally many, so they come in order.
    fn due(&mut self) -> Option<T> {
        self.0.pop_front_if(|(left, _)| *left == 0).map(|(_, frame)| frame)
    }
}

/// A transmitter with faults.
pub struct FaultyTransmitter<T> {
    inner: T,
    dice: Dice,
    slot: [u8; FRAME_CAPACITY],
    /// Not yet in `inner`'s queue; whether it counts as a frame of the sender's (a second copy does not).
    waiting: VecDeque<(Vec<u8>, bool)>,
    held: Held<Vec<u8>>,
    /// For each frame in `inner`'s queue, whether it counts.
    inside: VecDeque<bool>,
    vanished: usize,
    idle: bool,
}

impl<T: Transmitter> FaultyTransmitter<T> {
    /// Frames go to `inner`, or do not.
    pub fn new(inner: T, faults: Faults, seed: u64) -> Self {
        Self {
            inner,
            dice: Dice::new(faults, seed),
            slot: [0; FRAME_CAPACITY],
            waiting: VecDeque::new(),
            held: Held(VecDeque::new()),
            inside: VecDeque::new(),
            vanished: 0,
            idle: false,
        }
    }

    fn release_due(&mut self) {
        while let Some(frame) = self.held.due() {
            self.waiting.push_back((frame, true));
        }
    }

    fn fill_inner(&mut self) {
        while let Some((frame, counts)) = self.waiting.front() {
            let Some(slot) = self.inner.slot() else { return };
            slot[..frame.len()].copy_from_slice(frame);
            self.inner.commit(frame.len());
            self.inside.push_back(*counts);
            self.waiting.pop_front();
        }
    }
}

impl<T: Transmitter> Transmitter for FaultyTransmitter<T> {
    fn slot(&mut self) -> Option<&mut [u8]> {
        (self.waiting.len() + self.held.0.len() < WAITING).then_some(&mut self.slot)
    }

    fn commit(&mut self, len: usize) {
        let frame = self.slot[..len.min(FRAME_CAPACITY)].to_vec();
        self.idle = false;
        self.held.one_went_past();
        match self.dice.fate() {
            Fate::Dropped => self.vanished += 1,
            Fate::Delayed => self.held.0.push_back((self.dice.faults.delay_by, frame)),
            Fate::Passed { copies } => self.waiting.extend((0..copies).map(|copy| (frame.clone(), copy == 0))),
        }
        self.release_due();
    }

    fn flush(&mut self) -> io::Result<usize> {
        let probability = self.dice.faults.would_block;
        if self.dice.says(probability) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if std::mem::replace(&mut self.idle, true) {
            self.waiting.extend(self.held.0.drain(..).map(|(_, frame)| (frame, true)));
        }
        self.fill_inner();
        let gone = self.inner.flush()?.min(self.inside.len());
        let counted = self.inside.drain(..gone).filter(|counts| *counts).count();
        Ok(std::mem::take(&mut self.vanished) + counted)
    }

    fn refused(&mut self) -> u64 {
        self.inner.refused()
    }
}

/// A receiver with faults. What it drops was lost in the network, so [`Receiver::dropped`] does not count it.
pub struct FaultyReceiver<R> {
    inner: R,
    dice: Dice,
    held: Held<OwnedFrame>,
}

struct OwnedFrame {
    bytes: Vec<u8>,
    medium: Medium,
    wall: Option<u64>,
    checksums: Checksums,
    reset: Reset,
}

impl OwnedFrame {
    fn lend(&self) -> Frame<'_> {
        Frame { bytes: &self.bytes, medium: self.medium, wall: self.wall, checksums: self.checksums, reset: self.reset }
    }
}

impl<R: Receiver> FaultyReceiver<R> {
    /// Frames come from `inner`, or do not.
    pub fn new(inner: R, faults: Faults, seed: u64) -> Self {
        Self { inner, dice: Dice::new(faults, seed), held: Held(VecDeque::new()) }
    }
}

impl<R: Receiver> Receiver for FaultyReceiver<R> {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        let Self { inner, dice, held } = self;
        let mut count = 0;
        let mut pass = |frame: Frame<'_>| {
            count += 1;
            each(frame);
        };
        let arrived = inner.receive(timeout, &mut |frame| {
            held.one_went_past();
            match dice.fate() {
                Fate::Dropped => {}
                Fate::Delayed => {
                    let Frame { bytes, medium, wall, checksums, reset } = frame;
                    held.0.push_back((dice.faults.delay_by, OwnedFrame { bytes: bytes.to_vec(), medium, wall, checksums, reset }));
                }
                Fate::Passed { copies } => (0..copies).for_each(|_| pass(frame)),
            }
            while let Some(frame) = held.due() {
                pass(frame.lend());
            }
        })?;
        if arrived == 0 {
            held.0.drain(..).for_each(|(_, frame)| pass(frame.lend()));
        }
        Ok(count)
    }

    fn dropped(&mut self) -> u64 {
        self.inner.dropped()
    }
}

/// Frames held outside the inner transmitter before there is no slot left.
const WAITING: usize = 256;

#[cfg(test)]
mod tests;
