//! Standard output, for what was asked to be written there.

use std::io::{self, Stdout};

use synprobe::error::{Error, Result};

/// Standard output, if it takes anything: one that was closed before the program began loses what is written without an error.
pub(crate) fn open() -> Result<Stdout> {
    if is_writable() {
        return Ok(io::stdout());
    }
    Err(Error::asked("write", "standard output", "it is closed, or open for reading only").hint("send results to a file: -o FORMAT:PATH"))
}

/// Whether standard output takes anything.
pub(crate) fn is_writable() -> bool {
    #[cfg(target_os = "linux")]
    return synprobe::net::linux::stdout_is_writable();
    #[cfg(not(target_os = "linux"))]
    true
}
