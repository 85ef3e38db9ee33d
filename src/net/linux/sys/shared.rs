//! Memory of a BPF map, shared with the programs that run in the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

/// A mapped BPF array (`BPF_F_MMAPABLE`). Words of it are read and written by both sides at any time; bytes belong to one side at a time,
/// as the two have agreed.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    memory: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this value is its only owner.
unsafe impl Send for SharedMemory {}
// SAFETY: through a shared reference only atomic words are reached.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Maps the first `len` bytes of the array behind `map`.
    pub(crate) fn map(map: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, map.as_raw_fd(), 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, len })
    }

    /// The word at byte `at`.
    ///
    /// # Panics
    /// When it is not whole in the memory, or not aligned.
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.len, "word at {at} of {}", self.len);
        // SAFETY: within the mapping, as was just checked, and aligned, since a mapping begins at a page. The kernel changes it by whole-word
        // accesses only.
        unsafe { self.memory.add(at).cast::<AtomicU64>().as_ref() }
    }

    /// `len` bytes at byte `at`, which the kernel must have no claim to now.
    ///
    /// # Panics
    /// When they are not all in the memory.
    pub(crate) fn bytes(&mut self, at: usize, len: usize) -> &mut [u8] {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len), "{len} bytes at {at} of {}", self.len);
        // SAFETY: within the mapping, as was just checked. The borrow of `self` keeps other references away, and the program in the kernel
        // reads these bytes only after a word has told it to; should it do so all the same, it sends a torn frame and no memory is harmed.
        unsafe { slice::from_raw_parts_mut(self.memory.add(at).as_ptr(), len) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`; nothing borrowed from it outlives `self`.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.len) };
    }
}
