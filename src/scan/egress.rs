//! How each address is reached: link, source address, next hop.

use std::net::{IpAddr, Ipv4Addr};

use crate::packet::MacAddr;
use crate::target::directory::Directory;
use crate::target::{AddressRange, AddressSet};

/// The next hop of an egress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// None: a tunnel, loopback, or one of our own addresses.
    None,
    /// The target itself, by ARP, from our hardware address.
    OnLink(MacAddr),
    /// A gateway, by number in [`super::Neighbours`], from our hardware address.
    Gateway(MacAddr, usize),
}

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Number of the link.
    pub link: usize,
    /// Our address.
    pub source: Ipv4Addr,
    /// Who takes the frame.
    pub hop: NextHop,
}

/// Which IPv4 address is reached by which egress.
#[derive(Clone, Debug, Default)]
pub struct EgressMap {
    /// First, last, number of the egress; ascending and disjoint.
    ranges: Vec<(u32, u32, u32)>,
    /// Finds in `ranges` by the first address.
    directory: Directory,
    egresses: Vec<Egress>,
}

impl EgressMap {
    /// From disjoint ranges; equal egresses are shared, IPv6 ranges are left out.
    pub fn new(parts: impl IntoIterator<Item = (AddressRange, Egress)>) -> Self {
        let mut map = Self::default();
        for (range, egress) in parts {
            let (IpAddr::V4(first), IpAddr::V4(last)) = (range.first(), range.last()) else { continue };
            let number = map.egresses.iter().position(|known| *known == egress).unwrap_or_else(|| {
                map.egresses.push(egress);
                map.egresses.len() - 1
            });
            map.ranges.push((first.into(), last.into(), number as u32));
        }
        map.ranges.sort_unstable();
        map.directory = Directory::new(&map.ranges.iter().map(|range| range.0.into()));
        map
    }

    /// How `addr` is reached; `None` if it is not.
    #[inline]
    pub fn of(&self, addr: Ipv4Addr) -> Option<&Egress> {
        self.number_of(addr).map(|number| self.at(number))
    }

    /// The number of the egress by which `addr` is reached.
    #[inline]
    pub(super) fn number_of(&self, addr: Ipv4Addr) -> Option<u32> {
        let addr = addr.to_bits();
        let (_, last, number) = self.ranges[self.directory.last_up_to(addr.into(), |place| self.ranges[place].0.into())?];
        (addr <= last).then_some(number)
    }

    /// The egress of a number.
    #[inline]
    pub(super) fn at(&self, number: u32) -> &Egress {
        &self.egresses[number as usize]
    }

    /// The number of the one egress by which all of `addresses` are reached, if there is such a one.
    pub(super) fn only(&self, addresses: &AddressSet) -> Option<u32> {
        let all: AddressSet = self.parts().map(|(range, _)| range).collect();
        (self.egresses.len() == 1 && addresses.difference(&all).is_empty()).then_some(0)
    }

    /// Every range with its egress.
    pub fn parts(&self) -> impl Iterator<Item = (AddressRange, &Egress)> + '_ {
        self.ranges.iter().filter_map(|&(first, last, number)| {
            let range = AddressRange::new(Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into())?;
            Some((range, &self.egresses[number as usize]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    #[test]
    fn ends_belong_and_gaps_do_not() {
        let egress = |link| Egress { link, source: Ipv4Addr::LOCALHOST, hop: NextHop::None };
        let map = EgressMap::new([(range("10.0.0.9", "10.0.0.20"), egress(1)), (range("10.0.0.1", "10.0.0.5"), egress(0))]);
        let link = |addr: &str| map.of(addr.parse().unwrap()).map(|egress| egress.link);
        assert_eq!(
            ["10.0.0.0", "10.0.0.1", "10.0.0.5", "10.0.0.6", "10.0.0.9", "10.0.0.20", "10.0.0.21"].map(link),
            [None, Some(0), Some(0), None, Some(1), Some(1), None]
        );
    }
}
