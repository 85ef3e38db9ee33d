//! Who answered without a line of their own, for whoever reads a journal as a record of results.

use std::collections::HashMap;

use super::line::Line;
use crate::scan::Outcome;
use crate::target::{AddressSet, Target, TargetSpace};

/// The stages of a journal so far.
#[derive(Debug, Default)]
pub(in crate::report) struct Spaces {
    stages: HashMap<usize, TargetSpace>,
    asked: Option<AddressSet>,
}

impl Spaces {
    /// The addresses that the scan asks, once the journal's own line was taken in.
    pub(in crate::report) fn asked(&mut self) -> Option<AddressSet> {
        self.asked.take()
    }

    /// Takes in a line that only a journal has, and tells whose answers it holds.
    pub(in crate::report) fn line(&mut self, line: &[u8], each: &mut dyn FnMut(Target, Outcome)) -> Result<(), String> {
        match serde_json::from_slice(line).map_err(|error| format!("no line of a journal: {error}"))? {
            Line::Stage(stage) => {
                let (stage, space) = stage.stage()?;
                self.stages.insert(stage.number, space);
            }
            Line::Answered(answered) => {
                let space = self.stages.get(&answered.stage).ok_or_else(|| format!("stage {} has not begun", answered.stage))?;
                let (outcome, targets) = answered.read(space)?;
                targets.iter().for_each(|index| each(space.get(index), outcome));
            }
            Line::Journal(order) => self.asked = order.addresses.parse().ok(),
            Line::Pass(_) | Line::Knowledge(_) | Line::Progress(_) => {}
        }
        Ok(())
    }
}
