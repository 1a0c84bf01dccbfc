//! What the service answers, as far as the commands show it.
//!
//! Tolerant on purpose: what is absent is empty and what is unknown is skipped, so that a command and a service of
//! neighbouring versions understand each other. The exact shapes are in docs/api.

use sapwood_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The fate of every record of a batch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct IngestReply {
    pub accepted: u64,
    #[serde(default)]
    pub duplicate: u64,
    #[serde(default)]
    pub counted_only: u64,
    #[serde(default)]
    pub rejected: u64,
    #[serde(default)]
    pub errors: Vec<Value>,
}

impl IngestReply {
    /// Records that have an outcome.
    pub(crate) fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.counted_only + self.rejected
    }
}

/// A time as milliseconds since the epoch or as text.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Moment {
    Millis(i64),
    Text(String),
    #[default]
    Absent,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millis(millis) => Timestamp(*millis).fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Absent => f.write_str("-"),
        }
    }
}

impl Moment {
    /// `2026-11-20 10:00:00` without the fraction and the zone.
    pub(crate) fn to_second(&self) -> String {
        let text = self.to_string();
        text.get(..19).map_or(text.clone(), |part| part.replace('T', " "))
    }
}

/// A stored record.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RecordReply {
    pub timestamp: Moment,
    pub level: String,
    pub component: String,
    pub message: String,
    pub stack_trace: Option<String>,
}

/// A page of a search. Records stay as they came, so that `--json` shows all of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SearchReply {
    pub records: Vec<Value>,
    pub total: u64,
    pub total_is_exact: Option<bool>,
    pub next_cursor: Option<String>,
    pub partial: bool,
    pub failed_components: Vec<String>,
}

/// A frame of the live tail.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TailFrame {
    pub records: Vec<Value>,
    pub skipped: u64,
}

/// The patterns of a domain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PatternsReply {
    pub patterns: Vec<PatternReply>,
    pub total: u64,
}

/// One pattern.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PatternReply {
    pub id: String,
    pub template: String,
    pub name: String,
    pub count: u64,
    pub level: String,
    pub first_seen: Moment,
    pub last_seen: Moment,
    pub components: Vec<PatternComponent>,
    pub variables: Vec<VariableReply>,
    pub fault: Option<FaultReply>,
}

/// What stands in one place of a template.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct VariableReply {
    pub place: u64,
    pub kind: String,
    pub count: u64,
    pub distinct: u64,
    pub distinct_is_exact: bool,
    pub is_enumeration: bool,
    pub top: Vec<ValueReply>,
    pub numbers: Option<NumbersReply>,
}

/// A value and how often it came.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ValueReply {
    pub value: String,
    pub count: u64,
    pub error: u64,
}

/// How numbers are distributed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct NumbersReply {
    pub unit: Option<String>,
    pub min: f64,
    pub max: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
}

/// What went wrong, where records came with a stack trace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct FaultReply {
    pub function: Option<String>,
    pub file: Option<String>,
}

/// Where a pattern was seen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PatternComponent {
    pub component: String,
    pub count: u64,
}

/// The components of a domain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ComponentsReply {
    pub components: Vec<ComponentReply>,
}

/// One component.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ComponentReply {
    #[serde(alias = "name")]
    pub component: String,
    pub records: u64,
    pub levels: BTreeMap<String, u64>,
    pub patterns: u64,
    #[serde(alias = "last_seen_ms")]
    pub last_seen: Moment,
    pub incidents_open: u64,
    /// Objects that hold its records, if they are several.
    pub shards: Option<u64>,
}

/// The series of a component that are watched.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SeriesListReply {
    pub series: Vec<SeriesReply>,
    pub series_total: u64,
    pub decisions: Vec<DecisionReply>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SeriesReply {
    pub series: String,
    pub template: Option<String>,
    pub usual: f64,
    pub learned_minutes: u32,
    pub period_ms: Option<i64>,
    pub open: Option<String>,
}

/// One series with its last minutes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct BaselineReply {
    pub series: String,
    pub template: Option<String>,
    pub usual: f64,
    pub learned_minutes: u32,
    pub open: Option<String>,
    pub values: Option<ValuesReply>,
    pub points: Vec<PointReply>,
    pub decisions: Vec<DecisionReply>,
}

/// What the values of a variable usually are in one half hour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ValuesReply {
    pub from_ms: i64,
    pub rhythm: String,
    pub classes: Vec<ValueShareReply>,
}

/// The share of some of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ValueShareReply {
    pub above: Option<f64>,
    pub value: Option<String>,
    pub usual: f64,
    pub low: f64,
    pub high: f64,
}

/// One minute of a series.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PointReply {
    pub time_ms: i64,
    pub seen: u64,
    pub expected: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Something the detectors found, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct DecisionReply {
    pub kind: String,
    pub series: String,
    pub at_ms: i64,
    pub window_ms: i64,
    pub seen: u64,
    pub expected: f64,
    pub expected_low: f64,
    pub expected_high: f64,
    pub probability: f64,
    pub verdict: String,
    pub new_in_release: Option<String>,
    pub before_release: Option<BeforeReleaseReply>,
}

/// What there was of something before a release.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct BeforeReleaseReply {
    pub release: Option<String>,
    pub value: Option<String>,
    pub records: u64,
}

/// Counts over a time range.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SummaryReply {
    pub total: u64,
    pub by_level: BTreeMap<String, u64>,
    pub timeline: Vec<TimelinePoint>,
}

/// Counts of one interval.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TimelinePoint {
    pub time: Moment,
    pub total: u64,
    pub by_level: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_alike_however_it_came() {
        for json in ["1763632800123", r#""2025-11-20T10:00:00.123Z""#] {
            let moment: Moment = serde_json::from_str(json).unwrap();
            assert_eq!(moment.to_second(), "2025-11-20 10:00:00");
        }
        assert_eq!(serde_json::from_str::<Moment>("null").unwrap().to_second(), "-");
    }

    #[test]
    fn what_is_absent_is_empty_and_what_is_unknown_is_skipped() {
        let reply: PatternsReply = serde_json::from_str(r#"{"patterns":[{"id":"a","new":[1]}],"later":{}}"#).unwrap();
        assert_eq!((reply.patterns[0].id.as_str(), reply.patterns[0].count, reply.total), ("a", 0, 0));
        let reply: ComponentsReply = serde_json::from_str(r#"{"components":[{"name":"cart"}]}"#).unwrap();
        assert_eq!(reply.components[0].component, "cart");
        assert_eq!(serde_json::from_str::<SummaryReply>("{}").unwrap(), SummaryReply::default());
        assert!(serde_json::from_str::<IngestReply>("{}").is_err(), "a reply that accepts nothing by silence");
    }
}
