//! Whom the next stage asks, and for what.

use super::board::Board;
use super::checkpoint::LeftStage;
use super::discovery::{Discovery, Presence};
use super::egress::NextHop;
use super::stage::{Stage, Stages};
use crate::target::{AddressSet, PortSet, Target};
use crate::time::Time;

/// Who has been asked already.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Addresses that belong to a stage, or need none.
    staged: AddressSet,
    /// Discovered ones that were asked for the rest of their ports.
    followed: AddressSet,
}

/// The hosts and ports of a stage.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) addresses: AddressSet,
    pub(super) ports: PortSet,
    /// Whether it is to show who is there.
    pub(super) discovers: bool,
}

impl Part {
    /// What a stage that was left asks.
    pub(super) fn of(left: &LeftStage) -> Self {
        Self { addresses: left.addresses.clone(), ports: left.ports.clone(), discovers: left.discovers }
    }
}

impl Agenda {
    /// Everything reachable that is in no stage yet; where hosts are discovered first, those on the link, then those behind routers, then
    /// who of these is there.
    pub(super) fn next(&mut self, board: &Board) -> Option<Part> {
        let number = board.stages.iter().count();
        if number + 1 >= Stages::MOST {
            return None;
        }
        let config = &board.config;
        let mut fresh = board.reachable().intersection(&config.addresses).difference(&self.staged);
        if config.discovery != Discovery::Off && !fresh.is_empty() {
            let routed = fresh.intersection(&routed(board));
            fresh = fresh.difference(&routed);
            if config.discovery == Discovery::Only {
                // They have answered ARP.
                self.staged = self.staged.union(&fresh);
                fresh = AddressSet::new();
            }
            // What is discovered needs a stage too.
            if fresh.is_empty() && !routed.is_empty() && number + 2 < Stages::MOST {
                self.staged = self.staged.union(&routed);
                return Some(Part { addresses: routed, ports: Discovery::questions(), discovers: true });
            }
        }
        if fresh.is_empty() {
            return self.follow(board);
        }
        self.staged = self.staged.union(&fresh);
        Some(Part { addresses: fresh, ports: config.ports.clone(), discovers: false })
    }

    /// A stage that was left is taken up: its hosts are asked there.
    pub(super) fn take_up(&mut self, left: &LeftStage) {
        let known = left.addresses.difference(&self.staged).is_empty();
        let asked = if known { &mut self.followed } else { &mut self.staged };
        *asked = asked.union(&left.addresses);
    }

    /// Whether a target of the scan's hosts is asked to discover its host.
    pub(super) fn discovers(board: &Board, target: Target) -> bool {
        board.config.discovery != Discovery::Off && Discovery::PORTS.contains(&target.port) && routed(board).contains(target.addr)
    }

    /// When all is heard that the stage under way is to show of who is there.
    pub(super) fn discovered_by(board: &Board) -> Option<Time> {
        let (_, stage) = board.stages.iter().last()?;
        let presence = stage.presence.as_ref()?;
        let everybody = u128::from(presence.count()) == stage.space.addresses().len();
        (!everybody)
            .then(|| board.counters.last_sent() + board.config.wait.unwrap_or_else(|| board.rtt.patience(board.config.is_accounted())))
    }

    /// Share of all stages that is done when `done` is the last one's; how many ports are left to ask when hosts are discovered, nobody knows.
    pub(super) fn done(board: &Board, done: f64) -> f64 {
        let discovers = board.stages.iter().last().is_some_and(|(_, stage)| stage.presence.is_some());
        match (board.config.discovery, discovers) {
            (Discovery::First, true) => DISCOVERY * done,
            (Discovery::First, false) => DISCOVERY + (1.0 - DISCOVERY) * done,
            (Discovery::Off | Discovery::Only, _) => done,
        }
    }

    /// Those discovered since this was last asked.
    fn follow(&mut self, board: &Board) -> Option<Part> {
        let ports = Discovery::rest(&board.config.ports);
        let count: u64 = discoveries(board).map(|(_, presence)| presence.count()).sum();
        if board.config.discovery != Discovery::First || ports.is_empty() || u128::from(count) == self.followed.len() {
            return None;
        }
        let all = discoveries(board).map(|(stage, presence)| presence.hosts(&stage.space));
        let addresses = all.fold(AddressSet::new(), |all, hosts| all.union(&hosts)).difference(&self.followed);
        self.followed = self.followed.union(&addresses);
        (!addresses.is_empty()).then_some(Part { addresses, ports, discovers: false })
    }
}

fn discoveries(board: &Board) -> impl Iterator<Item = (&Stage, &Presence)> {
    board.stages.iter().filter_map(|(_, stage)| Some((stage, stage.presence.as_ref()?)))
}

/// What is not on the link: it cannot be known by ARP whether a host is there.
fn routed(board: &Board) -> AddressSet {
    board.egresses.parts().filter(|(_, egress)| !matches!(egress.hop, NextHop::OnLink(_))).map(|(range, _)| range).collect()
}

/// Discovery's part of the work, before it is known how much there will be.
const DISCOVERY: f64 = 0.3;
