//! Wrappers around links: what a scan does not need to know is added here, not as branches in it.

mod dry_run;
mod faults;
mod null;
mod record;

pub use dry_run::DryRun;
pub use faults::{Faults, FaultyReceiver, FaultyTransmitter};
pub use null::Null;
pub use record::{RecordReceived, RecordSent};
