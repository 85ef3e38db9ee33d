//! What starts a scan's shards on many machines and merges their journals: checked before it is written.

mod kubernetes;
mod quote;
mod slurm;

use std::ffi::OsString;
use std::fmt::Write;

use clap::{CommandFactory, FromArgMatches};

use synprobe::error::{Error, Result};
use synprobe::report::{Destination, Format, Message};
use synprobe::target::{Shard, list};

use crate::args::{Args, EngineArg, ManifestArgs};
use crate::targets::Targets;
use crate::{habits, request, shard};
use quote::shell;

pub(crate) use kubernetes::kubernetes;
pub(crate) use slurm::slurm;

/// A scan to be divided.
#[derive(Debug)]
pub(crate) struct Job {
    /// What was typed to get this.
    typed: String,
    /// The scan's words, without the program's name.
    words: Vec<String>,
    shards: u32,
    image: String,
    /// `-o` of the merged results.
    outputs: Vec<String>,
    needs: Needs,
    /// Files that the command reads.
    files: Vec<String>,
}

/// What a scan may need that not every process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// It connects.
    Nothing,
    RawSockets,
    /// To load programs into the kernel.
    Xdp,
}

impl Job {
    /// The scan that `args` name, understood by the parser that will see it.
    pub(crate) fn read(what: &str, args: &ManifestArgs) -> Result<Self> {
        let refused = |cause: &str| Error::asked("divide", "the scan", cause);
        let words =
            args.command.iter().map(|word| word.to_str().map(str::to_owned).ok_or_else(|| refused("a word of it is no UTF-8 text")));
        let mut words: Vec<String> = words.collect::<Result<_>>()?;
        for name in ["sudo", "synprobe"] {
            if words.first().is_some_and(|word| word == name) {
                words.remove(0);
            }
        }
        let example = format!("for example: synprobe generate {what} --shards 8 -- synprobe 10.0.0.0/16 -p 22,443");
        if words.is_empty() {
            return Err(refused("none was given").hint(example));
        }
        // Behind an option the parser takes it for the name of a host.
        if Args::command().find_subcommand(&words[0]).is_some() {
            return Err(refused("the command is another than a scan").hint(example));
        }
        let scan = parsed(&words, args.shards)?;
        check(&scan, args.shards)?;
        let file = |files: &[String]| files.iter().filter(|file| *file != "-").cloned().collect::<Vec<_>>();
        let outputs = args.outputs.iter().map(|spec| match (spec.format, &spec.destination) {
            (Format::Pcapng, _) => Err(refused("pcapng cannot be made of the journals that shards leave, which hold no packets")),
            (_, Destination::Stdout) => Ok(format!("{}:-", spec.format)),
            (_, Destination::File(_)) => Ok(format!("{}:{}", spec.format, spec.destination)),
        });
        let mut outputs: Vec<String> = outputs.collect::<Result<_>>()?;
        if outputs.iter().any(|output| Message(output).to_string() != *output) {
            return Err(refused("the name of an output has a character that is not seen, such as a control or a line separator"));
        }
        if outputs.is_empty() {
            outputs.push("json:scan.json".to_owned());
        }
        let given = |name: &str, value: String, usual: bool| if usual { String::new() } else { format!(" {name} {}", shell(&value)) };
        let typed = format!(
            "synprobe generate {what} --shards {}{}{} -- synprobe {}",
            args.shards,
            given("--image", args.image.clone(), args.image == IMAGE),
            if args.outputs.is_empty() { String::new() } else { sinks(&outputs) },
            words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
        );
        let needs = match &scan.scan {
            scan if scan.connect => Needs::Nothing,
            scan if scan.engine == EngineArg::Xdp => Needs::Xdp,
            _ => Needs::RawSockets,
        };
        let files = [file(&scan.targets.input_file), file(&scan.targets.exclude_file)].concat();
        Ok(Self { typed, words, shards: args.shards, image: args.image.clone(), outputs, needs, files })
    }

    /// The one that the manual shows.
    pub(crate) fn example(what: &str) -> Result<Self> {
        let scan = ["synprobe", "10.0.0.0/16", "-p", "22,80,443", "--total-rate", "80k"];
        let command = scan.map(OsString::from).to_vec();
        Self::read(what, &ManifestArgs { shards: 8, image: IMAGE.to_owned(), outputs: Vec::new(), command })
    }

    /// What is typed to get it.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// The number of the last shard as engines number them.
    fn last(&self) -> u32 {
        self.shards - 1
    }

    /// `-o FORMAT:PATH` for a shell.
    fn sinks(&self) -> String {
        sinks(&self.outputs)
    }

    /// What was typed, and the files it reads, as comments of one line each.
    fn head(&self, place: &str) -> String {
        let mut head = format!("# Written by: {}\n", visible(&self.typed));
        if !self.files.is_empty() {
            let files = self.files.iter().map(|file| visible(file)).collect::<Vec<_>>().join(", ");
            _ = writeln!(head, "# The scan reads {files}: every shard has to find the same there, {place}.");
        }
        head
    }
}

/// The scan as its shards will read it.
fn parsed(words: &[String], shards: u32) -> Result<Args> {
    let typed = ["synprobe", "--shard", &format!("auto/{shards}")].map(OsString::from).into_iter().chain(words.iter().map(OsString::from));
    let words = habits::rewrite(&Args::command(), typed.collect())?.words;
    let understood = Args::command().try_get_matches_from(words).and_then(|matches| Args::from_arg_matches(&matches));
    understood.map_err(|error| {
        let text = error.to_string();
        let cause = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Error::asked("divide", "the scan", cause).hint("synprobe --help says what there is")
    })
}

/// Whether a shard can be asked for this.
fn check(scan: &Args, shards: u32) -> Result<()> {
    let refused = |cause: &str, hint: &str| Err(Error::asked("divide", "the scan", cause).hint(hint));
    let (targets, output) = (&scan.targets, &scan.output);
    if targets.targets.is_empty() && targets.input_file.is_empty() {
        return refused("no target was given", "for example: synprobe 10.0.0.0/16 -p 22,443");
    }
    targets.targets.iter().chain(&targets.exclude).try_for_each(|word| list::parse_list(word).map(drop))?;
    request::of(scan, &[], &Targets::default())?;
    if targets.input_file.iter().chain(&targets.exclude_file).any(|file| file == "-") {
        return refused("nobody writes to the standard input of a shard", "name a file that every shard can read");
    }
    if output.journal.is_some() || output.no_journal {
        return refused("its journals are named by what runs it", "leave --journal and --no-journal out");
    }
    if !output.sinks.outputs.is_empty() || output.sinks.json || output.sinks.fields.is_some() {
        return refused(
            "its results come of the merged journals",
            "name outputs before the --: synprobe generate ... -o xml:scan.xml -- ...",
        );
    }
    if scan.scan.dry_run {
        return refused("it is a dry run", "leave --dry-run out");
    }
    if let (Some(total), Some(first)) = (scan.scan.total_rate, Shard::new(1, shards)) {
        shard::share(total, first, "--total-rate")?;
    }
    Ok(())
}

fn sinks(outputs: &[String]) -> String {
    each(outputs, |output| format!(" -o {}", shell(output)))
}

/// What `one` makes of each word, together.
fn each(words: &[String], one: impl Fn(&str) -> String) -> String {
    words.iter().map(|word| one(word)).collect::<Vec<_>>().concat()
}

/// On one line, and with nothing in it that ends a comment or acts on a terminal.
fn visible(text: &str) -> String {
    synprobe::report::Message(text).to_string().replace(['\n', '\r'], " ")
}

/// Where the program is, unless another image is named.
pub(crate) const IMAGE: &str = concat!("synprobe:", env!("CARGO_PKG_VERSION"));
