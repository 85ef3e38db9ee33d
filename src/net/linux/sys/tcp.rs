//! What recycled connecting sockets need of the kernel beyond socket2: disconnecting, the error queue, epoll, descriptor tables.

use std::ffi::c_int;
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::checked;
use crate::net::linux::tcp::{Event, QueuedError};

/// `connect(AF_UNSPEC)`: the socket is as it was before `connect()`; an established connection is reset, a SYN timer cancelled.
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let unspecified = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    // SAFETY: the address is a valid sockaddr for the length given; the descriptor is open while borrowed.
    let result = unsafe { libc::connect(fd.as_raw_fd(), &raw const unspecified, mem::size_of::<libc::sockaddr>() as u32) };
    checked(result).map(drop)
}

/// Sets an option whose value is an integer.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the value outlives the call and its size is given.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), mem::size_of::<c_int>() as u32) };
    checked(result).map(drop)
}

/// Takes one entry off the error queue (ip(7), `IP_RECVERR`); `None` when it is empty. Entries that are not ICMP are passed over.
pub(crate) fn next_error(fd: BorrowedFd<'_>) -> Option<QueuedError> {
    // Bounded: a socket's queue holds few entries, and each turn takes one off.
    for _ in 0..64 {
        let mut payload = [0u8; 64];
        let mut control = Control([0; 512]);
        let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
        let mut iov = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
        // SAFETY: all-zero bytes are a valid msghdr (null pointers and zero lengths).
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as u32;
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        // SAFETY: every buffer the header names is writable, of the length given, and outlives the call.
        let result = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
        if result < 0 {
            return None;
        }
        // SAFETY: zeroed at first and at most overwritten by the kernel: initialised either way.
        let target = if message.msg_namelen == 0 { None } else { unsafe { socket_addr(name.as_ptr().cast()) } };
        // SAFETY: the kernel filled the control buffer and set its length.
        if let Some(error) = unsafe { extended_error(&message) } {
            return Some(QueuedError { target, ..error });
        }
    }
    None
}

/// Finds the `sock_extended_err` in a message's control data.
///
/// # Safety
/// `msg_control` must point to `msg_controllen` initialised bytes, aligned for `cmsghdr`.
unsafe fn extended_error(message: &libc::msghdr) -> Option<QueuedError> {
    // SAFETY: as this function's own contract; the macros stay within msg_controllen.
    unsafe {
        let mut cmsg = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = cmsg.as_ref() {
            let is_error = matches!(
                (header.cmsg_level, header.cmsg_type),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            );
            let need = libc::CMSG_LEN((mem::size_of::<libc::sock_extended_err>() + mem::size_of::<libc::sockaddr_in>()) as u32) as usize;
            if is_error && header.cmsg_len >= need {
                let error = libc::CMSG_DATA(cmsg).cast::<libc::sock_extended_err>().read_unaligned();
                let v6 = error.ee_origin == libc::SO_EE_ORIGIN_ICMP6;
                if v6 || error.ee_origin == libc::SO_EE_ORIGIN_ICMP {
                    // The offender's address follows the error; an IPv6 one only if the message is long enough for it.
                    let offender = libc::CMSG_DATA(cmsg).add(mem::size_of::<libc::sock_extended_err>());
                    let whole = need - mem::size_of::<libc::sockaddr_in>() + mem::size_of::<libc::sockaddr_in6>();
                    let offender = if v6 && header.cmsg_len < whole { None } else { socket_addr(offender.cast()).map(|addr| addr.ip()) };
                    return Some(QueuedError { v6, kind: error.ee_type, code: error.ee_code, offender, target: None });
                }
            }
            cmsg = libc::CMSG_NXTHDR(message, cmsg);
        }
    }
    None
}

/// Reads an address of either family; `None` for others.
///
/// # Safety
/// `addr` must point to readable bytes of the size its family (its first two bytes) asks for; no alignment is needed.
unsafe fn socket_addr(addr: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: as this function's own contract.
    unsafe {
        match i32::from(addr.cast::<u16>().read_unaligned()) {
            libc::AF_INET => {
                let addr = addr.cast::<libc::sockaddr_in>().read_unaligned();
                Some((Ipv4Addr::from(u32::from_be(addr.sin_addr.s_addr)), u16::from_be(addr.sin_port)).into())
            }
            libc::AF_INET6 => {
                let addr = addr.cast::<libc::sockaddr_in6>().read_unaligned();
                Some((Ipv6Addr::from(addr.sin6_addr.s6_addr), u16::from_be(addr.sin6_port)).into())
            }
            _ => None,
        }
    }
}

/// An edge-triggered epoll instance.
pub(crate) struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// An instance that reports up to `batch` events at once.
    pub(crate) fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; batch] })
    }

    /// Reports the socket's connecting and failing as events of `slot`, until it is closed.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, slot: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLOUT | libc::EPOLLET) as u32, u64: u64::from(slot) };
        // SAFETY: both descriptors are open; the event outlives the call.
        let result = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
        checked(result).map(drop)
    }

    /// Waits up to `millis` milliseconds and passes on what happened; how much.
    pub(crate) fn wait(&mut self, millis: c_int, mut each: impl FnMut(Event)) -> io::Result<usize> {
        let room = c_int::try_from(self.events.len()).unwrap_or(c_int::MAX);
        // SAFETY: the kernel writes at most as many events as the buffer has.
        let result = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, millis) };
        let count = match checked(result) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for event in &self.events[..count] {
            let (events, slot) = (event.events, event.u64);
            each(Event { slot: slot as u32, error: events & libc::EPOLLERR as u32 != 0 });
        }
        Ok(count)
    }
}

/// Gives the calling thread a descriptor table of its own, with a limit of its own.
pub(crate) fn unshare_descriptors() -> io::Result<()> {
    // SAFETY: no pointers; descriptors stay valid under the same numbers in the copy of the table.
    checked(unsafe { libc::unshare(libc::CLONE_FILES) }).map(drop)
}

/// Aligned for `cmsghdr`.
#[repr(align(8))]
struct Control([u8; 512]);
