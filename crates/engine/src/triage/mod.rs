//! Whether somebody should be told: from findings to incidents to alerts.
//!
//! A *signal* is a detector's finding about the record being written. Signals open or feed *incidents*; an incident
//! that opens asks for an *alert*, at once or, within the group window of another, together with its neighbours.
//! Apart from that, every record has a triage of its own ([`record`]) and may look like something known ([`rules`]).

mod burst;
mod incident;
pub mod record;
pub mod rules;

pub use burst::{Burst, ErrorWatch};
pub use incident::{Alert, AlertPattern, AlertPolicy, Incident, Incidents};
pub(crate) use incident::{EVIDENCE_MAX, Raised, Trigger};
