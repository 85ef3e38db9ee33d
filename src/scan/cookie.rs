//! Proof of replies: the sequence number of a SYN is a keyed hash of what a true reply must repeat.

use std::net::Ipv4Addr;

use siphasher::sip::SipHasher24;

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

/// SipHash-2-4 under a key of the operating system's, over (source, destination, ports). The order's seed is another key:
/// publishing it never makes a reply forgeable.
#[derive(Clone, Debug)]
pub struct Cookie {
    hasher: SipHasher24,
    ports: SourcePorts,
    attempts: u8,
}

impl Cookie {
    /// Cookies under `key` for probes of 1 to `attempts` attempts.
    pub fn new(key: [u8; 16], ports: SourcePorts, attempts: u8) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key), ports, attempts }
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
        match self.ports {
            SourcePorts::Block { first, .. } => {
                let port = first + u16::from(attempt - 1);
                (port, self.hash(flow, port, 0))
            }
            SourcePorts::Fixed(port) => (port, self.hash(flow, port, attempt)),
        }
    }

    /// The attempt whose SYN had this source port and sequence number, if it was ours.
    #[inline]
    pub fn prove(&self, flow: Flow, source_port: u16, sequence: u32) -> Option<u8> {
        match self.ports {
            SourcePorts::Block { first, count } => {
                let offset = source_port.checked_sub(first).filter(|&offset| offset < count)?;
                let attempt = u8::try_from(offset + 1).ok().filter(|&attempt| attempt <= self.attempts)?;
                (self.hash(flow, source_port, 0) == sequence).then_some(attempt)
            }
            SourcePorts::Fixed(port) => {
                (port == source_port).then_some(())?;
                (1..=self.attempts).find(|&attempt| self.hash(flow, port, attempt) == sequence)
            }
        }
    }

    #[inline]
    fn hash(&self, flow: Flow, source_port: u16, attempt: u8) -> u32 {
        let mut input = [0; 13];
        input[..4].copy_from_slice(&flow.source.octets());
        input[4..8].copy_from_slice(&flow.destination.octets());
        input[8..10].copy_from_slice(&source_port.to_be_bytes());
        input[10..12].copy_from_slice(&flow.port.to_be_bytes());
        input[12] = attempt;
        self.hasher.hash(&input) as u32
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
