//! The visiting order: a keyed bijection of `0..len`.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// A keyed, invertible permutation of `0..len` (Feistel network with cycle walking).
///
/// The lower half of a value is a number of bits, the upper half counts to whatever holds `len`: so the network's domain
/// is hardly larger than `len`, and walking twice is rare. It spreads probes evenly over hosts and time; it is no
/// cipher, and no secret may depend on it. The order of a seed is stable: a scan can be resumed by another run.
#[derive(Clone, Debug)]
pub struct Permutation {
    len: u64,
    low_bits: u32,
    low_mask: u64,
    highs: u64,
    keys: [RoundKey; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..len` that belongs to `seed`.
    ///
    /// # Panics
    /// If `len` is above 2^63.
    pub fn new(len: u64, seed: u64) -> Self {
        assert!(len <= 1 << 63, "a permutation of {len}");
        let low_bits = (len.max(1).ilog2() / 2).max(MIN_LOW_BITS);
        let keys = std::array::from_fn(|round| RoundKey::derive(seed, len, round));
        Self { len, low_bits, low_mask: (1 << low_bits) - 1, highs: len.div_ceil(1 << low_bits).max(1 << MIN_LOW_BITS), keys }
    }

    /// How many positions.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The index visited at `position`, which must be below `len`.
    #[inline]
    pub fn index(&self, position: u64) -> u64 {
        debug_assert!(position < self.len, "position {position} of {}", self.len);
        let mut value = self.forward(position);
        while value >= self.len {
            value = self.forward(value);
        }
        value
    }

    /// As [`Self::index`] for the positions `first`, `first + stride` and so on, in less than half the time for each: a round waits for the one
    /// before, so the rounds of one position leave the processor idle, and those of its neighbour fill it.
    #[inline]
    pub fn indices(&self, first: u64, stride: u64, indices: &mut [u64]) {
        let mut position = first;
        let (groups, rest) = indices.as_chunks_mut();
        for group in groups {
            *group = self.lanes::<LANES>(std::array::from_fn(|lane| position + lane as u64 * stride));
            position += LANES as u64 * stride;
        }
        for index in rest {
            *index = self.index(position);
            position += stride;
        }
    }

    /// Of several positions, round by round.
    #[inline]
    fn lanes<const N: usize>(&self, positions: [u64; N]) -> [u64; N] {
        let mut halves = positions.map(|position| (position >> self.low_bits, position & self.low_mask));
        for &[a, b] in self.keys.as_chunks().0 {
            halves = halves.map(|(high, low)| self.pair(a, b, high, low));
        }
        let mut indices = halves.map(|(high, low)| high << self.low_bits | low);
        for index in &mut indices {
            while *index >= self.len {
                *index = self.forward(*index);
            }
        }
        indices
    }

    /// The position at which `index` is visited: the inverse of `index`.
    #[inline]
    pub fn position(&self, index: u64) -> u64 {
        debug_assert!(index < self.len, "index {index} of {}", self.len);
        let mut value = self.backward(index);
        while value >= self.len {
            value = self.backward(value);
        }
        value
    }

    #[inline]
    fn forward(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.low_mask);
        for &[a, b] in self.keys.as_chunks().0 {
            (high, low) = self.pair(a, b, high, low);
        }
        high << self.low_bits | low
    }

    /// Two rounds.
    #[inline]
    fn pair(&self, a: RoundKey, b: RoundKey, high: u64, low: u64) -> (u64, u64) {
        let sum = high + scale(a.mix(low), self.highs);
        let high = sum - if sum >= self.highs { self.highs } else { 0 };
        (high, low ^ b.mix(high) & self.low_mask)
    }

    #[inline]
    fn backward(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.low_mask);
        for [a, b] in self.keys.as_chunks().0.iter().rev() {
            low ^= b.mix(high) & self.low_mask;
            let back = scale(a.mix(low), self.highs);
            high += if high < back { self.highs } else { 0 };
            high -= back;
        }
        high << self.low_bits | low
    }
}

/// A random word as a random number below `end`.
#[inline]
fn scale(word: u64, end: u64) -> u64 {
    ((u128::from(word) * u128::from(end)) >> 64) as u64
}

#[derive(Clone, Copy, Debug)]
struct RoundKey {
    add: u64,
    multiply: u64,
}

impl RoundKey {
    fn derive(seed: u64, len: u64, round: usize) -> Self {
        let half = |which: u64| {
            let mut hasher = SipHasher24::new_with_keys(seed, len);
            hasher.write_u64(round as u64 * 2 + which);
            hasher.finish()
        };
        Self { add: half(0), multiply: half(1) | 1 }
    }

    /// The two halves of one wide product, folded: the cheapest function of which every low bit depends on every bit.
    #[inline]
    fn mix(self, half: u64) -> u64 {
        let product = u128::from(half ^ self.add) * u128::from(self.multiply);
        (product >> 64) as u64 ^ product as u64
    }
}

/// Six, because four leave visible structure in spaces of a few hundred targets.
const ROUNDS: usize = 6;

/// Positions whose rounds go on side by side: for more there are no registers.
const LANES: usize = 2;

/// Below this a half would have too few values to mix.
const MIN_LOW_BITS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_a_bijection_on_every_small_size() {
        for len in (0..=600).chain([1023, 1024, 1025, 4095, 4097, 65_535, 65_536, 65_537]) {
            let order = Permutation::new(len, 7 ^ len);
            let mut seen = vec![false; len as usize];
            for position in 0..len {
                let index = order.index(position);
                assert!(!std::mem::replace(&mut seen[index as usize], true), "{index} twice of {len}");
                assert_eq!(order.position(index), position);
            }
            assert_eq!(order.len(), len);
            assert_eq!(order.is_empty(), len == 0);
        }
    }

    proptest! {
        #[test]
        fn position_inverts_index(len in 1..=1u64 << 63, shift in 0..63u32, seed: u64, picks in prop::collection::vec(any::<u64>(), 50)) {
            let len = (len >> shift).max(1);
            let order = Permutation::new(len, seed);
            let positions: HashSet<u64> = picks.iter().map(|pick| pick % len).collect();
            let indices: HashSet<u64> = positions.iter().map(|position| order.index(*position)).collect();
            prop_assert_eq!(indices.len(), positions.len());
            for position in positions {
                let index = order.index(position);
                prop_assert!(index < len);
                prop_assert_eq!(order.position(index), position);
                prop_assert!(order.index(order.position(position)) == position);
            }
            let (first, stride) = (picks[0] % len, 1 + picks[1] % 1000);
            let mut several = vec![0; ((len - 1 - first) / stride + 1).min(8) as usize];
            order.indices(first, stride, &mut several);
            let expected: Vec<u64> = (0..several.len() as u64).map(|n| order.index(first + n * stride)).collect();
            prop_assert_eq!(several, expected);
        }
    }

    #[test]
    fn reaches_both_ends_of_the_largest_size() {
        let len = 1 << 63;
        let order = Permutation::new(len, 1);
        for end in [0, 1, len / 2, len - 2, len - 1] {
            assert_eq!(order.index(order.position(end)), end);
            assert_eq!(order.position(order.index(end)), end);
        }
    }

    #[test]
    fn keeps_its_order_for_a_seed() {
        let first = |len, seed| -> Vec<u64> { (0..4).map(|position| Permutation::new(len, seed).index(position)).collect() };
        assert_eq!(first(256_000, 42), [172_922, 167_828, 177_002, 128_247]);
        assert_ne!(first(256_000, 42), first(256_000, 43));
    }

    /// A random order has one fixed point and one neighbour that stays a neighbour, each about Poisson with mean 1.
    #[test]
    fn is_far_from_the_identity() {
        for len in [200, 254, 1000, 4096, 65_537] {
            let orders = 400;
            let (mut fixed, mut adjacent) = (0, 0);
            for seed in 0..orders {
                let order: Vec<u64> = {
                    let order = Permutation::new(len, seed);
                    (0..len).map(|n| order.index(n)).collect()
                };
                fixed += (0..len).zip(&order).filter(|(n, index)| n == *index).count();
                adjacent += order.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
            }
            // Six standard deviations; with four rounds some of these sizes are beyond them.
            let expected = f64::from(orders as u32);
            for count in [fixed, adjacent] {
                assert!((count as f64 - expected).abs() < 6.0 * expected.sqrt(), "{len}: {fixed} fixed, {adjacent} adjacent");
            }
        }
    }

    /// Chi-square of (first part of the positions) against (part of the indices): each eighth of the order visits each
    /// eighth of the space equally, so no host sees a burst.
    #[test]
    fn spreads_each_part_of_the_order_over_the_space() {
        for len in [4096, 50_000, 256_000] {
            for seed in 0..10 {
                let order = Permutation::new(len, seed);
                let mut counts = [[0f64; 8]; 8];
                for position in 0..len {
                    counts[(position * 8 / len) as usize][(order.index(position) * 8 / len) as usize] += 1.0;
                }
                let expected = len as f64 / 64.0;
                let chi: f64 = counts.iter().flatten().map(|count| (count - expected).powi(2) / expected).sum();
                // 49 degrees of freedom: mean 49, standard deviation 9.9.
                assert!(chi < 49.0 + 7.0 * 9.9, "{len} seed {seed}: {chi}");
            }
        }
    }

    #[test]
    fn every_bit_of_the_position_changes_half_of_the_index() {
        let bits = 40;
        let order = Permutation::new(1 << bits, 9);
        for flipped in 0..bits {
            let mut changed = 0;
            for sample in 0..500u64 {
                let position = sample.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits);
                changed += (order.index(position) ^ order.index(position ^ (1 << flipped))).count_ones();
            }
            let mean = f64::from(changed) / 500.0;
            assert!((mean - f64::from(bits) / 2.0).abs() < 1.0, "bit {flipped}: {mean}");
        }
    }
}
