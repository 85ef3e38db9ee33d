//! Who answers ICMP echo.

use super::answer::Answer;
use super::counters::Cause;
use super::element::Kind;
use super::host_state::{DEFAULT_TTL, Visit};
use super::network::{Cargo, Network, Origin, Upward};
use super::seen::Packet;
use crate::packet::MacAddr;
use crate::time::Time;

impl Network {
    pub(super) fn inject_echo(&mut self, next_hop: Option<MacAddr>, packet: Packet) {
        self.counters.echo_requests += 1;
        let Some(place) = self.world.place_of(packet.destination()) else {
            return self.drop_up(Cause::NoRoute, Origin::Other);
        };
        if next_hop.is_some_and(|mac| self.next_hop(place, &packet) != Some(mac)) {
            return self.drop_up(Cause::Misaddressed, Origin::Other);
        }
        self.walk_up(Upward { place, step: 0, hops: 0, origin: Origin::Other, cargo: Cargo::Echo(packet) });
    }

    /// A firewall on the way knows an echo request like a SYN: as the first packet of a flow.
    pub(super) fn kind_of_echo(&self, packet: &Packet) -> Kind {
        let address = packet.destination();
        let place = self.world.place_of(address);
        let answers = place.and_then(|place| self.world.host(place, address)).is_some_and(|host| host.echo);
        if answers { Kind::Welcome } else { Kind::Vain }
    }

    pub(super) fn hear_echo(&mut self, visit: Visit<'_>) {
        let Some(host) = self.world.host(visit.place, visit.packet.destination()) else {
            if let Some((rejection, after)) = self.world.missing(visit.place) {
                self.reject(visit, rejection, after, DEFAULT_TTL);
            }
            return;
        };
        if self.now.since(Time::ZERO) < host.up_from {
            return self.drop_up(Cause::NotUp, visit.origin);
        }
        if !host.echo {
            return;
        }
        let (delay, ttl) = (host.delay, host.ttl.saturating_sub(visit.hops));
        let answer = Answer::echo(visit.packet, self.sender_mac(visit), ttl);
        self.send(visit, answer, delay);
    }
}
