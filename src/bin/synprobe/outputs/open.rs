//! Opening outputs: all or none, no file overwritten by accident, and none left behind that belongs to root by accident.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use synprobe::error::{Error, Kind, Result};
use synprobe::packet::pcapng::whole_blocks;
use synprobe::report::{Destination, Format, Growth, Migration, OutputSpec, Sqlite};

use super::part::{self, Part};
use crate::stdout;

/// What becomes of a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and its name is refused.
    Kept,
    /// It was asked to be overwritten.
    Overwritten,
    /// It is of an earlier part of the scan. What it has is written anew with the rest; only a capture goes on, for what it has is nowhere else.
    GoneOnWith,
}

/// An output that is ready to be written.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) spec: OutputSpec,
    pub(super) sink: Sink,
}

/// Where an output's records go.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    /// A device or a pipe, or a file of a format that is valid after each record.
    Stream(File, Made),
    /// A file that appears when it is complete.
    Part(Part),
    Database(Box<Sqlite>, Made),
}

/// The file that was made for an output, if it did not exist before.
#[derive(Debug, Default)]
pub(super) struct Made(Option<PathBuf>);

impl Made {
    /// Takes it away.
    pub(super) fn remove(self) {
        // Whatever led here is what the user hears about.
        self.0.into_iter().for_each(|path| _ = fs::remove_file(path));
    }
}

impl Sink {
    /// Takes away what was made.
    pub(super) fn remove(self) {
        match self {
            Self::Stdout => {}
            Self::Part(part) => part.remove(),
            Self::Stream(_, made) => made.remove(),
            Self::Database(database, made) => {
                drop(database);
                made.remove();
            }
        }
    }
}

/// Opens every output. When one cannot be opened, the files made for the others are removed again and existing ones are as
/// they were.
pub(super) fn all(specs: &[OutputSpec], existing: Existing, migration: Migration) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    // What is in a database may change as it is opened: they come last.
    let is_database = |spec: &&OutputSpec| spec.format.growth() == Growth::Database;
    let in_turn = specs.iter().filter(|spec| !is_database(spec)).chain(specs.iter().filter(is_database));
    let one = |spec: &OutputSpec, before: &[Opened]| {
        if before.iter().any(|other| is_same(&spec.destination, &other.spec.destination)) {
            return Err(Error::asked("write", &spec.destination, "two outputs go there"));
        }
        Ok(Opened { spec: spec.clone(), sink: sink(spec, existing, migration)? })
    };
    match in_turn.into_iter().try_for_each(|spec| one(spec, &opened).map(|output| opened.push(output))) {
        Ok(()) => opened.iter_mut().try_for_each(|output| empty(output, existing)).map(|()| opened),
        Err(error) => {
            for output in opened {
                output.sink.remove();
            }
            Err(error)
        }
    }
}

fn sink(spec: &OutputSpec, existing: Existing, migration: Migration) -> Result<Sink> {
    let Destination::File(path) = &spec.destination else {
        stdout::open()?;
        return Ok(Sink::Stdout);
    };
    let growth = spec.format.growth();
    let failed = |cause| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
    let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
    if growth == Growth::Database {
        let made = if kind.is_none() { made(path).map_err(failed)?.1 } else { Made::default() };
        return match Sqlite::open(path, migration) {
            Ok(database) => Ok(Sink::Database(Box::new(database), made)),
            Err(error) => {
                made.remove();
                Err(error)
            }
        };
    }
    match kind {
        // A device or a pipe is always written to; a file only on request.
        Some(kind) if !kind.is_file() && !kind.is_dir() => {
            OpenOptions::new().write(true).open(path).map(|file| Sink::Stream(file, Made::default())).map_err(failed)
        }
        Some(kind) if kind.is_file() && existing == Existing::Kept => {
            Err(Error::asked("write", path.display(), "it exists").hint("--force overwrites it"))
        }
        Some(kind) if kind.is_file() && growth == Growth::ByRecord => {
            OpenOptions::new().read(true).write(true).open(path).map(|file| Sink::Stream(file, Made::default())).map_err(failed)
        }
        Some(kind) if kind.is_dir() => Err(Error::asked("write", path.display(), "it is a folder")),
        _ if growth == Growth::Whole => {
            let part = Part::begin(path, existing)?;
            give_to_invoking_user(part.file());
            Ok(Sink::Part(part))
        }
        _ => made(path).map(|(file, made)| Sink::Stream(file, made)).map_err(failed),
    }
}

/// A new file.
fn made(path: &Path) -> std::io::Result<(File, Made)> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    give_to_invoking_user(&file);
    Ok((file, Made(Some(path.to_owned()))))
}

/// Old contents go only when every output could be opened.
fn empty(output: &mut Opened, existing: Existing) -> Result<()> {
    let Opened { spec, sink: Sink::Stream(file, _) } = output else { return Ok(()) };
    let goes_on = existing == Existing::GoneOnWith && spec.format == Format::Pcapng;
    let mut emptied = || {
        if !file.metadata()?.is_file() {
            return Ok(());
        }
        let good = if goes_on { whole_blocks(file)? } else { 0 };
        file.set_len(good)?;
        file.seek(SeekFrom::Start(good)).map(|_| ())
    };
    emptied().map_err(|cause| Error::io("write", &spec.destination, cause).of_kind(Kind::Asked))
}

fn is_same(one: &Destination, other: &Destination) -> bool {
    let (Destination::File(one), Destination::File(other)) = (one, other) else { return one == other };
    let is_device = fs::metadata(one).is_ok_and(|metadata| !metadata.is_file());
    // A file under way has a name of its own.
    let places = |path: &Path| [place(path), place(&part::name(path))];
    !is_device && places(one).iter().any(|one| places(other).contains(one))
}

/// A path as it is from the root, whether or not there is a file.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let absent = || Ok::<_, std::io::Error>(fs::canonicalize(folder)?.join(path.file_name().ok_or(ErrorKind::NotFound)?));
    fs::canonicalize(path).or_else(|_| absent()).unwrap_or_else(|_| path.to_owned())
}

/// Under sudo a new file belongs to the user who called it. Only new files: an existing one may be another's, reached by a link.
pub(crate) fn give_to_invoking_user(file: &File) {
    #[cfg(unix)]
    if let Some((user, group)) = synprobe::net::privilege::invoking_user() {
        // Where root may not give files away (a network share), the file stays root's.
        _ = std::os::unix::fs::fchown(file, Some(user), Some(group));
    }
    #[cfg(not(unix))]
    let _ = file;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(dir: &Path, words: &[&str], existing: Existing) -> Result<Vec<Opened>> {
        let specs: Vec<OutputSpec> = words.iter().map(|word| word.replace('@', &format!("{}/", dir.display())).parse().unwrap()).collect();
        all(&specs, existing, Migration::Refused)
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_capture_goes_on_after_its_last_whole_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut writer = synprobe::packet::pcapng::PcapngWriter::new(Vec::new()).unwrap();
        writer.interface("v0", synprobe::packet::Medium::Ethernet).unwrap();
        let whole = writer.into_inner();
        for (existing, word, left) in [
            (Existing::GoneOnWith, "pcapng:@x", whole.len()),
            (Existing::Overwritten, "pcapng:@x", 0),
            (Existing::GoneOnWith, "list:@x", 0),
        ] {
            fs::write(&path, [&whole[..], &whole[..30]].concat()).unwrap();
            let opened = opened(dir.path(), &[word], existing).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole[..left], "{existing:?} {word}");
            let Sink::Stream(mut file, _) = opened.into_iter().next().unwrap().sink else { panic!("no stream") };
            assert_eq!(file.stream_position().unwrap(), left as u64);
        }
    }

    #[test]
    fn nothing_is_half_done() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), "old").unwrap();
        let words = ["json:@new", "sqlite:@new.db", "xml:@new.xml", "list:@old"];
        let failed = opened(dir.path(), &words, Existing::Kept).unwrap_err();
        assert!(failed.to_string().ends_with("old: it exists (--force overwrites it)"), "{failed}");
        assert_eq!(names(dir.path()), ["old"]);

        let failed = opened(dir.path(), &["list:@old", "xml:@old2", "json:@missing/new"], Existing::Overwritten).unwrap_err();
        assert_eq!(failed.kind(), Kind::Asked);
        assert_eq!(fs::read_to_string(dir.path().join("old")).unwrap(), "old");
        assert_eq!(names(dir.path()), ["old"]);

        assert_eq!(opened(dir.path(), &["list:@old", "json:@new"], Existing::Overwritten).unwrap().len(), 2);
        assert_eq!(fs::read_to_string(dir.path().join("old")).unwrap(), "");
    }

    #[test]
    fn a_file_under_way_is_called_so_and_the_old_one_stays_until_the_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("scan.xml"), "old").unwrap();
        let under_way = opened(dir.path(), &["xml:@scan.xml"], Existing::Overwritten).unwrap();
        assert_eq!(names(dir.path()), ["scan.xml", "scan.xml.part"]);
        assert_eq!(fs::read_to_string(dir.path().join("scan.xml")).unwrap(), "old");
        drop(under_way);
        fs::remove_file(dir.path().join("scan.xml")).unwrap();
        let failed = opened(dir.path(), &["xml:@scan.xml"], Existing::Kept).unwrap_err().to_string();
        assert!(failed.ends_with("scan.xml.part: it exists, of a scan that was killed or still runs (--force overwrites it)"), "{failed}");
        assert!(opened(dir.path(), &["xml:@scan.xml"], Existing::Overwritten).is_ok());
    }

    #[test]
    fn one_place_takes_one_output() {
        let dir = tempfile::tempdir().unwrap();
        for words in [["json:-", "text:-"], ["json:@a", "text:@./a"], ["xml:@a", "grepable:@../@a"], ["xml:@a", "json:@a.part"]] {
            let words = words.map(|word| word.replace("@../@", &format!("@../{}/", dir.path().file_name().unwrap().display())));
            let failed = opened(dir.path(), &words.each_ref().map(|word| &**word), Existing::Overwritten).unwrap_err();
            assert!(failed.to_string().ends_with("two outputs go there"), "{failed}");
            assert_eq!(names(dir.path()), [""; 0]);
        }
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        for format in ["json", "xml"] {
            let spec = format!("{format}:{}", dir.path().display());
            let failed = opened(dir.path(), &[&spec], Existing::Overwritten).unwrap_err().to_string();
            assert!(failed.ends_with("it is a folder"), "{failed}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file_to_overwrite() {
        assert!(opened(Path::new(""), &["json:/dev/null", "text:/dev/null", "xml:/dev/null"], Existing::Kept).is_ok());
    }
}
