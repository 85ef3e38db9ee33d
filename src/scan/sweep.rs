//! Asking for neighbours by ARP: everybody twice, then the silent again while the scan runs and once after it.

use std::sync::Arc;
use std::time::Duration;

use super::askings::{Askings, Unheard};
use super::board::Board;
use super::egress::NextHop;
use super::neighbours::Wanted;
use super::pacer::Pacer;
use super::prober::{Poll, Shot, ShotFrame};
use crate::target::Permutation;
use crate::time::Time;

/// The ARP requests of a scan, as a sequence of rounds over all entries of [`super::Neighbours`]; known ones are passed over.
#[derive(Debug)]
pub struct Sweep {
    board: Arc<Board>,
    order: Permutation,
    pacer: Pacer,
    round: u32,
    next: u64,
    /// When the last request of this round left.
    last: Time,
    /// No request before this.
    resume: Time,
    pending: Option<(u64, Shot)>,
    askings: Askings,
    /// Somebody was left out of this round.
    is_partial: bool,
    /// A last call is under way.
    is_calling: bool,
}

impl Sweep {
    /// The requests a board's neighbours need.
    pub fn new(board: Arc<Board>) -> Self {
        Self {
            order: Permutation::new(board.neighbours.len(), board.config.seed ^ ORDER_OF_ITS_OWN),
            pacer: Pacer::new(REQUESTS_PER_SECOND.min(board.config.rate)),
            round: 1,
            next: 0,
            last: Time::ZERO,
            resume: Time::ZERO,
            pending: None,
            askings: Askings::default(),
            is_partial: false,
            is_calling: false,
            board,
        }
    }

    /// Whether everybody was asked twice (gateways four times) or answered, and the answers had their time.
    pub fn is_through(&self) -> bool {
        self.round > FIRST_ROUNDS && (self.round > GATEWAY_ROUNDS || self.gateways_known())
    }

    /// How many requests the first rounds take at most.
    pub fn expected(neighbours: u64) -> u64 {
        neighbours * u64::from(FIRST_ROUNDS)
    }

    /// Share of the first rounds that is done.
    pub fn progress(&self) -> (u64, u64) {
        let len = self.order.len();
        (u64::from(self.round - 1).min(2) * len + if self.round <= FIRST_ROUNDS { self.next } else { 0 }, len * 2)
    }

    /// What to do now. Never [`Poll::Done`] before the scan ends: the silent are asked again every other second.
    pub fn poll(&mut self, now: Time) -> Poll {
        if self.order.is_empty() {
            return Poll::Done;
        }
        if now < self.resume {
            return Poll::Wait(self.resume);
        }
        if self.pending.is_none() && !self.seek() {
            return self.turn(now);
        }
        match self.pacer.allowance(now) {
            0 => Poll::Wait(self.pacer.next()),
            allowance => Poll::Send(allowance),
        }
    }

    /// The next request; stays the same until [`Sweep::sent`].
    pub fn peek(&mut self) -> Option<Shot> {
        if self.pending.is_none() && !self.seek() {
            return None;
        }
        self.pending.map(|(_, shot)| shot)
    }

    /// The request last peeked at is on its way.
    pub fn sent(&mut self, now: Time) {
        let Some((entry, _)) = self.pending.take() else { return };
        self.pacer.spend(now, 1);
        self.last = now;
        self.board.neighbours.asked(entry, now);
        self.board.counters.arp_requests.add(1);
    }

    /// Asks the silent once more, now: the scan is about to end. Returns when their answers have had their time.
    pub fn last_call(&mut self, now: Time) {
        self.round += 1;
        self.next = 0;
        self.resume = now;
        self.is_partial = false;
        self.is_calling = true;
    }

    /// Hosts that are up and were not heard, by what is known now.
    pub(super) fn unheard(&self) -> Unheard {
        let board = &self.board;
        let silent = self.order.len() - board.neighbours.gateways().len() as u64 - self.known();
        self.askings.unheard(silent, board.config.completeness.unwrap_or(GOAL))
    }

    /// Whether everybody silent is to be asked once more before the scan ends: too many of them may be up, and attempts are left.
    pub(super) fn must_go_on(&self) -> bool {
        let config = &self.board.config;
        let asked = self.askings.count();
        config.completeness.is_some()
            && asked > 0
            && asked < usize::from(config.most_attempts)
            && self.known() > 0
            && !self.unheard().is_enough
    }

    fn known(&self) -> u64 {
        self.board.neighbours.known().count() as u64
    }

    /// When the answers to the last request have had their time; never, while a last call is under way.
    pub fn settled(&self) -> Time {
        if self.is_calling { Time::NEVER } else { self.last + self.patience() }
    }

    /// Whether this round has nobody left to ask.
    pub fn round_is_sent(&mut self) -> bool {
        self.pending.is_none() && !self.seek()
    }

    /// A round is sent: wait for its answers, then begin the next.
    fn turn(&mut self, now: Time) -> Poll {
        let settled = self.last + self.patience();
        if now < settled {
            return Poll::Wait(settled);
        }
        self.is_calling = false;
        if !std::mem::take(&mut self.is_partial) {
            self.askings.settle(self.known());
        }
        self.round += 1;
        self.next = 0;
        if self.is_through() {
            self.resume = now + AGAIN;
        }
        Poll::Wait(self.resume.max(now))
    }

    /// Finds the next unknown neighbour of this round.
    fn seek(&mut self) -> bool {
        while self.next < self.order.len() {
            let entry = self.order.index(self.next);
            self.next += 1;
            let is_gateway = entry < self.board.neighbours.gateways().len() as u64;
            let extra = self.round > FIRST_ROUNDS && !self.is_through();
            self.is_partial |= extra && !is_gateway;
            if self.board.neighbours.is_known(entry) || (extra && !is_gateway) {
                continue;
            }
            if let Some(wanted) = self.wanted(entry) {
                self.pending = Some((entry, Shot { link: wanted.link, frame: ShotFrame::Arp(wanted) }));
                return true;
            }
        }
        false
    }

    fn wanted(&self, entry: u64) -> Option<Wanted> {
        if let Some(gateway) = self.board.neighbours.gateways().get(entry as usize) {
            return Some(*gateway);
        }
        let addr = self.board.neighbours.onlink_addr(entry)?;
        let egress = self.board.egresses.of(addr)?;
        let NextHop::OnLink(source_mac) = egress.hop else { return None };
        Some(Wanted { link: egress.link, source: egress.source, source_mac, addr })
    }

    fn gateways_known(&self) -> bool {
        (0..self.board.neighbours.gateways().len()).all(|number| self.board.neighbours.gateway(number).is_some())
    }

    /// Three times the slowest answer, at least 100 ms; half a second if nobody answered.
    fn patience(&self) -> Duration {
        match self.board.rtt.largest_arp() {
            Some(rtt) => (3 * rtt).clamp(Duration::from_millis(100), Duration::from_secs(1)),
            None => Duration::from_millis(500),
        }
    }
}

/// Requests a second: what a switch and its hosts bear (an ARP storm guard is typically at several thousand).
const REQUESTS_PER_SECOND: u64 = 2000;
/// Tries before hosts are taken to be down for now.
const FIRST_ROUNDS: u32 = 2;
/// Tries before a gateway is taken to be down.
const GATEWAY_ROUNDS: u32 = 4;
/// The silent are asked again this often while the scan runs.
const AGAIN: Duration = Duration::from_secs(2);
/// The share the estimate is made for where none was asked for.
const GOAL: f64 = 0.999;
/// Makes the order of requests another than the order of probes.
const ORDER_OF_ITS_OWN: u64 = 0x6172_702d_7377_6565;
