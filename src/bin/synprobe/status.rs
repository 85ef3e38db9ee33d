//! How it went, as the exit status says it.

use std::process::ExitCode;

use synprobe::error::{Error, Kind};
use synprobe::report::Message;
use synprobe::scan::Summary;

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// All that was asked was done.
    Complete = 0,
    /// The machine could not do it.
    Machine = 1,
    /// Something wrong in what was asked.
    Asked = 2,
    /// Finished, and known to be incomplete.
    Incomplete = 3,
    /// Compared, and known to differ.
    Different = 4,
    /// Ended by a signal: 128 and SIGINT's number.
    Interrupted = 130,
}

impl Status {
    /// How a scan went.
    pub(crate) fn of(summary: &Summary) -> Self {
        match summary {
            Summary { interrupted: true, .. } => Self::Interrupted,
            summary if summary.is_complete() => Self::Complete,
            _ => Self::Incomplete,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Says what went wrong, and whose fault it is.
pub(crate) fn fail(error: &Error) -> Status {
    // What is quoted from a file may hold anything.
    anstream::eprintln!("synprobe: {}", Message(&error.to_string()));
    match error.kind() {
        Kind::Asked => Status::Asked,
        Kind::Machine => Status::Machine,
    }
}

/// Says what the option parser says; help and version were asked for, and go to standard output.
pub(crate) fn usage(error: &clap::Error) -> Status {
    _ = error.print();
    if error.use_stderr() { Status::Asked } else { Status::Complete }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_outweighs_incompleteness() {
        let mut summary = Summary::default();
        assert_eq!(Status::of(&summary), Status::Complete);
        summary.incomplete.push("2 probes were not sent".to_owned());
        assert_eq!(Status::of(&summary), Status::Incomplete);
        summary.interrupted = true;
        assert_eq!(Status::of(&summary), Status::Interrupted);
    }
}
