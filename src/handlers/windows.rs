//! `GET /api/components/{component}/windows`: how many records, of what, in windows of ten seconds, a minute, an hour or a
//! day, by event time.

use super::fan_out::{Gathered, ask_these, asked};
use super::kinship::{self, Kinship};
use super::lists::{parameter_error, require_all_rows};
use super::{Answer, Call, Outcome, Refusal, invalid_query, json};
use crate::processors::calls::{ComponentEntry, WindowsAnswer, WindowsCall, series_held};
use sapwood_engine::counter::{SERIES_SHOWN_MAX, WINDOWS_MAX, Wanted};
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
    /// Of days: where each begins, and by whose clocks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    starts_ms: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    resolution: &'static str,
    width_ms: i64,
    from_ms: i64,
    /// Of days, which are those of the domain's clocks: the instant that the last one holds or ends at.
    days_to_ms: Option<i64>,
    windows: usize,
    series: Vec<String>,
}

/// Answers with the windows of one component.
pub async fn windows(call: &Call<'_>, component: &str) -> Outcome {
    require_all_rows(call)?;
    let question = question(&call.head.query(), call.now.0).map_err(invalid_query)?;
    let objects = asked(call, &[component.to_owned()]).await?;
    let (kinship, patterns) = kinship::ask(call, &objects).await;
    let mut gathered = counted(call, &objects, &kinship, &question).await;
    gathered.add_failed(patterns.failed);
    let Some(mut answer) = merge(answered(gathered)?, &kinship, &question) else {
        return Err(Problem::new(ProblemCode::NotFound, "no component has this name").into());
    };
    let unsettled = answer.partly_told(&question.series);
    if objects.len() > 1 && !unsettled.is_empty() {
        let again = Question { series: unsettled, ..question.clone() };
        let exact = merge(answered(counted(call, &objects, &kinship, &again).await)?, &kinship, &again);
        answer.settle(&exact.unwrap_or_default().series);
    }
    Ok(Answer::Json(json(&shown(component, &question, answer))?))
}

/// What each object counted, which is asked for patterns under the ids that it holds them under.
async fn counted(
    call: &Call<'_>,
    objects: &[ComponentEntry],
    kinship: &Kinship,
    question: &Question,
) -> Gathered<WindowsAnswer> {
    ask_these(call, objects.to_vec(), |stubs, address| {
        let entry = address.entry();
        let held = |series: &String| series_held(series, |id| kinship.held(&entry, id));
        let told = WindowsCall {
            from_ms: question.from_ms,
            days_to_ms: question.days_to_ms,
            width_ms: question.width_ms,
            windows: question.windows,
            series: question.series.iter().flat_map(held).collect(),
        };
        async move { stubs.windows(&address, &told).await }
    })
    .await
}

/// Half a count would be taken for a whole one.
fn answered(gathered: Gathered<WindowsAnswer>) -> Result<Gathered<WindowsAnswer>, Refusal> {
    if gathered.failed.is_empty() {
        return Ok(gathered);
    }
    let detail = "the component's object did not answer";
    Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into())
}

/// What all objects of the component counted.
fn merge(gathered: Gathered<WindowsAnswer>, kinship: &Kinship, question: &Question) -> Option<WindowsAnswer> {
    let is_split = gathered.answers.len() > 1;
    let renamed = gathered.answers.into_iter().map(|(entry, answer)| match is_split {
        true => answer.renamed(|id| kinship.shown(&entry.component, id).to_owned()),
        false => answer,
    });
    let mut merged = renamed.reduce(|mut merged, answer| {
        merged.merge(answer);
        merged
    })?;
    // A name asked for is told under its own kind: it is no kind, and folds nothing.
    for kind in question.series.iter().filter(|_| is_split) {
        merged.fold(kind, SERIES_SHOWN_MAX, |name| question.series.iter().any(|asked| asked == name));
    }
    Some(merged)
}

fn shown(component: &str, question: &Question, answer: WindowsAnswer) -> Counted {
    let WindowsAnswer { mut starts_ms, time_zone, series, folded, top, templates, is_exact } = answer;
    let series =
        series.into_iter().map(|(series, counts)| Series { series, total: counts.iter().sum(), counts }).collect();
    let largest = |(key, count): (String, u64)| Largest { template: templates.get(&key).cloned(), key, count };
    let span = question.width_ms.saturating_mul(i64::try_from(question.windows).unwrap_or(i64::MAX));
    let from_ms = starts_ms.first().copied().unwrap_or(question.from_ms);
    let to_ms = starts_ms.pop().unwrap_or(question.from_ms.saturating_add(span));
    Counted {
        component: component.to_owned(),
        resolution: question.resolution,
        width_ms: question.width_ms,
        from_ms,
        to_ms,
        time_zone: Some(time_zone).filter(|_| !starts_ms.is_empty()),
        starts_ms,
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
    let asked_ms = span.from_ms.unwrap_or(to_ms.saturating_sub(span_ms));
    let from_ms = asked_ms.div_euclid(width_ms).saturating_mul(width_ms);
    let windows = to_ms.saturating_sub(from_ms).saturating_add(width_ms - 1).div_euclid(width_ms);
    if windows < 1 {
        errors.push(parameter_error("to", "invalid_value", "it is not after from".to_owned()));
    }
    if to_ms.saturating_sub(from_ms) > span_max.saturating_add(width_ms) || windows > WINDOWS_MAX as i64 {
        let detail = format!("a span at {resolution} has at most {} windows", span_max / width_ms);
        errors.push(parameter_error("from", "span_too_long", detail));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let windows = usize::try_from(windows).unwrap_or(0);
    if width_ms < DAY {
        return Ok(Question { resolution, width_ms, from_ms, days_to_ms: None, windows, series });
    }
    // Where days begin, the component knows. Two more than days of UTC hold any days of local clocks.
    Ok(Question { resolution, width_ms, from_ms: asked_ms, days_to_ms: Some(to_ms), windows: windows + 2, series })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::PatternView;

    const NOW: i64 = 1_763_632_805_000;

    fn asked_of(query: &[(&str, &str)]) -> Result<Question, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let named = |error: FieldError| format!("{} {}", error.parameter.unwrap_or_default(), error.code);
        question(&query, NOW).map_err(|errors| errors.into_iter().map(named).collect())
    }

    #[test]
    fn windows_begin_at_whole_widths_and_cover_the_span() {
        let all = asked_of(&[]).unwrap();
        assert_eq!((all.resolution, all.windows, all.from_ms), ("1m", 121, NOW - NOW % MINUTE - 2 * HOUR));
        assert_eq!(all.series, ["total", "level"]);
        let ten = asked_of(&[("resolution", "10s"), ("from", "-30s"), ("series", "endpoint:/a"), ("series", "level")])
            .unwrap();
        assert_eq!((ten.width_ms, ten.windows, ten.series.len()), (10_000, 4, 2));
        assert_eq!(ten.from_ms, NOW - NOW % 10_000 - 30_000);
        let day = asked_of(&[("resolution", "1d"), ("from", "2025-11-01"), ("to", "2025-11-03T12:00:00Z")]);
        let day = day.unwrap();
        assert_eq!((day.windows, day.from_ms % DAY, day.days_to_ms.unwrap() % DAY), (5, 0, 12 * HOUR));
        assert_eq!(asked_of(&[("resolution", "10s"), ("from", "-1h")]).unwrap().windows, 361);
    }

    #[test]
    fn shards_of_a_component_are_counted_as_one() {
        let question = asked_of(&[("series", "total"), ("series", "pattern"), ("series", "endpoint:/a")]).unwrap();
        let shard = |shard, id: &str, count: u64| {
            let many = (0..SERIES_SHOWN_MAX as u64).map(|n| (format!("pattern:{shard}.{n}"), vec![n]));
            let own = [("total", 100), ("endpoint:/a", count)].map(|(name, count)| (name.to_owned(), vec![count]));
            let series = many.chain(own).chain([(format!("pattern:{id}"), vec![count])]).collect();
            let top = BTreeMap::from([("pattern".to_owned(), vec![(id.to_owned(), count)])]);
            let templates = BTreeMap::from([(id.to_owned(), "left <*>".to_owned())]);
            let entry = ComponentEntry { component: "hot".into(), shard, registered_at_ms: 0 };
            let known = PatternView { id: id.into(), template: "left <*>".into(), count, ..PatternView::default() };
            (
                (
                    entry.clone(),
                    WindowsAnswer { series, top, templates, folded: 3, is_exact: true, ..WindowsAnswer::default() },
                ),
                (entry, vec![known]),
            )
        };
        let (answers, known): (Vec<_>, Vec<_>) = [shard(0, "p", 50), shard(1, "q", 70)].into_iter().unzip();
        let (kinship, _) = kinship::together(Gathered { answers: known, failed: vec![] });
        let merged = merge(Gathered { answers, failed: vec![] }, &kinship, &question).unwrap();
        let counted = shown("hot", &question, merged);
        let of = |name: &str| counted.series.iter().find(|series| series.series == name).map(|series| series.total);
        assert_eq!(
            (of("total"), of("endpoint:/a"), of("pattern:p"), of("pattern:q")),
            (Some(200), Some(120), Some(120), None)
        );
        let patterns: Vec<_> = counted.series.iter().filter(|series| series.series.starts_with("pattern:")).collect();
        assert_eq!(patterns.len(), SERIES_SHOWN_MAX + 1, "as many as one object tells, and the rest");
        assert_eq!(patterns.iter().map(|series| series.total).sum::<u64>(), 120 + 2 * (0..20).sum::<u64>());
        assert_eq!(counted.folded_series, 6 + 21);
        let top = &counted.top["pattern"];
        assert_eq!((top.len(), top[0].key.as_str(), top[0].count), (1, "p", 120));
        assert_eq!(top[0].template.as_deref(), Some("left <*>"));
    }

    #[test]
    fn days_are_told_with_their_starts_and_the_rest_by_its_width() {
        let told = |resolution: &str, answer: WindowsAnswer| {
            let question = asked_of(&[("resolution", resolution), ("from", "-2h")]).unwrap();
            serde_json::to_value(shown("web", &question, answer)).unwrap()
        };
        // A Sunday of 23 hours.
        let starts_ms = vec![0, 24 * HOUR, 47 * HOUR];
        let days = WindowsAnswer { starts_ms, time_zone: "Europe/Berlin".to_owned(), ..WindowsAnswer::default() };
        let days = told("1d", days);
        assert_eq!(days["starts_ms"], serde_json::json!([0, 24 * HOUR]));
        assert_eq!((&days["from_ms"], &days["to_ms"]), (&serde_json::json!(0), &serde_json::json!(47 * HOUR)));
        assert_eq!(days["time_zone"], "Europe/Berlin");
        let minutes = told("1m", WindowsAnswer { time_zone: "Europe/Berlin".to_owned(), ..WindowsAnswer::default() });
        assert_eq!((minutes.get("starts_ms"), minutes.get("time_zone")), (None, None));
        assert_eq!(minutes["to_ms"].as_i64().unwrap() - minutes["from_ms"].as_i64().unwrap(), 121 * MINUTE);
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
            assert_eq!(asked_of(&query).unwrap_err(), [expected], "{query:?}");
        }
        let many = vec![("series", "total"); SERIES_MAX + 1];
        assert_eq!(asked_of(&many).unwrap_err(), ["series too_many"]);
    }
}
