//! Whether standard output could be written when the program began: fcntl(2).
//!
//! Rust's runtime opens `/dev/null` in place of a closed standard descriptor, and what is written there is lost without an error.
//! It does so before `main`, so the loader asks first.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was open for writing when the program was loaded.
///
/// Closed (`>&-`) or open for reading only it takes nothing, and the standard library reports no error.
pub fn stdout_is_writable() -> bool {
    WRITABLE.load(Ordering::Relaxed)
}

static WRITABLE: AtomicBool = AtomicBool::new(true);

extern "C" fn look() {
    // SAFETY: the call takes no pointer; on a closed descriptor it fails.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFL) };
    WRITABLE.store(flags >= 0 && flags & libc::O_ACCMODE != libc::O_RDONLY, Ordering::Relaxed);
}

// SAFETY: the loader calls every function in this section once, before `main`, on the only thread; `look` needs nothing set up.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;
