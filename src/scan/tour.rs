//! Where a survey is: its pass, what each host has left, and whether this machine keeps up.

use std::time::Duration;

use super::stage::Stage;
use crate::time::Time;

/// The present pass: which blocks, and how far it is.
#[derive(Debug)]
pub(super) struct Tour {
    pub(super) pass: u8,
    pub(super) blocks: Vec<u32>,
    /// Place in `blocks`, and position in the order.
    pub(super) place: usize,
    pub(super) position: u64,
    /// Since when all is sent.
    pub(super) sent_out: Option<Time>,
    /// Nothing leaves before this.
    pub(super) begins: Time,
    /// The lot for the present slot was drawn.
    pub(super) is_drawn: bool,
}

/// Silent targets of each host, where hosts have more than one: the limit of a host follows them.
#[derive(Debug)]
pub(super) struct Hosts(pub(super) Option<Vec<u32>>);

/// Whether this machine sends what is due.
#[derive(Debug, Default)]
pub(super) struct LocalMeter {
    began: Time,
    rate: f64,
    sent: f64,
    short: u32,
    /// Of the span, slept beyond what was asked: that is no time that sending takes.
    late: Duration,
    pub(super) idle: bool,
}

/// Whether receivers keep up.
#[derive(Debug, Default)]
pub(super) struct LagMeter {
    drops: u64,
    told: Option<Time>,
}

impl LagMeter {
    /// Whether a receiver has fallen behind or lost something, once for each time that the rate is lowered for it.
    pub(super) fn is_new(&mut self, now: Time, heard: Time, drops: u64) -> bool {
        let is_behind = now.since(heard) > LAG;
        let is_losing = drops > self.drops;
        self.drops = drops;
        let may_tell = self.told.is_none_or(|told| now >= told + LAG);
        if (is_behind || is_losing) && may_tell {
            self.told = Some(now);
            return true;
        }
        false
    }
}

impl Tour {
    pub(super) fn passed(&mut self, stage: &Stage, position: u64) {
        self.position = position + 1;
        if self.pass == 1 {
            stage.took(0, position + 1);
        }
    }
}

impl Hosts {
    pub(super) fn answered(&mut self, host: u64) {
        if let Some(silent) = self.0.as_mut().and_then(|hosts| hosts.get_mut(host as usize)) {
            *silent = silent.saturating_sub(1);
        }
    }

    /// The rate over all at which the host with most silent targets gets `host_rate`.
    pub(super) fn limit(&self, host_rate: u64) -> Option<f64> {
        let hosts = self.0.as_ref()?;
        let most = f64::from(*hosts.iter().max()?);
        let all: f64 = hosts.iter().map(|&silent| f64::from(silent)).sum();
        (most > 0.0).then(|| host_rate as f64 * all / most)
    }
}

impl LocalMeter {
    /// `count` probes leave; what this machine can send, if that is far less than what was due for three spans in a row.
    pub(super) fn sent(&mut self, now: Time, count: u32, rate: f64) -> Option<f64> {
        if self.rate.to_bits() != rate.to_bits() {
            *self = Self { began: now, rate, ..Self::default() };
        }
        self.sent += f64::from(count);
        let span = now.since(self.began);
        if span < SPAN + self.late {
            return None;
        }
        let span = span.saturating_sub(self.late);
        let achieved = self.sent / span.as_secs_f64();
        let is_short = !self.idle && span < 2 * SPAN && rate > 2000.0 && achieved < 0.8 * rate;
        let short = if is_short { self.short + 1 } else { 0 };
        *self = Self { began: now, rate, short: short % 3, ..Self::default() };
        (short == 3).then_some(achieved)
    }

    /// The sender was woken so much later than it had asked for. Where others want the processor it would be at a lower rate, too: what is
    /// missed then says nothing about what this machine can send.
    pub(super) fn overslept(&mut self, late: Duration) {
        self.late += late;
    }
}

/// A receiver that is so late is behind; and so long a lower rate has to show.
const LAG: Duration = Duration::from_millis(100);
/// What achieved rates are measured over.
const SPAN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for three seconds what a pacer at `rate` lets out to a sender that is woken `late` and takes `each` a probe; the last limit told.
    fn told(rate: f64, late: Duration, each: Duration) -> Option<f64> {
        let mut pacer = crate::scan::Pacer::new(rate as u64);
        let (mut meter, mut now, mut told) = (LocalMeter::default(), Time::from_nanos(1), None);
        while now < Time::from_nanos(3_000_000_000) {
            match pacer.allowance(now) {
                0 => {
                    now = pacer.ripe() + late;
                    meter.overslept(late);
                }
                count => {
                    pacer.spend(now, count);
                    told = meter.sent(now, count as u32, rate).or(told);
                    now = now + each * count as u32;
                }
            }
        }
        told
    }

    #[test]
    fn a_machine_that_takes_its_time_for_each_probe_is_told_from_one_that_wakes_late() {
        let micros = Duration::from_micros;
        assert_eq!(told(100_000.0, micros(0), micros(1)), None);
        for late in [1_000, 5_000, 15_000] {
            assert_eq!(told(100_000.0, micros(late), micros(1)), None, "{late} µs late");
        }
        let slow = told(100_000.0, micros(60), micros(20)).unwrap();
        assert!((45_000.0..55_000.0).contains(&slow), "{slow}");
    }
}
