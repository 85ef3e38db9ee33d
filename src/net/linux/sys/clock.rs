//! The kernel's clocks, for what the kernel counts by them. What a scan does when is decided by the clock of `run/`.

use std::mem::zeroed;

/// A clock of the kernel's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KernelClock {
    /// Since the machine started, never set back (`CLOCK_MONOTONIC`): what BPF programs read.
    Monotonic,
    /// Since the Unix epoch (`CLOCK_REALTIME`): what packet sockets stamp frames with.
    Wall,
}

impl KernelClock {
    /// Nanoseconds.
    pub(crate) fn read(self) -> u64 {
        let clock = match self {
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Wall => libc::CLOCK_REALTIME,
        };
        // SAFETY: a C structure of integers; all zeros is a valid value.
        let mut time: libc::timespec = unsafe { zeroed() };
        // SAFETY: `time` is written within its size; both clocks exist on every Linux.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }
}
