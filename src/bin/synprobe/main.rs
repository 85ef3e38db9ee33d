//! `synprobe`: parse, plan, run, say with the exit status how it went.

mod args;
mod convert;
mod demo;
mod diff;
mod dry_run;
mod generate;
mod habits;
mod history;
mod interfaces;
mod journal;
mod manifest;
mod measures;
mod merge;
mod names;
mod outputs;
mod progress;
mod rates;
mod record_file;
mod request;
mod resume;
mod scan;
mod shard;
mod signals;
mod status;
mod stdout;
mod targets;
mod voice;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Args, Command};
use status::Status;

fn main() -> ExitCode {
    run(&std::env::args_os().collect::<Vec<_>>()).into()
}

/// What one command line does. The practice network runs it again with the words after `demo`.
fn run(typed: &[OsString]) -> Status {
    let habits = match habits::rewrite(&Args::command(), typed.to_vec()) {
        Ok(habits) => habits,
        Err(error) => return status::fail(&error),
    };
    let args = match Args::command().try_get_matches_from(&habits.words).and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return status::usage(&error),
    };
    let voice = voice::Voice::new(args.verbosity());
    habits.notices.iter().for_each(|notice| voice.notice(notice));
    let outcome = match &args.command {
        Some(Command::Demo(demo)) => demo::run(demo, &voice),
        Some(Command::Convert(args)) => convert::run(args, &voice),
        Some(Command::Diff(args)) => diff::run(args, &voice),
        Some(Command::Merge(args)) => merge::run(args, &voice),
        Some(Command::History(history)) => history::run(history, &voice),
        Some(Command::Resume(resume)) => resume::run(resume),
        Some(Command::Interfaces) => interfaces::run(),
        Some(Command::Generate(args)) => generate::run(args),
        None => scan::run(&args, typed, &voice),
    };
    outcome.unwrap_or_else(|error| status::fail(&error))
}
