//! A stage asked by one sender in passes over blocks, at a controlled rate, with canaries between: it goes on until little enough is missed.

mod memory;
mod slot;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::aim::Ahead;
use super::blocks::{Blocks, Estimate};
use super::board::Board;
use super::canary::{Asked, Responders};
use super::checkpoint::Trail;
use super::completeness::{Completeness, Shortfall};
use super::config::RatePolicy;
use super::echo::Echo;
use super::evidence::Evidence;
use super::host_pace::HostPace;
use super::outcome::Reason;
use super::pacer::Pacer;
use super::prober::{Poll, Shot, Sink, Source};
use super::rate::{AdaptiveRate, Baseline, FixedRate, Limit, RateController};
use super::tour::{Hosts, LagMeter, LocalMeter, Tour};
use super::unpublished::Unpublished;
use super::windows::{Purpose, Windows};
use crate::time::Time;

/// The sender of a stage that keeps account: of loss, by canaries; of the rate, by windows; of what is missed, by blocks.
///
/// It is the counterpart of [`super::Prober`], whose attempts trail each other at a fixed rate. There is one for a stage, and it sends all of it.
#[derive(Debug)]
pub struct Survey {
    board: Arc<Board>,
    stage: usize,
    random: SmallRng,
    pacer: Pacer,
    rate: Box<dyn RateController>,
    windows: Windows,
    responders: Responders,
    blocks: Blocks,
    evidence: Evidence,
    tour: Tour,
    hosts: Hosts,
    host_pace: HostPace,
    ahead: Ahead,
    pending: Option<Pending>,
    lot: Lot,
    unpublished: Unpublished,
    /// Share of slots that are canaries, as known when last polled.
    share: f64,
    local: LocalMeter,
    /// When it asked to be woken.
    wakes: Time,
    lag: LagMeter,
    end: Option<End>,
    released: bool,
    /// Whether the pass goes beyond what was asked for.
    is_last: bool,
    /// What kept the rate of the first pass from rising.
    limited: Limit,
    /// Resets are limited: only open ports tell what is lost.
    only_open: bool,
    /// Where the pass was when, for whoever wants to take it up.
    trail: Trail,
    /// When it is next told what is known of each block.
    tells_knowledge: Time,
    /// What was passed on before has been taken by devices.
    taken: Time,
}

/// It has ended, and if too early, why.
#[derive(Clone, Copy, Debug)]
struct End(Option<Shortfall>);

#[derive(Clone, Copy, Debug)]
struct Pending {
    shot: Shot,
    /// The host's number in the stage.
    host: u64,
    what: What,
}

/// Probes of the pass that left together, for targets of one block: they enter the account together, for that takes longer than sending one.
#[derive(Clone, Copy, Debug, Default)]
struct Lot {
    block: u32,
    left: Time,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Position(u64),
    Canary { asked: Asked, purpose: Purpose },
}

impl Survey {
    /// The survey of stage `stage` of the board.
    pub fn new(board: Arc<Board>, stage: usize) -> Self {
        let hosts = board.stages.at(stage).map_or(1, |stage| stage.space.addresses().len());
        let most = board.config.rate_over(hosts) as f64;
        let rate: Box<dyn RateController> = match board.config.policy {
            RatePolicy::Fixed => Box::new(FixedRate::new(most)),
            RatePolicy::Auto => Box::new(AdaptiveRate::new(hosts as f64, most)),
        };
        Self::with(board, stage, rate)
    }

    /// The same, with the rate decided by `rate`.
    fn with(board: Arc<Board>, stage: usize, rate: Box<dyn RateController>) -> Self {
        let config = &board.config;
        let (len, ports, hosts) =
            board.stages.at(stage).map_or((0, 1, 1), |stage| (stage.order.len(), stage.space.ports().len(), stage.space.addresses().len()));
        let blocks = Blocks::new(len);
        let seed = config.seed ^ ((stage as u64) << 48);
        board.counters.active_senders.add(1);
        Self {
            stage,
            random: SmallRng::seed_from_u64(seed),
            pacer: Pacer::new(rate.rate() as u64),
            rate,
            windows: Windows::default(),
            responders: Responders::new(board.cookie.canaries(config.most_attempts), seed ^ 1),
            tour: Tour { pass: 1, blocks: blocks.all(), place: 0, position: 0, sent_out: None, begins: Time::ZERO, is_drawn: false },
            blocks,
            evidence: Evidence::default(),
            hosts: Hosts((ports > 1 && hosts <= MOST_HOSTS).then(|| vec![ports; hosts as usize])),
            host_pace: HostPace::new(hosts, ports, config.host_rate),
            ahead: Ahead::new(&board, board.stages.at(stage), 1),
            pending: None,
            lot: Lot::default(),
            unpublished: Unpublished::default(),
            share: 0.0,
            local: LocalMeter::default(),
            wakes: Time::NEVER,
            lag: LagMeter::default(),
            end: None,
            released: false,
            is_last: false,
            limited: Limit::Time,
            only_open: false,
            trail: Trail::default(),
            tells_knowledge: Time::ZERO,
            taken: Time::NEVER,
            board,
        }
    }

    /// The present pass, from 1.
    pub fn pass(&self) -> u8 {
        self.tour.pass
    }

    /// Positions passed in the present pass, and how many it has.
    pub fn progress(&self) -> (u64, u64) {
        let done = if self.tour.sent_out.is_some() { self.tour.blocks.len() } else { self.tour.place };
        (done as u64, self.tour.blocks.len() as u64)
    }

    /// What is known when the stage has ended; late answers are taken in first.
    pub fn conclude(&mut self, now: Time) {
        self.account();
        self.listen();
        if self.end.is_none() {
            self.end(now, Some(Shortfall::Time));
        }
        let Some(stage) = self.board.stages.at(self.stage) else { return };
        let goal = self.board.config.completeness;
        let estimate = self.blocks.estimate(goal.unwrap_or(GOAL));
        let found = self.blocks.found();
        let drops = self.board.counters.receiver_drops.get() > 0;
        let shortfall = match self.end.and_then(|end| end.0) {
            Some(Shortfall::Attempts) if found == 0 => Some(Shortfall::NobodyAnswered),
            Some(Shortfall::Attempts) if drops => Some(Shortfall::ReceiverDrops),
            other => other,
        };
        let (open, passes) = (self.blocks.open(), self.tour.pass);
        let Estimate { missed, upper95, .. } = estimate;
        let mut completeness = Completeness {
            found,
            open,
            open_missed: missed * open as f64 / found.max(1) as f64,
            missed,
            upper95: upper95 as u64,
            goal,
            shortfall,
            passes,
        };
        if let Some(past) = self.rate.epochs().classes.limited() {
            completeness.add_closed(Baseline(past.of_closed()), self.blocks.asked(), self.blocks.silent());
        }
        completeness.shortfall = completeness.shortfall.filter(|_| goal.is_some());
        stage.conclude(completeness);
    }

    /// Enough was found. Where few are silent, one pass more over them costs next to nothing, and an open port may be among them.
    fn is_worth_a_last_pass(&mut self, estimate: &Estimate, silent: u64) -> bool {
        let targets = self.board.stages.at(self.stage).map_or(0, |stage| stage.order.len());
        let open = self.blocks.open() as f64 / self.blocks.found().max(1) as f64;
        let is_worth = estimate.missed * open >= WORTH_A_PASS && silent as f64 <= FEW * targets as f64;
        is_worth && self.tour.pass < self.board.config.most_attempts && !std::mem::replace(&mut self.is_last, true)
    }

    fn end(&mut self, now: Time, shortfall: Option<Shortfall>) {
        self.pending = None;
        self.windows.end(now);
        if self.tour.sent_out.is_none() || shortfall == Some(Shortfall::Time) {
            if let (None, Some(&block)) = (self.tour.sent_out, self.tour.blocks.get(self.tour.place)) {
                self.blocks.cut_short(block, self.tour.position, self.tour.pass);
            }
            // What is under way has not had its time: it is judged as it stands.
            self.blocks.end_pass(self.tour.pass, &mut self.evidence);
        }
        self.end = Some(End(shortfall));
    }

    fn is_over(&mut self, now: Time) -> bool {
        if self.end.is_none() && self.board.is_over(now) {
            self.end(now, Some(Shortfall::Time));
        }
        if self.end.is_some() && !std::mem::replace(&mut self.released, true) {
            self.board.counters.active_senders.sub(1);
        }
        self.end.is_some()
    }

    /// Takes in what has come back, closes windows, settles epochs, ends passes.
    fn tick(&mut self, now: Time) {
        self.listen();
        self.rate.tick(now);
        // What has arrived and not been read yet is not lost.
        let heard = self.board.hearing.until().min(now);
        if self.lag.is_new(now, heard, self.board.counters.receiver_drops.get()) {
            self.rate.local_limit(now, BEHIND * self.rate.rate());
        }
        while let Some(window) = self.windows.close(now, heard) {
            self.rate.on_window(now, &window);
        }
        let only_open = self.rate.epochs().classes.limited().is_some();
        if only_open && !std::mem::replace(&mut self.only_open, true) {
            self.blocks.look_at_open_only();
            self.evidence.forget_audit();
        }
        while let Some(epoch) = self.rate.settle() {
            self.board.pace.reached(epoch.achieved());
            let Self { windows, blocks, evidence, responders, .. } = self;
            if !epoch.hot {
                evidence.clean(&epoch);
            }
            windows.settle(&epoch, &mut |block, count| blocks.settled(block, count, &epoch), &mut |canary, answered| {
                if !epoch.hot && (canary.asked.open || !only_open) {
                    evidence.canary(canary.purpose, answered);
                    if canary.purpose == Purpose::Meter && !answered {
                        responders.follow_up(now, canary.asked);
                    }
                }
            });
        }
        self.windows.forget(now);
        self.tell(now, heard);
        let rate = if self.rate.is_paused() { (IN_THE_DARK * self.responders.hosts() as f64).min(DARK) } else { self.rate.rate() };
        if self.pacer.rate() != rate as u64 {
            self.pacer.set_rate(rate as u64);
        }
        let (loss, limit) = (self.rate.epochs().past.seen_loss(), self.limit());
        if self.board.pace.rate() != self.rate.rate() as u64 {
            self.board.pace.set(now, self.tour.pass, self.rate.rate(), loss, limit);
        }
        self.board.pace.look(loss, limit);
        let settled = self.windows.are_closed() && self.rate.epochs().are_settled();
        if self.tour.sent_out.is_some_and(|since| settled && now >= since + self.windows.patience()) {
            self.next_pass(now);
        }
        self.share = self.share();
    }

    /// What keeps the rate from rising; a retry pass is kept below what the first has proven, and says what kept that one.
    fn limit(&mut self) -> Limit {
        let config = &self.board.config;
        let hosts = self.board.stages.at(self.stage).map_or(1, |stage| stage.space.addresses().len());
        let most = config.rate_over(hosts);
        let limit = match self.rate.limit() {
            Limit::Option if self.rate.rate() < 0.9 * most as f64 => self.limited,
            Limit::Option if most < config.rate => Limit::Host,
            limit => limit,
        };
        if self.tour.pass == 1 {
            self.limited = limit;
        }
        limit
    }

    fn listen(&mut self) {
        while let Some(echo) = self.board.echoes.next() {
            if usize::from(echo.stage) == self.stage {
                self.hear(&echo);
            }
        }
    }

    fn hear(&mut self, echo: &Echo) {
        let by_tcp = echo.reason.is_owed();
        let Some(stage) = self.board.stages.at(self.stage) else { return };
        if echo.is_first {
            let host = stage.space.host_of(echo.index);
            self.blocks.answered(stage.order.position(echo.index), echo.reason);
            self.hosts.answered(host);
            if by_tcp {
                self.rate.answered(echo.reason == Reason::SynAck);
                self.responders.add(echo.index, host, echo.reason);
            }
        }
        if echo.attempt <= self.board.config.most_attempts {
            if let Some(sent) = echo.sent.filter(|_| by_tcp && echo.is_first) {
                self.windows.sample(echo.arrived.since(sent));
                self.windows.answered(sent, echo.reason == Reason::SynAck);
            }
            return;
        }
        let Some(answer) = self.windows.canary_answered(echo.index, echo.attempt, echo.arrived) else { return };
        self.windows.sample(answer.round_trip);
        let counts = answer.open || !self.only_open;
        if answer.is_late && counts {
            self.evidence.late(answer.purpose);
            self.responders.never_mind(echo.index);
        }
        if answer.purpose == Purpose::Audit && by_tcp && (echo.reason == Reason::SynAck || !self.only_open) {
            self.evidence.audit_answered();
        }
    }

    /// A pass is over and all is known that it brings: what is asked next, if anything.
    fn next_pass(&mut self, now: Time) {
        let board = Arc::clone(&self.board);
        let config = &board.config;
        let pass = self.tour.pass;
        self.blocks.end_pass(pass, &mut self.evidence);
        let estimate = self.blocks.estimate(config.completeness.unwrap_or(GOAL));
        let (found, silent) = (self.blocks.found(), self.blocks.silent());
        let (enough, most) = match config.completeness {
            Some(_) if found == 0 => (pass >= config.attempts_of_the_silent(), config.most_attempts),
            Some(_) => (estimate.missed <= estimate.allowed.max(1e-9), config.most_attempts),
            None => (pass >= config.attempts, config.attempts),
        };
        let is_cheap = enough && config.completeness.is_some() && self.is_worth_a_last_pass(&estimate, silent);
        if silent == 0 || (enough && found > 0 && !is_cheap) {
            return self.end(now, None);
        }
        let enough = enough && !is_cheap;
        if enough || pass >= most {
            return self.end(now, Some(if found == 0 { Shortfall::NobodyAnswered } else { Shortfall::Attempts }));
        }
        let chosen = match config.completeness {
            Some(_) if !is_cheap => self.blocks.choose(&estimate, &self.evidence.chances()),
            _ => self.blocks.all(),
        };
        let gap = config.timeout.unwrap_or(if pass == 1 { FIRST_GAP } else { GAP });
        let begins = (self.blocks.earliest(&chosen) + gap).max(now);
        let hosts = self.hosts.limit(config.host_rate).unwrap_or(f64::MAX);
        // The silent give no ratio of answers: no faster than what the first pass has proven.
        let proven = if pass == 1 { self.rate.proven() } else { f64::MAX };
        self.rate.turn(now, proven.min(hosts));
        let position = chosen.first().map_or(0, |&block| self.blocks.positions(block).start);
        self.tour = Tour { pass: pass + 1, blocks: chosen, place: 0, position, sent_out: None, begins, is_drawn: false };
        self.tell_pass();
    }
}

impl Source for Survey {
    fn poll(&mut self, now: Time) -> Poll {
        self.account();
        let wakes = std::mem::replace(&mut self.wakes, Time::NEVER);
        if now > wakes {
            self.local.overslept(now.since(wakes));
        }
        self.unpublished.publish(&self.board.counters);
        if self.is_over(now) {
            return Poll::Done;
        }
        self.tick(now);
        if self.is_over(now) {
            return Poll::Done;
        }
        match self.seek(now) {
            None => match self.pacer.allowance(now) {
                0 => {
                    self.wakes = self.pacer.ripe().min(now + GLANCE);
                    Poll::Wait(self.wakes)
                }
                allowance => Poll::Send(allowance),
            },
            Some(until) => {
                self.local.idle = true;
                Poll::Wait(until.min(self.windows.next_close().max(now + AT_LEAST)))
            }
        }
    }

    #[inline]
    fn peek(&mut self, now: Time) -> Option<Shot> {
        if self.end.is_some() {
            return None;
        }
        self.seek(now);
        self.pending.map(|pending| pending.shot)
    }

    fn taken(&mut self, until: Time) {
        self.taken = until;
    }

    fn rested(&mut self) {
        self.wakes = Time::NEVER;
    }

    #[inline]
    fn sent(&mut self, now: Time) {
        let Some(Pending { what, host, shot }) = self.pending.take() else { return };
        self.tour.is_drawn = false;
        self.host_pace.spend(host, now);
        let What::Position(position) = what else { return self.sent_beside(now, what) };
        let Some(stage) = self.board.stages.at(self.stage) else { return };
        stage.sent(0, self.tour.pass, position, now);
        if self.tour.pass == 1 && stage.counts(shot.frame.port()) {
            self.unpublished.targets += 1;
        }
        // It is the tour's place until this probe has left.
        let block = self.tour.blocks.get(self.tour.place).copied().unwrap_or_default();
        self.tour.passed(stage, position);
        self.enter(block, now, 1);
    }

    fn emit(&mut self, now: Time, most: u64, sink: &mut impl Sink) -> bool {
        let mut left = most;
        while left > 0 {
            let (sent, lot, room) = self.go_on(now, left, sink);
            left -= sent;
            if !room {
                return false;
            }
            if let Some(lot) = lot
                && !self.seek_beside(now, lot)
            {
                continue;
            }
            // Whatever else is due: a canary, the next block, the end.
            if left > 0 {
                let Some(shot) = self.peek(now) else { return true };
                if !sink.put(&shot) {
                    return false;
                }
                self.sent(now);
                left -= 1;
            }
        }
        true
    }
}

impl Survey {
    /// A canary or an audit is on its way.
    fn sent_beside(&mut self, now: Time, what: What) {
        let What::Canary { asked, purpose } = what else { return };
        self.account();
        self.windows.now(now, self.tour.pass == 1, &mut *self.rate);
        self.windows.ask(now, asked, purpose);
        self.leave(now, 1);
        self.unpublished.canaries += 1;
        if purpose == Purpose::Audit {
            self.evidence.audited();
        }
    }

    /// `more` targets of `block` leave now.
    #[inline]
    fn enter(&mut self, block: u32, now: Time, more: u32) {
        if (self.lot.block, self.lot.left) != (block, now) {
            self.account();
        }
        self.lot = Lot { block, left: now, count: self.lot.count + more };
    }

    /// Enters the lot under way into the account.
    fn account(&mut self) {
        let Lot { block, left, count } = std::mem::take(&mut self.lot);
        if count > 0 {
            // First, for it may turn the rate: they left at the one before.
            self.windows.now(left, self.tour.pass == 1, &mut *self.rate).sent(block, count);
            self.blocks.sent(block, self.tour.pass, count, left);
            self.leave(left, count);
        }
    }

    /// So many probes left.
    fn leave(&mut self, now: Time, count: u32) {
        self.pacer.spend(now, count.into());
        self.unpublished.probes += u64::from(count);
        self.unpublished.last_sent = now;
        if let Some(achieved) = self.local.sent(now, count, self.rate.rate()) {
            self.rate.local_limit(now, achieved);
            self.share = self.share();
        }
    }
}

/// How often something another thread may change is looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// While a receiver is behind, it is not looked for more often.
const AT_LEAST: Duration = Duration::from_millis(1);
/// The rate goes down to this share when a receiver falls behind.
const BEHIND: f64 = 0.7;
/// A target is not asked again sooner: loss comes in bursts.
const FIRST_GAP: Duration = Duration::from_millis(300);
const GAP: Duration = Duration::from_secs(1);
/// Canaries a second in the dark: over all, and to one host at any time.
const DARK: f64 = 50.0;
const IN_THE_DARK: f64 = 20.0;
/// When nobody at all answers, more passes prove nothing.
pub(super) const PASSES_FOR_NOTHING: u8 = 3;
/// Open ports expected among the silent that are worth a pass over them, if it is cheap ...
const WORTH_A_PASS: f64 = 0.01;
/// ... for they are at most this share of all.
const FEW: f64 = 0.01;
/// The share the estimate is made for where none was asked for.
const GOAL: f64 = 0.999;
/// Hosts whose silent targets are counted one by one.
const MOST_HOSTS: u128 = 1 << 20;
