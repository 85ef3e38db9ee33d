//! What the halves of a scan share: counters, round-trip times, stages, neighbours. Atomics only; nobody waits for anybody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::ScanConfig;
use super::askings::Unheard;
use super::checkpoint::{Checkpoints, LeftStage};
use super::completeness::Completeness;
use super::cookie::Cookie;
use super::discovery;
use super::echo::Echoes;
use super::egress::{EgressMap, NextHop};
use super::neighbours::Neighbours;
use super::pace::PaceMeter;
use super::stage::Stages;
use crate::target::{AddressRange, AddressSet};
use crate::time::Time;

/// Shared by the conductor, probers, observers and whoever watches.
#[derive(Debug)]
pub struct Board {
    /// What was asked.
    pub config: ScanConfig,
    /// Proof.
    pub cookie: Cookie,
    /// Ways out.
    pub egresses: EgressMap,
    /// Hardware addresses.
    pub neighbours: Neighbours,
    /// Parts of the scan.
    pub stages: Stages,
    /// Counts.
    pub counters: Counters,
    /// Round-trip times.
    pub rtt: RttMeter,
    /// The rate and what limits it.
    pub pace: PaceMeter,
    /// What senders tell of how far they are, if [`ScanConfig::keeps_journal`].
    pub checkpoints: Checkpoints,
    /// Stages of a scan that was left and is taken up.
    left: Vec<LeftStage>,
    /// How far receivers have come.
    pub hearing: Hearing,
    /// Answers for the account of loss.
    pub(super) echoes: Echoes,
    /// Hosts lost to ARP, when the scan has ended.
    unheard: OnceLock<Unheard>,
    /// Ends the scan soon.
    pub stop: AtomicBool,
    phase: AtomicU8,
    done: AtomicU32,
}

/// What the scan is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanPhase {
    /// Asking for hardware addresses.
    Arp,
    /// Sending; the number of the attempt that leads.
    Probing(u8),
    /// All sent; waiting for late replies.
    Waiting,
}

impl Board {
    /// A scan that has not begun.
    pub fn new(config: ScanConfig, cookie: Cookie, egresses: EgressMap, neighbours: Neighbours) -> Self {
        Self {
            checkpoints: Checkpoints::new(config.keeps_journal),
            left: Vec::new(),
            config,
            cookie,
            hearing: Hearing::new(egresses.parts().map(|(_, egress)| egress.link + 1).max().unwrap_or(0)),
            egresses,
            neighbours,
            stages: Stages::default(),
            counters: Counters::default(),
            rtt: RttMeter::default(),
            pace: PaceMeter::default(),
            echoes: Echoes::default(),
            unheard: OnceLock::new(),
            stop: AtomicBool::new(false),
            phase: AtomicU8::new(0),
            done: AtomicU32::new(0),
        }
    }

    /// The same scan, taken up where it was left: these stages come first, ascending by number.
    #[must_use]
    pub fn taking_up(self, left: Vec<LeftStage>) -> Self {
        Self { left, ..self }
    }

    /// The stages that were left.
    pub(super) fn left(&self) -> &[LeftStage] {
        &self.left
    }

    /// What the scan is doing.
    pub fn phase(&self) -> ScanPhase {
        match self.phase.load(Ordering::Relaxed) {
            0 => ScanPhase::Arp,
            u8::MAX => ScanPhase::Waiting,
            attempt => ScanPhase::Probing(attempt),
        }
    }

    /// The pass or attempt that leads.
    pub(super) fn pass(&self) -> u8 {
        match self.phase() {
            ScanPhase::Probing(pass) => pass,
            ScanPhase::Arp | ScanPhase::Waiting => 1,
        }
    }

    pub(crate) fn enter(&self, phase: ScanPhase) {
        let value = match phase {
            ScanPhase::Arp => 0,
            ScanPhase::Waiting => u8::MAX,
            ScanPhase::Probing(attempt) => attempt,
        };
        self.phase.store(value, Ordering::Relaxed);
    }

    /// Whether the scan was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether no probe may leave any more.
    pub fn is_over(&self, now: Time) -> bool {
        self.is_stopped() || self.config.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Share of the sending that is done, 0 to 1.
    pub fn done(&self) -> f64 {
        f64::from(self.done.load(Ordering::Relaxed)) / f64::from(DONE)
    }

    pub(crate) fn set_done(&self, share: f64) {
        self.done.fetch_max((share.clamp(0.0, 1.0) * f64::from(DONE)) as u32, Ordering::Relaxed);
    }

    /// What the scan says about what it did not find; known when it has ended, if account was kept.
    pub fn completeness(&self) -> Option<Completeness> {
        let all = discovery::account(&self.stages, self.config.discovery)?;
        let unheard = self.unheard.get().copied().unwrap_or_default();
        Some(all.with_unheard(unheard, u64::from(self.config.ports.len()), self.counters.targets_probed.get()))
    }

    pub(super) fn set_unheard(&self, unheard: Unheard) {
        // A scan ends once.
        let _ = self.unheard.set(unheard);
    }

    /// The addresses that can be probed now: those without a hop, behind a known gateway, or known themselves.
    pub fn reachable(&self) -> AddressSet {
        let straight = self.egresses.parts().filter_map(|(range, egress)| match egress.hop {
            NextHop::None => Some(range),
            NextHop::Gateway(_, number) => self.neighbours.gateway(number).map(|_| range),
            NextHop::OnLink(_) => None,
        });
        let known = self.neighbours.known().filter_map(|(addr, _)| AddressRange::new(addr.into(), addr.into()));
        straight.chain(known).collect()
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Everything that happened, counted.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Count,)* }
    };
}

counters! {
    /// SYNs and echo requests handed to a link.
    probes,
    /// Of these, asked beside the passes: canaries, and audits of silent targets.
    canaries,
    /// Targets probed at least once.
    targets_probed,
    /// ARP requests handed to a link.
    arp_requests,
    /// Targets that answered.
    answered,
    /// Of these, open.
    open,
    /// Of these, closed.
    closed,
    /// Of these, filtered by an error message.
    filtered,
    /// Proven replies of targets that had answered.
    duplicates,
    /// Replies that prove nothing.
    invalid,
    /// Frames that could not be parsed.
    malformed,
    /// ARP answers.
    arp_replies,
    /// Proven replies of any kind, the canary's too, but those of this machine to itself.
    proven,
    /// Proven replies of this machine to itself.
    proven_here,
    /// Probes given up because the link would never take them.
    send_errors,
    /// Times a device was full.
    send_retries,
    /// Replies the kernel could not deliver.
    receiver_drops,
    /// Resets that did not fit into the queue.
    resets_lost,
    /// Time of the last probe, in nanoseconds.
    last_sent,
    /// Senders that have work in the present stage.
    active_senders,
}

/// A number that many threads raise.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

/// Up to when each link's receiver has read what arrived. A reply that waits in a queue of this machine is not lost.
#[derive(Debug)]
pub struct Hearing(Vec<AtomicU64>);

impl Hearing {
    fn new(links: usize) -> Self {
        Self((0..links).map(|_| AtomicU64::new(0)).collect())
    }

    /// All that arrived on `link` before `time` has been read.
    pub(crate) fn heard(&self, link: usize, time: Time) {
        if let Some(until) = self.0.get(link) {
            until.fetch_max(time.as_nanos(), Ordering::Relaxed);
        }
    }

    /// All that arrived on any link before this has been read.
    pub fn until(&self) -> Time {
        self.0.iter().map(|until| Time::from_nanos(until.load(Ordering::Relaxed))).min().unwrap_or(Time::NEVER)
    }
}

/// The largest round-trip time seen, of probes and of ARP.
#[derive(Debug, Default)]
pub struct RttMeter {
    largest_probe: AtomicU64,
    /// How many probes were answered, as far as [`VERY_MANY`].
    answered: AtomicU64,
    largest_arp: AtomicU64,
}

impl RttMeter {
    /// A probe was answered after `rtt`.
    pub(crate) fn probe(&self, rtt: Duration) {
        // Hosts repeat an unanswered SYN-ACK after one second and more: such a sample says nothing about the path.
        if rtt < SYN_ACK_REPEAT {
            self.largest_probe.fetch_max(rtt.as_nanos().max(1) as u64, Ordering::Relaxed);
            if self.answered.load(Ordering::Relaxed) < VERY_MANY {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// An ARP request was answered after `rtt`.
    pub(crate) fn arp(&self, rtt: Duration) {
        self.largest_arp.fetch_max(rtt.as_nanos().max(1) as u64, Ordering::Relaxed);
    }

    /// The largest round trip of a probe, if one was answered.
    pub fn largest_probe(&self) -> Option<Duration> {
        nonzero(&self.largest_probe)
    }

    /// The largest round trip of an ARP request, if one was answered.
    pub fn largest_arp(&self) -> Option<Duration> {
        nonzero(&self.largest_arp)
    }

    /// Whether a thousand round trips are known: then less than 0.3 % are longer than the longest of these, with 95 % certainty (the rule of
    /// three).
    pub fn is_known(&self) -> bool {
        self.answered.load(Ordering::Relaxed) >= MANY
    }

    /// How long a probe is waited for: three times the largest round trip, at least 300 ms, or 100 where it is `known` to be enough, because a
    /// survey has waited for each already or the path is known, or 30 where it is known well; one second if there was none, never over four.
    pub fn patience(&self, known: bool) -> Duration {
        let least = Duration::from_millis(match known {
            true if self.answered.load(Ordering::Relaxed) >= VERY_MANY => 30,
            true => 100,
            false => 300,
        });
        match self.largest_probe() {
            Some(rtt) => (3 * rtt).clamp(least, Duration::from_secs(4)),
            None => Duration::from_secs(1),
        }
    }
}

fn nonzero(nanos: &AtomicU64) -> Option<Duration> {
    Some(nanos.load(Ordering::Relaxed)).filter(|&nanos| nanos != 0).map(Duration::from_nanos)
}

/// Round trips from which the path is known.
const MANY: u64 = 1000;
/// Round trips from which it is known well: less than one in ten thousand is longer, by the same rule.
const VERY_MANY: u64 = 30_000;
/// First repeat of a SYN-ACK (RFC 6298 section 2.1: initial retransmission timeout of one second), less some jitter.
const SYN_ACK_REPEAT: Duration = Duration::from_millis(950);

impl Counters {
    /// When the last probe left.
    pub fn last_sent(&self) -> Time {
        Time::from_nanos(self.last_sent.get())
    }
}

const DONE: u32 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_waited_for_the_less_the_better_it_is_known() {
        let meter = RttMeter::default();
        let patience = || [meter.patience(false), meter.patience(meter.is_known())].map(|patience| patience.as_millis());
        assert_eq!(patience(), [1000, 1000]);
        for (round_trips, expected) in [(1, [300, 300]), (999, [300, 100]), (29_000, [300, 30])] {
            (0..round_trips).for_each(|_| meter.probe(Duration::from_millis(1)));
            assert_eq!(patience(), expected);
        }
        meter.probe(Duration::from_millis(200));
        assert_eq!(patience(), [600, 600]);
    }
}
