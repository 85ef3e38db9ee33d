//! What the network consists of: segments of hosts, on the scanner's own link or behind routers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnetwork::Ipv4Network;

use super::host::{HostSpec, Limit, Rejection};
use super::path::PathSpec;
use crate::packet::{MacAddr, Medium};

/// A whole network, described. [`super::Network::new`] brings it to life.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    pub(super) medium: Medium,
    pub(super) access: PathSpec,
    pub(super) routers: Vec<Router>,
    pub(super) segments: Vec<Segment>,
    pub(super) tally: Tally,
}

/// What is remembered of each address probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tally {
    /// Nothing: memory does not grow with the addresses.
    #[default]
    Totals,
    /// How many SYNs came, and how many within the busiest second.
    PerAddress,
}

impl Default for Topology {
    fn default() -> Self {
        Self { medium: Medium::Ethernet, access: PathSpec::new(), routers: Vec::new(), segments: Vec::new(), tally: Tally::Totals }
    }
}

impl Topology {
    /// An Ethernet link with nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the scanner's link carries: on a bare IP link there is no ARP, and every segment is reached.
    #[must_use]
    pub fn medium(mut self, medium: Medium) -> Self {
        self.medium = medium;
        self
    }

    /// What every packet meets first and last: the scanner's own line.
    #[must_use]
    pub fn access(mut self, path: PathSpec) -> Self {
        self.access = path;
        self
    }

    /// Adds a router. One that a segment names and nobody added forwards without delay.
    #[must_use]
    pub fn router(mut self, router: Router) -> Self {
        self.routers.push(router);
        self
    }

    /// Adds a segment. Where segments overlap the first added has the address.
    #[must_use]
    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// What to remember of each address.
    #[must_use]
    pub fn tally(mut self, tally: Tally) -> Self {
        self.tally = tally;
        self
    }
}

/// Something that forwards packets and decrements their time to live.
#[derive(Clone, Debug, PartialEq)]
pub struct Router {
    pub(super) address: Ipv4Addr,
    pub(super) path: PathSpec,
    pub(super) icmp_limit: Option<Limit>,
}

impl Router {
    /// A router that takes no time.
    pub fn new(address: Ipv4Addr) -> Self {
        Self { address, path: PathSpec::new(), icmp_limit: None }
    }

    /// The way to it from the router before it, or from the scanner.
    #[must_use]
    pub fn path(mut self, path: PathSpec) -> Self {
        self.path = path;
        self
    }

    /// How many ICMP errors it sends; more are not sent.
    #[must_use]
    pub fn icmp_limit(mut self, limit: Limit) -> Self {
        self.icmp_limit = Some(limit);
        self
    }
}

/// A range of addresses reached the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub(super) network: Ipv4Network,
    pub(super) via: Vec<Ipv4Addr>,
    pub(super) path: PathSpec,
    pub(super) hosts: BTreeMap<Ipv4Addr, HostSpec>,
    pub(super) populations: Vec<(f64, HostSpec)>,
    pub(super) missing: Missing,
}

/// What answers a SYN to an address without a host. On the scanner's own link nothing can: nobody could address the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Missing {
    /// Nothing.
    #[default]
    Silent,
    /// An error, after the last router gave up resolving the address.
    Rejected(Rejection, Duration),
}

impl Segment {
    /// Addresses on the scanner's own link.
    pub fn on_link(network: Ipv4Network) -> Self {
        Self::routed(network, [])
    }

    /// Addresses behind routers, the nearest first.
    pub fn routed(network: Ipv4Network, via: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        Self {
            network,
            via: via.into_iter().collect(),
            path: PathSpec::new(),
            hosts: BTreeMap::new(),
            populations: Vec::new(),
            missing: Missing::Silent,
        }
    }

    /// The way to it from the last router.
    #[must_use]
    pub fn path(mut self, path: PathSpec) -> Self {
        self.path = path;
        self
    }

    /// Adds one host; outside the segment's addresses it is never reached.
    #[must_use]
    pub fn host(mut self, address: Ipv4Addr, host: HostSpec) -> Self {
        self.hosts.insert(address, host);
        self
    }

    /// Makes this share (0 to 1) of the other addresses hosts like this. Shares of several populations add up; a keyed hash of
    /// the address chooses. The network and broadcast addresses of an on-link segment belong to none.
    #[must_use]
    pub fn population(mut self, share: f64, host: HostSpec) -> Self {
        self.populations.push((share, host));
        self
    }

    /// What answers for addresses without a host.
    #[must_use]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }
}

/// The hardware address of a host that was not given one: `02:fc` and its IPv4 address.
pub fn mac_of(address: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = address.octets();
    MacAddr([0x02, 0xfc, a, b, c, d])
}
