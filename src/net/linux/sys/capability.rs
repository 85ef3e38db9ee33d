//! Who this process runs as.

/// The effective user's number.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: takes nothing and always succeeds.
    unsafe { libc::geteuid() }
}
