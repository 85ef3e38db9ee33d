//! Whole records, gathered so that many of them leave in one call.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

/// Takes records, each whole, and hands them to an output: when there are enough of them, and when it is flushed. So a flood of findings
/// costs few system calls, a trickle waits for nothing, and what the output gets in one `write` always ends after a record.
pub(super) struct Gathered<W = Box<dyn Write + Send>> {
    out: W,
    waiting: Vec<u8>,
    records: u64,
}

impl<W: Write> Gathered<W> {
    /// None so far.
    pub(super) fn new(out: W) -> Self {
        Self { out, waiting: Vec::new(), records: 0 }
    }

    /// Takes the record that `append` appends.
    pub(super) fn record(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        append(&mut self.waiting);
        self.records += 1;
        if self.waiting.len() < ENOUGH { Ok(()) } else { self.hand_over() }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let records = std::mem::take(&mut self.records);
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(&self.waiting);
        self.waiting.clear();
        written.map_err(|cause| io::Error::new(cause.kind(), Unwritten { records, cause }))
    }
}

impl<W: Write> Write for Gathered<W> {
    /// Takes a record.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.record(|waiting| waiting.extend(record)).map(|()| record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()?;
        self.out.flush()
    }
}

/// How many records an output could not take, by the error that it failed with.
pub fn records_lost(error: &io::Error) -> u64 {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Unwritten>()).map_or(1, |unwritten| unwritten.records)
}

/// Records were gathered and could not be written.
#[derive(Debug)]
struct Unwritten {
    records: u64,
    cause: io::Error,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Unwritten {}

/// Bytes that are worth a call.
const ENOUGH: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many calls, then is full.
    struct Disk {
        calls: Vec<Vec<u8>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.calls.len() == self.room {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "full"));
            }
            self.calls.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_leaves_in_few_calls_each_of_whole_records() {
        let mut gathered = Gathered::new(Disk { calls: Vec::new(), room: usize::MAX });
        let records: Vec<String> = (0..20_000).map(|number| format!("record {number}\n")).collect();
        for record in &records {
            gathered.write_all(record.as_bytes()).unwrap();
        }
        gathered.flush().unwrap();
        let calls = gathered.out.calls;
        assert!(calls.len() < 6 && calls.iter().all(|call| call.ends_with(b"\n")), "{} calls", calls.len());
        assert_eq!(calls.concat(), records.concat().as_bytes());
    }

    #[test]
    fn a_trickle_leaves_when_it_is_flushed() {
        let mut gathered = Gathered::new(Disk { calls: Vec::new(), room: usize::MAX });
        gathered.flush().unwrap();
        gathered.write_all(b"one\n").unwrap();
        assert_eq!(gathered.out.calls.len(), 0);
        gathered.flush().unwrap();
        assert_eq!(gathered.out.calls, [b"one\n"]);
    }

    #[test]
    fn what_is_lost_is_counted_once() {
        let mut gathered = Gathered::new(Disk { calls: Vec::new(), room: 1 });
        gathered.write_all(b"written\n").unwrap();
        gathered.flush().unwrap();
        (0..3).for_each(|_| gathered.write_all(b"lost\n").unwrap());
        let failed = gathered.flush().unwrap_err();
        assert_eq!((records_lost(&failed), failed.kind(), failed.to_string()), (3, io::ErrorKind::StorageFull, "full".to_owned()));
        gathered.flush().unwrap();
        assert_eq!(records_lost(&io::Error::other("any other")), 1);
    }
}
