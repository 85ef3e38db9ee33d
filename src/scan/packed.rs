//! Findings and hosts in as few bytes as hold them exactly: so millions of them wait in memory to be told, and so a journal holds many.
//!
//! Numbers are little-endian in groups of seven bits, the highest bit of a byte saying that more follow (LEB128); what is not known takes no
//! byte but a bit. A finding takes some 20 bytes, a host without ports a dozen.

mod tail;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::outcome::{Finding, Outcome, Reason, State};
use super::record::{HostRecord, HostState};
use super::suspicion::Suspicion;
use crate::packet::MacAddr;
use crate::target::Target;
use crate::time::Time;
use tail::Tail;

/// A value that is packed into bytes and taken out of them again as it was.
pub trait Packed: Sized {
    /// Appends it.
    fn pack(&self, bytes: &mut Vec<u8>);
    /// Takes one off the front of `bytes`; `None` if none stands there.
    fn unpack(bytes: &mut &[u8]) -> Option<Self>;
}

/// All that were packed one after the other, up to the first that is none.
pub fn unpacked<P: Packed>(mut bytes: &[u8]) -> impl Iterator<Item = P> {
    std::iter::from_fn(move || P::unpack(&mut bytes))
}

impl Packed for Finding {
    fn pack(&self, bytes: &mut Vec<u8>) {
        let Self { target, outcome, ttl, window, rtt, attempt, time } = *self;
        let known = [(ttl.is_some(), TTL), (window.is_some(), WINDOW), (rtt.is_some(), RTT), (outcome.reason_addr.is_some(), REASON_ADDR)];
        let mut tail = Tail::of(bytes);
        tail.put([bits(known), attempt]);
        tail.addr(target.addr);
        tail.put(target.port.to_le_bytes());
        tail.put([(outcome.state as u8) << 6 | outcome.reason as u8]);
        if let Some(addr) = outcome.reason_addr {
            tail.addr(addr);
        }
        if let Some(ttl) = ttl {
            tail.put([ttl]);
        }
        if let Some(window) = window {
            tail.put(window.to_le_bytes());
        }
        if let Some(rtt) = rtt {
            tail.span(rtt);
        }
        tail.number(time.as_nanos());
        tail.end();
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let [known, attempt] = take(bytes)?;
        let target = Target { addr: take_addr(bytes)?, port: u16::from_le_bytes(take(bytes)?) };
        let [code] = take(bytes)?;
        let (state, reason) = (*STATES.get(usize::from(code >> 6))?, *Reason::ALL.get(usize::from(code & 63))?);
        let reason_addr = if known & REASON_ADDR == 0 { None } else { Some(take_addr(bytes)?) };
        let ttl = if known & TTL == 0 { None } else { Some(take::<1>(bytes)?[0]) };
        let window = if known & WINDOW == 0 { None } else { Some(u16::from_le_bytes(take(bytes)?)) };
        let rtt = if known & RTT == 0 { None } else { Some(take_span(bytes)?) };
        let time = Time::from_nanos(number(bytes)?);
        Some(Self { target, outcome: Outcome { state, reason, reason_addr }, ttl, window, rtt, attempt, time })
    }
}

const TTL: u8 = 1;
const WINDOW: u8 = 2;
const RTT: u8 = 4;
const REASON_ADDR: u8 = 8;

impl Packed for u64 {
    fn pack(&self, bytes: &mut Vec<u8>) {
        if *self < 0x80 {
            return bytes.push(*self as u8);
        }
        let mut tail = Tail::of(bytes);
        tail.number(*self);
        tail.end();
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        number(bytes)
    }
}

impl Packed for HostRecord {
    fn pack(&self, bytes: &mut Vec<u8>) {
        pack_host(self, &self.ports, bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let [known, state, reason] = take(bytes)?;
        let (state, reason) = (*HOST_STATES.get(usize::from(state))?, *Reason::ALL.get(usize::from(reason))?);
        let addr = take_addr(bytes)?;
        let mac = if known & MAC == 0 { None } else { Some(MacAddr(take(bytes)?)) };
        let rtt = if known & RTT == 0 { None } else { Some(take_span(bytes)?) };
        let names = many(bytes, |bytes| {
            let len = usize::try_from(number(bytes)?).ok()?;
            let (name, rest) = bytes.split_at_checked(len)?;
            *bytes = rest;
            String::from_utf8(name.to_vec()).ok()
        })?;
        let count = number(bytes)?;
        // Room for those that can be there, whatever their number claims.
        let mut ports = Vec::with_capacity(count.min((bytes.len() / LEAST_FINDING) as u64) as usize);
        for _ in 0..count {
            ports.push(Finding::unpack(bytes)?);
        }
        let mut counts = || -> Option<BTreeMap<Reason, u64>> {
            many(bytes, |bytes| Some((*Reason::ALL.get(usize::from(take::<1>(bytes)?[0]))?, number(bytes)?)))
        };
        let (closed, filtered) = (counts()?, counts()?);
        let (unanswered, not_probed) = (number(bytes)?, number(bytes)?);
        let suspect = if known & SUSPECT == 0 { None } else { Some(take_suspicion(bytes)?) };
        Some(Self { addr, state, reason, mac, names, rtt, ports, closed, filtered, unanswered, not_probed, suspect })
    }
}

impl HostRecord {
    /// As [`Packed::pack`] packs it, without its ports.
    pub(crate) fn pack_without_ports(&self, bytes: &mut Vec<u8>) {
        pack_host(self, &[], bytes);
    }
}

fn pack_host(host: &HostRecord, ports: &[Finding], bytes: &mut Vec<u8>) {
    let HostRecord { addr, state, reason, mac, names, rtt, closed, filtered, unanswered, not_probed, suspect, .. } = host;
    let known = bits([(rtt.is_some(), RTT), (mac.is_some(), MAC), (suspect.is_some(), SUSPECT)]);
    let mut tail = Tail::of(bytes);
    tail.put([known, *state as u8, *reason as u8]);
    tail.addr(*addr);
    if let Some(mac) = mac {
        tail.put(mac.0);
    }
    if let Some(rtt) = rtt {
        tail.span(*rtt);
    }
    tail.number(names.len() as u64);
    for name in names {
        tail.number(name.len() as u64);
        tail.whole().extend(name.as_bytes());
    }
    tail.number(ports.len() as u64);
    for port in ports {
        port.pack(tail.whole());
    }
    for counts in [closed, filtered] {
        tail.number(counts.len() as u64);
        for (reason, count) in counts {
            tail.put([*reason as u8]);
            tail.number(*count);
        }
    }
    tail.number(*unanswered);
    tail.number(*not_probed);
    match *suspect {
        None => {}
        Some(Suspicion::ControlPorts) => tail.put([0]),
        Some(Suspicion::ZeroWindow(ports)) => {
            tail.put([1]);
            tail.number(ports);
        }
        Some(Suspicion::UniformRange { neighbours, ttl, window }) => {
            tail.put([2, ttl]);
            tail.put(window.to_le_bytes());
            tail.number(neighbours);
        }
    }
    tail.end();
}

const MAC: u8 = 16;
const SUSPECT: u8 = 32;
/// Bytes of a finding of which nothing is known but what every one has.
const LEAST_FINDING: usize = 11;

fn take_suspicion(bytes: &mut &[u8]) -> Option<Suspicion> {
    Some(match take(bytes)? {
        [0] => Suspicion::ControlPorts,
        [1] => Suspicion::ZeroWindow(number(bytes)?),
        [2] => {
            let [ttl, low, high] = take(bytes)?;
            Suspicion::UniformRange { neighbours: number(bytes)?, ttl, window: u16::from_le_bytes([low, high]) }
        }
        _ => return None,
    })
}

/// So many as the next number says.
fn many<T, C: FromIterator<T>>(bytes: &mut &[u8], mut one: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<C> {
    (0..number(bytes)?).map(|_| one(bytes)).collect()
}

/// The bits of what holds.
fn bits<const N: usize>(all: [(bool, u8); N]) -> u8 {
    all.into_iter().filter(|(holds, _)| *holds).fold(0, |bits, (_, bit)| bits | bit)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_span(bytes: &mut &[u8]) -> Option<Duration> {
    number(bytes).map(Duration::from_nanos)
}

fn take_addr(bytes: &mut &[u8]) -> Option<IpAddr> {
    Some(match take(bytes)? {
        [4] => Ipv4Addr::from(take::<4>(bytes)?).into(),
        [6] => Ipv6Addr::from(take::<16>(bytes)?).into(),
        _ => return None,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

const STATES: [State; 3] = [State::Open, State::Closed, State::Filtered];
const HOST_STATES: [HostState; 5] = [HostState::Up, HostState::Down, HostState::Filtered, HostState::NoReply, HostState::NotProbed];

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn reason() -> impl Strategy<Value = Reason> {
        select(&Reason::ALL[..])
    }

    fn span() -> impl Strategy<Value = Duration> {
        any::<u64>().prop_map(Duration::from_nanos)
    }

    fn finding() -> impl Strategy<Value = Finding> {
        let outcome = (select(&STATES[..]), reason(), of(any::<IpAddr>()));
        (any::<(IpAddr, u16)>(), outcome, any::<(Option<u8>, Option<u16>, u8, u64)>(), of(span())).prop_map(
            |((addr, port), (state, reason, reason_addr), (ttl, window, attempt, time), rtt)| Finding {
                target: Target { addr, port },
                outcome: Outcome { state, reason, reason_addr },
                ttl,
                window,
                rtt,
                attempt,
                time: Time::from_nanos(time),
            },
        )
    }

    fn suspicion() -> impl Strategy<Value = Suspicion> {
        prop_oneof![
            Just(Suspicion::ControlPorts),
            any::<u64>().prop_map(Suspicion::ZeroWindow),
            any::<(u64, u8, u16)>().prop_map(|(neighbours, ttl, window)| Suspicion::UniformRange { neighbours, ttl, window }),
        ]
    }

    fn host() -> impl Strategy<Value = HostRecord> {
        let about = (any::<IpAddr>(), select(&HOST_STATES[..]), reason(), any::<Option<[u8; 6]>>(), vec(".{0,6}", 0..3), of(span()));
        let counts = || btree_map(reason(), any::<u64>(), 0..3);
        (about, vec(finding(), 0..4), counts(), counts(), any::<(u64, u64)>(), of(suspicion())).prop_map(
            |((addr, state, reason, mac, names, rtt), ports, closed, filtered, (unanswered, not_probed), suspect)| HostRecord {
                addr,
                state,
                reason,
                mac: mac.map(MacAddr),
                names,
                rtt,
                ports,
                closed,
                filtered,
                unanswered,
                not_probed,
                suspect,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(findings in vec(finding(), 0..4), hosts in vec(host(), 0..4)) {
            let mut bytes = Vec::new();
            for finding in &findings {
                finding.pack(&mut bytes);
            }
            prop_assert_eq!(unpacked::<Finding>(&bytes).collect::<Vec<_>>(), findings);
            bytes.clear();
            for host in &hosts {
                host.pack(&mut bytes);
            }
            prop_assert_eq!(unpacked::<HostRecord>(&bytes).collect::<Vec<_>>(), hosts);
        }

        #[test]
        fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(unpacked::<Finding>(&bytes).count() <= bytes.len());
            prop_assert!(unpacked::<HostRecord>(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn every_word_has_a_place_of_its_own() {
        assert_eq!(Reason::ALL.map(|reason| reason as usize), std::array::from_fn(|place| place));
        assert_eq!(STATES.map(|state| state as usize), [0, 1, 2]);
        assert_eq!(HOST_STATES.map(|state| state as usize), [0, 1, 2, 3, 4]);
    }
}
