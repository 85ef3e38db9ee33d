//! Dates of the proleptic Gregorian calendar, in UTC.

use std::fmt;
use std::time::Duration;

/// A moment since the Unix epoch, printed as `Thu Jan  1 12:00:00 2026` (C's `asctime`), in UTC.
pub(super) struct Asctime(pub(super) Duration);

impl fmt::Display for Asctime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let weekday = WEEKDAYS[(days % 7) as usize];
        let month = MONTHS[month];
        write!(f, "{weekday} {month} {day:>2} {:02}:{:02}:{:02} {year}", of_day / 3600, of_day / 60 % 60, of_day % 60)
    }
}

/// A moment since the Unix epoch, printed as `2026-01-01T12:00:00.250Z` (RFC 3339), in UTC.
pub struct Rfc3339(pub Duration);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", month + 1, self.0.subsec_millis())
    }
}

/// Year, month (from 0) and day (from 1) of a day number since the Unix epoch. Years are counted from March, so that the leap
/// day is the last one of a year.
fn civil(days: u64) -> (u64, usize, u64) {
    let since_march_0 = days + 719_468;
    let (era, of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    (era * 400 + year_of_era + u64::from(month < 2), month as usize, day)
}

/// The first day of the Unix epoch was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    fn asctime(seconds: u64) -> String {
        Asctime(Duration::from_secs(seconds)).to_string()
    }

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(asctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(asctime(951_782_399), "Mon Feb 28 23:59:59 2000");
        assert_eq!(asctime(951_782_400), "Tue Feb 29 00:00:00 2000");
        assert_eq!(asctime(951_868_800), "Wed Mar  1 00:00:00 2000");
        assert_eq!(asctime(1_767_268_800), "Thu Jan  1 12:00:00 2026");
        assert_eq!(asctime(1_798_761_599), "Thu Dec 31 23:59:59 2026");
        assert_eq!(asctime(4_107_542_400), "Mon Mar  1 00:00:00 2100");
        assert_eq!(Rfc3339(Duration::from_micros(1_798_761_599_250_999)).to_string(), "2026-12-31T23:59:59.250Z");
    }
}
