//! Names of counted series: compact inside, spelled out in rows and replies.

use crate::bytes::{ReadError, Reader, Writer};
use crate::level::LevelClass;
use crate::pattern::PatternId;
use crate::record::ErrorType;
use std::collections::BTreeMap;
use std::fmt;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    /// Level class.
    Level,
    /// Pattern.
    Pattern,
    /// Endpoint template.
    Endpoint,
    /// error, exception, warning, info.
    ErrorType,
    /// Environment.
    Environment,
    /// Pattern and level class.
    PatternLevel,
    /// Errors of an endpoint.
    EndpointError,
}

impl SeriesKind {
    /// All kinds; the position is the code in rows, so new ones are appended.
    pub const ALL: [Self; 7] = [
        Self::Level,
        Self::Pattern,
        Self::Endpoint,
        Self::ErrorType,
        Self::Environment,
        Self::PatternLevel,
        Self::EndpointError,
    ];
    /// Stable name in rows and replies.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Pattern => "pattern",
            Self::Endpoint => "endpoint",
            Self::ErrorType => "error_type",
            Self::Environment => "environment",
            Self::PatternLevel => "pattern_level",
            Self::EndpointError => "endpoint_error",
        }
    }
}

/// A series, spelled out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// What is counted.
    pub kind: SeriesKind,
    /// Which of it: `error`, a pattern's id, `/users/{id}`; `pattern|level` for pairs; `*` for all that had no room.
    pub key: String,
}

/// Stands for everything of a kind that had no room of its own.
pub(super) const OTHER: &str = "*";

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.word(), self.key)
    }
}

impl SeriesKey {
    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.kind as u8);
        out.text(&self.key);
    }
    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let code = usize::from(input.u8()?);
        let kind = SeriesKind::ALL.get(code).copied().ok_or(ReadError::Unknown("series kind"))?;
        Ok(Self { kind, key: input.text()?.to_owned() })
    }
}

/// A series, compact: names are numbers of the object's table of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Series {
    /// Level class by index.
    Level(u8),
    /// Pattern.
    Pattern(PatternId),
    /// Endpoint by name.
    Endpoint(u32),
    /// Error type by index.
    ErrorType(u8),
    /// Environment by name.
    Environment(u32),
    /// Pattern and level class.
    PatternLevel(PatternId, u8),
    /// Errors of an endpoint by name.
    EndpointError(u32),
}

/// Pattern id that stands for `other`: all ones, which no hash below can be told from, at one in 2^64.
const OTHER_PATTERN: PatternId = PatternId(u64::MAX);
const OTHER_CODE: u8 = u8::MAX;
const OTHER_NAME: u32 = 0;

impl Series {
    /// The smallest series in order, for range look-ups.
    pub(super) const FIRST: Self = Self::Level(0);

    /// The series that takes what has no room in this one's kind.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Level(class) => Self::Level(class),
            Self::Pattern(_) => Self::Pattern(OTHER_PATTERN),
            Self::Endpoint(_) => Self::Endpoint(OTHER_NAME),
            Self::ErrorType(kind) => Self::ErrorType(kind),
            Self::Environment(_) => Self::Environment(OTHER_NAME),
            Self::PatternLevel(..) => Self::PatternLevel(OTHER_PATTERN, OTHER_CODE),
            Self::EndpointError(_) => Self::EndpointError(OTHER_NAME),
        }
    }
}

/// The texts that series refer to by number. Number 0 is [`OTHER`].
#[derive(Clone, Debug)]
pub(super) struct Names {
    texts: Vec<String>,
    ids: BTreeMap<String, u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self { texts: vec![OTHER.to_owned()], ids: BTreeMap::from([(OTHER.to_owned(), OTHER_NAME)]) }
    }
}

impl Names {
    /// The number of `text`, new while there are fewer than `room` names, else that of `other`.
    pub(super) fn id(&mut self, text: &str, room: usize) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        if self.texts.len() >= room {
            return OTHER_NAME;
        }
        let id = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.ids.insert(text.to_owned(), id);
        id
    }

    /// The name of this number.
    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or(OTHER, String::as_str)
    }

    /// Spells a series out.
    pub(super) fn key(&self, series: Series) -> SeriesKey {
        let level = |class: u8| LevelClass::ALL.get(usize::from(class)).map_or(OTHER, |class| class.word());
        let pattern = |id: PatternId| if id == OTHER_PATTERN { OTHER.to_owned() } else { id.to_string() };
        let (kind, key) = match series {
            Series::Level(class) => (SeriesKind::Level, level(class).to_owned()),
            Series::Pattern(id) => (SeriesKind::Pattern, pattern(id)),
            Series::Endpoint(name) => (SeriesKind::Endpoint, self.text(name).to_owned()),
            Series::ErrorType(code) => {
                let word = ErrorType::ALL.get(usize::from(code)).map_or(OTHER, |kind| kind.word());
                (SeriesKind::ErrorType, word.to_owned())
            }
            Series::Environment(name) => (SeriesKind::Environment, self.text(name).to_owned()),
            Series::PatternLevel(id, class) => (SeriesKind::PatternLevel, format!("{}|{}", pattern(id), level(class))),
            Series::EndpointError(name) => (SeriesKind::EndpointError, self.text(name).to_owned()),
        };
        SeriesKey { kind, key }
    }

    /// The compact form of a spelled-out series; what cannot be read is `other`.
    pub(super) fn series(&mut self, key: &SeriesKey) -> Series {
        let level = |word: &str| {
            LevelClass::ALL
                .into_iter()
                .find(|class| class.word() == word)
                .map_or(OTHER_CODE, |class| class.index() as u8)
        };
        let pattern = |text: &str| PatternId::parse(text).unwrap_or(OTHER_PATTERN);
        match key.kind {
            SeriesKind::Level => Series::Level(level(&key.key)),
            SeriesKind::Pattern => Series::Pattern(pattern(&key.key)),
            SeriesKind::Endpoint => Series::Endpoint(self.id(&key.key, usize::MAX)),
            SeriesKind::ErrorType => {
                Series::ErrorType(ErrorType::from_word(&key.key).map_or(OTHER_CODE, |kind| kind as u8))
            }
            SeriesKind::Environment => Series::Environment(self.id(&key.key, usize::MAX)),
            SeriesKind::PatternLevel => {
                let (id, class) = key.key.split_once('|').unwrap_or((OTHER, OTHER));
                Series::PatternLevel(pattern(id), level(class))
            }
            SeriesKind::EndpointError => Series::EndpointError(self.id(&key.key, usize::MAX)),
        }
    }
}
