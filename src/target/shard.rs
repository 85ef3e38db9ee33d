//! One scan divided among machines: each asks one part of the targets, and all parts together are the whole.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::{AddressSet, PortSet};
use crate::error::{Error, Result};

/// One of `count` parts of what a scan asks, the same on every machine that is asked for the same.
///
/// The addresses, ascending, are cut into `count` runs whose lengths differ by one at most: a host belongs to one shard, and with it whatever
/// is kept by host. Only where there are fewer addresses than shards has every shard all of them, and a run of the ports, cut in the same
/// way; with still fewer ports the last shards are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The addresses: every host is in one shard.
    Addresses,
    /// The ports: every host is in every shard.
    Ports,
}

impl Cut {
    /// What is cut of so many addresses with so many ports among `count` shards. Where no port is asked for, addresses are.
    pub const fn of(addresses: u128, ports: u32, count: u32) -> Self {
        if addresses < count as u128 && ports > 0 { Self::Ports } else { Self::Addresses }
    }
}

impl Shard {
    /// Shard `number` (from 1) of `count`, or `None` if there is no such shard.
    pub const fn new(number: u32, count: u32) -> Option<Self> {
        match number.checked_sub(1) {
            Some(index) if index < count => Some(Self { index, count }),
            _ => None,
        }
    }

    /// Its number, from 1.
    pub const fn number(self) -> u32 {
        self.index + 1
    }

    /// How many shards there are.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// All shards of as many.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (0..self.count).map(move |index| Self { index, count: self.count })
    }

    /// Its part of these addresses and ports.
    pub fn of(self, addresses: &AddressSet, ports: &PortSet) -> (AddressSet, PortSet) {
        match Cut::of(addresses.len(), ports.len(), self.count) {
            Cut::Addresses => (addresses.run(self.range(addresses.len())), ports.clone()),
            Cut::Ports => {
                let Range { start, end } = self.range(ports.len().into());
                (addresses.clone(), (start as u32..end as u32).filter_map(|n| ports.nth(n)).collect())
            }
        }
    }

    /// How many addresses and ports its part of so many has.
    pub fn size_of(self, addresses: u128, ports: u32) -> (u128, u32) {
        let len = |all| self.range(all).end - self.range(all).start;
        match Cut::of(addresses, ports, self.count) {
            Cut::Addresses => (len(addresses), ports),
            Cut::Ports => (addresses, len(ports.into()) as u32),
        }
    }

    /// Its share of a number of which nothing gets lost: all shards' shares add up to it.
    pub fn share_of(self, whole: u64) -> u64 {
        let Range { start, end } = self.range(whole.into());
        (end - start) as u64
    }

    /// Its run of `0..len`. The first `len % count` runs are one longer than the others.
    fn range(self, len: u128) -> Range<u128> {
        let (index, count) = (u128::from(self.index), u128::from(self.count));
        let (least, longer) = (len / count, len % count);
        let start = |index: u128| index * least + index.min(longer);
        start(index)..start(index + 1)
    }
}

/// As people write it: `1/4`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number(), self.count)
    }
}

/// `1/4` to `4/4`.
impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |cause: String| Error::asked("read shard", format_args!("'{}'", text.escape_debug()), cause);
        let number = |digits: &str| if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        let parsed = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        let Some((index, count)) = parsed else {
            return Err(wrong("not a number of a shard and how many there are".to_owned()).hint("for example 2/8"));
        };
        Self::new(index, count).ok_or_else(|| match count {
            0 => wrong("there are no 0 shards".to_owned()),
            count => wrong(format!("of {count} shards there are 1/{count} to {count}/{count}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::target::AddressRange;

    /// Runs of addresses of both families, also at the ends of them.
    fn addresses() -> impl Strategy<Value = AddressSet> {
        let run = (0..4u8, 0..60u32, 0..12u32).prop_map(|(place, from, len)| {
            let (low, high) = (from, from + len);
            let both = |low: IpAddr, high: IpAddr| AddressRange::new(low, high).unwrap();
            let v6 = |base: u128, n: u32| IpAddr::from(Ipv6Addr::from_bits(base + u128::from(n)));
            match place {
                0 => both(Ipv4Addr::from_bits(low).into(), Ipv4Addr::from_bits(high).into()),
                1 => both(Ipv4Addr::from_bits(u32::MAX - 100 + low).into(), Ipv4Addr::from_bits(u32::MAX - 100 + high).into()),
                2 => both(v6(0, low), v6(0, high)),
                _ => both(v6(u128::MAX - 100, low), v6(u128::MAX - 100, high)),
            }
        });
        prop::collection::vec(run, 0..6).prop_map(|runs| runs.into_iter().collect())
    }

    fn targets(addresses: &AddressSet, ports: &PortSet) -> Vec<(IpAddr, u16)> {
        addresses.iter().flat_map(|addr| ports.iter().map(move |port| (addr, port))).collect()
    }

    proptest! {
        #[test]
        fn shards_are_the_whole_and_share_nothing(addresses in addresses(), ports in prop::collection::btree_set(1..500u16, 0..20), count in 1..90u32) {
            let ports: PortSet = ports.into_iter().collect();
            let shards: Vec<Shard> = Shard::new(1, count).unwrap().all().collect();
            let parts: Vec<_> = shards.iter().map(|shard| shard.of(&addresses, &ports)).collect();
            let all: Vec<_> = parts.iter().flat_map(|(addresses, ports)| targets(addresses, ports)).collect();
            let distinct: BTreeSet<_> = all.iter().copied().collect();
            prop_assert_eq!(all.len(), distinct.len(), "none twice");
            prop_assert_eq!(distinct, targets(&addresses, &ports).into_iter().collect::<BTreeSet<_>>(), "none missing");
            let sizes: Vec<_> = parts.iter().map(|(addresses, ports)| (addresses.len(), ports.len())).collect();
            let said: Vec<_> = shards.iter().map(|shard| shard.size_of(addresses.len(), ports.len())).collect();
            prop_assert_eq!(&said, &sizes);
            match Cut::of(addresses.len(), ports.len(), count) {
                Cut::Addresses => {
                    let lens = || sizes.iter().map(|(addresses, _)| *addresses);
                    prop_assert!(lens().max().unwrap() - lens().min().unwrap() <= 1);
                    // In order: what is merged shard by shard is in order too.
                    let in_order: Vec<IpAddr> = parts.iter().flat_map(|(addresses, _)| addresses.iter()).collect();
                    prop_assert!(in_order.into_iter().eq(addresses.iter()));
                }
                Cut::Ports => prop_assert!(addresses.len() < u128::from(count) && parts.iter().all(|(part, _)| *part == addresses)),
            }
        }

        #[test]
        fn shares_add_up(whole: u64, count in 1..2000u32) {
            let shares: Vec<u64> = Shard::new(1, count).unwrap().all().map(|shard| shard.share_of(whole)).collect();
            prop_assert_eq!(shares.iter().map(|share| u128::from(*share)).sum::<u128>(), u128::from(whole));
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }

        #[test]
        fn parses_what_it_displays(index: u32, count in 1..=u32::MAX) {
            let shard = Shard::new(index % count + 1, count).unwrap();
            prop_assert_eq!(shard.to_string().parse::<Shard>().unwrap(), shard);
        }
    }

    #[test]
    fn the_largest_sets_are_cut_by_the_largest_counts() {
        let ports: PortSet = [80].into_iter().collect();
        let all: AddressSet = "::/0 0.0.0.0/0".parse().unwrap();
        let [first, last] = [1, u32::MAX].map(|number| Shard::new(number, u32::MAX).unwrap().of(&all, &ports).0);
        assert!(first.contains("0.0.0.0".parse().unwrap()) && last.contains("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()));
        assert!(first.intersection(&last).is_empty());
        let network: AddressSet = "2001:db8::/60".parse().unwrap();
        let halves = [1, 2].map(|number| Shard::new(number, 2).unwrap().of(&network, &ports).0);
        assert_eq!(halves, ["2001:db8::/61", "2001:db8:0:8::/61"].map(|half| half.parse().unwrap()));
    }

    #[test]
    fn one_host_is_cut_by_its_ports() {
        let cut = |number| Shard::new(number, 4).unwrap().of(&"10.0.0.1".parse().unwrap(), &"1-10".parse().unwrap()).1.to_string();
        assert_eq!([1, 2, 3, 4].map(cut), ["1-3", "4-6", "7,8", "9,10"]);
        let (addresses, ports) = Shard::new(4, 4).unwrap().of(&"10.0.0.1".parse().unwrap(), &"1-3".parse().unwrap());
        assert!(addresses.len() == 1 && ports.is_empty());
    }

    #[test]
    fn refuses_shards_that_do_not_exist() {
        for text in ["", "1", "0/4", "5/4", "1/0", "+1/4", "1/4/4", "a/b", "/", "-1/4", "1/4294967296"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("5/4".parse::<Shard>().unwrap_err().to_string(), "read shard '5/4': of 4 shards there are 1/4 to 4/4");
        assert_eq!("4/4".parse::<Shard>().unwrap(), Shard::new(4, 4).unwrap());
    }
}
