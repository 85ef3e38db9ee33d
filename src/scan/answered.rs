//! Which targets have answered: one bit each, shared by sender and receiver without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use prefetch_index::prefetch_index;

/// A bit for each target of a stage; none above [`Answered::LIMIT`] targets.
#[derive(Debug)]
pub struct Answered {
    words: Vec<AtomicU64>,
}

impl Answered {
    /// 2^32 targets need 512 MiB. Above that no bits are kept: retries are blind repeats, and duplicates cannot be told.
    pub const LIMIT: u64 = 1 << 32;

    /// No target has answered.
    pub fn new(targets: u64) -> Self {
        let words = if targets > Self::LIMIT { 0 } else { targets.div_ceil(64) as usize };
        let mut bits = Vec::new();
        bits.resize_with(words, AtomicU64::default);
        Self { words: bits }
    }

    /// Whether repeats are blind because there are too many targets for a bit each.
    pub fn is_blind(&self) -> bool {
        self.words.is_empty()
    }

    /// Marks a target; whether it was not marked before.
    #[inline]
    pub fn mark(&self, index: u64) -> bool {
        let Some(word) = self.words.get((index / 64) as usize) else { return true };
        let bit = 1 << (index % 64);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Has the processor fetch what [`Self::contains`] will look at.
    #[inline]
    pub(super) fn prefetch(&self, index: u64) {
        prefetch_index(&self.words, (index / 64) as usize);
    }

    /// Whether a target is marked.
    #[inline]
    pub fn contains(&self, index: u64) -> bool {
        self.words.get((index / 64) as usize).is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (index % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_answers_once() {
        let answered = Answered::new(130);
        for index in [0, 63, 64, 129] {
            assert!(!answered.contains(index));
            assert!(answered.mark(index));
            assert!(!answered.mark(index));
            assert!(answered.contains(index));
        }
        assert!(!answered.contains(1));
    }

    #[test]
    fn too_many_targets_are_blind() {
        let answered = Answered::new(Answered::LIMIT + 1);
        assert!(answered.is_blind());
        assert!(answered.mark(5) && answered.mark(5) && !answered.contains(5));
    }
}
