//! Where journals are: in the user's state folder, also under sudo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use synprobe::error::{Error, Result};
use synprobe::net::privilege::invoking_user;

/// The folder of journals, made if it was not there.
pub(crate) fn folder() -> Result<PathBuf> {
    let state = match env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(state) => state,
        None => home().ok_or_else(|| Error::machine("find", "the folder of journals", "HOME is not set"))?.join(".local/state"),
    };
    let folder = state.join("synprobe");
    make(&folder).map_err(|cause| Error::io("make", folder.display(), cause))?;
    Ok(folder)
}

/// The home of whoever called sudo, or of the user.
fn home() -> Option<PathBuf> {
    let own = || env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    match invoking_user() {
        Some((user, _)) => env::var_os("SUDO_HOME").map(PathBuf::from).or_else(|| home_of(user)).or_else(own),
        None => own(),
    }
}

/// As `/etc/passwd` says (passwd(5)).
fn home_of(user: u32) -> Option<PathBuf> {
    let all = fs::read_to_string("/etc/passwd").ok()?;
    let of = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(user)).then(|| fields.get(5).map(PathBuf::from)).flatten()
    };
    all.lines().find_map(of).filter(|path| path.is_absolute())
}

/// Makes a folder and those it lies in; they belong to whoever called sudo.
fn make(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above)?;
    }
    fs::create_dir(folder)?;
    #[cfg(unix)]
    if let Some((user, group)) = invoking_user() {
        std::os::unix::fs::lchown(folder, Some(user), Some(group))?;
    }
    Ok(())
}
