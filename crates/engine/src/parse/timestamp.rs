//! Event time, read from numbers and from text.
//!
//! A number's unit (seconds, milliseconds, microseconds, nanoseconds) is told by its magnitude; text is read by one
//! grammar of dates, times and zones (`calendar`), not by a list of formats. What the text left open is assumed and
//! marked: no zone means UTC, no year means the latest one that does not lie more than a day in the future.
//!
//! Left out: a time of day without a date is not a timestamp, and names of zones that stand for several offsets
//! (`IST`, `BST`) are not read.

use crate::parse::calendar;
use crate::parse::scan::Scan;
use crate::time::Timestamp;

/// An instant as it was read, with what had to be assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTime {
    /// The instant; anything finer than a millisecond is cut off.
    pub timestamp: Timestamp,
    /// The text named no zone: UTC was assumed.
    pub zone_assumed: bool,
    /// The text named no year: the latest that fits the reference was assumed.
    pub year_assumed: bool,
}

impl ReadTime {
    /// An instant about which nothing was assumed.
    pub(crate) fn exact(timestamp: Timestamp) -> Self {
        Self { timestamp: timestamp.clamped(), zone_assumed: false, year_assumed: false }
    }
}

/// From here on (in absolute value) a number counts milliseconds: as seconds it would lie beyond the year 5138.
const MILLIS_MIN: u64 = 100_000_000_000;
/// From here on a number counts microseconds.
const MICROS_MIN: u64 = MILLIS_MIN * 1_000;
/// From here on a number counts nanoseconds.
const NANOS_MIN: u64 = MICROS_MIN * 1_000;

/// The instant that an integer names; its unit is told by its magnitude (below 1e11 seconds, below 1e14 milliseconds,
/// below 1e17 microseconds, else nanoseconds). Kept between [`Timestamp::MIN`] and [`Timestamp::MAX`].
pub fn from_int(number: i64) -> Timestamp {
    let millis = match number.unsigned_abs() {
        0..MILLIS_MIN => number.saturating_mul(1_000),
        MILLIS_MIN..MICROS_MIN => number,
        MICROS_MIN..NANOS_MIN => number.div_euclid(1_000),
        _ => number.div_euclid(1_000_000),
    };
    Timestamp(millis).clamped()
}

/// The instant that a number with a fraction names, by the same magnitudes as [`from_int`]; rounded to the
/// millisecond. `None` if it is not finite.
pub fn from_float(number: f64) -> Option<Timestamp> {
    if !number.is_finite() {
        return None;
    }
    let size = number.abs();
    let millis = if size < MILLIS_MIN as f64 {
        number * 1_000.0
    } else if size < MICROS_MIN as f64 {
        number
    } else if size < NANOS_MIN as f64 {
        number / 1_000.0
    } else {
        number / 1_000_000.0
    };
    // The cast saturates, and the clamp brings the ends into range.
    Some(Timestamp(millis.round() as i64).clamped())
}

/// The instant that the whole of `text` names, surrounding white space aside: a number, a date with a time in any
/// notation that [`read_prefix`] knows, or a date alone (midnight). `reference` supplies a missing year.
pub fn read(text: &str, reference: Timestamp) -> Option<ReadTime> {
    let text = text.trim();
    if let Some(timestamp) = read_number(text) {
        return Some(ReadTime::exact(timestamp));
    }
    let mut scan = Scan::new(text);
    let mut found = calendar::date_time(&mut scan, reference).filter(|_| scan.is_done());
    if found.is_none() {
        scan = Scan::new(text);
        found = calendar::date_alone(&mut scan).filter(|_| scan.is_done());
    }
    found
}

/// The instant that `text` starts with, and how many bytes it took. Nothing but the end, white space or punctuation
/// may follow. A number at the start counts as a timestamp only with 10, 13, 16 or 19 digits.
pub fn read_prefix(text: &str, reference: Timestamp) -> Option<(ReadTime, usize)> {
    let first = *text.as_bytes().first()?;
    // Most words of a line are asked; two comparisons send almost all of them away.
    if !first.is_ascii_digit() && !first.is_ascii_uppercase() {
        return None;
    }
    let mut scan = Scan::new(text);
    if let Some(found) = calendar::date_time(&mut scan, reference) {
        return Some((found, scan.at()));
    }
    scan = Scan::new(text);
    let timestamp = epoch(&mut scan)?;
    Some((ReadTime::exact(timestamp), scan.at()))
}

/// How many bytes at the start of `text` are a date without a time, such as `2005.06.03`: a column that some systems
/// print beside a complete timestamp.
pub(crate) fn date_column(text: &str) -> Option<usize> {
    let mut scan = Scan::new(text);
    calendar::date_alone(&mut scan)?;
    Some(scan.at())
}

/// How many bytes at the start of `text` are a time of day without a date, such as `18:01:47.978`.
pub(crate) fn clock_column(text: &str) -> Option<usize> {
    let mut scan = Scan::new(text);
    calendar::clock_alone(&mut scan)?;
    Some(scan.at())
}

/// A number that is the whole of `text`, read digit by digit so that fractions of a second stay exact.
fn read_number(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'))
        || !text.bytes().any(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(from_int(number));
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && let Ok(seconds) = whole.parse::<i64>()
        && !whole.starts_with('-')
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(seconds_and_fraction(seconds, fraction));
    }
    from_float(text.parse().ok()?)
}

/// Only seconds keep their fraction; in every other unit it is below what is stored.
fn seconds_and_fraction(whole: i64, fraction: &str) -> Timestamp {
    let base = from_int(whole);
    if whole.unsigned_abs() >= MILLIS_MIN {
        return base;
    }
    Timestamp(base.0.saturating_add(i64::from(calendar::millis(fraction)))).clamped()
}

/// Digits since 1970, told from other numbers by their count: 10 (s, fraction allowed), 13 (ms), 16 (us), 19 (ns).
fn epoch(scan: &mut Scan<'_>) -> Option<Timestamp> {
    let count = scan.digit_count();
    if !matches!(count, 10 | 13 | 16 | 19) {
        return None;
    }
    let whole: i64 = scan.run(count, |byte| byte.is_ascii_digit()).parse().ok()?;
    // Leading zeros would make ten digits small: an order number, not an instant.
    if from_int(whole) < Timestamp(1_000_000_000_000) {
        return None;
    }
    let mut ahead = *scan;
    let mut fraction = "";
    if ahead.eat_any(b".,").is_some() {
        fraction = ahead.run(20, |byte| byte.is_ascii_digit());
        if !fraction.is_empty() {
            *scan = ahead;
        }
    }
    let ends = scan.is_boundary() && !matches!(scan.peek(0), Some(b'.' | b'-' | b'/' | b'@' | b'%' | b'$'));
    ends.then(|| seconds_and_fraction(whole, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-11-20T10:00:00Z.
    const NOW: Timestamp = Timestamp(1_763_632_800_000);

    /// `expected` is RFC 3339, with `z` behind it where the zone and `y` where the year was assumed; empty for none.
    fn check(text: &str, expected: &str) {
        let shown = read(text, NOW).map_or_else(String::new, |found| {
            let zone = if found.zone_assumed { " z" } else { "" };
            let year = if found.year_assumed { " y" } else { "" };
            format!("{}{zone}{year}", found.timestamp)
        });
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn numbers_tell_their_unit_by_magnitude() {
        for (number, millis) in [
            (0, 0),
            (1_700_000_000, 1_700_000_000_000),
            (99_999_999_999, 99_999_999_999_000),
            (100_000_000_000, 100_000_000_000),
            (1_700_000_000_123, 1_700_000_000_123),
            (1_700_000_000_123_456, 1_700_000_000_123),
            (1_700_000_000_123_456_789, 1_700_000_000_123),
            (-1_500, -1_500_000),
            (-1_700_000_000_123_456, -1_700_000_000_124),
            (i64::MIN, -9_223_372_036_855),
            (i64::MAX, 9_223_372_036_854),
        ] {
            assert_eq!(from_int(number), Timestamp(millis), "{number}");
        }
    }

    #[test]
    fn fractions_are_rounded_to_the_millisecond() {
        assert_eq!(from_float(1_700_000_000.123_4), Some(Timestamp(1_700_000_000_123)));
        assert_eq!(from_float(1_700_000_000_123.9), Some(Timestamp(1_700_000_000_124)));
        assert_eq!(from_float(1.7e15), Some(Timestamp(1_700_000_000_000)));
        assert_eq!(from_float(1.7e18), Some(Timestamp(1_700_000_000_000)));
        assert_eq!(from_float(f64::MAX), Some(Timestamp::MAX));
        assert_eq!(from_float(f64::NAN), None);
        assert_eq!(from_float(f64::NEG_INFINITY), None);
    }

    #[test]
    fn numeric_text_is_a_number() {
        check("1700000000", "2023-11-14T22:13:20.000Z");
        check(" 1700000000.1239 ", "2023-11-14T22:13:20.123Z");
        check("1700000000123.9", "2023-11-14T22:13:20.123Z");
        check("1.7e9", "2023-11-14T22:13:20.000Z");
        check("-1.5", "1969-12-31T23:59:58.500Z");
        for text in ["", "-", ".", "e", "+-1", "1.2.3", "NaN", "infinity"] {
            check(text, "");
        }
    }

    #[test]
    fn rfc_3339_and_its_neighbours() {
        check("2025-11-20T10:00:00Z", "2025-11-20T10:00:00.000Z");
        check("2025-11-20t10:00:00z", "2025-11-20T10:00:00.000Z");
        check("2025-11-20 10:00:00.123456789Z", "2025-11-20T10:00:00.123Z");
        check("2025-11-20T10:00:00,5+01:00", "2025-11-20T09:00:00.500Z");
        check("2025-11-20T10:00:00+0530", "2025-11-20T04:30:00.000Z");
        check("2025-11-20T10:00:00-07", "2025-11-20T17:00:00.000Z");
        check("2025-11-20 10:00:00 +0100", "2025-11-20T09:00:00.000Z");
        check("2025-11-20T10:00:00.123+01:00[Europe/Berlin]", "2025-11-20T09:00:00.123Z");
        check("2025-11-20 10:00:00", "2025-11-20T10:00:00.000Z z");
        check("2025-11-20T10:00", "2025-11-20T10:00:00.000Z z");
        check("20251120T100000Z", "2025-11-20T10:00:00.000Z");
        check("2025-11-20", "2025-11-20T00:00:00.000Z z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z");
    }

    #[test]
    fn dates_of_mail_and_servers() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z");
        check("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37.000Z");
        check("6 Nov 1994 08:49:37 -0500", "1994-11-06T13:49:37.000Z");
        check("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z z");
        check("Sun Nov  6 08:49:37 PST 1994", "1994-11-06T16:49:37.000Z");
        check("10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z");
        check("19-Nov-2025 08:15:05 UTC", "2025-11-19T08:15:05.000Z");
        check("Nov 19, 2025 8:15:13 PM", "2025-11-19T20:15:13.000Z z");
        check("Nov 19, 2025 @ 08:15:13.678", "2025-11-19T08:15:13.678Z z");
        check("11/19/2025 12:15:13 AM", "2025-11-19T00:15:13.000Z z");
        check("19/11/2025 12:15:13", "2025-11-19T12:15:13.000Z z");
        check("19.11.2025 12:15:13", "2025-11-19T12:15:13.000Z z");
        check("2025 Nov 19 12:15:13", "2025-11-19T12:15:13.000Z z");
        check("2025-Nov-19 12:15:13", "2025-11-19T12:15:13.000Z z");
        check("2025-11-20 10:00:00 UTC+02:00", "2025-11-20T08:00:00.000Z");
    }

    #[test]
    fn columns_of_digits() {
        check("17/06/09 20:10:40", "2017-06-09T20:10:40.000Z z");
        check("081109 203615", "2008-11-09T20:36:15.000Z z");
        check("991109  3:04:05", "1999-11-09T03:04:05.000Z z");
        check("2005-06-03-15.42.50.675872", "2005-06-03T15:42:50.675Z z");
        check("20171223-22:15:29:606", "2017-12-23T22:15:29.606Z z");
        check("2025.11.19 10:00:00", "2025-11-19T10:00:00.000Z z");
        check("2025/1/2 10:00:00", "2025-01-02T10:00:00.000Z z");
        check("02.01.25 10:00:00", "2025-01-02T10:00:00.000Z z");
    }

    #[test]
    fn a_missing_year_is_the_latest_that_is_not_more_than_a_day_ahead() {
        check("Nov 20 10:00:00", "2025-11-20T10:00:00.000Z z y");
        check("Nov 21 10:00:00", "2025-11-21T10:00:00.000Z z y");
        check("Nov 21 10:00:01", "2024-11-21T10:00:01.000Z z y");
        check("Dec 10 06:55:46.25", "2024-12-10T06:55:46.250Z z y");
        check("10.30 16:49:06", "2025-10-30T16:49:06.000Z z y");
        check("01-02 03:04:05.678", "2025-01-02T03:04:05.678Z z y");
        check("1120 10:00:00.000000", "2025-11-20T10:00:00.000Z z y");
        check("Feb 29 10:00:00", "2024-02-29T10:00:00.000Z z y");
        let new_year = Timestamp(1_767_225_600_000); // 2026-01-01T00:00:00Z
        let found = |text| read(text, new_year).map(|found| found.timestamp.to_string());
        assert_eq!(found("Dec 31 23:59:59").as_deref(), Some("2025-12-31T23:59:59.000Z"));
        assert_eq!(found("Jan  1 12:00:00").as_deref(), Some("2026-01-01T12:00:00.000Z"));
    }

    #[test]
    fn the_year_of_a_leap_day_is_found_across_a_century_without_one() {
        let reference = read("2103-06-01T00:00:00Z", NOW).map(|found| found.timestamp).unwrap();
        let found = read("Feb 29 10:00:00", reference).map(|found| found.timestamp.to_string());
        assert_eq!(found.as_deref(), Some("2096-02-29T10:00:00.000Z"));
    }

    #[test]
    fn what_the_calendar_does_not_have_is_refused() {
        for text in [
            "2025-02-31T10:00:00Z",
            "2025-02-29T10:00:00Z",
            "2025-13-01T10:00:00Z",
            "2025-00-01T10:00:00Z",
            "0000-01-01T10:00:00Z",
            "2025-11-20T25:00:00Z",
            "2025-11-20T10:60:00Z",
            "2025-11-20T10:00:61Z",
            "2025-11-20T10:00:00+25:00",
            "2025-11-20T10:00:00+01:75",
            "Feb 30 10:00:00",
            "31/Apr/2025:10:00:00 +0000",
            "10:00:00",
            "2025-11-20T10:00:00Zulu",
            "2025-11-20T10:00:00 and more",
            "13:15 PM",
            "yesterday",
            "1.2.3.4",
            "99.99 10:00:00",
        ] {
            check(text, "");
        }
    }

    #[test]
    fn a_prefix_says_how_much_it_took() {
        for (text, taken) in [
            ("2025-11-20T10:00:00Z INFO x", Some(20)),
            ("2025-11-20 10:00:00,123 - x", Some(23)),
            ("2025-11-20 10:00:00] x", Some(19)),
            ("2025-11-20 10:00:00 -1234 x", Some(19)),
            ("Dec 10 06:55:46 box x", Some(15)),
            ("Sun Dec 04 04:47:44 2005] x", Some(24)),
            ("1700000000.123 x", Some(14)),
            ("1700000000", Some(10)),
            ("1700000000123456 x", Some(16)),
            ("1700000000123456789 x", Some(19)),
            ("17000000001 x", None),
            ("0000000012 x", None),
            ("1700000000x", None),
            ("1700000000-1", None),
            ("2025-11-20T10:00:00x", None),
            ("2025-11-20 10:00:00.", Some(19)),
            ("2025-11-20 1 item", None),
            ("1120 10:00:00 x", None),
            ("10:00:00 x", None),
            ("x 2025-11-20T10:00:00Z", None),
            ("\u{e9}", None),
            ("", None),
        ] {
            assert_eq!(read_prefix(text, NOW).map(|(_, taken)| taken), taken, "{text:?}");
        }
    }

    #[test]
    fn columns_that_are_half_a_timestamp() {
        assert_eq!(date_column("2005.06.03 R02"), Some(10));
        assert_eq!(date_column("2005.06.03.1 R02"), None);
        assert_eq!(date_column("2005.16.03 R02"), None);
        assert_eq!(clock_column("18:01:47.978 [main]"), Some(12));
        assert_eq!(clock_column("8:15AM INF"), Some(6));
        assert_eq!(clock_column("8:15 INF"), None);
        assert_eq!(clock_column("18:01:47x"), None);
    }

    #[test]
    fn the_ends_of_time_are_kept() {
        check("9999-12-31T23:59:59.999-01:00", "9999-12-31T23:59:59.999Z");
        check("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00.000Z");
        assert!(read("Dec 10 06:55:46", Timestamp(i64::MAX)).is_some());
        assert!(read("Dec 10 06:55:46", Timestamp(i64::MIN)).is_none(), "there is no year before the first");
    }
}
