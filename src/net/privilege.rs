//! What this process may do, and giving it up.

use std::fmt;

use crate::error::{Error, Result};

/// What this process may do in the network namespace it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Privilege {
    /// Whether it may open packet and raw sockets: a SYN scan needs that (`CAP_NET_RAW`).
    pub raw: bool,
    /// Whether it may change network settings and exceed buffer limits (`CAP_NET_ADMIN`).
    pub admin: bool,
    /// Whether it runs as root.
    pub root: bool,
}

impl Privilege {
    /// Finds out by trying: a raw socket is opened and closed, and sees nothing in between.
    pub fn probe() -> Self {
        #[cfg(target_os = "linux")]
        return linux::probe();
        #[cfg(not(target_os = "linux"))]
        {
            let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(socket2::Protocol::ICMPV4)).is_ok();
            Self { raw, admin: raw, root: raw }
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = [(self.root, "root"), (self.raw, "raw sockets"), (self.admin, "network administration")];
        let held: Vec<&str> = held.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        f.write_str(&if held.is_empty() { "none".into() } else { held.join(", ") })
    }
}

/// How the user gets the privilege a SYN scan needs: by sudo, or once for the program file.
pub fn hint() -> String {
    let program = std::env::current_exe().map_or_else(|_| "synprobe".into(), |path| path.display().to_string());
    if cfg!(target_os = "linux") {
        format!("run it with sudo, or once: sudo setcap cap_net_raw,cap_net_admin+ep {}", quoted(&program))
    } else {
        "run it with sudo".into()
    }
}

/// Gives up every capability of the calling thread for good; threads it starts later have none either. Threads that run
/// already keep theirs. Does nothing on systems without capabilities.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn drop_capabilities_of_this_thread() -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use caps::CapSet::{Ambient, Effective, Inheritable, Permitted};
        // Permitted comes last: the others must stay within it.
        for set in [Ambient, Inheritable, Effective, Permitted] {
            caps::clear(None, set).map_err(|cause| Error::machine("give up", format_args!("{set:?} capabilities"), cause))?;
        }
    }
    Ok(())
}

/// Gives up every capability of the calling thread for good but one: to reach files whatever their permissions say, as root may.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn keep_file_access_of_this_thread() -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use caps::CapSet::{Ambient, Effective, Inheritable, Permitted};
        use caps::Capability;
        let failed = |set, cause| Error::machine("give up", format_args!("{set:?} capabilities"), cause);
        let held = caps::read(None, Permitted).map_err(|cause| failed(Permitted, cause))?;
        let kept = held.into_iter().filter(|held| *held == Capability::CAP_DAC_OVERRIDE).collect();
        for set in [Ambient, Inheritable] {
            caps::clear(None, set).map_err(|cause| failed(set, cause))?;
        }
        for set in [Effective, Permitted] {
            caps::set(None, set, &kept).map_err(|cause| failed(set, cause))?;
        }
    }
    Ok(())
}

/// The user and group number of whoever called sudo, when this runs as root by sudo: files written should be theirs.
pub fn invoking_user() -> Option<(u32, u32)> {
    #[cfg(target_os = "linux")]
    let root = super::linux::effective_user() == 0;
    #[cfg(not(target_os = "linux"))]
    let root = true;
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    if root { number("SUDO_UID").zip(number("SUDO_GID")) } else { None }
}

/// Raises the number of descriptors this process may have open to what it is allowed to; the limit then in force.
///
/// # Errors
/// When the kernel refuses.
#[cfg(target_os = "linux")]
pub fn raise_descriptor_limit() -> Result<u64> {
    super::linux::raise_descriptor_limit().map_err(|cause| Error::io("raise", "descriptor limit", cause))
}

/// A path as a shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) { path.into() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(target_os = "linux")]
mod linux {
    use socket2::{Domain, Protocol, Socket, Type};

    use super::Privilege;
    use crate::net::linux::{effective_user, netlink::Netlink};

    pub(super) fn probe() -> Privilege {
        // It takes the same capability as a packet socket, which takes tens of milliseconds to close (an RCU grace period), and this one
        // receives nothing.
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).is_ok();
        let admin = Netlink::open().is_ok_and(|mut netlink| netlink.may_administer());
        Privilege { raw, admin, root: effective_user() == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_this_very_file() {
        let program = std::env::current_exe().unwrap();
        assert!(hint().ends_with(&quoted(&program.display().to_string())), "{}", hint());
        assert_eq!(quoted("/opt/it's here/synprobe"), r"'/opt/it'\''s here/synprobe'");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nothing_is_left_after_dropping() {
        if !crate::net::linux::testing::rerun_in_namespace("net::privilege::tests::nothing_is_left_after_dropping").inside() {
            return;
        }
        let has_all = |privilege: Privilege| privilege.raw && privilege.admin;
        assert!(has_all(Privilege::probe()), "root of a private namespace may do everything there");
        let inside = std::thread::spawn(|| {
            drop_capabilities_of_this_thread().unwrap();
            let child = std::thread::spawn(Privilege::probe).join().unwrap();
            (Privilege::probe(), child)
        });
        let (dropped, child) = inside.join().unwrap();
        assert_eq!((dropped.raw, dropped.admin, dropped.root), (false, false, true));
        assert_eq!(child, dropped, "threads started later have none either");
        assert!(has_all(Privilege::probe()), "this thread keeps its own");
    }
}
