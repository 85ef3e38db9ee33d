//! Silence and ICMP errors: how a SYN is refused without a segment.

use std::time::Duration;

use super::answer::Answer;
use super::counters::Cause;
use super::host::{Rejection, Sender};
use super::host_state::{DEFAULT_TTL, Visit, take};
use super::network::{Cargo, Downward, Network, Origin, Upward};
use crate::time::Time;

impl Network {
    pub(super) fn fall_silent(&mut self, origin: Origin) {
        if origin == Origin::Syn {
            self.counters.fates.silent += 1;
        }
    }

    /// The time to live of `upward` ran out at `router`, at a time that may still be to come.
    pub(super) fn expire(&mut self, upward: &Upward, router: usize, at: Time) {
        let (Cargo::Tcp(packet) | Cargo::Echo(packet)) = upward.cargo else { return };
        let visit = Visit { packet: &packet, place: upward.place, hops: upward.hops, origin: upward.origin };
        self.reject_at(visit, router, (11, 0), at.since(self.now));
    }

    pub(super) fn reject(&mut self, visit: Visit<'_>, rejection: Rejection, after: Duration, ttl: u8) {
        let code = (rejection.kind, rejection.code);
        if let (Sender::Router, Some(&(router, _))) = (rejection.from, self.routes.ways[visit.place].routers.last()) {
            return self.reject_at(visit, router, code, after);
        }
        let quoted = visit.packet.after(visit.hops);
        let answer = Answer::icmp(&quoted, self.sender_mac(visit), visit.packet.destination(), code, ttl.saturating_sub(visit.hops));
        self.send(visit, answer, after);
    }

    fn reject_at(&mut self, visit: Visit<'_>, router: usize, code: (u8, u8), after: Duration) {
        let way = &self.routes.ways[visit.place];
        let Some(passed) = way.routers.iter().position(|&(passed, _)| passed == router) else { return };
        let step = way.routers[passed].1;
        let spec = &self.routes.routers[router];
        let address = spec.address;
        if let Some(limit) = spec.icmp_limit
            && !take(&mut self.peers.entry(address.to_bits()).or_default().errors, limit, self.now)
        {
            return self.drop_down(Cause::IcmpLimit, visit.origin);
        }
        let passed = u8::try_from(passed).unwrap_or(u8::MAX);
        let answer = Answer::icmp(&visit.packet.after(passed), self.sender_mac(visit), address, code, DEFAULT_TTL.saturating_sub(passed));
        self.emit(after, Downward { place: visit.place, step, origin: visit.origin, answer });
    }
}
