//! Questions to families of generic netlink, each answered in one message.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

/// A family, by the number it has since the machine started.
pub(super) struct Family {
    socket: Socket,
    number: u16,
}

impl Family {
    /// The family of this name, which ends with a zero; `None` where the kernel has none.
    pub(super) fn named(name: &[u8]) -> io::Result<Option<Self>> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut control = Self { socket, number: CONTROL };
        let answer = control.ask(GET_FAMILY, FAMILY_NAME, name)?;
        let number = attribute(&answer, FAMILY_ID).and_then(|number| number.first_chunk());
        Ok(number.map(|number| Self { number: u16::from_ne_bytes(*number), ..control }))
    }

    /// The attributes of the answer to a command with one attribute; none if the kernel says no.
    pub(super) fn ask(&mut self, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
        let mut body = vec![command, 1, 0, 0];
        body.extend(attribute_of(kind, value));
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(self.number.to_ne_bytes());
        message.extend(REQUEST.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        self.socket.send(&message, 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let kind = answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
        Ok(if kind == Some(ERROR) { Vec::new() } else { answer.get(HEADER + GENERIC..).unwrap_or_default().to_vec() })
    }
}

/// An attribute as it stands in a message, padded.
pub(super) fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((ATTRIBUTE + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of this number.
pub(super) fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
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

/// Of the kind of an attribute that holds attributes.
pub(super) const NESTED: u16 = 0x8000;
/// Without the flags of nesting and byte order.
const KIND: u16 = 0x3fff;
const HEADER: usize = 16;
const GENERIC: usize = 4;
const ATTRIBUTE: usize = 4;
const REQUEST: u16 = 1;
const ERROR: u16 = 2;

// The family that tells of the others.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_attribute_is_found_among_others(before: (u16, Vec<u8>), wanted in 0..KIND, value: Vec<u8>) {
            let before = attribute_of(if before.0 & KIND == wanted { wanted + 1 } else { before.0 }, &before.1);
            let all = [before.clone(), attribute_of(wanted | NESTED, &value)].concat();
            prop_assert_eq!(attribute(&all, wanted), Some(&value[..]));
            prop_assert_eq!(attribute(&before, wanted), None);
        }

        #[test]
        fn no_answer_panics_or_loops(bytes in proptest::collection::vec(any::<u8>(), 0..64), wanted in any::<u16>()) {
            let _ = attribute(&bytes, wanted);
        }
    }
}
