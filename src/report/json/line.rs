//! A record as one line of JSON that is safe to show on a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::record::Record;
use crate::report::escape::is_unsafe;

/// Appends the record with the user's note, and a line feed.
pub(super) fn append(line: &mut Vec<u8>, record: &Record<'_>, note: Option<&str>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Noted<'a> {
        #[serde(flatten)]
        record: &'a Record<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
    }
    append_value(line, &Noted { record, note })
}

/// Appends a value on a line of its own.
pub(in crate::report) fn append_value(line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *line, Visible)).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(())
}

/// Appends a text as a string.
pub(super) fn visible(line: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        line.push(b'"');
        line.extend(text.as_bytes());
        line.push(b'"');
        return;
    }
    // Memory takes every byte.
    _ = text.serialize(&mut Serializer::with_formatter(line, Visible));
}

/// Compact JSON whose strings hold no character that acts instead of being seen.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = tail.chars();
            let mut units = [0; 2];
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_are_kept_and_made_visible(text in "(\\PC|\\p{C}|[\u{0}-\u{a0}]|[\u{2000}-\u{206f}]|[\"\\\\]|[\u{e0000}-\u{e007f}]){0,40}") {
            let mut line = Vec::new();
            visible(&mut line, &text);
            let line = String::from_utf8(line).unwrap();
            prop_assert!(!line.chars().any(is_unsafe), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
