//! Keyed hashes: how a seed decides millions of hosts without remembering any.

use std::hash::{BuildHasherDefault, Hasher};

/// A map keyed by addresses, quick rather than safe against crafted keys: its keys come from one's own scanner.
pub(super) type AddressMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Mixer>>;

/// A key; the same key and input give the same output on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6c61_6221))
    }

    /// An independent key for one purpose.
    pub(super) const fn derive(self, purpose: u64) -> Self {
        Self(mix(self.0 ^ mix(purpose.wrapping_add(GOLDEN))))
    }

    pub(super) const fn hash(self, input: u64) -> u64 {
        mix(mix(input.wrapping_mul(GOLDEN) ^ self.0).wrapping_add(self.0))
    }

    /// Uniform in `0.0..1.0`.
    pub(super) fn share(self, input: u64) -> f64 {
        (self.hash(input) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) const fn seed(self) -> u64 {
        self.0
    }
}

/// The hasher behind [`AddressMap`].
#[derive(Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word.wrapping_add(GOLDEN));
    }
}

/// Stafford's 13th variant of the 64-bit finaliser of `MurmurHash3`, as in `SplitMix64`.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_uniform_and_keys_independent() {
        let [one, other] = [Key::new(1), Key::new(1).derive(2)];
        let (mut below, mut both) = (0, 0);
        for input in 0..100_000 {
            let hit = one.share(input) < 0.1;
            below += u32::from(hit);
            both += u32::from(hit && other.share(input) < 0.1);
        }
        assert!((9_600..10_400).contains(&below), "{below}");
        assert!((850..1_150).contains(&both), "{both}");
    }
}
