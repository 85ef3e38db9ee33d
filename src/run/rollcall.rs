//! What no finding tells: hosts and targets that stayed silent, called over when the scan has ended.

use std::cell::Cell;
use std::net::IpAddr;

use super::broken::Broken;
use super::ledger::{Roll, down_host, silent_host};
use super::plan::{SynPlan, count};
use super::request::Request;
use crate::packet::MacAddr;
use crate::scan::{Board, Finding, HostRecord, Outcome, Reason, Stage, State};
use crate::target::Target;
use crate::time::Time;

/// Hosts without any finding: up by ARP alone, and, if they are shown, those down or silent; ascending.
pub(super) fn silent<'a>(
    board: &'a Board,
    syn: &'a SynPlan,
    request: &'a Request,
    broken: &Broken,
    knows: &dyn Fn(&IpAddr) -> bool,
    roll: &dyn Fn(IpAddr, u64) -> Roll,
) -> Vec<HostRecord> {
    let ports = u64::from(request.ports.len());
    if !request.show.down {
        let known = board
            .neighbours
            .known()
            .map(|(addr, mac)| (IpAddr::V4(addr), mac))
            .filter(|(addr, _)| syn.addresses.contains(*addr) && !knows(addr));
        return known.map(|(addr, mac)| silent_host(addr, Some(mac), roll(addr, 0))).collect();
    }
    let all = (0..count(&syn.addresses)).filter_map(|number| syn.addresses.nth(number)).filter(|addr| !knows(addr));
    all.map(|addr| match mac_of(board, addr) {
        Some(mac) => silent_host(addr, Some(mac), roll(addr, 0)),
        None if syn.onlink.contains(addr) && !broken.contains(addr) => down_host(addr, ports),
        None => silent_host(addr, None, roll(addr, 0)),
    })
    .collect()
}

/// The hardware address of an on-link host that answered.
pub(super) fn mac_of(board: &Board, addr: IpAddr) -> Option<MacAddr> {
    match addr {
        IpAddr::V4(addr) => board.neighbours.mac(addr),
        IpAddr::V6(_) => None,
    }
}

/// Calls over the targets that did not answer, host by host.
pub(super) struct RollCall {
    /// Targets that may still be called singly.
    left: Cell<u64>,
}

impl RollCall {
    /// One for the end of a scan.
    pub(super) fn new() -> Self {
        Self { left: Cell::new(SINGLY) }
    }

    /// Of a host's `silent` targets: which were probed, which not.
    pub(super) fn roll(&self, board: &Board, request: &Request, addr: IpAddr, silent: u64, now: Time) -> Roll {
        let stages: Vec<&Stage> = board.stages.iter().map(|(_, stage)| stage).filter(|stage| stage.holds(addr)).collect();
        if stages.is_empty() {
            // Its gateway did not answer, unless the scan ended before that could be known.
            let why = if board.is_over(now) { Reason::ScanEnded } else { Reason::NoArpResponse };
            return Roll { not_probed: silent, why: Some(why), ..Roll::default() };
        }
        let ports = u64::from(request.ports.len());
        let why = presence(&stages, addr);
        let covered = stages.iter().all(|stage| stage.is_covered());
        if covered && !request.show.filtered {
            // The host did not show that it is there, so the rest was not asked.
            let not_probed = ports.saturating_sub(stages.iter().map(|stage| stage.wanted()).sum()).min(silent);
            return Roll { unanswered: silent - not_probed, not_probed, why, ..Roll::default() };
        }
        if !covered {
            // Whoever stops a scan wants its results at once: when calling singly would take long, a host has the share of all.
            let Some(left) = self.left.get().checked_sub(ports) else { return Roll { why, ..shared_out(board, silent) } };
            self.left.set(left);
        }
        let mut roll = Roll { why, ..Roll::default() };
        for port in request.ports.iter() {
            let target = Target { addr, port };
            let found = stages.iter().find_map(|stage| Some((stage, stage.space.index_of(target)?)));
            let Some((stage, index)) = found else {
                roll.not_probed += 1;
                continue;
            };
            if stage.answered.contains(index) {
                continue;
            }
            if !stage.was_probed(index) {
                roll.not_probed += 1;
                continue;
            }
            roll.unanswered += 1;
            if request.show.filtered {
                // Each was asked as often as there were passes, at most.
                let attempt = stage.completeness().map_or(board.config.attempts, |completeness| completeness.passes);
                let outcome = Outcome { state: State::Filtered, reason: Reason::NoResponse, reason_addr: None };
                roll.silent.push(Finding { target, outcome, ttl: None, window: None, rtt: None, attempt, time: now });
            }
        }
        roll
    }
}

/// What discovery says of a host of which nothing came: that it was asked and stayed silent, or that the scan ended before.
fn presence(stages: &[&Stage], addr: IpAddr) -> Option<Reason> {
    let stage = stages.iter().find(|stage| stage.presence.is_some())?;
    let asked = |port| stage.space.index_of(Target { addr, port }).is_some_and(|index| stage.was_probed(index));
    Some(if stage.space.ports().iter().any(asked) { Reason::NoResponse } else { Reason::ScanEnded })
}

/// The order is uniform, so a host's targets were probed like all others, give or take a few.
fn shared_out(board: &Board, silent: u64) -> Roll {
    let counters = &board.counters;
    let (probed, answered) = (counters.targets_probed.get(), counters.answered.get());
    let targets = count(&board.config.addresses).saturating_mul(u64::from(board.config.ports.len()));
    let share = probed.saturating_sub(answered) as f64 / targets.saturating_sub(answered).max(1) as f64;
    let unanswered = ((silent as f64 * share).round() as u64).min(silent);
    Roll { unanswered, not_probed: silent - unanswered, ..Roll::default() }
}

/// Targets called singly when a scan was cut short: some hundredths of a second's work.
const SINGLY: u64 = 1 << 18;
