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
