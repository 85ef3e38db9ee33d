//! Limits on open descriptors: getrlimit(2).

use std::io;

use super::checked;

/// Raises the number of descriptors this process may have open as far as it is allowed to; the limit then in force.
pub(crate) fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = descriptor_limit()?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the structure is initialised and outlives the call.
        checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(limit.rlim_cur)
}

/// How many more descriptors may be opened now.
pub(crate) fn descriptors_left() -> io::Result<u64> {
    let open = std::fs::read_dir("/proc/self/fd")?.count() as u64;
    Ok(descriptor_limit()?.rlim_cur.saturating_sub(open))
}

fn descriptor_limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is writable and outlives the call.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(limit)
}
