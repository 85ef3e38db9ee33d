//! Writing a journal: what belongs together leaves in one `write`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

use blake3::Hasher;
use roaring::RoaringTreemap;

use super::Order;
use super::bits;
use super::line::{Answered, KnowledgeLine, Line, OrderLine, PassLine, Progress, StageLine};
use super::packed::Rows;
use crate::report::{Lines, is_answer};
use crate::scan::{
    BlockState, Checkpoint, Finding, HostRecord, Knowledge, LeftScan, LeftStage, Milestone, Outcome, Place, RateChange, ScanRecord, Spent,
    Summary,
};
use crate::target::{Target, TargetSpace};

/// A journal being written. What was told since the last [`Journal::settle`] leaves with the next one; of a flood, a part may leave before.
pub struct Journal {
    out: Box<dyn Write + Send>,
    /// Lines to be written that only a journal has: they stand before those of hosts that they belong to.
    beside: Vec<u8>,
    /// The other lines to be written.
    told: Vec<u8>,
    /// What has no line yet.
    rows: Rows,
    lines: Lines,
    /// Of all lines written, and of so many bytes of those beside.
    digest: Hasher,
    digested: usize,
    /// By stage: answers without a line of their own.
    answered: BTreeMap<(usize, Outcome), RoaringTreemap>,
    places: BTreeMap<(usize, u64, u8), Place>,
    /// By stage: what was written last.
    blocks: HashMap<usize, Vec<BlockState>>,
    stages: HashSet<usize>,
    /// Findings that stand in it already, because the scan was taken up.
    known: HashSet<Target>,
    spent: Spent,
    /// It could not be written for so long that it ends here.
    is_given_up: bool,
}

impl Journal {
    /// The beginning of a scan, or of one that is taken up, with everything that was known of it.
    ///
    /// # Errors
    /// It could not be written.
    pub fn begin(out: Box<dyn Write + Send>, scan: &ScanRecord, order: &Order, left: Option<&LeftScan>) -> io::Result<Self> {
        let mut journal = Self {
            out,
            beside: Vec::new(),
            told: Vec::new(),
            rows: Rows::default(),
            lines: Lines::default(),
            digest: Hasher::new(),
            digested: 0,
            answered: BTreeMap::new(),
            places: BTreeMap::new(),
            blocks: HashMap::new(),
            stages: HashSet::new(),
            known: HashSet::new(),
            spent: Spent::default(),
            is_given_up: false,
        };
        journal.lines.scan(&mut journal.beside, scan)?;
        journal.line(&Line::Journal(Box::new(OrderLine::of(order))))?;
        if let Some(left) = left {
            for stage in left.stages.iter().chain(&left.connect) {
                journal.stage(&without(stage, &left.told))?;
            }
            let mut told: Vec<&Finding> = left.told.values().collect();
            told.sort_unstable_by_key(|finding| (finding.time, finding.target));
            told.into_iter().try_for_each(|finding| journal.finding(finding))?;
            journal.known = left.told.keys().copied().collect();
        }
        journal.settle(&left.map(|left| left.spent).unwrap_or_default())?;
        Ok(journal)
    }

    /// A stage begins, or goes on.
    ///
    /// # Errors
    /// None: it is written later.
    pub fn stage(&mut self, stage: &LeftStage) -> io::Result<()> {
        if !self.stages.insert(stage.number) {
            return Ok(());
        }
        self.line(&Line::Stage(StageLine::of(stage)))?;
        for (outcome, targets) in &stage.answered {
            self.answers(stage.number, *outcome, targets)?;
        }
        if let Some((pass, blocks)) = &stage.pass {
            self.pass(stage.number, *pass, blocks)?;
        }
        if let Some(knowledge) = &stage.knowledge {
            self.knowledge(stage.number, knowledge)?;
        }
        self.places.extend(stage.places.iter().map(|place| ((stage.number, place.sender, place.attempt), *place)));
        Ok(())
    }

    /// A target answered that has no line of its own.
    pub fn answer(&mut self, stage: usize, index: u64, outcome: Outcome) {
        self.answered.entry((stage, outcome)).or_default().insert(index);
    }

    /// How far a sender is.
    ///
    /// # Errors
    /// None: it is written later.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let stage = checkpoint.stage;
        match &checkpoint.what {
            Milestone::Place(place) => {
                self.places.insert((stage, place.sender, place.attempt), *place);
                Ok(())
            }
            Milestone::Pass { pass, blocks } => self.pass(stage, *pass, blocks),
            Milestone::Knowledge(knowledge) => self.knowledge(stage, knowledge),
        }
    }

    /// A port was learned.
    ///
    /// # Errors
    /// The output could not be written; it is tried again with what is told next.
    pub fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if is_answer(finding) && !self.known.contains(&finding.target) {
            self.rows.port(finding);
        }
        self.part()
    }

    /// A port was learned that is told again, or not at all, when its host is settled.
    ///
    /// # Errors
    /// The output could not be written; it is tried again with what is told next.
    pub fn early(&mut self, finding: &Finding) -> io::Result<()> {
        let told = self.finding(finding);
        self.known.insert(finding.target);
        told
    }

    /// The rate changed.
    ///
    /// # Errors
    /// None: it is written later.
    pub fn rate(&mut self, change: &RateChange) -> io::Result<()> {
        self.rows.append(&mut self.told, &self.lines);
        self.lines.rate(&mut self.told, change)
    }

    /// A host is settled.
    ///
    /// # Errors
    /// The output could not be written; it is tried again with what is told next.
    pub fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        host.ports.iter().filter(|finding| !is_answer(finding)).for_each(|finding| self.rows.port(finding));
        self.rows.host(host);
        self.part()
    }

    /// All that was told since the last time belongs together: writes it.
    ///
    /// # Errors
    /// The output could not be written. It is tried again with what is told next, as long as that fits into memory; then the journal ends
    /// where it was, and what came later would be asked again.
    pub fn settle(&mut self, spent: &Spent) -> io::Result<()> {
        self.spent = *spent;
        self.gather()?;
        let places = self.places.iter().map(|((stage, ..), place)| (*stage, *place)).collect();
        self.together();
        self.line(&Line::Progress(Progress::of(spent, places, self.digest.finalize().to_string())))?;
        self.write()
    }

    /// The scan has ended.
    ///
    /// # Errors
    /// The output could not be written.
    pub fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.rows.append(&mut self.told, &self.lines);
        self.lines.summary(&mut self.told, summary)?;
        self.settle(&self.spent.clone())?;
        self.out.flush()
    }

    fn gather(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.answered).into_iter().try_for_each(|((stage, outcome), targets)| self.answers(stage, outcome, &targets))
    }

    fn answers(&mut self, stage: usize, outcome: Outcome, targets: &RoaringTreemap) -> io::Result<()> {
        self.line(&Line::Answered(Answered {
            stage,
            state: outcome.state.as_str().into(),
            reason: outcome.reason.as_str().into(),
            reason_addr: outcome.reason_addr,
            targets: bits::of_targets(targets),
        }))
    }

    fn pass(&mut self, stage: usize, pass: u8, blocks: &[u32]) -> io::Result<()> {
        self.line(&Line::Pass(PassLine { stage, pass, blocks: bits::of_numbers(blocks.iter().copied()) }))
    }

    /// What has changed since this was last told.
    fn knowledge(&mut self, stage: usize, knowledge: &Knowledge) -> io::Result<()> {
        let Knowledge { canaries, unseen, blocks } = knowledge;
        let before = self.blocks.entry(stage).or_default();
        let numbered = || (0_u32..).zip(blocks).filter(|(number, block)| before.get(*number as usize) != Some(block));
        let line = KnowledgeLine {
            stage,
            canaries: *canaries,
            unseen: *unseen,
            count: blocks.len(),
            changed: bits::of_numbers(numbered().map(|(number, _)| number)),
            blocks: bits::of_blocks(numbered().map(|(_, block)| block)),
        };
        before.clone_from(blocks);
        self.line(&Line::Knowledge(line))
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.beside, line)?;
        self.beside.push(b'\n');
        Ok(())
    }

    /// Of a flood, a part leaves before what it belongs to is whole: memory does not hold it all.
    fn part(&mut self) -> io::Result<()> {
        if !self.rows.are_enough() {
            return Ok(());
        }
        self.gather()?;
        self.together();
        self.write()
    }

    /// All lines stand in their order, and are digested.
    fn together(&mut self) {
        self.beside.append(&mut self.told);
        self.rows.append(&mut self.beside, &self.lines);
        self.digest();
    }

    fn digest(&mut self) {
        self.digest.update(&self.beside[self.digested..]);
        self.digested = self.beside.len();
    }

    fn write(&mut self) -> io::Result<()> {
        if self.is_given_up {
            self.beside.clear();
            self.digested = 0;
            return Ok(());
        }
        let written = self.out.write_all(&self.beside);
        if written.is_ok() {
            self.digest();
            self.beside.clear();
            self.digested = 0;
        } else if self.beside.len() > MOST_WAITING {
            self.is_given_up = true;
        }
        written
    }
}

/// The stage, its bitmaps without those that have a line of their own.
fn without(stage: &LeftStage, told: &HashMap<Target, Finding>) -> LeftStage {
    let mut stage = stage.clone();
    if let Ok(space) = TargetSpace::new(stage.addresses.clone(), stage.ports.clone()) {
        let told: RoaringTreemap = told.keys().filter_map(|target| space.index_of(*target)).collect();
        for (_, targets) in &mut stage.answered {
            *targets -= &told;
        }
        stage.answered.retain(|(_, targets)| !targets.is_empty());
    }
    stage
}

/// Bytes that may wait for a disk that is full.
const MOST_WAITING: usize = 64 << 20;
