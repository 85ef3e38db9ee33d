//! Measures as they are typed.

use std::str::FromStr;
use std::time::Duration;

use synprobe::error::{Error, Result};
use synprobe::run::Rate;

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

/// `--rate`: a number of probes a second, or what the path bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Auto,
    Fixed(Rate),
}

impl FromStr for Pace {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        if word.eq_ignore_ascii_case("auto") { Ok(Self::Auto) } else { word.parse().map(Self::Fixed) }
    }
}

/// `--completeness`: a share of what would answer, as `99.9%`, or off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Completeness(pub(crate) Option<f64>);

impl FromStr for Completeness {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        if word.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let wrong = || {
            Error::asked("read completeness", format!("'{word}'"), "not a share from 50% to 99.999%").hint("for example 99%, 99.9% or off")
        };
        let digits = word.strip_suffix('%').unwrap_or(word);
        // The sign alone tells 1 % from all.
        let percent = digits.parse::<f64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')).ok_or_else(wrong)?;
        if (50.0..=99.999).contains(&percent) { Ok(Self(Some((percent * 1e4).round() / 1e6))) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_the_paths() {
        assert_eq!("auto".parse::<Pace>().unwrap(), Pace::Auto);
        assert_eq!("50k".parse::<Pace>().unwrap(), Pace::Fixed(Rate::per_second(50_000)));
        assert!("fast".parse::<Pace>().is_err());
    }

    #[test]
    fn completeness_is_a_share_below_all() {
        let share = |word: &str| word.parse::<Completeness>().unwrap().0;
        assert_eq!(["99.9%", "99.99", "50%", "off"].map(share), [Some(0.999), Some(0.9999), Some(0.5), None]);
        for word in ["", "%", "100%", "0.999", "-99%", "nan", "1e1", "all"] {
            assert!(word.parse::<Completeness>().is_err(), "{word}");
        }
    }

    #[test]
    fn times_have_units() {
        let millis = |word: &str| word.parse::<Span>().unwrap().0.as_millis();
        assert_eq!(["0", "2", "1.5s", "300ms", "10m", "2h"].map(millis), [0, 2000, 1500, 300, 600_000, 7_200_000]);
        for word in ["", "s", "-1", "1d", "1 s", "1e9", ".", "9999999h", "inf", "nan"] {
            assert!(word.parse::<Span>().is_err(), "{word}");
        }
    }
}
