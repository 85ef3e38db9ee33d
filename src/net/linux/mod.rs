//! Linux: links, netlink, namespaces, virtual links.

mod block;
pub(super) mod link;
#[cfg(test)]
mod link_tests;
pub mod namespace;
pub(crate) mod netlink;
mod packet_socket;
pub(super) mod prepared;
pub(super) mod raw_ip;
mod ring;
mod sys;
pub mod tcp;
#[cfg(test)]
mod testbed;
#[doc(hidden)]
pub mod testing;
pub mod tun;
pub mod veth;
pub(crate) mod ways;
#[cfg(test)]
mod ways_tests;
pub(super) mod xdp;

pub use sys::stdout::stdout_is_writable;

pub(crate) use sys::capability::effective_user;
pub(crate) use sys::limits::{descriptors_left, raise_descriptor_limit};
