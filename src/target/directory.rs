//! Finding the place of a number among ascending keys by its high bits, in about the same time among fifteen keys and fifteen thousand.

/// How many keys lie below each multiple of a power of two: a search looks only at the keys that share their high bits with the number.
///
/// The keys themselves stay with their owner. A binary search over 15,000 keys takes fourteen steps, each of which waits for memory and
/// for a branch that nobody can foresee; this takes one look here and about one there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    base: u64,
    shift: u32,
    /// The number of the last key.
    last: usize,
    /// Keys below `base + (n << shift)`, for each n, and at last how many there are.
    below: Box<[u32]>,
}

impl Directory {
    /// For ascending keys.
    pub(crate) fn new(keys: &(impl ExactSizeIterator<Item = u64> + Clone)) -> Self {
        let (Some(base), Some(greatest)) = (keys.clone().next(), keys.clone().last()) else { return Self::default() };
        let places = (PLACES_PER_KEY * keys.len()).next_power_of_two().clamp(LEAST_PLACES, MOST_PLACES);
        let bits = u64::BITS - (greatest - base).leading_zeros();
        let shift = bits.saturating_sub(places.ilog2());
        let mut below = Vec::with_capacity(places + 1);
        for (number, key) in keys.clone().enumerate() {
            let place = ((key - base) >> shift) as usize;
            while below.len() <= place {
                below.push(number as u32);
            }
        }
        below.push(keys.len() as u32);
        Self { base, shift, last: keys.len() - 1, below: below.into() }
    }

    /// The number of the last key that is not above `number`; `key` tells the key of a number.
    #[inline]
    pub(crate) fn last_up_to(&self, number: u64, key: impl Fn(usize) -> u64) -> Option<usize> {
        let place = (number.checked_sub(self.base)? >> self.shift) as usize;
        let Some(&[low, high]) = self.below.get(place..).and_then(|below| below.first_chunk()) else {
            return self.below.last().map(|_| self.last);
        };
        let (low, high) = (low as usize, high as usize);
        if high - low > 1 {
            return last_among(low, high, number, key);
        }
        // Whether a place holds a key, and whether that is above the number, nobody can foresee: without a branch neither needs to be.
        let only = low.min(self.last);
        (low + usize::from((low < high) & (key(only) <= number))).checked_sub(1)
    }
}

/// Of the keys below `high`, the last that is not above `number`, as all below `low` are.
#[inline(never)]
fn last_among(mut low: usize, mut high: usize, number: u64, key: impl Fn(usize) -> u64) -> Option<usize> {
    while high - low > FEW {
        let middle = low.midpoint(high);
        if key(middle) <= number { low = middle + 1 } else { high = middle }
    }
    while low < high && key(low) <= number {
        low += 1;
    }
    low.checked_sub(1)
}

/// Then half of the places hold no key and few hold more than one.
const PLACES_PER_KEY: usize = 2;
/// 8 KiB of them. Where there are few keys a place that holds one is met so rarely that the processor foresees the way of nearly every search.
const LEAST_PLACES: usize = 1 << 11;
/// 512 KiB of them.
const MOST_PLACES: usize = 1 << 17;
/// So many keys are looked at one after the other.
const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_search_finds(keys in prop::collection::btree_set(any::<u64>(), 0..400), shift in 0..64u32, picks in prop::collection::vec(any::<u64>(), 50)) {
            let mut keys: Vec<u64> = keys.iter().map(|key| key >> shift).collect();
            keys.dedup();
            let directory = Directory::new(&keys.iter().copied());
            let near = keys.iter().flat_map(|&key| [key.saturating_sub(1), key, key.saturating_add(1)]);
            for number in near.chain(picks.iter().map(|pick| pick >> shift)).chain(picks.iter().copied()) {
                let expected = keys.partition_point(|&key| key <= number).checked_sub(1);
                prop_assert_eq!(directory.last_up_to(number, |n| keys[n]), expected, "{} in {:?}", number, keys);
            }
        }
    }

    /// One large range beside thousands of single addresses: the table is of no use there, and a binary search does the rest.
    #[test]
    fn keys_in_one_corner_are_found_too() {
        let keys: Vec<u64> = (0..5000).chain([1 << 40]).collect();
        let directory = Directory::new(&keys.iter().copied());
        for number in 0..5000 {
            assert_eq!(directory.last_up_to(number, |n| keys[n]), Some(number as usize));
        }
        assert_eq!(directory.last_up_to(1 << 39, |n| keys[n]), Some(4999));
        assert_eq!(directory.last_up_to(u64::MAX, |n| keys[n]), Some(5000));
        assert_eq!(Directory::default().last_up_to(7, |_| 0), None);
    }
}
