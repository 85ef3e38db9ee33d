//! SipHash over words that are made in registers.

/// SipHash-1-3 on its way: one round for each word, three at the end.
///
/// A hasher of bytes gathers them, counts them and looks for the odd ones; here whoever hashes lays out the words. What several messages
/// begin with is absorbed once: a copy goes on with each.
#[derive(Clone, Copy, Debug)]
pub(super) struct SipHash {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl SipHash {
    /// Nothing absorbed yet.
    pub(super) const fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let (k0, k1) = (key as u64, (key >> 64) as u64);
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    /// The next eight bytes of the message, the first of them lowest.
    #[inline]
    #[must_use]
    pub(super) const fn word(mut self, word: u64) -> Self {
        self.v3 ^= word;
        self = self.round();
        self.v0 ^= word;
        self
    }

    /// The hash of a message that ends with these, at most seven bytes; it has `len` in all.
    #[inline]
    pub(super) const fn end(self, rest: u64, len: u8) -> u64 {
        let mut last = self.word(rest | (len as u64) << 56);
        last.v2 ^= 0xff;
        let Self { v0, v1, v2, v3 } = last.round().round().round();
        v0 ^ v1 ^ v2 ^ v3
    }

    #[inline]
    const fn round(self) -> Self {
        let Self { mut v0, mut v1, mut v2, mut v3 } = self;
        v0 = v0.wrapping_add(v1);
        v2 = v2.wrapping_add(v3);
        v1 = v1.rotate_left(13) ^ v0;
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.rotate_left(32).wrapping_add(v3);
        v2 = v2.wrapping_add(v1);
        v3 = v3.rotate_left(21) ^ v0;
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
        Self { v0, v1, v2, v3 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;

    proptest! {
        #[test]
        fn hashes_as_others_do(key: [u8; 16], message in prop::collection::vec(any::<u8>(), 0..40)) {
            let (words, rest) = message.as_chunks();
            let state = words.iter().fold(SipHash::new(key), |state, word| state.word(u64::from_le_bytes(*word)));
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let hash = state.end(u64::from_le_bytes(last), message.len() as u8);
            prop_assert_eq!(hash, SipHasher13::new_with_key(&key).hash(&message));
        }
    }
}
