//! Instants as text: RFC 3339 out, and the few forms that parameters and headers bring in. Milliseconds since the
//! epoch everywhere. No clock is read, and no time zone database is needed: offsets are in the text.
//!
//! Log lines are not read here: their many time formats belong to the engine's parser.

use serde::{Serialize, Serializer};
use std::fmt;

/// First and last instant with a four-digit year.
const MS_MIN: i64 = -62_135_596_800_000;
const MS_MAX: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;

/// An instant, shown as RFC 3339 in UTC with milliseconds: `2026-11-20T10:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iso(
    /// Milliseconds since the epoch; kept within the years 0001 to 9999 when shown.
    pub i64,
);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.clamp(MS_MIN, MS_MAX);
        let (year, month, day) = date_of_day(ms.div_euclid(DAY_MS));
        let of_day = ms.rem_euclid(DAY_MS);
        let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1_000)
    }
}

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads RFC 3339 with its usual liberties: `T`, `t` or a space; seconds and fraction optional; date alone is its
/// midnight; `Z`, `+01:00`, `+0100` or `+01`, and UTC when no offset is given. `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || year < 1 {
        return None;
    }
    let midnight = day_of_date(year, month, day) * DAY_MS;
    if rest.is_empty() {
        return Some(midnight);
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = clock.find(['Z', 'z', '+', '-', ' ']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    Some(midnight + parse_clock(clock)? - parse_offset(zone)?)
}

/// Reads the date form of `Retry-After`: `Fri, 20 Nov 2026 10:00:00 GMT`.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let mut words = text.trim().split_ascii_whitespace();
    words.next()?.strip_suffix(',')?;
    let day = digits(words.next()?, 2)?;
    let month_word = words.next()?;
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + MONTHS.iter().position(|name| *name == month_word)? as i64;
    let year = digits(words.next()?, 4)?;
    let clock = parse_clock(words.next()?)?;
    if words.next()? != "GMT" || words.next().is_some() || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(day_of_date(year, month, day) * DAY_MS + clock)
}

/// `HH:MM[:SS[.fraction]]` as milliseconds of the day; a leap second counts as the last one of its minute.
fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, ""),
        Some(rest) => match rest.split_once(['.', ',']) {
            None => (digits(rest, 2)?, ""),
            Some((_, "")) => return None,
            Some((second, fraction)) => (digits(second, 2)?, fraction),
        },
    };
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut ms = 0;
    for place in 0..3 {
        ms = ms * 10 + fraction.as_bytes().get(place).map_or(0, |byte| i64::from(byte - b'0'));
    }
    Some(hour * 3_600_000 + minute * 60_000 + second.min(59) * 1_000 + ms)
}

/// The offset from UTC in milliseconds. A `+` that a form decoder turned into a space is still a plus.
fn parse_offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = zone.strip_prefix(['+', '-', ' '])?;
    let (hours, minutes) = match zone.split_once(':') {
        Some((hours, minutes)) => (digits(hours, 2)?, digits(minutes, 2)?),
        None if zone.len() == 2 => (digits(zone, 2)?, 0),
        None => {
            let all = digits(zone, 4)?;
            (all / 100, all % 100)
        }
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600_000 + minutes * 60_000))
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar. Years start in March here, so that the leap day is the
/// last one and months follow a fixed rhythm of 153 days in five.
fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// The inverse of [`day_of_date`].
fn date_of_day(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip() {
        let mut day = day_of_date(1899, 12, 31);
        let end = day_of_date(2300, 1, 1);
        let mut previous = date_of_day(day);
        while day < end {
            day += 1;
            let date = date_of_day(day);
            assert!(date > previous, "{date:?} follows {previous:?}");
            assert_eq!(day_of_date(date.0, date.1, date.2), day);
            assert!(date.2 <= days_in_month(date.0, date.1));
            previous = date;
        }
    }

    #[cfg(feature = "engine")]
    #[test]
    fn text_is_what_the_engine_prints() {
        let mut ms = sapwood_engine::time::Timestamp::MIN.0;
        while ms < sapwood_engine::time::Timestamp::MAX.0 {
            assert_eq!(Iso(ms).to_string(), sapwood_engine::time::Timestamp(ms).to_string());
            ms += 86_400_000 * 61 + 12_345_678;
        }
        for ms in [i64::MIN, MS_MIN, -1, 0, 951_782_400_000, MS_MAX, i64::MAX] {
            assert_eq!(Iso(ms).to_string(), sapwood_engine::time::Timestamp(ms).to_string());
        }
    }

    #[test]
    fn the_usual_liberties_of_rfc_3339_are_read() {
        let ten = 1_795_168_800_000;
        for text in [
            "2026-11-20T10:00:00Z",
            "2026-11-20t10:00:00.000z",
            "2026-11-20 10:00",
            "2026-11-20T11:00:00+01:00",
            "2026-11-20T11:00:00+0100",
            "2026-11-20T11:00:00+01",
            "2026-11-20T11:00:00 01:00",
            "2026-11-20T04:30:00-05:30",
            "2026-11-20T10:00:00,0009Z",
        ] {
            assert_eq!(parse_rfc3339(text), Some(ten), "{text}");
        }
        assert_eq!(parse_rfc3339("2026-11-20"), Some(ten - 36_000_000));
        assert_eq!(parse_rfc3339("2026-11-20T10:00:00.123456789Z"), Some(ten + 123));
        assert_eq!(parse_rfc3339("2024-02-29T23:59:60Z"), Some(1_709_251_199_000));
    }

    #[test]
    fn other_text_is_no_instant() {
        for text in [
            "",
            "2026",
            "2026-11-20X",
            "2026-13-20",
            "2026-02-29",
            "2026-11-2é",
            "2026-11-20T",
            "2026-11-20T1:00",
            "2026-11-20T24:00",
            "2026-11-20T10:60",
            "2026-11-20T10:00:00.",
            "2026-11-20T10:00:00.1x",
            "2026-11-20T10:00:61",
            "2026-11-20T10:00:00+1",
            "2026-11-20T10:00:00+25:00",
            "+026-11-20",
            "2026-1-120",
            "0000-01-01",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(parse_http_date("Fri, 20 Nov 2026 10:00:00 GMT"), Some(1_795_168_800_000));
        for text in
            ["", "Fri 20 Nov 2026 10:00:00 GMT", "Fri, 31 Nov 2026 10:00:00 GMT", "Fri, 20 Nov 2026 10:00:00 CET"]
        {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
