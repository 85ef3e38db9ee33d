//! The options of `synprobe diff`.

use clap::Args as Options;

use synprobe::error::Error;
use synprobe::report::{Format, OutputSpec, diff};

use super::{ColorArg, SinkArgs};

#[derive(Options, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct DiffArgs {
    /// The scan before and the scan after: journals, JSON, XML of ours or nmap's, - is standard input; with --db their numbers
    #[arg(value_name = "SCAN", num_args = 0..=2)]
    pub(crate) scans: Vec<String>,

    /// Compare two scans of a database (-o sqlite:FILE)
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<std::path::PathBuf>,

    /// Of a database, the last scan with the one N-1 before it [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) last: Option<u32>,

    /// Take it that both asked the same hosts, where a record does not say which
    #[arg(long)]
    pub(crate) same_targets: bool,

    /// Use what can be read of a record that is cut short or damaged
    #[arg(long)]
    pub(crate) lenient: bool,

    /// Write the differences as text, json or markdown to a file; - is standard output
    #[arg(short = 'o', long = "output", value_name = "FORMAT:PATH", value_parser = diff_output)]
    pub(crate) outputs: Vec<OutputSpec>,

    /// JSON to standard output: -o json:-
    #[arg(long)]
    pub(crate) json: bool,

    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,

    /// Colour in text on standard output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorArg,

    /// Say nothing but errors, and no text when the differences go to a file
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl DiffArgs {
    /// Where the differences go.
    pub(crate) fn sinks(&self) -> SinkArgs {
        let (outputs, color) = (self.outputs.clone(), self.color);
        SinkArgs { outputs, json: self.json, fields: None, force: self.force, goes_on: false, migrate: false, reason: false, color }
    }
}

/// An output of a comparison, which has formats of its own.
fn diff_output(word: &str) -> Result<OutputSpec, Error> {
    let formats = diff::FORMATS.map(Format::as_str).join(", ");
    let refused = |format: &str| Error::asked("read output format", format!("'{format}'"), format!("of differences there is {formats}"));
    let name = word.split(':').next().unwrap_or_default();
    match name.parse::<Format>() {
        Ok(format) if !diff::FORMATS.contains(&format) => Err(refused(name)),
        Err(_) => Err(refused(name)),
        Ok(_) => word.parse(),
    }
}
