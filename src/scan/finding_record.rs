//! A finding in 24 bytes: what travels from the receiver to the reporter.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::outcome::{Finding, Outcome, Reason, State};
use super::stage::Stages;
use crate::time::Time;

/// A compact finding; [`Record::finding`] makes it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the target in its stage.
    pub(crate) index: u64,
    /// Milliseconds since the scan began.
    pub(crate) time: u32,
    /// Microseconds; [`u32::MAX`] = unknown.
    pub(crate) rtt: u32,
    /// Who answered; 0.0.0.0 = the target.
    pub(crate) reason_addr: Ipv4Addr,
    pub(crate) reason: Reason,
    pub(crate) ttl: u8,
    pub(crate) attempt: u8,
    pub(crate) stage: u8,
}

const _: () = assert!(size_of::<Record>() <= 24);

impl Record {
    /// The finding it stands for.
    pub fn finding(&self, stages: &Stages) -> Option<Finding> {
        let stage = stages.at(usize::from(self.stage))?;
        Some(Finding {
            target: stage.space.get(self.index),
            outcome: Outcome {
                state: state_of(self.reason),
                reason: self.reason,
                reason_addr: (!self.reason_addr.is_unspecified()).then_some(IpAddr::V4(self.reason_addr)),
            },
            ttl: Some(self.ttl),
            rtt: (self.rtt != u32::MAX).then(|| Duration::from_micros(u64::from(self.rtt))),
            attempt: self.attempt,
            time: Time::from_nanos(u64::from(self.time) * 1_000_000),
        })
    }

    /// Whether it belongs to a stage that is reported. The finding of a target that the scan was not asked for says only that its host is there.
    pub fn is_reported(&self, stages: &Stages) -> bool {
        stages.at(usize::from(self.stage)).is_some_and(|stage| stage.reported)
    }
}

fn state_of(reason: Reason) -> State {
    match reason {
        Reason::SynAck => State::Open,
        Reason::Reset | Reason::ConnRefused => State::Closed,
        _ => State::Filtered,
    }
}
