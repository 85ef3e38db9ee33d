//! Receiving by the program on the interface, and by a packet socket what that leaves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};

use super::program::Program;
use super::record::Record;
use crate::net::linux::sys::KernelClock;
use crate::net::{Frame, Receiver};
use crate::packet::{Checksums, FRAME_CAPACITY};

/// The ring of records that the program writes, and a packet socket.
pub(super) struct XdpReceiver {
    program: Arc<Program>,
    records: RingBuf<MapData>,
    packets: Box<dyn Receiver>,
}

impl XdpReceiver {
    /// Receives what `program` recorded, and through `packets` what it left.
    pub(super) fn new(program: Arc<Program>, records: RingBuf<MapData>, packets: Box<dyn Receiver>) -> Self {
        Self { program, records, packets }
    }

    /// Passes on the records that are there, at most so many that a flood cannot keep the caller.
    fn drain(&mut self, each: &mut dyn FnMut(Frame<'_>)) -> usize {
        let (monotonic, wall) = (KernelClock::Monotonic.read(), KernelClock::Wall.read());
        let mut packet = [0; FRAME_CAPACITY];
        let mut count = 0;
        while count < MOST
            && let Some(item) = self.records.next()
        {
            let Some(record) = Record::read(&item) else { continue };
            let (len, medium, reset) = record.write(&mut packet);
            let arrived = wall.saturating_sub(monotonic.saturating_sub(record.arrived(monotonic)));
            each(Frame { bytes: &packet[..len], medium, wall: Some(arrived), checksums: Checksums::Pending, reset });
            count += 1;
        }
        count
    }
}

impl Receiver for XdpReceiver {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        let count = self.drain(each);
        let timeout = if count > 0 { Duration::ZERO } else { timeout.min(GLANCE) };
        Ok(count + self.packets.receive(timeout, each)?)
    }

    fn dropped(&mut self) -> u64 {
        self.packets.dropped() + self.program.lost()
    }
}

/// Records passed on in one go.
const MOST: usize = 65_536;
/// The program wakes nobody: the ring is looked at as often as a packet socket hands over its blocks.
const GLANCE: Duration = Duration::from_millis(1);
