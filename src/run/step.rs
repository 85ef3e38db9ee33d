//! One step of sending and one of receiving: the same pair drives real links and the simulated network.

use std::io;
use std::time::Duration;

use super::clock::arrival;
use super::proofs::Catch;
use crate::net::{Frame, Receiver, Reset, Transmitter};
use crate::packet::{Hop, Reply, RstTemplate, Syn, SynSeries, SynTemplate, TcpReply, write_echo_request, write_request};
use crate::scan::{Board, NextHop, Observer, Poll, Record, Shot, ShotFrame, Sink, Source};
use crate::time::Time;

/// The transmitters of one sender, by link number.
pub struct Outlets {
    by_link: Vec<Outlet>,
    /// Frames between two looks at the clock: as many as every link takes at once.
    batch: u64,
    syn: SynTemplate,
}

struct Outlet {
    transmitter: Box<dyn Transmitter>,
    /// Frames committed and not yet taken by the device.
    queued: usize,
    /// The oldest of these, while there are any; of a link that failed, those it lost.
    waiting: Option<Waiting>,
    /// Why the link takes nothing any more.
    failure: Option<io::Error>,
}

/// Frames that wait, in the order they were committed. A device that is never idle may have taken them, and still have others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    /// None of them was committed before.
    since: Time,
    /// How many of the first of them are followed by those that were committed after `next`.
    first: usize,
    next: Time,
}

/// What a sender does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another step at once.
    Again,
    /// Another step then.
    At(Time),
    /// The source is done and the queues are empty.
    Done,
}

impl Outlets {
    /// One transmitter for each link.
    pub fn new(transmitters: Vec<Box<dyn Transmitter>>) -> Self {
        let batch = transmitters.iter().map(Transmitter::batch).min().unwrap_or(1) as u64;
        let by_link = transmitters.into_iter().map(|transmitter| Outlet { transmitter, queued: 0, waiting: None, failure: None }).collect();
        Self { by_link, batch, syn: SynTemplate::new() }
    }

    /// Links that failed, by number, with the reason.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &io::Error)> {
        self.by_link.iter().enumerate().filter_map(|(link, outlet)| Some((link, outlet.failure.as_ref()?)))
    }

    /// Whether no link takes anything any more.
    pub fn all_failed(&self) -> bool {
        self.by_link.iter().all(|outlet| outlet.failure.is_some())
    }

    /// Whether the frame found room. A link that failed has room for everything, and loses it.
    #[inline]
    fn put(&mut self, shot: &Shot, board: &Board) -> bool {
        let outlet = &mut self.by_link[shot.link];
        if outlet.failure.is_some() {
            board.counters.send_errors.add(1);
            return true;
        }
        let Some(slot) = outlet.transmitter.slot() else { return false };
        let len = write(&self.syn, slot, &shot.frame);
        outlet.transmitter.commit(len);
        outlet.queued += 1;
        true
    }

    /// As [`Self::put`] for several; how many found room.
    fn put_all(&mut self, link: usize, series: &SynSeries, syns: &[Syn], board: &Board) -> usize {
        let outlet = &mut self.by_link[link];
        if outlet.failure.is_some() {
            board.counters.send_errors.add(syns.len() as u64);
            return syns.len();
        }
        let written = outlet.transmitter.write_all(series, syns);
        outlet.queued += written;
        written
    }

    /// Hands frames over that were queued until now; whether all were taken.
    fn flush(&mut self, now: Time, board: &Board) -> bool {
        let mut all = true;
        for outlet in self.by_link.iter_mut().filter(|outlet| outlet.queued > 0) {
            let before = outlet.queued;
            match outlet.transmitter.flush() {
                Ok(taken) => outlet.queued = outlet.queued.saturating_sub(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    board.counters.send_errors.add(outlet.queued as u64);
                    outlet.queued = 0;
                    outlet.failure = Some(error);
                }
            }
            outlet.took(now, before - outlet.queued);
            all &= outlet.queued == 0;
        }
        all
    }

    /// Devices have taken what was committed before.
    fn taken(&self) -> Time {
        self.by_link.iter().filter_map(|outlet| Some(outlet.waiting?.since)).min().unwrap_or(Time::NEVER)
    }

    /// Frames the kernel refused for good since the links were opened.
    pub fn refused(&mut self) -> u64 {
        self.by_link.iter_mut().map(|outlet| outlet.transmitter.refused()).sum()
    }
}

impl Outlet {
    /// So many of the frames committed until `now` have left the queue.
    fn took(&mut self, now: Time, count: usize) {
        let fresh = |since| Waiting { since, first: self.queued, next: now };
        self.waiting = match self.waiting {
            waiting if self.failure.is_some() => waiting.or(Some(fresh(now))),
            _ if self.queued == 0 => None,
            None => Some(fresh(now)),
            Some(Waiting { first, next, .. }) if first <= count => Some(fresh(next)),
            Some(waiting) => Some(Waiting { first: waiting.first - count, ..waiting }),
        };
    }
}

#[inline]
fn write(syn: &SynTemplate, slot: &mut [u8], frame: &ShotFrame) -> usize {
    match frame {
        ShotFrame::Syn(probe) => syn.write(slot, probe),
        ShotFrame::Echo(probe) => write_echo_request(slot, probe),
        ShotFrame::Arp(wanted) => write_request(slot, wanted.source_mac, wanted.source, wanted.addr),
    }
}

/// The way of shots into the links' queues.
struct Way<'a> {
    outlets: &'a mut Outlets,
    board: &'a Board,
}

impl Sink for Way<'_> {
    fn put(&mut self, shot: &Shot) -> bool {
        self.outlets.put(shot, self.board)
    }

    fn put_all(&mut self, link: usize, series: &SynSeries, syns: &[Syn]) -> usize {
        self.outlets.put_all(link, series, syns, self.board)
    }
}

/// Sends what `source` has for now.
pub fn transmit_step(now: Time, source: &mut impl Source, outlets: &mut Outlets, board: &Board) -> Next {
    source.taken(outlets.taken());
    let next = match source.poll(now) {
        Poll::Send(allowance) => {
            let room = source.emit(now, allowance.min(outlets.batch), &mut Way { outlets, board });
            if room { Next::Again } else { Next::At(now + WHEN_FULL) }
        }
        Poll::Wait(until) => Next::At(until),
        Poll::Done => Next::Done,
    };
    if outlets.flush(now, board) {
        return next;
    }
    // The device is full: what is queued goes first, after a moment.
    board.counters.send_retries.add(1);
    Next::At(now + WHEN_FULL)
}

/// Where one link's replies go.
pub struct Inlet {
    receiver: Box<dyn Receiver>,
    observer: Observer,
    resets: Resets,
    dropped: u64,
    /// Where packets are kept as evidence.
    catch: Option<Catch>,
}

struct Resets {
    transmitter: Box<dyn Transmitter>,
    template: RstTemplate,
    /// Committed and not yet taken by the device.
    queued: usize,
}

impl Inlet {
    /// The receiving half of a link, and the transmitter its resets leave by.
    pub fn new(receiver: Box<dyn Receiver>, observer: Observer, resets: Box<dyn Transmitter>) -> Self {
        Self {
            receiver,
            observer,
            resets: Resets { transmitter: resets, template: RstTemplate::new(), queued: 0 },
            dropped: 0,
            catch: None,
        }
    }

    /// The same where the frames that prove ports open are kept.
    #[must_use]
    pub(super) fn catching(self, catch: Option<Catch>) -> Self {
        Self { catch, ..self }
    }

    /// Whether every reset was taken by a device or given up.
    pub fn has_no_pending_resets(&self) -> bool {
        self.resets.queued == 0
    }

    /// Nothing more is sent: counts the resets that no device took. What is left is to be closed.
    pub fn close(self, board: &Board) -> (Box<dyn Receiver>, Box<dyn Transmitter>) {
        (self.receiver, self.resets.close(board))
    }
}

/// Takes in what has arrived, waiting up to `timeout`; `wall` is the scan's beginning on the clock of kernel timestamps. Returns how
/// many frames there were.
///
/// # Errors
/// The link failed.
pub fn receive_step(
    inlet: &mut Inlet,
    board: &Board,
    wall: u64,
    timeout: Duration,
    now: &dyn Fn() -> Time,
    sink: &mut dyn FnMut(Record),
) -> io::Result<usize> {
    let Inlet { receiver, observer, resets, dropped, catch } = inlet;
    let began = now();
    let mut latest = Time::ZERO;
    let count = receiver.receive(timeout, &mut |frame| {
        if frame.reset == Reset::Only {
            return resets.answer(&frame, board);
        }
        let mut arrived = arrival(&frame, wall, Time::NEVER);
        // The clock is read only for a frame that seems to come from beyond the last reading: once a block, not once a frame.
        if arrived > latest {
            latest = now();
            arrived = arrived.min(latest);
            observer.heard(arrived);
        }
        let observed = observer.observe(arrived, frame.bytes, frame.medium, frame.checksums);
        if let Some(record) = observed.record {
            if let Some(catch) = catch {
                catch.keep(&record, &frame, arrived);
            }
            sink(record);
        }
        if let Some(reply) = observed.reset.filter(|_| frame.reset == Reset::Due) {
            resets.put(&reply, board);
        }
    })?;
    if count == 0 {
        // What came while it waited may lie in a block that the kernel has not handed over.
        observer.heard(began);
    }
    resets.flush(board);
    let lost = receiver.dropped();
    board.counters.receiver_drops.add(lost.saturating_sub(*dropped));
    *dropped = lost;
    Ok(count)
}

impl Resets {
    /// Answers a SYN-ACK that the link proved.
    fn answer(&mut self, frame: &Frame<'_>, board: &Board) {
        match Reply::parse(frame.bytes, frame.medium, frame.checksums) {
            Ok(Reply::Tcp(reply)) if reply.flags.is_syn_ack() => self.put(&reply, board),
            _ => board.counters.resets_lost.add(1),
        }
    }

    fn put(&mut self, reply: &TcpReply, board: &Board) {
        let Some(egress) = board.egresses.of(reply.source) else { return };
        let hop = match (egress.hop, reply.source_mac) {
            (NextHop::OnLink(source) | NextHop::Gateway(source, _), Some(destination)) => Hop::Ethernet { source, destination },
            _ => Hop::Ip,
        };
        if self.transmitter.slot().is_none() {
            self.flush(board);
        }
        match self.transmitter.slot() {
            Some(slot) => {
                let len = self.template.write(slot, hop, reply);
                self.transmitter.commit(len);
                self.queued += 1;
            }
            None => board.counters.resets_lost.add(1),
        }
    }

    /// Hands queued resets over; what a full device does not take now waits for the next time.
    fn flush(&mut self, board: &Board) {
        if self.queued == 0 {
            return;
        }
        match self.transmitter.flush() {
            Ok(taken) => self.queued = self.queued.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => board.counters.resets_lost.add(std::mem::take(&mut self.queued) as u64),
        }
    }

    fn close(mut self, board: &Board) -> Box<dyn Transmitter> {
        board.counters.resets_lost.add(self.queued as u64 + self.transmitter.refused());
        self.transmitter
    }
}

/// A full device queue drains in about this time.
const WHEN_FULL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
