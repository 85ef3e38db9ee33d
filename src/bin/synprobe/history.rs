//! The scans that were recorded: when, what, how far, and what was found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use synprobe::counted::counted;
use synprobe::error::{Error, Result};
use synprobe::report::{Message, Rfc3339};
use synprobe::scan::{State, Summary};

use crate::args::{HistoryArgs, PruneArg};
use crate::journal::{EXTENSION, folder};
use crate::resume;
use crate::status::Status;
use crate::voice::Voice;

/// How far the scan of a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    Running,
    /// Killed, ended by a signal, or out of time: it can be resumed.
    Interrupted,
    Ended,
}

impl Course {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Ended => "ended",
        }
    }
}

/// Lists the journals, oldest first, or takes some away.
pub(crate) fn run(args: &HistoryArgs, voice: &Voice) -> Result<Status> {
    let journals = journals()?;
    if let Some(which) = args.prune {
        return prune(&journals, which, voice);
    }
    if journals.is_empty() {
        voice.notice(&format!("no scan was recorded in {}", folder()?.display()));
    }
    for path in journals {
        let line = match resume::read(&path) {
            Ok(reading) => {
                let began = reading.left.scan.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let course = course(&path, reading.summary.as_ref()).as_str();
                let up = reading.summary.as_ref().map_or("-".to_owned(), |summary| counted(summary.hosts_up, "host"));
                let open = reading.summary.as_ref().map_or_else(
                    || reading.left.told.values().filter(|finding| finding.outcome.state == State::Open).count() as u64,
                    |summary| summary.open,
                );
                let command = reading.left.scan.arguments.join(" ");
                let shard = reading.left.scan.part.map_or_else(String::new, |part| format!("shard {}  ", part.shard));
                format!("{}  {course:<11}  {up:>9} up  {open:>6} open  {shard}{command}", Rfc3339(began))
            }
            Err(error) => error.to_string(),
        };
        anstream::println!("{}\n    {}", Message(&line), Message(&path.display().to_string()));
    }
    Ok(Status::Complete)
}

/// How far the scan is whose journal this is, with this summary.
pub(crate) fn course(path: &Path, summary: Option<&Summary>) -> Course {
    // A scan holds the lock of its journal.
    let is_running = File::open(path).is_ok_and(|file| file.try_lock_shared().is_err());
    match summary {
        _ if is_running => Course::Running,
        Some(summary) if !summary.interrupted && !summary.out_of_time => Course::Ended,
        _ => Course::Interrupted,
    }
}

/// The journals there are, oldest first.
pub(crate) fn journals() -> Result<Vec<PathBuf>> {
    let folder = folder()?;
    let entries = fs::read_dir(&folder).map_err(|cause| Error::io("read", folder.display(), cause))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort_unstable();
    Ok(paths)
}

fn prune(journals: &[PathBuf], which: PruneArg, voice: &Voice) -> Result<Status> {
    let mut removed = 0_u64;
    for path in journals {
        // What this version cannot read another may.
        let summary = resume::read(path).ok().and_then(|reading| reading.summary);
        let goes = match course(path, summary.as_ref()) {
            Course::Running => false,
            Course::Interrupted => which == PruneArg::All,
            Course::Ended => true,
        };
        if goes {
            fs::remove_file(path).map_err(|cause| Error::io("remove", path.display(), cause))?;
            removed += 1;
        }
    }
    voice.notice(&format!("removed {}", counted(removed, "journal")));
    Ok(Status::Complete)
}
