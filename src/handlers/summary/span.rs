//! The span of time that a summary is of, and how it is cut.

use crate::handlers::lists::parameter_error;
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Intervals of one answer: ten days of minutes would be 14,400 rows, which nobody draws.
const INTERVALS_MAX: i64 = 1_500;

/// Spans by name, as the prototype has them.
const TIMEFRAMES: [(&str, i64); 6] =
    [("1h", HOUR), ("6h", 6 * HOUR), ("24h", DAY), ("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)];
/// Widths of an interval; the first that gives no more than 100 is taken if none is asked for.
const INTERVALS: [(&str, i64); 7] = [
    ("minute", MINUTE),
    ("5m", 5 * MINUTE),
    ("15m", 15 * MINUTE),
    ("hour", HOUR),
    ("6h", 6 * HOUR),
    ("day", DAY),
    ("7d", 7 * DAY),
];

/// A span of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::handlers) struct Span {
    /// Inclusive.
    pub(in crate::handlers) from_ms: i64,
    /// Exclusive.
    pub(in crate::handlers) to_ms: i64,
    pub(in crate::handlers) interval_ms: i64,
    pub(in crate::handlers) components: Vec<String>,
}

impl Span {
    /// Reads `from`, `to`, `timeframe`, `interval` and `component`; a day until now if nothing is said.
    pub(in crate::handlers) fn read(query: &[(String, String)], now_ms: i64) -> Result<Self, Vec<FieldError>> {
        let (mut timeframe, mut interval, mut errors) = (DAY, None, Vec::new());
        let mut others = Vec::new();
        for (name, value) in query {
            let known = |table: &[(&str, i64)]| table.iter().find(|(word, _)| word == value).map(|(_, ms)| *ms);
            match name.as_str() {
                "timeframe" => match known(&TIMEFRAMES) {
                    Some(span) => timeframe = span,
                    None => errors.push(choice(name, &TIMEFRAMES)),
                },
                "interval" => match known(&INTERVALS) {
                    Some(width) => interval = Some(width),
                    None => errors.push(choice(name, &INTERVALS)),
                },
                "from" | "to" | "since" | "until" | "start_time" | "end_time" | "startTime" | "endTime"
                | "component" => others.push((name, value)),
                _ => {
                    let accepted = "accepted are from, to, timeframe, interval, component";
                    errors.push(parameter_error(name, "unknown_parameter", accepted.to_owned()));
                }
            }
        }
        let query = parse_search(others, now_ms).map_err(|more| [std::mem::take(&mut errors), more].concat())?;
        let to_ms = query.to_ms.unwrap_or(now_ms.saturating_add(1));
        let from_ms = query.from_ms.unwrap_or(to_ms.saturating_sub(timeframe));
        let width = interval.unwrap_or_else(|| fitting(to_ms.saturating_sub(from_ms)));
        if from_ms >= to_ms {
            errors.push(parameter_error("from", "invalid_value", "`from` must lie before `to`".to_owned()));
        } else if to_ms.saturating_sub(from_ms) / width > INTERVALS_MAX {
            let detail = format!("at most {INTERVALS_MAX} intervals are given; choose a wider one or a shorter span");
            errors.push(parameter_error("interval", "invalid_value", detail));
        }
        if errors.is_empty() {
            Ok(Self { from_ms, to_ms, interval_ms: width, components: query.filter.components })
        } else {
            Err(errors)
        }
    }

    /// The starts of all intervals, aligned to the epoch.
    pub(in crate::handlers) fn intervals(&self) -> impl Iterator<Item = i64> {
        let (width, to) = (self.interval_ms.max(1), self.to_ms);
        let first = self.from_ms.div_euclid(width) * width;
        std::iter::successors(Some(first), move |start| start.checked_add(width)).take_while(move |start| *start < to)
    }
}

fn fitting(span: i64) -> i64 {
    let fits = |(_, width): &&(&str, i64)| span / width <= 100;
    let whole_days = |width: i64| width.div_euclid(DAY).saturating_add(1).saturating_mul(DAY);
    INTERVALS.iter().find(fits).map_or_else(|| whole_days(span / 100), |(_, width)| *width)
}

fn choice(name: &str, table: &[(&str, i64)]) -> FieldError {
    let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
    parameter_error(name, "invalid_value", format!("accepted are {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_632_800_000;

    fn read(query: &[(&str, &str)]) -> Result<Span, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Span::read(&query, NOW).map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect())
    }

    #[test]
    fn a_day_until_now_is_meant_if_nothing_is_said() {
        let span = read(&[]).unwrap();
        assert_eq!((span.to_ms, span.to_ms - span.from_ms, span.interval_ms), (NOW + 1, DAY, 15 * MINUTE));
        assert_eq!(read(&[("timeframe", "1h")]).unwrap().interval_ms, MINUTE);
        assert_eq!(read(&[("timeframe", "30d")]).unwrap().interval_ms, DAY);
    }

    #[test]
    fn a_span_and_its_interval_can_be_chosen() {
        let span = read(&[("from", "-2h"), ("to", "-1h"), ("interval", "5m"), ("component", "a")]).unwrap();
        assert_eq!((span.from_ms, span.to_ms), (NOW - 2 * HOUR, NOW - HOUR));
        assert_eq!((span.intervals().count(), span.components), (12, vec!["a".to_owned()]));
        let unaligned = Span { from_ms: 90_000, to_ms: 180_001, interval_ms: MINUTE, components: vec![] };
        assert_eq!(unaligned.intervals().collect::<Vec<_>>(), [60_000, 120_000, 180_000]);
    }

    #[test]
    fn what_cannot_be_drawn_or_read_is_refused_by_name() {
        assert_eq!(read(&[("timeframe", "7d"), ("interval", "minute")]).unwrap_err(), ["interval"]);
        assert_eq!(
            read(&[("timeframe", "2h"), ("interval", "x"), ("q", "x")]).unwrap_err(),
            ["timeframe", "interval", "q"]
        );
        assert_eq!(read(&[("from", "now"), ("to", "-1h")]).unwrap_err(), ["from"]);
        assert_eq!(read(&[("from", "soon"), ("interval", "x")]).unwrap_err(), ["interval", "from"]);
        assert_eq!(read(&[("from", "9999-01-01T00:00:00Z")]).unwrap_err(), ["from"]);
    }

    #[test]
    fn a_span_of_ages_still_has_few_intervals() {
        let span = read(&[("from", "0")]).unwrap();
        assert_eq!(span.interval_ms % DAY, 0);
        assert!(span.intervals().count() <= 101, "{}", span.intervals().count());
    }
}
