//! Source ports that are ours alone for the time of a scan.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use rand::SeedableRng;
use rand::rngs::{SmallRng, SysRng};
use rand::seq::SliceRandom;
use socket2::{Domain, Socket, Type};

use crate::counted::counted;
use crate::error::{Error, Result};

/// An aligned block of source ports: its first is a multiple of its length, a power of two.
///
/// Each port is held by a bound socket that does not listen, so that no other program gets it while the block lives. Such a
/// socket has the kernel reset a stray SYN-ACK, as a closed port would.
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    count: u16,
    held: Vec<Socket>,
}

impl PortBlock {
    /// Reserves `count` ports (a power of two up to 256; 16 is usual) from 1024 on, somewhere else each time: outside the
    /// range the kernel takes ports for other programs from, the ports set apart by the administrator, those in use, and
    /// those to `avoid`. A full machine gives what it has: see [`PortBlock::missed`].
    ///
    /// # Errors
    /// When `count` is no such number, or what is to be avoided leaves no block.
    pub fn reserve(count: u16, avoid: &[RangeInclusive<u16>]) -> Result<Self> {
        if !count.is_power_of_two() || count > MAX_COUNT {
            return Err(Error::asked("reserve", counted(count, "source port"), "not a power of two up to 256"));
        }
        let mut random = SmallRng::try_from_rng(&mut SysRng)
            .map_err(|cause| Error::machine("reserve", counted(count, "source port"), cause).hint("no random numbers to be had"))?;
        let mut bases = candidates(count, avoid, &system_ranges(), &mut random).into_iter().take(TRIES).peekable();
        if bases.peek().is_none() {
            return Err(Error::asked("reserve", counted(count, "source port"), "every block holds a port to be avoided"));
        }
        let mut budget = descriptors();
        let mut best = Self { first: 0, count, held: Vec::new() };
        for first in bases {
            let (block, why) = Self::hold(first, count, budget);
            match why {
                Missed::None => return Ok(block),
                // No other block would fare better.
                Missed::Descriptors => return Ok(if block.held() >= best.held() { block } else { best }),
                Missed::InUse if best.first == 0 || block.held() > best.held() => best = block,
                Missed::InUse => {}
            }
            budget = descriptors().saturating_add(best.held.len());
        }
        Ok(best)
    }

    /// Takes one port that the user named, held if nobody else has it.
    pub fn fixed(port: u16) -> Self {
        Self::hold(port, 1, descriptors()).0
    }

    /// The lowest port.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// How many ports.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The ports.
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.first..=self.first + (self.count - 1)
    }

    /// How many of them no other program can take.
    pub fn held(&self) -> u16 {
        self.held.len() as u16
    }

    /// How many of them another program has or may take: in use everywhere, or no descriptors left to hold them with.
    pub fn missed(&self) -> u16 {
        self.count - self.held()
    }

    fn hold(first: u16, count: u16, budget: usize) -> (Self, Missed) {
        let mut block = Self { first, count, held: Vec::new() };
        let mut missed = Missed::None;
        for port in block.ports() {
            if block.held.len() >= budget {
                return (block, Missed::Descriptors);
            }
            match bind(port) {
                Ok(socket) => block.held.push(socket),
                Err(error) if exhausted(&error) => return (block, Missed::Descriptors),
                Err(_) => missed = Missed::InUse,
            }
        }
        (block, missed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    None,
    InUse,
    Descriptors,
}

/// The first ports of all blocks that hold nothing to avoid, in random order, those that hold none of the `system`'s before
/// those that do: some machines leave nothing outside it.
fn candidates(count: u16, avoid: &[RangeInclusive<u16>], system: &[RangeInclusive<u16>], random: &mut SmallRng) -> Vec<u16> {
    let meets = |ranges: &[RangeInclusive<u16>], first: u16| {
        let last = first + (count - 1);
        ranges.iter().any(|range| *range.start() <= last && first <= *range.end())
    };
    let blocks = (LOWEST..=u16::MAX).step_by(count.into()).filter(|&first| !meets(avoid, first));
    let (mut inside, mut outside): (Vec<u16>, Vec<u16>) = blocks.partition(|&first| meets(system, first));
    outside.shuffle(random);
    inside.shuffle(random);
    outside.append(&mut inside);
    outside
}

/// Bound to all addresses of both families; where the system has no IPv6, to those of IPv4.
fn bind(port: u16) -> io::Result<Socket> {
    let both = Socket::new(Domain::IPV6, Type::STREAM, None).and_then(|socket| socket.set_only_v6(false).map(|()| socket));
    match both {
        Ok(socket) => match socket.bind(&SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => bind_ipv4(port),
            bound => bound.map(|()| socket),
        },
        Err(error) if exhausted(&error) => Err(error),
        Err(_) => bind_ipv4(port),
    }
}

fn bind_ipv4(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into())?;
    Ok(socket)
}

fn exhausted(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no stable kind of their own.
    matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == io::ErrorKind::OutOfMemory
}

/// How many descriptors may go into holding ports: the rest of the scan needs some too.
fn descriptors() -> usize {
    #[cfg(target_os = "linux")]
    let left = super::linux::descriptors_left().map_or(DESCRIPTORS, |left| usize::try_from(left).unwrap_or(usize::MAX));
    #[cfg(not(target_os = "linux"))]
    let left = DESCRIPTORS;
    left / 2
}

/// The ports the kernel gives to other programs, and those the administrator set apart.
fn system_ranges() -> Vec<RangeInclusive<u16>> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let mut ranges = parse_reserved(&read("ip_local_reserved_ports"));
    ranges.push(parse_ephemeral(&read("ip_local_port_range")).unwrap_or(EPHEMERAL));
    ranges
}

fn parse_ephemeral(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(str::parse);
    Some(words.next()?.ok()?..=words.next()?.ok()?)
}

fn parse_reserved(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).collect()
}

const LOWEST: u16 = 1024;
const MAX_COUNT: u16 = 256;
/// Blocks looked at; on a machine with every other port taken none is free, and looking further is of no use.
const TRIES: usize = 64;
/// What systems use that do not say: Linux's default and the IANA's range (RFC 6335 section 6) together.
const EPHEMERAL: RangeInclusive<u16> = 32768..=u16::MAX;
/// Assumed to be left where the system does not say: half of the smallest usual limit.
const DESCRIPTORS: usize = 128;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn candidates_are_aligned_blocks_outside_what_is_avoided(
            exponent in 0_u32..=8, seed in any::<u64>(),
            avoid in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..4),
            system in (any::<u16>(), any::<u16>()),
        ) {
            let count = 1 << exponent;
            let avoid: Vec<_> = avoid.iter().map(|&(a, b)| a.min(b)..=a.max(b)).collect();
            let system = system.0.min(system.1)..=system.0.max(system.1);
            let mut last_outside = true;
            for first in candidates(count, &avoid, std::slice::from_ref(&system), &mut SmallRng::seed_from_u64(seed)) {
                prop_assert!(first >= LOWEST && first % count == 0);
                let ports = || first..=first + (count - 1);
                prop_assert!(ports().all(|port| !avoid.iter().any(|range| range.contains(&port))));
                let outside = ports().all(|port| !system.contains(&port));
                prop_assert!(last_outside || !outside, "those outside come first");
                last_outside = outside;
            }
        }
    }

    #[test]
    fn held_ports_cannot_be_taken() {
        let block = PortBlock::reserve(16, &[]).unwrap();
        assert_eq!((block.first() % 16, block.count(), block.held() + block.missed()), (0, 16, 16));
        assert_eq!(block.missed(), 0);
        for port in block.ports() {
            let taken = TcpListener::bind(("127.0.0.1", port)).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        }
        let first = block.first();
        drop(block);
        TcpListener::bind(("127.0.0.1", first)).unwrap();
    }

    #[test]
    fn a_port_in_use_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let block = PortBlock::fixed(port);
        assert_eq!((block.held(), block.missed()), (0, 1));
        let first = port & !15;
        let (block, why) = PortBlock::hold(first, 16, usize::MAX);
        assert_eq!(why, Missed::InUse);
        assert!(block.missed() >= 1);
    }

    #[test]
    fn few_descriptors_hold_few_ports() {
        let first = PortBlock::reserve(16, &[]).unwrap().first();
        let (block, why) = PortBlock::hold(first, 16, 5);
        assert_eq!((block.held(), block.missed(), why), (5, 11, Missed::Descriptors));
    }

    #[test]
    fn a_count_that_is_no_power_of_two_is_refused() {
        for count in [0, 3, 512] {
            assert!(PortBlock::reserve(count, &[]).is_err(), "{count}");
        }
        assert!(PortBlock::reserve(16, &[0..=u16::MAX]).is_err());
    }

    #[test]
    fn the_kernels_lists_are_read() {
        assert_eq!(parse_ephemeral("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(parse_ephemeral(""), None);
        assert_eq!(parse_reserved("8080,9000-9010\n"), [8080..=8080, 9000..=9010]);
        assert!(parse_reserved("\n").is_empty());
    }
}
