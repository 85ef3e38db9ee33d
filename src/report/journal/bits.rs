//! Bitmaps and blocks as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roaring::{RoaringBitmap, RoaringTreemap};

use crate::scan::BlockState;

/// Indices of targets.
pub(super) fn of_targets(targets: &RoaringTreemap) -> String {
    let mut bytes = Vec::with_capacity(targets.serialized_size());
    // Memory takes every byte.
    let _ = targets.serialize_into(&mut bytes);
    STANDARD.encode(bytes)
}

pub(super) fn to_targets(text: &str) -> Result<RoaringTreemap, String> {
    RoaringTreemap::deserialize_from(&to_bytes(text)?[..]).map_err(|error| format!("no bitmap of targets: {error}"))
}

/// Numbers of blocks.
pub(super) fn of_numbers(numbers: impl IntoIterator<Item = u32>) -> String {
    let set: RoaringBitmap = numbers.into_iter().collect();
    let mut bytes = Vec::with_capacity(set.serialized_size());
    let _ = set.serialize_into(&mut bytes);
    STANDARD.encode(bytes)
}

pub(super) fn to_numbers(text: &str) -> Result<RoaringBitmap, String> {
    RoaringBitmap::deserialize_from(&to_bytes(text)?[..]).map_err(|error| format!("no bitmap of blocks: {error}"))
}

/// States of blocks, each in so many bytes: eight little-endian floats, and two numbers.
pub(super) fn of_blocks<'a>(blocks: impl Iterator<Item = &'a BlockState>) -> String {
    let mut bytes = Vec::new();
    for block in blocks {
        let BlockState { missed, missed_upper, hot_before, clean, asked_in, pass } = block;
        [missed, missed_upper, hot_before].into_iter().chain(pass).for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend([*clean, *asked_in]);
    }
    STANDARD.encode(bytes)
}

pub(super) fn to_blocks(text: &str) -> Result<Vec<BlockState>, String> {
    let bytes = to_bytes(text)?;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    if !rest.is_empty() {
        return Err("states of blocks are cut short".to_owned());
    }
    Ok(blocks.iter().map(to_block).collect())
}

fn to_block(bytes: &[u8; BLOCK]) -> BlockState {
    let float = |place: usize| {
        let bytes = [0, 1, 2, 3].map(|byte| bytes[4 * place + byte]);
        Some(f32::from_le_bytes(bytes)).filter(|number| number.is_finite()).unwrap_or_default()
    };
    BlockState {
        missed: float(0),
        missed_upper: float(1),
        hot_before: float(2),
        pass: [3, 4, 5, 6, 7].map(float),
        clean: bytes[32],
        asked_in: bytes[33],
    }
}

const BLOCK: usize = 34;

/// Bytes as they are, appended.
pub(super) fn append_bytes(text: &mut Vec<u8>, bytes: &[u8]) {
    let from = text.len();
    text.resize(from + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut text[from..]);
    debug_assert_eq!(written, Ok(text.len() - from), "three bytes are four digits");
}

pub(super) fn to_bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("no base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let targets = RoaringTreemap::from_iter([1, 5, 1 << 40]);
        assert_eq!(to_targets(&of_targets(&targets)).unwrap(), targets);
        assert_eq!(to_numbers(&of_numbers([7, 3])).unwrap().iter().collect::<Vec<_>>(), [3, 7]);
        let block = BlockState { missed: 0.5, missed_upper: 0.75, hot_before: 0.1, clean: 2, asked_in: 3, pass: [1.0, 2.0, 3.0, 4.0, 5.0] };
        assert_eq!(to_blocks(&of_blocks([block, BlockState::default()].iter())).unwrap(), [block, BlockState::default()]);
        let many: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_be_bytes).collect();
        for bytes in [&[][..], &[7], &[7, 0], &[7, 0, 255], &[0; 100], &many, &many[1..]] {
            let mut text = b"before".to_vec();
            append_bytes(&mut text, bytes);
            assert_eq!(text.strip_prefix(b"before"), Some(STANDARD.encode(bytes).as_bytes()));
        }
    }

    #[test]
    fn what_is_no_bitmap_is_refused() {
        for text in ["", "AAAA", "not base64", "////////"] {
            assert!(to_targets(text).is_err() && to_numbers(text).is_err(), "{text}");
        }
        assert!(to_blocks("AAAA").is_err());
    }
}
