//! What stands in the places of patterns: asked for after the list is made, only of the objects that have one of its
//! patterns, so that nobody else pays for it.
//!
//! Objects answer with what they hold, not with what is shown of it: counts, distinct values and quantiles of several
//! components add up to those of the domain. The answers of all objects together are bounded; what does not fit is
//! left out, the least frequent patterns first, and shown as a pattern without variables.

use super::DomainPattern;
use crate::handlers::Call;
use crate::handlers::fan_out::{Gathered, ask_these};
use crate::handlers::kinship::Kinship;
use crate::processors::calls::{ComponentEntry, VariablesCall, VariablesView};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sapwood_engine::pattern::{Unit, Variable, Variables};
use sapwood_engine::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Bytes that the answers of all objects together may take in memory; an isolate has 128 MB.
const ANSWERS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that one object's answer may take, of the 1 MiB it can hold as base64.
const ANSWER_BYTES_MAX: usize = 1_500_000;

/// One place of a template.
#[derive(Debug, Serialize)]
pub(super) struct VariableView {
    /// Counted from zero, as they stand in the template.
    place: usize,
    /// The narrowest kind that all its values are of.
    kind: &'static str,
    /// Values counted; fewer than the pattern's records where counting began later, or a line was not taken apart.
    count: u64,
    /// Event time, ms: since when, if not since the pattern began.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    /// Different values; an estimate with a standard error of 4.6 % unless it is exact.
    distinct: u64,
    distinct_is_exact: bool,
    /// It always held few values, and `values` are all of them.
    is_enumeration: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    /// The most frequent.
    top: Vec<ValueCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<NumbersView>,
}

/// A value and how often it came: at most `count`, at least `count - error` times.
#[derive(Debug, Serialize)]
struct ValueCount {
    value: String,
    count: u64,
    error: u64,
}

/// How the numbers are distributed: quantiles within 1/64 of their value.
#[derive(Debug, Serialize)]
struct NumbersView {
    count: u64,
    /// `ms` or `bytes`, whatever unit they came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    min: f64,
    max: f64,
    p50: f64,
    p90: f64,
    p99: f64,
}

/// Asks for the variables of these patterns, each object under the ids that it has them under, and puts them there;
/// returns the components that did not answer.
pub(super) async fn add(
    call: &Call<'_>,
    patterns: &mut [DomainPattern],
    kinship: &Kinship,
    objects: Vec<ComponentEntry>,
) -> Vec<String> {
    let bytes_max = ANSWER_BYTES_MAX.min(ANSWERS_BYTES_MAX / objects.len().max(1));
    let shown: Vec<String> = patterns.iter().map(|pattern| pattern.id.clone()).collect();
    let gathered = ask_these(call, objects, |stubs, address| {
        let asked = VariablesCall { patterns: kinship.all_held(&address.entry(), &shown), bytes_max };
        async move { stubs.variables(&address, &asked).await }
    })
    .await;
    put(patterns, kinship, gathered)
}

fn put(patterns: &mut [DomainPattern], kinship: &Kinship, gathered: Gathered<Vec<VariablesView>>) -> Vec<String> {
    let mut by_pattern: BTreeMap<String, Vec<VariablesView>> = BTreeMap::new();
    for (entry, views) in gathered.answers {
        for view in views {
            by_pattern.entry(kinship.shown(&entry.component, &view.id).to_owned()).or_default().push(view);
        }
    }
    for pattern in patterns {
        let merged = together(&pattern.template, &by_pattern.remove(&pattern.id).unwrap_or_default());
        pattern.variables = Some(merged.held().iter().enumerate().map(|(place, it)| view_of(place, it)).collect());
    }
    gathered.failed
}

/// What several objects hold of one pattern, for the places of the template that is shown. What cannot be read is as if
/// it was forgotten.
fn together(template: &str, views: &[VariablesView]) -> Variables {
    let mut merged = Variables::default();
    for view in views {
        let section = URL_SAFE_NO_PAD.decode(&view.variables).unwrap_or_default();
        let Ok(held) = Variables::read(&view.template, &section) else { continue };
        merged.merge_seen(template, held, &view.template, view.count, Timestamp(view.last_seen_ms));
    }
    merged
}

fn view_of(place: usize, variable: &Variable) -> VariableView {
    let (distinct, distinct_is_exact) = variable.distinct();
    let top: Vec<_> = variable.top().into_iter().filter_map(|counted| Some((counted.text()?, counted))).collect();
    let names = || top.iter().map(|(text, _)| (*text).to_owned()).collect();
    let numbers = variable.numbers().and_then(|(unit, quantiles)| {
        let (min, max) = quantiles.range()?;
        let unit = match unit {
            Unit::One => None,
            Unit::Milliseconds => Some("ms"),
            Unit::Bytes => Some("bytes"),
        };
        let (p50, p90, p99) = (quantiles.at(500)?, quantiles.at(900)?, quantiles.at(990)?);
        Some(NumbersView { count: quantiles.count(), unit, min, max, p50, p90, p99 })
    });
    VariableView {
        place,
        kind: variable.kind().word(),
        count: variable.count(),
        since: variable.since().map(|since| since.0),
        distinct,
        distinct_is_exact,
        is_enumeration: variable.is_enumeration(),
        values: variable.is_enumeration().then(names),
        top: top
            .iter()
            .map(|(text, counted)| ValueCount { value: (*text).to_owned(), count: counted.count, error: counted.error })
            .collect(),
        numbers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::kinship;
    use crate::handlers::patterns::ComponentCount;
    use crate::processors::calls::PatternView;
    use sapwood_engine::pattern::Miner;
    use sapwood_engine::record::Record;
    use serde_json::json;

    /// What an object that saw these lines answers of its last line's pattern.
    fn answer(lines: &[&str]) -> VariablesView {
        let mut miner = Miner::default();
        let mut id = None;
        for line in lines {
            let record = Record { message: (*line).into(), timestamp: Timestamp(7), ..Record::default() };
            id = Some(miner.observe(&record, 1, 0, Timestamp(7)).id);
        }
        let pattern = miner.pattern(id.unwrap()).unwrap();
        VariablesView {
            id: pattern.id.to_string(),
            template: pattern.template.clone(),
            count: pattern.count,
            last_seen_ms: 7,
            variables: URL_SAFE_NO_PAD.encode(pattern.variables.encode().unwrap()),
        }
    }

    fn shown(template: &str, views: &[VariablesView]) -> serde_json::Value {
        let merged = together(template, views);
        serde_json::to_value(merged.held().iter().enumerate().map(|(place, it)| view_of(place, it)).collect::<Vec<_>>())
            .unwrap()
    }

    #[test]
    fn what_two_components_saw_adds_up() {
        let left = answer(&["took 10 ms for 1", "took 30 ms for 2"]);
        let right = answer(&["took 1s for 2"]);
        let seen = shown("took <*> for <*>", &[left, right]);
        let took = &seen[0];
        assert_eq!((&took["kind"], &took["count"], &took["distinct"]), (&json!("duration"), &json!(3), &json!(3)));
        let numbers = &took["numbers"];
        assert_eq!((&numbers["unit"], &numbers["min"], &numbers["max"]), (&json!("ms"), &json!(10.0), &json!(1_000.0)));
        assert_eq!(seen[1]["top"][0], json!({"value": "2", "count": 2, "error": 0}));
        assert!(seen[1].get("values").is_none() && seen[1].get("since").is_none());
    }

    #[test]
    fn what_shards_hold_of_one_pattern_under_two_ids_adds_up_under_the_one_that_is_shown() {
        let (lead, follower) = (answer(&["took 10 ms"]), answer(&["took 30 ms", "took 50 ms"]));
        let follower = VariablesView { id: "00000000000000ff".into(), ..follower };
        let known = |view: &VariablesView| PatternView {
            id: view.id.clone(),
            template: "took <*>".into(),
            count: view.count,
            ..PatternView::default()
        };
        let shard = |shard| ComponentEntry { component: "hot".into(), shard, registered_at_ms: 0 };
        let answers = vec![(shard(0), vec![known(&lead)]), (shard(1), vec![known(&follower)])];
        let (kinship, united) = kinship::together(Gathered { answers, failed: vec![] });
        let view = united.answers.into_iter().flat_map(|(_, views)| views).next().unwrap();
        let count = ComponentCount { component: "hot".into(), count: view.count };
        let mut patterns = vec![DomainPattern::new(view, count)];
        let answers = vec![(shard(0), vec![lead]), (shard(1), vec![follower])];
        put(&mut patterns, &kinship, Gathered { answers, failed: vec![] });
        let seen = serde_json::to_value(&patterns[0].variables).unwrap();
        assert_eq!((&seen[0]["count"], &seen[0]["numbers"]["max"]), (&json!(3), &json!(50.0)));
    }

    #[test]
    fn a_few_values_that_stay_are_named_as_an_enumeration() {
        let mut lines = vec!["code 1"; 15];
        lines.extend(["code 2"; 5]);
        let seen = shown("code <*>", &[answer(&lines)]);
        assert_eq!((&seen[0]["is_enumeration"], &seen[0]["values"]), (&json!(true), &json!(["1", "2"])));
    }

    #[test]
    fn what_cannot_be_read_is_as_if_it_was_forgotten() {
        let damaged = VariablesView { variables: "!".into(), ..answer(&["code 1"]) };
        assert_eq!(shown("code <*>", std::slice::from_ref(&damaged)), json!([]));
        assert_eq!(shown("code <*>", &[damaged, answer(&["code 2"])])[0]["count"], json!(1));
    }
}
