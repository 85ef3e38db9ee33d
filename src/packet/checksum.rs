//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use std::net::Ipv4Addr;

/// A running one's complement sum of big-endian 16-bit words, not yet folded.
///
/// 64 bits hold the carries of any packet, so adding never overflows and folding happens once, at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Self = Self(0);

    /// Adds `bytes` as big-endian words; an odd last byte counts as the high half of a word (RFC 1071 section 4.1).
    /// Only the last call may add an odd number of bytes.
    #[must_use]
    pub const fn bytes(self, bytes: &[u8]) -> Self {
        let mut sum = self.0;
        let mut rest = bytes;
        // 2^16 is 1 modulo 2^16 - 1, so wide words add up to the same folded sum as narrow ones.
        while let Some((word, tail)) = rest.split_first_chunk::<4>() {
            sum += u32::from_be_bytes(*word) as u64;
            rest = tail;
        }
        if let Some((word, tail)) = rest.split_first_chunk::<2>() {
            sum += u16::from_be_bytes(*word) as u64;
            rest = tail;
        }
        if let [last] = rest {
            sum += (*last as u64) << 8;
        }
        Self(sum)
    }

    /// Adds one 16-bit word.
    #[must_use]
    pub const fn u16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds what was added to `other`.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Adds two 16-bit words.
    #[must_use]
    pub const fn u32(self, words: u32) -> Self {
        Self(self.0 + words as u64)
    }

    /// Adds the IPv4 pseudo-header (RFC 9293 section 3.1) of a segment of `len` bytes.
    #[must_use]
    pub const fn pseudo_header(self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, len: u16) -> Self {
        self.u32(source.to_bits()).u32(destination.to_bits()).u16(protocol as u16).u16(len)
    }

    /// The one's complement sum in 16 bits; `0xffff` over data that carries its own correct checksum.
    pub const fn fold(self) -> u16 {
        // Added to itself with its halves exchanged, a sum has both halves' sum in the upper, and the carry that left it has come in from the lower.
        let sum = (self.0.wrapping_add(self.0.rotate_left(32)) >> 32) as u32;
        (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
    }

    /// The checksum to put into a header whose checksum field was zero when it was added.
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }

    /// Whether what was added, its checksum field included, is intact.
    pub const fn is_intact(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The checksum of `bytes`, in which the checksum field is zero.
pub const fn checksum(bytes: &[u8]) -> u16 {
    Sum::ZERO.bytes(bytes).checksum()
}

/// The checksum after one 16-bit word of the data changed from `old` to `new` (RFC 1624 equation 3).
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    Sum::ZERO.u16(!checksum).u16(!old).u16(new).checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 4.1 word by word, with an end-around carry after each.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_examples_of_the_standards() {
        // RFC 1071 section 3.
        assert_eq!(Sum::ZERO.bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
        // RFC 1624 section 4: the case RFC 1141 got wrong.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn wide_words_sum_like_narrow_ones(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(checksum(&bytes), plain(&bytes));
        }

        #[test]
        fn an_update_equals_a_new_computation(mut words in prop::collection::vec(any::<u16>(), 2..40), at in any::<prop::sample::Index>(), new: u16) {
            let sum = |words: &[u16]| words.iter().fold(Sum::ZERO.u16(1), |sum, &word| sum.u16(word)).checksum();
            let before = sum(&words);
            let at = at.index(words.len());
            let old = std::mem::replace(&mut words[at], new);
            prop_assert_eq!(update(before, old, new), sum(&words));
        }

        #[test]
        fn data_with_its_checksum_is_intact(mut bytes in prop::collection::vec(any::<u8>(), 4..200), bit in any::<prop::sample::Index>()) {
            bytes[2..4].fill(0);
            let sum = checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
            prop_assert!(Sum::ZERO.bytes(&bytes).is_intact());
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!Sum::ZERO.bytes(&bytes).is_intact());
        }
    }
}
