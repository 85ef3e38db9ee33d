//! What the machine has: for `synprobe interfaces`, which prints it.

use super::interface::{Interface, interfaces};
use super::privilege::Privilege;
use super::route::RouteEntry;
use crate::error::Result;

/// The machine as a scan sees it.
#[derive(Clone, Debug)]
pub struct SystemView {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its routes, as the kernel lists them; empty where the system's table cannot be read.
    pub routes: Vec<RouteEntry>,
    /// What this process may do.
    pub privilege: Privilege,
}

impl SystemView {
    /// Takes a look.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub fn read() -> Result<Self> {
        let interfaces = interfaces()?;
        #[cfg(target_os = "linux")]
        let routes = super::linux::ways::routes(&interfaces)?;
        #[cfg(not(target_os = "linux"))]
        let routes = Vec::new();
        Ok(Self { interfaces, routes, privilege: Privilege::probe() })
    }
}
