//! The course of a scan: neighbours first, then stage after stage of probes, then patience.

use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Agenda, Part};
use super::answered::Answered;
use super::board::{Board, ScanPhase};
use super::checkpoint::LeftStage;
use super::lead::{Lead, share};
use super::prober::{Poll, Prober, Shot, Sink, Source};
use super::stage::Stage;
use super::survey::Survey;
use super::suspicion::ControlPorts;
use super::sweep::Sweep;
use crate::target::{AddressRange, AddressSet, PortSet, TargetSpace};
use crate::time::Time;

/// Leads the senders. It is the first sender itself; [`Conductor::take_helpers`] gives away the shares of the others.
#[derive(Debug)]
pub struct Conductor {
    board: Arc<Board>,
    sweep: Sweep,
    course: Course,
    prober: Option<Lead>,
    helpers: Vec<Prober>,
    agenda: Agenda,
    /// How many of the stages that were left are taken up.
    taken_up: usize,
    /// Since when everybody has been asked by ARP.
    swept: Option<Time>,
    canary_staged: bool,
    /// Until they are asked.
    controls: Option<ControlPorts>,
    last_called: bool,
    /// Whether the frame last peeked at is an ARP request.
    asking: bool,
    /// No ARP request is due before.
    quiet_until: Time,
    /// How many probes may leave, as said when last polled.
    may_probe: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Sweeping,
    Probing,
    /// All sent; since when.
    Waiting(Time),
    Done,
}

impl Conductor {
    /// The course of the scan on `board`.
    pub fn new(board: Arc<Board>) -> Self {
        Self {
            sweep: Sweep::new(Arc::clone(&board)),
            course: Course::Sweeping,
            prober: None,
            helpers: Vec::new(),
            agenda: Agenda::default(),
            taken_up: 0,
            swept: None,
            canary_staged: false,
            controls: Some(ControlPorts::draw(board.config.seed, &board.config.ports, board.config.canary)),
            last_called: false,
            asking: false,
            quiet_until: Time::ZERO,
            may_probe: 0,
            board,
        }
    }

    /// Shares of the stage just begun for the other senders; each is polled by its own sender until it is done.
    pub fn take_helpers(&mut self) -> Vec<Prober> {
        std::mem::take(&mut self.helpers)
    }

    fn sweep_is_due(&mut self, now: Time) -> bool {
        // Asked at each probe: the sweep is not, until it has said it would be due.
        if now < self.quiet_until || self.board.is_over(now) {
            return false;
        }
        match self.sweep.poll(now) {
            Poll::Send(_) => return true,
            Poll::Wait(until) => self.quiet_until = until,
            Poll::Done => self.quiet_until = Time::NEVER,
        }
        false
    }

    fn sweeping(&mut self, now: Time) -> Poll {
        self.board.enter(ScanPhase::Arp);
        if self.board.is_over(now) {
            return self.begin_waiting(now);
        }
        let poll = self.sweep.poll(now);
        let nobody_to_ask = poll == Poll::Done;
        if nobody_to_ask || self.sweep.is_through() || self.all_known() {
            let since = *self.swept.get_or_insert(now);
            if now >= since + LATE_ARP || self.left_is_reachable() {
                self.next_stage(now);
            } else if nobody_to_ask {
                return Poll::Wait(now + GLANCE);
            }
        }
        self.measure();
        poll
    }

    fn probing(&mut self, now: Time) -> Poll {
        let asking = if self.board.is_over(now) { Poll::Done } else { self.sweep.poll(now) };
        let Some(prober) = &mut self.prober else { return self.begin_waiting(now) };
        let probing = prober.poll(now);
        self.may_probe = if let Poll::Send(count) = probing { count } else { 0 };
        let leading = prober.leading();
        self.board.enter(ScanPhase::Probing(leading));
        self.measure();
        match (asking, probing) {
            (_, Poll::Done) if self.board.counters.active_senders.get() == 0 => {
                if self.board.is_over(now) {
                    self.begin_waiting(now)
                } else if let Some(until) = Agenda::discovered_by(&self.board).filter(|until| now < *until) {
                    earlier(asking, Poll::Wait(until.min(now + GLANCE)))
                } else {
                    self.next_stage(now);
                    // A stage that follows a stage: polled on the next turn.
                    Poll::Wait(now)
                }
            }
            // Other senders are still at it.
            (asking, Poll::Done) => earlier(asking, Poll::Wait(now + GLANCE)),
            (asking, probing) => earlier(asking, probing),
        }
    }

    fn waiting(&mut self, now: Time, since: Time) -> Poll {
        let over = self.board.is_over(now);
        let asking = if over { Poll::Done } else { self.sweep.poll(now) };
        if let Poll::Send(_) = asking {
            return asking;
        }
        let silent = self.ends(since, over);
        let called = if over || !self.last_called { Time::ZERO } else { self.sweep.settled() };
        let end = if !self.is_owed() && !over { called } else { silent.max(called) };
        if now < end {
            return earlier(asking, Poll::Wait(end.min(now + GLANCE)));
        }
        if !over {
            self.next_stage(now);
            if self.course != Course::Waiting(since) {
                return Poll::Wait(now);
            }
            if self.last_called && self.sweep.must_go_on() {
                self.last_call(now);
                return Poll::Wait(now);
            }
        }
        self.board.set_unheard(self.sweep.unheard());
        self.conclude(now);
        self.board.set_done(1.0);
        self.course = Course::Done;
        Poll::Done
    }

    /// Everything reachable that is in no stage yet becomes the next one; if there is nothing, waits.
    fn next_stage(&mut self, now: Time) {
        if let Some(stage) = self.canary_stage() {
            self.begin(now, stage, self.board.config.rate_over(1), None);
            return;
        }
        let board = Arc::clone(&self.board);
        let left = board.left().get(self.taken_up);
        if let Some(left) = left {
            self.taken_up += 1;
            self.agenda.take_up(left);
        }
        if let Some(Part { addresses, ports, discovers }) = left.map(Part::of).or_else(|| self.agenda.next(&board)) {
            let hosts = addresses.len();
            if let Ok(space) = TargetSpace::new(addresses, ports) {
                let number = left.map_or_else(|| self.next_number(), |left| left.number);
                let seed = board.config.seed.wrapping_add((number as u64) << 32);
                // Too many targets for a bit each: nothing could be said about the silent.
                let accounted = board.config.is_accounted() && space.len() <= Answered::LIMIT;
                let rate = board.config.rate_over(hosts);
                let (senders, rate) = if accounted { (1, rate.min(MARKED)) } else { (board.config.senders, rate) };
                let stage = Stage::new(space, seed, senders, board.config.most_attempts, rate, true).numbered(number);
                let stage = if discovers { stage.discovering(&board.config.ports) } else { stage };
                if let Some(left) = left {
                    stage.take_up(&board.counters, left);
                }
                if accounted {
                    self.survey(now, stage, left);
                } else {
                    self.begin(now, stage, rate, left);
                }
                return;
            }
        }
        if !matches!(self.course, Course::Waiting(_)) {
            self.begin_waiting(now);
        } else if let Some((stage, rate)) = self.control_stage() {
            self.begin(now, stage, rate, None);
        }
    }

    /// A number that no stage has had, in this part of the scan or before.
    fn next_number(&self) -> usize {
        let (stages, left) = (&self.board.stages, self.board.left());
        let used = stages.iter().map(|(_, stage)| stage.number).chain(left.iter().map(|left| left.number));
        used.map(|number| number + 1).max().unwrap_or(0).max(stages.iter().count())
    }

    /// Whether everybody of the stage that is taken up next can be asked.
    fn left_is_reachable(&self) -> bool {
        let left = self.board.left().get(self.taken_up);
        left.is_none_or(|left| left.addresses.difference(&self.board.reachable()).is_empty())
    }

    fn begin(&mut self, now: Time, stage: Stage, rate: u64, left: Option<&LeftStage>) {
        self.conclude(now);
        let board = &self.board;
        let Some(number) = board.stages.begin(stage) else { return };
        let share = |sender| Prober::new(Arc::clone(board), number, sender, rate);
        let mut shares = (0..board.config.senders).map(|sender| match left {
            Some(left) => share(sender).taking_up(left),
            None => share(sender),
        });
        self.prober = shares.next().map(|prober| Lead::Share(Box::new(prober)));
        self.helpers = shares.collect();
        self.course = Course::Probing;
    }

    fn survey(&mut self, now: Time, stage: Stage, left: Option<&LeftStage>) {
        self.conclude(now);
        let Some(number) = self.board.stages.begin(stage) else { return };
        let mut survey = Survey::new(Arc::clone(&self.board), number);
        if let Some(left) = left {
            survey.take_up(left);
        }
        self.prober = Some(Lead::Survey(Box::new(survey)));
        self.course = Course::Probing;
    }

    /// The stage under way has ended.
    fn conclude(&mut self, now: Time) {
        if let Some(Lead::Survey(survey)) = &mut self.prober {
            survey.conclude(now);
        }
    }

    fn canary_stage(&mut self) -> Option<Stage> {
        let config = &self.board.config;
        let canary = config.canary.filter(|_| !self.canary_staged)?;
        self.canary_staged = true;
        let address: AddressSet = AddressRange::new(canary.addr, canary.addr).into_iter().collect();
        if self.board.reachable().intersection(&address).is_empty() {
            return None;
        }
        let space = TargetSpace::new(address, PortSet::from_iter([canary.port])).ok()?;
        // In the scan anyway: probed once.
        if config.addresses.contains(canary.addr) && (config.ports.contains(canary.port) || Agenda::discovers(&self.board, canary)) {
            return None;
        }
        Some(Stage::new(space, config.seed, config.senders, config.most_attempts, config.host_rate, false))
    }

    /// When all else is known: control probes to hosts that are open suspiciously often, no faster than the path was found to bear.
    fn control_stage(&mut self) -> Option<(Stage, u64)> {
        let controls = self.controls.take()?;
        let Board { config, stages, pace, .. } = &*self.board;
        let asked = stages.iter().filter(|(_, stage)| stage.reported);
        let suspects = asked.map(|(_, stage)| stage.opens.suspects(&stage.space)).reduce(|some, more| some.union(&more))?;
        if suspects.is_empty() || controls.are_asked() {
            return None;
        }
        let found = Some(pace.rate()).filter(|rate| *rate > 0).unwrap_or(u64::MAX);
        let rate = config.rate_over(suspects.len()).min(found);
        let space = TargetSpace::new(suspects, controls.ports().clone()).ok()?;
        Some((Stage::new(space, config.seed, config.senders, config.most_attempts, rate, false), rate))
    }

    fn begin_waiting(&mut self, now: Time) -> Poll {
        self.board.enter(ScanPhase::Waiting);
        self.course = Course::Waiting(now);
        if !self.last_called && !self.board.is_over(now) && !self.board.neighbours.is_empty() && !self.all_known() {
            self.last_called = true;
            self.last_call(now);
        }
        Poll::Wait(now)
    }

    fn last_call(&mut self, now: Time) {
        self.quiet_until = now;
        self.sweep.last_call(now);
    }

    /// When the last probe has been waited for long enough.
    fn ends(&self, since: Time, over: bool) -> Time {
        let board = &self.board;
        let patience = board.config.wait.unwrap_or_else(|| board.rtt.patience(self.is_accounted() || board.rtt.is_known()));
        if board.is_stopped() {
            // Somebody waits: no longer than a reply that is on its way may take.
            let usual = board.config.wait.or(board.rtt.largest_probe().map(|rtt| (3 * rtt).max(JITTER)));
            return since + usual.map_or(WHEN_STOPPED, |usual| usual.min(WHEN_STOPPED));
        }
        if over {
            return since + patience.min(WHEN_OUT_OF_TIME);
        }
        if board.counters.probes.get() == 0 { since } else { board.counters.last_sent() + patience }
    }

    /// Whether the last stage was surveyed: each of its probes has been waited for already.
    fn is_accounted(&self) -> bool {
        matches!(self.prober, Some(Lead::Survey(_)))
    }

    /// Whether somebody who was probed last has not answered. Before control probes everybody else was waited for.
    fn is_owed(&self) -> bool {
        let Board { counters, stages, .. } = &*self.board;
        match stages.iter().last() {
            Some((_, stage)) if self.controls.is_none() && !stage.reported => stage.has_silent(),
            _ => counters.targets_probed.get() > counters.answered.get(),
        }
    }

    fn all_known(&self) -> bool {
        (0..self.board.neighbours.len()).all(|entry| self.board.neighbours.is_known(entry))
    }

    /// Sending done as a share of the time it is expected to take.
    fn measure(&self) {
        let config = &self.board.config;
        let (asked, to_ask) = self.sweep.progress();
        let asking = to_ask as f64 / 2000.0;
        let targets = config.addresses.len() as f64 * f64::from(config.questions());
        let rate = match self.board.pace.highest() {
            0 => config.rate_over(config.addresses.len()).min(GUESS),
            highest => highest,
        };
        let probing = targets * f64::from(config.attempts) / rate as f64;
        let done =
            asking * share(asked, to_ask) + probing * self.prober.as_ref().map_or(0.0, |lead| Agenda::done(&self.board, lead.done()));
        self.board.set_done(done / (asking + probing).max(1e-9));
    }
}

impl Source for Conductor {
    fn poll(&mut self, now: Time) -> Poll {
        loop {
            let before = self.course;
            let poll = match self.course {
                Course::Sweeping => self.sweeping(now),
                Course::Probing => self.probing(now),
                Course::Waiting(since) => self.waiting(now, since),
                Course::Done => return Poll::Done,
            };
            // A new course is polled at once; each change goes forward, so this ends.
            if self.course == before {
                return poll;
            }
        }
    }

    fn peek(&mut self, now: Time) -> Option<Shot> {
        self.asking = self.asking || self.sweep_is_due(now);
        if self.asking {
            return self.sweep.peek();
        }
        if self.course == Course::Probing { self.prober.as_mut()?.peek(now) } else { None }
    }

    fn emit(&mut self, now: Time, most: u64, sink: &mut impl Sink) -> bool {
        let mut left = most;
        while left > 0 && (self.asking || self.course != Course::Probing || self.sweep_is_due(now)) {
            let Some(shot) = self.peek(now) else { return true };
            if !sink.put(&shot) {
                return false;
            }
            self.sent(now);
            left -= 1;
        }
        // What may leave may be for the sweep alone.
        let left = left.min(self.may_probe);
        match &mut self.prober {
            _ if left == 0 => true,
            Some(Lead::Share(prober)) => prober.emit(now, left, sink),
            Some(Lead::Survey(survey)) => survey.emit(now, left, sink),
            None => true,
        }
    }

    fn rested(&mut self) {
        if let Some(Lead::Survey(survey)) = &mut self.prober {
            survey.rested();
        }
    }

    fn taken(&mut self, until: Time) {
        if let Some(prober) = &mut self.prober {
            prober.taken(until);
        }
    }

    fn sent(&mut self, now: Time) {
        if std::mem::take(&mut self.asking) {
            self.sweep.sent(now);
        } else if let Some(prober) = &mut self.prober {
            prober.sent(now);
        }
    }
}

/// What to do when two sources are polled: send if either may, else wait for the earlier.
fn earlier(one: Poll, other: Poll) -> Poll {
    match (one, other) {
        (Poll::Send(n), Poll::Send(m)) => Poll::Send(n.max(m)),
        (Poll::Send(n), _) | (_, Poll::Send(n)) => Poll::Send(n),
        (Poll::Wait(a), Poll::Wait(b)) => Poll::Wait(a.min(b)),
        (Poll::Wait(a), Poll::Done) | (Poll::Done, Poll::Wait(a)) => Poll::Wait(a),
        (Poll::Done, Poll::Done) => Poll::Done,
    }
}

/// Probes a second, before there was any.
const GUESS: u64 = 10_000;
/// Hosts of a scan that is taken up, which answered before, are waited for so long.
const LATE_ARP: Duration = Duration::from_secs(2);
/// How often something another thread may change is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// Replies on their way when the user ends the scan are still taken.
const WHEN_STOPPED: Duration = Duration::from_millis(200);
/// What a host's own delays may add to the round trip.
const JITTER: Duration = Duration::from_millis(50);
/// And when its time is up.
const WHEN_OUT_OF_TIME: Duration = Duration::from_millis(500);
/// Faster than so many a second the times of probes are remembered in groups.
const MARKED: u64 = 1_000_000;
