//! Consecutive addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

/// The addresses from `first` to `last`, both included, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range, or `None` if the ends are of different families or reversed.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        self.first == self.last
    }

    /// Whether `addr` is one of them.
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.first <= addr && addr <= self.last
    }

    /// The prefix length if the range is exactly one CIDR block (RFC 4632).
    pub fn prefix(&self) -> Option<u8> {
        let (first, last, bits) = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (u128::from(first.to_bits()), u128::from(last.to_bits()), Ipv4Addr::BITS),
            (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits(), Ipv6Addr::BITS),
            _ => return None,
        };
        let host = last - first;
        (host & host.wrapping_add(1) == 0 && first & host == 0).then(|| (bits - host.count_ones()) as u8)
    }
}

/// An address, a CIDR block or `first-last`: the shortest that says it.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            _ if self.is_single() => write!(f, "{}", self.first),
            Some(prefix) => write!(f, "{}/{prefix}", self.first),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl From<IpAddr> for AddressRange {
    fn from(addr: IpAddr) -> Self {
        Self { first: addr, last: addr }
    }
}

/// The whole block, whichever of its addresses was written.
impl From<IpNetwork> for AddressRange {
    fn from(block: IpNetwork) -> Self {
        Self { first: block.network(), last: block.broadcast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> Option<AddressRange> {
        AddressRange::new(first.parse().unwrap(), last.parse().unwrap())
    }

    #[test]
    fn has_one_family_and_one_direction() {
        assert_eq!(range("10.0.0.2", "10.0.0.1"), None);
        assert_eq!(range("10.0.0.2", "::1"), None);
        assert_eq!(range("::1", "10.0.0.2"), None);
        assert!(range("::1", "::1").unwrap().is_single());
    }

    #[test]
    fn displays_the_shortest_form() {
        for (first, last, text) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1", "10.0.1.0", "10.0.0.1-10.0.1.0"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
            ("2001:db8::", "2001:db8::ff", "2001:db8::/120"),
            ("2001:db8::", "2001:db8::fe", "2001:db8::-2001:db8::fe"),
        ] {
            assert_eq!(range(first, last).unwrap().to_string(), text);
        }
    }

    #[test]
    fn covers_the_block_of_a_network() {
        let block: IpNetwork = "10.0.0.7/30".parse().unwrap();
        assert_eq!(AddressRange::from(block).to_string(), "10.0.0.4/30");
    }
}
