//! What shape a line has: every record gets a pattern the moment it arrives.
//!
//! The seam is [`Miner`]: `observe` gives a record's pattern at once; everything else about patterns (statistics,
//! bounds, rows) is here too. This first miner is exact: a line's words with its typed variables masked are its
//! signature, and equal signatures are one pattern. Generalization by evidence, merges and splits replace the inside
//! later; ids and rows stay.
//!
//! Invariants: the counts of all patterns (with the overflow pattern) add up to the records observed; an id is given at
//! birth and never changes; at most `limits::PATTERNS_MAX` patterns are held.

mod class;
mod evidence;
mod index;
mod learner;
mod miner;
mod scan;
mod shape;
mod signature;
mod stats;

pub use miner::{Miner, Observed};
pub use shape::template_of;
pub use stats::{Exemplar, Pattern};

use std::fmt;

/// Identity of a pattern, given at birth. Shown as 16 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternId(pub u64);

impl PatternId {
    /// Holds the count of what fell out when there were more shapes than room.
    pub const OVERFLOW: Self = Self(0);

    /// Reads the shown form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for PatternId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
