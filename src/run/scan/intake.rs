//! What receivers and connections hand over, taken in.

use std::net::IpAddr;
use std::time::Duration;

use super::Running;
use crate::run::request::Event;
use crate::run::rollcall::mac_of;
use crate::scan::{Board, Finding, Reason, Record};
use crate::target::TargetSpace;

impl Running<'_> {
    /// Takes in those that wait. Where many did, more are coming: let them gather, for waking up costs more than a record.
    pub(super) fn records(&mut self, waiting: impl Iterator<Item = Record>, board: &Board) {
        let count = self.take_in(waiting, board);
        self.reporter.lull();
        if (FLOOD..GULP).contains(&count) {
            std::thread::sleep(GATHER);
        }
    }

    /// Takes in what waits, some at once; how many these were.
    pub(super) fn take_in(&mut self, waiting: impl Iterator<Item = Record>, board: &Board) -> usize {
        let mut waiting = waiting.filter_map(|record| Some((record, record.finding(&board.stages)?)));
        let mut next = Vec::with_capacity(AT_ONCE);
        let mut count = 0;
        loop {
            next.extend(waiting.by_ref().take(AT_ONCE));
            if next.is_empty() {
                return count;
            }
            count += next.len();
            self.reporter.foresee(next.iter().map(|(_, finding)| finding.target.addr));
            next.drain(..).for_each(|(record, finding)| self.record(record, finding, board));
        }
    }

    fn record(&mut self, record: Record, mut finding: Finding, board: &Board) {
        finding.time = finding.time + self.since;
        let proof = self.proofs.as_mut().and_then(|proofs| proofs.of_record(&record, &finding));
        self.replay.look(board, self.request, &mut self.reporter);
        if record.is_reported(&board.stages) {
            let is_asked = self.request.ports.contains(finding.target.port);
            let is_told = is_asked && !self.request.hide_suspect && self.request.show.singly(finding.outcome.state);
            self.diary.answered(&record, &finding, is_told, board, &mut self.reporter);
            if !is_asked {
                return self.reporter.presence(&finding);
            }
            if let IpAddr::V4(addr) = finding.target.addr
                && let Some(egress) = board.egresses.of(addr)
            {
                self.heard.resize(self.heard.len().max(egress.link + 1), 0);
                self.heard[egress.link] += 1;
            }
            if let Some(proof) = proof {
                self.reporter.event(Event::Proof(Box::new(proof)));
            }
            let mac = mac_of(board, finding.target.addr);
            self.reporter.finding(finding, mac);
        } else {
            self.reporter.finding_beside(&finding);
        }
    }

    /// Takes in what became of connections; whether another machine answered one.
    pub(super) fn findings(&mut self, waiting: impl Iterator<Item = Finding>, space: Option<&TargetSpace>) -> bool {
        let mut elsewhere = false;
        for finding in waiting {
            if self.request.ports.contains(finding.target.port) {
                elsewhere |= self.connected(finding, space);
            } else {
                self.reporter.finding_beside(&finding);
            }
        }
        self.reporter.lull();
        elsewhere
    }

    /// Takes in what became of a connection; whether another machine answered it.
    fn connected(&mut self, mut finding: Finding, space: Option<&TargetSpace>) -> bool {
        finding.time = finding.time + self.since;
        let heard = finding.outcome.reason != Reason::NoResponse;
        let is_told = heard && !self.request.hide_suspect && self.request.show.singly(finding.outcome.state);
        if let Some(space) = space {
            self.diary.connected(space, &finding, is_told, &mut self.reporter);
        }
        if heard || self.request.show.filtered {
            self.reporter.finding(finding, None);
        }
        heard && !self.plan.own.contains(finding.target.addr)
    }
}

/// Records taken in before anything else is looked at.
pub(super) const GULP: usize = 4096;
/// Of these so many are looked at together: their ranges are fetched from memory side by side.
const AT_ONCE: usize = 32;
/// So many at once are a flood.
const FLOOD: usize = 16;
const GATHER: Duration = Duration::from_millis(1);
