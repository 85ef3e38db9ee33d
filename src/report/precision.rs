//! As much of a value as a record holds. Every format is given values of this precision, so that a scan and the conversion of its record
//! come out alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::scan::{Finding, HostRecord, RateChange, ScanRecord, Summary};
use crate::time::Time;

/// A value of which a record holds no more than [`Recorded::recorded`] leaves.
pub trait Recorded {
    /// The same with whole microseconds, and estimates with four digits behind the point.
    #[must_use]
    fn recorded(self) -> Self;
}

impl Recorded for ScanRecord {
    fn recorded(self) -> Self {
        Self { started: self.started.recorded(), ..self }
    }
}

impl Recorded for Finding {
    #[inline]
    fn recorded(self) -> Self {
        Self { rtt: self.rtt.map(Recorded::recorded), time: self.time.recorded(), ..self }
    }
}

impl Recorded for HostRecord {
    #[inline]
    fn recorded(mut self) -> Self {
        self.rtt = self.rtt.map(Recorded::recorded);
        for Finding { rtt, time, .. } in &mut self.ports {
            (*rtt, *time) = (rtt.map(Recorded::recorded), time.recorded());
        }
        self
    }
}

impl Recorded for RateChange {
    fn recorded(self) -> Self {
        Self { time: self.time.recorded(), loss: rounded(self.loss), ..self }
    }
}

impl Recorded for Summary {
    fn recorded(mut self) -> Self {
        self.elapsed = self.elapsed.recorded();
        if let Some(completeness) = &mut self.completeness {
            completeness.missed = rounded(completeness.missed);
            completeness.open_missed = rounded(completeness.open_missed);
        }
        if let Some(pace) = &mut self.pace {
            pace.loss = rounded(pace.loss);
        }
        self
    }
}

impl Recorded for Duration {
    #[inline]
    fn recorded(self) -> Self {
        Self::new(self.as_secs(), self.subsec_micros() * 1_000)
    }
}

impl Recorded for Time {
    #[inline]
    fn recorded(self) -> Self {
        Self::from_nanos(self.as_nanos() / 1_000 * 1_000)
    }
}

impl Recorded for SystemTime {
    fn recorded(self) -> Self {
        UNIX_EPOCH + self.duration_since(UNIX_EPOCH).unwrap_or_default().recorded()
    }
}

/// Estimates have no more digits than this.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_stays() {
        let micros = |nanos| Duration::from_nanos(nanos).recorded();
        assert_eq!([999, 1_000, 2_405_999_999].map(micros), [0, 1, 2_405_999].map(Duration::from_micros));
        for number in [0.0, 0.021_349_999, 3.249_95, 1e9 + 0.123_45] {
            assert_eq!(rounded(rounded(number)).to_bits(), rounded(number).to_bits());
        }
    }
}
