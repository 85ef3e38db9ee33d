//! What differs between two scans, and what cannot be told because either did not get so far.
//!
//! [`Scan::read`] takes a record of any kind into tables, [`compare`] walks two of them; what the words mean stands in [`known`].

mod asked;
mod compare;
mod difference;
mod gather;
mod json;
pub mod known;
mod markdown;
mod read;
mod report;
mod scan;
mod text;
mod words;

pub use compare::compare;
pub use difference::{Cause, Count, HostDiff, PortDiff, RestDiff, Side, Totals};
pub use json::{DIFF_SCHEMA, DIFF_SCHEMA_VERSION};
pub use known::{HostKnown, Known, Verdict, Why};
pub use read::{Reading, Which};
pub use report::{DiffReport, FORMATS, report};
pub use scan::Scan;

#[cfg(test)]
mod tests;
