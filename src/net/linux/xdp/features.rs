//! What a driver can do, asked before anything is attached (`netdev` family of generic netlink, Linux 6.3).

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

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
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let family = ask(&socket, &Question { kind: CONTROL, command: GET_FAMILY, attribute: FAMILY_NAME, value: b"netdev\0" })?;
    let Some(family) = attribute(&family, FAMILY_ID).and_then(|id| Some(u16::from_ne_bytes(id.get(..2)?.try_into().ok()?))) else {
        return Ok(None);
    };
    let device = ask(&socket, &Question { kind: family, command: GET_DEVICE, attribute: INDEX, value: &index.to_ne_bytes() })?;
    Ok(attribute(&device, FEATURES).and_then(|bits| Some(u64::from_ne_bytes(bits.get(..8)?.try_into().ok()?))))
}

struct Question<'a> {
    kind: u16,
    command: u8,
    attribute: u16,
    value: &'a [u8],
}

/// The attributes of the answer; none if the kernel says no.
fn ask(socket: &Socket, question: &Question<'_>) -> io::Result<Vec<u8>> {
    let Question { kind, command, attribute, value } = question;
    let mut body = vec![*command, 1, 0, 0];
    body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
    body.extend(attribute.to_ne_bytes());
    body.extend(*value);
    body.resize(body.len().next_multiple_of(4), 0);
    let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let kind = answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
    Ok(if kind == Some(ERROR) { Vec::new() } else { answer.get(HEADER + GENERIC..).unwrap_or_default().to_vec() })
}

/// The value of the first attribute of this number.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & KIND;
        let value = attributes.get(ATTRIBUTE..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

const OLDEST: (u32, u32) = (5, 18);
/// `NETDEV_XDP_ACT_BASIC` and `NETDEV_XDP_ACT_REDIRECT`.
const NATIVE: u64 = 1;
/// `NETDEV_XDP_ACT_NDO_XMIT`.
const TRANSMIT: u64 = 4;

const HEADER: usize = 16;
const GENERIC: usize = 4;
const ATTRIBUTE: usize = 4;
/// Without the flags of nesting and byte order.
const KIND: u16 = 0x3fff;
const REQUEST: u16 = 1;
const ERROR: u16 = 2;
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GET_DEVICE: u8 = 1;
const INDEX: u16 = 1;
const FEATURES: u16 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(version("6.18.44-custom #1\n"), Some((6, 18)));
        assert_eq!(version("5.4"), Some((5, 4)));
        assert!(version("5.17.0").unwrap() < OLDEST && version("5.18-rc1").unwrap() >= OLDEST);
        assert_eq!(version(""), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_loops(bytes in proptest::collection::vec(any::<u8>(), 0..64), wanted in any::<u16>()) {
            let _ = attribute(&bytes, wanted);
        }
    }
}
