//! Instants and lengths of time as people read them. Reads no clock.

use core::{fmt, time::Duration};

use crate::time::UnixSeconds;

/// The first second that has five digits in its year.
const YEAR_10_000: i64 = 253_402_300_800;

/// An instant: its Unix seconds, and the date where it has a four-digit year.
pub(crate) struct Instant(pub(crate) UnixSeconds);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.get();
        write!(f, "{seconds}")?;
        if !(0..YEAR_10_000).contains(&seconds) {
            return Ok(());
        }
        let (day, second) = (seconds / 86_400, seconds % 86_400);
        // Gregorian calendar from a count of days, in years that begin in March so that the leap day comes last.
        let day = day + 719_468;
        let (era, day_of_era) = (day / 146_097, day % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, " ({year:04}-{month:02}-{day_of_month:02} {hour:02}:{minute:02}:{second:02} UTC)")
    }
}

/// A length of time in its two largest units: `1 h 10 min`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (size, name, next_size, next_name) in
            [(86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")]
        {
            if seconds >= size {
                write!(f, "{} {name}", seconds / size)?;
                return match seconds % size / next_size {
                    0 => Ok(()),
                    rest => write!(f, " {rest} {next_name}"),
                };
            }
        }
        write!(f, "{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn instants_carry_their_date() {
        for (seconds, expected) in [
            (0, "0 (1970-01-01 00:00:00 UTC)"),
            (951_782_400, "951782400 (2000-02-29 00:00:00 UTC)"),
            (1_795_443_712, "1795443712 (2026-11-23 14:21:52 UTC)"),
            (YEAR_10_000 - 1, "253402300799 (9999-12-31 23:59:59 UTC)"),
            (YEAR_10_000, "253402300800"),
            (-1, "-1"),
        ] {
            assert_eq!(Instant(UnixSeconds::new(seconds)).to_string(), expected);
        }
    }

    #[test]
    fn spans_show_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (4_201, "1 h 10 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), expected);
        }
    }
}
