//! Measures as they are typed.

use std::str::FromStr;
use std::time::Duration;

use synprobe::error::{Error, Result};

/// A length of time: `2`, `1.5s`, `300ms`, `10m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let wrong = || Error::asked("read time", format!("'{word}'"), "not a length of time").hint("for example 300ms, 2s, 10m or 1h");
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let (digits, unit) = word.split_at(end);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| seconds).ok_or_else(wrong)?;
        let seconds = digits.parse::<f64>().map_err(|_| wrong())? * unit;
        if seconds <= LONGEST { Ok(Self(Duration::from_secs_f64(seconds))) } else { Err(wrong()) }
    }
}

const UNITS: [(&str, f64); 5] = [("", 1.0), ("s", 1.0), ("ms", 1e-3), ("m", 60.0), ("h", 3600.0)];
/// A year, in seconds.
const LONGEST: f64 = 366.0 * 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let millis = |word: &str| word.parse::<Span>().unwrap().0.as_millis();
        assert_eq!(["0", "2", "1.5s", "300ms", "10m", "2h"].map(millis), [0, 2000, 1500, 300, 600_000, 7_200_000]);
        for word in ["", "s", "-1", "1d", "1 s", "1e9", ".", "9999999h", "inf", "nan"] {
            assert!(word.parse::<Span>().is_err(), "{word}");
        }
    }
}
