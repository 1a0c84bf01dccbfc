//! The grammar of dates, times and zones.
//!
//! `date-time = [weekday] date separator clock [meridiem] [zone] [year]`, where a date is numbers and a month's name
//! in any of the customary orders. Which number is what follows from its digits and separators: four digits are a
//! year, `/` between two-digit numbers means year first, `.` means day first, a name is a month. Every combination is
//! checked against the calendar, so that an impossible reading falls through to the next.
//!
//! Left out: week dates and ordinal dates of ISO 8601, era names, months in languages other than English.

use crate::parse::scan::Scan;
use crate::parse::timestamp::ReadTime;
use crate::time::Timestamp;
use chrono::{DateTime, Datelike, NaiveDate};

/// A date as written; the year may be missing.
#[derive(Clone, Copy, Debug)]
struct Date {
    year: Option<i32>,
    month: u32,
    day: u32,
    /// What separates the date from the time must be a blank and the time complete: the digits alone prove little.
    loose: bool,
    /// Digits without separators (`081109`), which allow a time without separators.
    compact: bool,
    /// The month is a name, which allows the year to stand at the very end.
    named: bool,
}

/// A time of day in milliseconds, and how it was written.
#[derive(Clone, Copy, Debug)]
struct Clock {
    millis: u32,
    has_seconds: bool,
    has_fraction: bool,
}

/// One way to read a date.
type ReadDate = for<'a> fn(&mut Scan<'a>) -> Option<Date>;

/// A date and a time at the cursor.
pub(crate) fn date_time(scan: &mut Scan<'_>, reference: Timestamp) -> Option<ReadTime> {
    let starts_with_name = scan.peek(0).is_some_and(|byte| byte.is_ascii_alphabetic());
    if starts_with_name {
        weekday(scan);
    }
    let start = *scan;
    let by_name: [ReadDate; 1] = [month_name_first];
    let by_number: [ReadDate; 5] = [year_first, day_month_name, numeric_year_last, compact, month_day];
    let starts_with_digit = start.peek(0).is_some_and(|byte| byte.is_ascii_digit());
    // The first reading whose date, separator, time and calendar all agree wins.
    for read_date in if starts_with_digit { by_number.as_slice() } else { by_name.as_slice() } {
        let mut attempt = start;
        if let Some(date) = read_date(&mut attempt)
            && let Some(found) = complete(&mut attempt, date, reference)
        {
            *scan = attempt;
            return Some(found);
        }
    }
    None
}

/// A date without a time at the cursor, as midnight UTC: `2005.06.03`, `2024-01-02`.
pub(crate) fn date_alone(scan: &mut Scan<'_>) -> Option<ReadTime> {
    let date = year_first(scan).filter(|date| !date.compact)?;
    if !scan.is_boundary() || matches!(scan.peek(0), Some(b'-' | b'/' | b'.' | b':')) {
        return None;
    }
    let days = NaiveDate::from_ymd_opt(date.year?, date.month, date.day)?;
    Some(ReadTime { timestamp: instant(days, 0, 0), zone_assumed: true, year_assumed: false })
}

/// A time of day at the cursor that could be a column of its own: `18:01:47`, `3:04PM`.
pub(crate) fn clock_alone(scan: &mut Scan<'_>) -> Option<()> {
    let clock = colon_clock(scan, b":")?;
    let has_meridiem = meridiem(scan, clock).is_some();
    ((clock.has_seconds || has_meridiem) && scan.is_boundary()).then_some(())
}

/// Milliseconds in a fraction of a second, cut after the third digit.
pub(crate) fn millis(fraction: &str) -> u32 {
    let mut value = 0;
    for digit in fraction.bytes().chain(*b"000").take(3) {
        value = value * 10 + u32::from(digit.wrapping_sub(b'0').min(9));
    }
    value
}

/// What follows a date: separator, time, am or pm, zone, and for `Sun Dec 04 04:47:44 2005` the year.
fn complete(scan: &mut Scan<'_>, date: Date, reference: Timestamp) -> Option<ReadTime> {
    let mut date = date;
    date_separator(scan, date)?;
    let mut clock = clock(scan, date)?;
    if let Some(millis) = meridiem(scan, clock) {
        clock.millis = millis;
    }
    let mut offset = zone(scan);
    if date.year.is_none() && date.named {
        date.year = trailing_year(scan);
        offset = offset.or_else(|| zone(scan));
    }
    if !scan.is_boundary() || (scan.peek(0) == Some(b'.') && scan.peek(1).is_some_and(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let offset_minutes = offset.unwrap_or(0);
    let timestamp = match date.year {
        Some(year) => instant(NaiveDate::from_ymd_opt(year, date.month, date.day)?, clock.millis, offset_minutes),
        None => latest(date, clock.millis, offset_minutes, reference)?,
    };
    Some(ReadTime { timestamp: timestamp.clamped(), zone_assumed: offset.is_none(), year_assumed: date.year.is_none() })
}

/// The instant of a local date and time at an offset from UTC.
fn instant(date: NaiveDate, millis: u32, offset_minutes: i32) -> Timestamp {
    let days = i64::from(date.num_days_from_ce()) - 719_163; // Days from 0001-01-01 to 1970-01-01.
    Timestamp(days * 86_400_000 + i64::from(millis) - i64::from(offset_minutes) * 60_000)
}

/// The latest year in which this date exists and does not lie more than a day after the reference. Eight years back
/// reach a 29 February across a century that has none.
fn latest(date: Date, millis: u32, offset_minutes: i32, reference: Timestamp) -> Option<Timestamp> {
    let now = DateTime::from_timestamp_millis(reference.clamped().0)?;
    (0..=9).find_map(|back| {
        let day = NaiveDate::from_ymd_opt(now.year() + 1 - back, date.month, date.day)?;
        let candidate = instant(day, millis, offset_minutes);
        (Timestamp::MIN.0..=reference.clamped().0 + 86_400_000).contains(&candidate.0).then_some(candidate)
    })
}

/// `2024-01-02`, `2024/1/2`, `2024.01.02`, `2024-Jan-02`.
fn year_first(scan: &mut Scan<'_>) -> Option<Date> {
    let year = scan.number(4, 4)?;
    let separator = scan.eat_any(b"-/. ")?;
    let month = match month_name(scan) {
        Some(month) => month,
        None if separator != b' ' => scan.number(1, 2)?,
        None => return None,
    };
    if !scan.eat(separator) {
        return None;
    }
    let day = scan.number(1, 2)?;
    Some(Date { year: i32::try_from(year).ok(), month, day, loose: false, compact: false, named: false })
        .filter(possible)
}

/// `10/Oct/2000`, `10-Oct-2000`, `10 Oct 2000`, `10 Oct` (year to come or none).
fn day_month_name(scan: &mut Scan<'_>) -> Option<Date> {
    let day = scan.number(1, 2)?;
    let separator = scan.eat_any(b"/- .")?;
    let month = month_name(scan)?;
    let mut ahead = *scan;
    let mut year = None;
    if ahead.eat(separator) && ahead.digit_count() == 4 {
        year = ahead.number(4, 4).and_then(|year| i32::try_from(year).ok());
        *scan = ahead;
    } else if separator != b' ' && ahead.digit_count() == 2 {
        // RFC 850: `06-Nov-94`. Behind a blank two digits would be the hour.
        year = ahead.number(2, 2).and_then(|year| i32::try_from(century(year)).ok());
        *scan = ahead;
    }
    Some(Date { year, month, day, loose: year.is_none(), compact: false, named: true }).filter(possible)
}

/// `Dec 10`, `Dec  4`, `Dec 10 2024`, `December 10, 2024`.
fn month_name_first(scan: &mut Scan<'_>) -> Option<Date> {
    let month = month_name(scan)?;
    if scan.blanks() == 0 {
        return None;
    }
    let day = scan.number(1, 2)?;
    let mut ahead = *scan;
    ahead.eat(b',');
    let mut year = None;
    if ahead.blanks() > 0 && ahead.digit_count() == 4 {
        year = ahead.number(4, 4).and_then(|year| i32::try_from(year).ok());
        *scan = ahead;
    }
    Some(Date { year, month, day, loose: year.is_none(), compact: false, named: true }).filter(possible)
}

/// Three numbers of which the last may be the year: `17/06/09` (year first), `10/30/2024`, `30.10.2024`, `02.01.24`.
fn numeric_year_last(scan: &mut Scan<'_>) -> Option<Date> {
    let first = scan.number(1, 2)?;
    let separator = scan.eat_any(b"/.-")?;
    let second = scan.number(1, 2)?;
    if !scan.eat(separator) {
        return None;
    }
    let digits = scan.digit_count();
    let third = scan.number(2, 4).filter(|_| digits != 3)?;
    // Two-digit years come first with a slash or a hyphen; four digits name the year wherever they stand.
    let orders = match (digits, separator) {
        (4, b'/') => [(third, first, second), (third, second, first)],
        (4, _) => [(third, second, first), (third, first, second)],
        (_, b'.') => [(century(third), second, first), (century(first), second, third)],
        _ => [(century(first), second, third), (century(third), first, second)],
    };
    orders
        .into_iter()
        .map(|(year, month, day)| Date {
            year: i32::try_from(year).ok(),
            month,
            day,
            loose: digits == 2,
            compact: false,
            named: false,
        })
        .find(possible)
}

/// `20240102`, `081109`, and the `1120` that follows a level letter.
fn compact(scan: &mut Scan<'_>) -> Option<Date> {
    let digits = scan.digit_count();
    let number = scan.number(4, 8)?;
    let (year, rest) = match digits {
        8 => (Some(number / 10_000), number % 10_000),
        6 => (Some(century(number / 10_000)), number % 10_000),
        4 => (None, number),
        _ => return None,
    };
    let year = year.and_then(|year| i32::try_from(year).ok());
    Some(Date { year, month: rest / 100, day: rest % 100, loose: digits != 8, compact: true, named: false })
        .filter(possible)
}

/// `10.30`, `01-02`, `10/30`: a month and a day.
fn month_day(scan: &mut Scan<'_>) -> Option<Date> {
    let first = scan.number(2, 2)?;
    scan.eat_any(b".-/")?;
    let second = scan.number(2, 2)?;
    [(first, second), (second, first)]
        .into_iter()
        .map(|(month, day)| Date { year: None, month, day, loose: true, compact: false, named: false })
        .find(possible)
}

/// Two digits of a year: 70 to 99 lie in the last century.
fn century(year: u32) -> u32 {
    match year {
        70..=99 => year + 1900,
        0..=69 => year + 2000,
        _ => year,
    }
}

/// Whether the calendar has this date in some year (2000 has a 29 February).
fn possible(date: &Date) -> bool {
    let year = date.year.unwrap_or(2000);
    (1..=9999).contains(&year) && NaiveDate::from_ymd_opt(year, date.month, date.day).is_some()
}

/// What may stand between a date and a time.
fn date_separator(scan: &mut Scan<'_>, date: Date) -> Option<()> {
    scan.eat(b',');
    let blanks = scan.blanks();
    if blanks > 0 {
        if scan.peek(0) == Some(b'@') && scan.peek(1) == Some(b' ') {
            scan.eat(b'@');
            scan.blanks();
        }
        return (blanks <= 2).then_some(());
    }
    if date.loose {
        return None;
    }
    scan.eat_any(b"Tt-_.:").map(|_| ())
}

/// A time of day after a date, with colons, with points after a hyphen (`15.42.50`), or without any (`203615`).
fn clock(scan: &mut Scan<'_>, date: Date) -> Option<Clock> {
    let start = *scan;
    let found = if date.compact && scan.digit_count() == 6 {
        compact_clock(scan)
    } else {
        colon_clock(scan, if date.loose { b":" } else { b":." })
    }?;
    // Digits that could be any number need a time that could not.
    let is_month_and_day_only = date.compact && date.year.is_none();
    if (date.loose && !found.has_seconds) || (is_month_and_day_only && !found.has_fraction) {
        *scan = start;
        return None;
    }
    Some(found)
}

/// `18:01`, `18:01:47`, `18:01:47,978`, `3:04:05`, `15.42.50.675872`.
fn colon_clock(scan: &mut Scan<'_>, separators: &[u8]) -> Option<Clock> {
    let hour = scan.number(1, 2)?;
    let separator = scan.eat_any(separators)?;
    let minute = scan.number(1, 2)?;
    let mut ahead = *scan;
    let mut second = None;
    if ahead.eat(separator) {
        second = ahead.number(1, 2);
    }
    // With points alone, `15.42` is a number as likely as a time.
    if second.is_none() && separator == b'.' {
        return None;
    }
    let mut fraction = "";
    if second.is_some() {
        *scan = ahead;
        fraction = read_fraction(scan, separator);
    }
    of_day(hour, minute, second, fraction)
}

/// `203615`, with an optional fraction.
fn compact_clock(scan: &mut Scan<'_>) -> Option<Clock> {
    let number = scan.number(6, 6)?;
    let fraction = read_fraction(scan, b'.');
    of_day(number / 10_000, number / 100 % 100, Some(number % 100), fraction)
}

/// The digits after a point or comma, or after one more colon where colons separate (`22:15:29:606`).
fn read_fraction<'a>(scan: &mut Scan<'a>, separator: u8) -> &'a str {
    let mut ahead = *scan;
    let Some(mark) = ahead.eat_any(b".,:").filter(|&mark| mark != b':' || separator == b':') else { return "" };
    let digits = ahead.run(20, |byte| byte.is_ascii_digit());
    if digits.is_empty() || (mark == b':' && digits.len() > 3) {
        return "";
    }
    *scan = ahead;
    digits
}

/// A checked time of day. A leap second becomes the last millisecond before it, so that order is kept.
fn of_day(hour: u32, minute: u32, second: Option<u32>, fraction: &str) -> Option<Clock> {
    let seconds = second.unwrap_or(0);
    if hour > 23 || minute > 59 || seconds > 60 {
        return None;
    }
    let in_minute = if seconds == 60 { 59_999 } else { seconds * 1_000 + millis(fraction) };
    let millis = (hour * 60 + minute) * 60_000 + in_minute;
    Some(Clock { millis, has_seconds: second.is_some(), has_fraction: !fraction.is_empty() })
}

/// `AM` or `PM` after a time: the time of day it makes, if the hour is one of twelve.
fn meridiem(scan: &mut Scan<'_>, clock: Clock) -> Option<u32> {
    let mut ahead = *scan;
    // Some locales print a narrow no-break space here.
    if !ahead.eat_text("\u{202f}") {
        ahead.eat(b' ');
    }
    let half = ahead.eat_any(b"AaPp")?.to_ascii_uppercase();
    ahead.eat_any(b"Mm")?;
    let hour = clock.millis / 3_600_000;
    if !ahead.is_boundary() || !(1..=12).contains(&hour) {
        return None;
    }
    *scan = ahead;
    let within = clock.millis % 3_600_000;
    Some(within + (hour % 12 + if half == b'P' { 12 } else { 0 }) * 3_600_000)
}

/// A zone at the cursor, as minutes east of UTC; a blank may come before it.
fn zone(scan: &mut Scan<'_>) -> Option<i32> {
    let mut ahead = *scan;
    let has_blank = ahead.eat(b' ');
    let minutes = match ahead.peek(0)? {
        b'+' | b'-' => numeric_zone(&mut ahead, has_blank)?,
        byte if byte.is_ascii_alphabetic() => named_zone(&mut ahead, has_blank)?,
        _ => return None,
    };
    if !ahead.is_boundary() {
        return None;
    }
    zone_region(&mut ahead);
    *scan = ahead;
    Some(minutes)
}

/// `+01:00`, `+0100`, and without a blank before it `+01`. After a blank, quarters of an hour only: `-1234` is more
/// likely a number.
fn numeric_zone(scan: &mut Scan<'_>, has_blank: bool) -> Option<i32> {
    let sign = if scan.eat_any(b"+-")? == b'-' { -1 } else { 1 };
    let (hours, minutes) = match scan.digit_count() {
        4 => {
            let number = scan.number(4, 4)?;
            (number / 100, number % 100)
        }
        2 => {
            let hours = scan.number(2, 2)?;
            let mut ahead = *scan;
            if ahead.eat(b':') {
                let minutes = ahead.number(2, 2)?;
                *scan = ahead;
                (hours, minutes)
            } else if has_blank {
                return None;
            } else {
                (hours, 0)
            }
        }
        _ => return None,
    };
    let fits = if has_blank { hours <= 14 && minutes % 15 == 0 } else { hours <= 23 };
    (fits && minutes <= 59).then(|| sign * i32::try_from(hours * 60 + minutes).unwrap_or(0))
}

/// Names that stand for one offset everywhere they are used in logs; `UTC+02:00` is read too.
fn named_zone(scan: &mut Scan<'_>, has_blank: bool) -> Option<i32> {
    let name = scan.run(5, |byte| byte.is_ascii_alphabetic());
    let hours = match name {
        "Z" | "z" if !has_blank => 0,
        "UTC" | "GMT" | "UT" => {
            let mut ahead = *scan;
            if matches!(ahead.peek(0), Some(b'+' | b'-'))
                && let Some(minutes) = numeric_zone(&mut ahead, false)
            {
                *scan = ahead;
                return Some(minutes);
            }
            0
        }
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "WET" => 0,
        "CET" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        _ => return None,
    };
    Some(hours * 60)
}

/// The `[Europe/Berlin]` that RFC 9557 puts after an offset. The slash tells it from a thread's name.
fn zone_region(scan: &mut Scan<'_>) {
    let mut ahead = *scan;
    if ahead.eat(b'[') {
        let name = ahead.run(40, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+'));
        if name.contains('/') && ahead.eat(b']') {
            *scan = ahead;
        }
    }
}

/// The year at the end of `Sun Dec 04 04:47:44 2005`.
fn trailing_year(scan: &mut Scan<'_>) -> Option<i32> {
    let mut ahead = *scan;
    if !ahead.eat(b' ') {
        return None;
    }
    let year = ahead.number(4, 4).filter(|year| (1970..=2200).contains(year))?;
    // `2005:` or `2005-` would be the start of something else.
    if matches!(ahead.peek(0), Some(b'-' | b'/' | b'.')) || !ahead.is_boundary() {
        return None;
    }
    *scan = ahead;
    i32::try_from(year).ok()
}

/// Passes `Sun `, `Sun, `, `Sunday, `: it says nothing that the date does not.
fn weekday(scan: &mut Scan<'_>) {
    let mut ahead = *scan;
    let name = ahead.run(9, |byte| byte.is_ascii_alphabetic());
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    if !days.iter().any(|day| *day == name || (name.len() == 3 && day.starts_with(name))) {
        return;
    }
    ahead.eat(b',');
    if ahead.blanks() > 0 {
        *scan = ahead;
    }
}

/// An English month name, short or full, in title or upper case.
fn month_name(scan: &mut Scan<'_>) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut ahead = *scan;
    let name = ahead.run(9, |byte| byte.is_ascii_alphabetic());
    let is_name = |month: &&str| {
        month.eq_ignore_ascii_case(name) || month.get(..3).is_some_and(|short| short.eq_ignore_ascii_case(name))
    };
    let index = MONTHS.iter().position(is_name)?;
    *scan = ahead;
    u32::try_from(index + 1).ok()
}
