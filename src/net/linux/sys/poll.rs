//! Waiting for a socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::checked;

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Nothing: the time is over, or a signal came.
    Nothing,
    /// There is something to read.
    Readable,
    /// The socket has an error pending (`POLLERR`, `POLLHUP`); there may be something to read besides.
    Failed,
}

/// Waits until `socket` is readable or failed, or `timeout` is over.
pub(crate) fn wait_readable(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<Readiness> {
    let mut entry = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: `entry` and `timeout` live until the call returns, the count is that of the one entry, and a null mask is allowed.
    match checked(unsafe { libc::ppoll(&raw mut entry, 1, &raw const timeout, std::ptr::null()) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Readiness::Nothing),
        Err(error) => Err(error),
        Ok(0) => Ok(Readiness::Nothing),
        Ok(_) if entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 => Ok(Readiness::Failed),
        Ok(_) => Ok(Readiness::Readable),
    }
}
