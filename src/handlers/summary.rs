//! `GET /api/logs/analytics/summary`: how many records, of what, when.
//!
//! Counted by the objects as records come, by event time; nothing is searched. Totals are of the span asked for; the
//! outcomes are since the beginning, because a refused record has no event time.

pub(super) mod span;

use super::fan_out::{Gathered, ask_these, asked};
use super::kinship::{self, Kinship};
use super::lists::require_all_rows;
use super::whole::split;
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{ComponentEntry, CountsAnswer, CountsCall, PatternView, StatusAnswer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sapwood_engine::counter::Facets;
use sapwood_engine::sketch::HyperLogLog;
use serde::Serialize;
use span::Span;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Endpoints and patterns that are listed.
const TOP: usize = 10;

type Counts = BTreeMap<String, u64>;

#[derive(Debug, Default, Serialize)]
struct Summary {
    from: i64,
    to: i64,
    interval_ms: i64,
    total: u64,
    by_level: Counts,
    by_environment: Counts,
    by_error_type: Counts,
    top_endpoints: Vec<EndpointCount>,
    top_patterns: Vec<PatternCount>,
    timeline: Vec<Moment>,
    components: Vec<ComponentSummary>,
    #[serde(flatten)]
    facets: FacetsSummary,
    outcomes: Outcomes,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct EndpointCount {
    endpoint: String,
    count: u64,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct PatternCount {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    count: u64,
    components: Vec<String>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Moment {
    time: i64,
    total: u64,
    by_level: Counts,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct ComponentSummary {
    component: String,
    total: u64,
    by_level: Counts,
}

#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct Outcomes {
    accepted: u64,
    duplicate: u64,
    counted_only: u64,
    rejected: u64,
}

/// What cannot be counted by name, of the whole hours that the span touches.
#[derive(Debug, Default, Serialize, PartialEq)]
struct FacetsSummary {
    users: Distinct,
    sessions: Distinct,
    clients: Distinct,
    #[serde(skip_serializing_if = "Option::is_none")]
    durations: Option<Durations>,
}

/// How many different ones; an estimate with a standard error of 2.3 % unless it is exact.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Distinct {
    distinct: u64,
    is_exact: bool,
}

/// In milliseconds; quantiles within 1/64 of their value.
#[derive(Debug, Serialize, PartialEq)]
struct Durations {
    count: u64,
    min: f64,
    max: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { distinct: 0, is_exact: true }
    }
}

/// Answers with a summary.
pub async fn summary(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let span = Span::read(&call.head.query(), call.now.0).map_err(invalid_query)?;
    let objects = asked(call, &span.components).await?;
    let wanted = CountsCall { from_ms: span.from_ms, to_ms: span.to_ms, bucket_ms: span.interval_ms };
    let gathered = ask_these(call, objects.clone(), |stubs, address| {
        let wanted = wanted.clone();
        async move {
            let (counts, status) = futures::join!(stubs.counts(&address, &wanted), stubs.status(&address));
            Ok((counts?, status?))
        }
    })
    .await;
    // Which patterns of shards are one has to be known before the most frequent are.
    let (kinship, mut patterns) = kinship::ask(call, &objects).await;
    let mut summary = summarize(gathered, &kinship, &span);
    summary.add_failed(std::mem::take(&mut patterns.failed));
    let holders: BTreeSet<&String> = summary.top_patterns.iter().flat_map(|pattern| &pattern.components).collect();
    let is_known = split(&objects);
    let holders: Vec<ComponentEntry> =
        objects.into_iter().filter(|entry| holders.contains(&entry.component) && !is_known.contains(entry)).collect();
    let others =
        ask_these(call, holders, |stubs, address| async move { stubs.patterns_in_brief(&address).await }).await;
    patterns.answers.extend(others.answers);
    name_patterns(&mut summary.top_patterns, patterns);
    Ok(Answer::Json(json(&summary)?))
}

impl Summary {
    /// Names components of which something is missing, each once.
    fn add_failed(&mut self, more: Vec<String>) {
        self.failed_components.extend(more);
        self.failed_components.sort();
        self.failed_components.dedup();
        self.partial = !self.failed_components.is_empty();
    }
}

fn summarize(gathered: Gathered<(CountsAnswer, StatusAnswer)>, kinship: &Kinship, span: &Span) -> Summary {
    let failed_components = gathered.incomplete(|(counts, _)| counts.damaged_hours > 0);
    let mut summary = Summary {
        from: span.from_ms,
        to: span.to_ms,
        interval_ms: span.interval_ms,
        partial: !failed_components.is_empty(),
        failed_components,
        ..Summary::default()
    };
    let (mut endpoints, mut timeline) = (Counts::new(), BTreeMap::<i64, Counts>::new());
    let mut patterns: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
    let mut components: BTreeMap<String, Counts> = BTreeMap::new();
    let mut facets = Facets::default();
    for (entry, (counts, status)) in gathered.answers {
        // Bytes of another version are as if there were none.
        if let Ok(more) = Facets::decode(&URL_SAFE_NO_PAD.decode(&counts.facets).unwrap_or_default()) {
            facets.merge(&more);
        }
        add_outcomes(&mut summary.outcomes, &status);
        let mut totals = counts.totals;
        let mut take = |kind: &str| totals.remove(kind).unwrap_or_default();
        let levels = take("level");
        add(&mut summary.by_environment, take("environment"));
        add(&mut summary.by_error_type, take("error_type"));
        add(&mut endpoints, take("endpoint"));
        for (id, count) in take("pattern") {
            let shown = kinship.shown(&entry.component, &id).to_owned();
            let (sum, holders) = patterns.entry(shown).or_default();
            *sum = sum.saturating_add(count);
            holders.insert(entry.component.clone());
        }
        for (time, levels) in counts.levels_over_time {
            add(timeline.entry(time).or_default(), levels);
        }
        add(&mut summary.by_level, levels.clone());
        add(components.entry(entry.component).or_default(), levels);
    }
    summary.facets = facets_of(&facets);
    summary.total = summary.by_level.values().sum();
    summary.timeline = moments(timeline, span);
    summary.components = components
        .into_iter()
        .map(|(component, by_level)| ComponentSummary { component, total: by_level.values().sum(), by_level })
        .collect();
    summary.top_endpoints =
        top(endpoints).into_iter().map(|(endpoint, count)| EndpointCount { endpoint, count }).collect();
    let counts = patterns.iter().map(|(id, (count, _))| (id.clone(), *count)).collect();
    summary.top_patterns = top(counts)
        .into_iter()
        .map(|(id, count)| {
            let components = patterns.remove(&id).map(|(_, holders)| holders.into_iter().collect()).unwrap_or_default();
            PatternCount { id, template: None, name: None, count, components }
        })
        .collect();
    summary
}

fn facets_of(facets: &Facets) -> FacetsSummary {
    let distinct = |sketch: &HyperLogLog| Distinct { distinct: sketch.estimate(), is_exact: sketch.is_exact() };
    let durations = facets.durations();
    let shown = || {
        let (min, max) = durations.range()?;
        let (p50, p95, p99) = (durations.at(500)?, durations.at(950)?, durations.at(990)?);
        Some(Durations { count: durations.count(), min, max, p50, p95, p99 })
    };
    FacetsSummary {
        users: distinct(facets.users()),
        sessions: distinct(facets.sessions()),
        clients: distinct(facets.clients()),
        durations: shown(),
    }
}

fn add(sums: &mut Counts, more: Counts) {
    for (key, count) in more {
        let sum = sums.entry(key).or_insert(0);
        *sum = sum.saturating_add(count);
    }
}

fn add_outcomes(sums: &mut Outcomes, status: &StatusAnswer) {
    sums.accepted = sums.accepted.saturating_add(status.accepted);
    sums.duplicate = sums.duplicate.saturating_add(status.duplicate);
    sums.counted_only = sums.counted_only.saturating_add(status.counted_only);
    sums.rejected = sums.rejected.saturating_add(status.rejected);
}

/// The largest, by count and then by name.
fn top(counts: Counts) -> Vec<(String, u64)> {
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(_, count)| Reverse(*count));
    all.truncate(TOP);
    all
}

/// Every interval of the span, those without records too: a gap in a chart is a finding, not a missing row.
fn moments(mut timeline: BTreeMap<i64, Counts>, span: &Span) -> Vec<Moment> {
    span.intervals()
        .map(|time| {
            let by_level = timeline.remove(&time).unwrap_or_default();
            Moment { time, total: by_level.values().sum(), by_level }
        })
        .collect()
}

fn name_patterns(top: &mut [PatternCount], known: Gathered<Vec<PatternView>>) {
    let views = known.answers.into_iter().flat_map(|(_, views)| views);
    let views: BTreeMap<String, PatternView> = views.map(|view| (view.id.clone(), view)).collect();
    for pattern in top {
        let Some(view) = views.get(&pattern.id) else { continue };
        pattern.template = Some(view.template.clone());
        pattern.name = view.naming.as_ref().map(|naming| naming.name.clone()).filter(|name| !name.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::record::Record;

    const MINUTE: i64 = 60_000;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
    }

    /// Of three users, two of whom every component has, and as many operations of 10 ms.
    fn facets(component: &str) -> String {
        let mut facets = Facets::default();
        for user in ["ann", "bob", component] {
            let record = Record { user_id: Some(user.into()), duration_ms: Some(10.0), ..Record::default() };
            facets.observe(&record);
        }
        URL_SAFE_NO_PAD.encode(facets.encode())
    }

    fn answer(
        component: &str,
        totals: &[(&str, Counts)],
        timeline: &[(i64, Counts)],
    ) -> (ComponentEntry, (CountsAnswer, StatusAnswer)) {
        let entry = ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 };
        let counts = CountsAnswer {
            totals: totals.iter().map(|(kind, counts)| ((*kind).to_owned(), counts.clone())).collect(),
            levels_over_time: timeline.iter().cloned().collect(),
            facets: facets(component),
            damaged_hours: 0,
        };
        (entry, (counts, StatusAnswer { accepted: 10, duplicate: 1, rejected: 2, ..StatusAnswer::default() }))
    }

    fn span() -> Span {
        Span { from_ms: 0, to_ms: 3 * MINUTE, interval_ms: MINUTE, components: vec![] }
    }

    #[test]
    fn components_add_up() {
        let levels = |info, error| counts(&[("info", info), ("error", error)]);
        let gathered = Gathered {
            answers: vec![
                answer(
                    "a",
                    &[("level", levels(4, 1)), ("endpoint", counts(&[("/x", 5)])), ("pattern", counts(&[("p1", 5)]))],
                    &[(0, levels(4, 1))],
                ),
                answer(
                    "b",
                    &[
                        ("level", levels(2, 2)),
                        ("endpoint", counts(&[("/x", 1), ("/y", 3)])),
                        ("pattern", counts(&[("p1", 1), ("p2", 3)])),
                    ],
                    &[(0, levels(1, 0)), (2 * MINUTE, levels(1, 2))],
                ),
            ],
            failed: vec!["c".into()],
        };
        let mut summary = summarize(gathered, &Kinship::default(), &span());
        assert_eq!((summary.total, summary.by_level.clone(), summary.partial), (9, levels(6, 3), true));
        assert_eq!(
            summary.timeline.iter().map(|it| (it.time, it.total)).collect::<Vec<_>>(),
            [(0, 6), (MINUTE, 0), (2 * MINUTE, 3)]
        );
        assert_eq!(summary.components.iter().map(|it| it.total).collect::<Vec<_>>(), [5, 4]);
        assert_eq!(summary.top_endpoints[0], EndpointCount { endpoint: "/x".into(), count: 6 });
        assert_eq!((summary.top_patterns[0].id.as_str(), summary.top_patterns[0].components.len()), ("p1", 2));
        assert_eq!(summary.outcomes, Outcomes { accepted: 20, duplicate: 2, counted_only: 0, rejected: 4 });
        assert_eq!(summary.facets.users, Distinct { distinct: 4, is_exact: true }, "each user once");
        assert_eq!(summary.facets.sessions, Distinct::default());
        let durations = Durations { count: 6, min: 10.0, max: 10.0, p50: 10.0, p95: 10.0, p99: 10.0 };
        assert_eq!(summary.facets.durations, Some(durations));
        name_patterns(&mut summary.top_patterns, Gathered { answers: vec![], failed: vec![] });
        assert_eq!(summary.top_patterns[0].template, None, "unknown is left out");
    }

    #[test]
    fn counts_of_which_an_hour_is_missing_are_partial() {
        let (entry, (counts, status)) = answer("a", &[("level", counts(&[("info", 4)]))], &[]);
        let torn = CountsAnswer { damaged_hours: 1, ..counts };
        let gathered = Gathered { answers: vec![(entry, (torn, status))], failed: vec!["b".into()] };
        let mut summary = summarize(gathered, &Kinship::default(), &span());
        assert_eq!((summary.total, summary.partial), (4, true));
        assert_eq!(summary.failed_components, ["a", "b"]);
        summary.add_failed(vec!["a".into(), "0".into()]);
        assert_eq!(summary.failed_components, ["0", "a", "b"]);
    }

    #[test]
    fn shards_of_a_component_add_up_to_one() {
        let shard = |number, id: &str, count| {
            let counted = counts(&[(id, count)]);
            let levels = counts(&[("info", count)]);
            let (entry, answer) =
                answer("hot", &[("level", levels.clone()), ("pattern", counted)], &[(MINUTE, levels)]);
            let known = PatternView { id: id.into(), template: "same <*>".into(), count, ..PatternView::default() };
            let entry = ComponentEntry { shard: number, ..entry };
            ((entry.clone(), answer), (entry, vec![known]))
        };
        let (answers, known): (Vec<_>, Vec<_>) = [shard(0, "p", 2), shard(1, "q", 5)].into_iter().unzip();
        let (kinship, patterns) = kinship::together(Gathered { answers: known, failed: vec![] });
        let mut summary = summarize(Gathered { answers, failed: vec!["hot".into()] }, &kinship, &span());
        name_patterns(&mut summary.top_patterns, patterns);
        let components: Vec<_> = summary.components.iter().map(|it| (it.component.as_str(), it.total)).collect();
        assert_eq!((components, summary.failed_components), (vec![("hot", 7)], vec!["hot".to_owned()]));
        let (template, name) = (Some("same <*>".to_owned()), None);
        let top = PatternCount { id: "p".into(), template, name, count: 7, components: vec!["hot".into()] };
        assert_eq!(summary.top_patterns, [top]);
        assert_eq!(summary.facets.users, Distinct { distinct: 3, is_exact: true }, "a user of both shards is one");
        assert_eq!((summary.timeline[1].total, summary.outcomes.accepted), (7, 20));
    }

    #[test]
    fn only_the_largest_are_listed() {
        let many = (0..30).map(|number| (format!("/e{number:02}"), number)).collect();
        let listed = top(many);
        assert_eq!((listed.len(), listed[0].clone()), (TOP, ("/e29".to_owned(), 29)));
    }
}
