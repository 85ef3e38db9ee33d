//! Writers and how text looks on them.

use std::fs::File;
use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;

use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Colour, Live, Style};

use crate::args::{ColorArg, SinkArgs};
use crate::record_file::RecordFile;

/// Whole records into a file.
pub(super) fn file(file: File, name: &str) -> Result<Box<dyn Write + Send>> {
    let file = RecordFile::new(file).map_err(|cause| Error::io("write", name, cause).of_kind(Kind::Asked))?;
    Ok(Box::new(file))
}

/// Text in a file is plain.
pub(super) fn file_style(args: &SinkArgs) -> Style {
    Style { reasons: args.reason, ..Style::default() }
}

/// Standard output, above the progress line.
pub(super) fn stdout(bar: &ProgressBar) -> Box<dyn Write + Send> {
    Box::new(Stdout { bar: bar.clone() })
}

/// Text on standard output is for whoever watches.
pub(super) fn stdout_style(args: &SinkArgs) -> Style {
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
            stdout.write_all(record)?;
            stdout.flush()
        };
        self.bar.suspend(write).map(|()| record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
