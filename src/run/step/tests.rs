use std::net::Ipv4Addr;

use super::*;
use crate::packet::{FRAME_CAPACITY, TcpFlags};
use crate::scan::{Cookie, Egress, EgressMap, Neighbours, ScanConfig, SourcePorts};
use crate::target::{AddressRange, AddressSet};

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A device that is full, fails or bars what it is given.
struct Device {
    slot: [u8; FRAME_CAPACITY],
    full: bool,
    flushed: io::Result<usize>,
    barred: u64,
}

impl Device {
    fn boxed(full: bool, flushed: io::Result<usize>, barred: u64) -> Box<dyn Transmitter> {
        Box::new(Self { slot: [0; FRAME_CAPACITY], full, flushed, barred })
    }
}

impl Transmitter for Device {
    fn slot(&mut self) -> Option<&mut [u8]> {
        (!self.full).then_some(&mut self.slot)
    }

    fn commit(&mut self, _len: usize) {}

    fn flush(&mut self) -> io::Result<usize> {
        self.flushed.as_ref().copied().map_err(|error| error.kind().into())
    }

    fn refused(&mut self) -> u64 {
        self.barred
    }
}

fn board() -> Board {
    let peer = AddressRange::from(std::net::IpAddr::V4(PEER));
    let config = ScanConfig::new([peer].into_iter().collect(), [80].into_iter().collect(), 7);
    let cookie = Cookie::new([7; 16], SourcePorts::Block { first: 61_000, count: 16 }, config.most_attempts);
    let egresses = EgressMap::new([(peer, Egress { link: 0, source: US, hop: NextHop::None })]);
    Board::new(config, cookie, egresses, Neighbours::new(Vec::new(), AddressSet::new()))
}

#[test]
fn every_reset_that_did_not_leave_is_counted() {
    let reply = TcpReply {
        source_mac: None,
        source: PEER,
        destination: US,
        source_port: 80,
        destination_port: 61_000,
        sequence: 1,
        acknowledgement: 2,
        flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
        window: 1024,
        ttl: 64,
    };
    let gone = || Err(io::ErrorKind::NotConnected.into());
    let busy = || Err(io::ErrorKind::WouldBlock.into());
    for (name, device, lost) in [
        ("taken", Device::boxed(false, Ok(1), 0), 0),
        ("full", Device::boxed(true, Ok(0), 0), 1),
        ("failed", Device::boxed(false, gone(), 0), 1),
        ("busy to the end", Device::boxed(false, busy(), 0), 1),
        ("barred by a firewall", Device::boxed(false, Ok(1), 1), 1),
    ] {
        let board = board();
        let mut resets = Resets { transmitter: device, template: RstTemplate::new(), queued: 0 };
        resets.put(&reply, &board);
        resets.flush(&board);
        resets.close(&board);
        assert_eq!(board.counters.resets_lost.get(), lost, "{name}");
    }
}

#[test]
fn a_link_that_failed_loses_its_frames_and_no_others() {
    let gone = || Err(io::ErrorKind::NotConnected.into());
    let board = board();
    let mut outlets = Outlets::new(vec![Device::boxed(false, gone(), 0), Device::boxed(false, Ok(1), 0)]);
    for link in [0, 1, 0, 0, 1] {
        assert!(outlets.put(&shot(link), &board));
        assert!(outlets.flush(Time::from_nanos(link as u64), &board), "nothing waits for a link that failed");
    }
    assert_eq!(board.counters.send_errors.get(), 3);
    assert_eq!(outlets.failures().map(|(link, _)| link).collect::<Vec<_>>(), [0]);
    assert!(!outlets.all_failed());
    assert_eq!(outlets.taken(), Time::ZERO, "what was lost with it was never taken");
}

#[test]
fn frames_wait_since_the_device_was_first_too_slow_for_all() {
    let board = board();
    let mut outlets = Outlets::new(vec![Device::boxed(false, Ok(1), 0)]);
    let mut waits = Vec::new();
    // The device takes one at a time, and is never idle in between.
    for (millis, frames) in [(1, 1), (2, 2), (3, 1), (4, 1), (5, 1), (6, 0), (7, 1)] {
        for _ in 0..frames {
            assert!(outlets.put(&shot(0), &board));
        }
        let all = outlets.flush(Time::from_nanos(millis), &board);
        assert_eq!(all, outlets.taken() == Time::NEVER);
        waits.push(if all { None } else { Some(outlets.taken().as_nanos()) });
    }
    assert_eq!(waits, [None, Some(2), Some(2), Some(3), Some(4), None, None]);
}

fn shot(link: usize) -> Shot {
    let hop = Hop::Ip;
    let probe = crate::packet::Probe { source: US, destination: PEER, source_port: 61_000, destination_port: 80, sequence: 1, hop };
    Shot { link, frame: ShotFrame::Syn(probe) }
}
