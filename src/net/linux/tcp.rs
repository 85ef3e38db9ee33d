//! Connecting sockets that are used again: `connect(AF_UNSPEC)` costs a third of a new socket and its registration, and an
//! error queue tells which ICMP error refused a connection where the error number cannot.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sys::tcp as sys;

/// How sockets are bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The source address; sockets of the other family stay unbound.
    pub source_ip: Option<IpAddr>,
    /// The source port.
    pub source_port: Option<u16>,
    /// The interface (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
}

/// Numbered, non-blocking TCP sockets and what happens to them.
pub struct Sockets {
    // Closed before the epoll instance they are registered with.
    slots: Vec<Option<(Socket, Domain)>>,
    epoll: sys::Epoll,
    binding: Binding,
}

impl Sockets {
    /// How many events [`Sockets::wait`] reports at once at most.
    pub const BATCH: usize = 256;

    /// No sockets yet; they are made as slots are used.
    ///
    /// # Errors
    /// No descriptor for an epoll instance.
    pub fn new(binding: Binding) -> io::Result<Self> {
        Ok(Self { slots: Vec::new(), epoll: sys::Epoll::new(Self::BATCH)?, binding })
    }

    /// Begins a connection on the slot's socket. An error queue entry that came at once waits for [`Sockets::next_error`].
    pub fn connect(&mut self, slot: u32, target: SocketAddr) -> Answer {
        let domain = Domain::for_address(target);
        match self.socket(slot, domain) {
            Ok(socket) => connect(socket, target, Call::First),
            Err(error) => Answer::of_socket(&error),
        }
    }

    /// What became of the connection to `target` begun on the slot.
    pub fn read(&self, slot: u32, target: SocketAddr) -> Answer {
        self.existing(slot).map_or(Answer::Pending, |socket| connect(socket, target, Call::Second))
    }

    /// The next ICMP error about the slot's connections. To be read before [`Sockets::read`], whose answer it overrides.
    pub fn next_error(&self, slot: u32) -> Option<QueuedError> {
        sys::next_error(self.existing(slot)?.as_fd())
    }

    /// Gives up whatever the slot's socket is doing; an established connection is reset.
    pub fn disconnect(&mut self, slot: u32) {
        let done = self.existing(slot).is_none_or(|socket| sys::disconnect(socket.as_fd()).is_ok());
        if !done {
            self.slots[slot as usize] = None;
        }
    }

    /// Waits up to `timeout`, rounded up to milliseconds, for events; how many there were, [`Sockets::BATCH`] if there may be more.
    ///
    /// # Errors
    /// The epoll instance failed.
    pub fn wait(&mut self, timeout: Duration, each: impl FnMut(Event)) -> io::Result<usize> {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        self.epoll.wait(i32::try_from(millis).unwrap_or(i32::MAX), each)
    }

    fn existing(&self, slot: u32) -> Option<&Socket> {
        self.slots.get(slot as usize)?.as_ref().map(|(socket, _)| socket)
    }

    fn socket(&mut self, slot: u32, domain: Domain) -> io::Result<&Socket> {
        let slot_index = slot as usize;
        if self.slots.len() <= slot_index {
            self.slots.resize_with(slot_index + 1, || None);
        }
        if self.slots[slot_index].as_ref().is_none_or(|(_, of)| *of != domain) {
            // Closed first: its descriptor may be the only one to be had.
            self.slots[slot_index] = None;
            let socket = open(domain, &self.binding)?;
            self.epoll.add(socket.as_fd(), slot)?;
            self.slots[slot_index] = Some((socket, domain));
        }
        Ok(&self.slots[slot_index].as_ref().expect("made above").0)
    }
}

/// Opens a socket as a scan would and closes it again, so that what cannot work is said before the first probe.
///
/// # Errors
/// The interface or the source address is not this machine's, the port is taken, or there is no descriptor.
pub fn try_binding(binding: &Binding, family_of: IpAddr) -> io::Result<()> {
    open(if family_of.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 }, binding).map(drop)
}

/// What happened to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub slot: u32,
    /// Its error queue may hold something.
    pub error: bool,
}

/// An ICMP error from a socket's error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedError {
    /// `ICMPv6` rather than ICMP.
    pub v6: bool,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Who sent it.
    pub offender: Option<IpAddr>,
    /// The destination of the packet it is about.
    pub target: Option<SocketAddr>,
}

/// The kernel's answer to `connect()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Under way.
    Pending,
    /// Established (perhaps reset since) from this address.
    Established(Option<SocketAddr>),
    /// Refused: a RST, unless the error queue knows better.
    Refused,
    /// It failed for want of an answer, or in a way that says nothing.
    Silent,
    /// `EHOSTUNREACH`.
    HostUnreachable,
    /// `ENETUNREACH`, `ENETDOWN`.
    NetworkUnreachable,
    /// `EACCES`, `EPERM`.
    Prohibited,
    /// `EINVAL`.
    Invalid,
    /// `EAFNOSUPPORT`.
    NoFamily,
    /// `EMFILE`, `ENFILE`.
    NoDescriptors,
    /// `EADDRNOTAVAIL`, `EADDRINUSE`.
    NoPorts,
    /// `ENOBUFS`, `ENOMEM`, `EAGAIN`.
    NoMemory,
    /// Another error number.
    Failed(i32),
}

impl Answer {
    fn of_socket(error: &io::Error) -> Self {
        match error.raw_os_error().unwrap_or(0) {
            libc::EMFILE | libc::ENFILE => Self::NoDescriptors,
            // epoll_ctl's limit of watches.
            libc::ENOSPC => Self::NoMemory,
            other => Self::of_connect(other, Call::First),
        }
    }

    fn of_connect(errno: i32, call: Call) -> Self {
        match (errno, call) {
            (libc::EINPROGRESS | libc::EALREADY | libc::EINTR, _) => Self::Pending,
            (libc::ECONNREFUSED, _) => Self::Refused,
            (libc::EHOSTUNREACH, _) => Self::HostUnreachable,
            (libc::ENETUNREACH | libc::ENETDOWN, _) => Self::NetworkUnreachable,
            (libc::EACCES | libc::EPERM, _) => Self::Prohibited,
            (libc::EADDRNOTAVAIL | libc::EADDRINUSE, _) => Self::NoPorts,
            (libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN, _) => Self::NoMemory,
            (libc::EINVAL, Call::First) => Self::Invalid,
            (libc::EAFNOSUPPORT, Call::First) => Self::NoFamily,
            // ETIMEDOUT, ECONNABORTED, and what an ICMP error of no meaning for a port leaves behind.
            (_, Call::Second) => Self::Silent,
            (errno, Call::First) => Self::Failed(errno),
        }
    }
}

/// Gives the calling thread a descriptor table of its own, which the limit then counts by itself. The thread sees no descriptor
/// that others open later, and what it closes stays open for them.
///
/// # Errors
/// The system forbids it.
pub fn unshare_descriptors() -> io::Result<()> {
    sys::unshare_descriptors()
}

/// How many more descriptors the process may open now.
///
/// # Errors
/// The limit or the descriptors in use could not be read.
pub fn descriptors_left() -> io::Result<u64> {
    super::descriptors_left()
}

/// Memory the kernel could give without swapping, in bytes.
pub fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    First,
    Second,
}

fn connect(socket: &Socket, target: SocketAddr, call: Call) -> Answer {
    let errno = match socket.connect(&SockAddr::from(target)) {
        Ok(()) => libc::EISCONN,
        Err(error) => error.raw_os_error().unwrap_or(0),
    };
    match errno {
        libc::EISCONN => Answer::Established(socket.local_addr().ok().and_then(|addr| addr.as_socket())),
        // A RST after the handshake: the SYN-ACK was there.
        libc::ECONNRESET | libc::EPIPE if call == Call::Second => Answer::Established(None),
        errno => Answer::of_connect(errno, call),
    }
}

fn open(domain: Domain, binding: &Binding) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Closing resets: no connection of a scan lingers, on either side.
    socket.set_linger(Some(Duration::ZERO))?;
    let recverr = if domain == Domain::IPV4 { (libc::IPPROTO_IP, libc::IP_RECVERR) } else { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) };
    sys::set_option(socket.as_fd(), recverr.0, recverr.1, 1)?;
    if let Some(interface) = &binding.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    let any: IpAddr = if domain == Domain::IPV4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source_ip = binding.source_ip.filter(|source| source.is_ipv4() == any.is_ipv4());
    if source_ip.is_some() || binding.source_port.is_some() {
        // Without it each bound socket would hold a port of its own against all targets: 28,000 at once and no more.
        sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        socket.set_reuse_address(binding.source_port.is_some())?;
        socket.bind(&SocketAddr::new(source_ip.unwrap_or(any), binding.source_port.unwrap_or(0)).into())?;
    }
    Ok(socket)
}
