//! All targets of a scan, numbered.

use std::net::{IpAddr, Ipv4Addr};

use super::numbering::Numbering;
use super::{AddressSet, PortSet};
use crate::counted::counted;
use crate::error::{Error, Result};

/// One address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The host.
    pub addr: IpAddr,
    /// Its TCP port.
    pub port: u16,
}

/// Every port of the port set on every address of the address set, numbered `0..len`: the number of the address times
/// the number of ports, plus the number of the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpace {
    addresses: AddressSet,
    v4: Numbering,
    ports: PortSet,
    by_ports: Divisor,
    len: u64,
}

impl TargetSpace {
    /// The most targets that one scan can number.
    pub const MAX_LEN: u64 = 1 << 63;

    /// Numbers the targets.
    ///
    /// # Errors
    /// If there are more than 2^63 of them.
    pub fn new(addresses: AddressSet, ports: PortSet) -> Result<Self> {
        let len = addresses.len().checked_mul(ports.len().into()).and_then(|len| u64::try_from(len).ok());
        match len {
            Some(len) if len <= Self::MAX_LEN => {
                Ok(Self { v4: Numbering::new(&addresses), by_ports: Divisor::new(ports.len().max(1).into()), addresses, ports, len })
            }
            _ => Err(too_many(&addresses, &ports)),
        }
    }

    /// How many targets.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The target of number `index`, which must be below `len`.
    ///
    /// # Panics
    /// If `index` is not below `len`.
    #[inline]
    pub fn get(&self, index: u64) -> Target {
        self.place(index).1
    }

    /// The number of a target's address, to `addresses()`, and the target: `(host_of(index), get(index))`.
    ///
    /// # Panics
    /// If `index` is not below `len`.
    #[inline]
    pub fn place(&self, index: u64) -> (u64, Target) {
        let (host, port) = self.by_ports.divide(index);
        let addr = self.v4.nth(host).map(IpAddr::V4).or_else(|| self.addresses.nth(host));
        match (addr, self.ports.nth(port as u32)) {
            (Some(addr), Some(port)) => (host, Target { addr, port }),
            _ => panic!("target {index} of {}", self.len),
        }
    }

    /// Of a target, which must be below `len`, the number of the address and, where that is IPv4's, address and port.
    // Called, it would hand the pair over through memory, and save more registers than it needs.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured")]
    pub fn ipv4_place(&self, index: u64) -> (u64, Option<(Ipv4Addr, u16)>) {
        let (host, port) = self.by_ports.divide(index);
        (host, self.v4.nth(host).and_then(|addr| Some((addr, self.ports.nth(port as u32)?))))
    }

    /// The inverse of `get`.
    #[inline]
    pub fn index_of(&self, target: Target) -> Option<u64> {
        let port = self.ports.position(target.port)?;
        let host = match target.addr {
            IpAddr::V4(addr) => self.v4.position(addr)?,
            IpAddr::V6(_) => self.addresses.position(target.addr)?,
        };
        Some(host * u64::from(self.ports.len()) + u64::from(port))
    }

    /// The number of the address of target `index`, to `addresses()`: `index / ports().len()`.
    #[inline]
    pub fn host_of(&self, index: u64) -> u64 {
        self.by_ports.divide(index).0
    }

    /// The port of target `index`; 0 if there are no ports.
    pub fn port_of(&self, index: u64) -> u16 {
        self.ports.nth((index % u64::from(self.ports.len()).max(1)) as u32).unwrap_or_default()
    }

    /// The addresses.
    pub fn addresses(&self) -> &AddressSet {
        &self.addresses
    }

    /// The ports.
    pub fn ports(&self) -> &PortSet {
        &self.ports
    }
}

/// Division by a number known beforehand: a multiplication by its inverse, which is a fifth of a division's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Divisor {
    by: u64,
    /// (2^64 - 1) / `by`, rounded down.
    inverse: u64,
}

impl Divisor {
    fn new(by: u64) -> Self {
        Self { by, inverse: u64::MAX / by }
    }

    /// Quotient and remainder.
    #[inline]
    fn divide(self, n: u64) -> (u64, u64) {
        // Rounding takes less than n / 2^64 of one from the quotient, so it is too small by one at most.
        let quotient = ((u128::from(n) * u128::from(self.inverse)) >> 64) as u64;
        let rest = n - quotient * self.by;
        if rest >= self.by { (quotient + 1, rest - self.by) } else { (quotient, rest) }
    }
}

/// So large a number of addresses is IPv6's: it is said as a power of two, and with the prefix that would do.
fn too_many(addresses: &AddressSet, ports: &PortSet) -> Error {
    let (exponent, ports) = (addresses.len().max(1).ilog2(), ports.len());
    let about = if addresses.len().is_power_of_two() { "" } else { "over " };
    let prefix = 65 + ports.max(1).next_power_of_two().ilog2();
    Error::asked(
        "scan",
        format!("{about}2^{exponent} addresses on {}", counted(ports, "port")),
        "more than 2^63 targets, the most that one scan can number",
    )
    .hint(format!("with so many ports an IPv6 /{prefix} is the largest network; or name the addresses, for example with -i FILE"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::AddressRange;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    #[test]
    fn numbers_ports_within_addresses() {
        let space = TargetSpace::new(range("10.0.0.1", "10.0.0.3").into(), [80, 22].into_iter().collect()).unwrap();
        assert_eq!(space.len(), 6);
        assert_eq!(space.get(0), Target { addr: "10.0.0.1".parse().unwrap(), port: 22 });
        assert_eq!(space.get(5), Target { addr: "10.0.0.3".parse().unwrap(), port: 80 });
        assert_eq!(space.host_of(3), 1);
        assert_eq!(space.index_of(Target { addr: "10.0.0.4".parse().unwrap(), port: 80 }), None);
        assert_eq!(space.index_of(Target { addr: "10.0.0.1".parse().unwrap(), port: 81 }), None);
    }

    #[test]
    fn ends_at_two_to_the_63rd() {
        let port: PortSet = [80].into_iter().collect();
        let half: AddressSet = range("::", "::7fff:ffff:ffff:ffff").into();
        let space = TargetSpace::new(half.clone(), port.clone()).unwrap();
        assert_eq!(space.len(), TargetSpace::MAX_LEN);
        let last = space.get(TargetSpace::MAX_LEN - 1);
        assert_eq!(last.addr, "::7fff:ffff:ffff:ffff".parse::<IpAddr>().unwrap());
        assert_eq!(space.index_of(last), Some(TargetSpace::MAX_LEN - 1));
        let one_more = half.union(&range("10.0.0.1", "10.0.0.1").into());
        let error = TargetSpace::new(one_more, port).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Asked);
        assert!(error.to_string().starts_with("scan over 2^63 addresses on 1 port: more than 2^63 targets"), "{error}");
        assert!(error.to_string().contains("an IPv6 /65 "), "{error}");
        let everything: AddressSet = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").into();
        let error = TargetSpace::new(everything, PortSet::all()).unwrap_err();
        assert!(error.to_string().contains("an IPv6 /81 "), "{error}");
        assert!(TargetSpace::new("2001:db8::/81".parse().unwrap(), PortSet::all()).is_ok());
        assert!(TargetSpace::new("2001:db8::/80".parse().unwrap(), PortSet::all()).is_err());
    }

    #[test]
    fn may_be_empty() {
        assert!(TargetSpace::new(AddressSet::new(), PortSet::all()).unwrap().is_empty());
        assert!(TargetSpace::new(range("::", "::").into(), std::iter::empty().collect()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn divides_as_the_machine_does(n: u64, by in 1..=1u64 << 32, shift in 0..32u32) {
            let by = (by >> shift).max(1);
            for n in [n, n / by * by, (n / by * by).saturating_sub(1), u64::MAX, 0] {
                prop_assert_eq!(Divisor::new(by).divide(n), (n / by, n % by));
            }
        }

        #[test]
        fn index_of_inverts_get(
            starts in prop::collection::vec((any::<u32>(), 0..5000u32), 1..8),
            v6 in any::<u128>(),
            ports in prop::collection::vec(1..=u16::MAX, 1..50),
            picks in prop::collection::vec(any::<u64>(), 20),
        ) {
            let v4 = starts.into_iter().map(|(first, more)| {
                AddressRange::new(IpAddr::V4(first.into()), IpAddr::V4(first.saturating_add(more).into())).unwrap()
            });
            let v6 = AddressRange::new(IpAddr::V6(v6.into()), IpAddr::V6(v6.saturating_add(70_000).into())).unwrap();
            let space = TargetSpace::new(v4.chain([v6]).collect(), ports.into_iter().collect()).unwrap();
            for pick in picks {
                let index = pick % space.len();
                let target = space.get(index);
                let v4 = space.ipv4_place(index);
                prop_assert_eq!(v4.0, space.host_of(index));
                prop_assert_eq!(v4.1.map(|(addr, port)| Target { addr: addr.into(), port }), Some(target).filter(|target| target.addr.is_ipv4()));
                prop_assert_eq!(space.index_of(target), Some(index));
                prop_assert_eq!(space.addresses().nth(space.host_of(index)), Some(target.addr));
            }
        }
    }
}
