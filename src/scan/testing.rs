//! A board without links, for tests of senders.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::board::Board;
use super::cookie::Flow;
use super::prober::{Shot, ShotFrame};
use super::stage::Stage;
use super::{Cookie, Egress, EgressMap, Neighbours, NextHop, ScanConfig, SourcePorts};
use crate::target::{AddressRange, AddressSet, Target, TargetSpace};

/// A scan of so many hosts and ports, with account kept or not.
pub(super) fn board(hosts: u32, ports: u16, seed: u64, accounted: bool, tune: impl FnOnce(&mut ScanConfig)) -> Arc<Board> {
    let first = Ipv4Addr::new(10, 1, 0, 0);
    let last = Ipv4Addr::from_bits(first.to_bits() + hosts - 1);
    let range = AddressRange::new(IpAddr::V4(first), IpAddr::V4(last)).unwrap();
    let addresses: AddressSet = [range].into_iter().collect();
    let new = if accounted { ScanConfig::adaptive } else { ScanConfig::new };
    let mut config = new(addresses, (1..=ports).collect(), seed);
    tune(&mut config);
    let egress = Egress { link: 0, source: Ipv4Addr::new(10, 0, 0, 1), hop: NextHop::None };
    let ports = SourcePorts::Block { first: 61_184, count: 256 };
    let cookie = Cookie::new([7; 16], ports, Cookie::most(ports));
    Arc::new(Board::new(config, cookie, EgressMap::new([(range, egress)]), Neighbours::default()))
}

/// Its one stage.
pub(super) fn stage(board: &Board) -> Stage {
    let config = &board.config;
    let space = TargetSpace::new(config.addresses.clone(), config.ports.clone()).unwrap();
    Stage::new(space, config.seed, config.senders, config.most_attempts, 1_000_000, true)
}

/// The target a SYN asks, and the attempt that its proof names.
pub(super) fn aimed(board: &Board, shot: &Shot) -> (u64, u8) {
    let ShotFrame::Syn(probe) = shot.frame else { panic!("{shot:?}") };
    let flow = Flow { source: probe.source, destination: probe.destination, port: probe.destination_port };
    let index = board.stages.at(0).unwrap().space.index_of(Target { addr: probe.destination.into(), port: probe.destination_port });
    (index.unwrap(), board.cookie.prove(flow, probe.source_port, probe.sequence).unwrap())
}
