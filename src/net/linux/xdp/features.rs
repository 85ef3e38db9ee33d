//! What a driver can do, asked before anything is attached (`netdev` family of generic netlink, Linux 6.3).

use std::io;

use super::generic::{Family, NESTED, attribute, attribute_of};
use super::object::{INSTEAD, NOT_NATIVE};
use crate::error::{Error, Result};

/// Refuses, with the reason, an interface that cannot carry the engine as far as that can be known beforehand.
pub(super) fn check(name: &str, index: u32) -> Result<()> {
    let refused = |cause: String| Err(Error::machine("use XDP on", name, cause).hint(INSTEAD));
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if version(&release).is_some_and(|version| version < OLDEST) {
        return refused(format!("the kernel is {}, and live frames came with 5.18", release.trim()));
    }
    // A kernel that does not say leaves it to be tried.
    match features(index) {
        Ok(Some(has)) if has & NATIVE != NATIVE => refused(NOT_NATIVE.to_owned()),
        Ok(Some(has)) if has & TRANSMIT == 0 => refused(
            "its driver does not send XDP frames now (ndo_xdp_xmit; a veth does once it has GRO or the other end a program)".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The bits of `NETDEV_XDP_ACT_…` of the interface numbered `index`; `None` where the kernel does not know the question.
fn features(index: u32) -> io::Result<Option<u64>> {
    let Some(mut family) = Family::named(b"netdev\0")? else { return Ok(None) };
    let device = family.ask(GET_DEVICE, DEVICE_INDEX, &index.to_ne_bytes())?;
    Ok(attribute(&device, FEATURES).and_then(|bits| bits.first_chunk()).map(|bits| u64::from_ne_bytes(*bits)))
}

/// Queues that the interface numbered `index` sends from, as far as its driver says (`ethtool` family, Linux 5.7): 1 where it does not.
pub(super) fn queues(index: u32) -> usize {
    sending_channels(index).ok().flatten().map_or(1, |count| count as usize)
}

fn sending_channels(index: u32) -> io::Result<Option<u32>> {
    let Some(mut family) = Family::named(b"ethtool\0")? else { return Ok(None) };
    let device = attribute_of(HEADER_DEVICE_INDEX, &index.to_ne_bytes());
    let channels = family.ask(GET_CHANNELS, CHANNELS_HEADER | NESTED, &device)?;
    let count = |kind| attribute(&channels, kind).and_then(|count| count.first_chunk()).map_or(0, |count| u32::from_ne_bytes(*count));
    let count = [SENDING_CHANNELS, COMBINED_CHANNELS].into_iter().fold(0_u32, |sum, kind| sum.saturating_add(count(kind)));
    Ok(Some(count).filter(|&count| count > 0))
}

const OLDEST: (u32, u32) = (5, 18);
/// `NETDEV_XDP_ACT_BASIC` and `NETDEV_XDP_ACT_REDIRECT`.
const NATIVE: u64 = 1;
/// `NETDEV_XDP_ACT_NDO_XMIT`.
const TRANSMIT: u64 = 4;

// Of the `netdev` family.
const GET_DEVICE: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const FEATURES: u16 = 3;

// Of the `ethtool` family.
const GET_CHANNELS: u8 = 17;
const CHANNELS_HEADER: u16 = 1;
const HEADER_DEVICE_INDEX: u16 = 1;
const SENDING_CHANNELS: u16 = 7;
const COMBINED_CHANNELS: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(version("6.18.44-custom #1\n"), Some((6, 18)));
        assert_eq!(version("5.4"), Some((5, 4)));
        assert!(version("5.17.0").unwrap() < OLDEST && version("5.18-rc1").unwrap() >= OLDEST);
        assert_eq!(version(""), None);
    }
}
