//! `GET /api/components/{id}/baseline` and `baseline.svg`: what is usual of a component's series, and what was decided
//! about them, as numbers and as a picture.

use super::chart::Chart;
use super::fan_out::{ask_these, asked};
use super::kinship;
use super::lists::{parameter_error, require_all_rows};
use super::whole::leads;
use super::{Answer, Call, Outcome, Refusal, invalid_query, json};
use crate::processors::calls::{
    BaselineAnswer, BaselineCall, ComponentEntry, DecisionView, DeploymentView, FeedbackView, PointView, SeedView,
    SeriesView,
};
use sapwood_engine::baseline::Zone;
use sapwood_engine::detect::Subject;
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;
use serde::Serialize;

/// The answer about one series.
#[derive(Serialize)]
struct OneSeries {
    component: String,
    #[serde(flatten)]
    series: SeriesView,
    slow_from_ms: Option<f64>,
    points: Vec<PointView>,
    decisions: Vec<DecisionView>,
    /// What people said of incidents, and the thresholds that follow from it.
    feedback: Vec<FeedbackView>,
    /// What began to run, newest first.
    deployments: Vec<DeploymentView>,
    /// What it began with, while that counts.
    seed: Option<SeedView>,
    late_records: u64,
}

/// The answer about all of them.
#[derive(Serialize)]
struct AllSeries {
    component: String,
    series: Vec<SeriesView>,
    series_total: u64,
    /// Variables of patterns whose level or values are watched.
    variables: Vec<SeriesView>,
    decisions: Vec<DecisionView>,
    /// What people said of incidents, and the thresholds that follow from it.
    feedback: Vec<FeedbackView>,
    /// What began to run, newest first.
    deployments: Vec<DeploymentView>,
    /// What it began with, while that counts.
    seed: Option<SeedView>,
    late_records: u64,
    unwatched_records: u64,
}

/// Explains one series of a component, or lists those that are watched.
pub async fn baseline(call: &Call<'_>, component: &str) -> Outcome {
    require_all_rows(call)?;
    let question = question(&call.head.query(), call.now.0).map_err(invalid_query)?;
    let is_one = question.series.is_some();
    let found = ask(call, component, &question).await?;
    let body = show(found, is_one).ok_or_else(not_watched)?;
    Ok(Answer::Json(body?))
}

/// Draws one series of a component; all its records if none is named.
pub async fn chart(call: &Call<'_>, component: &str) -> Outcome {
    require_all_rows(call)?;
    let mut question = question(&call.head.query(), call.now.0).map_err(invalid_query)?;
    question.series.get_or_insert_with(|| Subject::Component.to_string());
    let (entry, answer) = ask(call, component, &question).await?;
    let drawn = draw(&entry.component, &answer).ok_or_else(not_watched)?;
    Ok(Answer::Text("image/svg+xml", drawn))
}

fn draw(component: &str, answer: &BaselineAnswer) -> Option<String> {
    let BaselineAnswer { series, points, decisions, deployments, time_zone, .. } = answer;
    let series = series.first()?;
    // What a build before this one answers has no zone in it.
    let (zone, clock) = Zone::parse(time_zone).map_or(("UTC", Zone::default()), |clock| (time_zone.as_str(), clock));
    let ahead = |at: i64| clock.ahead(Timestamp(at)).0;
    let chart = Chart { component, series, points, decisions, deployments, zone, ahead: &ahead };
    Some(chart.draw())
}

fn not_watched() -> Refusal {
    Problem::new(ProblemCode::NotFound, "this series is not watched").into()
}

/// Asks the component's object; of one that is split its lead, which alone learns what is usual of the whole, under the id
/// that the lead has for a pattern.
async fn ask(
    call: &Call<'_>,
    component: &str,
    question: &BaselineCall,
) -> Result<(ComponentEntry, BaselineAnswer), Refusal> {
    let objects = asked(call, &[component.to_owned()]).await?;
    let mut question = question.clone();
    if let Some(subject) = question.series.as_deref().and_then(Subject::parse)
        && pattern_of(subject).is_some()
    {
        let (kinship, _) = kinship::ask(call, &objects).await;
        question.series = Some(renamed(subject, |id| kinship.shown(component, id).to_owned()).to_string());
    }
    let question = &question;
    let gathered =
        ask_these(call, leads(objects), |stubs, address| async move { stubs.baseline(&address, question).await }).await;
    if !gathered.failed.is_empty() {
        let detail = "the component's object did not answer";
        return Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into());
    }
    let not_found = || Problem::new(ProblemCode::NotFound, "no component has this name").into();
    gathered.answers.into_iter().next().ok_or_else(not_found)
}

/// The pattern that a series is about.
fn pattern_of(subject: Subject) -> Option<PatternId> {
    match subject {
        Subject::Component | Subject::Errors | Subject::Durations => None,
        Subject::Pattern(id) | Subject::Variable(id, _) | Subject::Facet(id, _) => Some(id),
    }
}

/// The same series of the pattern that is shown.
fn renamed(subject: Subject, shown: impl Fn(&str) -> String) -> Subject {
    let Some(id) = pattern_of(subject) else { return subject };
    let id = PatternId::parse(&shown(&id.to_string())).unwrap_or(id);
    match subject {
        Subject::Component | Subject::Errors | Subject::Durations => subject,
        Subject::Pattern(_) => Subject::Pattern(id),
        Subject::Variable(_, place) => Subject::Variable(id, place),
        Subject::Facet(_, facet) => Subject::Facet(id, facet),
    }
}

fn show((entry, answer): (ComponentEntry, BaselineAnswer), is_one: bool) -> Option<Result<Vec<u8>, Refusal>> {
    let BaselineAnswer {
        mut series,
        series_total,
        variables,
        points,
        slow_from_ms,
        decisions,
        feedback,
        deployments,
        seed,
        late,
        unwatched,
        ..
    } = answer;
    let component = entry.component;
    let late_records = late;
    if !is_one {
        return Some(json(&AllSeries {
            component,
            series,
            series_total,
            variables,
            decisions,
            feedback,
            deployments,
            seed,
            late_records,
            unwatched_records: unwatched,
        }));
    }
    let series = series.pop()?;
    Some(json(&OneSeries {
        component,
        series,
        slow_from_ms,
        points,
        decisions,
        feedback,
        deployments,
        seed,
        late_records,
    }))
}

/// Reads `series`, `from` and `to`.
fn question(query: &[(String, String)], now_ms: i64) -> Result<BaselineCall, Vec<FieldError>> {
    let (mut series, mut errors, mut times) = (None, Vec::new(), Vec::new());
    for (name, value) in query {
        match name.as_str() {
            "series" if Subject::parse(value).is_some() => series = Some(value.clone()),
            "series" => {
                let accepted = "accepted are total, errors, latency, pattern: with the id of a pattern, and its parts as \
                                they are listed";
                errors.push(parameter_error(name, "invalid_value", accepted.to_owned()));
            }
            "from" | "to" => times.push((name, value)),
            _ => errors.push(parameter_error(name, "unknown_parameter", "accepted are series, from, to".to_owned())),
        }
    }
    match parse_search(times, now_ms) {
        Ok(span) if errors.is_empty() => Ok(BaselineCall {
            series,
            from_ms: span.from_ms.unwrap_or(i64::MIN),
            to_ms: span.to_ms.unwrap_or(i64::MAX),
        }),
        Ok(_) => Err(errors),
        Err(more) => Err([errors, more].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_632_800_000;

    fn asked(query: &[(&str, &str)]) -> Result<BaselineCall, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        question(&query, NOW).map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect())
    }

    fn series(name: &str) -> SeriesView {
        SeriesView { series: name.into(), usual: 1.0, learned_minutes: 2, ..SeriesView::default() }
    }

    #[test]
    fn a_series_and_a_span_are_read_and_everything_else_is_named() {
        let all = asked(&[]).unwrap();
        assert_eq!((all.series, all.from_ms, all.to_ms), (None, i64::MIN, i64::MAX));
        let hour = asked(&[("series", "pattern:00000000000000ff"), ("from", "-1h"), ("to", "now")]).unwrap();
        assert_eq!((hour.series.as_deref(), hour.from_ms), (Some("pattern:00000000000000ff"), NOW - 3_600_000));
        assert!(hour.to_ms >= NOW && hour.to_ms <= NOW + 1);
        assert_eq!(asked(&[("series", "everything"), ("x", "1"), ("from", "y")]).unwrap_err(), ["series", "x", "from"]);
    }

    #[test]
    fn the_chart_goes_by_the_clocks_of_the_domain_also_where_they_change() {
        // The night of 29 March 2026, when it is three o'clock after two in Berlin.
        let change = 1_774_746_000_000;
        let point = |minute: i64| PointView {
            time_ms: change + minute * 60_000,
            seen: 3,
            total: 3,
            expected: None,
            low: None,
            high: None,
        };
        let drawn = |time_zone: &str| {
            let points = (-60..60).map(point).collect();
            let series = vec![series("total")];
            let answer = BaselineAnswer { series, points, time_zone: time_zone.into(), ..BaselineAnswer::default() };
            draw("cart", &answer).unwrap()
        };
        let berlin = drawn("Europe/Berlin");
        assert!(
            berlin.contains("2026-03-29 01:59 Europe/Berlin: 3<") && berlin.contains("03:00 Europe/Berlin: 3<"),
            "{berlin}"
        );
        assert!(!berlin.contains(" 02:") && !berlin.contains("UTC"), "{berlin}");
        for unknown in ["UTC", "", "Mars/Olympus"] {
            assert!(drawn(unknown).contains("2026-03-29 01:00 UTC: 3<"), "{unknown}");
        }
    }

    #[test]
    fn a_pattern_s_series_is_asked_of_the_lead_under_its_own_id() {
        let shown = |id: &str| if id == "00000000000000a2" { "00000000000000a1".to_owned() } else { id.to_owned() };
        for (asked, expected) in [
            ("pattern:00000000000000a2", "pattern:00000000000000a1"),
            ("variable:00000000000000a2:3", "variable:00000000000000a1:3"),
            ("facet:00000000000000a2:level", "facet:00000000000000a1:level"),
            ("pattern:00000000000000b2", "pattern:00000000000000b2"),
            ("errors", "errors"),
        ] {
            let subject = Subject::parse(asked).unwrap();
            assert_eq!(renamed(subject, shown).to_string(), expected);
            assert_eq!(pattern_of(subject).is_some(), asked.contains(':'), "{asked}");
        }
    }

    #[test]
    fn a_list_a_series_and_one_that_is_not_watched() {
        let entry = ComponentEntry { component: "cart".into(), shard: 0, registered_at_ms: 0 };
        let answer = |series| BaselineAnswer { series, series_total: 5, late: 7, ..BaselineAnswer::default() };
        let read = |body: Option<Result<Vec<u8>, crate::handlers::Refusal>>| {
            body.map(|body| serde_json::from_slice::<serde_json::Value>(&body.unwrap()).unwrap())
        };
        let list = read(show((entry.clone(), answer(vec![series("total"), series("errors")])), false)).unwrap();
        assert_eq!((&list["series"][1]["series"], &list["series_total"]), (&"errors".into(), &5.into()));
        let one = read(show((entry.clone(), answer(vec![series("total")])), true)).unwrap();
        assert_eq!(
            (&one["series"], &one["late_records"], &one["component"]),
            (&"total".into(), &7.into(), &"cart".into())
        );
        assert_eq!(read(show((entry, answer(vec![])), true)), None);
    }
}
