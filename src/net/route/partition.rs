//! Cutting a set of addresses where the way to them may change. Pure: who answers for a piece is passed in.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Bound;

use ipnetwork::IpNetwork;

use super::{Way, WayHop};
use crate::target::{AddressRange, AddressSet};

/// The addresses at which a way may differ from that of the address before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts(BTreeSet<IpAddr>);

impl Cuts {
    /// Cuts around a prefix, which is treated otherwise than what surrounds it.
    pub(crate) fn add(&mut self, prefix: IpNetwork) {
        self.0.insert(prefix.network());
        self.0.extend(successor(prefix.broadcast()));
    }

    /// The ways to all of `addresses`: `answer` is asked once for each piece, with its first address.
    pub(crate) fn ways<E>(&self, addresses: &AddressSet, mut answer: impl FnMut(IpAddr) -> Result<WayHop, E>) -> Result<Vec<Way>, E> {
        let mut ways: Vec<Way> = Vec::new();
        for piece in addresses.ranges().flat_map(|range| self.pieces(range)) {
            let hop = answer(piece.first())?;
            match ways.last_mut() {
                Some(last) if last.hop == hop && adjoin(last.range, piece) => last.range = joined(last.range, piece),
                _ => ways.push(Way { range: piece, hop }),
            }
        }
        Ok(ways)
    }

    fn pieces(&self, range: AddressRange) -> impl Iterator<Item = AddressRange> + '_ {
        let inner = self.0.range((Bound::Excluded(range.first()), Bound::Included(range.last()))).copied();
        let starts = std::iter::once(range.first()).chain(inner.clone());
        let ends = inner.filter_map(predecessor).chain(std::iter::once(range.last()));
        starts.zip(ends).filter_map(|(first, last)| AddressRange::new(first, last))
    }
}

fn adjoin(left: AddressRange, right: AddressRange) -> bool {
    successor(left.last()) == Some(right.first())
}

fn joined(left: AddressRange, right: AddressRange) -> AddressRange {
    AddressRange::new(left.first(), right.last()).unwrap_or(left)
}

/// The next address of the same family.
fn successor(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    }
}

fn predecessor(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(1).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        IpAddr::V6(ip) => ip.to_bits().checked_sub(1).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the longest matching prefix, looked up for every single address.
        #[test]
        fn every_address_gets_its_own_answer(
            v6 in any::<bool>(),
            prefixes in proptest::collection::vec((any::<u8>(), 0_u8..=8), 0..12),
            ranges in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..5),
        ) {
            let table: Vec<IpNetwork> = prefixes.iter().map(|&(low, length)| network(v6, low, length)).collect();
            let wanted: AddressSet = ranges
                .iter()
                .map(|&(a, b)| AddressRange::new(address(v6, a.min(b)), address(v6, a.max(b))).unwrap())
                .collect();
            let mut cuts = Cuts::default();
            for prefix in &table {
                cuts.add(*prefix);
            }
            let ways = cuts.ways(&wanted, |ip| Ok::<_, Infallible>(lookup(&table, ip))).unwrap();

            for low in 0..=u8::MAX {
                let ip = address(v6, low);
                let found: Vec<_> = ways.iter().filter(|way| way.range.first() <= ip && ip <= way.range.last()).collect();
                if wanted.contains(ip) {
                    prop_assert_eq!(found.len(), 1);
                    prop_assert_eq!(&found[0].hop, &lookup(&table, ip));
                } else {
                    prop_assert!(found.is_empty());
                }
            }
            for pair in ways.windows(2) {
                prop_assert!(pair[0].range.last() < pair[1].range.first());
                prop_assert!(pair[0].hop != pair[1].hop || !adjoin(pair[0].range, pair[1].range), "neighbours reached alike are one");
            }
        }
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_special_case() {
        let all = AddressSet::from_iter([AddressRange::new("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap()).unwrap()]);
        let mut cuts = Cuts::default();
        cuts.add("0.0.0.0/0".parse().unwrap());
        cuts.add("255.255.255.255/32".parse().unwrap());
        let mut asked = Vec::new();
        let answer = |ip: IpAddr| {
            asked.push(ip.to_string());
            Ok::<_, Infallible>(WayHop::Unroutable { cause: String::new() })
        };
        assert_eq!(cuts.ways(&all, answer).unwrap().len(), 1);
        assert_eq!(asked, ["0.0.0.0", "255.255.255.255"]);
    }

    fn lookup(table: &[IpNetwork], ip: IpAddr) -> WayHop {
        let longest = table.iter().filter(|prefix| prefix.contains(ip)).max_by_key(|prefix| prefix.prefix());
        match longest {
            // The next hop of a prefix depends on its length alone, so that equal answers meet.
            Some(prefix) => WayHop::OnLink { interface: u32::from(prefix.prefix() % 3), source: address(ip.is_ipv6(), 0) },
            None => WayHop::Unroutable { cause: "no route".into() },
        }
    }

    fn network(v6: bool, low: u8, length: u8) -> IpNetwork {
        IpNetwork::new(address(v6, low), length + if v6 { 120 } else { 24 }).unwrap()
    }

    fn address(v6: bool, low: u8) -> IpAddr {
        if v6 { Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low.into()).into() } else { Ipv4Addr::new(192, 0, 2, low).into() }
    }
}
