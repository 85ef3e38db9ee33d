//! Receiving by the program on the interface, and by a packet socket what that leaves.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};

use super::object::{self, Failure, explained};
use super::record::Record;
use super::transmit::Tended;
use crate::error::Result;
use crate::net::link::{LinkOptions, Proof};
use crate::net::linux::sys::{KernelClock, SharedMemory};
use crate::net::{Frame, Receiver, Reset};
use crate::packet::{Checksums, FRAME_CAPACITY, Medium};

/// A ring of records that a program writes, and a packet socket.
pub(super) struct XdpReceiver {
    records: RingBuf<MapData>,
    /// Counts of the program's.
    counts: SharedMemory,
    packets: Box<dyn Receiver>,
    tended: Vec<Arc<Tended>>,
    /// Keeps the program attached.
    _object: Ebpf,
}

impl XdpReceiver {
    /// Attaches the program to the interface `name`, numbered `index`; `packets` receives what it leaves.
    pub(super) fn open(name: &str, index: u32, options: &LinkOptions, proof: &Proof, packets: Box<dyn Receiver>) -> Result<Self> {
        Self::attach(index, options, proof, packets).map_err(|failure| explained(name, &failure))
    }

    fn attach(index: u32, options: &LinkOptions, proof: &Proof, packets: Box<dyn Receiver>) -> Result<Self, Failure> {
        let mut object = object::receive(index, (options.first_port, options.last_port), proof)?;
        let step = object::step("map records of");
        let counts = object::array(&mut object, "counts")?;
        let counts = SharedMemory::map(counts.fd().as_fd(), COUNTS_BYTES).map_err(step)?;
        let records = object.take_map("records").ok_or_else(|| ("find map of program on", "no ring is named records".into()))?;
        let records = RingBuf::try_from(records).map_err(object::step("map records of"))?;
        Ok(Self { records, counts, packets, tended: Vec::new(), _object: object })
    }

    /// The same, looking after sending programs as well.
    pub(super) fn tending(self, tended: Vec<Arc<Tended>>) -> Self {
        Self { tended, ..self }
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
            let len = record.write(&mut packet);
            let arrived = wall.saturating_sub(monotonic.saturating_sub(record.arrived(monotonic)));
            each(Frame {
                bytes: &packet[..len],
                medium: Medium::Ip,
                wall: Some(arrived),
                checksums: Checksums::Pending,
                reset: Reset::Sent,
            });
            count += 1;
        }
        count
    }
}

impl Receiver for XdpReceiver {
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        self.tended.iter().for_each(|tended| tended.tend());
        let count = self.drain(each);
        let timeout = if count > 0 { Duration::ZERO } else { timeout.min(GLANCE) };
        Ok(count + self.packets.receive(timeout, each)?)
    }

    fn dropped(&mut self) -> u64 {
        self.packets.dropped() + self.counts.word(0).load(Ordering::Relaxed)
    }
}

/// Records passed on in one go.
const MOST: usize = 65_536;
/// The program wakes nobody: the ring is looked at as often as a packet socket hands over its blocks.
const GLANCE: Duration = Duration::from_millis(1);
const COUNTS_BYTES: usize = 8;
