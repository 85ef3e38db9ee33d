//! Files that appear under their names when they are complete: until then they are called `NAME.part`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tempfile::{Builder, NamedTempFile};

use synprobe::error::{Error, Kind, Result};
use synprobe::net::privilege::keep_file_access_of_this_thread;

use super::open::Existing;

/// A file under way.
#[derive(Debug)]
pub(super) struct Part {
    file: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl Part {
    /// Makes `path.part`, where nothing is called so; else than with [`Existing::Kept`], in the place of what is.
    pub(super) fn begin(path: &Path, existing: Existing) -> Result<Self> {
        let part = name(path);
        let failed = |cause| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
        if existing != Existing::Kept && part.is_file() {
            fs::remove_file(&part).map_err(failed)?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        let prefix = path.file_name().unwrap_or_default();
        builder.prefix(prefix).suffix(".part").rand_bytes(0).disable_cleanup(true);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        match builder.tempfile_in(folder) {
            Ok(file) => Ok(Self { file, path: path.to_owned(), existing }),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                let error = Error::asked("write", part.display(), "it exists, of a scan that was killed or still runs");
                Err(error.hint("--force overwrites it"))
            }
            Err(cause) => Err(failed(system(cause))),
        }
    }

    /// The file, to be written.
    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the complete file its name.
    fn publish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let published = match self.existing {
            Existing::Overwritten | Existing::GoneOnWith => self.file.persist(&self.path),
            Existing::Kept => self.file.persist_noclobber(&self.path),
        };
        published.map(|_| ()).map_err(|failed| failed.error)
    }

    /// Takes it away.
    pub(super) fn remove(self) {
        // Whatever led here is what the user hears about.
        _ = fs::remove_file(name(&self.path));
    }
}

/// The system's own error: the temporary name that stands beside it says nothing to whoever reads it.
fn system(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|with_path| with_path.source()?.downcast_ref::<io::Error>()?.raw_os_error());
    cause.map_or(error, io::Error::from_raw_os_error)
}

/// What a file is called until it is complete.
pub(super) fn name(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

/// Publishes files. A scan gives the capabilities of its thread up, and under sudo with them the right to rename a file in another user's
/// folder: a thread of its own keeps that right and no other.
pub(super) struct Publisher {
    jobs: Sender<(Part, Sender<io::Result<()>>)>,
}

impl Publisher {
    /// To be started before a scan.
    pub(super) fn start() -> Result<Self> {
        let (jobs, wanted) = channel::<(Part, Sender<io::Result<()>>)>();
        let work = move || {
            keep_file_access_of_this_thread().ok();
            for (part, done) in wanted {
                _ = done.send(part.publish());
            }
        };
        let started = thread::Builder::new().name("publisher".to_owned()).spawn(work);
        started.map_err(|cause| Error::io("start", "publisher", cause))?;
        Ok(Self { jobs })
    }

    /// Publishes a file.
    pub(super) fn publish(&self, part: Part) -> io::Result<()> {
        let gone = || io::Error::other("the publisher is gone");
        let (done, answer) = channel();
        self.jobs.send((part, done)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}
