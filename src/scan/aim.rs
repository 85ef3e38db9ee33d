//! From a number in a stage to a frame: the target, its egress, its proof; worked out for a run of positions at once.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::board::Board;
use super::cookie::Origin;
use super::discovery::Discovery;
use super::egress::NextHop;
use super::prober::{Shot, ShotFrame, Sink};
use super::stage::Stage;
use crate::packet::{Hop, MacAddr, Probe, Syn, SynSeries};
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
    /// All targets are asked by SYNs.
    only_syns: bool,
    /// Position of the first probe.
    first: u64,
    /// How many are worked out.
    count: usize,
    indices: [u64; RUN],
    /// Those of the run after: what is known of them is fetched while this one is used.
    next: [u64; RUN],
    hosts: [u64; RUN],
    /// A bit for each that is to be sent: its target has not answered, and can be reached.
    due: u32,
    /// By what link, if all of them are SYNs of one series.
    link: Option<usize>,
    /// The series that was the last.
    series: Option<SynSeries>,
    syns: [Syn; RUN],
    /// If they are no series.
    shots: [Option<Shot>; RUN],
}

/// The probes at some positions that follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    hosts: &'a [u64],
    due: u32,
    probes: Probes<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Probes<'a> {
    Series { link: usize, series: &'a SynSeries, syns: &'a [Syn] },
    Shots(&'a [Option<Shot>]),
}

impl Ahead {
    /// Nothing worked out yet; every `stride`-th position will be asked for.
    pub(super) fn new(board: &Board, stage: Option<&Stage>, stride: u64) -> Self {
        let only = stage.and_then(|stage| board.egresses.only(stage.space.addresses()));
        let only_syns = stage.is_some_and(|stage| !stage.space.ports().contains(Discovery::ECHO));
        Self {
            attempt: 0,
            stride,
            only,
            only_syns,
            first: 0,
            count: 0,
            indices: [0; RUN],
            next: [0; RUN],
            hosts: [0; RUN],
            due: 0,
            link: None,
            series: None,
            syns: [Syn::NONE; RUN],
            shots: [None; RUN],
        }
    }

    /// The probes of `attempt` at `position` of the order and at some that follow; none beyond its end.
    #[inline]
    pub(super) fn run(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) -> Run<'_> {
        let mut place = match position.wrapping_sub(self.first) {
            offset if self.stride == 1 => offset,
            offset => offset / self.stride,
        };
        if self.attempt == attempt && place < self.count as u64 {
            debug_assert_eq!(self.first + place * self.stride, position, "a position of another share");
            self.look(stage, place as usize);
        } else {
            place = 0;
            self.work_out(board, stage, position, attempt);
        }
        let rest = place as usize..self.count;
        let probes = match (self.link, &self.series) {
            (Some(link), Some(series)) => Probes::Series { link, series, syns: &self.syns[rest.clone()] },
            _ => Probes::Shots(&self.shots[rest.clone()]),
        };
        Run { hosts: &self.hosts[rest], due: self.due >> place, probes }
    }

    /// Those that have answered are not due, or not any more. Nothing else is done meanwhile: so all of them are looked up at once, each in
    /// another part of memory, where that takes most of a probe's time.
    #[inline]
    fn look(&mut self, stage: &Stage, place: usize) {
        for (place, &index) in self.indices[..self.count].iter().enumerate().skip(place) {
            self.due &= !(u32::from(stage.answered.contains(index)) << place);
        }
    }

    #[inline(never)]
    fn work_out(&mut self, board: &Board, stage: &Stage, position: u64, attempt: u8) {
        let is_next = self.count > 0 && position == self.first + self.count as u64 * self.stride;
        (self.attempt, self.first, self.count) = (attempt, position, self.many_from(stage, position));
        if is_next {
            self.indices = self.next;
        } else {
            stage.order.indices(position, self.stride, &mut self.indices[..self.count]);
        }
        self.look_ahead(stage);
        (self.due, self.link) = (u32::MAX, None);
        self.look(stage, 0);
        let way = self.only.map(|egress| Way::new(board, egress, attempt));
        if let Some(Way { hop: Some(Toward::One(hop)), link, source, origin, .. }) = way
            && self.only_syns
        {
            self.link = Some(link);
            if !self.series.as_ref().is_some_and(|series| series.is(hop, source, origin.port)) {
                self.series = Some(SynSeries::new(hop, source, origin.port));
            }
            self.work_out_series(stage, &origin);
        } else {
            self.work_out_shots(board, stage, way);
        }
    }

    /// How many positions from `position` on make a run.
    fn many_from(&self, stage: &Stage, position: u64) -> usize {
        stage.order.len().saturating_sub(position).div_ceil(self.stride).min(RUN as u64) as usize
    }

    /// Where the next run's bits are, nobody but the order knows: the processor would wait for each.
    #[inline]
    fn look_ahead(&mut self, stage: &Stage) {
        let position = self.first + self.count as u64 * self.stride;
        let next = self.many_from(stage, position);
        stage.order.indices(position, self.stride, &mut self.next[..next]);
        self.next[..next].iter().for_each(|&index| stage.answered.prefetch(index));
    }

    fn work_out_series(&mut self, stage: &Stage, origin: &Origin) {
        let mut there = 0;
        let places = self.indices.iter().zip(&mut self.hosts).zip(&mut self.syns);
        for (number, ((&index, host), syn)) in places.enumerate().take(self.count) {
            let (number_of_host, target) = stage.space.ipv4_place(index);
            *host = number_of_host;
            if let Some((destination, port)) = target {
                (syn.destination, syn.port) = (destination, port);
                there |= 1 << number;
            }
        }
        self.due &= there;
        for syn in &mut self.syns[..self.count] {
            syn.sequence = origin.sequence(syn.destination, syn.port);
        }
    }

    /// The same, whatever way each goes.
    fn work_out_shots(&mut self, board: &Board, stage: &Stage, mut way: Option<Way>) {
        let unanswered = std::mem::take(&mut self.due);
        let mut position = self.first;
        for (number, &index) in self.indices[..self.count].iter().enumerate() {
            let (host, target) = stage.space.ipv4_place(index);
            self.hosts[number] = host;
            self.shots[number] = None;
            if let Some((addr, port)) = target.filter(|_| unanswered >> number & 1 != 0) {
                if self.only.is_none() {
                    let egress = board.egresses.number_of(addr);
                    way = way.filter(|way| Some(way.egress) == egress).or_else(|| Some(Way::new(board, egress?, self.attempt)));
                }
                if let Some(way) = &way {
                    let shot = way.draft(board, addr, port);
                    if shot.is_none() {
                        stage.passed_over(position);
                    }
                    self.due |= u32::from(shot.is_some()) << number;
                    self.shots[number] = shot;
                }
            }
            position += self.stride;
        }
    }
}

impl Run<'_> {
    /// How many positions.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// The numbers of the hosts in the stage.
    #[inline]
    pub(super) fn hosts(&self) -> &[u64] {
        self.hosts
    }

    /// How many from `place` on are due without a gap.
    #[inline]
    pub(super) fn due(&self, place: usize) -> usize {
        (self.due >> place).trailing_ones() as usize
    }

    /// The frame at `place`; `None` if the target has answered or cannot be reached now.
    pub(super) fn shot(&self, place: usize) -> Option<Shot> {
        if self.due(place) == 0 {
            return None;
        }
        match self.probes {
            Probes::Series { link, series, syns } => Some(Shot { link, frame: ShotFrame::Syn(series.probe(&syns[place])) }),
            Probes::Shots(shots) => shots[place],
        }
    }

    /// The ports of those at `places`, which are due.
    pub(super) fn ports(&self, places: Range<usize>) -> impl Iterator<Item = u16> {
        places.filter_map(|place| Some(self.shot(place)?.frame.port()))
    }

    /// Passes those at `places`, which are due, to `sink`, until there is no room; how many found it.
    #[inline]
    pub(super) fn put(&self, places: Range<usize>, sink: &mut impl Sink) -> usize {
        match self.probes {
            Probes::Series { link, series, syns } => sink.put_all(link, series, &syns[places]),
            Probes::Shots(shots) => shots[places].iter().flatten().take_while(|shot| sink.put(shot)).count(),
        }
    }
}

/// Positions worked out at once; a bit for each fits into a word.
const RUN: usize = 16;
