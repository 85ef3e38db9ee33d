//! Tunnel interfaces made by this process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::sys;
use crate::error::{Error, Result};

/// A tunnel interface without link layer and this process as its far end: each read gives one bare IP packet the system sent
/// into it, each write is one packet coming out of it. The interface goes away with this value.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes the interface `name` (at most 15 bytes) in the calling thread's network namespace; it is down at first.
    ///
    /// # Errors
    /// Where `/dev/net/tun` is missing or closed to this user, `CAP_NET_ADMIN` is missing, or the name is taken.
    pub fn open(name: &str) -> Result<Self> {
        let file = sys::tun::open(name).map_err(|cause| Error::io("make tunnel", name, cause).hint("needs /dev/net/tun"))?;
        Ok(Self(file))
    }
}

impl Read for Tun {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tun {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        self.0.write(packet)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
