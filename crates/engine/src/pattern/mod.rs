//! What shape a line has: every record gets a pattern the moment it arrives.
//!
//! The seam is [`Miner`]: `observe` gives a record's pattern at once. A line goes through it like this:
//!
//! 1. `scan` cuts it into words, delimiters and variables in one pass over its bytes; `signature` folds these into 64
//!    bits. A known signature is one look-up in `index`, and that is all for nearly every line.
//! 2. Another is thought about in `learner`: with one word left open, is such a line known, or were enough different
//!    words seen there (`evidence`)? Then the word is a variable, and what is left is looked at again (`shape`).
//! 3. Patterns that turn out to be one are merged into the eldest. The ids of the others become its aliases.
//! 4. What people taught (`lesson`) may send the line on to another pattern (`taught`).
//! 5. `stats` counts it; `split` takes it apart without loss, and `variables` holds what stood in its places.
//!
//! Invariants: the counts of all patterns (with the overflow pattern) add up to the records observed; an id is given at
//! birth, means the same lines from then on, and survives generalization; at most `limits::PATTERNS_MAX` patterns are
//! held; the same lines in the same order give the same ids and templates on every platform, however they are split
//! into batches and whenever the object restarts.
//!
//! Left out: dictionaries and settings for kinds of logs, similarity thresholds, raw JSON (fields are parsed before).

mod class;
mod evidence;
mod ground;
mod header;
mod index;
mod kind;
mod learner;
pub mod lesson;
mod miner;
mod rules;
mod scan;
mod shape;
mod signature;
pub mod similar;
mod split;
mod stats;
mod taught;
mod variables;

pub use kind::{Unit, VariableKind, number};
pub use miner::{Miner, Observed, told};
pub use rules::Rule;
pub use shape::template_of;
pub use split::{Split, extract, join, rebuild, split};
pub use stats::{Exemplar, Firsts, Owner, Pattern};
pub use variables::{Variable, Variables};

use std::fmt;

/// Identity of a pattern, given at birth. Shown as 16 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternId(pub u64);

impl PatternId {
    /// Holds the count of what fell out when there were more shapes than room.
    pub const OVERFLOW: Self = Self(0);

    /// Reads the shown form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let mut id = 0;
        for digit in digits {
            id = id << 4 | u64::from(char::from(*digit).to_digit(16)?);
        }
        Some(Self(id))
    }
}

impl fmt::Display for PatternId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
