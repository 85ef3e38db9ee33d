//! Options and addresses of packet sockets (packet(7)).

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_uint, socklen_t};

use super::{BlockRing, checked};

/// An interface and a protocol as a packet socket's address.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct LinkAddress(libc::sockaddr_ll);

impl LinkAddress {
    /// Frames of `protocol` (an `EtherType`, `ETH_P_ALL`, or 0 for none) on the interface numbered `index`.
    pub(crate) fn new(index: u32, protocol: u16) -> Self {
        Self(libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as libc::c_ushort,
            sll_protocol: protocol.to_be(),
            // An index above `i32::MAX` names no interface, and neither does -1.
            sll_ifindex: c_int::try_from(index).unwrap_or(-1),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        })
    }
}

/// Binds a packet socket; from then on it receives what `address` names.
pub(crate) fn bind(socket: BorrowedFd<'_>, address: &LinkAddress) -> io::Result<()> {
    let address: *const LinkAddress = address;
    // SAFETY: the pointer is to a `sockaddr_ll` (`LinkAddress` is transparent) and the length is that type's.
    checked(unsafe { libc::bind(socket.as_raw_fd(), address.cast(), size_of::<LinkAddress>() as socklen_t) }).map(drop)
}

/// Keeps frames that this machine sends out of the socket (`PACKET_IGNORE_OUTGOING`, Linux 4.20).
pub(crate) fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: c_int = 1;
    set(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &on)
}

/// Frames go straight to the driver (`PACKET_QDISC_BYPASS`, Linux 3.14).
pub(crate) fn bypass_queueing(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: c_int = 1;
    set(socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &on)
}

/// Rings of the socket have the layout `TPACKET_V3`.
pub(crate) fn use_version_3(socket: BorrowedFd<'_>) -> io::Result<()> {
    let version = libc::tpacket_versions::TPACKET_V3 as c_int;
    set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)
}

/// A buffer that [`enlarge_buffer`] enlarges.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    /// Frames sent and not yet gone.
    Send,
    /// Frames received and not yet read.
    Receive,
}

/// Sets a socket buffer's size in bytes, beyond the system's limit where the privilege is there (`CAP_NET_ADMIN`), else up to it.
pub(crate) fn enlarge_buffer(socket: BorrowedFd<'_>, buffer: Buffer, bytes: usize) -> io::Result<()> {
    let size = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    let (forced, limited) = match buffer {
        Buffer::Send => (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
        Buffer::Receive => (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
    };
    set(socket, libc::SOL_SOCKET, forced, &size).or_else(|_| set(socket, libc::SOL_SOCKET, limited, &size))
}

/// Frames the kernel could not deliver since the last call (`PACKET_STATISTICS` starts again at zero when read).
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: a C structure of integers; all zeros is a valid value.
    let mut statistics: libc::tpacket_stats_v3 = unsafe { zeroed() };
    let mut len = size_of::<libc::tpacket_stats_v3>() as socklen_t;
    let value = (&raw mut statistics).cast();
    // SAFETY: `value` has room for `len` bytes, and the kernel writes no more (without a V3 ring it writes the shorter `tpacket_stats`,
    // which begins alike).
    checked(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, value, &raw mut len) })?;
    Ok(statistics.tp_drops)
}

/// The measures of a receive ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Bytes of a block: a power of two and a multiple of the page size.
    pub(crate) block_bytes: u32,
    /// Number of blocks.
    pub(crate) blocks: u32,
    /// A block with frames in it is handed over after so many milliseconds even if it is not full.
    pub(crate) timeout_ms: u32,
}

/// Gives the socket a receive ring and maps it.
pub(crate) fn map_ring(socket: BorrowedFd<'_>, layout: Layout) -> io::Result<BlockRing> {
    let request = libc::tpacket_req3 {
        tp_block_size: layout.block_bytes,
        tp_block_nr: layout.blocks,
        tp_frame_size: FRAME_UNIT,
        tp_frame_nr: layout.block_bytes / FRAME_UNIT * layout.blocks,
        tp_retire_blk_tov: layout.timeout_ms,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
    BlockRing::map(socket, layout.block_bytes as usize, layout.blocks as usize)
}

fn set<T: Copy>(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let value: *const T = value;
    // SAFETY: `value` points to `size_of::<T>()` readable bytes, which the kernel copies before the call returns.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value.cast(), size_of::<T>() as socklen_t) }).map(drop)
}

/// `TPACKET_V3` packs frames of any length; the kernel still asks for a frame size, and only checks that it divides the blocks.
const FRAME_UNIT: c_uint = 2048;
