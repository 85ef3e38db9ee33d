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
        if self.len + N > self.bytes.len() {
            self.whole();
        }
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
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

    fn large(&mut self, mut number: u64) {
        let mut bytes = [0x80; LONGEST_NUMBER];
        let mut len = 0;
        while number >= 0x80 {
            bytes[len] |= number as u8;
            number >>= 7;
            len += 1;
        }
        bytes[len] = number as u8;
        // All of them are put, and those that are not part of it overwritten by what comes next.
        self.put(bytes);
        self.len -= LONGEST_NUMBER - (len + 1);
    }

    /// 584 years of nanoseconds are enough.
    pub(super) fn span(&mut self, span: Duration) {
        let nanos = span.as_secs().checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(span.subsec_nanos().into()));
        self.number(nanos.unwrap_or(u64::MAX));
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

    /// The vector, at whose end they are now.
    pub(super) fn whole(&mut self) -> &mut Vec<u8> {
        self.whole.extend_from_slice(&self.bytes[..self.len]);
        self.len = 0;
        self.whole
    }

    pub(super) fn end(mut self) {
        self.whole();
    }
}

/// Groups of seven bits in 64.
const LONGEST_NUMBER: usize = 10;
