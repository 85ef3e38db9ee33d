//! What proved a port open, kept where that is asked for.

use std::sync::Arc;

use super::outcome::Finding;
use crate::packet::Medium;
use crate::time::Time;

/// A proven reply as it was received. It is told just before its finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it proves.
    pub finding: Finding,
    /// The name of the interface it came in by.
    pub interface: Arc<str>,
    /// What the frame begins with.
    pub medium: Medium,
    /// The frame.
    pub reply: Vec<u8>,
    /// When it arrived, to the nanosecond; a finding's own time is coarser.
    pub arrived: Time,
}
