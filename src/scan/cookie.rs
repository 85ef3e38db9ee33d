//! Proof of replies: the sequence number of a SYN is a keyed hash of what a true reply must repeat.

use std::net::Ipv4Addr;

use super::siphash::SipHash;

/// Where probes come from, and so where the attempt is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePorts {
    /// A block of ports from `first`: attempt k is sent from port `first + k - 1`.
    Block {
        /// Port of the first attempt.
        first: u16,
        /// How many.
        count: u16,
    },
    /// One port for everything: the attempt enters the cookie instead, and a reply is tried against each.
    Fixed(u16),
}

impl SourcePorts {
    /// The lowest port a reply can be addressed to.
    pub const fn first(self) -> u16 {
        match self {
            Self::Block { first, .. } => first,
            Self::Fixed(port) => port,
        }
    }

    /// The highest.
    pub const fn last(self) -> u16 {
        match self {
            Self::Block { first, count } => first + (count - 1),
            Self::Fixed(port) => port,
        }
    }
}

/// The two ends of a probe, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Our address.
    pub source: Ipv4Addr,
    /// The target's.
    pub destination: Ipv4Addr,
    /// The target's port.
    pub port: u16,
}

/// SipHash-1-3 under a key of the operating system's, over our address and port, the target's, and the attempt where one port is for all.
/// The order's seed is another key: publishing it never makes a reply forgeable.
///
/// One round for a word and three at the end are what Rust's hash maps trust against whoever chooses keys and watches their order. Nobody
/// watches here: of each hash the low 32 bits go out, under a key that lives one scan, and who guesses has one chance in 2^32 with a frame, as with
/// any hash.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// The key.
    hash: SipHash,
    ports: SourcePorts,
    attempts: u8,
}

/// What all probes of one attempt from one address have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Our end of the flow.
    hash: SipHash,
    /// The source port.
    pub(super) port: u16,
    /// The attempt, if the port does not tell.
    number: u8,
}

impl Origin {
    /// The sequence number of the probe to this target.
    #[inline]
    pub(super) fn sequence(&self, destination: Ipv4Addr, port: u16) -> u32 {
        let [p0, p1] = port.to_be_bytes();
        let [d0, d1, d2, d3] = destination.octets();
        self.hash.end(u64::from_le_bytes([d0, d1, d2, d3, p0, p1, self.number, 0]), LEN) as u32
    }
}

/// Bytes that are hashed: a word of our end, of which the last two are zero, and of the target's end all but the byte that SipHash keeps.
const LEN: u8 = 15;

impl Cookie {
    /// Cookies under `key` for probes of 1 to `attempts` attempts.
    pub fn new(key: [u8; 16], ports: SourcePorts, attempts: u8) -> Self {
        Self { hash: SipHash::new(key), ports, attempts }
    }

    /// Where probes come from.
    pub fn ports(&self) -> SourcePorts {
        self.ports
    }

    /// Numbers of canaries: attempts that come after the `attempts` that a target may need, each from a port of its own.
    pub(super) fn canaries(&self, attempts: u8) -> std::ops::RangeInclusive<u8> {
        let first = attempts.saturating_add(1).min(self.attempts);
        first..=self.attempts
    }

    /// How many different probes to one target there can be: with a block each has a port; with a fixed port each reply is tried against all.
    pub fn most(ports: SourcePorts) -> u8 {
        match ports {
            SourcePorts::Block { count, .. } => count.min(255) as u8,
            SourcePorts::Fixed(_) => 32,
        }
    }

    /// Source port and sequence number of attempt `attempt` (from 1).
    #[inline]
    pub fn probe(&self, flow: Flow, attempt: u8) -> (u16, u32) {
        let origin = self.origin(flow.source, attempt);
        (origin.port, origin.sequence(flow.destination, flow.port))
    }

    /// What the probes of attempt `attempt` (from 1) from `source` have in common.
    #[inline]
    pub(super) fn origin(&self, source: Ipv4Addr, attempt: u8) -> Origin {
        match self.ports {
            SourcePorts::Block { first, .. } => self.from(source, first + u16::from(attempt - 1), 0),
            SourcePorts::Fixed(port) => self.from(source, port, attempt),
        }
    }

    /// The attempt whose SYN had this source port and sequence number, if it was ours.
    #[inline]
    pub fn prove(&self, flow: Flow, source_port: u16, sequence: u32) -> Option<u8> {
        match self.ports {
            SourcePorts::Block { first, count } => {
                let offset = source_port.checked_sub(first).filter(|&offset| offset < count)?;
                let attempt = u8::try_from(offset + 1).ok().filter(|&attempt| attempt <= self.attempts)?;
                let origin = self.from(flow.source, source_port, 0);
                (origin.sequence(flow.destination, flow.port) == sequence).then_some(attempt)
            }
            SourcePorts::Fixed(port) => {
                (port == source_port).then_some(())?;
                let origin = self.from(flow.source, port, 0);
                (1..=self.attempts).find(|&number| Origin { number, ..origin }.sequence(flow.destination, flow.port) == sequence)
            }
        }
    }

    #[inline]
    fn from(&self, source: Ipv4Addr, port: u16, number: u8) -> Origin {
        let [p0, p1] = port.to_be_bytes();
        let [s0, s1, s2, s3] = source.octets();
        Origin { hash: self.hash.word(u64::from_le_bytes([s0, s1, s2, s3, p0, p1, 0, 0])), port, number }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(source: u32, destination: u32, port: u16) -> Flow {
        Flow { source: source.into(), destination: destination.into(), port }
    }

    proptest! {
        #[test]
        fn every_attempt_proves_itself(key: [u8; 16], s: u32, d: u32, port: u16, attempt in 1u8..=16, fixed: bool) {
            let ports = if fixed { SourcePorts::Fixed(40000) } else { SourcePorts::Block { first: 61000, count: 16 } };
            let cookie = Cookie::new(key, ports, 16);
            let (source_port, sequence) = cookie.probe(flow(s, d, port), attempt);
            prop_assert_eq!(cookie.prove(flow(s, d, port), source_port, sequence), Some(attempt));
            prop_assert_eq!(cookie.prove(flow(s, d, port), source_port, sequence.wrapping_add(1)), None);
            prop_assert_eq!(cookie.prove(flow(s, d ^ 1, port), source_port, sequence), None);
            prop_assert_eq!(cookie.prove(flow(s, d, port ^ 1), source_port, sequence), None);
        }

        #[test]
        fn another_key_proves_nothing(key: [u8; 16], s: u32, d: u32, port: u16) {
            let ports = SourcePorts::Block { first: 61000, count: 16 };
            let (source_port, sequence) = Cookie::new(key, ports, 2).probe(flow(s, d, port), 1);
            let mut other = key;
            other[3] ^= 0x40;
            prop_assert_eq!(Cookie::new(other, ports, 2).prove(flow(s, d, port), source_port, sequence), None);
        }
    }

    #[test]
    fn attempts_never_sent_are_refused() {
        let ports = SourcePorts::Block { first: 61000, count: 16 };
        let (port, sequence) = Cookie::new([7; 16], ports, 16).probe(flow(1, 2, 80), 3);
        assert_eq!(Cookie::new([7; 16], ports, 2).prove(flow(1, 2, 80), port, sequence), None);
    }
}
