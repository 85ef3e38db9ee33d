//! Half-open connections: what a host keeps of a SYN that it answered, until a RST or an ACK ends it.

use std::time::Duration;

use super::answer::Answer;
use super::host_state::Visit;
use super::network::{Event, Network, Origin};
use super::seen::Packet;
use crate::packet::TcpFlags;
use crate::time::Time;

/// A connection, from the host's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    address: u32,
    port: u16,
    peer_port: u16,
    peer: u32,
}

/// A host's half of a handshake.
#[derive(Clone, Copy)]
pub(super) struct HalfOpen {
    packet: Packet,
    place: usize,
    hops: u8,
    repeated: u8,
    /// When the host loses patience next; a repeat due at another time belongs to a connection that is gone.
    due: Time,
}

impl Flow {
    pub(super) fn of(packet: &Packet) -> Self {
        Self {
            address: packet.destination().to_bits(),
            port: packet.destination_port(),
            peer_port: packet.source_port(),
            peer: packet.source().to_bits(),
        }
    }

    pub(super) fn bits(self) -> u64 {
        u64::from(self.address) << 32 | u64::from(self.port) << 16 | u64::from(self.peer_port)
    }
}

impl Network {
    /// A RST ends the connection it names exactly (RFC 5961 section 3.2).
    pub(super) fn hear_reset(&mut self, packet: &Packet) {
        let flow = Flow::of(packet);
        if self.half_open.get(&flow).is_some_and(|half| half.packet.sequence().wrapping_add(1) == packet.sequence()) {
            self.half_open.remove(&flow);
            self.counters.reset_by_scanner += 1;
        } else {
            self.counters.stray_resets += 1;
        }
    }

    /// The last segment of a handshake completes it and is forgotten; the end of what was completed is answered by a RST.
    pub(super) fn hear_acknowledgement(&mut self, visit: Visit<'_>) {
        let flow = Flow::of(visit.packet);
        let expected = self.initial_sequence(flow).wrapping_add(1);
        if visit.packet.acknowledgement == expected && self.half_open.remove(&flow).is_some() {
            self.counters.established += 1;
        }
        if visit.packet.flags.0 & TcpFlags::FIN != 0 && self.world.host(visit.place, visit.packet.destination()).is_some() {
            let answer = self.segment(visit, TcpFlags::RST, visit.packet.acknowledgement, 0);
            self.send(visit, answer, Duration::ZERO);
        }
    }

    pub(super) fn open(&mut self, visit: Visit<'_>, delay: Duration) {
        let flow = Flow::of(visit.packet);
        let due = self.now + delay + FIRST_REPEAT;
        let half = HalfOpen { packet: *visit.packet, place: visit.place, hops: visit.hops, repeated: 0, due };
        self.half_open.insert(flow, half);
        self.counters.half_open_peak = self.counters.half_open_peak.max(self.half_open.len() as u64);
        self.schedule(due, Event::Repeat(flow));
    }

    /// An unanswered SYN-ACK is sent again after 1, 3, 7 s: one second, doubled each time (RFC 6298 section 5).
    pub(super) fn repeat(&mut self, flow: Flow) {
        let Some(half) = self.half_open.get(&flow).copied().filter(|half| half.due == self.now) else { return };
        let repeats = self.world.host(half.place, half.packet.destination()).map_or(0, |host| host.repeats);
        if half.repeated >= repeats {
            self.half_open.remove(&flow);
            self.counters.abandoned += 1;
            return;
        }
        let repeated = half.repeated + 1;
        let due = self.now + FIRST_REPEAT * (1 << repeated.min(MOST_DOUBLINGS));
        self.half_open.insert(flow, HalfOpen { repeated, due, ..half });
        self.schedule(due, Event::Repeat(flow));
        self.counters.repeats += 1;
        let visit = Visit { packet: &half.packet, place: half.place, hops: half.hops, origin: Origin::Other };
        let answer = self.syn_ack(visit);
        self.send(visit, answer, Duration::ZERO);
    }

    pub(super) fn syn_ack(&self, visit: Visit<'_>) -> Answer {
        let sequence = self.initial_sequence(Flow::of(visit.packet));
        self.segment(visit, TcpFlags::SYN | TcpFlags::ACK, sequence, visit.packet.sequence().wrapping_add(1))
    }

    fn initial_sequence(&self, flow: Flow) -> u32 {
        self.key.derive(u64::from(flow.peer)).hash(flow.bits()) as u32
    }
}

const FIRST_REPEAT: Duration = Duration::from_secs(1);
const MOST_DOUBLINGS: u8 = 6;
