//! From a number in a stage to a frame: the target, its egress, its proof; worked out for a run of positions at once.

use std::net::{IpAddr, Ipv4Addr};

use super::board::Board;
use super::cookie::Flow;
use super::discovery::Discovery;
use super::egress::{Egress, NextHop};
use super::prober::{Shot, ShotFrame};
use super::stage::Stage;
use crate::packet::{Hop, Probe};
use crate::target::Target;

/// The probe of `attempt` for target `index`; `None` if it cannot be reached now.
pub(super) fn aim(board: &Board, stage: &Stage, index: u64, attempt: u8) -> Option<Shot> {
    let Target { addr: IpAddr::V4(addr), port } = stage.space.get(index) else { return None };
    draft(board, board.egresses.number_of(addr)?, addr, port, attempt)
}

#[inline]
fn draft(board: &Board, egress: u32, addr: Ipv4Addr, port: u16, attempt: u8) -> Option<Shot> {
    let &Egress { link, source, hop } = board.egresses.at(egress);
    let hop = match hop {
        NextHop::None => Hop::Ip,
        NextHop::OnLink(source) => Hop::Ethernet { source, destination: board.neighbours.mac(addr)? },
        NextHop::Gateway(source, number) => Hop::Ethernet { source, destination: board.neighbours.gateway(number)? },
    };
    let (source_port, sequence) = board.cookie.probe(Flow { source, destination: addr, port }, attempt);
    let probe = Probe { hop, source, destination: addr, source_port, destination_port: port, sequence };
    let frame = if port == Discovery::ECHO { ShotFrame::Echo(probe) } else { ShotFrame::Syn(probe) };
    Some(Shot { link, frame })
}

/// What the probes at the next positions of one attempt will be.
///
/// One probe is a chain of steps that wait for each other: rounds of the order, a look into the answered bits somewhere in megabytes,
/// the lookup of the address, rounds of the hash. Done for [`RUN`] positions in turns, step by step, the chains of neighbours overlap, and so do
/// their waits for memory: half the time of one after the other.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    attempt: u8,
    /// Between two positions.
    stride: u64,
    /// The one egress that all targets of the stage have, if so.
    only: Option<u32>,
    next: usize,
    aims: [Aim; RUN],
}

/// The probe at a position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    position: u64,
    index: u64,
    /// The number of the host in the stage.
    pub(super) host: u64,
    /// `None` if the target had answered, or could not be reached.
    shot: Option<Shot>,
}

impl Ahead {
    /// Nothing worked out yet; every `stride`-th position will be asked for.
    pub(super) fn new(board: &Board, stage: Option<&Stage>, stride: u64) -> Self {
        let only = stage.and_then(|stage| board.egresses.only(stage.space.addresses()));
        Self { attempt: 0, stride, only, next: 0, aims: [Aim { position: u64::MAX, index: 0, host: 0, shot: None }; RUN] }
    }

    /// The probe of `attempt` at `position` of the order.
    #[inline]
    pub(super) fn at(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) -> &Aim {
        let known = |place: usize| self.attempt == attempt && self.aims.get(place).is_some_and(|aim| aim.position == position);
        if !known(self.next) {
            if known(self.next + 1) {
                self.next += 1;
            } else {
                self.work_out(board, stage, position, attempt);
            }
        }
        &self.aims[self.next]
    }

    #[inline(never)]
    fn work_out(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) {
        (self.attempt, self.next) = (attempt, 0);
        let last = stage.order.len() - 1;
        let positions: [u64; RUN] = std::array::from_fn(|n| position.saturating_add(n as u64 * self.stride));
        let indices = stage.order.indices(positions.map(|position| position.min(last)));
        let silent = indices.map(|index| !stage.answered.contains(index));
        let places = stage.space.ipv4_places(indices);
        for (n, aim) in self.aims.iter_mut().enumerate() {
            let (host, target) = places[n];
            let shot = target.filter(|_| silent[n]).and_then(|(addr, port)| {
                let egress = if self.only.is_some() { self.only } else { board.egresses.number_of(addr) };
                let shot = draft(board, egress?, addr, port, attempt);
                if shot.is_none() {
                    stage.passed_over(positions[n]);
                }
                shot
            });
            *aim = Aim { position: if positions[n] <= last { positions[n] } else { u64::MAX }, index: indices[n], host, shot };
        }
    }
}

impl Aim {
    /// The frame to be sent now; `None` if the target has answered or cannot be reached now.
    #[inline]
    pub(super) fn shot(&self, stage: &Stage) -> Option<&Shot> {
        self.shot.as_ref().filter(|_| !stage.answered.contains(self.index))
    }
}

/// Positions worked out at once.
const RUN: usize = 16;
