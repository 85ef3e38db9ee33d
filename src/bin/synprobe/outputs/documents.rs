//! Documents that are written at once, of other formats than a scan's: where they go, and what becomes of their files.

use std::io::{self, ErrorKind, Write};

use indicatif::ProgressBar;

use synprobe::error::{Error, Result};
use synprobe::report::{Format, Migration, Style};

use super::console::Stream;
use super::open::{self, Existing, Made, Opened};
use super::part::{Part, Publisher};
use super::{publisher, specs};
use crate::args::SinkArgs;
use crate::stdout;
use crate::voice::{Verbosity, Voice};

/// The outputs of a comparison.
pub(crate) struct Documents<R> {
    each: Vec<Document<R>>,
    publisher: Option<Publisher>,
    voice: Voice,
}

struct Document<R> {
    name: String,
    report: R,
    made: Made,
    /// Its file, while it is not complete.
    part: Option<Part>,
    /// It could not be written.
    has_failed: bool,
    /// Its reader went away.
    is_closed: bool,
}

impl<R> Documents<R> {
    /// Opens all that was asked for, or nothing; `make` makes the writer of a format.
    pub(crate) fn open(args: &SinkArgs, voice: &Voice, make: impl Fn(Format, Box<dyn Write + Send>, Style) -> Option<R>) -> Result<Self> {
        let specs = specs(args, voice.verbosity() > Verbosity::Quiet && stdout::is_writable());
        let existing = if args.force { Existing::Overwritten } else { Existing::Kept };
        let opened = open::all(&specs, existing, Migration::Refused)?;
        let publisher = publisher(&opened)?;
        let document = |Opened { spec, sink }: Opened| {
            let name = spec.destination.to_string();
            let refused = || Error::asked("write", &name, format!("{} is no format of this", spec.format));
            let Stream { out, style, made, part } = Stream::to(sink, &name, args, &ProgressBar::hidden())?.ok_or_else(refused)?;
            let report = make(spec.format, out, style).ok_or_else(refused)?;
            Ok(Document { name, report, made, part, has_failed: false, is_closed: false })
        };
        let each = opened.into_iter().map(document).collect::<Result<_>>()?;
        Ok(Self { each, publisher, voice: voice.clone() })
    }

    /// Tells every output something.
    pub(crate) fn tell(&mut self, write: impl Fn(&mut R) -> io::Result<()>) {
        for document in self.each.iter_mut().filter(|document| !document.is_closed && !document.has_failed) {
            if let Err(error) = write(&mut document.report) {
                document.failed(&error, &self.voice);
            }
        }
    }

    /// Gives complete files their names, and takes others away; whether all were written.
    pub(crate) fn end(self) -> bool {
        let mut all = true;
        for mut document in self.each {
            let published = match (document.part.take(), &self.publisher) {
                (Some(part), Some(publisher)) if !document.has_failed => publisher.publish(part),
                (part, _) => {
                    part.into_iter().for_each(Part::remove);
                    Ok(())
                }
            };
            if let Err(error) = published {
                document.failed(&error, &self.voice);
            }
            if document.has_failed {
                all = false;
                document.made.remove();
            }
        }
        all
    }
}

impl<R> Document<R> {
    fn failed(&mut self, error: &io::Error, voice: &Voice) {
        if error.kind() == ErrorKind::BrokenPipe {
            self.is_closed = true;
            return;
        }
        voice.warn(&format!("write {}: {error}", self.name));
        self.has_failed = true;
    }
}
