//! Reading a journal back: where its scan was left.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use blake3::Hasher;

use super::Order;
use super::bits;
use super::line::{Line, Progress};
use super::packed::Row;
use crate::error::{Error, Kind, Result};
use crate::report::Epoch;
use crate::report::json::read::wire;
use crate::scan::{BlockState, Finding, Knowledge, LeftScan, LeftStage, Milestone, Place, Reason, ScanRecord, Spent, Stages, Summary};
use crate::target::TargetSpace;

/// What a journal tells.
#[derive(Debug)]
pub struct JournalReading {
    /// What decides the scan.
    pub order: Order,
    /// Where it was left.
    pub left: LeftScan,
    /// Its summary, if it has ended.
    pub summary: Option<Summary>,
}

/// Reads a journal called `name` as far as it can be trusted: to its last `progress` line.
///
/// # Errors
/// It cannot be read, is no journal, is of another version, or is not as it was written; the line is named.
pub fn read_journal(input: &mut dyn BufRead, name: &str) -> Result<JournalReading> {
    let mut reader = Reader::default();
    let mut digest = Hasher::new();
    let mut waiting: Vec<(u64, Vec<u8>)> = Vec::new();
    for number in 1_u64.. {
        let mut line = Vec::new();
        let length = Read::take(&mut *input, LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|cause| Error::io("read", name, cause).of_kind(Kind::Asked))?;
        if length == 0 || line.last() != Some(&b'\n') {
            break;
        }
        let wrong = |number: u64, cause: String| {
            let what = if number == 1 { name.to_owned() } else { format!("{name} line {number}") };
            Error::asked("read", what, cause).hint("a journal is what a scan writes unless --no-journal is given")
        };
        let Some(progress) = progress(&line) else {
            waiting.push((number, line));
            continue;
        };
        for (_, line) in &waiting {
            digest.update(line);
        }
        if digest.finalize().to_hex()[..] != progress.digest {
            let from = waiting.first().map_or(number, |(first, _)| *first);
            return Err(wrong(from, format!("lines {from} to {number} are not as they were written: their digest is another")));
        }
        digest.update(&line);
        take_in(&mut reader, &mut waiting).map_err(|(number, cause)| wrong(number, cause))?;
        reader.progress(&progress).map_err(|cause| wrong(number, cause))?;
    }
    reader.finish().ok_or_else(|| Error::asked("read", name, "it is no journal, or ends before its first progress line"))
}

/// A line that ends what belongs together.
fn progress(line: &[u8]) -> Option<Progress> {
    if !line.starts_with(PROGRESS) {
        return None;
    }
    match serde_json::from_slice(line) {
        Ok(Line::Progress(progress)) => Some(progress),
        _ => None,
    }
}

fn take_in(reader: &mut Reader, waiting: &mut Vec<(u64, Vec<u8>)>) -> std::result::Result<(), (u64, String)> {
    waiting.drain(..).try_for_each(|(number, line)| reader.line(&line).map_err(|cause| (number, cause)))
}

/// Longer lines are no journal's, and are not taken into memory whole: a bitmap of all IPv4 on one port fits.
const LONGEST: u64 = 1 << 30;
const PROGRESS: &[u8] = b"{\"type\":\"progress\"";

/// An attempt or pass, of which there are at most so many.
fn attempt(number: u8) -> std::result::Result<(), String> {
    if (1..=16).contains(&number) { Ok(()) } else { Err(format!("attempt {number}, where there are 1 to 16")) }
}

/// A stage of 2^32 targets has so many blocks.
const MOST_BLOCKS: usize = 1 << 21;

#[derive(Default)]
struct Reader {
    scan: Option<(ScanRecord, Epoch)>,
    order: Option<Order>,
    stages: BTreeMap<usize, (LeftStage, TargetSpace)>,
    told: Vec<Finding>,
    spent: Option<Spent>,
    summary: Option<Summary>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        let epoch = self.scan.as_ref().map(|(_, epoch)| *epoch);
        match wire::parse(line, epoch)? {
            wire::Record::Scan(scan) => {
                let epoch = Epoch::of(&scan);
                self.scan = Some((*scan, epoch));
            }
            wire::Record::Port(finding) => self.port(finding),
            wire::Record::Packed(rows) => rows.into_iter().for_each(|row| match row {
                Row::Port(finding) => self.port(finding),
                Row::Host(..) => {}
            }),
            wire::Record::Summary(summary) => self.summary = Some(*summary),
            wire::Record::Beside => self.beside(line)?,
            wire::Record::Host(..) | wire::Record::Rate(_) => {}
        }
        Ok(())
    }

    fn port(&mut self, finding: Finding) {
        if finding.outcome.reason != Reason::NoResponse {
            self.told.push(finding);
        }
    }

    fn beside(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        match serde_json::from_slice(line).map_err(|error| error.to_string())? {
            Line::Journal(order) => self.order = Some(order.order()?),
            Line::Stage(stage) => {
                let (stage, space) = stage.stage()?;
                self.stages.insert(stage.number, (stage, space));
            }
            Line::Answered(answered) => {
                let (stage, space) = self.stage(answered.stage)?;
                let (outcome, targets) = answered.read(space)?;
                stage.answered(outcome, targets);
            }
            Line::Pass(pass) => {
                let blocks = bits::to_numbers(&pass.blocks)?.iter().collect();
                attempt(pass.pass)?;
                self.stage(pass.stage)?.0.tell(Milestone::Pass { pass: pass.pass, blocks });
            }
            Line::Knowledge(knowledge) => {
                let (stage, space) = self.stage(knowledge.stage)?;
                if knowledge.count as u64 > space.len() || knowledge.count > MOST_BLOCKS {
                    return Err("more blocks than there can be".to_owned());
                }
                let mut blocks = stage.knowledge.take().map(|known| known.blocks).unwrap_or_default();
                blocks.resize(knowledge.count, BlockState::default());
                for (number, state) in bits::to_numbers(&knowledge.changed)?.iter().zip(bits::to_blocks(&knowledge.blocks)?) {
                    *blocks.get_mut(number as usize).ok_or("a block that there is not")? = state;
                }
                let canaries = knowledge.canaries.map(|sum| if sum.is_finite() { sum } else { 0.0 });
                stage.tell(Milestone::Knowledge(Knowledge { canaries, unseen: knowledge.unseen.clamp(0.0, 1.0), blocks }));
            }
            Line::Progress(_) => {}
        }
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) -> std::result::Result<(), String> {
        for &(stage, sender, number, step, answers) in &progress.places {
            attempt(number)?;
            let (left, space) = self.stage(stage)?;
            if step > space.len() || sender >= left.senders {
                return Err(format!("a place that stage {stage} has not"));
            }
            left.tell(Milestone::Place(Place { sender, attempt: number, step, answers }));
        }
        self.spent = Some(progress.spent());
        Ok(())
    }

    fn stage(&mut self, number: usize) -> std::result::Result<&mut (LeftStage, TargetSpace), String> {
        self.stages.get_mut(&number).ok_or_else(|| format!("stage {number} has not begun"))
    }

    fn finish(mut self) -> Option<JournalReading> {
        let (Some((scan, _)), Some(order), Some(spent)) = (self.scan, self.order, self.spent) else { return None };
        for finding in &self.told {
            let of = |(stage, space): &mut (LeftStage, TargetSpace)| {
                let index = space.index_of(finding.target)?;
                stage.answered(finding.outcome, [index].into_iter().collect());
                Some(())
            };
            self.stages.values_mut().find_map(of);
        }
        let told = self.told.into_iter().map(|finding| (finding.target, finding)).collect();
        let connect = self.stages.remove(&Stages::MOST).map(|(stage, _)| stage);
        let stages = self.stages.into_values().map(|(stage, _)| stage).collect();
        Some(JournalReading { order, left: LeftScan { scan, stages, connect, told, spent }, summary: self.summary })
    }
}
