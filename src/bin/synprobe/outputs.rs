//! Where results go: everything is opened before the first packet, and no failure of an output ends a scan.

mod console;
mod documents;
mod open;
mod part;

use std::io;

use indicatif::ProgressBar;

use synprobe::counted::counted;
use synprobe::error::{Error, Result};
use synprobe::report::{Destination, Format, Look, Migration, OutputSpec, Recorded, Report, Told, records_lost};
use synprobe::scan::{Finding, HostRecord, Proof, RateChange, ScanRecord, Summary};

use crate::args::SinkArgs;
use crate::stdout;
use crate::voice::{Verbosity, Voice};
use console::Stream;
pub(crate) use documents::Documents;
pub(crate) use open::{Existing, give_to_invoking_user};
use open::{Made, Opened, Sink};
use part::{Part, Publisher};

/// The outputs of a scan.
pub(crate) struct Outputs {
    each: Vec<Output>,
    publisher: Option<Publisher>,
    voice: Voice,
}

impl Outputs {
    /// Opens all that was asked for, or nothing. What is written to the terminal goes above `bar`.
    pub(crate) fn open(args: &SinkArgs, bar: &ProgressBar, voice: &Voice) -> Result<Self> {
        let voice = voice.above(bar);
        let read = voice.verbosity() > Verbosity::Quiet && stdout::is_writable();
        let specs = specs(args, read);
        if args.fields.is_some() && !specs.iter().any(|spec| spec.format == Format::Csv) {
            return Err(Error::asked("read option", "--fields", "no output is csv").hint("-o csv:FILE"));
        }
        let existing = match args {
            SinkArgs { goes_on: true, .. } => Existing::GoneOnWith,
            SinkArgs { force: true, .. } => Existing::Overwritten,
            _ => Existing::Kept,
        };
        let migration = if args.migrate { Migration::Allowed } else { Migration::Refused };
        let opened = open::all(&specs, existing, migration)?;
        let publisher = publisher(&opened)?;
        let each = opened.into_iter().map(|opened| Output::new(opened, args, bar)).collect::<Result<_>>()?;
        Ok(Self { each, publisher, voice })
    }

    pub(crate) fn begin(&mut self, scan: ScanRecord) {
        let scan = scan.recorded();
        self.tell(|report| report.begin(&scan).and_then(|()| report.flush()));
        self.each.iter_mut().for_each(|output| output.began = output.lost == 0);
    }

    /// A finding, as precise as a record holds it; so are hosts and rates.
    pub(crate) fn finding(&mut self, finding: &Finding) {
        self.tell(|report| report.finding(finding));
    }

    pub(crate) fn proof(&mut self, proof: &Proof) {
        self.tell(|report| report.proof(proof));
    }

    pub(crate) fn rate(&mut self, change: &RateChange) {
        self.tell(|report| report.rate(change));
    }

    pub(crate) fn host(&mut self, host: &HostRecord) {
        self.tell(|report| report.host(host));
    }

    /// Writes what a record tells; of its end, returns the summary as [`Self::end`] does.
    pub(crate) fn told(&mut self, told: Told) -> Option<Summary> {
        match told {
            Told::Begin(scan) => self.begin(*scan),
            Told::Finding(finding) => self.finding(&finding.recorded()),
            Told::Host(host) => self.host(&host.recorded()),
            Told::Rate(change) => self.rate(&change.recorded()),
            Told::End(summary) => return Some(self.end(*summary)),
        }
        None
    }

    /// Nothing more is at hand to be written.
    pub(crate) fn flush(&mut self) {
        self.tell(|report| report.flush());
    }

    /// A few times a second.
    pub(crate) fn settle(&mut self) {
        self.tell(|report| report.settle());
    }

    /// Writes the end, which says what was not written, and returns the summary as it came out.
    pub(crate) fn end(&mut self, summary: Summary) -> Summary {
        let mut summary = summary.recorded();
        // What waits may be lost, and is to be in the summary then.
        self.flush();
        self.account(&mut summary);
        for output in self.each.iter_mut().filter(|output| !output.closed) {
            let ended = output.report.end(&summary).and_then(|()| match (output.part.take(), &self.publisher) {
                (Some(part), Some(publisher)) if output.began => publisher.publish(part),
                (Some(_), _) => Err(io::Error::other("its beginning was not written")),
                (None, _) => Ok(()),
            });
            if let Err(error) = ended {
                output.failed(&error, &self.voice);
            }
        }
        self.account(&mut summary);
        summary
    }

    /// Whether nobody is left to write for.
    pub(crate) fn all_closed(&self) -> bool {
        self.each.iter().all(|output| output.closed)
    }

    /// Takes away what was made of a scan that is not to be.
    pub(crate) fn discard(self) {
        for Output { mut report, part, made, .. } in self.each {
            // The scan's own failure is what the user hears about.
            _ = report.discard();
            drop(report);
            part.into_iter().for_each(Part::remove);
            made.remove();
        }
    }

    fn tell(&mut self, write: impl Fn(&mut dyn Report) -> io::Result<()>) {
        for output in self.each.iter_mut().filter(|output| !output.closed) {
            if let Err(error) = write(output.report.as_mut()) {
                output.failed(&error, &self.voice);
            }
        }
    }

    fn account(&self, summary: &mut Summary) {
        let lost = |output: &&Output| output.lost > 0;
        summary.write_errors = self.each.iter().map(|output| output.lost).sum();
        summary.incomplete.retain(|reason| !reason.starts_with(NOT_WRITTEN));
        let reasons =
            self.each.iter().filter(lost).map(|output| format!("{NOT_WRITTEN} {}: {}", output.name, counted(output.lost, "record")));
        summary.incomplete.extend(reasons);
    }
}

/// Whether an output can be made of a record.
pub(crate) fn of_a_record(spec: &OutputSpec) -> Result<()> {
    match spec.format {
        Format::Pcapng => {
            let refused = Error::asked("write", &spec.destination, "a record holds no packets");
            Err(refused.hint("-o pcapng:FILE keeps them while scanning"))
        }
        _ => Ok(()),
    }
}

const NOT_WRITTEN: &str = "not written to";

/// Who gives complete files their names, if there will be any.
fn publisher(opened: &[Opened]) -> Result<Option<Publisher>> {
    let has_parts = opened.iter().any(|output| matches!(output.sink, Sink::Part(_)));
    if has_parts { Publisher::start().map(Some) } else { Ok(None) }
}

/// Text goes to standard output unless something else does, or there is a file and nobody reads the text: quiet was asked for, or
/// standard output is closed.
fn specs(args: &SinkArgs, read: bool) -> Vec<OutputSpec> {
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
    made: Made,
    /// Its file, while it is not complete.
    part: Option<Part>,
    /// Its beginning was written.
    began: bool,
    lost: u64,
    /// Its reader went away.
    closed: bool,
}

impl Output {
    fn new(opened: Opened, args: &SinkArgs, bar: &ProgressBar) -> Result<Self> {
        let Opened { spec, sink } = opened;
        let name = spec.destination.to_string();
        if let Sink::Database(database, made) = sink {
            return Ok(Self { name, report: database, made, part: None, began: false, lost: 0, closed: false });
        }
        let refused = || Error::asked("write", &name, "it is no stream");
        let Stream { out, style, made, part } = Stream::to(sink, &name, args, bar)?.ok_or_else(refused)?;
        let look = Look { style, fields: args.fields.clone().unwrap_or_default() };
        let report = spec.format.report(out, &look).ok_or_else(refused)?;
        Ok(Self { name, report, made, part, began: false, lost: 0, closed: false })
    }

    fn failed(&mut self, error: &io::Error, voice: &Voice) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed = true;
            return;
        }
        if self.lost == 0 {
            voice.warn(&format!("write {}: {error} (the rest goes on)", self.name));
        }
        self.lost += records_lost(error);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn text_goes_to_standard_output_unless_something_else_does() {
        let outputs = |line: &str| {
            let args = Args::try_parse_from(line.split_whitespace()).unwrap();
            let specs = specs(&args.output.sinks, args.verbosity() > Verbosity::Quiet);
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
