//! A time zone as a rule: so far ahead of UTC, and in summer so far, between two instants of each year.
//!
//! Written as POSIX does (`CET-1CEST,M3.5.0,M10.5.0/3`), which is the last line of every file of the zone database, or as
//! one of the names in [`NAMED`]. A table of all names and of their history would be larger than all detectors
//! together, and a season looks weeks back and no further.
//!
//! Left out: rules by day of the year (`J60`), which no zone in use has.

use crate::time::{Millis, Timestamp};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Longest text of a rule.
pub const ZONE_BYTES_MAX: usize = 64;

/// Names of the zone database, by their rule as of 2026; several names stand between spaces.
const NAMED: [(&str, &str); 33] = [
    ("UTC0", "UTC Etc/UTC GMT"),
    ("GMT0BST,M3.5.0/1,M10.5.0", "Europe/London"),
    ("IST-1GMT0,M10.5.0,M3.5.0/1", "Europe/Dublin"),
    ("WET0WEST,M3.5.0/1,M10.5.0", "Europe/Lisbon"),
    (
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "Europe/Berlin Europe/Paris Europe/Madrid Europe/Rome Europe/Amsterdam Europe/Brussels Europe/Vienna \
         Europe/Zurich Europe/Stockholm Europe/Oslo Europe/Copenhagen Europe/Warsaw Europe/Prague Europe/Budapest \
         Europe/Belgrade Europe/Zagreb Europe/Luxembourg",
    ),
    (
        "EET-2EEST,M3.5.0/3,M10.5.0/4",
        "Europe/Helsinki Europe/Athens Europe/Bucharest Europe/Sofia Europe/Kyiv Europe/Kiev Europe/Riga Europe/Vilnius \
         Europe/Tallinn",
    ),
    ("<+03>-3", "Europe/Istanbul Asia/Riyadh"),
    ("MSK-3", "Europe/Moscow"),
    ("EST5EDT,M3.2.0,M11.1.0", "America/New_York America/Toronto America/Detroit"),
    ("CST6CDT,M3.2.0,M11.1.0", "America/Chicago America/Winnipeg"),
    ("CST6", "America/Mexico_City America/Regina"),
    ("MST7MDT,M3.2.0,M11.1.0", "America/Denver America/Edmonton"),
    ("MST7", "America/Phoenix"),
    ("PST8PDT,M3.2.0,M11.1.0", "America/Los_Angeles America/Vancouver"),
    ("AKST9AKDT,M3.2.0,M11.1.0", "America/Anchorage"),
    ("HST10", "Pacific/Honolulu"),
    ("AST4ADT,M3.2.0,M11.1.0", "America/Halifax"),
    ("<-03>3", "America/Sao_Paulo America/Argentina/Buenos_Aires"),
    ("<-04>4<-03>,M9.1.6/24,M4.1.6/24", "America/Santiago"),
    ("<-05>5", "America/Bogota America/Lima"),
    ("EET-2EEST,M4.5.5/0,M10.5.4/24", "Africa/Cairo"),
    ("SAST-2", "Africa/Johannesburg"),
    ("WAT-1", "Africa/Lagos"),
    ("EAT-3", "Africa/Nairobi"),
    ("IST-2IDT,M3.4.4/26,M10.5.0", "Asia/Jerusalem"),
    ("<+04>-4", "Asia/Dubai"),
    ("IST-5:30", "Asia/Kolkata Asia/Calcutta"),
    ("<+07>-7", "Asia/Bangkok Asia/Ho_Chi_Minh"),
    ("CST-8", "Asia/Shanghai Asia/Hong_Kong Asia/Taipei"),
    ("<+08>-8", "Asia/Singapore"),
    ("JST-9", "Asia/Tokyo"),
    ("AEST-10AEDT,M10.1.0,M4.1.0/3", "Australia/Sydney Australia/Melbourne"),
    ("NZST-12NZDT,M9.5.0,M4.1.0/3", "Pacific/Auckland"),
];

/// How far local clocks are ahead of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC, in winter.
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    ahead: i64,
    start: Change,
    end: Change,
}

/// A day of the year and the local time of it, in seconds, at which clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    month: i64,
    /// 5 is the last.
    week: i64,
    /// 0 is Sunday.
    weekday: i64,
    time: i64,
}

impl Zone {
    /// The zone of a name or a rule; none if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > ZONE_BYTES_MAX {
            return None;
        }
        let named = NAMED.iter().find(|(_, names)| names.split(' ').any(|name| name == text));
        Self::of_rule(named.map_or(text, |(rule, _)| rule))
    }

    fn of_rule(rule: &str) -> Option<Self> {
        let (names, changes) = rule.split_once(',').map_or((rule, None), |(names, changes)| (names, Some(changes)));
        let (standard, rest) = offset(after_name(names)?)?;
        if rest.is_empty() {
            // A summer without its days is nothing that can be followed.
            return changes.is_none().then_some(Self { standard: -standard, summer: None });
        }
        let rest = after_name(rest)?;
        let ahead = if rest.is_empty() {
            HOUR - standard
        } else {
            let (summer, rest) = offset(rest)?;
            if !rest.is_empty() {
                return None;
            }
            -summer
        };
        let (start, end) = changes?.split_once(',')?;
        let summer = Summer { ahead, start: Change::parse(start)?, end: Change::parse(end)? };
        Some(Self { standard: -standard, summer: Some(summer) })
    }

    /// So many hours ahead, all year.
    pub(crate) fn of_hours(hours: i64) -> Self {
        Self { standard: hours.clamp(-170, 170) * HOUR, summer: None }
    }

    /// Whole hours that local clocks are ahead of UTC at this instant. The season knows hours; half of one is the same
    /// all year.
    pub fn hours_ahead(&self, at: Timestamp) -> i64 {
        self.seconds_ahead(at).div_euclid(HOUR)
    }

    /// Whole hours ahead in winter.
    pub fn standard_hours(&self) -> i64 {
        self.standard.div_euclid(HOUR)
    }

    /// Local time, in whole hours ahead of UTC.
    pub fn local(&self, at: Timestamp) -> Timestamp {
        at.plus(Millis::from_hours(self.hours_ahead(at)))
    }

    /// What local clocks are ahead of UTC at this instant.
    pub fn ahead(&self, at: Timestamp) -> Millis {
        Millis::from_secs(self.seconds_ahead(at))
    }

    /// The starts of the local days from the one that holds `from` until one that is not before `to`, at most `days` and one
    /// more: what lies between two of them is a day, of 23, 24 or 25 hours where clocks change.
    pub fn days(&self, from: Timestamp, to: Timestamp, days: usize) -> Vec<Timestamp> {
        let mut starts = vec![self.day_start(self.day_of(from))];
        while starts.len() <= days && starts.last().is_some_and(|last| *last < to) {
            let next = self.day_of(from).saturating_add(i64::try_from(starts.len()).unwrap_or(i64::MAX));
            starts.push(self.day_start(next));
        }
        starts
    }

    /// Local days since 1970.
    fn day_of(&self, at: Timestamp) -> i64 {
        let at = at.clamped();
        at.plus(self.ahead(at)).0.div_euclid(1_000 * DAY)
    }

    /// The first instant that local clocks call this day. Clocks may jump over midnight, so that it is looked for.
    fn day_start(&self, day: i64) -> Timestamp {
        let most = self.summer.map_or(self.standard, |summer| summer.ahead.max(self.standard));
        let least = self.summer.map_or(self.standard, |summer| summer.ahead.min(self.standard));
        let midnight =
            |ahead: i64| Timestamp(day.saturating_mul(DAY).saturating_sub(ahead).saturating_mul(1_000)).clamped();
        let (mut start, last) = (midnight(most), midnight(least));
        // Clocks change at whole quarters of an hour.
        while start < last && self.day_of(start) < day {
            start = start.plus(Millis::from_mins(15)).min(last);
        }
        start
    }

    fn seconds_ahead(&self, at: Timestamp) -> i64 {
        let Some(summer) = self.summer else { return self.standard };
        let now = at.clamped().0.div_euclid(1_000);
        let year = year_of((now + self.standard).div_euclid(DAY));
        // Each change is told in the time that it ends.
        let start = summer.start.in_year(year) - self.standard;
        let end = summer.end.in_year(year) - summer.ahead;
        let is_summer = if start < end { (start..end).contains(&now) } else { !(end..start).contains(&now) };
        if is_summer { summer.ahead } else { self.standard }
    }
}

impl Change {
    /// `M3.5.0` or `M3.5.0/3`.
    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').map_or((text, "2"), |(day, time)| (day, time));
        let mut parts = day.strip_prefix('M')?.split('.').map(|part| part.parse::<i64>().ok());
        let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
        let (time, rest) = offset(time)?;
        let is_day = (1..=12).contains(&month) && (1..=5).contains(&week) && (0..=6).contains(&weekday);
        (is_day && rest.is_empty() && parts.next().is_none()).then_some(Self { month, week, weekday, time })
    }

    /// Local seconds since 1970 of the change in this year.
    fn in_year(&self, year: i64) -> i64 {
        let first = days_until(year, self.month);
        // The first of January 1970 was a Thursday.
        let weekday = (first + 4).rem_euclid(7);
        let day = first + (self.weekday - weekday).rem_euclid(7) + 7 * (self.week - 1);
        let next = if self.month == 12 { days_until(year + 1, 1) } else { days_until(year, self.month + 1) };
        let day = if day >= next { day - 7 } else { day };
        day * DAY + self.time
    }
}

/// Days from 1970 to the first of this month (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_until(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The year of a day since 1970.
fn year_of(day: i64) -> i64 {
    let guess = 1970 + day.div_euclid(366);
    (guess..guess + 30).rev().find(|&year| days_until(year, 1) <= day).unwrap_or(guess)
}

/// What follows a name: at least three letters, or anything between `<` and `>`.
fn after_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').filter(|(name, _)| name.len() >= 3).map(|(_, rest)| rest);
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    text.get(end..).filter(|_| end >= 3)
}

/// `[+-]hh[:mm[:ss]]` in seconds, at most a week, and what follows.
fn offset(text: &str) -> Option<(i64, &str)> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    let mut seconds = 0;
    for (place, part) in digits.split(':').enumerate() {
        let unit = [HOUR, 60, 1].get(place)?;
        let count = part.parse::<i64>().ok().filter(|&count| count <= if place == 0 { 167 } else { 59 })?;
        seconds += count * unit;
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn check(zone: &str, moment: &str, hours: i64) {
        assert_eq!(Zone::parse(zone).unwrap().hours_ahead(at(moment)), hours, "{zone} {moment}");
    }

    #[test]
    fn clocks_change_at_their_instant_on_both_halves_of_the_earth() {
        check("Europe/Berlin", "2026-03-29T00:59:59Z", 1);
        check("Europe/Berlin", "2026-03-29T01:00:00Z", 2);
        check("Europe/Berlin", "2026-10-25T00:59:59Z", 2);
        check("Europe/Berlin", "2026-10-25T01:00:00Z", 1);
        check("CET-1CEST,M3.5.0,M10.5.0/3", "2027-03-28T01:00:00Z", 2);
        check("America/New_York", "2026-03-08T06:59:59Z", -5);
        check("America/New_York", "2026-03-08T07:00:00Z", -4);
        check("America/New_York", "2026-11-01T06:00:00Z", -5);
        check("Australia/Sydney", "2026-01-15T00:00:00Z", 11);
        check("Australia/Sydney", "2026-04-04T15:59:59Z", 11);
        check("Australia/Sydney", "2026-04-04T16:00:00Z", 10);
        check("Australia/Sydney", "2026-10-03T16:00:00Z", 11);
        check("Europe/Dublin", "2026-07-01T00:00:00Z", 1);
        check("Europe/Dublin", "2026-01-01T00:00:00Z", 0);
        check("Asia/Jerusalem", "2026-03-27T00:00:00Z", 3);
        check("Asia/Kolkata", "2026-07-01T00:00:00Z", 5);
        check("America/Sao_Paulo", "2026-12-31T23:59:59Z", -3);
        check("UTC", "1969-12-31T23:59:59Z", 0);
        check("Europe/Helsinki", "1999-06-01T00:00:00Z", 3);
    }

    /// The length in hours of so many local days from this instant's on, and the first one's start.
    fn lengths(zone: &str, from: &str, days: i64) -> (Timestamp, Vec<i64>) {
        let from = at(from);
        let to = from.plus(Millis::from_hours(24 * (days - 1)));
        let starts = Zone::parse(zone).unwrap().days(from, to, 400);
        (starts[0], starts.windows(2).map(|pair| pair[1].since(pair[0]).0 / 3_600_000).collect())
    }

    #[test]
    fn a_day_on_which_clocks_change_has_23_or_25_hours() {
        let check = |zone: &str, from: &str, start: &str, hours: &[i64]| {
            assert_eq!(lengths(zone, from, hours.len() as i64), (at(start), hours.to_vec()), "{zone} {from}");
        };
        check("UTC", "2026-03-28T12:00:00Z", "2026-03-28T00:00:00Z", &[24, 24, 24]);
        check("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-27T23:00:00Z", &[24, 23, 24]);
        check("Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-23T22:00:00Z", &[24, 25, 24]);
        check("America/New_York", "2026-03-07T12:00:00Z", "2026-03-07T05:00:00Z", &[24, 23, 24]);
        check("Australia/Sydney", "2026-10-03T00:00:00Z", "2026-10-02T14:00:00Z", &[24, 23, 24]);
        check("Asia/Kolkata", "2026-10-03T18:31:00Z", "2026-10-03T18:30:00Z", &[24, 24]);
        // There the clocks jump over midnight, or back to the day that has just ended.
        check("Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-22T22:00:00Z", &[24, 23, 24]);
        check("America/Santiago", "2026-04-04T12:00:00Z", "2026-04-04T03:00:00Z", &[25, 24]);
        check("America/Santiago", "2026-09-05T12:00:00Z", "2026-09-05T04:00:00Z", &[24, 23]);
    }

    #[test]
    fn every_named_rule_is_one_and_what_is_none_is_refused() {
        for (rule, names) in NAMED {
            let zone = Zone::parse(rule);
            assert!(zone.is_some(), "{rule}");
            assert!(names.split(' ').all(|name| Zone::parse(name) == zone), "{names}");
        }
        for text in [
            "",
            "Berlin",
            "Europe/Nowhere",
            "CET",
            "CET-1CEST",
            "C-1",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,J60,J300",
            "CET-1,M3.5.0,M10.5.0",
            "CET-200",
            "CET-1:99",
            "<+",
            "CET-1CEST,M3.5.0,M10.5.0,M1.1.1",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// Against chrono's calendar: the day of each change is the weekday that it should be, in its week.
        #[test]
        fn changes_fall_on_their_weekday(year in 1970i64..2200, month in 1i64..=12, week in 1i64..=5, weekday in 0i64..=6) {
            use chrono::Datelike;
            let change = Change { month, week, weekday, time: 0 };
            let day = chrono::DateTime::from_timestamp(change.in_year(year), 0).unwrap();
            prop_assert_eq!(i64::from(day.year()), year);
            prop_assert_eq!(i64::from(day.month()), month);
            prop_assert_eq!(i64::from(day.weekday().num_days_from_sunday()), weekday);
            let nth = (i64::from(day.day()) - 1) / 7 + 1;
            prop_assert!(nth == week || week == 5 && nth == 4 && day.day() + 7 > 28);
            prop_assert_eq!(year_of(days_until(year, month)), year);
        }

        /// Every instant lies in the day that its zone's clocks show, and days follow each other without a gap.
        #[test]
        fn days_hold_the_instants_that_clocks_call_so(place in 0usize..33, at in 0i64..4_000_000_000, days in 1usize..9) {
            let zone = Zone::of_rule(NAMED[place].0).unwrap();
            let from = Timestamp(at * 1_000);
            let to = from.plus(Millis::from_hours(24 * days as i64));
            let starts = zone.days(from, to, 20);
            prop_assert!(starts[0] <= from && *starts.last().unwrap() >= to);
            for (place, pair) in starts.windows(2).enumerate() {
                prop_assert!((23..=25).contains(&(pair[1].since(pair[0]).0 / 3_600_000)));
                let day = zone.day_of(from) + place as i64;
                prop_assert_eq!(zone.day_of(pair[0]), day);
                prop_assert_eq!(zone.day_of(Timestamp(pair[1].0 - 1)), day);
            }
        }

        #[test]
        fn any_text_is_a_zone_or_none_and_any_instant_has_hours(text in "[A-Z<>+\\-0-9:,./M]{0,40}", at: i64) {
            if let Some(zone) = Zone::parse(&text) {
                prop_assert!(zone.days(Timestamp(at), Timestamp(i64::MAX), 3).len() <= 4);
                prop_assert!((-170..=170).contains(&zone.hours_ahead(Timestamp(at))));
            }
        }
    }
}
