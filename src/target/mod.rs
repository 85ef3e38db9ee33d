//! WHAT to probe: pure values. No bytes of packets, no sockets, no clock; nothing is opened here.

mod address_range;
mod address_set;
pub(crate) mod directory;
pub mod list;
mod numbering;
mod octets;
mod permutation;
pub mod popular;
mod port_set;
mod ranges;
pub mod reserved;
pub mod services;
mod shard;
mod space;

pub use address_range::AddressRange;
pub use address_set::AddressSet;
pub use list::TargetWord;
pub use permutation::Permutation;
pub use port_set::PortSet;
pub use shard::{Cut, Shard};
pub use space::{Target, TargetSpace};
