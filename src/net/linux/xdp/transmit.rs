//! Sending by live frames, or through the packet socket while that is cheaper.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::live::{Live, Wish};
use super::meter::Meter;
use super::object::{self, explained};
use super::slots::Slots;
use crate::error::Result;
use crate::net::Transmitter;
use crate::net::link::failed;
use crate::net::linux::packet_socket::PacketTransmitter;
use crate::net::linux::sys::KernelClock;
use crate::packet::Medium;

/// A packet socket, and above a certain rate a ring of frames with a program that sends them.
pub(super) struct XdpTransmitter {
    packet: PacketTransmitter,
    slots: Slots,
    way: Way,
    meter: Meter,
    tended: Arc<Tended>,
    /// Drops the sender was told of.
    told: u64,
}

/// Where frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Packet,
    Live,
}

/// The part that is looked after while nothing is sent.
#[derive(Debug)]
pub(super) struct Tended {
    live: Live,
    /// Frames a second below which live frames do not pay; the bits of a float.
    leave_below: AtomicU64,
    pulse: Mutex<Pulse>,
}

/// What was taken from the ring when it was last looked at.
#[derive(Debug, Default)]
struct Pulse {
    at: u64,
    consumed: u64,
}

impl XdpTransmitter {
    /// Loads the program for the interface `name`, numbered `index`, and opens the packet socket.
    pub(super) fn open(name: &str, index: u32) -> Result<Self> {
        let explain = |failure| explained(name, &failure);
        let packet = PacketTransmitter::open(index, Medium::Ethernet).map_err(|(operation, error)| failed(operation, name, error))?;
        let mut object = object::transmit(index).map_err(explain)?;
        let slots = Slots::of(&mut object).map_err(explain)?;
        let live = Live::start(object, Arc::clone(slots.control())).map_err(explain)?;
        let tended = Arc::new(Tended { live, leave_below: AtomicU64::new(0), pulse: Mutex::default() });
        Ok(Self { packet, slots, way: Way::Packet, meter: Meter::default(), tended, told: 0 })
    }

    /// What has to be looked after.
    pub(super) fn live(&self) -> Arc<Tended> {
        Arc::clone(&self.tended)
    }

    fn flush_packets(&mut self) -> io::Result<usize> {
        let from = KernelClock::Monotonic.read();
        let taken = self.packet.flush();
        let pays = self.meter.sent(taken.as_ref().copied().unwrap_or(0), from, KernelClock::Monotonic.read());
        let live = &self.tended.live;
        if pays && live.failure().is_none() {
            self.tended.leave_below.store(self.meter.leave_below().to_bits(), Ordering::Relaxed);
            self.tended.begin();
        }
        // Until the program runs, which takes it a while, frames go on through the socket.
        if live.is_running() && self.packet.is_empty() {
            self.way = Way::Live;
        }
        taken
    }

    fn flush_live(&mut self) -> io::Result<usize> {
        if let Some(error) = self.slots.control().failure() {
            return Err(error);
        }
        let dropped = self.slots.control().dropped();
        if dropped > self.told {
            // The device's queue was full and the program could not wait: whoever sends shall, as if the device had said so.
            self.told = dropped;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.slots.publish();
        if !self.tended.live.is_wanted() {
            if self.slots.is_drained() {
                self.way = Way::Packet;
            } else {
                self.tended.begin();
            }
        }
        Ok(taken as usize)
    }
}

impl Transmitter for XdpTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        match self.way {
            Way::Packet => self.packet.slot(),
            Way::Live => self.slots.slot(),
        }
    }

    fn commit(&mut self, len: usize) {
        match self.way {
            Way::Packet => self.packet.commit(len),
            Way::Live => self.slots.commit(len),
        }
    }

    fn flush(&mut self) -> io::Result<usize> {
        match self.way {
            Way::Packet => self.flush_packets(),
            Way::Live => self.flush_live(),
        }
    }

    fn refused(&mut self) -> u64 {
        self.packet.refused() + self.slots.control().dropped()
    }
}

impl Tended {
    fn begin(&self) {
        if let Ok(mut pulse) = self.pulse.lock() {
            *pulse = Pulse { at: KernelClock::Monotonic.read(), consumed: self.live.control().consumed() };
        }
        self.live.want(Wish::Run);
    }

    /// Ends a call that sends too little to be worth its core. To be called every few milliseconds.
    pub(super) fn tend(&self) {
        self.live.nudge();
        let control = self.live.control();
        if !self.live.is_wanted() {
            // Handed over in the moment in which the call was ended.
            if !control.is_drained() {
                self.begin();
            }
            return;
        }
        let Ok(mut pulse) = self.pulse.lock() else { return };
        let (now, consumed) = (KernelClock::Monotonic.read(), control.consumed());
        let span = now.saturating_sub(pulse.at);
        if span < LOOK {
            return;
        }
        let rate = (consumed - pulse.consumed) as f64 * 1e9 / span as f64;
        *pulse = Pulse { at: now, consumed };
        if rate < f64::from_bits(self.leave_below.load(Ordering::Relaxed)) && control.is_drained() {
            self.live.want(Wish::Rest);
        }
    }
}

/// Nanoseconds: long beside what it takes to set up a call.
const LOOK: u64 = 200_000_000;
