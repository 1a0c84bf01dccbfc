//! What is wrong with a configuration, said so that the reader can put it right without opening the code.

use std::fmt;

/// One thing to put right. Never holds any part of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key concerned, as written.
    pub key: String,
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// The value as written, where it may be shown: cut to 80 characters, control characters escaped.
    pub value: Option<String>,
    /// What would be allowed.
    pub allowed: String,
    /// What is wrong and what to do.
    pub help: String,
}

/// The sorts of problem; the words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It must be set and is not.
    Missing,
    /// No such key.
    Unknown,
    /// The prototype's key, which would change nothing here.
    Refused,
    /// The value is not one of those allowed.
    Invalid,
    /// It does not go with another key.
    Conflict,
    /// A secret stands where everybody can read it.
    Exposed,
}

impl ProblemKind {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Exposed => "exposed",
        }
    }
}

/// One line: `KEY: invalid: "x" is not allowed here (allowed: 1 to 5 things)`.
impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.key, self.kind.word())?;
        if let Some(value) = &self.value {
            write!(f, "\"{value}\" ")?;
        }
        f.write_str(&self.help)?;
        if !self.allowed.is_empty() {
            write!(f, " (allowed: {})", self.allowed)?;
        }
        Ok(())
    }
}
