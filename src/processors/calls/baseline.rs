//! Edge to stream: what is usual of a component's series, and what was decided about them.

use super::{DeploymentView, FeedbackView};
use serde::{Deserialize, Serialize};

/// Edge to stream: the list of series, or one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BaselineCall {
    /// Its name; none for the list.
    pub series: Option<String>,
    /// Minutes and decisions from here, ms.
    pub from_ms: i64,
    /// Up to here, exclusive, ms.
    pub to_ms: i64,
}

/// A watched series.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeriesView {
    /// `total`, `errors`, `latency`, `pattern:<id>`, `variable:<id>:<place>`, `facet:<id>:<facet>`.
    pub series: String,
    /// Template of a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Usual records a minute now; of `errors` and `latency` the usual share of records.
    pub usual: f64,
    /// Minutes it was learned.
    pub learned_minutes: u32,
    /// Its period, if it is regular, ms.
    pub period_ms: Option<i64>,
    /// What is open: a kind of signal.
    pub open: Option<String>,
    /// Of a variable that tells a level: where it stood last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// And the limit that it heads for, or away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Of one variable whose values are watched: what they usually are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesView>,
}

/// What the values of a variable usually are in one half hour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ValuesView {
    /// Where it begins, ms.
    pub from_ms: i64,
    /// By which hours it is expected: `none` (all alike), `daily`, `weekly`.
    pub rhythm: String,
    /// Shares of the values that are counted, smallest mark first.
    pub classes: Vec<ValueShareView>,
}

/// The share of some of the values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ValueShareView {
    /// Numbers above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Or one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many of all values are, 0 to 1.
    pub usual: f64,
    /// A smaller share is remarkable.
    pub low: f64,
    /// A larger one is.
    pub high: f64,
}

/// What a component began with, while it still counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeedView {
    /// The components that lent it, the most similar first.
    pub neighbours: Vec<String>,
    /// Hours of experience that their week is worth: gained while it fits, lost while it does not.
    pub worth_hours: f64,
    /// Hours that it was worth at first.
    pub given_hours: f64,
    /// Hours that the one of them that learned longest has learned.
    pub learned_hours: u32,
}

/// One minute of a series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PointView {
    /// Its start, ms.
    pub time_ms: i64,
    /// Records, or errors, or slow records.
    pub seen: u32,
    /// Of how many.
    pub total: u32,
    /// What was due; null while the series was not known.
    pub expected: Option<f64>,
    /// Fewer are remarkable.
    pub low: Option<f64>,
    /// More are remarkable.
    pub high: Option<f64>,
}

/// One decision of the detectors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionView {
    /// Kind of signal.
    pub kind: String,
    /// Of which series.
    pub series: String,
    /// Event time, ms.
    pub at_ms: i64,
    /// Since when, ms.
    pub since_ms: i64,
    /// Width of the window, ms.
    pub window_ms: i64,
    /// Expected in the window.
    pub expected: f64,
    /// Fewer are remarkable.
    pub expected_low: f64,
    /// More are remarkable.
    pub expected_high: f64,
    /// Seen in it.
    pub seen: u64,
    /// Of how many.
    pub total: u64,
    /// How likely this would be if nothing had changed.
    pub probability: f64,
    /// Receive time, ms.
    pub decided_at_ms: i64,
    /// `shown`, `quieted`, `late`, `opened`, `explained`.
    pub verdict: String,
    /// The release that a new pattern, a rare combination or a new value came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_in_release: Option<String>,
    /// Of a combination or a value that came with a release: what there was before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_release: Option<BeforeReleaseView>,
    /// The incident it opened, or belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
}

/// What there was of something before it came with a release: every occasion.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BeforeReleaseView {
    /// The release before it.
    pub release: Option<String>,
    /// The endpoint, environment or level that the pattern came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Records of that, of a variable those of its pattern, while the release before ran, none of which was such.
    pub records: u64,
    /// The same since the beginning.
    pub records_ever: u64,
}

/// Stream to edge.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BaselineAnswer {
    /// The domain's clocks: a name or a rule.
    #[serde(default)]
    pub time_zone: String,
    /// The series that were asked for: one, or the most frequent ones; none if it is not watched.
    pub series: Vec<SeriesView>,
    /// Series that are watched.
    pub series_total: u64,
    /// Variables of patterns that are watched; for the list.
    #[serde(default)]
    pub variables: Vec<SeriesView>,
    /// Its minutes, oldest first; empty for the list.
    pub points: Vec<PointView>,
    /// From which duration on a record is slow, ms; for `latency`.
    pub slow_from_ms: Option<f64>,
    /// Decisions about it, or about all, newest first.
    pub decisions: Vec<DecisionView>,
    /// What people said of its incidents, or of all, newest first, with the thresholds as they stand.
    #[serde(default)]
    pub feedback: Vec<FeedbackView>,
    /// Deployments, newest first.
    #[serde(default)]
    pub deployments: Vec<DeploymentView>,
    /// What it began with; none if nobody lent anything, or once its own experience has taken over.
    #[serde(default)]
    pub seed: Option<SeedView>,
    /// Records that came too late to be judged.
    pub late: u64,
    /// Records of patterns that had no room to be watched one by one.
    pub unwatched: u64,
}
