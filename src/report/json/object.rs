//! A record written field by field into a buffer, for those of which there are millions: a port's and a host's.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::line::visible;
use crate::report::digits;

/// A JSON object under way. Keys and words are the format's own, so they need no escape; where a key is written is known when this is
/// compiled, so that it costs no call.
pub(super) struct Object<'a>(&'a mut Vec<u8>);

impl<'a> Object<'a> {
    /// Begins a record of this type.
    pub(super) fn begin(line: &'a mut Vec<u8>, kind: &str) -> Self {
        line.extend(b"{\"type\":\"");
        line.extend(kind.as_bytes());
        line.push(b'"');
        Self(line)
    }

    #[inline]
    pub(super) fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend(word.as_bytes());
        self.0.push(b'"');
    }

    #[inline]
    pub(super) fn address(&mut self, key: &str, addr: IpAddr) {
        self.key(key);
        self.0.push(b'"');
        digits::address(self.0, addr);
        self.0.push(b'"');
    }

    #[inline]
    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        digits::number(self.0, number);
    }

    #[inline]
    pub(super) fn seconds(&mut self, key: &str, span: Duration) {
        self.key(key);
        digits::seconds(self.0, span);
    }

    /// A text from elsewhere.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        visible(self.0, text);
    }

    /// A text of ours that is put together.
    pub(super) fn words(&mut self, key: &str, words: impl Display) {
        self.key(key);
        // Memory takes every byte.
        _ = write!(self.0, "\"{words}\"");
    }

    /// Texts from elsewhere.
    pub(super) fn texts(&mut self, key: &str, texts: &[String]) {
        self.key(key);
        self.0.push(b'[');
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                self.0.push(b',');
            }
            visible(self.0, text);
        }
        self.0.push(b']');
    }

    /// An object of its own.
    pub(super) fn within(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        self.0.push(b'{');
        fill(&mut Object(self.0));
        self.0.push(b'}');
    }

    /// Ends it, with the user's note, and its line.
    pub(super) fn end(mut self, note: Option<&str>) {
        if let Some(note) = note {
            self.text("note", note);
        }
        self.0.extend(b"}\n");
    }

    #[inline]
    fn key(&mut self, key: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend(key.as_bytes());
        self.0.extend(b"\":");
    }
}
