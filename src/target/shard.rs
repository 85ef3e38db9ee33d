//! Slices of the visiting order, and resumable places in it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Every `count`-th position, beginning with the `index`-th: shards of one count partition the order exactly, and each
/// goes through the whole of it at the same pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The one shard that is everything.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Shard `index` (from 0) of `count`, or `None` if there is no such shard.
    pub const fn new(index: u64, count: u64) -> Option<Self> {
        if index < count { Some(Self { index, count }) } else { None }
    }

    /// Its number, from 0.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many shards there are.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// This shard in `parts` shards of equal size, or `None` if `parts` is 0 or the count outgrows 64 bits.
    pub fn split(self, parts: u64) -> Option<impl Iterator<Item = Self>> {
        let count = self.count.checked_mul(parts).filter(|count| *count > 0)?;
        Some((0..parts).map(move |part| Self { index: self.index + part * self.count, count }))
    }

    /// Whether a position belongs to it.
    pub const fn contains(self, position: u64) -> bool {
        position % self.count == self.index
    }

    /// How many of the positions `0..len` belong to it.
    pub const fn len_of(self, len: u64) -> u64 {
        len / self.count + (self.index < len % self.count) as u64
    }
}

/// As people write it, from 1: `1/4`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", u128::from(self.index) + 1, self.count)
    }
}

/// `1/4` to `4/4`.
impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = |text: &str| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        text.split_once('/')
            .and_then(|(index, count)| Self::new(u64::checked_sub(digits(index)?, 1)?, digits(count)?))
            .ok_or_else(|| Error::asked("parse shard", text, "not one of 1/N to N/N"))
    }
}

/// A resumable place in a shard of an order of `len` positions; it yields the positions still to be visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    shard: Shard,
    len: u64,
    done: u64,
}

impl Cursor {
    /// At the beginning of `shard`.
    pub const fn new(shard: Shard, len: u64) -> Self {
        Self { shard, len, done: 0 }
    }

    /// Behind the first `done` positions of `shard`; at its end if it has no more.
    #[must_use]
    pub fn resume(shard: Shard, len: u64, done: u64) -> Self {
        Self { shard, len, done: done.min(shard.len_of(len)) }
    }

    /// The slice it goes through.
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// How many positions it has yielded: what `resume` takes.
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// How many positions are left.
    pub const fn remaining(&self) -> u64 {
        self.shard.len_of(self.len) - self.done
    }

    /// The position that comes next.
    #[inline]
    pub const fn peek(&self) -> Option<u64> {
        // The product fits whenever `done` counts positions below `len`, which `remaining` says.
        if self.remaining() == 0 { None } else { Some(self.shard.index + self.done * self.shard.count) }
    }
}

impl Iterator for Cursor {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let position = self.peek()?;
        self.done += 1;
        Some(position)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::try_from(self.remaining());
        (*remaining.as_ref().unwrap_or(&usize::MAX), remaining.ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_partition_every_order(len in 0..2000u64, count in 1..40u64) {
            let mut visits = vec![0; len as usize];
            for index in 0..count {
                let shard = Shard::new(index, count).unwrap();
                let positions: Vec<u64> = Cursor::new(shard, len).collect();
                prop_assert_eq!(positions.len() as u64, shard.len_of(len));
                for position in positions {
                    prop_assert!(shard.contains(position));
                    visits[position as usize] += 1;
                }
            }
            prop_assert!(visits.iter().all(|visits| *visits == 1));
        }

        #[test]
        fn parts_partition_their_shard(len in 0..2000u64, count in 1..10u64, index in 0..10u64, parts in 1..10u64) {
            let shard = Shard::new(index % count, count).unwrap();
            let mut positions: Vec<u64> = shard.split(parts).unwrap().flat_map(|part| Cursor::new(part, len)).collect();
            positions.sort_unstable();
            prop_assert!(positions.into_iter().eq(Cursor::new(shard, len)));
        }

        #[test]
        fn resuming_loses_and_repeats_nothing(len in 0..500u64, count in 1..20u64, index in 0..20u64, stop in 0..600usize) {
            let shard = Shard::new(index % count, count).unwrap();
            let mut cursor = Cursor::new(shard, len);
            let mut visited: Vec<u64> = cursor.by_ref().take(stop).collect();
            let resumed = Cursor::resume(shard, len, cursor.done());
            prop_assert_eq!(&resumed, &cursor);
            prop_assert_eq!(resumed.remaining() + visited.len() as u64, shard.len_of(len));
            prop_assert_eq!(resumed.peek(), resumed.clone().next());
            visited.extend(resumed);
            prop_assert!(visited.into_iter().eq(Cursor::new(shard, len)));
        }

        #[test]
        fn parses_what_it_displays(index: u64, count in 1..=u64::MAX) {
            let shard = Shard::new(index % count, count).unwrap();
            prop_assert_eq!(shard.to_string().parse::<Shard>().unwrap(), shard);
        }
    }

    #[test]
    fn counts_up_to_the_largest_order() {
        let len = 1 << 63;
        let mut ends = Cursor::resume(Shard::new(2, 3).unwrap(), len, len / 3 - 1);
        assert_eq!(ends.next(), Some(len - 3));
        assert_eq!(ends.next(), None);
        let most = Shard::new(u64::MAX - 1, u64::MAX).unwrap();
        assert_eq!(Cursor::new(most, len).next(), None);
        assert!(most.split(2).is_none());
        assert!(Shard::WHOLE.split(0).is_none());
    }

    #[test]
    fn refuses_shards_that_do_not_exist() {
        for text in ["", "1", "0/4", "5/4", "1/0", "+1/4", "1/4/4", "a/b", "/", "-1/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("4/4".parse::<Shard>().unwrap(), Shard::new(3, 4).unwrap());
        assert_eq!(Shard::new(4, 4), None);
    }
}
