//! Whom the next slot asks: a target of the pass, or by lot a canary or an audit.

use std::ops::Range;

use rand::RngExt;

use super::{FIRST_GAP, GLANCE, IN_THE_DARK, Pending, Survey, What};
use crate::scan::Sink;
use crate::scan::aim::aim;
use crate::scan::canary::Asked;
use crate::scan::rate::Limit;
use crate::scan::windows::Purpose;
use crate::time::Time;

impl Survey {
    /// Aims the next probe, if one may leave now; else when to look again.
    #[inline]
    pub(super) fn seek(&mut self, now: Time) -> Option<Time> {
        if self.pending.is_some() {
            return None;
        }
        if self.rate.is_paused() {
            self.local.idle = true;
            let picked = self.responders.pick(now, self.rate.epochs().classes.mix());
            let ready = picked.is_some_and(|asked| self.aim_canary(now, asked, Purpose::Meter));
            return if ready { None } else { Some(now + GLANCE) };
        }
        if self.tour.sent_out.is_some() {
            return Some(now + GLANCE);
        }
        if now < self.tour.begins {
            return Some(self.tour.begins.min(now + GLANCE));
        }
        if !std::mem::replace(&mut self.tour.is_drawn, true) {
            let lot = self.random.random();
            if self.seek_beside(now, lot) {
                return None;
            }
        }
        self.seek_next(now)
    }

    /// Passes the next targets of the block under way to `sink`, up to `most`, until the lot falls on a slot that is not for them. How many
    /// left, the lot if there was such a one, and whether there was room.
    pub(super) fn go_on(&mut self, now: Time, most: u64, sink: &mut impl Sink) -> (u64, Option<f64>, bool) {
        let (mut sent, mut lot, mut room) = (0, None, true);
        let audits = self.audits();
        let Self { board, tour, blocks, host_pace, ahead, random, .. } = self;
        let is_free =
            self.end.is_none() && self.pending.is_none() && tour.sent_out.is_none() && now >= tour.begins && !self.rate.is_paused();
        let (Some(stage), Some(&block)) = (board.stages.at(self.stage), tour.blocks.get(tour.place).filter(|_| is_free)) else {
            return (sent, lot, room);
        };
        let share = if self.responders.is_empty() { 0.0 } else { self.share };
        let end = blocks.positions(block).end.min(tour.position + most);
        let marks = stage.marks_of(0, tour.pass);
        let counts = if tour.pass == 1 { stage.counts_all() } else { Some(false) };
        let (mut position, mut is_drawn) = (tour.position, tour.is_drawn);
        // All from there on have left.
        let mut unmarked = position;
        let mut goes_on = true;
        while goes_on && position < end {
            let run = ahead.run(board, stage, position, tour.pass);
            let (mut place, end) = (0, run.len().min((end - position) as usize));
            while goes_on && place < end {
                let due = run.due(place).min(end - place);
                if due == 0 {
                    marks.all_sent(unmarked..position, now);
                    position += 1;
                    unmarked = position;
                    place += 1;
                    continue;
                }
                // As many of them as may leave together.
                let (mut lots, was_drawn) = (random.clone(), is_drawn);
                let mut chosen = 0;
                for &host in &run.hosts()[place..place + due] {
                    if !std::mem::replace(&mut is_drawn, true) {
                        let drawn = lots.random();
                        if drawn < share || audits.contains(&drawn) {
                            lot = Some(drawn);
                            break;
                        }
                    }
                    if host_pace.due(host) > now {
                        break;
                    }
                    host_pace.spend(host, now);
                    is_drawn = false;
                    chosen += 1;
                }
                goes_on = chosen == due;
                let put = run.put(place..place + chosen, sink);
                if put < chosen {
                    // As if nobody after the one without room had been looked at.
                    run.hosts()[place + put..place + chosen].iter().for_each(|&host| host_pace.take_back(host));
                    (lot, is_drawn) = (None, true);
                    (usize::from(was_drawn)..=put).for_each(|_| _ = random.random::<f64>());
                    (room, goes_on) = (false, false);
                } else {
                    *random = lots;
                }
                if counts.is_none() {
                    self.unpublished.targets += run.ports(place..place + put).filter(|&port| stage.counts(port)).count() as u64;
                }
                sent += put as u64;
                position += put as u64;
                place += put;
            }
        }
        tour.is_drawn = is_drawn;
        marks.all_sent(unmarked..position, now);
        self.unpublished.targets += if counts == Some(true) { sent } else { 0 };
        if let Some(last) = position.checked_sub(1).filter(|last| *last >= tour.position) {
            tour.passed(stage, last);
        }
        if sent > 0 {
            self.enter(block, now, sent as u32);
        }
        (sent, lot, room)
    }

    /// The lots that are audits'.
    fn audits(&self) -> Range<f64> {
        AUDITS_FROM..AUDITS_FROM + (2000.0 / self.blocks_len()).clamp(0.01, 0.02)
    }

    /// By lot: a canary or an audit in this slot. Every n-th slot would fall in step with a policer.
    pub(super) fn seek_beside(&mut self, now: Time, lot: f64) -> bool {
        if lot >= AUDITS_FROM {
            return self.audits().contains(&lot) && self.audit(now);
        }
        if self.responders.is_empty() || lot >= self.share {
            return false;
        }
        if let Some(asked) = self.responders.due_follow_up(now) {
            return self.aim_canary(now, asked, Purpose::FollowUp);
        }
        let mix = self.rate.epochs().classes.mix();
        self.responders.pick(now, mix).is_some_and(|asked| self.aim_canary(now, asked, Purpose::Meter))
    }

    fn blocks_len(&self) -> f64 {
        self.board.stages.at(self.stage).map_or(1.0, |stage| stage.order.len() as f64)
    }

    /// Whether nothing has kept the rate from rising so far.
    fn is_starting(&self) -> bool {
        self.tour.pass == 1 && self.rate.limit() == Limit::Time
    }

    /// Share of slots that are canaries.
    pub(super) fn share(&self) -> f64 {
        let (rate, ratio) = (self.rate.rate(), self.rate.epochs().past.ratio());
        let few = ratio * rate < 500.0 || self.tour.pass > 1;
        let share = match few {
            // Many come, and few have: the start waits for evidence, not for the path.
            true if self.is_starting() && rate < SLOW_START && self.blocks_len() > WORTH_HURRYING => 0.2,
            true => 0.05,
            false => (4000.0 / self.blocks_len()).clamp(0.01, 0.05),
        };
        share.min(ratio.max(300.0 / rate)).min(IN_THE_DARK * self.responders.hosts() as f64 / rate)
    }

    fn audit(&mut self, now: Time) -> bool {
        let before = now - FIRST_GAP;
        for _ in 0..AUDIT_TRIES {
            if self.tour.place == 0 {
                return false;
            }
            let block = self.tour.blocks[self.random.random_range(0..self.tour.place)];
            if !self.blocks.can_be_audited(block, before) {
                continue;
            }
            let position = self.random.random_range(self.blocks.positions(block));
            let Some(stage) = self.board.stages.at(self.stage) else { return false };
            let index = stage.order.index(position);
            if stage.answered.contains(index) {
                continue;
            }
            let number = self.responders.any_number();
            return self.aim_canary(now, Asked { index, number, open: false }, Purpose::Audit);
        }
        false
    }

    fn aim_canary(&mut self, now: Time, asked: Asked, purpose: Purpose) -> bool {
        let Some(stage) = self.board.stages.at(self.stage) else { return false };
        let host = stage.space.host_of(asked.index);
        if self.host_pace.due(host) > now {
            return false;
        }
        let shot = aim(&self.board, stage, asked.index, asked.number);
        self.pending = shot.map(|shot| Pending { shot, host, what: What::Canary { asked, purpose } });
        self.pending.is_some()
    }

    /// The next silent target of the pass.
    fn seek_next(&mut self, now: Time) -> Option<Time> {
        let Self { board, tour, blocks, host_pace, ahead, .. } = self;
        let Some(stage) = board.stages.at(self.stage) else { return Some(Time::NEVER) };
        for _ in 0..SKIP_AT_ONCE {
            let Some(&block) = tour.blocks.get(tour.place) else {
                tour.sent_out = Some(now);
                // The last of the pass belong to its last epoch.
                self.account();
                self.windows.end(now);
                self.rate.turn(now, f64::MAX);
                return Some(now);
            };
            if tour.position >= blocks.positions(block).end {
                tour.place += 1;
                tour.position = tour.blocks.get(tour.place).map_or(0, |&block| blocks.positions(block).start);
                continue;
            }
            let position = tour.position;
            let run = ahead.run(board, stage, position, tour.pass);
            if let (Some(shot), Some(&host)) = (run.shot(0), run.hosts().first()) {
                let due = host_pace.due(host);
                if due > now {
                    // The next would wait for the same host soon: in a uniform order all get on evenly.
                    return Some(due);
                }
                self.pending = Some(Pending { shot, host, what: What::Position(position) });
                return None;
            }
            tour.passed(stage, position);
        }
        Some(now)
    }
}

/// Answered targets passed over before the sender looks at the clock again.
const SKIP_AT_ONCE: u32 = 4096;
/// Slots from here on are audits, by lot.
const AUDITS_FROM: f64 = 0.9;
const AUDIT_TRIES: u32 = 4;
/// Below so many probes a second a large scan asks more canaries, ...
const SLOW_START: f64 = 4000.0;
/// ... for its targets are more than these.
const WORTH_HURRYING: f64 = 16_000.0;
