//! The decisions of the scan without privileges, which asks the kernel to `connect()`: which target next, how long to wait,
//! how many at once, what an answer means. Pure: time and answers are passed in, as in [`crate::scan`].
//!
//! ```text
//! Prober::next(now)   -> Connect(slot, target) | Wait(until) | Done
//! Prober::settle(slot, verdict, now) -> Finding, or the target waits for another attempt
//! Prober::expire(now) -> a slot whose connection has to be given up
//! ```
//!
//! A slot is one recycled socket. Every target the prober draws ends in exactly one field of [`Tally`].

mod hosts;
mod prober;
mod rtt;
mod tally;
mod timers;
mod verdict;
mod window;

pub use hosts::Candidate;
pub use prober::{Dial, Prober, Settings, Step};
pub use rtt::Rtt;
pub use tally::{LocalErrors, Tally};
pub use timers::Timers;
pub use verdict::{IcmpNote, LocalCause, Shortage, Verdict};
pub use window::{Answered, Window};
