//! The IPv4 addresses of a set by number and back, laid out for the hot path.

use std::net::Ipv4Addr;

use super::AddressSet;
use super::directory::Directory;

/// Number to address and address to number, each in a few steps whatever the number of ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbering {
    /// Ascending by address, and so by number.
    spans: Box<[Span]>,
    by_number: Directory,
    by_address: Directory,
    len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u32,
    last: u32,
    /// Addresses before it.
    start: u32,
}

impl Numbering {
    pub(super) fn new(addresses: &AddressSet) -> Self {
        let mut len = 0;
        let spans: Box<[Span]> = addresses
            .v4_spans()
            .map(|(first, last)| {
                // At most 2^32 in all, so what lies before a range is below.
                let span = Span { first, last, start: len as u32 };
                len += u64::from(last - first) + 1;
                span
            })
            .collect();
        let by_number = Directory::new(&spans.iter().map(|span| u64::from(span.start)));
        let by_address = Directory::new(&spans.iter().map(|span| u64::from(span.first)));
        Self { spans, by_number, by_address, len }
    }

    #[inline]
    pub(super) fn nth(&self, n: u64) -> Option<Ipv4Addr> {
        if n >= self.len {
            return None;
        }
        let span = &self.spans[self.by_number.last_up_to(n, |place| self.spans[place].start.into())?];
        Some(Ipv4Addr::from_bits(span.first + (n as u32 - span.start)))
    }

    #[inline]
    pub(super) fn position(&self, addr: Ipv4Addr) -> Option<u64> {
        let addr = addr.to_bits();
        let span = &self.spans[self.by_address.last_up_to(addr.into(), |place| self.spans[place].first.into())?];
        (addr <= span.last).then(|| u64::from(span.start) + u64::from(addr - span.first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::AddressRange;

    proptest! {
        #[test]
        fn numbers_as_the_set_does(starts in prop::collection::vec((any::<u32>(), 0..70_000u32), 0..40), shift in 0..20u32, picks in prop::collection::vec(any::<u32>(), 30)) {
            let range = |(first, more): (u32, u32)| {
                let first = first >> shift;
                AddressRange::new(Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first.saturating_add(more)).into()).unwrap()
            };
            let set: AddressSet = starts.iter().copied().map(range).collect();
            let numbering = Numbering::new(&set);
            prop_assert_eq!(u128::from(numbering.len), set.len());
            for n in picks.iter().map(|&pick| u64::from(pick) % (numbering.len + 1)).chain([0, numbering.len.saturating_sub(1)]) {
                prop_assert_eq!(numbering.nth(n).map(Into::into), set.nth(n));
            }
            for addr in picks.iter().flat_map(|&pick| [pick, pick >> shift]).chain(starts.iter().map(|start| start.0 >> shift)) {
                let addr = Ipv4Addr::from_bits(addr);
                prop_assert_eq!(numbering.position(addr), set.position(addr.into()));
            }
        }
    }

    #[test]
    fn all_of_ipv4_has_numbers() {
        let set: AddressSet = AddressRange::new(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()).into_iter().collect();
        let numbering = Numbering::new(&set);
        assert_eq!(numbering.len, 1 << 32);
        assert_eq!(numbering.nth(u32::MAX.into()), Some(Ipv4Addr::BROADCAST));
        assert_eq!(numbering.nth(1 << 32), None);
        assert_eq!(numbering.position(Ipv4Addr::BROADCAST), Some(u32::MAX.into()));
    }
}
