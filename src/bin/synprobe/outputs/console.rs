//! Writers and how text looks on them.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::ProgressBar;

use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Colour, Live, Style};

use super::open::{Made, Sink};
use super::part::Part;
use crate::args::{ColorArg, SinkArgs};
use crate::record_file::RecordFile;

/// An output that is written in order.
pub(super) struct Stream {
    pub(super) out: Box<dyn Write + Send>,
    pub(super) style: Style,
    /// The file that was made for it.
    pub(super) made: Made,
    /// Its file, while it is not complete.
    pub(super) part: Option<Part>,
}

impl Stream {
    /// What is written to `sink`, which is called `name`; on the terminal above `bar`. `None` if that is a database.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn to(sink: Sink, name: &str, args: &SinkArgs, bar: &ProgressBar) -> Result<Option<Self>> {
        let in_file = |under_way, made, part| Ok(Some(Self { out: file(under_way, name)?, style: file_style(args), made, part }));
        match sink {
            Sink::Database(..) => Ok(None),
            Sink::Stdout => Ok(Some(Self { out: stdout(bar), style: stdout_style(args), made: Made::default(), part: None })),
            Sink::Stream(file, made) => in_file(file, made, None),
            Sink::Part(part) => {
                let file = part.file().try_clone().map_err(|cause| Error::io("write", name, cause))?;
                in_file(file, Made::default(), Some(part))
            }
        }
    }
}

/// Whole records into a file.
fn file(file: File, name: &str) -> Result<Box<dyn Write + Send>> {
    let file = RecordFile::new(file).map_err(|cause| Error::io("write", name, cause).of_kind(Kind::Asked))?;
    Ok(Box::new(file))
}

/// Text in a file is plain.
fn file_style(args: &SinkArgs) -> Style {
    Style { reasons: args.reason, ..Style::default() }
}

/// Standard output, above the progress line.
fn stdout(bar: &ProgressBar) -> Box<dyn Write + Send> {
    Box::new(Stdout { bar: bar.clone() })
}

/// Text on standard output is for whoever watches.
fn stdout_style(args: &SinkArgs) -> Style {
    let watched = io::stdout().is_terminal();
    let plain = |name: &str, means: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| means(&value));
    let colour = match args.color {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => watched && !plain("NO_COLOR", |value| !value.is_empty()) && !plain("TERM", |value| value == "dumb"),
    };
    Style {
        colour: if colour { Colour::Ansi } else { Colour::None },
        live: if watched { Live::Yes } else { Live::No },
        reasons: args.reason,
    }
}

struct Stdout {
    bar: ProgressBar,
}

impl Write for Stdout {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let write = || {
            let mut stdout = io::stdout().lock();
            let mut rest = record;
            while !rest.is_empty() {
                match when_ready(|| stdout.write(rest))? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    taken => rest = &rest[taken..],
                }
            }
            when_ready(|| stdout.flush())
        };
        self.bar.suspend(write).map(|()| record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Does it again while the other end of standard output has no room and whoever started us made that an error: the program waits for its reader.
fn when_ready<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(1);
