//! `GET /api/components/{component}/windows`: how many records, of what, in windows of ten seconds, a minute, an hour or a
//! day, by event time.

use super::fan_out::ask_objects;
use super::lists::{parameter_error, require_all_rows};
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{WindowsAnswer, WindowsCall};
use sapwood_engine::counter::{WINDOWS_MAX, Wanted};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use std::collections::BTreeMap;

/// Series of one question.
const SERIES_MAX: usize = 50;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Word, width, the span if none is said, and the longest: windows of seconds are counted from records.
const RESOLUTIONS: [(&str, i64, i64, i64); 4] = [
    ("10s", 10 * SECOND, 10 * MINUTE, HOUR),
    ("1m", MINUTE, 2 * HOUR, DAY),
    ("1h", HOUR, 2 * DAY, 60 * DAY),
    ("1d", DAY, 14 * DAY, 400 * DAY),
];

#[derive(Serialize)]
struct Counted {
    component: String,
    resolution: &'static str,
    width_ms: i64,
    from_ms: i64,
    to_ms: i64,
    series: Vec<Series>,
    /// Series that are counted in the `*` of their kind.
    folded_series: u64,
    top: BTreeMap<String, Vec<Largest>>,
    /// False if some records could not be looked at.
    complete: bool,
}

#[derive(Serialize)]
struct Series {
    series: String,
    total: u64,
    counts: Vec<u64>,
}

#[derive(Serialize)]
struct Largest {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    count: u64,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    resolution: &'static str,
    width_ms: i64,
    from_ms: i64,
    windows: usize,
    series: Vec<String>,
}

/// Answers with the windows of one component.
pub async fn windows(call: &Call<'_>, component: &str) -> Outcome {
    require_all_rows(call)?;
    let question = question(&call.head.query(), call.now.0).map_err(invalid_query)?;
    let asked = WindowsCall {
        from_ms: question.from_ms,
        width_ms: question.width_ms,
        windows: question.windows,
        series: question.series.clone(),
    };
    let gathered = ask_objects(call, &[component.to_owned()], |stubs, address| {
        let asked = asked.clone();
        async move { stubs.windows(&address, &asked).await }
    })
    .await?;
    if !gathered.failed.is_empty() {
        let detail = "the component's object did not answer";
        return Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into());
    }
    let merged = gathered.answers.into_iter().map(|(_, answer)| answer).reduce(|mut merged, answer| {
        merged.merge(answer);
        merged
    });
    let Some(answer) = merged else {
        return Err(Problem::new(ProblemCode::NotFound, "no component has this name").into());
    };
    Ok(Answer::Json(json(&shown(component, &question, answer))?))
}

fn shown(component: &str, question: &Question, answer: WindowsAnswer) -> Counted {
    let WindowsAnswer { series, folded, top, templates, is_exact } = answer;
    let series =
        series.into_iter().map(|(series, counts)| Series { series, total: counts.iter().sum(), counts }).collect();
    let largest = |(key, count): (String, u64)| Largest { template: templates.get(&key).cloned(), key, count };
    let span = question.width_ms.saturating_mul(i64::try_from(question.windows).unwrap_or(i64::MAX));
    Counted {
        component: component.to_owned(),
        resolution: question.resolution,
        width_ms: question.width_ms,
        from_ms: question.from_ms,
        to_ms: question.from_ms.saturating_add(span),
        series,
        folded_series: folded,
        top: top.into_iter().map(|(kind, all)| (kind, all.into_iter().take(20).map(largest).collect())).collect(),
        complete: is_exact,
    }
}

/// Reads `resolution`, `from`, `to` and `series`.
fn question(query: &[(String, String)], now_ms: i64) -> Result<Question, Vec<FieldError>> {
    let (mut series, mut errors, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut chosen = None;
    for (name, value) in query {
        match name.as_str() {
            "resolution" => match RESOLUTIONS.into_iter().find(|(word, ..)| word == value) {
                Some(known) => chosen = Some(known),
                None => {
                    errors.push(parameter_error(name, "invalid_value", "accepted are 10s, 1m, 1h, 1d".to_owned()));
                }
            },
            "series" if Wanted::parse(value).is_some() => series.push(value.clone()),
            "series" => {
                let accepted = "accepted are total, a kind (level, pattern, endpoint, endpoint_error, error_type, \
                                environment, pattern_level), or a kind, a colon and a name";
                errors.push(parameter_error(name, "invalid_value", accepted.to_owned()));
            }
            "from" | "to" => times.push((name, value)),
            _ => {
                let accepted = "accepted are resolution, from, to, series".to_owned();
                errors.push(parameter_error(name, "unknown_parameter", accepted));
            }
        }
    }
    if series.len() > SERIES_MAX {
        errors.push(parameter_error("series", "too_many", format!("at most {SERIES_MAX}")));
    }
    if series.is_empty() {
        series = vec!["total".to_owned(), "level".to_owned()];
    }
    let (resolution, width_ms, span_ms, span_max) = chosen.unwrap_or(RESOLUTIONS[1]);
    let span = match parse_search(times, now_ms) {
        Ok(span) => span,
        Err(more) => return Err([errors, more].concat()),
    };
    let to_ms = span.to_ms.unwrap_or(now_ms);
    let from_ms = span.from_ms.unwrap_or(to_ms.saturating_sub(span_ms)).div_euclid(width_ms).saturating_mul(width_ms);
    let windows = to_ms.saturating_sub(from_ms).saturating_add(width_ms - 1).div_euclid(width_ms);
    if windows < 1 {
        errors.push(parameter_error("to", "invalid_value", "it is not after from".to_owned()));
    }
    if to_ms.saturating_sub(from_ms) > span_max.saturating_add(width_ms) || windows > WINDOWS_MAX as i64 {
        let detail = format!("a span at {resolution} has at most {} windows", span_max / width_ms);
        errors.push(parameter_error("from", "span_too_long", detail));
    }
    let windows = usize::try_from(windows).unwrap_or(0);
    if errors.is_empty() { Ok(Question { resolution, width_ms, from_ms, windows, series }) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_632_805_000;

    fn asked(query: &[(&str, &str)]) -> Result<Question, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let named = |error: FieldError| format!("{} {}", error.parameter.unwrap_or_default(), error.code);
        question(&query, NOW).map_err(|errors| errors.into_iter().map(named).collect())
    }

    #[test]
    fn windows_begin_at_whole_widths_and_cover_the_span() {
        let all = asked(&[]).unwrap();
        assert_eq!((all.resolution, all.windows, all.from_ms), ("1m", 121, NOW - NOW % MINUTE - 2 * HOUR));
        assert_eq!(all.series, ["total", "level"]);
        let ten =
            asked(&[("resolution", "10s"), ("from", "-30s"), ("series", "endpoint:/a"), ("series", "level")]).unwrap();
        assert_eq!((ten.width_ms, ten.windows, ten.series.len()), (10_000, 4, 2));
        assert_eq!(ten.from_ms, NOW - NOW % 10_000 - 30_000);
        let day = asked(&[("resolution", "1d"), ("from", "2025-11-01"), ("to", "2025-11-03T12:00:00Z")]);
        assert_eq!(day.map(|day| (day.windows, day.from_ms % DAY)), Ok((3, 0)));
        assert_eq!(asked(&[("resolution", "10s"), ("from", "-1h")]).unwrap().windows, 361);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, expected) in [
            (vec![("resolution", "5m")], "resolution invalid_value"),
            (vec![("series", "users")], "series invalid_value"),
            (vec![("interval", "1m")], "interval unknown_parameter"),
            (vec![("resolution", "10s"), ("from", "-2h")], "from span_too_long"),
            (vec![("from", "-3d")], "from span_too_long"),
            (vec![("from", "-1h"), ("to", "-2h")], "from invalid_value"),
            (vec![("from", "soon")], "from invalid_value"),
        ] {
            assert_eq!(asked(&query).unwrap_err(), [expected], "{query:?}");
        }
        let many = vec![("series", "total"); SERIES_MAX + 1];
        assert_eq!(asked(&many).unwrap_err(), ["series too_many"]);
    }
}
