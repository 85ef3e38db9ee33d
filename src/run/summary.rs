//! What a scan did, and what makes its answer incomplete.

use std::net::IpAddr;

use super::broken::Broken;
use super::left;
use super::plan::{Plan, count};
use super::request::Request;
use super::scan::Ended;
use super::silence::Silence;
use super::unasked::Unasked;
use crate::counted::{counted, percent};
use crate::net::link::LinkKind;
use crate::scan::{Board, Completeness, Pace, Shortfall, Spent, Summary};

/// Everything a summary is made of.
pub(super) struct Account<'a> {
    pub(super) request: &'a Request,
    pub(super) plan: &'a Plan,
    pub(super) ended: &'a Ended,
    pub(super) broken: &'a Broken,
    /// Hosts that answered and have no hardware address here.
    pub(super) elsewhere: u64,
    /// Hosts of which only others spoke.
    pub(super) filtered: u64,
    pub(super) stopped: bool,
}

impl Account<'_> {
    pub(super) fn summary(&self) -> Summary {
        let Self { request, plan, ended, .. } = self;
        let ports = u64::from(request.ports.len());
        let mut summary = Summary {
            elapsed: ended.elapsed,
            addresses: plan.addresses(),
            targets: plan.addresses().saturating_mul(ports),
            hosts_up: self.elsewhere,
            hosts_filtered: self.filtered,
            unroutable: plan.unroutable.iter().map(|(range, _)| count(&[*range].into_iter().collect())).sum(),
            unresolved: request.unresolved,
            interrupted: self.stopped,
            ..Summary::default()
        };
        if let (Some(board), Some(syn)) = (&ended.board, &plan.syn) {
            self.raw(&mut summary, board);
            let up = board.neighbours.known().filter(|(addr, _)| syn.addresses.contains(IpAddr::V4(*addr))).count() as u64;
            summary.hosts_up += up;
            summary.hosts_not_probed += self.behind_silent_gateways(board);
            // Whom the sweep had not asked twice when the scan was stopped is not known to be down.
            let swept = !self.stopped || board.stages.iter().next().is_some();
            let unasked = self.broken.not_asked(board, &syn.onlink);
            summary.hosts_down = if swept { (count(&syn.onlink) - up).saturating_sub(unasked) } else { 0 };
            summary.hosts_not_probed += unasked;
            account(&mut summary, board);
        }
        self.connect(&mut summary, ports);
        if let Some(left) = &request.left {
            add_spent(&mut summary, &left.spent);
        }
        summary.path_proven = self.path_proven();
        summary.incomplete = self.reasons(&summary);
        summary
    }

    fn raw(&self, summary: &mut Summary, board: &Board) {
        let counters = &board.counters;
        let probed = counters.targets_probed.get();
        let asked = count(&board.config.addresses).saturating_mul(u64::from(board.config.ports.len()));
        summary.probes += counters.probes.get();
        summary.canaries += counters.canaries.get();
        summary.arp_requests += counters.arp_requests.get();
        summary.answered += counters.answered.get();
        summary.open += counters.open.get();
        summary.closed += counters.closed.get();
        summary.filtered += counters.filtered.get();
        let unanswered = probed.saturating_sub(counters.answered.get());
        let unheard = self.broken.unheard(board, unanswered);
        summary.unanswered += unanswered - unheard;
        summary.not_probed += asked.saturating_sub(probed) + unheard;
        summary.invalid += counters.invalid.get();
        summary.malformed += counters.malformed.get();
        summary.duplicates += counters.duplicates.get();
        summary.receiver_drops += counters.receiver_drops.get();
        summary.send_errors += counters.send_errors.get() + self.ended.links.refused;
        summary.resets_lost += counters.resets_lost.get();
        summary.send_retries += counters.send_retries.get();
        summary.out_of_time |=
            !summary.interrupted && board.config.deadline.is_some_and(|deadline| counters.last_sent() >= deadline || self.is_short(board));
    }

    /// How many addresses lie behind gateways that did not answer ARP.
    fn behind_silent_gateways(&self, board: &Board) -> u64 {
        let silent = |gateway: &IpAddr| {
            let mut all = board.neighbours.gateways().iter().enumerate();
            all.any(|(number, wanted)| IpAddr::V4(wanted.addr) == *gateway && board.neighbours.gateway(number).is_none())
        };
        self.plan.egresses.iter().filter(|egress| egress.gateway.as_ref().is_some_and(silent)).map(|egress| egress.addresses).sum()
    }

    /// Whether anything answered that proves a path: not this machine to itself, unless nobody else was asked.
    fn path_proven(&self) -> bool {
        let Self { plan, ended, .. } = self;
        let elsewhere =
            ended.board.as_ref().is_some_and(|board| board.counters.proven.get() > 0 || board.neighbours.known().next().is_some());
        let only_here = plan.syn.iter().flat_map(|syn| &syn.links).all(|link| link.kind == LinkKind::Loopback)
            && plan.connect.difference(&plan.own).is_empty();
        let here = ended.board.as_ref().is_some_and(|board| board.counters.proven_here.get() > 0)
            || ended.tally.as_ref().is_some_and(|tally| tally.answered() > 0);
        let before = self.request.left.as_ref().is_some_and(|left| left::proves_a_path(left, &plan.own));
        elsewhere || before || ended.connected_elsewhere || ended.canary_answered || (only_here && here)
    }

    /// Whether the deadline came before every target had its attempts.
    fn is_short(&self, board: &Board) -> bool {
        board.config.deadline.is_some_and(|deadline| self.ended.elapsed >= deadline.since(crate::time::Time::ZERO))
            && !board.stages.iter().filter(|(_, stage)| stage.reported).all(|(_, stage)| stage.is_covered())
    }

    fn connect(&self, summary: &mut Summary, ports: u64) {
        let left = left::counted(self.request.left.as_deref(), self.ended.board.as_deref());
        summary.answered += left.open + left.closed + left.filtered;
        summary.open += left.open;
        summary.closed += left.closed;
        summary.filtered += left.filtered;
        summary.unanswered += left.unanswered;
        let Some(tally) = &self.ended.tally else { return };
        summary.hosts_not_probed += Unasked::of(Some(tally)).hosts(ports);
        summary.probes += tally.probes;
        summary.answered += tally.answered();
        summary.open += tally.open;
        summary.closed += tally.closed;
        summary.filtered += tally.filtered;
        summary.unanswered += tally.unanswered;
        summary.not_probed += tally.not_probed + tally.unfinished + tally.local_errors();
        summary.send_errors += tally.local_errors();
        summary.send_retries += tally.resource_waits;
        summary.out_of_time |= tally.out_of_time && !summary.interrupted;
    }

    /// What a reader must know before trusting the answer, a line each.
    fn reasons(&self, summary: &Summary) -> Vec<String> {
        let mut reasons = self.ended.links.failures.clone();
        if let Some(tally) = &self.ended.tally {
            for (cause, errors) in &tally.local {
                let example = errors.hosts.keys().next().map(|host| format!(", for example on {host}")).unwrap_or_default();
                reasons.push(format!("{} could not be asked: {cause}{example}", counted(errors.targets, "target")));
            }
        }
        let raw_errors = summary.send_errors - self.ended.tally.as_ref().map_or(0, super::connect::ConnectTally::local_errors);
        let mut say = |count: u64, noun: &str, what: &str| {
            if count > 0 {
                reasons.push(format!("{} {what}", counted(count, noun)));
            }
        };
        say(raw_errors, "probe", "could not be sent");
        say(summary.receiver_drops, "reply", "lost in this machine's receive queue: use a lower --rate");
        say(summary.unresolved, "name", "did not resolve");
        if summary.unroutable > 0 {
            let named: Vec<String> = self.plan.unroutable.iter().take(NAMED).map(|(range, cause)| format!("{range} ({cause})")).collect();
            let more = if self.plan.unroutable.len() > NAMED { ", and others" } else { "" };
            reasons.push(format!("no route to {}: {}{more}", counted(summary.unroutable, "address"), named.join(", ")));
        }
        if let Some(board) = &self.ended.board {
            unreached(board, &mut reasons);
        }
        if summary.out_of_time {
            reasons.push(format!("--max-duration ended the scan with {} not probed", counted(summary.not_probed, "target")));
        }
        let most_attempts = self.ended.board.as_ref().map_or(0, |board| board.config.most_attempts);
        reasons.extend(summary.completeness.and_then(|completeness| shortfall(&completeness, most_attempts)));
        if !summary.path_proven && !summary.interrupted && summary.addresses > 0 {
            reasons.push(Silence::of(summary, self.plan, self.ended.board.as_deref()).diagnosis());
        }
        reasons
    }
}

/// What was spent before the scan was taken up belongs to it.
fn add_spent(summary: &mut Summary, before: &Spent) {
    summary.elapsed += before.elapsed;
    summary.probes += before.probes;
    summary.canaries += before.canaries;
    summary.arp_requests += before.arp_requests;
    summary.invalid += before.invalid;
    summary.malformed += before.malformed;
    summary.duplicates += before.duplicates;
    summary.receiver_drops += before.receiver_drops;
    summary.send_errors += before.send_errors;
    summary.resets_lost += before.resets_lost;
    summary.send_retries += before.send_retries;
}

/// What the account of loss came to.
fn account(summary: &mut Summary, board: &Board) {
    if board.config.is_accounted() && board.pace.highest() > 0 {
        let pace = &board.pace;
        summary.pace = Some(Pace { highest: pace.highest(), limit: pace.limit(), loss: pace.loss() });
        summary.completeness = board.completeness().filter(|completeness| completeness.found > 0);
    }
}

/// Why less than was asked for is certain, and what to do; an end that came early is told by itself.
fn shortfall(completeness: &Completeness, most_attempts: u8) -> Option<String> {
    let goal = percent(completeness.goal?);
    let words = match completeness.shortfall? {
        Shortfall::Attempts => {
            let limit = counted(most_attempts, "attempt");
            format!("{goal} are not certain to be found: after {limit} a target is given up (--attempts)")
        }
        Shortfall::ReceiverDrops => format!("{goal} are not certain to be found: this machine lost replies"),
        Shortfall::ResetsLimited => format!(
            "closed ports are incomplete: only so many resets are sent, by hosts or on the way; {goal} of open ports are found, without waiting for them"
        ),
        Shortfall::HostsUnheard => {
            format!("{goal} are not certain to be found: ARP requests or answers are lost, and hosts that are up with them (--attempts)")
        }
        Shortfall::Time | Shortfall::NobodyAnswered => return None,
    };
    Some(words)
}

/// What no stage ever held: behind a gateway that did not answer, or a host that joined too late.
fn unreached(board: &Board, reasons: &mut Vec<String>) {
    for (number, gateway) in board.neighbours.gateways().iter().enumerate() {
        if board.neighbours.gateway(number).is_none() && !board.is_stopped() {
            reasons.push(format!("gateway {} did not answer ARP: nothing behind it was probed", gateway.addr));
        }
    }
    let late = board.neighbours.known().filter(|(addr, _)| {
        let first = board.config.ports.nth(0).map(|port| crate::target::Target { addr: IpAddr::V4(*addr), port });
        // The canary need not be a target.
        first.is_some_and(|target| board.config.addresses.contains(target.addr) && board.stages.find(target).is_none())
    });
    let late = late.count() as u64;
    if late > 0 && !board.is_stopped() {
        reasons.push(format!("{} answered ARP too late to be probed", counted(late, "host")));
    }
}

/// So many ranges without a route are named.
const NAMED: usize = 3;
