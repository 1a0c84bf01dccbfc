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
        let (kind, key) = Self::read_parts(input)?;
        Ok(Self { kind, key: key.to_owned() })
    }
    /// What it counts and which of it, as they lie in the bytes.
    pub(super) fn read_parts<'a>(input: &mut Reader<'a>) -> Result<(SeriesKind, &'a str), ReadError> {
        let code = usize::from(input.u8()?);
        let kind = SeriesKind::ALL.get(code).copied().ok_or(ReadError::Unknown("series kind"))?;
        Ok((kind, input.text()?))
    }
}

/// A series, compact: names are numbers of the object's table of names. Kind, then pattern or name, then level class or
/// error type, all in one number: counting a record is a dozen searches, and a search is comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Series(u128);

/// Pattern id that stands for `other`: all ones, which no hash below can be told from, at one in 2^64.
const OTHER_PATTERN: PatternId = PatternId(u64::MAX);
const OTHER_CODE: u8 = u8::MAX;
const OTHER_NAME: u32 = 0;

impl Series {
    const fn new(kind: SeriesKind, id: u64, code: u8) -> Self {
        Self((kind as u128) << 72 | (id as u128) << 8 | code as u128)
    }
    /// Level class by index.
    pub(super) const fn level(class: u8) -> Self {
        Self::new(SeriesKind::Level, 0, class)
    }
    /// Pattern.
    pub(super) const fn pattern(id: PatternId) -> Self {
        Self::new(SeriesKind::Pattern, id.0, 0)
    }
    /// Endpoint by name.
    pub(super) const fn endpoint(name: u32) -> Self {
        Self::new(SeriesKind::Endpoint, name as u64, 0)
    }
    /// Error type by index.
    pub(super) const fn error_type(code: u8) -> Self {
        Self::new(SeriesKind::ErrorType, 0, code)
    }
    /// Environment by name.
    pub(super) const fn environment(name: u32) -> Self {
        Self::new(SeriesKind::Environment, name as u64, 0)
    }
    /// Pattern and level class.
    pub(super) const fn pattern_level(id: PatternId, class: u8) -> Self {
        Self::new(SeriesKind::PatternLevel, id.0, class)
    }
    /// Errors of an endpoint by name.
    pub(super) const fn endpoint_error(name: u32) -> Self {
        Self::new(SeriesKind::EndpointError, name as u64, 0)
    }

    /// All of it in 64 bits, for tables.
    pub(super) const fn mixed(self) -> u64 {
        (self.0 as u64) ^ ((self.0 >> 64) as u64).rotate_left(40)
    }

    fn kind(self) -> SeriesKind {
        let code = (self.0 >> 72) as usize;
        // Every series was made with one of the kinds.
        SeriesKind::ALL.get(code).copied().unwrap_or(SeriesKind::Level)
    }
    /// The pattern, of series that have one.
    fn id(self) -> PatternId {
        PatternId((self.0 >> 8) as u64)
    }
    /// The name's number, of series that have one.
    fn name(self) -> u32 {
        (self.0 >> 8) as u32
    }
    /// The level class or error type, of series that have one.
    fn code(self) -> u8 {
        self.0 as u8
    }

    /// The series that takes what has no room in this one's kind.
    pub(super) fn other(self) -> Self {
        match self.kind() {
            SeriesKind::Level | SeriesKind::ErrorType => self,
            SeriesKind::Pattern => Self::pattern(OTHER_PATTERN),
            SeriesKind::Endpoint => Self::endpoint(OTHER_NAME),
            SeriesKind::Environment => Self::environment(OTHER_NAME),
            SeriesKind::PatternLevel => Self::pattern_level(OTHER_PATTERN, OTHER_CODE),
            SeriesKind::EndpointError => Self::endpoint_error(OTHER_NAME),
        }
    }

    /// The same series of another pattern, if it is one of `from`.
    pub(super) fn renamed(self, from: PatternId, into: PatternId) -> Option<Self> {
        let is_of_pattern = matches!(self.kind(), SeriesKind::Pattern | SeriesKind::PatternLevel);
        (is_of_pattern && self.id() == from).then(|| Self::new(self.kind(), into.0, self.code()))
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

    /// The number of `text`, if it has one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The name of this number.
    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or(OTHER, String::as_str)
    }

    /// Spells a series out.
    pub(super) fn key(&self, series: Series) -> SeriesKey {
        let level = |class: u8| LevelClass::ALL.get(usize::from(class)).map_or(OTHER, |class| class.word());
        let pattern = |id: PatternId| if id == OTHER_PATTERN { OTHER.to_owned() } else { id.to_string() };
        let kind = series.kind();
        let key = match kind {
            SeriesKind::Level => level(series.code()).to_owned(),
            SeriesKind::Pattern => pattern(series.id()),
            SeriesKind::ErrorType => {
                ErrorType::ALL.get(usize::from(series.code())).map_or(OTHER, |kind| kind.word()).to_owned()
            }
            SeriesKind::Endpoint | SeriesKind::Environment | SeriesKind::EndpointError => {
                self.text(series.name()).to_owned()
            }
            SeriesKind::PatternLevel => format!("{}|{}", pattern(series.id()), level(series.code())),
        };
        SeriesKey { kind, key }
    }

    /// The compact form of a spelled-out series; what cannot be read is `other`.
    pub(super) fn series(&mut self, kind: SeriesKind, key: &str) -> Series {
        let level = |word: &str| {
            LevelClass::ALL
                .into_iter()
                .find(|class| class.word() == word)
                .map_or(OTHER_CODE, |class| class.index() as u8)
        };
        let pattern = |text: &str| PatternId::parse(text).unwrap_or(OTHER_PATTERN);
        match kind {
            SeriesKind::Level => Series::level(level(key)),
            SeriesKind::Pattern => Series::pattern(pattern(key)),
            SeriesKind::Endpoint => Series::endpoint(self.id(key, usize::MAX)),
            SeriesKind::ErrorType => {
                Series::error_type(ErrorType::from_word(key).map_or(OTHER_CODE, |kind| kind as u8))
            }
            SeriesKind::Environment => Series::environment(self.id(key, usize::MAX)),
            SeriesKind::PatternLevel => {
                let (id, class) = key.split_once('|').unwrap_or((OTHER, OTHER));
                Series::pattern_level(pattern(id), level(class))
            }
            SeriesKind::EndpointError => Series::endpoint_error(self.id(key, usize::MAX)),
        }
    }
}
