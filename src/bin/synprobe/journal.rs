//! The journal of a scan: where it is, and keeping it.

mod folder;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Journal, Order, Recorded, Rfc3339};
use synprobe::run::Entry;
use synprobe::scan::{Finding, HostRecord, LeftScan, RateChange, ScanRecord, Summary};

use crate::args::OutputArgs;
use crate::outputs::{Existing, give_to_invoking_user};
use crate::record_file::RecordFile;
use crate::voice::Voice;

pub(crate) use folder::folder;

/// A scan's journal, if it has one.
pub(crate) struct Keeper {
    order: Order,
    file: Option<Kept>,
    journal: Option<Journal>,
    synced: Instant,
    /// Times it could not be written.
    lost: u64,
}

struct Kept {
    file: File,
    path: PathBuf,
}

impl Keeper {
    /// Opens the journal that `args` ask for. Where there is no place for one and none was named, the scan goes on without.
    pub(crate) fn open(args: &OutputArgs, order: Order, voice: &Voice) -> Result<Self> {
        let file = match (&args.journal, args.no_journal) {
            (_, true) => None,
            (Some(path), _) => Some(Kept::new(path, if args.sinks.force { Existing::Overwritten } else { Existing::Kept })?),
            (None, _) => match folder().and_then(|folder| Kept::new(&folder.join(name()), Existing::Kept)) {
                Ok(kept) => Some(kept),
                Err(error) => {
                    voice.notice(&format!("this scan can not be resumed: {error}; --journal PATH names another place, --no-journal none"));
                    None
                }
            },
        };
        Ok(Self::with(order, file))
    }

    /// A journal that takes the place of `path`, which it begins with.
    ///
    /// It takes that place at once: later the right to rename in a folder of the user's is given up.
    pub(crate) fn going_on(path: &Path, order: Order, left: &LeftScan) -> Result<Self> {
        let failed = |cause: io::Error| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = Path::new(&part);
        // Of a resumption that was killed at this very moment.
        _ = fs::remove_file(part);
        let mut kept = Kept::new(part, Existing::Kept)?;
        let journal = kept.begin(&left.scan, &order, Some(left)).map_err(failed)?;
        fs::rename(part, path).map_err(failed)?;
        path.clone_into(&mut kept.path);
        Ok(Self { journal: Some(journal), ..Self::with(order, Some(kept)) })
    }

    fn with(order: Order, file: Option<Kept>) -> Self {
        Self { order, file, journal: None, synced: Instant::now(), lost: 0 }
    }

    /// Whether there is one.
    pub(crate) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn begin(&mut self, scan: &ScanRecord, voice: &Voice) {
        let Some(kept) = self.file.as_ref().filter(|_| self.journal.is_none()) else { return };
        let begun = kept.begin(&scan.clone().recorded(), &self.order, None);
        match begun {
            Ok(journal) => self.journal = Some(journal),
            Err(error) => self.failed(&error, voice),
        }
    }

    /// A finding, as precise as a record holds it; so are hosts and rates.
    pub(crate) fn finding(&mut self, finding: &Finding, voice: &Voice) {
        self.tell(voice, |journal| journal.finding(finding));
    }

    pub(crate) fn host(&mut self, host: &HostRecord, voice: &Voice) {
        self.tell(voice, |journal| journal.host(host));
    }

    pub(crate) fn rate(&mut self, change: &RateChange, voice: &Voice) {
        self.tell(voice, |journal| journal.rate(change));
    }

    pub(crate) fn entry(&mut self, entry: &Entry, voice: &Voice) {
        self.tell(voice, |journal| match entry {
            Entry::Stage(stage) => journal.stage(stage),
            Entry::Answer { stage, index, outcome } => {
                journal.answer(*stage, *index, *outcome);
                Ok(())
            }
            Entry::Finding(finding) => journal.early(&finding.recorded()),
            Entry::Checkpoint(checkpoint) => journal.checkpoint(checkpoint),
            Entry::Spent(spent) => journal.settle(spent),
        });
        if matches!(entry, Entry::Spent(_)) && self.synced.elapsed() >= SYNC {
            self.sync(voice);
        }
    }

    /// Writes the end; how often it could not be written.
    pub(crate) fn end(&mut self, summary: &Summary, voice: &Voice) -> u64 {
        self.tell(voice, |journal| journal.end(&summary.clone().recorded()));
        self.sync(voice);
        self.lost
    }

    /// Takes away the journal of a scan that never began.
    pub(crate) fn discard(self) {
        if let Some(kept) = self.file.filter(|_| self.journal.is_none()) {
            _ = fs::remove_file(kept.path);
        }
    }

    fn tell(&mut self, voice: &Voice, write: impl FnOnce(&mut Journal) -> io::Result<()>) {
        if let Some(Err(error)) = self.journal.as_mut().map(write) {
            self.failed(&error, voice);
        }
    }

    fn sync(&mut self, voice: &Voice) {
        self.synced = Instant::now();
        if let Some(Err(error)) = self.file.as_ref().filter(|_| self.journal.is_some()).map(|kept| kept.file.sync_data()) {
            self.failed(&error, voice);
        }
    }

    fn failed(&mut self, error: &io::Error, voice: &Voice) {
        if let Some(kept) = self.file.as_ref().filter(|_| self.lost == 0) {
            voice.warn(&format!("write journal {}: {error} (the scan goes on; it may not be resumed)", kept.path.display()));
        }
        self.lost += 1;
    }
}

impl Kept {
    /// Nobody else may read what was found, nor write a journal in use.
    fn new(path: &Path, existing: Existing) -> Result<Self> {
        let failed = |cause: io::Error| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
        let mut options = File::options();
        options.write(true).read(true);
        let is_new = existing == Existing::Kept || !path.exists();
        options.create_new(is_new);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => Error::asked("write", path.display(), "it exists").hint("--force overwrites it"),
            _ => failed(cause),
        })?;
        if file.try_lock().is_err() {
            return Err(Error::asked("write", path.display(), "a scan that still runs writes it"));
        }
        file.set_len(0).map_err(failed)?;
        // An existing one may be another's, reached by a link.
        if is_new {
            give_to_invoking_user(&file);
        }
        Ok(Self { file, path: path.to_owned() })
    }

    fn begin(&self, scan: &ScanRecord, order: &Order, left: Option<&LeftScan>) -> io::Result<Journal> {
        let out = RecordFile::new(self.file.try_clone()?)?;
        let journal = Journal::begin(Box::new(out), scan, order, left)?;
        self.file.sync_data()?;
        Ok(journal)
    }
}

/// When it began, and by which process.
fn name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}.{EXTENSION}", Rfc3339(now).to_string().replace([':', '.'], "-"), std::process::id())
}

/// How journals are called.
pub(crate) const EXTENSION: &str = "journal";
/// How often it is made sure that a journal is on the disk.
const SYNC: Duration = Duration::from_secs(1);
