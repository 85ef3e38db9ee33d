//! Hosts of a range that wait for a verdict, packed: of a scan in which everything answers alike, all hosts do.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use crate::scan::{HostRecord, Packed};

/// Hosts in the order they came, each packed behind the last byte of its address and its length.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<u8>);

/// A host that has waited. It is unpacked when its turn has come: whole, it is ten times as large.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) addr: IpAddr,
    range: Rc<Held>,
    /// Where it begins.
    at: usize,
}

impl Held {
    /// Keeps a host.
    pub(super) fn keep(&mut self, host: &HostRecord) {
        let begin = self.0.len();
        self.0.extend([last_byte(host.addr), 0, 0, 0, 0]);
        host.pack(&mut self.0);
        let len = (self.0.len() - begin - HEAD) as u32;
        self.0[begin + 1..begin + HEAD].copy_from_slice(&len.to_le_bytes());
    }

    /// Those that were kept, by their addresses, the first that there can be being `first`.
    pub(super) fn ascending(self, first: IpAddr) -> impl Iterator<Item = Kept> {
        let mut places = Vec::new();
        let mut at = 0;
        while let Some([last, len @ ..]) = self.0.get(at..).and_then(<[u8]>::first_chunk::<HEAD>) {
            places.push((*last, at + HEAD));
            at += HEAD + u32::from_le_bytes(*len) as usize;
        }
        places.sort_unstable();
        let range = Rc::new(self);
        places.into_iter().map(move |(last, at)| Kept { addr: with_last(first, last), range: Rc::clone(&range), at })
    }
}

impl Kept {
    /// The host; it is there, for it was packed.
    pub(super) fn host(&self) -> Option<HostRecord> {
        HostRecord::unpack(&mut &self.range.0[self.at..])
    }
}

fn last_byte(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(addr) => addr.octets()[3],
        IpAddr::V6(_) => 0,
    }
}

/// Of IPv6 there are no ranges but single addresses.
fn with_last(first: IpAddr, last: u8) -> IpAddr {
    match first {
        IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() | u32::from(last)).into(),
        IpAddr::V6(_) => first,
    }
}

/// Bytes before each host.
const HEAD: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ledger::down_host;

    #[test]
    fn what_was_kept_comes_by_its_address_as_it_was() {
        let hosts = |addrs: &[&str]| -> Vec<HostRecord> { addrs.iter().map(|addr| down_host(addr.parse().unwrap(), 7)).collect() };
        for (first, kept, told) in [
            ("10.0.0.0", &["10.0.0.9", "10.0.0.255", "10.0.0.0"][..], &["10.0.0.0", "10.0.0.9", "10.0.0.255"][..]),
            ("2001:db8::ffff", &["2001:db8::ffff"], &["2001:db8::ffff"]),
        ] {
            let mut held = Held::default();
            for host in hosts(kept) {
                held.keep(&host);
            }
            let released: Vec<(IpAddr, HostRecord)> =
                held.ascending(first.parse().unwrap()).map(|kept| (kept.addr, kept.host().unwrap())).collect();
            assert_eq!(released, hosts(told).into_iter().map(|host| (host.addr, host)).collect::<Vec<_>>());
        }
    }
}
