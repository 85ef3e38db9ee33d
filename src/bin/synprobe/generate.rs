//! The manual page and the completions, from the definition of the options.

use std::io::{self, ErrorKind, Write};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use synprobe::error::{Error, Kind, Result};

use crate::args::{Args, GenerateArgs};
use crate::manifest::{self, Job};
use crate::rates;
use crate::status::Status;
use crate::stdout;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// The manual page, in roff
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
    /// Kubernetes: an Indexed Job whose pods are the shards of a scan and, the last, what merges their journals
    Kubernetes,
    /// Slurm: a script of an array whose tasks are the shards of a scan, and of a job that merges
    Slurm,
}

/// Prints it.
pub(crate) fn run(args: &GenerateArgs) -> Result<Status> {
    let failed = |cause| Error::io("write", "standard output", cause).of_kind(Kind::Asked);
    let GenerateArgs { what, manifest } = args;
    let is_manifest = matches!(what, What::Kubernetes | What::Slurm);
    if !is_manifest && !manifest.command.is_empty() {
        return Err(Error::asked("generate", name(*what), "it is of no scan").hint("synprobe generate kubernetes and slurm take one"));
    }
    let text = match what {
        What::Man => manual().map_err(failed)?,
        What::Bash => completions(Shell::Bash),
        What::Zsh => completions(Shell::Zsh),
        What::Fish => completions(Shell::Fish),
        What::Kubernetes => manifest::kubernetes(&Job::read("kubernetes", manifest)?).into_bytes(),
        What::Slurm => manifest::slurm(&Job::read("slurm", manifest)?).into_bytes(),
    };
    match stdout::open()?.write_all(&text) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(failed(cause)),
        _ => Ok(Status::Complete),
    }
}

fn name(what: What) -> String {
    what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "synprobe", &mut text);
    text
}

/// Generated options with prose around them.
fn manual() -> io::Result<Vec<u8>> {
    let command = Args::command();
    let commands = command.clone();
    let page = clap_mangen::Man::new(command).manual("User Commands").source(concat!("synprobe ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    text.write_all(include_bytes!("man/description.roff"))?;
    page.render_options_section(&mut text)?;
    writeln!(text, ".SH COMMANDS")?;
    for command in commands.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(text, ".TP\n\\fBsynprobe {}\\fR\n{}.", command.get_name(), escaped(&about))?;
    }
    writeln!(text, ".SH RATES\n{}.EX", include_str!("man/rates.roff"))?;
    text.write_all(escaped(&rates::table()).as_bytes())?;
    writeln!(text, ".EE")?;
    text.write_all(include_bytes!("man/completeness.roff"))?;
    text.write_all(include_bytes!("man/shards.roff"))?;
    text.write_all(include_bytes!("man/closing.roff"))?;
    text.write_all(include_bytes!("man/engines.roff"))?;
    for (what, manifest) in [("kubernetes", manifest::kubernetes as fn(&Job) -> String), ("slurm", manifest::slurm)] {
        let job = Job::example(what).map_err(io::Error::other)?;
        writeln!(text, ".PP\n\\fB{}\\fR writes:\n.PP\n.EX", escaped(job.typed()))?;
        for line in manifest(&job).lines() {
            // A line that begins so would be a request to roff.
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            writeln!(text, "{guard}{}", escaped(line))?;
        }
        writeln!(text, ".EE")?;
    }
    Ok(text)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
