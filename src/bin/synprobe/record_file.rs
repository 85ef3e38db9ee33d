//! A file that only ever holds whole records.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// Takes a record per `write`. One that does not fit (the disk is full) is taken back as a whole, so that the file stays valid
/// and the next record begins where it should.
#[derive(Debug)]
pub(crate) struct RecordFile {
    file: File,
    /// How much of a regular file is good; `None` for a device or a pipe, from which nothing can be taken back.
    kept: Option<u64>,
}

impl RecordFile {
    /// Records from where `file` stands.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let kept = if file.metadata()?.is_file() { Some(file.stream_position()?) } else { None };
        Ok(Self { file, kept })
    }
}

impl Write for RecordFile {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let written = self.file.write_all(record);
        match (&written, &mut self.kept) {
            (Ok(()), Some(kept)) => *kept += record.len() as u64,
            (Err(_), Some(kept)) => {
                self.file.set_len(*kept)?;
                self.file.seek(SeekFrom::Start(*kept))?;
            }
            _ => {}
        }
        written.map(|()| record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
