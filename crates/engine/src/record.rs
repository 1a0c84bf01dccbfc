//! A record on its way through the house: as decoded ([`RawRecord`]), then as understood ([`Record`]).
//!
//! The stage is in the type. A `RawRecord` holds what the caller said, every field optional, both spellings already
//! folded into one by the decoder. `normalize` turns it into a `Record` or a [`Rejection`]; `redact` then removes what
//! must not be kept. Only a redacted `Record` is encoded into a segment.

use crate::fault::Fault;
use crate::level::Level;
use crate::time::Timestamp;
use crate::value::Fields;
use std::fmt;

/// What the caller sent, field by field, before anything is interpreted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawRecord {
    /// The caller's own id, if any: makes retries of this record free.
    pub id: Option<String>,
    /// Event time as sent.
    pub timestamp: RawTimestamp,
    /// Level as sent: a word, or a number in text form.
    pub level: Option<String>,
    /// The message as sent.
    pub message: Option<String>,
    /// Functional component as sent (`component`, or `service` where no component is given).
    pub component: Option<String>,
    /// Service name as sent.
    pub service: Option<String>,
    /// development, staging, production ...
    pub environment: Option<String>,
    /// ui, logic, backend, external.
    pub source: Option<String>,
    /// error, exception, warning, info.
    pub error_type: Option<String>,
    /// Application-defined error code.
    pub error_code: Option<String>,
    /// Route or path.
    pub endpoint: Option<String>,
    /// auth, data, api, ui ...
    pub category: Option<String>,
    /// 1 (most urgent) to 5.
    pub priority: Option<i64>,
    /// Who was affected.
    pub user_id: Option<String>,
    /// Session.
    pub session_id: Option<String>,
    /// Request.
    pub request_id: Option<String>,
    /// W3C trace id, 32 hex digits.
    pub trace_id: Option<String>,
    /// W3C span id, 16 hex digits.
    pub span_id: Option<String>,
    /// Release or version of the application.
    pub release: Option<String>,
    /// Stack trace as text.
    pub stack_trace: Option<String>,
    /// Full URL of the request in which it happened.
    pub url: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// Client address.
    pub ip: Option<String>,
    /// Client's user agent.
    pub user_agent: Option<String>,
    /// Duration of the operation in milliseconds.
    pub duration_ms: Option<f64>,
    /// Memory in use, in the unit the application chose.
    pub memory_usage: Option<f64>,
    /// Product feature.
    pub feature: Option<String>,
    /// Business workflow.
    pub workflow: Option<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Everything else, typed and nested: `attributes`, `metadata`, the rest of `context`, and unknown top-level keys.
    pub attributes: Fields,
    /// Template given by the client (`message_template`); such a message is not mined.
    pub message_template: Option<String>,
    /// Oddities found while decoding.
    pub defects: Vec<Defect>,
}

/// Event time as sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RawTimestamp {
    /// Not sent.
    #[default]
    Absent,
    /// An integer; the unit (s, ms, us, ns) is told by its magnitude.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
}

/// Where in the system a record comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Something a person sees.
    Ui,
    /// Business logic, and what is assumed when nothing says otherwise.
    #[default]
    Logic,
    /// Servers, databases, jobs.
    Backend,
    /// Somebody else's service.
    External,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 4] = [Self::Ui, Self::Logic, Self::Backend, Self::External];
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ui => "ui",
            Self::Logic => "logic",
            Self::Backend => "backend",
            Self::External => "external",
        }
    }
    /// The source that a word names, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word().eq_ignore_ascii_case(word))
    }
}

/// Error versus exception: an exception is thrown (or fatal), an error is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorType {
    /// Reported, not thrown.
    Error,
    /// Thrown: fatal, with a stack, or said to be so.
    Exception,
    /// A warning.
    Warning,
    /// Neither.
    #[default]
    Info,
}

impl ErrorType {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Error, Self::Exception, Self::Warning, Self::Info];
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Exception => "exception",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
    /// The type that a word names, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}

/// One frame of a stack trace, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Function or method, with its class or module where the runtime prints one.
    pub function: Option<String>,
    /// File, module path or URL.
    pub file: Option<String>,
    /// 1-based line.
    pub line: Option<u32>,
    /// 1-based column.
    pub column: Option<u32>,
    /// Whether this is the application's own code, not its runtime's or a library's.
    pub in_app: bool,
}

/// A record, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The caller's own id; ours is derived from where the record is stored.
    pub id: Option<String>,
    /// Event time.
    pub timestamp: Timestamp,
    /// How serious.
    pub level: Level,
    /// The message; control characters neutralized, at most `limits::MESSAGE_BYTES_MAX` bytes.
    pub message: String,
    /// Functional component, given or derived. A field, not the address.
    pub component: String,
    /// Service name.
    pub service: Option<String>,
    /// Environment, lower case.
    pub environment: String,
    /// Where in the system.
    pub source: Source,
    /// Error versus exception.
    pub error_type: ErrorType,
    /// Application-defined error code.
    pub error_code: Option<String>,
    /// Endpoint as a template: `/users/{id}`.
    pub endpoint: Option<String>,
    /// Category, lower case.
    pub category: String,
    /// 1 (most urgent) to 5.
    pub priority: u8,
    /// Who was affected.
    pub user_id: Option<String>,
    /// Session.
    pub session_id: Option<String>,
    /// Request.
    pub request_id: Option<String>,
    /// W3C trace id, 32 lower-case hex digits.
    pub trace_id: Option<String>,
    /// W3C span id, 16 lower-case hex digits.
    pub span_id: Option<String>,
    /// Release or version of the application.
    pub release: Option<String>,
    /// Stack trace as text.
    pub stack_trace: Option<String>,
    /// Parsed frames, innermost first, at most `limits::FRAMES_MAX`.
    pub frames: Vec<Frame>,
    /// Which fault the stack shows, if it has frames.
    pub fault: Option<Box<Fault>>,
    /// Full URL.
    pub url: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// Client address.
    pub ip: Option<String>,
    /// Client's user agent.
    pub user_agent: Option<String>,
    /// Duration of the operation in milliseconds.
    pub duration_ms: Option<f64>,
    /// Memory in use.
    pub memory_usage: Option<f64>,
    /// Product feature.
    pub feature: Option<String>,
    /// Business workflow.
    pub workflow: Option<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Everything else.
    pub attributes: Fields,
    /// Template given by the client.
    pub message_template: Option<String>,
    /// How urgent, and what to do.
    pub triage: Triage,
    /// Share of the dimensions that were known rather than guessed, in hundredths (0 to 100).
    pub categorization_confidence: u8,
    /// Oddities found on the way.
    pub defects: Vec<Defect>,
    /// What was removed: kind and how often, in order of kind.
    pub redactions: Vec<Redaction>,
}

impl Record {
    /// What stays of a record that was erased: its place among its neighbours, whose ids count on it, its time and its
    /// level. Nobody is shown it.
    pub fn husk(&self) -> Self {
        Self { timestamp: self.timestamp, level: self.level, ..Self::default() }
    }

    /// Whether this is what stays of a record that was erased. A record that came in has words, or the template that
    /// stands for them, and a component.
    pub fn is_husk(&self) -> bool {
        self.message.is_empty() && self.component.is_empty() && self.message_template.is_none() && self.id.is_none()
    }
}

/// How urgent a record is for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriageLevel {
    /// Now.
    Critical,
    /// Today.
    High,
    /// When there is time.
    Medium,
    /// Never, by itself.
    #[default]
    Low,
}

impl TriageLevel {
    /// All levels, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Triage of one record: how urgent, and which actions the rule that matched names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triage {
    /// How urgent.
    pub level: TriageLevel,
    /// Suggested actions, such as `alert_dba`; always words of [`crate::triage::record::ACTIONS`].
    pub actions: Vec<&'static str>,
}

/// Kinds of secret that redaction removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RedactionKind {
    /// The value (with its whole subtree) of a field whose name says it is secret.
    NamedField,
    /// `Authorization` values: Bearer, Basic.
    Bearer,
    /// JSON Web Token.
    Jwt,
    /// An API key of a known shape.
    ApiKey,
    /// A PEM private key.
    PrivateKey,
    /// A payment card number (Luhn).
    Card,
    /// An e-mail address.
    Email,
    /// An IP address (optional).
    Ip,
}

impl RedactionKind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::NamedField, Self::Bearer, Self::Jwt, Self::ApiKey, Self::PrivateKey, Self::Card, Self::Email, Self::Ip];
    /// The word that stands in the replacement, `[redacted:card]`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NamedField => "field",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
            Self::PrivateKey => "private_key",
            Self::Card => "card",
            Self::Email => "email",
            Self::Ip => "ip",
        }
    }
}

/// How often one kind of secret was removed from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redaction {
    /// What was removed.
    pub kind: RedactionKind,
    /// How often.
    pub count: u32,
}

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Something odd in a record that is stored all the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect { $($(#[$doc])* $name,)* }
        impl Defect {
            /// All defects; the position is the code in a segment, so new ones are appended.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Stable name in replies and metrics.
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
        }
    };
}

defects! {
    /// The message was longer than allowed and cut.
    MessageCut = "message_cut",
    /// Another field was longer than allowed and cut.
    FieldCut = "field_cut",
    /// No timestamp was sent: receive time is used.
    TimestampAbsent = "timestamp_absent",
    /// The timestamp could not be read: receive time is used.
    TimestampUnreadable = "timestamp_unreadable",
    /// The timestamp names no zone: UTC was assumed.
    ZoneAssumed = "zone_assumed",
    /// The timestamp lies too far in the future: receive time is used.
    TimestampFuture = "timestamp_future",
    /// The timestamp lies outside the years that can be stored and was moved to the nearest.
    TimestampOutOfRange = "timestamp_out_of_range",
    /// Bytes that are not UTF-8 were replaced by U+FFFD.
    InvalidUtf8 = "invalid_utf8",
    /// Control characters were replaced or escaped.
    ControlCharacters = "control_characters",
    /// Nested values deeper than allowed were replaced by text.
    NestingCut = "nesting_cut",
    /// More attributes than allowed; the rest was dropped.
    AttributesCut = "attributes_cut",
    /// A field had an unusable value that was kept as an attribute instead.
    FieldIgnored = "field_ignored",
    /// The record named no level: info was assumed or derived from the text.
    LevelAssumed = "level_assumed",
    /// More tags than allowed; the rest was dropped.
    TagsCut = "tags_cut",
    /// A field name was sent twice; the last value counts.
    DuplicateField = "duplicate_field",
}

/// Why one record of a request was refused; its neighbours are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code, `snake_case`.
    pub code: RejectionCode,
    /// The field, as a JSON pointer inside the record (`/message`), or empty for the record as a whole.
    pub field: String,
    /// What is wrong and what is accepted, for a person.
    pub reason: String,
}

/// Stable codes of refused records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionCode {
    /// The record is not a JSON object.
    NotAnObject,
    /// The text is not JSON.
    InvalidJson,
    /// No message.
    MissingMessage,
    /// The message is empty or white space.
    EmptyMessage,
    /// A field has the wrong type.
    WrongType,
    /// The level is not a known word or number.
    UnknownLevel,
    /// A field has a value outside what is allowed.
    InvalidValue,
    /// Nested deeper than the decoder follows.
    TooDeep,
    /// More records in the request than allowed.
    TooManyRecords,
    /// The caller may not write to the component that the record names.
    ForeignComponent,
}

impl RejectionCode {
    /// The stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::InvalidJson => "invalid_json",
            Self::MissingMessage => "missing_message",
            Self::EmptyMessage => "empty_message",
            Self::WrongType => "wrong_type",
            Self::UnknownLevel => "unknown_level",
            Self::InvalidValue => "invalid_value",
            Self::TooDeep => "too_deep",
            Self::TooManyRecords => "too_many_records",
            Self::ForeignComponent => "foreign_component",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.code(), self.reason)
    }
}
