//! Sorted, disjoint ranges of plain numbers: what a set of addresses of one family is made of.

/// An address as a number.
pub(super) trait Number: Copy + Ord {
    /// The number after this one, unless it is the last.
    fn next(self) -> Option<Self>;
    /// The number before this one, unless it is the first.
    fn previous(self) -> Option<Self>;
    /// This number and `n` more; the caller knows that it fits.
    fn plus(self, n: u128) -> Self;
    /// How far this number is above `low`.
    fn above(self, low: Self) -> u128;
}

/// A set of numbers. No two ranges overlap or touch, so equal sets are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges<N> {
    spans: Vec<(N, N)>,
    /// How many numbers lie before each range; shorter than `spans` where that no longer fits.
    starts: Vec<u64>,
    len: u128,
}

impl<N: Number> Ranges<N> {
    pub(super) fn from_unsorted(mut ranges: Vec<(N, N)>) -> Self {
        // Stable on purpose: it merges runs that are already sorted in linear time, as in a union.
        ranges.sort();
        ranges.into_iter().collect()
    }

    pub(super) fn insert(&mut self, first: N, last: N) {
        if self.spans.last().is_none_or(|end| end.0 <= first) {
            return self.push(first, last);
        }
        let from = self.spans.partition_point(|range| range.1.next().is_some_and(|next| next < first));
        let to = self.spans.partition_point(|range| range.0.previous().is_none_or(|previous| previous <= last));
        let merged = match &self.spans[from..to] {
            [] => (first, last),
            [low, .., high] => (low.0.min(first), high.1.max(last)),
            [only] => (only.0.min(first), only.1.max(last)),
        };
        let mut ranges = std::mem::take(&mut self.spans);
        ranges.splice(from..to, [merged]);
        *self = ranges.into_iter().collect();
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self::from_unsorted([&self.spans[..], &other.spans[..]].concat())
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        let mut cuts = other.spans.iter().peekable();
        for &(first, last) in &self.spans {
            let mut from = Some(first);
            while let (Some(low), Some(&&(cut_first, cut_last))) = (from, cuts.peek()) {
                if cut_first > last {
                    break;
                }
                if let Some(end) = cut_first.previous().filter(|end| *end >= low) {
                    rest.push(low, end);
                }
                if cut_last >= low {
                    from = cut_last.next().filter(|next| *next <= last);
                }
                // A cut that reaches further may also cut the next range.
                if cut_last < last {
                    cuts.next();
                }
            }
            if let Some(low) = from {
                rest.push(low, last);
            }
        }
        rest
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        let (mut left, mut right) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push(first, last);
            }
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        both
    }

    /// How many numbers; `u128::MAX` also stands for 2^128.
    pub(super) fn len(&self) -> u128 {
        self.len
    }

    pub(super) fn contains(&self, number: N) -> bool {
        self.range_of(number).is_some()
    }

    pub(super) fn nth(&self, n: u64) -> Option<N> {
        let range = self.starts.partition_point(|start| *start <= n).checked_sub(1)?;
        let (first, last) = self.spans[range];
        let offset = n - self.starts[range];
        (u128::from(offset) <= last.above(first)).then(|| first.plus(offset.into()))
    }

    /// The numbers that are the `from`-th to the one before the `to`-th; with none `to`, to the last.
    pub(super) fn run(&self, from: u128, to: Option<u128>) -> Self {
        let mut run = Self::default();
        let mut before = 0_u128;
        for &(first, last) in &self.spans {
            // All but the last number of the range, which 128 bits can count.
            let more = last.above(first);
            let low = from.saturating_sub(before);
            let high = to.map_or(more, |to| to.saturating_sub(before).saturating_sub(1).min(more));
            if low <= high && to.is_none_or(|to| to > before) {
                run.push(first.plus(low), first.plus(high));
            }
            before = before.saturating_add(more).saturating_add(1);
        }
        run
    }

    pub(super) fn position(&self, number: N) -> Option<u64> {
        let range = self.range_of(number)?;
        let start = *self.starts.get(range)?;
        u64::try_from(number.above(self.spans[range].0)).ok()?.checked_add(start)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (N, N)> + '_ {
        self.spans.iter().copied()
    }

    fn range_of(&self, number: N) -> Option<usize> {
        let range = self.spans.partition_point(|range| range.0 <= number).checked_sub(1)?;
        (number <= self.spans[range].1).then_some(range)
    }

    /// Adds a range that begins no earlier than the last one.
    fn push(&mut self, first: N, last: N) {
        if let Some(end) = self.spans.last_mut()
            && (first <= end.1 || end.1.next() == Some(first))
        {
            if last > end.1 {
                self.len = self.len.saturating_add(last.above(end.1));
                end.1 = last;
            }
            return;
        }
        if self.starts.len() == self.spans.len() {
            self.starts.extend(u64::try_from(self.len));
        }
        self.spans.push((first, last));
        self.len = self.len.saturating_add(last.above(first)).saturating_add(1);
    }
}

impl<N> Default for Ranges<N> {
    fn default() -> Self {
        Self { spans: Vec::new(), starts: Vec::new(), len: 0 }
    }
}

/// From ranges in ascending order of their beginnings.
impl<N: Number> FromIterator<(N, N)> for Ranges<N> {
    fn from_iter<I: IntoIterator<Item = (N, N)>>(ranges: I) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.push(first, last);
        }
        set
    }
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
            fn plus(self, n: u128) -> Self {
                self + n as $type
            }
            fn above(self, low: Self) -> u128 {
                (self - low).into()
            }
        }
    };
}

number!(u32);
number!(u128);
