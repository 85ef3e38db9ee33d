//! The order in blocks, and how likely it is for each that a target in it was missed: which blocks the next pass asks again.

use super::checkpoint::BlockState;
use super::completeness::{expected_for, poisson_upper};
use super::evidence::{Chances, Evidence};
use super::outcome::Reason;
use super::rate::{Epoch, Tally};
use crate::time::Time;

/// Blocks of consecutive positions.
#[derive(Debug)]
pub(super) struct Blocks {
    list: Vec<Block>,
    /// Positions in a block.
    size: u64,
    positions: u64,
    /// Targets that answered by TCP, and of these, those that are open.
    found: u64,
    open: u64,
    /// Resets are limited, so that what they say about loss holds for no other target: only open ones are estimated.
    only_open: bool,
    /// Chance of loss that only an audit showed, in the first pass.
    unseen: f64,
}

#[derive(Clone, Debug)]
struct Block {
    /// Chance that a target in it that would answer was missed so far.
    missed: f64,
    missed_upper: f64,
    /// Targets asked, and of these, those that have not answered.
    asked: u32,
    silent: u32,
    /// Passes in which it had few losses.
    clean: u8,
    /// The last pass that asked it.
    asked_in: u8,
    last: Time,
    /// Share of this pass's probes that met an audited loss before.
    hot_before: f32,
    pass: Pass,
}

/// What the present pass did in a block.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    sent: f32,
    hot: f32,
    hot_loss: f32,
    /// Share lost among the canaries of each probe's epoch, and how many canaries there were, summed over probes.
    lost: f32,
    canaries: f32,
    /// Share of the block that had no turn before the end of the scan.
    left_out: f32,
}

/// How much is missed over all blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) missed: f64,
    pub(super) upper95: f64,
    /// So much may be missed.
    pub(super) allowed: f64,
}

impl Blocks {
    pub(super) fn new(positions: u64) -> Self {
        let size = (positions / BLOCKS).clamp(SMALLEST, LARGEST);
        let count = positions.div_ceil(size);
        let block = Block {
            missed: 1.0,
            missed_upper: 1.0,
            asked: 0,
            silent: 0,
            clean: 0,
            asked_in: 0,
            last: Time::ZERO,
            hot_before: 0.0,
            pass: Pass::default(),
        };
        Self { list: vec![block; count as usize], size, positions, found: 0, open: 0, only_open: false, unseen: 0.0 }
    }

    pub(super) fn all(&self) -> Vec<u32> {
        (0..self.list.len() as u32).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.list.len() as u32
    }

    /// Positions in all of them.
    pub(super) fn len(&self) -> u64 {
        self.positions
    }

    pub(super) fn of(&self, position: u64) -> u32 {
        (position / self.size) as u32
    }

    pub(super) fn positions(&self, block: u32) -> std::ops::Range<u64> {
        let first = u64::from(block) * self.size;
        first..(first + self.size).min(self.positions)
    }

    pub(super) fn silent(&self) -> u64 {
        self.list.iter().map(|block| u64::from(block.silent)).sum()
    }

    pub(super) fn found(&self) -> u64 {
        self.found
    }

    pub(super) fn open(&self) -> u64 {
        self.open
    }

    /// Targets asked.
    pub(super) fn asked(&self) -> u64 {
        self.list.iter().map(|block| u64::from(block.asked)).sum()
    }

    /// From now on only open targets are estimated.
    pub(super) fn look_at_open_only(&mut self) {
        self.only_open = true;
    }

    /// Targets found of the kind that is estimated, and those that might be such: the others are known to be closed.
    fn counted(&self, asked: f64) -> (f64, f64) {
        if self.only_open { (self.open as f64, asked - (self.found - self.open) as f64) } else { (self.found as f64, asked) }
    }

    /// The target at `position` has answered.
    pub(super) fn answered(&mut self, position: u64, reason: Reason) {
        let block = self.of(position) as usize;
        self.list[block].silent = self.list[block].silent.saturating_sub(1);
        // Others speak for a target by ICMP.
        self.found += u64::from(matches!(reason, Reason::SynAck | Reason::Reset));
        self.open += u64::from(reason == Reason::SynAck);
    }

    /// `count` targets of `block` were asked in pass `pass`.
    pub(super) fn sent(&mut self, block: u32, pass: u8, count: u32, now: Time) {
        let block = &mut self.list[block as usize];
        if pass == 1 {
            block.asked += count;
            block.silent += count;
        }
        block.asked_in = pass;
        block.pass.sent += count as f32;
        block.last = now;
    }

    /// The pass ends in `block`, of whose positions only those before `position` had their turn.
    pub(super) fn cut_short(&mut self, block: u32, position: u64, pass: u8) {
        let positions = self.positions(block);
        // In the first pass whoever was not asked is not counted.
        if pass > 1 {
            let left = positions.end.saturating_sub(position) as f64 / (positions.end - positions.start).max(1) as f64;
            self.list[block as usize].pass.left_out = left as f32;
        }
    }

    /// `count` probes of `block` were sent in `epoch`, which is settled.
    pub(super) fn settled(&mut self, block: u32, count: u32, epoch: &Epoch) {
        let pass = &mut self.list[block as usize].pass;
        let count = count as f32;
        let Tally { canaries, lost, .. } = epoch.tally;
        if epoch.hot {
            pass.hot += count;
            pass.hot_loss += count * epoch.loss as f32;
        } else {
            pass.lost += count * (lost / canaries.max(1.0)) as f32;
            pass.canaries += count * canaries as f32;
        }
    }

    /// Whether `block` had its probes of this pass a while ago, all in clean epochs: whoever is silent there can be audited.
    pub(super) fn can_be_audited(&self, block: u32, before: Time) -> bool {
        let Block { pass, last, .. } = &self.list[block as usize];
        pass.sent > 0.0 && pass.canaries > 0.0 && pass.hot == 0.0 && *last <= before
    }

    /// Share of targets that would answer, with `missed` the chance of a block's targets to have been missed.
    fn ratio(&self, more: f64, missed: fn(&Block) -> f64) -> f64 {
        let (mut all, mut unseen) = (0.0, 0.0);
        for block in &self.list {
            all += f64::from(block.asked);
            unseen += f64::from(block.asked) * missed(block);
        }
        let seen = 1.0 - unseen / f64::max(all, 1.0);
        let (found, all) = self.counted(all);
        ((found + more) / all.max(1.0) / seen.max(0.01)).min(1.0)
    }

    /// A pass is over and settled: what it says about each block.
    pub(super) fn end_pass(&mut self, pass: u8, evidence: &mut Evidence) {
        let chances = evidence.chances();
        let unseen = self.unseen;
        let mut covered = vec![false; self.list.len()];
        for (block, covered) in self.list.iter_mut().zip(&mut covered).filter(|(block, _)| block.pass.sent > 0.0) {
            *covered = true;
            block.learn(&chances, unseen);
        }
        if let Some(lost) = evidence.close_audit(self.ratio(0.0, |_| 0.0)) {
            if pass == 1 {
                self.unseen = lost;
            }
            for (block, covered) in self.list.iter_mut().zip(covered) {
                if covered || pass == 1 {
                    block.missed = block.missed.max(lost);
                    block.missed_upper = block.missed_upper.max((1.5 * lost).min(1.0));
                    block.clean = 0;
                }
            }
        }
    }

    /// How many are missed, by all that is known; `goal` is the share to be found.
    pub(super) fn estimate(&self, goal: f64) -> Estimate {
        let (ratio, ratio_upper) = (self.ratio(0.0, |block| block.missed), self.ratio(1.0, |block| block.missed_upper));
        let (mut missed, mut upper, mut silent) = (0.0, 0.0, 0.0);
        for block in &self.list {
            silent += f64::from(block.silent);
            missed += f64::from(block.silent) * silent_but_there(ratio, block.missed);
            upper += f64::from(block.silent) * silent_but_there(ratio_upper, block.missed_upper);
        }
        let missed = missed.min(silent);
        let allowed = expected_for(SAFE * (1.0 - goal) * (self.counted(0.0).0 + missed));
        Estimate { missed, upper95: poisson_upper(1.5 * upper).min(silent), allowed }
    }

    /// The blocks that the next pass asks again: those where a probe is most likely to find somebody, until what is left is little enough.
    pub(super) fn choose(&self, estimate: &Estimate, chances: &Chances) -> Vec<u32> {
        let ratio = self.ratio(0.0, |block| block.missed);
        let gain = |block: &Block| if self.found == 0 { 1.0 } else { silent_but_there(ratio, block.missed) };
        let mut order: Vec<u32> = self.all().into_iter().filter(|&block| self.list[block as usize].silent > 0).collect();
        let gains: Vec<f64> = self.list.iter().map(gain).collect();
        order.sort_by(|&one, &other| gains[other as usize].total_cmp(&gains[one as usize]));
        if self.found > 0 {
            let mut left = estimate.missed;
            let enough = order.iter().position(|&block| {
                let block = &self.list[block as usize];
                // What was lost in a hot epoch is known roughly: such blocks are not what is left.
                let done = left <= 0.7 * estimate.allowed && block.missed < CLEAN;
                let lost = if block.clean > 0 { chances.again } else { chances.first };
                left -= f64::from(block.silent) * gain(block) * (1.0 - lost);
                done
            });
            order.truncate(enough.unwrap_or(order.len()).max(1));
        }
        order.sort_unstable();
        order
    }

    /// What is known of each block.
    pub(super) fn states(&self) -> Vec<BlockState> {
        self.list.iter().map(Block::state).collect()
    }

    /// A chance of loss that only an audit showed, in the first pass.
    pub(super) fn unseen(&self) -> f64 {
        self.unseen
    }

    /// As it was left in the middle of pass `pass`, of which the blocks `done` were through; `states` was told a while before. Of a block
    /// that was asked since, no more is known than that it was asked.
    pub(super) fn restore(&mut self, pass: u8, done: &[u32], states: &[BlockState], unseen: f64) {
        self.unseen = unseen;
        for (block, state) in self.list.iter_mut().zip(states) {
            block.restore(state, pass);
        }
        let mut is_done = vec![false; self.list.len()];
        for &number in done {
            let Some(block) = self.list.get_mut(number as usize) else { continue };
            is_done[number as usize] = true;
            if block.asked_in < pass {
                block.asked_in = pass;
                block.pass.sent = 1.0;
            }
        }
        for (number, is_done) in (0..).zip(is_done) {
            let positions = self.positions(number);
            let block = &mut self.list[number as usize];
            if !is_done {
                // What was under way is asked as if for the first time.
                block.pass = Pass::default();
            }
            if pass > 1 || is_done {
                let count = (positions.end - positions.start) as u32;
                (block.asked, block.silent) = (count, count);
            }
        }
    }

    /// The target at `position` had answered before the scan was left.
    pub(super) fn had_answered(&mut self, position: u64, reason: Reason) {
        let number = self.of(position);
        let positions = self.positions(number);
        let block = &mut self.list[number as usize];
        // In a block that is still to be asked it will be passed over.
        if u64::from(block.asked) < positions.end - positions.start {
            block.asked += 1;
            block.silent += 1;
        }
        self.answered(position, reason);
    }

    /// When the first probe of these blocks left.
    pub(super) fn earliest(&self, chosen: &[u32]) -> Time {
        chosen.iter().map(|&block| self.list[block as usize].last).min().unwrap_or(Time::ZERO)
    }
}

impl Block {
    fn state(&self) -> BlockState {
        let Pass { sent, hot, hot_loss, lost, canaries, .. } = self.pass;
        BlockState {
            missed: self.missed as f32,
            missed_upper: self.missed_upper as f32,
            hot_before: self.hot_before,
            clean: self.clean,
            asked_in: self.asked_in,
            pass: [sent, hot, hot_loss, lost, canaries],
        }
    }

    /// As it was in pass `pass` or the one before.
    fn restore(&mut self, state: &BlockState, pass: u8) {
        let chance = |share: f32| f64::from(share).clamp(0.0, 1.0);
        (self.missed, self.missed_upper) = (chance(state.missed), chance(state.missed_upper));
        (self.hot_before, self.clean, self.asked_in) = (state.hot_before.clamp(0.0, 1.0), state.clean, state.asked_in);
        if state.asked_in == pass {
            let [sent, hot, hot_loss, lost, canaries] = state.pass.map(|sum| sum.max(0.0));
            self.pass = Pass { sent, hot, hot_loss, lost, canaries, ..Pass::default() };
        }
    }

    fn learn(&mut self, chances: &Chances, unseen: f64) {
        let Pass { sent, hot, hot_loss, lost, canaries, left_out } = std::mem::take(&mut self.pass);
        let hot_loss = if hot > 0.0 { f64::from(hot_loss / hot) } else { 1.0 };
        let hot_share = f64::from((hot / sent).min(1.0));
        // Empirical Bayes: the loss of all epochs, and of those that this block's probes were sent in.
        let clean = f64::from((sent - hot).max(1e-6));
        let (lost, canaries) = (f64::from(lost) / clean, f64::from(canaries) / clean);
        let mix = |pooled: f64| ((lost * canaries + chances.weight * pooled) / (canaries + chances.weight)).min(1.0);
        let (mut chance, mut upper) = (mix(chances.first), mix(chances.first_upper));
        if unseen > 0.0 {
            chance = chance.max(unseen * f64::from(self.hot_before));
            upper = upper.max(chance);
        }
        self.hot_before = (hot_share * hot_loss) as f32;
        if self.clean > 0 {
            (chance, upper) = (chance.max(chances.again), upper.max(chances.again_upper));
        }
        let left_out = f64::from(left_out);
        let over_all = |clean: f64| left_out + (1.0 - left_out) * (hot_share * hot_loss + (1.0 - hot_share) * clean);
        self.missed *= over_all(chance);
        self.missed_upper *= over_all(upper);
        self.clean = self.clean.saturating_add(u8::from(hot_share < 0.5));
    }
}

/// The chance that a silent target would answer, where a share `ratio` of all would and a share `missed` of these was missed.
fn silent_but_there(ratio: f64, missed: f64) -> f64 {
    ratio * missed / (1.0 - ratio + ratio * missed).max(1e-12)
}

/// Of what may be missed, so much is planned for: the estimate may be wrong.
const SAFE: f64 = 0.6;
/// A block missed by chance so far is left alone if the rest is little enough.
const CLEAN: f64 = 0.01;
const BLOCKS: u64 = 2048;
const SMALLEST: u64 = 32;
const LARGEST: u64 = 4096;
