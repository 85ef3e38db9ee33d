//! Who answers ARP for an address, and when.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::answer::Answer;
use super::counters::Cause;
use super::host::Arp;
use super::network::{Downward, Network, Origin};
use super::seen::ArpRequest;
use super::topology::mac_of;
use super::world::{PURPOSE_COLD_ARP, World};
use crate::packet::{ArpReply, MacAddr};
use crate::time::Time;

impl Network {
    pub(super) fn hear_arp(&mut self, place: usize, request: &ArpRequest) {
        let address = request.wanted;
        let (mac, arp, up_from) = match self.world.host(place, address) {
            Some(host) => (World::mac(host, address), host.arp, host.up_from),
            None if self.is_first_router(address) => (mac_of(address), Arp::default(), Duration::ZERO),
            None => return,
        };
        if self.now.since(Time::ZERO) < up_from {
            return self.drop_up(Cause::NotUp, Origin::Other);
        }
        if arp.cold_loss > 0.0 || arp.loss > 0.0 || arp.ignored > 0 {
            let requests = &mut self.peers.entry(address.to_bits()).or_default().arp_requests;
            *requests = requests.saturating_add(1);
            let first = *requests == 1 && self.world.chosen(arp.cold_loss, address, 0, PURPOSE_COLD_ARP);
            let lost = self.world.chosen(arp.loss, address, *requests as u16, PURPOSE_COLD_ARP);
            if first || lost || *requests <= arp.ignored {
                return self.drop_up(Cause::Arp, Origin::Other);
            }
        }
        self.answer_arp(place, 0, request, mac, arp.delay);
    }

    /// A first router that stands in no on-link segment answers all the same, or nothing behind it could be reached.
    pub(super) fn arp_at_lone_router(&mut self, request: ArpRequest) {
        let behind = self.world.segments.iter().position(|place| place.spec().via.first() == Some(&request.wanted));
        let join = behind.and_then(|place| Some((place, self.routes.ways[place].routers.first()?.1)));
        if let Some((place, join)) = join {
            self.answer_arp(place, join, &request, mac_of(request.wanted), Duration::ZERO);
        }
    }

    fn is_first_router(&self, address: Ipv4Addr) -> bool {
        self.world.segments.iter().any(|place| place.spec().via.first() == Some(&address))
    }

    fn answer_arp(&mut self, place: usize, step: usize, request: &ArpRequest, mac: MacAddr, delay: Duration) {
        let reply = ArpReply { addr: request.wanted, mac, target: request.source, target_mac: request.mac };
        self.emit(delay, Downward { place, step, origin: Origin::Other, answer: Answer::arp(reply) });
    }
}
