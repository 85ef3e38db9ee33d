//! Which way packets go: over which interface, from which source address, to which next hop.

mod partition;

use std::net::IpAddr;

use crate::error::Result;
use crate::target::{AddressRange, AddressSet};

pub(crate) use partition::Cuts;

/// A range of addresses that are reached alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The addresses.
    pub range: AddressRange,
    /// How they are reached.
    pub hop: WayHop,
}

/// How an address is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WayHop {
    /// It is a neighbour on an Ethernet.
    OnLink {
        /// The interface's number.
        interface: u32,
        /// Our address.
        source: IpAddr,
    },
    /// A gateway on an Ethernet passes packets on.
    Gateway {
        /// The interface's number.
        interface: u32,
        /// Our address.
        source: IpAddr,
        /// The gateway, a neighbour; it may be of the other family (RFC 5549).
        gateway: IpAddr,
    },
    /// It is the machine itself.
    Local {
        /// The loopback interface's number.
        interface: u32,
        /// The address the machine would use to talk to itself there.
        source: IpAddr,
    },
    /// It is behind an interface without link layer, where a packet needs no hardware address.
    Tunnel {
        /// The interface's number.
        interface: u32,
        /// Our address.
        source: IpAddr,
    },
    /// There is no way, and this is why.
    Unroutable {
        /// The cause in words.
        cause: String,
    },
}

/// What the user wants otherwise than the routing table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Only over this interface.
    pub interface: Option<String>,
    /// From this address, which must be ours.
    pub source: Option<IpAddr>,
}

/// An entry of a routing table, to be shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// Where it leads: `0.0.0.0/0` is the default route.
    pub destination: ipnetwork::IpNetwork,
    /// The next hop, where there is one.
    pub gateway: Option<IpAddr>,
    /// The name of the interface it leads over; none for routes that lead nowhere.
    pub interface: Option<String>,
    /// The source address it prefers.
    pub source: Option<IpAddr>,
    /// The routing table it stands in: 254 is the main one.
    pub table: u32,
    /// What becomes of packets, in the words of the `ip` program: `unicast`, `unreachable`, `blackhole`, `prohibit`, `throw`.
    pub kind: &'static str,
    /// The lower, the more it is preferred over others to the same destination.
    pub metric: u32,
}

/// How each of `addresses` is reached, in ascending order; neighbouring ranges reached alike are one. The kernel answers for
/// every part of the set between two places where any routing table or rule makes a difference, so the answer is exact.
///
/// # Errors
/// When the interface asked for does not exist or is down, the source address is not ours, or the kernel cannot be asked.
/// Addresses without a route are no error: see [`WayHop::Unroutable`].
pub fn ways(addresses: &AddressSet, over: &Override) -> Result<Vec<Way>> {
    #[cfg(target_os = "linux")]
    return super::linux::ways::ways(addresses, over);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (addresses, over);
        Err(crate::error::Error::machine("read", "routing table", "not supported on this system").hint("use --connect"))
    }
}

impl WayHop {
    /// The number of the interface packets leave by.
    pub fn interface(&self) -> Option<u32> {
        match self {
            Self::OnLink { interface, .. }
            | Self::Gateway { interface, .. }
            | Self::Local { interface, .. }
            | Self::Tunnel { interface, .. } => Some(*interface),
            Self::Unroutable { .. } => None,
        }
    }

    /// The source address packets carry.
    pub fn source(&self) -> Option<IpAddr> {
        match self {
            Self::OnLink { source, .. } | Self::Gateway { source, .. } | Self::Local { source, .. } | Self::Tunnel { source, .. } => {
                Some(*source)
            }
            Self::Unroutable { .. } => None,
        }
    }
}
