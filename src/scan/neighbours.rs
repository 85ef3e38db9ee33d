//! Hardware addresses of on-link targets and gateways, as they become known; shared without a lock.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::packet::MacAddr;
use crate::target::AddressSet;
use crate::time::Time;

/// A neighbour to be asked for by ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Number of the link.
    pub link: usize,
    /// Our address there: the sender of the request.
    pub source: Ipv4Addr,
    /// Our hardware address there.
    pub source_mac: MacAddr,
    /// The neighbour.
    pub addr: Ipv4Addr,
}

/// What an ARP frame brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing: nobody we look for, or known before.
    None,
    /// A neighbour not asked for yet.
    Unasked,
    /// A neighbour, so long after the last request.
    Answer(Duration),
}

/// What is known of each neighbour.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// On-link targets.
    onlink: AddressSet,
    gateways: Vec<Wanted>,
    /// Gateways first, then on-link targets by number.
    entries: Vec<AtomicU64>,
}

impl Neighbours {
    /// Nothing is known of `gateways` and `onlink` yet.
    pub fn new(gateways: Vec<Wanted>, onlink: AddressSet) -> Self {
        let mut entries = Vec::new();
        entries.resize_with(gateways.len() + onlink.len() as usize, AtomicU64::default);
        Self { onlink, gateways, entries }
    }

    /// The gateways.
    pub fn gateways(&self) -> &[Wanted] {
        &self.gateways
    }

    /// The on-link targets.
    pub fn onlink(&self) -> &AddressSet {
        &self.onlink
    }

    /// Entries: gateways first, then on-link targets.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether nobody is asked for.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The on-link address of an entry; `None` for a gateway's.
    pub fn onlink_addr(&self, entry: u64) -> Option<Ipv4Addr> {
        match self.onlink.nth(entry.checked_sub(self.gateways.len() as u64)?)? {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        }
    }

    /// A gateway's hardware address.
    pub fn gateway(&self, number: usize) -> Option<MacAddr> {
        known(self.entries.get(number)?.load(Ordering::Relaxed))
    }

    /// An on-link target's hardware address.
    #[inline]
    pub fn mac(&self, addr: Ipv4Addr) -> Option<MacAddr> {
        let number = self.onlink.position(addr.into())?;
        known(self.entries[self.gateways.len() + number as usize].load(Ordering::Relaxed))
    }

    /// Whether an entry is known.
    pub fn is_known(&self, entry: u64) -> bool {
        known(self.entries[entry as usize].load(Ordering::Relaxed)).is_some()
    }

    /// An entry is asked for now.
    pub fn asked(&self, entry: u64, now: Time) {
        let asked = (now.as_nanos() / 1000).clamp(1, KNOWN - 1);
        let _ = self.entries[entry as usize].try_update(Ordering::Relaxed, Ordering::Relaxed, |old| (old & KNOWN == 0).then_some(asked));
    }

    /// `addr` on `link` is at `mac`.
    pub fn learn(&self, link: usize, addr: Ipv4Addr, mac: MacAddr, now: Time) -> News {
        let gateways = self.gateways.iter().enumerate().filter(|(_, gateway)| gateway.link == link && gateway.addr == addr);
        let onlink = self.onlink.position(addr.into()).map(|number| self.gateways.len() + number as usize);
        let entries = gateways.map(|(number, _)| number).chain(onlink);
        entries.map(|entry| self.put(entry, mac, now)).fold(News::None, |news, more| if news == News::None { more } else { news })
    }

    fn put(&self, entry: usize, mac: MacAddr, now: Time) -> News {
        let [a, b, c, d, e, f] = mac.0;
        let value = KNOWN | u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        match self.entries[entry].try_update(Ordering::Relaxed, Ordering::Relaxed, |old| (old & KNOWN == 0).then_some(value)) {
            Err(_) => News::None,
            Ok(0) => News::Unasked,
            Ok(asked) => News::Answer(now.since(Time::from_nanos(asked * 1000))),
        }
    }

    /// On-link targets that are known, ascending.
    pub fn known(&self) -> impl Iterator<Item = (Ipv4Addr, MacAddr)> + '_ {
        let base = self.gateways.len();
        (base..self.entries.len()).filter_map(move |entry| {
            let mac = known(self.entries[entry].load(Ordering::Relaxed))?;
            Some((self.onlink_addr(entry as u64)?, mac))
        })
    }
}

fn known(entry: u64) -> Option<MacAddr> {
    (entry & KNOWN != 0).then(|| {
        let [_, _, a, b, c, d, e, f] = entry.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    })
}

/// Set: the entry holds a hardware address; clear: microseconds of the last request, or zero.
const KNOWN: u64 = 1 << 63;
