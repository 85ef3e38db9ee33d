//! A scan that is taken up: what was found before is told once more, for every output begins anew.

use std::net::IpAddr;

use roaring::RoaringTreemap;

use super::plan::Plan;
use super::reporter::Reporter;
use super::request::Request;
use super::rollcall::mac_of;
use crate::error::{Error, Result};
use crate::scan::{Board, EgressRecord, Finding, LeftScan, LeftStage, Reason, State};
use crate::target::{AddressSet, TargetSpace};
use crate::time::Time;

/// Tells the findings of the stages that were left, each when it begins: then hardware addresses are known.
pub(super) struct Replay<'a> {
    left: Option<&'a LeftScan>,
    told: usize,
    connect_told: bool,
}

/// What had been found before and is in no other count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) open: u64,
    pub(super) closed: u64,
    pub(super) filtered: u64,
    pub(super) unanswered: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(left: Option<&'a LeftScan>) -> Self {
        Self { left, told: 0, connect_told: false }
    }

    /// Tells what is due now that these stages have begun.
    pub(super) fn look(&mut self, board: &Board, request: &Request, reporter: &mut Reporter<'_>) {
        let Some(left) = self.left.filter(|left| self.told < left.stages.len()) else { return };
        let begun = board.stages.iter().filter(|(_, stage)| stage.reported).count().min(left.stages.len());
        for stage in &left.stages[self.told.min(begun)..begun] {
            self.told += 1;
            tell(left, stage, Some(board), request, reporter);
        }
    }

    /// Tells what connect() had found.
    pub(super) fn connect(&mut self, request: &Request, reporter: &mut Reporter<'_>) {
        if let Some(left) = self.left.filter(|_| !std::mem::replace(&mut self.connect_told, true)) {
            left.connect.iter().for_each(|stage| tell(left, stage, None, request, reporter));
        }
    }

    /// Tells the rest, for the scan has ended.
    pub(super) fn close(&mut self, board: Option<&Board>, request: &Request, reporter: &mut Reporter<'_>) {
        self.connect(request, reporter);
        let Some(left) = self.left else { return };
        for stage in &left.stages[self.told..] {
            tell(left, stage, board, request, reporter);
        }
        self.told = left.stages.len();
    }
}

fn tell(left: &LeftScan, stage: &LeftStage, board: Option<&Board>, request: &Request, reporter: &mut Reporter<'_>) {
    let Ok(space) = TargetSpace::new(stage.addresses.clone(), stage.ports.clone()) else { return };
    for (outcome, indices) in &stage.answered {
        for target in indices.iter().take_while(|index| *index < space.len()).map(|index| space.get(index)) {
            let bare = Finding { target, outcome: *outcome, ttl: None, window: None, rtt: None, attempt: 1, time: Time::ZERO };
            let finding = left.told.get(&target).copied().unwrap_or(bare);
            let is_silent = outcome.reason == Reason::NoResponse;
            if !request.ports.contains(target.port) {
                reporter.presence(&finding);
            } else if !is_silent || request.show.filtered {
                reporter.finding(finding, board.and_then(|board| mac_of(board, target.addr)));
            }
        }
    }
}

/// What had been found by connect(), and in stages of raw probes that were not taken up before the scan ended, counted.
pub(super) fn counted(left: Option<&LeftScan>, board: Option<&Board>) -> Found {
    let mut all = Found::default();
    let Some(left) = left else { return all };
    let begun = board.map_or(0, |board| board.stages.iter().filter(|(_, stage)| stage.reported).count());
    let stages = left.connect.iter().chain(left.stages.iter().skip(begun).filter(|stage| !stage.discovers));
    for (outcome, indices) in stages.flat_map(|stage| &stage.answered) {
        *match (outcome.state, outcome.reason) {
            (State::Open, _) => &mut all.open,
            (State::Closed, _) => &mut all.closed,
            (State::Filtered, Reason::NoResponse) => &mut all.unanswered,
            (State::Filtered, _) => &mut all.filtered,
        } += indices.len();
    }
    all
}

/// Whether somebody who is not this machine had answered.
pub(super) fn proves_a_path(left: &LeftScan, own: &AddressSet) -> bool {
    let elsewhere = |stage: &LeftStage| {
        let first =
            stage.answered.iter().filter(|(outcome, _)| outcome.reason != Reason::NoResponse).find_map(|(_, indices)| indices.min());
        first.and_then(|index| stage.addresses.nth(index / u64::from(stage.ports.len()).max(1))).is_some_and(|addr| !own.contains(addr))
    };
    left.stages.iter().chain(&left.connect).any(elsewhere)
}

/// Whether the scan would go on as it began: over the same interfaces, from the same addresses.
///
/// # Errors
/// What is different.
pub(super) fn check(left: &LeftScan, plan: &Plan) -> Result<()> {
    let differs = |what: &str| {
        Err(Error::asked("resume", "the scan", what)
            .hint("begin it anew, or restore what has changed: synprobe interfaces shows the routes"))
    };
    let (before, now) = (&left.scan, plan);
    if before.mode != now.mode() {
        return differs(&format!("it was a {} scan, and would go on as a {} scan", before.mode.as_str(), now.mode().as_str()));
    }
    let way = |egress: &EgressRecord| {
        let from = |addr: Option<IpAddr>| addr.map_or_else(|| "any address".to_owned(), |addr| addr.to_string());
        let via = egress.gateway.map_or_else(String::new, |gateway| format!(" through {gateway}"));
        format!("{} from {}{via} ({})", egress.interface, from(egress.source), egress.link)
    };
    let [mut old, mut new] = [&before.egresses, &now.egresses].map(|all| all.iter().map(way).collect::<Vec<_>>());
    old.sort_unstable();
    new.sort_unstable();
    if old == new {
        return Ok(());
    }
    let only = |one: &[String], other: &[String]| one.iter().find(|way| !other.contains(way)).cloned();
    match (only(&old, &new), only(&new, &old)) {
        (Some(old), Some(new)) => differs(&format!("the interface has changed: it went over {old}, and would go on over {new}")),
        (Some(old), None) => differs(&format!("the interface has changed: nothing goes over {old} any more")),
        (None, Some(new)) => differs(&format!("the interface has changed: part of it would go on over {new}")),
        (None, None) => Ok(()),
    }
}

/// The targets that connect() had settled, for [`super::connect::ConnectJob::settled`].
pub(super) fn settled(left: Option<&LeftScan>) -> RoaringTreemap {
    let stage = left.and_then(|left| left.connect.as_ref());
    stage.iter().flat_map(|stage| &stage.answered).fold(RoaringTreemap::new(), |all, (_, indices)| all | indices)
}
