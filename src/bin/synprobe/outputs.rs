//! Where results go: everything is opened before the first packet, and no failure of an output ends a scan.

mod console;
mod open;

use std::io;

use indicatif::ProgressBar;

use synprobe::counted::counted;
use synprobe::error::Result;
use synprobe::report::{Destination, Format, OutputSpec, Report};
use synprobe::scan::{Finding, HostRecord, RateChange, ScanRecord, Summary};

use crate::args::{Args, OutputArgs};
use crate::stdout;
use crate::voice::{Verbosity, Voice};
use open::Opened;

/// The outputs of a scan.
pub(crate) struct Outputs {
    outputs: Vec<Output>,
    voice: Voice,
}

impl Outputs {
    /// Opens all that was asked for, or nothing. What is written to the terminal goes above `bar`.
    pub(crate) fn open(args: &Args, bar: &ProgressBar, voice: &Voice) -> Result<Self> {
        let voice = voice.above(bar);
        let read = args.verbosity() > Verbosity::Quiet && stdout::is_writable();
        let opened = open::all(&specs(&args.output, read), args.output.force)?;
        let outputs = opened.into_iter().map(|opened| Output::new(opened, &args.output, bar)).collect::<Result<_>>()?;
        Ok(Self { outputs, voice })
    }

    pub(crate) fn begin(&mut self, scan: &ScanRecord) {
        self.each(|report| report.begin(scan));
    }

    pub(crate) fn finding(&mut self, finding: &Finding) {
        self.each(|report| report.finding(finding));
    }

    pub(crate) fn rate(&mut self, change: &RateChange) {
        self.each(|report| report.rate(change));
    }

    pub(crate) fn host(&mut self, host: &HostRecord) {
        self.each(|report| report.host(host));
    }

    /// Writes the end, which says what was not written, and returns the summary as it came out.
    pub(crate) fn end(&mut self, mut summary: Summary) -> Summary {
        self.account(&mut summary);
        self.each(|report| report.end(&summary));
        self.account(&mut summary);
        summary
    }

    /// Whether nobody is left to write for.
    pub(crate) fn all_closed(&self) -> bool {
        self.outputs.iter().all(|output| output.closed)
    }

    /// Takes away the files that were made for a scan that never began.
    pub(crate) fn discard(self) {
        for path in self.outputs.into_iter().filter_map(|output| output.made) {
            // The scan's own failure is what the user hears about.
            _ = std::fs::remove_file(path);
        }
    }

    fn each(&mut self, write: impl Fn(&mut dyn Report) -> io::Result<()>) {
        for output in self.outputs.iter_mut().filter(|output| !output.closed) {
            if let Err(error) = write(output.report.as_mut()) {
                output.failed(&error, &self.voice);
            }
        }
    }

    fn account(&self, summary: &mut Summary) {
        let lost = |output: &&Output| output.lost > 0;
        summary.write_errors = self.outputs.iter().map(|output| output.lost).sum();
        summary.incomplete.retain(|reason| !reason.starts_with(NOT_WRITTEN));
        let reasons =
            self.outputs.iter().filter(lost).map(|output| format!("{NOT_WRITTEN} {}: {}", output.name, counted(output.lost, "record")));
        summary.incomplete.extend(reasons);
    }
}

const NOT_WRITTEN: &str = "not written to";

/// Text goes to standard output unless something else does, or there is a file and nobody reads the text: quiet was asked for, or
/// standard output is closed.
fn specs(args: &OutputArgs, read: bool) -> Vec<OutputSpec> {
    let mut specs = args.outputs.clone();
    if args.json {
        specs.push(OutputSpec { format: Format::Json, destination: Destination::Stdout });
    }
    let to_stdout = specs.iter().any(|spec| spec.destination == Destination::Stdout);
    if !to_stdout && (specs.is_empty() || read) {
        specs.insert(0, OutputSpec { format: Format::Text, destination: Destination::Stdout });
    }
    specs
}

struct Output {
    name: String,
    report: Box<dyn Report>,
    /// The file that was made for it.
    made: Option<std::path::PathBuf>,
    lost: u64,
    /// Its reader went away.
    closed: bool,
}

impl Output {
    fn new(opened: Opened, args: &OutputArgs, bar: &ProgressBar) -> Result<Self> {
        let Opened { spec, file, made } = opened;
        let name = spec.destination.to_string();
        let (writer, style) = match file {
            Some(file) => (console::file(file, &name)?, console::file_style(args)),
            None => (console::stdout(bar), console::stdout_style(args)),
        };
        Ok(Self { name, report: spec.format.report(writer, style), made, lost: 0, closed: false })
    }

    fn failed(&mut self, error: &io::Error, voice: &Voice) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed = true;
            return;
        }
        if self.lost == 0 {
            voice.warn(&format!("write {}: {error} (the scan goes on)", self.name));
        }
        self.lost += 1;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn text_goes_to_standard_output_unless_something_else_does() {
        let outputs = |line: &str| {
            let args = Args::try_parse_from(line.split_whitespace()).unwrap();
            let specs = specs(&args.output, args.verbosity() > Verbosity::Quiet);
            specs.iter().map(|spec| format!("{}:{}", spec.format, spec.destination)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(outputs("synprobe 127.0.0.1"), "text:standard output");
        assert_eq!(outputs("synprobe 127.0.0.1 --json"), "json:standard output");
        assert_eq!(outputs("synprobe 127.0.0.1 -o list:x"), "text:standard output list:x");
        assert_eq!(outputs("synprobe 127.0.0.1 -q -o list:x"), "list:x");
        assert_eq!(outputs("synprobe 127.0.0.1 -q"), "text:standard output");
        assert_eq!(outputs("synprobe 127.0.0.1 -o list:- -o json:x"), "list:standard output json:x");
    }
}
