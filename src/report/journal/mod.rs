//! The journal of a scan: its JSON lines, and between them what a scan that was killed needs to be taken up again.
//!
//! Lines of the types that [`Json`](super::Json) writes mean the same here. Beside them stand:
//!
//! | type | holds |
//! |---|---|
//! | `journal` | once, after `scan`: what decides the scan as it was resolved, so that nothing is asked of a name server or a file again |
//! | `stage` | a part of the scan begins: its hosts and ports, and by how many senders it is shared |
//! | `answered` | targets that answered and have no line of their own, by reason: their indices in the stage, a Roaring bitmap in base64 |
//! | `packed` | findings and hosts of a flood, in order, instead of a line each: bytes in base64, see [`Packed`](crate::scan::Packed) |
//! | `pass` | a pass over silent targets begins: the blocks it asks, as a bitmap |
//! | `knowledge` | what canaries have shown, and of each block that has changed what is known |
//! | `progress` | the end of what belongs together, some twenty times a second: places, counts, and the BLAKE3 digest of all bytes before its line |
//!
//! The cookie key is never written: whoever reads a journal cannot forge an answer. What stands after the last `progress` line was being
//! written when the scan was killed, and is asked again.

mod bits;
mod line;
pub(super) mod packed;
mod read;
mod spaces;
mod write;

use std::path::PathBuf;

pub use read::{JournalReading, read_journal};
pub(super) use spaces::Spaces;
pub use write::Journal;

use crate::target::{AddressSet, PortSet, Target};

/// What decides a scan, as it was resolved when it began.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Where the command was given: its paths begin there.
    pub directory: PathBuf,
    /// What is probed, exclusions taken out.
    pub addresses: AddressSet,
    /// Of these, those named singly.
    pub named: AddressSet,
    /// Ports of each.
    pub ports: PortSet,
    /// A target known to answer.
    pub canary: Option<Target>,
    /// Names that did not resolve.
    pub unresolved: u64,
    /// Files that targets and exclusions were read from, with the digests of what they held.
    pub inputs: Vec<(PathBuf, String)>,
}

impl Order {
    /// The digest of a file that targets were read from: BLAKE3 in hexadecimal digits.
    pub fn digest(content: &[u8]) -> String {
        blake3::hash(content).to_string()
    }
}

#[cfg(test)]
mod tests;
