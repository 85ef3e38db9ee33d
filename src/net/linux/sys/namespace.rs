//! Entering network namespaces: unshare(2), setns(2), `user_namespaces(7)`.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::checked;

/// What is written into the maps of a user namespace, made ready beforehand: between fork and exec nothing may be allocated.
#[derive(Clone, Debug)]
pub(crate) struct IdMaps {
    users: Vec<u8>,
    groups: Vec<u8>,
}

impl IdMaps {
    /// The calling user becomes root inside.
    pub(crate) fn of_this_user() -> Self {
        // SAFETY: these calls take nothing and always succeed.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        Self { users: format!("0 {user} 1\n").into_bytes(), groups: format!("0 {group} 1\n").into_bytes() }
    }
}

/// Moves the calling thread into a new network namespace, and where that needs it the whole process into a new user
/// namespace first. Allocates nothing, so that it may run between fork and exec.
pub(crate) fn enter_private(maps: &IdMaps) -> io::Result<()> {
    match unshare_network() {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => enter_as_user(maps),
        other => other,
    }
}

/// Moves the calling thread into a new, empty network namespace.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: takes no pointers; only the calling thread's namespace changes.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Moves the calling thread into the network namespace behind `namespace`.
pub(crate) fn set_network(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed; only the calling thread's namespace changes.
    checked(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Has `command` started in a namespace of its own, and ended when the thread that waits for it ends.
pub(crate) fn isolate(command: &mut Command) {
    let maps = IdMaps::of_this_user();
    let enter = move || {
        // SAFETY: takes no pointers.
        checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        enter_private(&maps)
    };
    // SAFETY: `enter` makes system calls only: it neither allocates nor takes a lock another thread may have held at the fork.
    unsafe { command.pre_exec(enter) };
}

fn enter_as_user(maps: &IdMaps) -> io::Result<()> {
    // The /proc files of a process started from a binary with file capabilities belong to root until it is dumpable again.
    // SAFETY: takes no pointers.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) })?;
    // SAFETY: takes no pointers; fails with EINVAL where the process has other threads.
    checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })?;
    // An ordinary user may map a group only after giving up setgroups(2).
    write_file(c"/proc/self/setgroups", b"deny")?;
    write_file(c"/proc/self/uid_map", &maps.users)?;
    write_file(c"/proc/self/gid_map", &maps.groups)
}

fn write_file(path: &CStr, content: &[u8]) -> io::Result<()> {
    // SAFETY: the path is a terminated string.
    let file = checked(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
    // SAFETY: pointer and length are those of one slice; the descriptor was opened above.
    let written = unsafe { libc::write(file, content.as_ptr().cast(), content.len()) };
    let result = if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the descriptor was opened above, is closed once, and never used again.
    unsafe { libc::close(file) };
    result
}
