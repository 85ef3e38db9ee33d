//! What a scan is asked to do, valid by construction.

use std::time::Duration;

use super::discovery::Discovery;
use crate::target::{AddressSet, PortSet, Target};
use crate::time::Time;

/// How the rate is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RatePolicy {
    /// It is [`ScanConfig::rate`], whatever is lost.
    #[default]
    Fixed,
    /// It is what the path bears, at most [`ScanConfig::rate`].
    Auto,
}

/// The decided form of a request: raw SYN probes of IPv4 targets.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    /// Addresses with an egress.
    pub addresses: AddressSet,
    /// Ports of each.
    pub ports: PortSet,
    /// Key of the order.
    pub seed: u64,
    /// Probes to a silent target, 1 to 16.
    pub attempts: u8,
    /// Probes to a silent target while repeats bring answers, which proves loss; at least `attempts`, at most 16.
    pub most_attempts: u8,
    /// How the rate is found.
    pub policy: RatePolicy,
    /// The share of the targets that would answer which is to be found: targets are asked again until the estimate says so, at most
    /// `most_attempts` times. `None` = each silent target is asked `attempts` times.
    pub completeness: Option<f64>,
    /// Probes a second over all.
    pub rate: u64,
    /// Probes a second to one host.
    pub host_rate: u64,
    /// How many senders share the order.
    pub senders: u64,
    /// How long to wait after the last probe; `None` = as the round-trip times say.
    pub wait: Option<Duration>,
    /// How long an attempt is waited for before the next; `None` = as the round-trip times say.
    pub timeout: Option<Duration>,
    /// No probe leaves after this.
    pub deadline: Option<Time>,
    /// A target known to answer.
    pub canary: Option<Target>,
    /// Whether hosts behind routers are discovered before they are asked for their ports.
    pub discovery: Discovery,
    /// Whether senders tell how far they are, so that the scan can be taken up when it was ended.
    pub keeps_journal: bool,
}

impl ScanConfig {
    /// Probes of addresses and ports with the defaults: 10,000 a second, 1,000 to one host, two attempts, more where repeats bring answers.
    pub fn new(addresses: AddressSet, ports: PortSet, seed: u64) -> Self {
        Self {
            addresses,
            ports,
            seed,
            attempts: 2,
            most_attempts: 10,
            policy: RatePolicy::Fixed,
            completeness: None,
            rate: 10_000,
            host_rate: 1_000,
            senders: 1,
            wait: None,
            timeout: None,
            deadline: None,
            canary: None,
            discovery: Discovery::Off,
            keeps_journal: false,
        }
    }

    /// Probes of addresses and ports at the rate the path bears, at most 20,000 a second to one host, until 99.9 % are found.
    pub fn adaptive(addresses: AddressSet, ports: PortSet, seed: u64) -> Self {
        Self { policy: RatePolicy::Auto, completeness: Some(0.999), rate: MOST, host_rate: 20_000, ..Self::new(addresses, ports, seed) }
    }

    /// Whether account is kept of loss ([`super::Survey`]): the rate adapts, or completeness is asked for.
    pub fn is_accounted(&self) -> bool {
        self.policy == RatePolicy::Auto || self.completeness.is_some()
    }

    /// Most questions to one host.
    pub(super) fn questions(&self) -> u32 {
        match self.discovery {
            Discovery::Only => Discovery::QUESTIONS,
            Discovery::Off | Discovery::First => self.ports.len(),
        }
    }

    /// How often a target is asked when nothing at all answers.
    pub fn attempts_of_the_silent(&self) -> u8 {
        match self.completeness {
            Some(_) => self.most_attempts.min(super::survey::PASSES_FOR_NOTHING),
            None => self.attempts,
        }
    }

    /// The rate when `hosts` hosts are probed: in a uniform order each gets an equal share.
    pub fn rate_over(&self, hosts: u128) -> u64 {
        self.rate.min(u64::try_from(hosts).unwrap_or(u64::MAX).saturating_mul(self.host_rate)).max(1)
    }
}

/// More than any machine sends.
const MOST: u64 = 20_000_000;
