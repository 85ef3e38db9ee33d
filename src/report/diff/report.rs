//! The formats of a comparison.

use std::io::{self, Write};

use super::difference::{HostDiff, Totals};
use super::json::Json;
use super::markdown::Markdown;
use super::scan::Scan;
use super::text::Text;
use crate::report::{Format, Style};

/// Formats that a comparison is written in.
pub const FORMATS: [Format; 3] = [Format::Text, Format::Json, Format::Markdown];

/// One output of a comparison.
pub trait DiffReport: Send {
    /// The two scans.
    ///
    /// # Errors
    /// The output could not be written.
    fn begin(&mut self, old: &Scan, new: &Scan) -> io::Result<()>;
    /// A host of which they do not tell the same.
    ///
    /// # Errors
    /// The output could not be written.
    fn host(&mut self, host: &HostDiff<'_>) -> io::Result<()>;
    /// How much differs; after this the output is complete.
    ///
    /// # Errors
    /// The output could not be written.
    fn end(&mut self, totals: &Totals) -> io::Result<()>;
}

/// A writer of a comparison; `None` for formats that are not among [`FORMATS`].
pub fn report(format: Format, out: Box<dyn Write + Send>, style: Style) -> Option<Box<dyn DiffReport>> {
    Some(match format {
        Format::Text => Box::new(Text::new(out, style)),
        Format::Json => Box::new(Json::new(out)),
        Format::Markdown => Box::new(Markdown::new(out)),
        _ => return None,
    })
}
