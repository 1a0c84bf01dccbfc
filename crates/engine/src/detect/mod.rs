//! Noticing what is not usual.
//!
//! In scope: scoring measured series ([`ValueScorer`]) and watching the log series of one component.
//! Out of scope: whom to tell, which is [`crate::triage`].

mod value;

pub use value::{ValueScore, ValueScorer};
