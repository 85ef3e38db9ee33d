//! Short pieces that become one.

use std::net::IpAddr;
use std::time::Duration;

/// Bytes on their way to the end of a vector, which grows once for many of them.
pub(super) struct Tail<'a> {
    whole: &'a mut Vec<u8>,
    bytes: [u8; 64],
    len: usize,
}

impl<'a> Tail<'a> {
    pub(super) fn of(whole: &'a mut Vec<u8>) -> Self {
        Self { whole, bytes: [0; 64], len: 0 }
    }

    #[inline]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if self.len > self.bytes.len() - N {
            self.make_room();
            self.len = 0;
        }
        self.bytes[self.len..][..N].copy_from_slice(&bytes);
        self.len += N;
    }

    /// Most are small.
    #[inline]
    pub(super) fn number(&mut self, number: u64) {
        if number < 0x80 {
            self.put([number as u8]);
        } else {
            self.large(number);
        }
    }

    #[inline]
    fn large(&mut self, mut number: u64) {
        while number >> MOST_BITS > 0 {
            self.put([number as u8 | 0x80]);
            number >>= 7;
        }
        let len = ((u64::BITS + 6 - number.leading_zeros()) / 7) as usize;
        let more = CONTINUED >> (8 * (size_of::<u64>() + 1 - len));
        // All of them are put, and those that are not part of it overwritten by what comes next.
        self.put((groups(number) | more).to_le_bytes());
        self.len -= size_of::<u64>() - len;
    }

    /// 584 years of nanoseconds are enough.
    #[inline]
    pub(super) fn span(&mut self, span: Duration) {
        self.number(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    #[inline]
    pub(super) fn addr(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => {
                let [a, b, c, d] = addr.octets();
                self.put([4, a, b, c, d]);
            }
            IpAddr::V6(addr) => {
                self.put([6]);
                self.put(addr.octets());
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        self.whole();
    }

    /// The vector, at whose end they are now.
    #[inline]
    pub(super) fn whole(&mut self) -> &mut Vec<u8> {
        // All of them, for a number of bytes that is known beforehand is no call; less those that are none.
        let end = self.whole.len() + self.len;
        self.whole.extend_from_slice(&self.bytes);
        self.whole.truncate(end);
        self.len = 0;
        self.whole
    }

    #[inline]
    pub(super) fn end(mut self) {
        self.whole();
    }
}

/// A number of up to [`MOST_BITS`] in groups of seven bits, each in a byte of its own: halved thrice, and each upper half moved up.
#[inline]
const fn groups(number: u64) -> u64 {
    let halves = (number & 0x0fff_ffff) | ((number & (0x0fff_ffff << 28)) << 4);
    let quarters = (halves & (0x3fff * TWO)) | ((halves & ((0x3fff << 14) * TWO)) << 2);
    (quarters & (0x7f * FOUR)) | ((quarters & ((0x7f << 7) * FOUR)) << 1)
}

const TWO: u64 = 0x0000_0001_0000_0001;
const FOUR: u64 = 0x0001_0001_0001_0001;
/// The bits of eight bytes that say that more follow.
const CONTINUED: u64 = 0x8080_8080_8080_8080;
/// So many in groups of seven are no more than eight bytes.
const MOST_BITS: u32 = 56;
