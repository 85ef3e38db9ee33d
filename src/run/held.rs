//! Hosts of a range that wait for a verdict, small: of a scan in which everything answers alike, all hosts do.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::ledger::{Settled, lone_host};
use crate::scan::{Finding, HostRecord, Outcome, Packed, Reason, State, Suspicion};
use crate::target::Target;
use crate::time::Time;

/// A host that waits. It is made whole when its turn has come: it is ten times as large then.
#[derive(Debug)]
pub(super) enum Kept {
    /// Its one port is open, by a SYN-ACK.
    Lone { last: u8, ttl: u8, attempt: u8, port: u16, window: u16, rtt: u64, time: Time },
    /// Any other, packed.
    Whole { last: u8, host: Box<[u8]> },
}

const _: () = assert!(size_of::<Kept>() <= 24);

impl Kept {
    /// Keeps a host.
    pub(super) fn of(settled: Settled) -> Self {
        match settled {
            Settled::Lone(finding, None) => Self::lone(&finding).unwrap_or_else(|| Self::whole(&lone_host(finding, None))),
            other => Self::whole(&other.host()),
        }
    }

    fn lone(finding: &Finding) -> Option<Self> {
        let Finding { target: Target { addr: IpAddr::V4(addr), port }, outcome: OPEN, ttl: Some(ttl), window: Some(window), .. } = *finding
        else {
            return None;
        };
        let rtt = match finding.rtt {
            None => UNKNOWN,
            Some(rtt) => u64::try_from(rtt.as_nanos()).ok().filter(|rtt| *rtt != UNKNOWN)?,
        };
        Some(Self::Lone { last: addr.octets()[3], ttl, attempt: finding.attempt, port, window, rtt, time: finding.time })
    }

    pub(super) fn whole(host: &HostRecord) -> Self {
        let mut bytes = Vec::new();
        host.pack(&mut bytes);
        let last = match host.addr {
            IpAddr::V4(addr) => addr.octets()[3],
            IpAddr::V6(addr) => addr.octets()[15],
        };
        Self::Whole { last, host: bytes.into() }
    }

    /// The host, of whose range this is an address; it is there, for it was kept.
    fn host(&self, range: IpAddr) -> Option<HostRecord> {
        match *self {
            Self::Lone { ttl, attempt, port, window, rtt, time, .. } => {
                let target = Target { addr: self.addr(range), port };
                let rtt = Some(rtt).filter(|rtt| *rtt != UNKNOWN).map(Duration::from_nanos);
                let finding = Finding { target, outcome: OPEN, ttl: Some(ttl), window: Some(window), rtt, attempt, time };
                Some(lone_host(finding, None))
            }
            Self::Whole { ref host, .. } => HostRecord::unpack(&mut &host[..]),
        }
    }

    /// Its address, of whose range this is one. Of IPv6 there are no ranges but single addresses.
    fn addr(&self, range: IpAddr) -> IpAddr {
        match range {
            IpAddr::V4(range) => Ipv4Addr::from_bits(range.to_bits() & !0xff | u32::from(self.last())).into(),
            IpAddr::V6(_) => range,
        }
    }

    fn last(&self) -> u8 {
        match *self {
            Self::Lone { last, .. } | Self::Whole { last, .. } => last,
        }
    }
}

/// Hosts that have waited, by their addresses.
pub(super) struct Released {
    /// Ascending.
    ranges: std::vec::IntoIter<Range>,
    range: IpAddr,
    suspicion: Option<Suspicion>,
    /// Of this range.
    hosts: Peekable<std::vec::IntoIter<Kept>>,
}

/// An address of a range, those of its hosts that have waited, and the verdict on it.
pub(super) type Range = (IpAddr, Vec<Kept>, Option<Suspicion>);

impl Released {
    pub(super) fn new(mut ranges: Vec<Range>) -> Self {
        ranges.sort_by_key(|(addr, ..)| *addr);
        let none = Vec::new().into_iter().peekable();
        Self { ranges: ranges.into_iter(), range: Ipv4Addr::UNSPECIFIED.into(), suspicion: None, hosts: none }
    }

    /// Lets those go that come before this address, or all, each with the verdict on its range.
    pub(super) fn before(&mut self, limit: Option<IpAddr>, mut each: impl FnMut(HostRecord, Option<Suspicion>)) {
        loop {
            let range = self.range;
            while let Some(kept) = self.hosts.next_if(|kept| limit.is_none_or(|limit| kept.addr(range) < limit)) {
                kept.host(range).into_iter().for_each(|host| each(host, self.suspicion));
            }
            if self.hosts.peek().is_some() {
                return;
            }
            let Some((range, mut kept, suspicion)) = self.ranges.next() else { return };
            kept.sort_by_key(Kept::last);
            (self.range, self.suspicion, self.hosts) = (range, suspicion, kept.into_iter().peekable());
        }
    }
}

/// Hosts of a range by their addresses, which wait no more.
pub(super) fn hosts(mut kept: Vec<Kept>, range: IpAddr) -> impl Iterator<Item = HostRecord> {
    kept.sort_by_key(Kept::last);
    kept.into_iter().filter_map(move |kept| kept.host(range))
}

const OPEN: Outcome = Outcome { state: State::Open, reason: Reason::SynAck, reason_addr: None };
/// A round-trip time that is not known; nobody waits so long.
const UNKNOWN: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::MacAddr;
    use crate::run::ledger::down_host;

    #[test]
    fn what_was_kept_comes_by_its_address_as_it_was() {
        let rtts = [None, Some(Duration::ZERO), Some(Duration::from_nanos(7)), Some(Duration::MAX)];
        let lone = |last: u8| Finding {
            target: Target { addr: [10, 0, 0, last].into(), port: 443 },
            outcome: OPEN,
            ttl: (last != 1).then_some(60),
            window: Some(512),
            rtt: rtts[usize::from(last % 4)].filter(|rtt| *rtt != Duration::MAX),
            attempt: last,
            time: Time::from_nanos(last.into()),
        };
        let mac = |last: u8| (last == 9).then_some(MacAddr([last; 6]));
        let kept: Vec<Kept> = [9, 255, 0, 3, 1, 2, 6].map(|last| Kept::of(Settled::Lone(lone(last), mac(last)))).into();
        assert_eq!(kept.iter().filter(|kept| matches!(kept, Kept::Lone { .. })).count(), 5, "of two, more or less is known");
        let range = IpAddr::from([10, 0, 0, 7]);
        let expected = [0, 1, 2, 3, 6, 9, 255].map(|last| lone_host(lone(last), mac(last)));
        let mut told = Vec::new();
        let mut released = Released::new(vec![(range, kept, Some(Suspicion::ControlPorts))]);
        for limit in [Some([10, 0, 0, 2].into()), Some([10, 0, 0, 2].into()), Some([11, 0, 0, 0].into()), None] {
            released.before(limit, |host, suspicion| {
                assert_eq!(suspicion, Some(Suspicion::ControlPorts));
                told.push(host);
            });
            assert_eq!(told.len(), if limit == Some([10, 0, 0, 2].into()) { 2 } else { 7 });
        }
        assert_eq!(told, expected);
    }

    #[test]
    fn ranges_come_by_their_addresses() {
        let hosts = ["10.0.1.1", "2001:db8::ffff", "10.0.0.255"].map(|addr| down_host(addr.parse().unwrap(), 7));
        let mut released = Released::new(hosts.iter().map(|host| (host.addr, vec![Kept::whole(host)], None)).collect());
        let mut told = Vec::new();
        let mut before = |addr: &str| {
            released.before(addr.parse().ok(), |host, _| told.push(host));
            told.len()
        };
        assert_eq!(["10.0.0.255", "10.0.1.0", "10.0.1.1", "2001:db8::ffff", "all"].map(&mut before), [0, 1, 1, 2, 3]);
        assert_eq!(told, [2, 0, 1].map(|place| hosts[place].clone()));
    }

    #[test]
    fn a_host_of_any_kind_is_kept() {
        for addr in ["10.0.0.255", "2001:db8::ffff"] {
            let host = down_host(addr.parse().unwrap(), 7);
            assert_eq!(Kept::of(Settled::Whole(host.clone())).host(host.addr), Some(host));
        }
        let elsewhere = Finding {
            target: Target { addr: "2001:db8::1".parse().unwrap(), port: 443 },
            outcome: OPEN,
            ttl: Some(60),
            window: Some(512),
            rtt: Some(Duration::from_micros(7)),
            attempt: 1,
            time: Time::ZERO,
        };
        let kept = Kept::of(Settled::Lone(elsewhere, None));
        assert_eq!(kept.host(elsewhere.target.addr), Some(lone_host(elsewhere, None)));
    }
}
