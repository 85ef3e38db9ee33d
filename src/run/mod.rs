//! Puts the halves of a scan on threads; the only layer that reads the clock.
//!
//! [`scan()`] is the whole of it: a [`Request`] goes in, [`Event`]s come out on the calling thread, a
//! [`Summary`](crate::scan::Summary) ends it. [`lockstep()`] runs the same decisions in virtual time.

mod broken;
mod clock;
pub mod connect;
mod connect_controls;
mod diary;
mod discovery;
mod doubts;
mod held;
mod ledger;
mod left;
mod lockstep;
mod open;
mod plan;
mod proofs;
mod reporter;
mod request;
mod rollcall;
mod scan;
mod silence;
mod step;
mod summary;
mod threads;
mod unasked;

pub use crate::net::{Engine, Queueing};
pub use clock::{Clock, arrival};
pub use ledger::Roll;
pub use lockstep::{VirtualClock, lockstep};
pub use reporter::Reporter;
pub use request::{Entry, Event, Evidence, Phase, PlanRecord, Progress, Rate, Request, Show, Stop, Technique};
pub use scan::{plan, preview, scan, scan_with};
pub use step::{Inlet, Next, Outlets, receive_step, transmit_step};
