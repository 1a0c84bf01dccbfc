//! A fault of ours or the platform's.

use std::fmt;

/// What failed, where, and the platform's words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was being done: `append journal`, `load state`.
    pub doing: &'static str,
    /// The platform's words.
    pub source: String,
}

impl Fault {
    /// A fault while `doing` something.
    pub fn new(doing: &'static str, source: impl fmt::Display) -> Self {
        Self { doing, source: source.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

impl std::error::Error for Fault {}
