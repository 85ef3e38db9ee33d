//! Many packets with one system call.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{LinkAddress, checked};
use crate::net::outbox::BATCH;

/// Where packets go.
#[derive(Clone, Copy)]
pub(crate) enum To<'a> {
    /// Where the socket is bound to.
    Bound,
    /// All to one link.
    Link(&'a LinkAddress),
    /// Each to its own address; as many as there are packets.
    Each(&'a [InetDestination]),
}

/// An IPv4 destination as the kernel reads it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct InetDestination(libc::sockaddr_in);

impl From<SocketAddrV4> for InetDestination {
    fn from(address: SocketAddrV4) -> Self {
        Self(libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
            sin_zero: [0; 8],
        })
    }
}

/// Hands up to [`BATCH`] of `packets` to the kernel (`sendmmsg`); how many it took from the front.
///
/// # Errors
/// Why it did not take the first. An error at a later packet shows when that is the first of another call.
pub(crate) fn send_many(socket: BorrowedFd<'_>, packets: &[&[u8]], to: To<'_>) -> io::Result<usize> {
    let count = packets.len().min(BATCH);
    // SAFETY: both are C structures of integers and pointers, for which all zeros is a valid value.
    let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
    for (i, packet) in packets[..count].iter().enumerate() {
        vectors[i] = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut vectors[i];
        header.msg_iovlen = 1;
        match to {
            To::Bound => {}
            To::Link(address) => {
                header.msg_name = std::ptr::from_ref(address).cast_mut().cast();
                header.msg_namelen = size_of::<LinkAddress>() as libc::socklen_t;
            }
            To::Each(addresses) => {
                header.msg_name = std::ptr::from_ref(&addresses[i]).cast_mut().cast();
                header.msg_namelen = size_of::<InetDestination>() as libc::socklen_t;
            }
        }
    }
    // SAFETY: the first `count` headers point to vectors, packets and addresses that outlive the call, and the kernel only reads through
    // those pointers when sending; it writes `msg_len` in `headers`, which is ours.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT) };
    checked(sent).map(|sent| sent as usize)
}
