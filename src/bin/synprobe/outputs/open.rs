//! Opening files: all or none, no file overwritten by accident, and none left behind that belongs to root by accident.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Destination, OutputSpec};

use crate::stdout;

/// An output that is ready to be written.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) spec: OutputSpec,
    /// None is standard output.
    pub(super) file: Option<File>,
    /// The file's path if it did not exist before.
    pub(super) made: Option<PathBuf>,
}

/// Opens every output. When one cannot be opened, the files made for the others are removed again and existing ones are as
/// they were.
pub(super) fn all(specs: &[OutputSpec], force: bool) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    match specs.iter().try_for_each(|spec| one(spec, force, &opened).map(|output| opened.push(output))) {
        Ok(()) => opened.iter().try_for_each(empty).map(|()| opened),
        Err(error) => {
            opened.into_iter().filter_map(|output| output.made).for_each(|path| _ = fs::remove_file(path));
            Err(error)
        }
    }
}

fn one(spec: &OutputSpec, force: bool, before: &[Opened]) -> Result<Opened> {
    let twice = || Error::asked("write", &spec.destination, "two outputs go there");
    let Destination::File(path) = &spec.destination else {
        let taken = before.iter().any(|output| output.file.is_none());
        if taken {
            return Err(twice());
        }
        stdout::open()?;
        return Ok(Opened { spec: spec.clone(), file: None, made: None });
    };
    let failed = |cause| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
    let taken = |output: &Opened| matches!(&output.spec.destination, Destination::File(other) if same(path, other));
    if before.iter().any(taken) {
        return Err(twice());
    }
    let (file, made) = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            give_to_invoking_user(&file);
            (file, Some(path.clone()))
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => (existing(path, force)?, None),
        Err(cause) => return Err(failed(cause)),
    };
    Ok(Opened { spec: spec.clone(), file: Some(file), made })
}

/// A device or a pipe is always written to; a file only on request.
fn existing(path: &Path, force: bool) -> Result<File> {
    let failed = |cause| Error::io("write", path.display(), cause).of_kind(Kind::Asked);
    if !force && fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::asked("write", path.display(), "it exists").hint("--force overwrites it"));
    }
    OpenOptions::new().write(true).open(path).map_err(failed)
}

/// Old contents go only when every output could be opened.
fn empty(output: &Opened) -> Result<()> {
    let failed = |cause| Error::io("write", &output.spec.destination, cause).of_kind(Kind::Asked);
    match &output.file {
        Some(file) if file.metadata().map_err(failed)?.is_file() => file.set_len(0).map_err(failed),
        _ => Ok(()),
    }
}

fn same(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b && a.is_file(),
        _ => a == b,
    }
}

/// Under sudo a new file belongs to the user who called it. Only new files: an existing one may be another's, reached by a link.
fn give_to_invoking_user(file: &File) {
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

    fn specs(dir: &Path, words: &[&str]) -> Vec<OutputSpec> {
        words.iter().map(|word| word.replace('@', &format!("{}/", dir.display())).parse().unwrap()).collect()
    }

    #[test]
    fn nothing_is_half_done() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), "old").unwrap();
        let failed = all(&specs(dir.path(), &["json:@new", "list:@old"]), false).unwrap_err();
        assert!(failed.to_string().ends_with("old: it exists (--force overwrites it)"), "{failed}");
        assert!(!dir.path().join("new").exists());

        let failed = all(&specs(dir.path(), &["list:@old", "json:@missing/new"]), true).unwrap_err();
        assert_eq!(failed.kind(), Kind::Asked);
        assert_eq!(fs::read_to_string(dir.path().join("old")).unwrap(), "old");

        assert_eq!(all(&specs(dir.path(), &["list:@old", "json:@new"]), true).unwrap().len(), 2);
        assert_eq!(fs::read_to_string(dir.path().join("old")).unwrap(), "");
    }

    #[test]
    fn one_place_takes_one_output() {
        let dir = tempfile::tempdir().unwrap();
        for words in [["json:-", "text:-"], ["json:@a", "text:@./a"]] {
            let failed = all(&specs(dir.path(), &words), true).unwrap_err();
            assert!(failed.to_string().ends_with("two outputs go there"), "{failed}");
            assert!(!dir.path().join("a").exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file_to_overwrite() {
        assert!(all(&specs(Path::new(""), &["json:/dev/null", "text:/dev/null"]), false).is_ok());
    }
}
