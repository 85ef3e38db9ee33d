//! A scan that was ended, taken up where it was left.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches};

use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Format, JournalReading, Order, read_journal};

use crate::args::{Args, ResumeArgs};
use crate::history::{self, Course};
use crate::journal::Keeper;
use crate::status::Status;
use crate::targets::Targets;
use crate::voice::Voice;
use crate::{habits, request, scan, shard};

/// Goes on with the scan of a journal: the one named, or the last that was interrupted.
pub(crate) fn run(resume: &ResumeArgs) -> Result<Status> {
    let path = match &resume.journal {
        Some(path) => path.clone(),
        None => last_interrupted()?,
    };
    let path = fs::canonicalize(&path).map_err(|cause| Error::io("read", path.display(), cause).of_kind(Kind::Asked))?;
    let reading = read(&path)?;
    match history::course(&path, reading.summary.as_ref()) {
        Course::Running => return Err(Error::asked("resume", path.display(), "its scan still runs")),
        Course::Ended => return Err(Error::asked("resume", path.display(), "its scan has ended: nothing is left to do")),
        Course::Interrupted => {}
    }
    let JournalReading { order, left, .. } = reading;
    unchanged(&order)?;
    let typed: Vec<OsString> = left.scan.arguments.iter().map(OsString::from).collect();
    let words = habits::rewrite(&Args::command(), typed.clone())?.words;
    let matches = Args::command().try_get_matches_from(words).map_err(|error| other(&path, &error.to_string()))?;
    let mut args = Args::from_arg_matches(&matches).map_err(|error| other(&path, &error.to_string()))?;
    // Paths of the command begin where it was given.
    env::set_current_dir(&order.directory).map_err(|cause| Error::io("enter", order.directory.display(), cause).of_kind(Kind::Asked))?;
    (args.output.sinks.force, args.output.sinks.goes_on) = (true, true);
    if !resume.sinks.outputs.is_empty() || resume.sinks.json {
        args.output.sinks = resume.sinks.clone();
    }
    let targets = Targets {
        addresses: order.addresses.clone(),
        named: order.named.clone(),
        unresolved: order.unresolved,
        left_out: Vec::new(),
        canary: order.canary,
    };
    let mut request = request::of(&args, &typed, &targets)?;
    match &left.scan.part {
        // Which part it is was decided when it began.
        Some(part) => {
            request.ports = order.ports.clone();
            shard::belongs(&mut request, part.clone(), &args)?;
        }
        None if request.ports != order.ports => return Err(other(&path, "its ports mean something else now")),
        None => {}
    }
    request.seed = Some(left.scan.seed);
    let voice = &Voice::new(args.verbosity());
    voice.notice(&format!("resuming {}", path.display()));
    if !args.output.sinks.goes_on && args.output.sinks.outputs.iter().any(|output| output.format == Format::Pcapng) {
        voice.notice("a journal holds no packets: this capture will have those of ports found from now on");
    }
    let keeper = Keeper::going_on(&path, order, &left)?;
    request.left = Some(Box::new(left));
    scan::probe(&args, request, keeper, voice)
}

/// Reads a journal.
pub(crate) fn read(path: &Path) -> Result<JournalReading> {
    let file = File::open(path).map_err(|cause| Error::io("read", path.display(), cause).of_kind(Kind::Asked))?;
    read_journal(&mut BufReader::with_capacity(1 << 16, file), &path.display().to_string())
}

fn last_interrupted() -> Result<PathBuf> {
    for path in history::journals()?.into_iter().rev() {
        // One that cannot be read may be the one that is meant: no other is taken for it.
        let summary = read(&path)?.summary;
        if history::course(&path, summary.as_ref()) == Course::Interrupted {
            return Ok(path);
        }
    }
    Err(Error::asked("resume", "a scan", "none was interrupted").hint("synprobe history lists them; synprobe resume JOURNAL takes one up"))
}

/// Whether the files that targets were read from are as they were.
fn unchanged(order: &Order) -> Result<()> {
    for (path, digest) in &order.inputs {
        let path = order.directory.join(path);
        let content = fs::read(&path).map_err(|cause| Error::io("read", path.display(), cause).of_kind(Kind::Asked))?;
        if Order::digest(&content) != *digest {
            let error = Error::asked("resume", path.display(), "this file of targets has changed since the scan began");
            return Err(error.hint("restore it, or begin the scan anew"));
        }
    }
    Ok(())
}

fn other(path: &Path, cause: &str) -> Error {
    Error::asked("resume", path.display(), format!("its command means nothing here: {}", cause.lines().next().unwrap_or_default()))
}
