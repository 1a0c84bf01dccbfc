//! The prototype's metrics: days with their names and counts. Where it counted requests, records are counted here, by
//! the day of their event time; what objects hold beyond that stands in `outcomes`.

use crate::handlers::fan_out::Gathered;
use crate::processors::calls::{CountsAnswer, StatusAnswer};
use sapwood_wire::moment::Iso;
use serde::Serialize;
use std::collections::BTreeMap;

/// Who reports, and which day it is.
pub(super) struct Service<'a> {
    pub(super) name: &'a str,
    pub(super) environment: &'a str,
    pub(super) now_ms: i64,
    pub(super) today_ms: i64,
}

/// Names of one day with their counts.
type Day = BTreeMap<String, Count>;

#[derive(Debug, Default, Serialize)]
struct Count {
    count: u64,
}

#[derive(Debug, Default, Serialize)]
struct Days {
    today: Day,
    #[serde(skip_serializing_if = "Option::is_none")]
    yesterday: Option<Day>,
}

#[derive(Serialize)]
pub(super) struct PrototypeMetrics<'a> {
    service: Described<'a>,
    requests: Days,
    errors: Days,
    #[serde(rename = "logProcessing")]
    log_processing: Days,
    health: BTreeMap<&'static str, &'static str>,
    outcomes: BTreeMap<&'static str, u64>,
    partial: bool,
}

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    environment: &'a str,
    timestamp: Iso,
}

/// The metrics of all objects together.
pub(super) fn metrics<'a>(
    service: &Service<'a>,
    gathered: &Gathered<(StatusAnswer, Option<CountsAnswer>)>,
) -> PrototypeMetrics<'a> {
    let mut days: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    let mut outcomes = BTreeMap::from([("accepted", 0), ("duplicate", 0), ("counted_only", 0), ("rejected", 0)]);
    for (_, (status, counts)) in &gathered.answers {
        let fates = [
            ("accepted", status.accepted),
            ("duplicate", status.duplicate),
            ("counted_only", status.counted_only),
            ("rejected", status.rejected),
        ];
        for (fate, count) in fates {
            *outcomes.entry(fate).or_insert(0) += count;
        }
        for (day, levels) in counts.iter().flat_map(|counts| &counts.levels_over_time) {
            for (level, count) in levels {
                *days.entry(*day).or_default().entry(level.clone()).or_insert(0) += count;
            }
        }
    }
    let levels = |day: i64| days.get(&day).cloned().unwrap_or_default();
    let today = levels(service.today_ms);
    let yesterday = days.range(..service.today_ms).next_back().map(|(_, levels)| levels.clone()).unwrap_or_default();
    let records =
        |levels: &BTreeMap<String, u64>| Day::from([("records".to_owned(), Count { count: levels.values().sum() })]);
    let named = |levels: &BTreeMap<String, u64>, is_wanted: fn(&str) -> bool| -> Day {
        let wanted = levels.iter().filter(|(level, _)| is_wanted(level));
        wanted.map(|(level, count)| (level.clone(), Count { count: *count })).collect()
    };
    let state = if gathered.failed.is_empty() { "healthy" } else { "degraded" };
    PrototypeMetrics {
        service: Described { name: service.name, environment: service.environment, timestamp: Iso(service.now_ms) },
        requests: Days { today: records(&today), yesterday: Some(records(&yesterday)) },
        errors: Days { today: named(&today, |level| matches!(level, "error" | "fatal")), yesterday: None },
        log_processing: Days { today: named(&today, |_| true), yesterday: None },
        health: BTreeMap::from([("service", state)]),
        outcomes,
        partial: !gathered.failed.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;

    #[test]
    fn days_are_added_over_components() {
        let day = 86_400_000;
        let object = |errors| {
            let entry = ComponentEntry { component: "a".into(), shard: 0, registered_at_ms: 0 };
            let levels = |count| BTreeMap::from([("error".to_owned(), count), ("info".to_owned(), 1)]);
            let counts = CountsAnswer {
                levels_over_time: BTreeMap::from([(day, levels(9)), (2 * day, levels(errors))]),
                ..CountsAnswer::default()
            };
            (entry, (StatusAnswer { accepted: 4, ..StatusAnswer::default() }, Some(counts)))
        };
        let gathered = Gathered { answers: vec![object(2), object(3)], failed: vec!["b".into()] };
        let service = Service { name: "s", environment: "staging", now_ms: 2 * day + 5, today_ms: 2 * day };
        let json = serde_json::to_value(metrics(&service, &gathered)).unwrap();
        assert_eq!(
            (&json["requests"]["today"]["records"]["count"], &json["requests"]["yesterday"]["records"]["count"]),
            (&7.into(), &20.into())
        );
        assert_eq!(
            (&json["errors"]["today"]["error"]["count"], json["errors"]["today"].get("info")),
            (&5.into(), None)
        );
        assert_eq!((&json["outcomes"]["accepted"], &json["partial"]), (&8.into(), &true.into()));
        assert_eq!(
            (&json["service"]["name"], &json["logProcessing"]["today"]["info"]["count"]),
            (&"s".into(), &2.into())
        );
    }
}
