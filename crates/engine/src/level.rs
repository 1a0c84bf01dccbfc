//! How serious a record is: the severity number of the OpenTelemetry logs data model (1 to 24), with the words
//! that other systems use for it.

use std::fmt;

/// An OpenTelemetry severity number, 1 (trace) to 24 (fatal4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// The six classes that people speak of; each spans four severity numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LevelClass {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl LevelClass {
    /// All classes, least serious first.
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Position in [`LevelClass::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl Level {
    /// Severity 1.
    pub const TRACE: Self = Self(1);
    /// Severity 5.
    pub const DEBUG: Self = Self(5);
    /// Severity 9, and what a record without a level gets.
    pub const INFO: Self = Self(9);
    /// Severity 10 (syslog notice).
    pub const NOTICE: Self = Self(10);
    /// Severity 13.
    pub const WARN: Self = Self(13);
    /// Severity 17.
    pub const ERROR: Self = Self(17);
    /// Severity 18 (syslog crit).
    pub const CRITICAL: Self = Self(18);
    /// Severity 19 (syslog alert).
    pub const ALERT: Self = Self(19);
    /// Severity 21 (syslog emerg).
    pub const FATAL: Self = Self(21);

    /// The level with this severity number; `None` outside 1 to 24.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= 24 { Some(Self(number)) } else { None }
    }

    /// The severity number, 1 to 24.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The class this level belongs to.
    pub const fn class(self) -> LevelClass {
        match self.0 {
            0..=4 => LevelClass::Trace,
            5..=8 => LevelClass::Debug,
            9..=12 => LevelClass::Info,
            13..=16 => LevelClass::Warn,
            17..=20 => LevelClass::Error,
            _ => LevelClass::Fatal,
        }
    }

    /// Whether this is an error or worse.
    pub const fn is_error(self) -> bool {
        self.0 >= 17
    }

    /// The level that a word names, in any case and without surrounding brackets or punctuation; `None` for any other
    /// word. `critical` is `fatal`, as in the prototype API; `crit` is syslog's 2.
    pub fn from_word(word: &str) -> Option<Self> {
        let trimmed = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if trimmed.is_empty() || trimmed.len() > 13 {
            return None;
        }
        let mut lower = [0u8; 13];
        for (slot, byte) in lower.iter_mut().zip(trimmed.bytes()) {
            *slot = byte.to_ascii_lowercase();
        }
        Some(match lower.get(..trimmed.len())? {
            b"trace" | b"finest" | b"silly" | b"trc" | b"t" => Self::TRACE,
            b"debug" | b"finer" | b"fine" | b"verbose" | b"config" | b"dbg" | b"d" => Self::DEBUG,
            b"info" | b"information" | b"informational" | b"log" | b"ok" | b"inf" | b"http" | b"i" => Self::INFO,
            b"notice" => Self::NOTICE,
            b"warn" | b"warning" | b"wrn" | b"w" => Self::WARN,
            b"error" | b"err" | b"severe" | b"failure" | b"e" => Self::ERROR,
            b"crit" | b"c" => Self::CRITICAL,
            b"alert" => Self::ALERT,
            b"fatal" | b"critical" | b"emergency" | b"emerg" | b"panic" | b"f" => Self::FATAL,
            _ => return None,
        })
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::INFO
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class().word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_systems_meet() {
        for (word, number) in [
            ("INFO", 9),
            ("[warn]", 13),
            ("Warning:", 13),
            ("SEVERE", 17),
            ("critical", 21),
            ("crit", 18),
            ("E", 17),
            ("emerg", 21),
            ("notice", 10),
            ("trace", 1),
            ("fine", 5),
        ] {
            assert_eq!(Level::from_word(word).map(Level::number), Some(number), "{word}");
        }
        for word in ["", "infos", "errors!x", "informational-but-long", "42", "é"] {
            assert_eq!(Level::from_word(word), None, "{word}");
        }
    }

    #[test]
    fn every_number_has_a_class_and_only_1_to_24_exist() {
        assert_eq!(Level::from_number(0), None);
        assert_eq!(Level::from_number(25), None);
        let classes: Vec<_> = (1..=24).filter_map(Level::from_number).map(Level::class).collect();
        for (index, class) in LevelClass::ALL.into_iter().enumerate() {
            assert!(classes[index * 4..index * 4 + 4].iter().all(|&c| c == class));
            assert_eq!(class.index(), index);
        }
    }
}
