//! A receive ring's memory, shared with the kernel block by block.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

/// A mapped ring of equal blocks, each of which belongs either to the kernel, which fills it, or to us.
pub(crate) struct BlockRing {
    memory: NonNull<u8>,
    block_bytes: usize,
    blocks: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this value is its only owner.
unsafe impl Send for BlockRing {}

impl BlockRing {
    /// Maps the ring that `socket` was just given.
    pub(super) fn map(socket: BorrowedFd<'_>, block_bytes: usize, blocks: usize) -> io::Result<Self> {
        let len = block_bytes.checked_mul(blocks).ok_or(io::ErrorKind::OutOfMemory)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, block_bytes, blocks })
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The whole block numbered `index` modulo their number, header included, if it is ours to read now.
    pub(crate) fn block(&self, index: usize) -> Option<&[u8]> {
        if self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies within the mapping. It is ours, so the kernel does not write to it until `release`, which borrows `self`
        // mutably and so waits for the end of this slice. The load above acquired what the kernel wrote.
        Some(unsafe { slice::from_raw_parts(self.start(index).as_ptr(), self.block_bytes) })
    }

    /// Gives the block back to the kernel.
    pub(crate) fn release(&mut self, index: usize) {
        self.status(index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: the status word lies within the block (which is at least a page) and is aligned to four bytes, as blocks are to pages.
        // The kernel and we change it by whole-word stores only.
        unsafe { self.start(index).add(STATUS).cast::<AtomicU32>().as_ref() }
    }

    fn start(&self, index: usize) -> NonNull<u8> {
        // SAFETY: `index` modulo the number of blocks, times their size, is below the length of the mapping.
        unsafe { self.memory.add(index % self.blocks * self.block_bytes) }
    }
}

impl Drop for BlockRing {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`; no slice of it outlives `self`.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.block_bytes * self.blocks) };
    }
}

/// Where a block's status word is.
const STATUS: usize = offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, block_status);
