//! From a number in a stage to a frame: the target, its egress, its proof; worked out for a run of positions at once.

use std::net::{IpAddr, Ipv4Addr};

use super::board::Board;
use super::cookie::Origin;
use super::discovery::Discovery;
use super::egress::NextHop;
use super::prober::{Shot, ShotFrame};
use super::stage::Stage;
use crate::packet::{Hop, MacAddr, Probe};
use crate::target::Target;

/// The probe of `attempt` for target `index`; `None` if it cannot be reached now.
pub(super) fn aim(board: &Board, stage: &Stage, index: u64, attempt: u8) -> Option<Shot> {
    let Target { addr: IpAddr::V4(addr), port } = stage.space.get(index) else { return None };
    Way::new(board, board.egresses.number_of(addr)?, attempt).draft(board, addr, port)
}

/// What the probes of one attempt that leave by one egress have in common.
#[derive(Clone, Copy, Debug)]
struct Way {
    egress: u32,
    link: usize,
    source: Ipv4Addr,
    /// `None` while the gateway's hardware address is not known.
    hop: Option<Toward>,
    origin: Origin,
}

/// Where frames go.
#[derive(Clone, Copy, Debug)]
enum Toward {
    /// All to one place.
    One(Hop),
    /// To the targets themselves, from our hardware address.
    Each(MacAddr),
}

impl Way {
    fn new(board: &Board, egress: u32, attempt: u8) -> Self {
        let out = board.egresses.at(egress);
        let hop = match out.hop {
            NextHop::None => Some(Toward::One(Hop::Ip)),
            NextHop::OnLink(source) => Some(Toward::Each(source)),
            NextHop::Gateway(source, number) => {
                board.neighbours.gateway(number).map(|destination| Toward::One(Hop::Ethernet { source, destination }))
            }
        };
        Self { egress, link: out.link, source: out.source, hop, origin: board.cookie.origin(out.source, attempt) }
    }

    // Called, it would write the shot elsewhere by fields, and copying that by larger pieces waits until all of them are written.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured")]
    fn draft(&self, board: &Board, addr: Ipv4Addr, port: u16) -> Option<Shot> {
        let hop = match self.hop? {
            Toward::One(hop) => hop,
            Toward::Each(source) => Hop::Ethernet { source, destination: board.neighbours.mac(addr)? },
        };
        let Self { link, source, origin, .. } = *self;
        let sequence = origin.sequence(addr, port);
        let probe = Probe { hop, source, destination: addr, source_port: origin.port, destination_port: port, sequence };
        let frame = if port == Discovery::ECHO { ShotFrame::Echo(probe) } else { ShotFrame::Syn(probe) };
        Some(Shot { link, frame })
    }
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
    /// Position of the first aim.
    first: u64,
    /// How many are worked out.
    count: usize,
    aims: [Aim; RUN],
}

/// The probe at a position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
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
        Self { attempt: 0, stride, only, first: 0, count: 0, aims: [Aim { index: 0, host: 0, shot: None }; RUN] }
    }

    /// The probes of `attempt` at `position` of the order and at some that follow; none beyond its end.
    #[inline]
    pub(super) fn run(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) -> &[Aim] {
        let place = match position.wrapping_sub(self.first) {
            offset if self.stride == 1 => offset,
            offset => offset / self.stride,
        };
        if self.attempt == attempt && place < self.count as u64 {
            debug_assert_eq!(self.first + place * self.stride, position, "a position of another share");
            return &self.aims[place as usize..self.count];
        }
        self.work_out(board, stage, position, attempt);
        &self.aims[..self.count]
    }

    /// The probe of `attempt` at `position` of the order.
    pub(super) fn at(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) -> Option<&Aim> {
        self.run(board, stage, position, attempt).first()
    }

    #[inline(never)]
    fn work_out(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) {
        let left = stage.order.len().saturating_sub(position).div_ceil(self.stride);
        (self.attempt, self.first, self.count) = (attempt, position, left.min(RUN as u64) as usize);
        let mut indices = [0; RUN];
        let indices = &mut indices[..self.count];
        stage.order.indices(position, self.stride, indices);
        let mut targets = [None; RUN];
        for ((aim, target), &index) in self.aims.iter_mut().zip(&mut targets).zip(&*indices) {
            let (host, place) = stage.space.ipv4_place(index);
            (aim.index, aim.host) = (index, host);
            *target = place.filter(|_| !stage.answered.contains(index));
        }
        let mut way = self.only.map(|egress| Way::new(board, egress, attempt));
        let mut position = position;
        for (aim, target) in self.aims[..self.count].iter_mut().zip(&targets) {
            aim.shot = None;
            if let &Some((addr, port)) = target {
                if self.only.is_none() {
                    let egress = board.egresses.number_of(addr);
                    way = way.filter(|way| Some(way.egress) == egress).or_else(|| Some(Way::new(board, egress?, attempt)));
                }
                if let Some(way) = &way {
                    aim.shot = way.draft(board, addr, port);
                    if aim.shot.is_none() {
                        stage.passed_over(position);
                    }
                }
            }
            position += self.stride;
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
