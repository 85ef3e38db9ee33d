//! Which probe leaves next: cursors over the order, one for each attempt, the later ones trailing.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::aim::Ahead;
use super::board::Board;
use super::checkpoint::{LeftStage, Milestone, Place, Trail};
use super::cursors::Cursors;
use super::discovery::Discovery;
use super::pacer::Pacer;
use super::stage::Stage;
use super::unpublished::Unpublished;
use crate::packet::{Probe, Syn, SynSeries};
use crate::time::Time;

/// What a sender should do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Up to so many frames may leave.
    Send(u64),
    /// Nothing until then.
    Wait(Time),
    /// Nothing more, ever.
    Done,
}

/// A frame to be sent, and the link it leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    /// Number of the link.
    pub link: usize,
    /// What to write.
    pub frame: ShotFrame,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShotFrame {
    /// A SYN.
    Syn(Probe),
    /// An ICMP echo request.
    Echo(Probe),
    /// An ARP request.
    Arp(super::Wanted),
}

impl ShotFrame {
    /// The port it is for; that of an echo request is [`Discovery::ECHO`].
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Syn(probe) | Self::Echo(probe) => probe.destination_port,
            Self::Arp(_) => Discovery::ECHO,
        }
    }
}

/// Where shots go; any function of a shot that says whether it found room is one.
pub trait Sink {
    /// Whether `shot` found room.
    fn put(&mut self, shot: &Shot) -> bool;

    /// Puts `syns` of `series`, which leave by `link`, until one finds no room; how many found it.
    #[inline]
    fn put_all(&mut self, link: usize, series: &SynSeries, syns: &[Syn]) -> usize {
        let find_room = |syn| self.put(&Shot { link, frame: ShotFrame::Syn(series.probe(syn)) });
        syns.iter().map(find_room).take_while(|&found| found).count()
    }
}

impl<F: FnMut(&Shot) -> bool> Sink for F {
    #[inline]
    fn put(&mut self, shot: &Shot) -> bool {
        self(shot)
    }
}

/// Where frames come from: polled by one sender, which writes each frame it peeks at and says so.
pub trait Source {
    /// What to do now.
    fn poll(&mut self, now: Time) -> Poll;
    /// The next frame; stays the same until [`Source::sent`].
    fn peek(&mut self, now: Time) -> Option<Shot>;
    /// The frame last peeked at is on its way.
    fn sent(&mut self, now: Time);
    /// Devices have taken what was passed on before `until`; the rest waits in queues of this machine, or is lost with its link.
    fn taken(&mut self, _until: Time) {}
    /// It was not asked for a while: sending rested for those who take in what was found.
    fn rested(&mut self) {}

    /// Passes up to `most` frames to `sink`, until there is no room; whether there was room for all.
    #[inline]
    fn emit(&mut self, now: Time, most: u64, sink: &mut impl Sink) -> bool
    where
        Self: Sized,
    {
        for _ in 0..most {
            let Some(shot) = self.peek(now) else { return true };
            if !sink.put(&shot) {
                return false;
            }
            self.sent(now);
        }
        true
    }
}

/// One sender's share of a stage: positions `sender, sender + senders, …` of the order.
#[derive(Debug)]
pub struct Prober {
    board: Arc<Board>,
    stage: usize,
    sender: u64,
    /// How many positions the share has.
    steps: u64,
    cursors: Cursors,
    /// By attempt.
    ahead: Vec<Ahead>,
    /// Attempts that are being made; more are opened where repeats bring answers.
    attempts: u8,
    /// Between the attempts at a target, as known when last polled.
    delay: Duration,
    pacer: Pacer,
    pending: Option<Pending>,
    unpublished: Unpublished,
    finished: bool,
    /// By attempt: where it was when, for whoever wants to take it up.
    trails: Vec<Trail>,
    /// What was passed on before has been taken by devices.
    taken: Time,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    shot: Shot,
    attempt: u8,
    step: u64,
}

impl Prober {
    /// The share of `sender` in stage `stage` of the board, at its part of `rate` probes a second.
    pub fn new(board: Arc<Board>, stage: usize, sender: u64, rate: u64) -> Self {
        let senders = board.config.senders;
        let len = board.stages.at(stage).map_or(0, |stage| stage.order.len());
        board.counters.active_senders.add(1);
        Self {
            stage,
            sender,
            steps: (len + senders - 1 - sender) / senders,
            cursors: Cursors::new(board.config.attempts),
            ahead: vec![Ahead::new(&board, board.stages.at(stage), senders); board.config.most_attempts.max(board.config.attempts).into()],
            attempts: board.config.attempts,
            delay: delay(&board),
            pacer: Pacer::new((rate / senders).max(1)),
            pending: None,
            unpublished: Unpublished::default(),
            finished: false,
            trails: Vec::new(),
            taken: Time::NEVER,
            board,
        }
    }

    /// The same, from where it was left; who had answered is marked in the stage.
    #[must_use]
    pub(super) fn taking_up(mut self, left: &LeftStage) -> Self {
        // With another number of senders the order is shared otherwise: the least of what all had done is done by each.
        let (before, now) = (left.senders.max(1), self.board.config.senders);
        let least = |attempt| (0..before).map(|sender| left.step(sender, attempt)).min().unwrap_or(0) * before / now;
        let done = |attempt| (if before == now { left.step(self.sender, attempt) } else { least(attempt) }).min(self.steps);
        let last = left.last_attempt();
        self.attempts = self.attempts.max(last.min(self.board.config.most_attempts));
        self.cursors = Cursors::left(self.attempts, done);
        if let Some(stage) = self.board.stages.at(self.stage) {
            let (sender, steps) = (self.sender, done(1));
            let positions = (0..steps).map(|step| step * now + sender);
            // Those of other senders are counted there.
            let is_done = |position: u64| position % now != sender || position / now < steps;
            self.board.counters.targets_probed.add(stage.counted(left, positions, is_done));
        }
        self
    }

    /// Tells how far each attempt is: what was taken so long ago that an answer would have been read by now.
    fn tell(&mut self, now: Time) {
        if !self.board.checkpoints.are_wanted() {
            return;
        }
        self.trails.resize_with(usize::from(self.attempts), Trail::default);
        let heard = self.board.hearing.until().min(self.taken).min(now);
        let patience = self.board.rtt.largest_probe().map_or(self.delay, |rtt| (3 * rtt).max(JITTER).min(self.delay));
        let unreached = self.board.stages.at(self.stage).map_or(u64::MAX, Stage::unreached) / self.board.config.senders;
        for (attempt, trail) in (1..).zip(&mut self.trails) {
            trail.reach(now, self.cursors.at(attempt).min(unreached));
            if let Some(step) = trail.settle(heard - patience) {
                let answers = self.board.stages.at(self.stage).map_or(0, |stage| stage.first_answers(attempt));
                self.board.checkpoints.tell(self.stage, Milestone::Place(Place { sender: self.sender, attempt, step, answers }));
            }
        }
    }

    /// Steps of all attempts done, and in all.
    pub fn progress(&self) -> (u64, u64) {
        self.cursors.progress(self.steps)
    }

    /// The first attempt that is not through: its cursor's place in the share tells which targets were probed at all.
    pub fn leading(&self) -> u8 {
        self.cursors.leading(self.steps)
    }

    /// Tells the board what was sent, and how far the first attempt is.
    fn publish(&mut self) {
        self.unpublished.publish(&self.board.counters);
        if let Some(stage) = self.board.stages.at(self.stage) {
            stage.took(self.sender, self.cursors.at(1));
        }
    }

    fn finish(&mut self) -> Poll {
        self.publish();
        self.finished = true;
        self.board.counters.active_senders.sub(1);
        Poll::Done
    }

    /// Finds the next probe: the most trailing attempt that may go on is first, so that no target waits for its retry for long.
    fn seek(&mut self, now: Time) -> Seek {
        if self.pending.is_some() {
            return Seek::Ready;
        }
        let Self { board, cursors, ahead, delay, .. } = self;
        let Some(stage) = board.stages.at(self.stage) else { return Seek::Exhausted };
        let mut later = Time::NEVER;
        let mut skipped = 0;
        for attempt in (1..=self.attempts).rev() {
            let (limit, until) = cursors.release(attempt, self.steps, now, *delay);
            later = later.min(until);
            while cursors.at(attempt) < limit {
                let step = cursors.at(attempt);
                let position = step * board.config.senders + self.sender;
                if let Some(shot) = ahead[usize::from(attempt) - 1].run(board, stage, position, attempt).shot(0) {
                    self.pending = Some(Pending { shot, attempt, step });
                    return Seek::Ready;
                }
                cursors.advance(attempt, step + 1, now);
                skipped += 1;
                if skipped == SKIP_AT_ONCE {
                    return Seek::Later(now);
                }
            }
        }
        // When nobody is silent, the delay before the next attempt has nobody to wait for.
        if !stage.has_silent() {
            return Seek::Exhausted;
        }
        if !cursors.are_through(self.steps) {
            return Seek::Later(later);
        }
        if self.attempts >= board.config.most_attempts {
            return Seek::Exhausted;
        }
        // The last attempt has its time; then what it brought says whether another pays.
        let settled = self.unpublished.last_sent + *delay;
        if now < settled {
            return Seek::Later(settled);
        }
        if !stage.is_worthwhile(self.attempts) {
            return Seek::Exhausted;
        }
        cursors.open();
        self.attempts += 1;
        Seek::Later(now)
    }
}

impl Source for Prober {
    fn poll(&mut self, now: Time) -> Poll {
        if self.finished {
            return Poll::Done;
        }
        self.publish();
        if self.board.is_over(now) {
            return self.finish();
        }
        self.delay = delay(&self.board);
        self.tell(now);
        match self.seek(now) {
            Seek::Ready => match self.pacer.allowance(now) {
                0 => Poll::Wait(self.pacer.ripe()),
                allowance => Poll::Send(allowance),
            },
            Seek::Later(until) => Poll::Wait(until),
            Seek::Exhausted => self.finish(),
        }
    }

    fn peek(&mut self, now: Time) -> Option<Shot> {
        self.seek(now);
        self.pending.map(|pending| pending.shot)
    }

    fn taken(&mut self, until: Time) {
        self.taken = until;
    }

    fn sent(&mut self, now: Time) {
        let Some(Pending { attempt, step, shot }) = self.pending.take() else { return };
        self.pacer.spend(now, 1);
        self.unpublished.last_sent = now;
        self.unpublished.probes += 1;
        if let Some(stage) = self.board.stages.at(self.stage) {
            self.unpublished.targets += u64::from(attempt == 1 && stage.counts(shot.frame.port()));
            stage.sent(self.sender, attempt, step, now);
        }
        self.cursors.advance(attempt, step + 1, now);
    }

    /// What may leave at one moment does not change while it does: each attempt, the most trailing first, takes the steps released to it.
    fn emit(&mut self, now: Time, most: u64, sink: &mut impl Sink) -> bool {
        let mut left = most;
        if let Some(Pending { shot, .. }) = &self.pending {
            if !sink.put(shot) {
                return false;
            }
            self.sent(now);
            left -= 1;
        }
        let Self { board, cursors, ahead, .. } = self;
        let Some(stage) = board.stages.at(self.stage) else { return true };
        for attempt in (1..=self.attempts).rev() {
            let (limit, _) = cursors.release(attempt, self.steps, now, self.delay);
            let (first, marks) = (cursors.at(attempt), stage.marks_of(self.sender, attempt));
            let counts = if attempt == 1 { stage.counts_all() } else { Some(false) };
            // All steps from `unmarked` on have left.
            let (mut step, mut unmarked, mut room, before) = (first, first, true, left);
            // Those passed over count too, or a scan whose targets have answered would not look at the clock.
            let limit = limit.min(first + most);
            'run: while step < limit {
                let position = step * board.config.senders + self.sender;
                let run = ahead[usize::from(attempt) - 1].run(board, stage, position, attempt);
                let (mut place, end) = (0, run.len().min((limit - step) as usize));
                while place < end {
                    if left == 0 {
                        break 'run;
                    }
                    let due = run.due(place).min(end - place).min(left as usize);
                    if due == 0 {
                        marks.all_sent(unmarked..step, now);
                        step += 1;
                        unmarked = step;
                        place += 1;
                        continue;
                    }
                    let put = run.put(place..place + due, sink);
                    self.unpublished.targets += match counts {
                        Some(true) => put as u64,
                        Some(false) => 0,
                        None => run.ports(place..place + put).filter(|&port| stage.counts(port)).count() as u64,
                    };
                    left -= put as u64;
                    step += put as u64;
                    place += put;
                    room = put == due;
                    if !room {
                        break 'run;
                    }
                }
            }
            marks.all_sent(unmarked..step, now);
            if step > first {
                cursors.advance(attempt, step, now);
            }
            if left < before {
                self.pacer.spend(now, before - left);
                self.unpublished.probes += before - left;
                self.unpublished.last_sent = now;
            }
            if !room || left == 0 {
                return room;
            }
        }
        true
    }
}

/// Between the attempts at a target: the user's word, or the patience of the path.
fn delay(board: &Board) -> Duration {
    board.config.timeout.unwrap_or_else(|| board.rtt.patience(false))
}

enum Seek {
    Ready,
    Later(Time),
    Exhausted,
}

/// Answers vary by this where round trips are short.
const JITTER: Duration = Duration::from_millis(50);
/// Answered targets passed over before the sender looks at the clock again: under half a millisecond.
const SKIP_AT_ONCE: u32 = 4096;
