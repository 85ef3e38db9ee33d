//! Sets of addresses as sorted, disjoint ranges: memory grows with the number of ranges, not of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::str::FromStr;

use super::AddressRange;
use super::list::{TargetWord, parse_list};
use super::ranges::Ranges;
use crate::error::{Error, Result};

/// A set of IPv4 and IPv6 addresses. Numbered `0..len`, IPv4 first, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl AddressSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a range; overlaps merge. Ascending ranges cost little; to add many in any order, `extend` or collect them.
    pub fn insert(&mut self, range: AddressRange) {
        match (range.first(), range.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => self.v4.insert(first.to_bits(), last.to_bits()),
            (IpAddr::V6(first), IpAddr::V6(last)) => self.v6.insert(first.to_bits(), last.to_bits()),
            _ => unreachable!("a range has one family"),
        }
    }

    /// The addresses of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self { v4: self.v4.difference(&other.v4), v6: self.v6.difference(&other.v6) }
    }

    /// The addresses in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// The addresses in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// Whether `addr` is in the set.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => self.v4.contains(addr.to_bits()),
            IpAddr::V6(addr) => self.v6.contains(addr.to_bits()),
        }
    }

    /// How many addresses; `u128::MAX` stands for all of IPv6 and more.
    pub fn len(&self) -> u128 {
        self.v4.len().saturating_add(self.v6.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of number `n`.
    pub fn nth(&self, n: u64) -> Option<IpAddr> {
        match n.checked_sub(self.v4_len()) {
            None => self.v4.nth(n).map(|bits| Ipv4Addr::from_bits(bits).into()),
            Some(n) => self.v6.nth(n).map(|bits| Ipv6Addr::from_bits(bits).into()),
        }
    }

    /// The number of an address: the inverse of `nth`. `None` also for an address whose number needs more than 64 bits.
    pub fn position(&self, addr: IpAddr) -> Option<u64> {
        match addr {
            IpAddr::V4(addr) => self.v4.position(addr.to_bits()),
            IpAddr::V6(addr) => self.v6.position(addr.to_bits())?.checked_add(self.v4_len()),
        }
    }

    /// The addresses of these numbers. One that ends where [`Self::len`] does ends with the last address, also where there are more than
    /// 128 bits can count.
    #[must_use]
    pub fn run(&self, numbers: Range<u128>) -> Self {
        let v4 = self.v4.len();
        let to = (numbers.end < self.len()).then_some(numbers.end);
        let v6 = |number: u128| number.saturating_sub(v4);
        Self { v4: self.v4.run(numbers.start, to), v6: self.v6.run(v6(numbers.start), to.map(v6)) }
    }

    /// The merged ranges, IPv4 first, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = AddressRange> + '_ {
        let v4 = self.v4.iter().map(|(first, last)| (Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(last).into()));
        let v6 = self.v6.iter().map(|(first, last)| (Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(last).into()));
        v4.chain(v6).filter_map(|(first, last)| AddressRange::new(first, last))
    }

    /// The addresses, IPv4 first, ascending.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.v4.iter().flat_map(|(first, last)| first..=last);
        let v6 = self.v6.iter().flat_map(|(first, last)| first..=last);
        v4.map(|bits| Ipv4Addr::from_bits(bits).into()).chain(v6.map(|bits| Ipv6Addr::from_bits(bits).into()))
    }

    /// Only the IPv4 addresses.
    #[must_use]
    pub fn ipv4(&self) -> Self {
        Self { v4: self.v4.clone(), v6: Ranges::default() }
    }

    /// Only the IPv6 addresses.
    #[must_use]
    pub fn ipv6(&self) -> Self {
        Self { v4: Ranges::default(), v6: self.v6.clone() }
    }

    /// First and last of each IPv4 range, ascending.
    pub(super) fn v4_spans(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.v4.iter()
    }

    fn v4_len(&self) -> u64 {
        // At most 2^32.
        self.v4.len() as u64
    }
}

/// The ranges, separated by spaces: words that parse back into the same set.
impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.ranges().enumerate() {
            write!(f, "{}{range}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// The words of [`parse_list`], except names, which nothing here can resolve.
impl FromStr for AddressSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words = parse_list(text)?;
        if let Some(TargetWord::Name(name)) = words.iter().find(|word| matches!(word, TargetWord::Name(_))) {
            return Err(Error::asked("parse addresses", format_args!("`{name}`"), "a name, where only addresses can stand"));
        }
        Ok(words.iter().flat_map(TargetWord::ranges).collect())
    }
}

/// Sorts once: n ranges in any order cost O(n log n).
impl FromIterator<AddressRange> for AddressSet {
    fn from_iter<I: IntoIterator<Item = AddressRange>>(ranges: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match (range.first(), range.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits())),
                _ => unreachable!("a range has one family"),
            }
        }
        Self { v4: Ranges::from_unsorted(v4), v6: Ranges::from_unsorted(v6) }
    }
}

impl FromIterator<IpAddr> for AddressSet {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        addresses.into_iter().map(AddressRange::from).collect()
    }
}

impl Extend<AddressRange> for AddressSet {
    fn extend<I: IntoIterator<Item = AddressRange>>(&mut self, ranges: I) {
        *self = self.union(&ranges.into_iter().collect());
    }
}

impl From<AddressRange> for AddressSet {
    fn from(range: AddressRange) -> Self {
        [range].into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Sixty-four numbers at both ends of both families, where arithmetic would overflow.
    fn small_universe(n: u8) -> IpAddr {
        let low = u32::from(n % 32);
        match n / 32 {
            0 => Ipv4Addr::from_bits(low).into(),
            1 => Ipv4Addr::from_bits(u32::MAX - 31 + low).into(),
            2 => Ipv6Addr::from_bits(low.into()).into(),
            _ => Ipv6Addr::from_bits(u128::MAX - 31 + u128::from(low)).into(),
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<AddressRange>> {
        let range = (0..4u8, 0..32u8, 0..32u8)
            .prop_map(|(part, a, b)| (small_universe(part * 32 + a.min(b)), small_universe(part * 32 + a.max(b))))
            .prop_map(|(first, last)| AddressRange::new(first, last).unwrap());
        prop::collection::vec(range, 0..12)
    }

    fn model(ranges: &[AddressRange]) -> BTreeSet<IpAddr> {
        (0..128).map(small_universe).filter(|addr| ranges.iter().any(|range| range.contains(*addr))).collect()
    }

    fn members(set: &AddressSet) -> BTreeSet<IpAddr> {
        set.iter().collect()
    }

    proptest! {
        #[test]
        fn algebra_is_that_of_sets(a in ranges(), b in ranges()) {
            let (left, right): (AddressSet, AddressSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            let (naive_left, naive_right) = (model(&a), model(&b));
            prop_assert_eq!(members(&left), naive_left.clone());
            prop_assert_eq!(members(&left.union(&right)), &naive_left | &naive_right);
            prop_assert_eq!(members(&left.intersection(&right)), &naive_left & &naive_right);
            prop_assert_eq!(members(&left.difference(&right)), &naive_left - &naive_right);
            prop_assert_eq!(left.ipv4().union(&left.ipv6()), left.clone());
            prop_assert_eq!(left.difference(&right).union(&left.intersection(&right)), left);
        }

        #[test]
        fn inserting_and_collecting_agree(a in ranges()) {
            let collected: AddressSet = a.iter().copied().collect();
            let mut inserted = AddressSet::new();
            for range in &a {
                inserted.insert(*range);
            }
            prop_assert_eq!(&inserted, &collected);
            let addresses: AddressSet = model(&a).into_iter().collect();
            prop_assert_eq!(&addresses, &collected);
            let mut extended = AddressSet::new();
            let (early, late) = a.split_at(a.len() / 2);
            extended.extend(early.iter().copied());
            extended.extend(late.iter().copied());
            prop_assert_eq!(extended, collected);
        }

        #[test]
        fn numbers_every_member_in_order(a in ranges()) {
            let set: AddressSet = a.iter().copied().collect();
            let members = model(&a);
            prop_assert_eq!(set.len(), members.len() as u128);
            for (n, addr) in (0u64..).zip(&members) {
                prop_assert_eq!(set.nth(n), Some(*addr));
                prop_assert_eq!(set.position(*addr), Some(n));
            }
            prop_assert_eq!(set.nth(members.len() as u64), None);
            for addr in (0..128).map(small_universe) {
                prop_assert_eq!(set.contains(addr), members.contains(&addr));
                prop_assert_eq!(set.position(addr).is_some(), members.contains(&addr));
            }
        }
    }

    #[test]
    fn counts_beyond_64_and_128_bits() {
        let all = |first: &str, last: &str| AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
        let v4: AddressSet = all("0.0.0.0", "255.255.255.255").into();
        assert_eq!(v4.len(), 1 << 32);
        assert_eq!(v4.nth(u64::from(u32::MAX)), Some(Ipv4Addr::BROADCAST.into()));
        let v6: AddressSet = all("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").into();
        assert_eq!(v6.len(), u128::MAX);
        assert_eq!(v6.union(&v4).len(), u128::MAX);
        assert_eq!(v6.nth(u64::MAX), Some("::ffff:ffff:ffff:ffff".parse().unwrap()));
        assert_eq!(v6.position("::1:0:0:0:0".parse().unwrap()), None);
        assert_eq!(v6.union(&v4).position("::ffff:ffff:ffff:ffff".parse().unwrap()), None);
    }

    #[test]
    fn numbers_end_where_64_bits_end() {
        let set: AddressSet = [("1::", "1::ffff:ffff:ffff:fffe"), ("2::", "2::"), ("3::", "3::")]
            .iter()
            .map(|(first, last)| AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap())
            .collect();
        assert_eq!(set.nth(u64::MAX), Some("2::".parse().unwrap()));
        assert_eq!(set.position("2::".parse().unwrap()), Some(u64::MAX));
        assert_eq!(set.position("3::".parse().unwrap()), None);
        assert!(set.contains("3::".parse().unwrap()));
    }

    #[test]
    fn displays_words() {
        let set: AddressSet =
            ["10.0.0.0", "10.0.0.1", "10.0.0.2", "192.0.2.7", "::1"].map(|addr| addr.parse::<IpAddr>().unwrap()).into_iter().collect();
        assert_eq!(set.to_string(), "10.0.0.0-10.0.0.2 192.0.2.7 ::1");
        assert_eq!(AddressSet::new().to_string(), "");
    }
}
