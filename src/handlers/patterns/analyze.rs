//! `POST /api/logs/analyze/patterns`: which shapes records had in a span of time, how often, and how often before it.
//!
//! The body says `time_range`, `services` (components) and `min_frequency`, in the plan's words. Frequencies come from
//! the minute counters, so they are exact for as long as counts are kept, whatever became of the records. The span
//! before, as long, is counted too: what is new and what vanished is the first question anybody has.

use super::{ComponentCount, DomainPattern};
use crate::handlers::fan_out::{Gathered, ask_objects};
use crate::handlers::json_body::{self, error};
use crate::handlers::kinship;
use crate::handlers::lists::require_all_rows;
use crate::handlers::summary::span::Span;
use crate::handlers::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{CountsAnswer, CountsCall, PatternView};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use worker::Request;

/// Patterns of one answer.
const LIMIT_MAX: u64 = 500;
const LIMIT_DEFAULT: u64 = 100;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    span: Span,
    frequency_min: u64,
    limit: usize,
}

/// A pattern in a span of time.
#[derive(Debug, Serialize)]
struct Analyzed {
    /// Records in the span.
    frequency: u64,
    /// Records in the span of the same length before it.
    frequency_before: u64,
    /// Share of the span's records, 0 to 1.
    share: f64,
    /// Whether the pattern was born in the span.
    is_new: bool,
    #[serde(flatten)]
    pattern: DomainPattern,
}

#[derive(Debug, Serialize)]
struct Analysis {
    patterns: Vec<Analyzed>,
    /// Patterns that are frequent enough.
    total: usize,
    /// Records in the span.
    records: u64,
    from: i64,
    to: i64,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// What one object knows: its patterns, counts of the span, counts of the span before.
type Known = (Vec<PatternView>, CountsAnswer, CountsAnswer);

/// Answers with an analysis.
pub async fn analyze(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_all_rows(call)?;
    let body = json_body::object(request, call.head.header("Content-Length").as_deref()).await?;
    let wanted = read(&body, call.now.0).map_err(invalid_query)?;
    let span = wanted.span.clone();
    let gathered = ask_objects(call, &wanted.span.components, |stubs, address| {
        let length = span.to_ms.saturating_sub(span.from_ms);
        let counts = |from_ms: i64, to_ms: i64| CountsCall { from_ms, to_ms, bucket_ms: length.max(1) };
        let now = counts(span.from_ms, span.to_ms);
        let before = counts(span.from_ms.saturating_sub(length), span.from_ms);
        async move {
            let patterns = stubs.patterns(&address).await?;
            Ok((patterns, stubs.counts(&address, &now).await?, stubs.counts(&address, &before).await?))
        }
    })
    .await?;
    Ok(Answer::Json(json(&analysis(gathered, &wanted))?))
}

/// Reads the body; everything that is wrong with it at once.
fn read(body: &Map<String, Value>, now_ms: i64) -> Result<Wanted, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut said: Vec<(String, String)> = Vec::new();
    let (mut frequency_min, mut limit) = (1, LIMIT_DEFAULT);
    let count = |value: &Value, range: std::ops::RangeInclusive<u64>| value.as_u64().filter(|it| range.contains(it));
    for (name, value) in body {
        match name.as_str() {
            "time_range" | "timeRange" => said.extend(time_range(name, value, &mut errors)),
            "services" | "components" => match names(value) {
                Some(names) => said.extend(names.into_iter().map(|name| ("component".to_owned(), name))),
                None => errors.push(error(name, "invalid_value", "a list of component names is expected")),
            },
            "min_frequency" | "minFrequency" => match count(value, 0..=u64::MAX) {
                Some(least) => frequency_min = least,
                None => errors.push(error(name, "invalid_value", "a whole number is expected")),
            },
            "limit" => match count(value, 1..=LIMIT_MAX) {
                Some(most) => limit = most,
                None => errors.push(error(name, "invalid_value", "a number from 1 to 500 is expected")),
            },
            _ => {
                let accepted = "accepted are time_range, services, min_frequency, limit";
                errors.push(error(name, "unknown_field", accepted));
            }
        }
    }
    match Span::read(&said, now_ms) {
        Ok(span) if errors.is_empty() => {
            Ok(Wanted { span, frequency_min, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
        }
        Ok(_) => Err(errors),
        Err(more) => {
            errors.extend(more.into_iter().map(in_body));
            Err(errors)
        }
    }
}

/// `"24h"`, or an object of `from` (or `start`) and `to` (or `end`): numbers of ms, or RFC 3339.
fn time_range(name: &str, value: &Value, errors: &mut Vec<FieldError>) -> Vec<(String, String)> {
    let shape = "\"1h\", \"24h\" ... or an object of `from` and `to` is expected";
    let ends = match value {
        Value::String(span) => return vec![("timeframe".to_owned(), span.clone())],
        Value::Null => return Vec::new(),
        Value::Object(ends) => ends,
        _ => {
            errors.push(error(name, "invalid_value", shape));
            return Vec::new();
        }
    };
    let mut said = Vec::new();
    for (end, value) in ends {
        let parameter = match end.as_str() {
            "from" | "start" | "start_time" => "from",
            "to" | "end" | "end_time" => "to",
            _ => {
                errors.push(error(name, "unknown_field", shape));
                continue;
            }
        };
        match value {
            Value::String(text) => said.push((parameter.to_owned(), text.clone())),
            Value::Number(number) => said.push((parameter.to_owned(), number.to_string())),
            Value::Null => {}
            _ => errors.push(error(name, "invalid_value", "a time is a number of milliseconds or RFC 3339")),
        }
    }
    said
}

fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The span is read as a summary's query is; its errors name the fields of the body.
fn in_body(wrong: FieldError) -> FieldError {
    let pointer = match wrong.parameter.as_deref() {
        Some("component") => "/services".to_owned(),
        Some("timeframe" | "interval") | None => "/time_range".to_owned(),
        Some(end) => format!("/time_range/{end}"),
    };
    FieldError { parameter: None, pointer: Some(pointer), ..wrong }
}

fn analysis(gathered: Gathered<Known>, wanted: &Wanted) -> Analysis {
    let mut merged: BTreeMap<String, (DomainPattern, u64)> = BTreeMap::new();
    let mut records = 0u64;
    let failed_components = gathered.incomplete(|(_, now, before)| now.damaged_hours + before.damaged_hours > 0);
    let (mut patterns, mut counted) = (Vec::new(), Vec::new());
    for (entry, (views, now, before)) in gathered.answers {
        records = records.saturating_add(now.totals.get("level").map_or(0, |levels| levels.values().sum()));
        patterns.push((entry.clone(), views));
        counted.push((entry.component, now, before));
    }
    let (kinship, known) = kinship::together(Gathered { answers: patterns, failed: Vec::new() });
    // By component and the id that is shown: in the span, before it.
    let mut frequencies: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (component, now, before) in counted {
        let mut add = |counts: &CountsAnswer, side: fn(&mut (u64, u64)) -> &mut u64| {
            for (id, count) in counts.totals.get("pattern").into_iter().flatten() {
                let shown = kinship.shown(&component, id).to_owned();
                let sum = side(frequencies.entry((component.clone(), shown)).or_default());
                *sum = sum.saturating_add(*count);
            }
        };
        add(&now, |sums| &mut sums.0);
        add(&before, |sums| &mut sums.1);
    }
    for (entry, views) in known.answers {
        for view in views {
            let place = (entry.component.clone(), view.id.clone());
            let (frequency, earlier) = frequencies.get(&place).copied().unwrap_or_default();
            let count = ComponentCount { component: entry.component.clone(), count: frequency };
            match merged.get_mut(&view.id) {
                Some((known, sum)) => {
                    known.merge(view, count);
                    *sum = sum.saturating_add(earlier);
                }
                None => {
                    merged.insert(view.id.clone(), (DomainPattern::new(view, count), earlier));
                }
            }
        }
    }
    let frequency = |pattern: &DomainPattern| pattern.components.iter().map(|it| it.count).sum::<u64>();
    let mut patterns: Vec<Analyzed> = merged
        .into_values()
        .map(|(pattern, frequency_before)| Analyzed {
            frequency: frequency(&pattern),
            frequency_before,
            share: 0.0,
            is_new: pattern.first_seen >= wanted.span.from_ms && pattern.first_seen < wanted.span.to_ms,
            pattern,
        })
        .filter(|analyzed| analyzed.frequency > 0 && analyzed.frequency >= wanted.frequency_min)
        .collect();
    patterns.sort_by_key(|analyzed| Reverse(analyzed.frequency));
    let total = patterns.len();
    patterns.truncate(wanted.limit);
    for analyzed in &mut patterns {
        analyzed.pattern.components.retain(|component| component.count > 0);
        analyzed.pattern.finish();
        analyzed.share = (analyzed.frequency as f64 / records.max(1) as f64 * 10_000.0).round() / 10_000.0;
    }
    Analysis {
        patterns,
        total,
        records,
        from: wanted.span.from_ms,
        to: wanted.span.to_ms,
        partial: !failed_components.is_empty(),
        failed_components,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;
    use serde_json::json;

    const NOW: i64 = 1_763_632_800_000;
    const HOUR: i64 = 3_600_000;

    fn asked(body: &Value) -> Result<Wanted, Vec<String>> {
        let pointers = |errors: Vec<FieldError>| errors.into_iter().filter_map(|error| error.pointer).collect();
        read(body.as_object().unwrap(), NOW).map_err(pointers)
    }

    fn view(id: &str, first_seen_ms: i64) -> PatternView {
        PatternView {
            id: id.into(),
            template: format!("template {id}"),
            count: 100,
            first_seen_ms,
            last_seen_ms: NOW,
            levels: BTreeMap::from([("info".into(), 100)]),
            endpoints: vec![],
            environments: vec![],
            releases: vec![],
            exemplars: vec![],
            was_alerted: false,
            ..PatternView::default()
        }
    }

    fn counts(patterns: &[(&str, u64)]) -> CountsAnswer {
        let of = patterns.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        let sum = patterns.iter().map(|(_, count)| count).sum();
        let totals = BTreeMap::from([
            ("pattern".to_owned(), of),
            ("level".to_owned(), BTreeMap::from([("info".to_owned(), sum)])),
        ]);
        CountsAnswer { totals, ..CountsAnswer::default() }
    }

    #[test]
    fn a_span_is_a_name_or_two_ends_and_a_day_if_nothing_is_said() {
        let span = |body: Value| asked(&body).map(|wanted| (wanted.span.from_ms, wanted.span.to_ms));
        assert_eq!(span(json!({})), Ok((NOW + 1 - 24 * HOUR, NOW + 1)));
        assert_eq!(span(json!({"time_range": "1h"})), Ok((NOW + 1 - HOUR, NOW + 1)));
        assert_eq!(span(json!({"time_range": {"from": NOW - 5 * HOUR, "to": NOW}})), Ok((NOW - 5 * HOUR, NOW)));
        assert_eq!(
            span(json!({"timeRange": {"start": "2025-11-20T09:00:00Z", "end": "2025-11-20T10:00:00Z"}})),
            Ok((NOW - HOUR, NOW))
        );
        let wanted = asked(&json!({"services": ["a", "b"], "min_frequency": 3, "limit": 7})).unwrap();
        assert_eq!((wanted.span.components.len(), wanted.frequency_min, wanted.limit), (2, 3, 7));
    }

    #[test]
    fn everything_wrong_is_named_by_its_place() {
        let bad =
            json!({"time_range": {"from": "soon", "foo": 1}, "services": 5, "min_frequency": -1, "limit": 0, "x": 1});
        let mut places = asked(&bad).unwrap_err();
        places.sort();
        assert_eq!(places, ["/limit", "/min_frequency", "/services", "/time_range", "/time_range/from", "/x"]);
        assert_eq!(asked(&json!({"time_range": "1y"})).unwrap_err(), ["/time_range"]);
        assert_eq!(asked(&json!({"time_range": {"from": NOW, "to": NOW - 1}})).unwrap_err(), ["/time_range/from"]);
    }

    #[test]
    fn frequencies_of_all_components_add_up_and_the_rest_is_left_out() {
        let entry = |component: &str| ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 };
        let wanted = asked(&json!({"time_range": "1h", "min_frequency": 2})).unwrap();
        let gathered = Gathered {
            answers: vec![
                (
                    entry("a"),
                    (
                        vec![view("p", 5), view("rare", 5), view("silent", 5)],
                        counts(&[("p", 3), ("rare", 1)]),
                        counts(&[("p", 9)]),
                    ),
                ),
                (entry("b"), (vec![view("p", 5), view("new", NOW)], counts(&[("p", 4), ("new", 2)]), counts(&[]))),
            ],
            failed: vec!["c".into()],
        };
        let analysis = analysis(gathered, &wanted);
        let rows: Vec<_> = analysis
            .patterns
            .iter()
            .map(|it| (it.pattern.id.as_str(), it.frequency, it.frequency_before, it.is_new, it.share))
            .collect();
        assert_eq!(rows, [("p", 7, 9, false, 0.7), ("new", 2, 0, true, 0.2)]);
        assert_eq!((analysis.total, analysis.records, analysis.partial), (2, 10, true));
        assert_eq!(analysis.patterns[0].pattern.components[0], ComponentCount { component: "b".into(), count: 4 });
    }

    #[test]
    fn a_pattern_of_several_shards_is_one_row_with_the_sum_of_their_counts() {
        let shard = |shard| ComponentEntry { component: "hot".into(), shard, registered_at_ms: 0 };
        let wanted = asked(&json!({"time_range": "1h"})).unwrap();
        let same = |id: &str, first_seen_ms| PatternView { template: "same <*>".into(), ..view(id, first_seen_ms) };
        let answers = vec![
            (
                shard(0),
                (vec![same("p", NOW), view("alone", 5)], counts(&[("p", 3), ("alone", 1)]), counts(&[("p", 1)])),
            ),
            (shard(1), (vec![same("q", 5)], counts(&[("q", 6)]), counts(&[("q", 2)]))),
        ];
        let analysis = analysis(Gathered { answers, failed: vec![] }, &wanted);
        let rows: Vec<_> = analysis
            .patterns
            .iter()
            .map(|it| (it.pattern.id.as_str(), it.frequency, it.frequency_before, it.is_new, it.share))
            .collect();
        assert_eq!(rows, [("p", 9, 3, false, 0.9), ("alone", 1, 0, false, 0.1)], "and it is as old as in any of them");
        assert_eq!(analysis.patterns[0].pattern.components, [ComponentCount { component: "hot".into(), count: 9 }]);
    }
}
