//! Seeded worlds: log lines of services that do not exist, in realistic layouts, frequencies and rhythm.
//!
//! In scope: [`workload::Workload`], an endless stream of [`workload::Line`]s of six services, each with a layout of
//! its own and more than thirty statements of very different frequency, a daily rhythm, warnings, errors and stack
//! traces; every line knows the statement it came from, so that a miner can be scored on it.
//! [`scenario`] makes weeks of components with faults of known kind and start, which arrive by way of [`delivery`];
//! [`scorecard`] measures detectors on them,
//! beside an [`oracle`] that knows all but when; [`variables`] does the same for what stands in the lines,
//! [`cold`] for the first days of a component among neighbours.
//! Out of scope: clocks, sockets, unseeded randomness. Files are written by the small binary only.
//!
//! Invariant: the same seed and options give the same bytes on every platform: arithmetic is on integers, in
//! [`scenario`] also on floats without a platform's functions.

pub mod cluster;
pub mod cold;
pub mod delivery;
pub mod fill;
pub mod layout;
pub mod oracle;
pub mod random;
pub mod scenario;
pub mod scorecard;
pub mod services;
pub mod variables;
pub mod workload;

pub use workload::{Line, Options, Workload};
