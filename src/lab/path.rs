//! What lies between the scanner and a segment: elements that delay, drop, double and hold up packets, in the order they are met.

use std::time::Duration;

use super::host::{Limit, Tripwire};

/// One thing on the way. Each keeps state of its own, in one direction of one path.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// Time on the way.
    Latency(Latency),
    /// Random loss of this share (0 to 1), beginning at a time of the simulation.
    Loss {
        /// Probability for each packet.
        share: f64,
        /// When it begins.
        since: Duration,
    },
    /// Loss in bursts (Gilbert-Elliott): times of no loss and of much, their lengths exponential.
    Bursts {
        /// Mean length of a good time.
        good: Duration,
        /// Mean length of a bad time.
        bad: Duration,
        /// Probability of loss in a bad time.
        loss: f64,
    },
    /// Everything is lost during windows at fixed times.
    Outage {
        /// When the first begins.
        first: Duration,
        /// From the beginning of one to the beginning of the next.
        every: Duration,
        /// Length of each.
        lasts: Duration,
    },
    /// Everything is lost during windows of fixed length at random times.
    Failures {
        /// Mean (exponential) time from the end of one to the beginning of the next.
        apart: Duration,
        /// Length of each.
        lasts: Duration,
    },
    /// This share of the packets (0 to 1) arrives twice.
    Duplicate {
        /// Probability for each packet.
        share: f64,
        /// How much later the copy comes.
        after: Duration,
    },
    /// Drops what exceeds a rate.
    Policer(Capacity),
    /// Holds up what exceeds a rate, and drops what its buffer cannot hold.
    Queue {
        /// Packets a second; the burst does not matter.
        capacity: Capacity,
        /// The longest wait of an admitted packet.
        buffer: Duration,
    },
    /// The first packet to each address is lost with this probability: a router resolves the address first. Remembers each address seen.
    FirstContact {
        /// Probability for each address.
        loss: f64,
    },
    /// A rate limit that hits only packets of targets not yet resolved; a target is resolved when a packet to it passed and it answers.
    /// Remembers each resolved target.
    NewTargets(Limit),
    /// Loss that hits only some addresses.
    Uneven {
        /// Share of addresses.
        share: f64,
        /// Probability of loss for each packet to or from one of those.
        loss: f64,
    },
    /// A firewall that goes silent for everybody.
    Tripwire(Tripwire),
}

/// Time on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The same for all.
    pub fixed: Duration,
    /// Up to this much more, fixed for each address.
    pub spread: Duration,
    /// Mean of an exponential delay drawn for each packet: it reorders.
    pub jitter: Duration,
}

/// Packets a second, changing with time.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// At the beginning, and the burst throughout.
    pub limit: Limit,
    /// (from, packets a second), in order of time.
    pub steps: Vec<(Duration, f64)>,
}

impl Capacity {
    /// The same capacity with a change at a time.
    #[must_use]
    pub fn step(mut self, from: Duration, per_second: f64) -> Self {
        self.steps.push((from, per_second));
        self.steps.sort_by_key(|&(from, _)| from);
        self
    }
}

impl From<Limit> for Capacity {
    fn from(limit: Limit) -> Self {
        Self { limit, steps: Vec::new() }
    }
}

/// The way to a segment or router and back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathSpec {
    pub(super) up: Vec<Element>,
    pub(super) down: Vec<Element>,
}

impl PathSpec {
    /// A way that takes no time and loses nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element met on the way from the scanner.
    #[must_use]
    pub fn up(mut self, element: Element) -> Self {
        self.up.push(element);
        self
    }

    /// Adds an element met on the way to the scanner.
    #[must_use]
    pub fn down(mut self, element: Element) -> Self {
        self.down.push(element);
        self
    }

    /// Adds latency for the round trip, half of it each way.
    #[must_use]
    pub fn round_trip(self, latency: Latency) -> Self {
        let Latency { fixed, spread, jitter } = latency;
        let half = Element::Latency(Latency { fixed: fixed / 2, spread: spread / 2, jitter: jitter / 2 });
        self.up(half.clone()).down(half)
    }

    /// Adds random loss of this share, each way.
    #[must_use]
    pub fn loss(self, share: f64) -> Self {
        let loss = Element::Loss { share, since: Duration::ZERO };
        self.up(loss.clone()).down(loss)
    }
}
