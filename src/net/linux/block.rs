//! The frames in a block of a `TPACKET_V3` ring (`linux/if_packet.h`), read without trusting one length or offset in it.

use std::mem::{offset_of, size_of};

use libc::{tpacket_block_desc, tpacket_hdr_v1, tpacket3_hdr};

use crate::packet::Checksums;

/// One frame as the kernel recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Captured<'a> {
    /// From the header the socket asked for on.
    pub(super) bytes: &'a [u8],
    /// Nanoseconds since the Unix epoch.
    pub(super) wall: u64,
    /// Whether the checksum is filled in.
    pub(super) checksums: Checksums,
    /// Frames were dropped before this one.
    pub(super) losing: bool,
}

/// Walks over the frames of a block; it ends at the first header that does not fit the block.
pub(super) struct Frames<'a> {
    block: &'a [u8],
    offset: usize,
    left: u32,
}

impl<'a> Frames<'a> {
    /// The frames of `block`, a whole block with its header.
    pub(super) fn of(block: &'a [u8]) -> Self {
        let left = word(block, BLOCK + offset_of!(tpacket_hdr_v1, num_pkts)).unwrap_or(0);
        let offset = word(block, BLOCK + offset_of!(tpacket_hdr_v1, offset_to_first_pkt)).unwrap_or(0) as usize;
        Self { block, offset, left }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Captured<'a>;

    fn next(&mut self) -> Option<Captured<'a>> {
        self.left = self.left.checked_sub(1)?;
        let record = self.block.get(self.offset..)?;
        if record.len() < size_of::<tpacket3_hdr>() {
            return None;
        }
        let field = |at| word(record, at);
        let status = field(offset_of!(tpacket3_hdr, tp_status))?;
        let start = usize::from(half(record, offset_of!(tpacket3_hdr, tp_mac))?);
        let len = field(offset_of!(tpacket3_hdr, tp_snaplen))? as usize;
        let bytes = record.get(start..start.checked_add(len)?)?;
        let seconds = u64::from(field(offset_of!(tpacket3_hdr, tp_sec))?);
        let nanos = u64::from(field(offset_of!(tpacket3_hdr, tp_nsec))?);
        match field(offset_of!(tpacket3_hdr, tp_next_offset))? {
            // The last frame of a block has no next.
            0 => self.left = 0,
            next => self.offset = self.offset.checked_add(next as usize)?,
        }
        Some(Captured {
            bytes,
            wall: seconds * 1_000_000_000 + nanos,
            checksums: if status & libc::TP_STATUS_CSUMNOTREADY == 0 { Checksums::Verify } else { Checksums::Pending },
            losing: status & libc::TP_STATUS_LOSING != 0,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// Where in a block its own header begins.
const BLOCK: usize = offset_of!(tpacket_block_desc, hdr);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(block: &mut [u8], at: usize, value: u32) {
        block[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// A block as the kernel writes it, each frame behind its header.
    fn block(frames: &[(&[u8], u32)]) -> Vec<u8> {
        let mut block = vec![0; 4096];
        set(&mut block, BLOCK + offset_of!(tpacket_hdr_v1, num_pkts), frames.len() as u32);
        set(&mut block, BLOCK + offset_of!(tpacket_hdr_v1, offset_to_first_pkt), 48);
        let mut at = 48;
        for (i, (bytes, status)) in frames.iter().enumerate() {
            let next = (82 + bytes.len()).next_multiple_of(8);
            set(&mut block, at + offset_of!(tpacket3_hdr, tp_next_offset), if i + 1 == frames.len() { 0 } else { next as u32 });
            set(&mut block, at + offset_of!(tpacket3_hdr, tp_sec), 1_700_000_000);
            set(&mut block, at + offset_of!(tpacket3_hdr, tp_nsec), i as u32);
            set(&mut block, at + offset_of!(tpacket3_hdr, tp_snaplen), bytes.len() as u32);
            set(&mut block, at + offset_of!(tpacket3_hdr, tp_status), *status);
            let mac = at + offset_of!(tpacket3_hdr, tp_mac);
            block[mac..mac + 2].copy_from_slice(&82u16.to_ne_bytes());
            block[at + 82..at + 82 + bytes.len()].copy_from_slice(bytes);
            at += next;
        }
        block
    }

    #[test]
    fn reads_frames_with_time_and_status() {
        let block = block(&[(b"one", libc::TP_STATUS_USER), (b"second", libc::TP_STATUS_CSUMNOTREADY | libc::TP_STATUS_LOSING)]);
        let frames: Vec<_> = Frames::of(&block).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], Captured { bytes: b"one", wall: 1_700_000_000_000_000_000, checksums: Checksums::Verify, losing: false });
        assert_eq!(frames[1], Captured { bytes: b"second", wall: 1_700_000_000_000_000_001, checksums: Checksums::Pending, losing: true });
    }

    #[test]
    fn a_frame_beyond_its_block_ends_the_walk() {
        let mut block = block(&[(b"one", 1), (b"two", 1)]);
        let second = 48 + (82usize + 3).next_multiple_of(8);
        set(&mut block, second + offset_of!(tpacket3_hdr, tp_snaplen), 4096);
        assert_eq!(Frames::of(&block).map(|frame| frame.bytes).collect::<Vec<_>>(), [b"one"]);
    }

    proptest! {
        #[test]
        fn no_block_makes_it_panic_or_run_on(bytes in prop::collection::vec(any::<u8>(), 0..600), packets in any::<u32>(), first in 0..600u32) {
            let mut bytes = bytes;
            if bytes.len() >= 48 {
                set(&mut bytes, BLOCK + offset_of!(tpacket_hdr_v1, num_pkts), packets);
                set(&mut bytes, BLOCK + offset_of!(tpacket_hdr_v1, offset_to_first_pkt), first);
            }
            // Each step goes forward by at least one byte.
            prop_assert!(Frames::of(&bytes).count() <= bytes.len());
        }
    }
}
