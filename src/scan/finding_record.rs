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
    pub(crate) detail: Detail,
    pub(crate) reason: Reason,
    pub(crate) ttl: u8,
    pub(crate) attempt: u8,
    pub(crate) stage: u8,
}

/// What else is known, by the kind of answer: of a SYN-ACK, which nobody else can send, the window; of an error, who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail(u32);

impl Detail {
    /// Of a SYN-ACK.
    pub(crate) fn window(window: u16) -> Self {
        Self(window.into())
    }

    /// Of any other answer; 0.0.0.0 = the target sent it.
    pub(crate) fn sender(sender: Ipv4Addr) -> Self {
        Self(sender.to_bits())
    }

    /// Whether the target sent what is no SYN-ACK.
    pub(crate) fn is_the_targets(self) -> bool {
        self.0 == 0
    }
}

const _: () = assert!(size_of::<Record>() <= 24);

impl Record {
    /// The finding it stands for.
    pub fn finding(&self, stages: &Stages) -> Option<Finding> {
        let stage = stages.at(usize::from(self.stage))?;
        let is_open = self.reason == Reason::SynAck;
        let sender = Some(self.detail.0).filter(|bits| !is_open && *bits != 0);
        Some(Finding {
            target: stage.space.get(self.index),
            outcome: Outcome {
                state: state_of(self.reason),
                reason: self.reason,
                reason_addr: sender.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            },
            ttl: Some(self.ttl),
            window: is_open.then_some(self.detail.0 as u16),
            rtt: (self.rtt != u32::MAX).then(|| Duration::from_micros(u64::from(self.rtt))),
            attempt: self.attempt,
            time: Time::from_nanos(u64::from(self.time) * 1_000_000),
        })
    }

    /// The number of its stage, and the target's index there.
    pub fn place(&self) -> (usize, u64) {
        (usize::from(self.stage), self.index)
    }

    /// A port is open; nothing else is known.
    #[cfg(test)]
    pub(crate) fn of_syn_ack(index: u64) -> Self {
        Self { index, time: 0, rtt: u32::MAX, detail: Detail::window(1), reason: Reason::SynAck, ttl: 64, attempt: 1, stage: 0 }
    }

    /// Whether it says that a port is open.
    pub fn is_open(&self) -> bool {
        self.reason == Reason::SynAck
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
