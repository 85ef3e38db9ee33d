//! What the kernel knows of its neighbours.

use std::net::IpAddr;

use crate::error::Result;
use crate::packet::MacAddr;

/// The addresses on the link of `interface` whose hardware address the kernel knows, whether proven a moment ago or not:
/// reachable, stale, being proven, permanent, or in no need of proof.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn neighbours(interface: u32) -> Result<Vec<(IpAddr, MacAddr)>> {
    #[cfg(target_os = "linux")]
    return super::linux::netlink::Netlink::open()?
        .neighbours(interface)
        .map_err(|cause| crate::error::Error::io("list neighbours on", format_args!("interface {interface}"), cause));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = interface;
        Ok(Vec::new())
    }
}
