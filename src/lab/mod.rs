//! A simulated network: what a scan can be tried on without a network.
//!
//! [`Network`] is a pure model: frames in, frames out at their time. It has no clock and no threads; the same topology, seed
//! and frames give the same answers. Drivers put it behind the link traits of [`crate::net`]: in virtual time for tests
//! ([`VirtualNetwork`]), or on the far end of a real interface ([`serve`]).
//!
//! A [`Topology`] is made of [`Segment`]s of hosts, on the scanner's own link or behind [`Router`]s. A host is named
//! ([`Segment::host`]) or drawn by a keyed hash of its address ([`Segment::population`]), so that millions of them take no memory.
//! What lies between is a [`PathSpec`]: latency, loss, bottlenecks, firewalls, each an [`Element`].

mod answer;
mod counters;
mod echo;
mod element;
mod handshake;
mod hash;
mod host;
mod host_state;
mod neighbour;
mod network;
mod office;
mod path;
#[cfg(target_os = "linux")]
mod practice;
mod refusal;
mod route;
mod scenario;
mod seen;
#[cfg(test)]
mod tests;
mod topology;
mod truth;
mod virtual_time;
mod wire;
mod world;

pub use counters::{Cause, Counters, Drops, Fates};
pub use host::{Arp, Forgery, HostSpec, Lie, Limit, PortState, Rejection, Sender, Shares, Tripwire};
pub use network::Network;
pub use office::{OFFICE_GATEWAY, OFFICE_SCANNER, office, office_names, office_truth};
pub use path::{Capacity, Element, Latency, PathSpec};
#[cfg(target_os = "linux")]
pub use practice::{Place, Practice};
pub use scenario::Scenario;
pub use topology::{Missing, Router, Segment, Tally, Topology, mac_of};
pub use truth::{Nature, Truth};
pub use virtual_time::{DeviceLimit, VirtualNetwork};
pub use wire::{Served, serve};
