//! What a survey tells of its way, and how one that was left takes up again.

use std::time::Duration;

use super::Survey;
use crate::scan::checkpoint::{Knowledge, LeftStage, Milestone, Place, Trail};
use crate::scan::evidence::Evidence;
use crate::scan::stage::Stage;
use crate::time::Time;

impl Survey {
    /// Tells how far the pass is: what was asked so long ago that an answer would have been read by now (`heard`).
    pub(super) fn tell(&mut self, now: Time, heard: Time) {
        if !self.board.checkpoints.are_wanted() {
            return;
        }
        let position = if self.tour.sent_out.is_some() { self.blocks.len() } else { self.tour.position };
        let unreached = self.board.stages.at(self.stage).map_or(u64::MAX, Stage::unreached);
        self.trail.reach(now, position.min(unreached));
        if let Some(step) = self.trail.settle(heard.min(self.taken) - self.windows.patience()) {
            let attempt = self.tour.pass;
            let answers = self.board.stages.at(self.stage).map_or(0, |stage| stage.first_answers(attempt));
            let place = Place { sender: 0, attempt, step, answers };
            self.board.checkpoints.tell(self.stage, Milestone::Place(place));
        }
        if now >= self.tells_knowledge {
            self.tell_knowledge();
            self.tells_knowledge = now + TELLS * (self.blocks.count() / BLOCKS + 1);
        }
    }

    /// Tells that a pass begins.
    pub(super) fn tell_pass(&mut self) {
        self.trail = Trail::default();
        // Who was passed over, or whose probe still waits here, is to be asked in the first pass of a scan that is taken up.
        let is_whole = self.taken == Time::NEVER && self.board.stages.at(self.stage).is_some_and(|stage| stage.unreached() == u64::MAX);
        if self.board.checkpoints.are_wanted() && is_whole {
            self.tell_knowledge();
            let (pass, blocks) = (self.tour.pass, self.tour.blocks.clone());
            self.board.checkpoints.tell(self.stage, Milestone::Pass { pass, blocks });
        }
    }

    fn tell_knowledge(&self) {
        let (canaries, unseen, blocks) = (self.evidence.state(), self.blocks.unseen(), self.blocks.states());
        let knowledge = Knowledge { canaries, unseen, blocks };
        self.board.checkpoints.tell(self.stage, Milestone::Knowledge(knowledge));
    }

    /// Goes on where it was left; who had answered is marked in the stage.
    pub(in crate::scan) fn take_up(&mut self, left: &LeftStage) {
        let Some(stage) = self.board.stages.at(self.stage) else { return };
        let Self { tour, blocks, hosts, responders, rate, evidence, .. } = self;
        let last = left.last_attempt();
        if let Some((pass, chosen)) = left.pass.as_ref().filter(|(pass, _)| *pass >= last) {
            tour.pass = *pass;
            tour.blocks = chosen.iter().copied().filter(|block| (*block as usize) < blocks.count() as usize).collect();
        }
        let step = left.step(0, tour.pass);
        let is_done = |block: &u32| blocks.positions(*block).end <= step;
        tour.place = tour.blocks.iter().take_while(|block| is_done(block)).count();
        tour.position = tour.blocks.get(tour.place).map_or(step, |&block| blocks.positions(block).start);
        *evidence = left.knowledge.as_ref().map(|knowledge| Evidence::of(knowledge.canaries)).unwrap_or_default();
        let (states, unseen) = left.knowledge.as_ref().map_or((&[][..], 0.0), |knowledge| (&knowledge.blocks, knowledge.unseen));
        blocks.restore(tour.pass, &tour.blocks[..tour.place], states, unseen);
        let asked = if tour.pass == 1 { tour.position } else { stage.order.len() };
        stage.took(0, asked);
        self.board.counters.targets_probed.add(stage.counted(left, 0..asked, |position| position < asked));
        for (outcome, indices) in &left.answered {
            for index in indices.iter().take_while(|index| *index < stage.order.len()) {
                let (host, reason) = (stage.space.host_of(index), outcome.reason);
                blocks.had_answered(stage.order.position(index), reason);
                hosts.answered(host);
                if reason.is_owed() {
                    rate.answered(reason == crate::scan::Reason::SynAck);
                    responders.add(index, host, reason);
                }
            }
        }
    }
}

/// How often it is told what is known of each block ...
const TELLS: Duration = Duration::from_millis(250);
/// ... where there are fewer than these.
const BLOCKS: u32 = 8192;
