//! What a host does with a packet that reaches it, and what it remembers of its limits.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::answer::{Answer, Segment};
use super::counters::Cause;
use super::element::{Bucket, Wire};
use super::handshake::Flow;
use super::hash::AddressMap;
use super::host::{Forgery, HostSpec, Lie, Limit, PortState};
use super::network::{Cargo, Downward, Event, Network, Origin, Upward};
use super::seen::Packet;
use super::world::{PURPOSE_FORGERY, World};
use crate::packet::{MacAddr, TcpFlags};
use crate::time::Time;

/// What a host or router with limits remembers.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) arp_requests: u32,
    syns: Option<Bucket>,
    replies: Option<Bucket>,
    resets: Option<Bucket>,
    pub(super) errors: Option<Bucket>,
    wire: Option<Wire>,
}

/// A host at which a packet is, and the packet's way.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) packet: &'a Packet,
    pub(super) place: usize,
    pub(super) hops: u8,
    pub(super) origin: Origin,
}

impl Network {
    pub(super) fn next_hop(&self, place: usize, packet: &Packet) -> Option<MacAddr> {
        self.routes.ways[place].next_hop.or_else(|| {
            let address = packet.destination();
            self.world.host(place, address).map(|host| World::mac(host, address))
        })
    }

    pub(super) fn arrive(&mut self, upward: &Upward) {
        let &Upward { place, hops, origin, .. } = upward;
        match &upward.cargo {
            Cargo::Arp(request) => self.hear_arp(place, request),
            Cargo::Echo(packet) => self.hear_echo(Visit { packet, place, hops, origin }),
            Cargo::Tcp(packet) if packet.opens() => self.hear_syn(Visit { packet, place, hops, origin }),
            Cargo::Tcp(packet) if packet.flags.is_rst() => self.hear_reset(packet),
            Cargo::Tcp(packet) => self.hear_acknowledgement(Visit { packet, place, hops, origin }),
        }
    }

    fn hear_syn(&mut self, visit: Visit<'_>) {
        let (address, port) = (visit.packet.destination(), visit.packet.destination_port());
        let Some(host) = self.world.host(visit.place, address) else {
            return match self.world.missing(visit.place) {
                Some((rejection, after)) => self.reject(visit, rejection, after, DEFAULT_TTL),
                None => self.fall_silent(visit.origin),
            };
        };
        if self.now.since(Time::ZERO) < host.up_from {
            return self.drop_up(Cause::NotUp, visit.origin);
        }
        if let Some(cause) = admission(&mut self.peers, host, address, self.now) {
            return self.drop_up(cause, visit.origin);
        }
        let state = self.world.port(host, address, port);
        let (delay, ttl) = (host.delay, host.ttl);
        let forgery = host.forgery.filter(|forgery| self.world.chosen(forgery.share, address, port, PURPOSE_FORGERY));
        let refused = match state {
            PortState::Silent => None,
            state => reply_refusal(&mut self.peers, host, address, state, self.now),
        };
        if let Some(forgery) = forgery {
            self.forge(visit, forgery);
        }
        if let Some(cause) = refused {
            return self.drop_down(cause, visit.origin);
        }
        match state {
            PortState::Silent => self.fall_silent(visit.origin),
            PortState::Rejected(rejection) => self.reject(visit, rejection, delay, ttl),
            PortState::Closed => {
                let answer = self.segment(visit, TcpFlags::RST | TcpFlags::ACK, 0, visit.packet.sequence().wrapping_add(1));
                self.send(visit, answer, delay);
            }
            PortState::Open => {
                let answer = self.syn_ack(visit);
                self.open(visit, delay);
                self.send(visit, answer, delay);
            }
        }
    }

    fn forge(&mut self, visit: Visit<'_>, forgery: Forgery) {
        let hash = self.key.derive(PURPOSE_FORGERY).hash(Flow::of(visit.packet).bits());
        let answer = self.syn_ack(visit).forged(|segment| match forgery.lie {
            Lie::Acknowledgement => segment.acknowledgement ^= hash as u32 | 1,
            Lie::Port => segment.destination_port = segment.destination_port.wrapping_add(1 + (hash % 1000) as u16),
            Lie::Address => segment.source = Ipv4Addr::from_bits(NEVER_PROBED | (hash as u32 & 0xff)),
        });
        self.counters.forged += 1;
        self.send(Visit { origin: Origin::Other, ..visit }, answer, Duration::ZERO);
    }

    pub(super) fn segment(&self, visit: Visit<'_>, flags: u8, sequence: u32, acknowledgement: u32) -> Answer {
        let host = self.world.host(visit.place, visit.packet.destination());
        let ttl = host.map_or(DEFAULT_TTL, |host| host.ttl).saturating_sub(visit.hops);
        // A RST has no window.
        let window = if flags & TcpFlags::RST == 0 { host.map_or(0, |host| host.window) } else { 0 };
        Answer::tcp(visit.packet, self.sender_mac(visit), Segment { flags, sequence, acknowledgement, window, ttl })
    }

    /// The hardware address that frames from this visit's segment come from.
    pub(super) fn sender_mac(&self, visit: Visit<'_>) -> MacAddr {
        self.next_hop(visit.place, visit.packet).unwrap_or_default()
    }

    pub(super) fn send(&mut self, visit: Visit<'_>, answer: Answer, delay: Duration) {
        self.emit(delay, Downward { place: visit.place, step: 0, origin: visit.origin, answer });
    }

    pub(super) fn emit(&mut self, delay: Duration, downward: Downward) {
        if delay.is_zero() {
            self.walk_down(downward);
        } else {
            self.schedule(self.now + delay, Event::Down(downward));
        }
    }
}

/// Why a host does not look at a SYN at all.
fn admission(peers: &mut AddressMap<u32, Peer>, host: &HostSpec, address: Ipv4Addr, now: Time) -> Option<Cause> {
    if host.tripwire.is_none() && host.syn_limit.is_none() {
        return None;
    }
    let peer = peers.entry(address.to_bits()).or_default();
    if let Some(tripwire) = host.tripwire
        && !peer.wire.get_or_insert_with(|| Wire::new(tripwire)).admits(now)
    {
        return Some(Cause::Firewall);
    }
    let limit = host.syn_limit?;
    (!take(&mut peer.syns, limit, now)).then_some(Cause::SynLimit)
}

/// Why a host does not send the answer it would.
fn reply_refusal(peers: &mut AddressMap<u32, Peer>, host: &HostSpec, address: Ipv4Addr, state: PortState, now: Time) -> Option<Cause> {
    let reset_limit = host.reset_limit.filter(|_| state == PortState::Closed);
    if reset_limit.is_none() && host.reply_limit.is_none() {
        return None;
    }
    let peer = peers.entry(address.to_bits()).or_default();
    if reset_limit.is_some_and(|limit| !take(&mut peer.resets, limit, now)) {
        return Some(Cause::ResetLimit);
    }
    let limit = host.reply_limit?;
    (!take(&mut peer.replies, limit, now)).then_some(Cause::ReplyLimit)
}

pub(super) fn take(bucket: &mut Option<Bucket>, limit: Limit, now: Time) -> bool {
    bucket.get_or_insert_with(|| Bucket::full(limit)).take(now, limit)
}

pub(super) const DEFAULT_TTL: u8 = 64;
/// 192.0.2.0/24, for documentation (RFC 5737): nobody scans it.
const NEVER_PROBED: u32 = 0xc000_0200;
