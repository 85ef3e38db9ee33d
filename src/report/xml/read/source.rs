//! What a document is read from: it counts lines, and gives no element more memory than one can need.

use std::io::{self, BufRead, Read};

/// A reader under the parser.
pub(super) struct Source<'a> {
    input: &'a mut dyn BufRead,
    /// Line feeds so far.
    lines: u64,
    /// Bytes since the last mark.
    since: u64,
}

/// A port list of 65,535 numbers is a third of a megabyte.
const LONGEST: u64 = 16 << 20;

impl<'a> Source<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, lines: 0, since: 0 }
    }

    /// Something new begins here; the number of its line.
    pub(super) fn mark(&mut self) -> u64 {
        self.since = 0;
        self.lines + 1
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since > LONGEST {
            return Err(io::Error::other("a piece of it is longer than any of nmap's"));
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(available) = self.input.fill_buf() {
            self.lines += available.iter().take(count).filter(|byte| **byte == b'\n').count() as u64;
        }
        self.since += count as u64;
        self.input.consume(count);
    }
}
