//! Ending a system call of another thread early.

use std::io;
use std::mem::zeroed;

/// A thread of this process, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNumber(pub(crate) i32);

impl ThreadNumber {
    /// The calling thread.
    pub(crate) fn own() -> Self {
        // SAFETY: takes nothing and always succeeds.
        Self(unsafe { libc::gettid() })
    }

    /// Interrupts the system call the thread is in, if it is in one, as far as [`make_interruptible`] was called before.
    pub(crate) fn interrupt(self) {
        // SAFETY: plain numbers. If the thread has ended meanwhile, the kernel says so and nothing happens: the group number keeps another
        // process's thread from being meant.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.0, SIGNAL) };
    }
}

/// Has [`SIGNAL`] do nothing but interrupt, unless somebody handles it already, which interrupts as well.
pub(crate) fn make_interruptible() -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: a C structure of integers and addresses; all zeros is a valid value.
    let mut present: libc::sigaction = unsafe { zeroed() };
    // SAFETY: asks only; `present` is written within its size.
    super::checked(unsafe { libc::sigaction(SIGNAL, std::ptr::null(), &raw mut present) })?;
    if present.sa_sigaction != libc::SIG_DFL && present.sa_sigaction != libc::SIG_IGN {
        return Ok(());
    }
    // SAFETY: as above.
    let mut wanted: libc::sigaction = unsafe { zeroed() };
    wanted.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // Calls of threads that were not meant go on.
    wanted.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler has the signature of one without `SA_SIGINFO`, and does nothing a signal handler must not do.
    super::checked(unsafe { libc::sigaction(SIGNAL, &raw const wanted, std::ptr::null_mut()) }).map(drop)
}

/// Ignored by default, so that one too many harms nobody.
const SIGNAL: libc::c_int = libc::SIGURG;
