//! The simulated network behind the link traits, in virtual time: it stands still until it is told to go on.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network::Network;
use super::truth::Truth;
use crate::net::{Frame, Receiver, Reset, Transmitter};
use crate::packet::{Checksums, FRAME_CAPACITY};
use crate::time::Time;

/// A network with its own time, and links to it. Clones are handles of the same network.
///
/// One thread drives it: send over a transmitter, [`Self::advance`] to what comes next, receive, and again.
#[derive(Clone)]
pub struct VirtualNetwork(Arc<Mutex<State>>);

/// What the scanner's device and kernel can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimit {
    /// Frames that a device takes within any one millisecond of virtual time; then it is full (`WouldBlock`).
    pub frames_per_ms: u32,
    /// Frames that wait for the receiver; more are dropped and counted.
    pub receive_buffer: usize,
}

impl DeviceLimit {
    /// A device and kernel that take everything.
    pub const NONE: Self = Self { frames_per_ms: u32::MAX, receive_buffer: usize::MAX };
}

struct State {
    network: Network,
    now: Time,
    limit: DeviceLimit,
    millisecond: u64,
    taken: u32,
    dropped: u64,
}

impl VirtualNetwork {
    /// Puts `network` at the beginning of time.
    pub fn new(network: Network) -> Self {
        Self::with_limit(network, DeviceLimit::NONE)
    }

    /// The same with a device that can take only so much.
    pub fn with_limit(network: Network, limit: DeviceLimit) -> Self {
        Self(Arc::new(Mutex::new(State { network, now: Time::ZERO, limit, millisecond: 0, taken: 0, dropped: 0 })))
    }

    /// A transmitter. What it flushes enters the network at the virtual now. All transmitters share the device.
    pub fn transmitter(&self) -> Box<dyn Transmitter> {
        Box::new(VirtualTransmitter { network: self.clone(), slots: vec![[0; FRAME_CAPACITY]; QUEUE], lens: Vec::with_capacity(QUEUE) })
    }

    /// The receiver. It never waits: it hands out what is due at the virtual now. Each frame comes to one receiver only.
    pub fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(VirtualReceiver { network: self.clone(), bytes: Vec::new(), frames: Vec::new() })
    }

    /// The virtual now.
    pub fn now(&self) -> Time {
        self.state().now
    }

    /// Lets time go on to `to`; it never goes back.
    pub fn advance(&self, to: Time) {
        let mut state = self.state();
        state.now = state.now.max(to);
    }

    /// The next time at which receiving may bring something; see [`Network::next_delivery`].
    pub fn next_delivery(&self) -> Option<Time> {
        self.state().network.next_delivery()
    }

    /// Looks at what only the simulation knows.
    pub fn truth<R>(&self, look: impl FnOnce(Truth<'_>) -> R) -> R {
        look(self.state().network.truth())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the device takes one more frame in this millisecond.
    fn takes(&mut self) -> bool {
        let millisecond = self.now.as_nanos() / 1_000_000;
        if millisecond != self.millisecond {
            (self.millisecond, self.taken) = (millisecond, 0);
        }
        let takes = self.taken < self.limit.frames_per_ms;
        self.taken = self.taken.saturating_add(u32::from(takes));
        takes
    }
}

struct VirtualTransmitter {
    network: VirtualNetwork,
    slots: Vec<[u8; FRAME_CAPACITY]>,
    /// Lengths of the queued frames, which are the first slots.
    lens: Vec<usize>,
}

impl Transmitter for VirtualTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.slots.get_mut(self.lens.len()).map(<[u8; FRAME_CAPACITY]>::as_mut_slice)
    }

    fn commit(&mut self, len: usize) {
        debug_assert!(len <= FRAME_CAPACITY && self.lens.len() < self.slots.len(), "no slot was borrowed, or more than a slot written");
        self.lens.push(len.min(FRAME_CAPACITY));
    }

    fn flush(&mut self) -> io::Result<usize> {
        let mut state = self.network.state();
        let mut taken = 0;
        while taken < self.lens.len() && state.takes() {
            let now = state.now;
            state.network.inject(now, &self.slots[taken][..self.lens[taken]]);
            taken += 1;
        }
        drop(state);
        if taken == 0 && !self.lens.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.lens.drain(..taken);
        self.slots.rotate_left(if self.lens.is_empty() { 0 } else { taken });
        Ok(taken)
    }
}

struct VirtualReceiver {
    network: VirtualNetwork,
    bytes: Vec<u8>,
    /// (when due, where it ends in `bytes`).
    frames: Vec<(Time, usize)>,
}

impl Receiver for VirtualReceiver {
    fn receive(&mut self, _timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        self.bytes.clear();
        self.frames.clear();
        // Copied out first: whoever takes a frame may transmit in answer, and the network must be free for that.
        let mut state = self.network.state();
        let (now, medium, room) = (state.now, state.network.medium(), state.limit.receive_buffer);
        let mut dropped = 0;
        state.network.deliver(now, &mut |at, frame| {
            if self.frames.len() < room {
                self.bytes.extend_from_slice(frame);
                self.frames.push((at, self.bytes.len()));
            } else {
                dropped += 1;
            }
        });
        state.dropped += dropped;
        drop(state);
        let mut from = 0;
        for &(at, to) in &self.frames {
            each(Frame {
                bytes: &self.bytes[from..to],
                medium,
                wall: Some(at.as_nanos()),
                checksums: Checksums::Verify,
                reset: Reset::Due,
            });
            from = to;
        }
        Ok(self.frames.len())
    }

    fn dropped(&mut self) -> u64 {
        self.network.state().dropped
    }
}

/// Frames queued between two flushes.
const QUEUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::host::HostSpec;
    use super::super::path::{Latency, PathSpec};
    use super::super::topology::{Segment, Topology, mac_of};
    use super::*;
    use crate::packet::{Hop, MacAddr, Probe, SynTemplate};
    use std::net::Ipv4Addr;

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn network(limit: DeviceLimit) -> VirtualNetwork {
        let latency = Latency { fixed: Duration::from_millis(4), ..Latency::default() };
        let lan =
            Segment::on_link("10.0.0.0/24".parse().unwrap()).path(PathSpec::new().round_trip(latency)).host(HOST, HostSpec::serving([]));
        VirtualNetwork::with_limit(Network::new(Topology::new().segment(lan), 1), limit)
    }

    fn queue(transmitter: &mut dyn Transmitter, port: u16) -> bool {
        let hop = Hop::Ethernet { source: MacAddr([2; 6]), destination: mac_of(HOST) };
        let probe =
            Probe { hop, source: Ipv4Addr::new(10, 0, 0, 2), destination: HOST, source_port: 1, destination_port: port, sequence: 0 };
        let Some(slot) = transmitter.slot() else { return false };
        let len = SynTemplate::new().write(slot, &probe);
        transmitter.commit(len);
        true
    }

    fn millis(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn time_stands_still_until_it_is_told_to_go_on() {
        let network = network(DeviceLimit::NONE);
        let (mut transmitter, mut receiver) = (network.transmitter(), network.receiver());
        assert!(queue(transmitter.as_mut(), 80));
        assert_eq!(network.next_delivery(), None);
        assert_eq!(transmitter.flush().unwrap(), 1);
        assert_eq!(receiver.receive(Duration::from_secs(9), &mut |_| panic!("nothing is due")).unwrap(), 0);
        let mut walls = Vec::new();
        while let Some(next) = network.next_delivery() {
            network.advance(next);
            // Whoever takes a frame may transmit at once.
            receiver.receive(Duration::ZERO, &mut |frame| walls.push((frame.wall, queue(transmitter.as_mut(), 81)))).unwrap();
        }
        assert_eq!(walls, [(Some(4_000_000), true)]);
        assert_eq!((transmitter.flush().unwrap(), network.now()), (1, millis(4)));
        network.advance(millis(1));
        assert_eq!(network.now(), millis(4));
    }

    #[test]
    fn a_full_queue_lends_no_slot_and_keeps_what_the_device_refused() {
        let limit = DeviceLimit { frames_per_ms: 100, receive_buffer: usize::MAX };
        let network = network(limit);
        let (mut transmitter, mut receiver) = (network.transmitter(), network.receiver());
        assert_eq!((0..1000).filter(|&port| queue(transmitter.as_mut(), port + 1)).count(), QUEUE);
        assert_eq!(transmitter.flush().unwrap(), 100);
        assert_eq!(transmitter.flush().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        network.advance(millis(1));
        assert_eq!(transmitter.flush().unwrap(), 100);
        network.advance(millis(2));
        assert_eq!(transmitter.flush().unwrap(), QUEUE - 200);
        network.advance(millis(10));
        let mut ports = Vec::new();
        receiver.receive(Duration::ZERO, &mut |frame| ports.push(u16::from_be_bytes([frame.bytes[34], frame.bytes[35]]))).unwrap();
        assert_eq!(ports, (1..=QUEUE as u16).collect::<Vec<_>>());
    }

    #[test]
    fn a_receiver_that_is_too_late_loses_frames_and_says_so() {
        let network = network(DeviceLimit { frames_per_ms: u32::MAX, receive_buffer: 10 });
        let (mut transmitter, mut receiver) = (network.transmitter(), network.receiver());
        for port in 1..=15 {
            assert!(queue(transmitter.as_mut(), port));
        }
        transmitter.flush().unwrap();
        network.advance(millis(10));
        assert_eq!(receiver.receive(Duration::ZERO, &mut |_| {}).unwrap(), 10);
        assert_eq!(receiver.dropped(), 5);
    }
}
