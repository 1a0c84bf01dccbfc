//! Noticing what is not usual.
//!
//! In scope: scoring measured series ([`ValueScorer`]), and watching the log series of one component ([`Detectors`]):
//! bursts, drops, silences, missed jobs, level shifts, error ratio, latency, new patterns; what variables tell: levels
//! that head for a limit, values that are not what they were; what a pattern never came with. All told as [`Signal`]s.
//! Out of scope: whom to tell and when, which is [`crate::triage`]; what is usual, which is [`crate::baseline`].

mod candidate;
mod combination;
mod count_watch;
mod detectors;
mod drift;
mod explain;
mod fdr;
mod forecast;
mod gauge;
mod history;
mod level_watch;
mod ratio_watch;
mod release;
mod rhythm;
mod ring;
mod running;
mod seeding;
mod signal;
mod trend;
mod value;
mod watches;

pub(crate) use candidate::ALERT_BELOW;
pub(crate) use combination::{Combinations, Together};
pub use detectors::{Detectors, Facts, WATCHED_PATTERNS_MAX};
pub use drift::{DriftOutline, Rhythm, ShareBand, ValueBand, ValueShare};
pub(crate) use drift::{Drifts, PERIOD};
pub use explain::{Baseline, SeriesOutline};
pub(crate) use fdr::{STREAMS_FREE, alert_below, is_sure_in_domain};
pub use history::{Band, Point};
pub use release::NewWith;
pub(crate) use release::{COUNT_MIN, COUNTS_MAX, CountOf, Meeting, Releases, Standing};
pub use signal::{Facet, Signal, SignalKind, Subject};
pub use trend::LevelOutline;
pub(crate) use trend::{Stored, Trends};
pub use value::{ValueScore, ValueScorer};
