//! The simulated network: frames in, frames out at their time. It reads no clock; it is told what time it is.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::answer::Answer;
use super::counters::{Cause, Counters};
use super::element::{Kind, Traffic};
use super::handshake::{Flow, HalfOpen};
use super::hash::{AddressMap, Key};
use super::host_state::Peer;
use super::route::{End, Routes, Walk};
use super::seen::{self, ArpRequest, Packet, Seen, Unread};
use super::topology::{Tally, Topology};
use super::truth::{Arrivals, Truth};
use super::world::World;
use crate::packet::{Checksums, FRAME_CAPACITY, MacAddr, Medium};
use crate::time::Time;

/// A network at work. The same topology, seed and injected frames give the same deliveries, byte for byte.
pub struct Network {
    pub(super) world: World,
    pub(super) routes: Routes,
    pub(super) key: Key,
    pub(super) now: Time,
    pub(super) counters: Counters,
    pub(super) peers: AddressMap<u32, Peer>,
    pub(super) half_open: AddressMap<Flow, HalfOpen>,
    medium: Medium,
    tally: Tally,
    tallies: AddressMap<u32, Arrivals>,
    /// Numbers events so that those of one moment keep their order.
    sequence: u64,
    events: BinaryHeap<Reverse<Due<Event>>>,
    outbox: BinaryHeap<Reverse<Due<(Answer, Origin)>>>,
    walks: Vec<Walk>,
}

/// What happens inside the network at a time.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Up(Upward),
    Down(Downward),
    Repeat(Flow),
}

/// A packet on its way to a host: the next step of its way, and the routers behind it.
#[derive(Clone, Copy)]
pub(super) struct Upward {
    pub(super) place: usize,
    pub(super) step: usize,
    pub(super) hops: u8,
    pub(super) origin: Origin,
    pub(super) cargo: Cargo,
}

/// A packet on its way to the scanner.
#[derive(Clone, Copy)]
pub(super) struct Downward {
    pub(super) place: usize,
    pub(super) step: usize,
    pub(super) origin: Origin,
    pub(super) answer: Answer,
}

#[derive(Clone, Copy)]
pub(super) enum Cargo {
    Tcp(Packet),
    Echo(Packet),
    Arp(ArpRequest),
}

/// Whether a packet settles the fate of an injected SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An injected SYN, or the answer to it.
    Syn,
    /// Anything else: copies, forgeries, repeats, RSTs, ARP.
    Other,
}

impl Network {
    /// The network that `topology` describes; `seed` decides everything in it that is left to chance.
    pub fn new(topology: Topology, seed: u64) -> Self {
        let key = Key::new(seed);
        Self {
            routes: Routes::new(&topology, key),
            world: World::new(topology.segments, key),
            key,
            now: Time::ZERO,
            counters: Counters::default(),
            peers: AddressMap::default(),
            half_open: AddressMap::default(),
            medium: topology.medium,
            tally: topology.tally,
            tallies: AddressMap::default(),
            sequence: 0,
            events: BinaryHeap::new(),
            outbox: BinaryHeap::new(),
            walks: Vec::new(),
        }
    }

    /// What the scanner's link carries.
    pub fn medium(&self) -> Medium {
        self.medium
    }

    /// A frame from the scanner arrives at the network's edge. A `now` before an earlier one counts as that earlier one.
    pub fn inject(&mut self, now: Time, frame: &[u8]) {
        self.inject_with(now, frame, Checksums::Verify);
    }

    /// The same for a frame whose checksums the sender's kernel may have left to hardware.
    pub fn inject_with(&mut self, now: Time, frame: &[u8], checksums: Checksums) {
        self.run(now);
        self.counters.frames += 1;
        match seen::read(frame, self.medium, checksums) {
            Ok(Seen::Arp(request)) => self.inject_arp(request),
            Ok(Seen::Tcp { next_hop, packet }) => self.inject_tcp(next_hop, packet),
            Ok(Seen::Echo { next_hop, packet }) => self.inject_echo(next_hop, packet),
            Err(Unread::Malformed) => self.counters.malformed += 1,
            Err(Unread::Foreign) => self.counters.foreign += 1,
        }
    }

    /// The earliest time at which something happens inside the network: no frame is due before it, and
    /// [`Self::deliver`] at that time makes progress, though it may have no frame to hand out yet. `None` when nothing more will happen by itself.
    pub fn next_delivery(&self) -> Option<Time> {
        let next_event = self.events.peek().map(|Reverse(due)| due.at);
        let next_frame = self.outbox.peek().map(|Reverse(due)| due.at);
        next_event.into_iter().chain(next_frame).min()
    }

    /// Hands out all frames due at or before `now`, each with the time it was due, in order of that time.
    pub fn deliver(&mut self, now: Time, each: &mut dyn FnMut(Time, &[u8])) {
        self.run(now);
        let mut slot = [0; FRAME_CAPACITY];
        while let Some(due) = pop_due(&mut self.outbox, self.now) {
            let (answer, origin) = due.what;
            let len = answer.write(&mut slot, self.medium);
            self.counters.delivered += 1;
            if origin == Origin::Syn {
                self.counters.fates.answered += 1;
            }
            each(due.at, &slot[..len]);
        }
    }

    /// What a perfect scan would find, and what happened so far.
    pub fn truth(&self) -> Truth<'_> {
        Truth { world: &self.world, counters: &self.counters, half_open: self.half_open.len(), tallies: &self.tallies }
    }

    fn inject_arp(&mut self, request: ArpRequest) {
        self.counters.arp_requests += 1;
        // Links of other segments do not hear the broadcast.
        let place = self.world.place_of(request.wanted).filter(|&place| self.world.segments[place].spec().via.is_empty());
        match place {
            Some(place) => self.walk_up(Upward { place, step: 0, hops: 0, origin: Origin::Other, cargo: Cargo::Arp(request) }),
            None => self.arp_at_lone_router(request),
        }
    }

    fn inject_tcp(&mut self, next_hop: Option<MacAddr>, packet: Packet) {
        let origin = if packet.opens() { Origin::Syn } else { Origin::Other };
        if origin == Origin::Syn {
            self.counters.syns += 1;
            if self.tally == Tally::PerAddress {
                self.tallies.entry(packet.destination().to_bits()).or_default().count(self.now);
            }
        } else if packet.flags.is_rst() {
            self.counters.resets += 1;
        } else if packet.flags.is_ack() {
            self.counters.acknowledgements += 1;
        } else {
            self.counters.foreign += 1;
            return;
        }
        let Some(place) = self.world.place_of(packet.destination()) else {
            return self.drop_up(Cause::NoRoute, origin);
        };
        if next_hop.is_some_and(|mac| self.next_hop(place, &packet) != Some(mac)) {
            return self.drop_up(Cause::Misaddressed, origin);
        }
        self.walk_up(Upward { place, step: 0, hops: 0, origin, cargo: Cargo::Tcp(packet) });
    }

    /// Lets everything happen that is due at or before `now`.
    fn run(&mut self, now: Time) {
        while let Some(due) = pop_due(&mut self.events, now) {
            self.now = self.now.max(due.at);
            match due.what {
                Event::Up(packet) => self.walk_up(packet),
                Event::Down(packet) => self.walk_down(packet),
                Event::Repeat(flow) => self.repeat(flow),
            }
        }
        self.now = self.now.max(now);
    }

    pub(super) fn walk_up(&mut self, packet: Upward) {
        if packet.step == self.routes.ways[packet.place].up.len() {
            return self.arrive(&packet);
        }
        let (traffic, ttl) = self.traffic(&packet);
        let mut walks = self.first_walk(packet.step, packet.hops);
        let mut origin = packet.origin;
        while let Some(walk) = walks.pop() {
            match self.routes.walk_up(packet.place, walk, traffic, ttl, &mut walks) {
                End::Rest(Walk { step, hops, at }) => self.schedule(at, Event::Up(Upward { step, hops, origin, ..packet })),
                End::Expired(Walk { hops, at, .. }, router) => self.expire(&Upward { hops, origin, ..packet }, router, at),
                End::Lost(cause) => self.drop_up(cause, origin),
            }
            origin = Origin::Other;
        }
        self.keep(walks);
    }

    pub(super) fn walk_down(&mut self, packet: Downward) {
        let traffic = packet.answer.traffic();
        let mut walks = self.first_walk(packet.step, 0);
        let mut origin = packet.origin;
        while let Some(walk) = walks.pop() {
            match self.routes.walk_down(packet.place, walk, traffic, &mut walks) {
                End::Rest(Walk { step, at, .. }) if step < self.routes.ways[packet.place].down.len() => {
                    self.schedule(at, Event::Down(Downward { step, origin, ..packet }));
                }
                End::Rest(Walk { at, .. }) | End::Expired(Walk { at, .. }, _) => {
                    self.sequence += 1;
                    self.outbox.push(Reverse(Due { at, sequence: self.sequence, what: (packet.answer, origin) }));
                }
                End::Lost(cause) => self.drop_down(cause, origin),
            }
            origin = Origin::Other;
        }
        self.keep(walks);
    }

    /// The list of a packet and its copies still to walk, with the packet in it. The list is lent and kept: no allocation for each packet.
    fn first_walk(&mut self, step: usize, hops: u8) -> Vec<Walk> {
        let mut walks = std::mem::take(&mut self.walks);
        walks.push(Walk { step, hops, at: self.now });
        walks
    }

    fn keep(&mut self, walks: Vec<Walk>) {
        self.counters.duplicates += std::mem::take(&mut self.routes.copies);
        self.walks = walks;
    }

    pub(super) fn schedule(&mut self, at: Time, what: Event) {
        self.sequence += 1;
        self.events.push(Reverse(Due { at, sequence: self.sequence, what }));
    }

    pub(super) fn drop_up(&mut self, cause: Cause, origin: Origin) {
        self.counters.dropped_up.count(cause);
        if origin == Origin::Syn {
            self.counters.fates.dropped.count(cause);
        }
    }

    pub(super) fn drop_down(&mut self, cause: Cause, origin: Origin) {
        self.counters.dropped_down.count(cause);
        if origin == Origin::Syn {
            self.counters.fates.dropped.count(cause);
        }
    }

    /// What elements may know of a packet, and its time to live.
    fn traffic(&self, packet: &Upward) -> (Traffic, u8) {
        match &packet.cargo {
            Cargo::Arp(request) => (Traffic { address: request.wanted.to_bits(), port: 0, kind: Kind::Other }, u8::MAX),
            Cargo::Echo(packet) => {
                (Traffic { address: packet.destination().to_bits(), port: 0, kind: self.kind_of_echo(packet) }, packet.ttl())
            }
            Cargo::Tcp(segment) => {
                let (address, port) = (segment.destination(), segment.destination_port());
                let kind = match segment.opens() {
                    false => Kind::Other,
                    true if self.world.nature(address, port).answers() => Kind::Welcome,
                    true => Kind::Vain,
                };
                (Traffic { address: address.to_bits(), port, kind }, segment.ttl())
            }
        }
    }
}

struct Due<T> {
    at: Time,
    sequence: u64,
    what: T,
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Due<T> {}

fn pop_due<T>(queue: &mut BinaryHeap<Reverse<Due<T>>>, now: Time) -> Option<Due<T>> {
    queue.peek().is_some_and(|Reverse(due)| due.at <= now).then(|| queue.pop()).flatten().map(|Reverse(due)| due)
}
