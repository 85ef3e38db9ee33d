//! Network namespaces: networks of their own inside this machine, for the practice network and for tests.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use super::sys::namespace::{IdMaps, enter_private as enter, set_network, unshare_network};
use crate::error::{Error, Result};

/// Moves the calling process into an empty network namespace of its own; nothing it sends from then on leaves the machine.
/// Its only interface is a loopback that is down.
///
/// Where the process may (`CAP_SYS_ADMIN`) only the network namespace is new; an ordinary user gets a new user namespace
/// with it and is root in there. Call it before any thread is started: threads that run already stay outside, and an
/// ordinary user cannot enter at all.
///
/// # Errors
/// Where the system forbids it; the hint says how to allow it.
pub fn enter_private() -> Result<()> {
    enter(&IdMaps::of_this_user()).map_err(|cause| {
        let why = hint(&cause);
        Error::io("enter", "a private network namespace", cause).hint(why)
    })
}

/// A network namespace. It lives as long as this value, a thread or an interface's peer in it.
///
/// ```no_run
/// use synprobe::net::linux::namespace::{Namespace, enter_private};
/// use synprobe::net::linux::veth::Wiring;
///
/// # fn main() -> synprobe::error::Result<()> {
/// enter_private()?;
/// let host = Namespace::new()?;
/// let (mut here, mut there) = (Wiring::open()?, Wiring::open_in(&host)?);
/// here.add_veth("probe0", "host0", Some(&host))?;
/// here.add_address("probe0", "10.20.0.1/24".parse().unwrap())?;
/// here.set_up("probe0")?;
/// there.add_address("host0", "10.20.0.2/24".parse().unwrap())?;
/// there.set_up("host0")?;
/// let server = host.run(|| std::net::TcpListener::bind("10.20.0.2:80"))?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Namespace {
    handle: OwnedFd,
}

impl Namespace {
    /// A new, empty one beside the calling thread's.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`: see [`enter_private`].
    pub fn new() -> Result<Self> {
        let made = on_a_thread(|| unshare_network().and_then(|()| this_thread()));
        made.map(|handle| Self { handle }).map_err(|cause| {
            let why = hint(&cause);
            Error::io("make", "a network namespace", cause).hint(why)
        })
    }

    /// The one the calling thread is in.
    ///
    /// # Errors
    /// Where `/proc` is not mounted.
    pub fn current() -> Result<Self> {
        this_thread().map(|handle| Self { handle }).map_err(|cause| Error::io("open", "this network namespace", cause))
    }

    /// Runs `work` on a thread inside and returns what it returned. Sockets it opens stay inside wherever they are used later.
    ///
    /// # Errors
    /// When the namespace cannot be entered: the capability was given up since.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        on_a_thread(|| self.enter().map(|()| work()))
    }

    /// Starts a thread inside.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or no thread started.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<thread::JoinHandle<Result<T>>> {
        let handle = self.handle.try_clone().map_err(|cause| Error::io("keep", "network namespace", cause))?;
        let body = move || Self { handle }.enter().map(|()| work());
        thread::Builder::new().name("namespace".into()).spawn(body).map_err(|cause| Error::io("start", "thread", cause))
    }

    /// Moves the calling thread inside.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN` over it.
    pub fn enter(&self) -> Result<()> {
        set_network(self.as_fd()).map_err(|cause| Error::io("enter", "network namespace", cause))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

fn this_thread() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What stands in the way of user namespaces on this machine, by the switches distributions have.
fn hint(cause: &io::Error) -> String {
    match cause.raw_os_error() {
        Some(libc::EINVAL) => return "call it before the process starts threads".into(),
        Some(libc::ENOSPC) => return "sysctl user.max_user_namespaces and user.max_net_namespaces allow no more".into(),
        Some(libc::ENOSYS) => return "this kernel has no user namespaces".into(),
        _ => {}
    }
    let switches = [
        ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0", "15000"),
    ];
    switches.into_iter().find(|(_, path, closed, _)| std::fs::read_to_string(path).is_ok_and(|value| value.trim() == *closed)).map_or_else(
        || "run it with sudo; inside a container, allow user namespaces (docker: --cap-add SYS_ADMIN) or run it outside".into(),
        |(name, _, _, open)| format!("allow it with `sudo sysctl {name}={open}`, or run it with sudo"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_what_to_do() {
        assert!(hint(&io::Error::from_raw_os_error(libc::EINVAL)).contains("threads"));
        assert!(hint(&io::Error::from_raw_os_error(libc::ENOSPC)).contains("max_user_namespaces"));
        assert!(hint(&io::Error::from_raw_os_error(libc::EPERM)).contains("sudo"));
    }
}
