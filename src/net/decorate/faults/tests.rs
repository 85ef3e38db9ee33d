use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::net::decorate::{DryRun, RecordReceived, RecordSent};

/// Sends `0..count` through the faults; what came out, and how many the flushes said were taken.
fn sent(faults: Faults, count: u8, seed: u64) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut link = FaultyTransmitter::new(DryRun::new(|frame: &[u8]| out.push(frame[0])), faults, seed);
    let mut taken = 0;
    for number in 0..count {
        link.slot().unwrap()[0] = number;
        link.commit(1);
        taken += link.flush().unwrap_or(0);
    }
    for _ in 0..1_000 {
        taken += link.flush().unwrap_or(0);
    }
    drop(link);
    (out, taken)
}

/// A receiver that gives `0..left` one a call.
struct Counting {
    left: u8,
    next: u8,
}

impl Receiver for Counting {
    fn receive(&mut self, _: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        if self.next == self.left {
            return Ok(0);
        }
        each(Frame {
            bytes: &[self.next],
            medium: Medium::Ip,
            wall: Some(u64::from(self.next)),
            checksums: Checksums::Verify,
            reset: Reset::Due,
        });
        self.next += 1;
        Ok(1)
    }

    fn dropped(&mut self) -> u64 {
        7
    }
}

fn received(faults: Faults, count: u8, seed: u64) -> Vec<u8> {
    let mut link = FaultyReceiver::new(Counting { left: count, next: 0 }, faults, seed);
    let mut out = Vec::new();
    for _ in 0..=usize::from(count) {
        let before = out.len();
        let told = link.receive(Duration::ZERO, &mut |frame| out.push(frame.bytes[0])).unwrap();
        assert_eq!(told, out.len() - before);
    }
    out
}

#[test]
fn without_faults_nothing_changes() {
    assert_eq!(sent(Faults::default(), 20, 1), ((0..20).collect(), 20));
    assert_eq!(received(Faults::default(), 20, 1), (0..20).collect::<Vec<_>>());
}

#[test]
fn certain_faults_happen_always() {
    assert_eq!(sent(Faults { drop: 1.0, ..Faults::default() }, 9, 1), (vec![], 9));
    assert_eq!(sent(Faults { duplicate: 1.0, ..Faults::default() }, 2, 1), (vec![0, 0, 1, 1], 2));
    assert_eq!(sent(Faults { would_block: 1.0, ..Faults::default() }, 3, 1), (vec![], 0));
    assert_eq!(received(Faults { duplicate: 1.0, ..Faults::default() }, 2, 1), [0, 0, 1, 1]);
}

#[test]
fn a_delayed_frame_is_overtaken_by_so_many() {
    let faults = Faults { delay: 0.2, delay_by: 3, ..Faults::default() };
    let out = received(faults, 200, 5);
    let late = (0..200u8).find(|number| out[usize::from(*number)] != *number).expect("some are delayed");
    assert_eq!(out.iter().position(|number| *number == late), Some(usize::from(late) + 3));
}

#[test]
fn recording_sees_what_passes_both_ways() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |seen: &Arc<Mutex<Vec<Vec<u8>>>>| {
        let seen = Arc::clone(seen);
        move |bytes: &[u8]| seen.lock().unwrap().push(bytes.to_vec())
    };
    let mut link = RecordSent::new(DryRun::new(note(&seen)), note(&seen));
    link.slot().unwrap()[..2].copy_from_slice(b"hi");
    link.commit(2);
    assert_eq!((link.flush().unwrap(), link.refused()), (1, 0));
    let record = note(&seen);
    let mut receiver = RecordReceived::new(Counting { left: 1, next: 0 }, move |frame: &Frame<'_>| record(frame.bytes));
    let mut passed = Vec::new();
    receiver.receive(Duration::ZERO, &mut |frame| passed.push((frame.bytes.to_vec(), frame.wall))).unwrap();
    assert_eq!((passed, receiver.dropped()), (vec![(vec![0], Some(0))], 7));
    assert_eq!(*seen.lock().unwrap(), [b"hi".to_vec(), b"hi".to_vec(), vec![0]]);
}

proptest! {
    /// Whatever happens: the same seed does the same, each frame counts as taken once, and without drops none is missing.
    #[test]
    fn faults_are_repeatable_and_accounted_for(drop in prop_oneof![Just(0.0), 0.0..0.5], duplicate in 0.0..0.5, delay in 0.0..0.5,
                                               delay_by in 0..5usize, would_block in 0.0..0.5, seed: u64) {
        let faults = Faults { drop, duplicate, delay, delay_by, would_block };
        let (out, taken) = sent(faults, 100, seed);
        prop_assert_eq!((&out, taken), (&sent(faults, 100, seed).0, 100));
        prop_assert_eq!(received(faults, 100, seed), received(faults, 100, seed));
        if drop == 0.0 {
            for mut out in [out, received(faults, 100, seed)] {
                out.sort_unstable();
                out.dedup();
                prop_assert!(out.into_iter().eq(0..100));
            }
        }
    }
}
