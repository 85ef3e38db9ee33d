//! System calls behind safe functions: the only `unsafe` code of the crate. What comes out are slices, values and `io::Error`.

#![expect(unsafe_code, reason = "system calls and memory shared with the kernel; nothing else may stand here")]

pub(crate) mod capability;
mod clock;
pub(crate) mod limits;
mod message;
mod mmap;
pub(crate) mod namespace;
mod packet;
mod poll;
mod shared;
pub(super) mod stdout;
pub(crate) mod tcp;
pub(crate) mod tun;

use std::io;

pub(crate) use clock::KernelClock;
pub(crate) use message::{InetDestination, To, send_many};
pub(crate) use mmap::BlockRing;
pub(crate) use packet::{
    Buffer, Layout, LinkAddress, bind, bypass_queueing, dropped, enlarge_buffer, ignore_outgoing, map_ring, use_version_3,
};
pub(crate) use poll::{Readiness, wait_readable};
pub(crate) use shared::SharedMemory;

/// The result of a system call that says failure with a negative number.
fn checked(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
