//! Edge to stream: what somebody says of an incident, and what came of it.

use sapwood_engine::machine::stream::{Demand, Feedback, FeedbackAnswer, StreamMachine, Threshold};
use serde::{Deserialize, Serialize};

/// Edge to stream: an opinion, or to take one back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeedbackCall {
    /// The incident.
    pub incident_id: String,
    /// `noise` or `real`; none takes back what was said.
    pub verdict: Option<String>,
    /// Why; may be empty.
    pub note: String,
    /// Who.
    pub by: String,
}

/// Stream to edge: what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FeedbackOutcome {
    /// The component has no such incident.
    UnknownIncident,
    /// Nobody said anything of it.
    NothingToUndo,
    /// Where the threshold was, and where it is.
    Moved {
        /// Its step before.
        step_before: i8,
        /// As it stands.
        threshold: ThresholdView,
    },
}

impl FeedbackOutcome {
    /// What the machine answered.
    pub fn of(answer: FeedbackAnswer) -> Self {
        match answer {
            FeedbackAnswer::UnknownIncident => Self::UnknownIncident,
            FeedbackAnswer::NothingToUndo => Self::NothingToUndo,
            FeedbackAnswer::Moved(step_before, threshold) => {
                Self::Moved { step_before, threshold: ThresholdView::of(threshold) }
            }
        }
    }
}

/// What it takes to tell people of a kind of signal of a series. One of the last four is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdView {
    /// `total`, `errors`, `latency`, `pattern:<id>`.
    pub series: String,
    /// Kind of signal.
    pub kind: String,
    /// Steps towards quiet; 0 is what it is without feedback.
    pub step: i8,
    /// A probability below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability_below: Option<f64>,
    /// An absence of this many times the wait that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_times: Option<f64>,
    /// This many times `CRITICAL_THRESHOLD` and `BURST_FACTOR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_times: Option<u32>,
    /// This many records of a new error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

impl ThresholdView {
    /// As it is shown.
    pub fn of(threshold: Threshold) -> Self {
        let mut view = Self {
            series: threshold.subject.to_string(),
            kind: threshold.kind.as_str().to_owned(),
            step: threshold.step,
            probability_below: None,
            wait_times: None,
            errors_times: None,
            records: None,
        };
        match threshold.demand() {
            Demand::Probability(below) => view.probability_below = Some(below),
            Demand::Wait(times) => view.wait_times = Some(times),
            Demand::Errors(times) => view.errors_times = Some(times),
            Demand::Records(records) => view.records = Some(records),
        }
        view
    }
}

/// An opinion as it was given, and where the threshold that it moved stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedbackView {
    /// The incident.
    pub incident_id: String,
    /// `noise` or `real`.
    pub verdict: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who.
    pub by: String,
    /// When, ms.
    pub at_ms: i64,
    /// With all that was said of this kind of this series.
    pub threshold: ThresholdView,
}

impl FeedbackView {
    /// As it is shown.
    pub fn of(feedback: &Feedback, machine: &StreamMachine) -> Self {
        Self {
            incident_id: feedback.incident.clone(),
            verdict: feedback.opinion.word().to_owned(),
            note: feedback.note.clone(),
            by: feedback.by.clone(),
            at_ms: feedback.at.0,
            threshold: ThresholdView::of(machine.threshold(feedback.kind, feedback.subject)),
        }
    }
}
