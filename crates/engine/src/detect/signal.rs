//! What a detector found: one form for all of them.

use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};

/// The series a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All records of the component.
    Component,
    /// One pattern.
    Pattern(PatternId),
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalKind {
    /// Far more records than usual, within minutes.
    Burst,
    /// Far fewer.
    Drop,
    /// None at all where some were due.
    Silence,
    /// A regular job did not report.
    Missed,
    /// The rate moved to another level and stayed; from here on that level is normal.
    LevelShift,
    /// A larger share of errors than usual.
    ErrorRatio,
    /// A larger share of slow records than usual.
    LatencyShift,
    /// A pattern that this component never had.
    NewPattern,
}

impl SignalKind {
    /// Stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Drop => "drop",
            Self::Silence => "silence",
            Self::Missed => "missed",
            Self::LevelShift => "level_shift",
            Self::ErrorRatio => "error_ratio",
            Self::LatencyShift => "latency_shift",
            Self::NewPattern => "new_pattern",
        }
    }
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// What happened.
    pub kind: SignalKind,
    /// To which series.
    pub subject: Subject,
    /// When it was found.
    pub at: Timestamp,
    /// When it began, as far as the window tells.
    pub since: Timestamp,
    /// Width of the window that showed it.
    pub window: Millis,
    /// Expected in that window (records; for ratios hits), and below and above what it would be remarkable.
    pub expected: f64,
    /// Lower end of the usual.
    pub expected_low: f64,
    /// Upper end of the usual.
    pub expected_high: f64,
    /// Seen in that window.
    pub seen: u64,
    /// Of how many; for counts the same as `seen`.
    pub total: u64,
    /// Probability of this or worse if nothing had changed, corrected for the windows that were tried.
    pub probability: f64,
    /// Sure enough to tell somebody, not only to show.
    pub is_alerting: bool,
}
