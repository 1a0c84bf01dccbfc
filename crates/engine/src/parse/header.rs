//! One parser for all kinds of line: [`parse_line`].
//!
//! A line is `header message`. The header is read token by token until something is not a token of a header; from
//! there on everything is message. In doubt text stays in the message, because text taken from it by mistake is lost
//! to search, while a header left in it only makes a pattern longer. Whatever is cut off is still there as
//! [`ParsedLine::header`].
//!
//! The order of attempts, most telling first: continuation of a stack trace, JSON object, RFC 5424, access log, then
//! the columns of everything else. A container's or a syslog daemon's prefix may carry a complete line of another
//! kind; that one is parsed by the same grammar, once.

use crate::level::Level;
use crate::parse::timestamp::ReadTime;
use crate::parse::{access, column, continuation, message, object, syslog};
use crate::time::Timestamp;
use std::borrow::Cow;

/// `key=value` pairs kept of one line; the text of the others stays in the message all the same.
pub const PAIRS_MAX: usize = 128;

/// What a line says about itself. Text is borrowed from the line wherever it needs no unescaping.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedLine<'a> {
    /// When it happened.
    pub timestamp: Option<ReadTime>,
    /// How serious, if the line says so.
    pub level: Option<Level>,
    /// What remains when the header is cut off; never empty unless the line is blank.
    pub message: Cow<'a, str>,
    /// The text before the message, where the message is the end of the line; otherwise empty.
    pub header: &'a str,
    /// The machine that wrote the line.
    pub host: Option<&'a str>,
    /// The program that wrote it.
    pub process: Option<&'a str>,
    /// Its process id.
    pub pid: Option<&'a str>,
    /// The thread, by name or number.
    pub thread: Option<&'a str>,
    /// The logger, module, class or source file.
    pub logger: Option<&'a str>,
    /// The client's address, without a port.
    pub client_ip: Option<&'a str>,
    /// HTTP method.
    pub method: Option<&'a str>,
    /// Path of the request with its query, or a whole URL, as written.
    pub path: Option<&'a str>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Size of the response in bytes.
    pub bytes: Option<u64>,
    /// How long it took in milliseconds, where the line states it with a unit.
    pub duration_ms: Option<f64>,
    /// `key=value` pairs and members of an object in the order written, at most [`PAIRS_MAX`].
    pub fields: Vec<(&'a str, Cow<'a, str>)>,
    /// The line belongs to the record before it: a stack frame, an indented line.
    pub is_continuation: bool,
}

impl<'a> ParsedLine<'a> {
    /// The value of a field.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.as_ref())
    }

    /// Takes over what a line carried inside this one says. Its own words win where it knows better (level, message),
    /// the carrier's where the carrier does (its clock has a zone and a year).
    pub(crate) fn absorb(&mut self, inner: ParsedLine<'a>) {
        let needs_time = self.timestamp.is_none_or(|time| time.year_assumed);
        if inner.timestamp.is_some_and(|time| !time.year_assumed) && needs_time || self.timestamp.is_none() {
            self.timestamp = inner.timestamp;
        }
        self.level = inner.level.or(self.level);
        self.message = inner.message;
        self.host = self.host.or(inner.host);
        self.process = self.process.or(inner.process);
        self.pid = self.pid.or(inner.pid);
        self.thread = self.thread.or(inner.thread);
        self.logger = self.logger.or(inner.logger);
        self.client_ip = self.client_ip.or(inner.client_ip);
        self.method = self.method.or(inner.method);
        self.path = self.path.or(inner.path);
        self.status = self.status.or(inner.status);
        self.bytes = self.bytes.or(inner.bytes);
        self.duration_ms = self.duration_ms.or(inner.duration_ms);
        self.fields.extend(inner.fields);
        self.fields.truncate(PAIRS_MAX);
        self.is_continuation = inner.is_continuation;
    }

    /// Keeps a pair, if there is room.
    pub(crate) fn push_field(&mut self, key: &'a str, value: Cow<'a, str>) {
        if self.fields.len() < PAIRS_MAX {
            self.fields.push((key, value));
        }
    }
}

/// Lines that a line may carry inside itself, one in the other.
const NESTING_MAX: u8 = 2;

/// What `line` says about itself. `reference` supplies a missing year and is otherwise not looked at; the result
/// depends on nothing else. Takes time linear in the line.
pub fn parse_line<'a>(line: &'a str, reference: Timestamp) -> ParsedLine<'a> {
    parse_nested(line, reference, NESTING_MAX)
}

/// [`parse_line`], with how many more lines may be carried inside.
pub(crate) fn parse_nested<'a>(line: &'a str, reference: Timestamp, nesting: u8) -> ParsedLine<'a> {
    let text = line.trim_start_matches('\u{feff}').trim_end();
    let body = text.trim_start();
    if body.is_empty() {
        return ParsedLine::default();
    }
    if continuation::is_continuation(text, reference) {
        return ParsedLine { message: Cow::Borrowed(text), is_continuation: true, ..ParsedLine::default() };
    }
    let mut parsed = object::read(body, reference, nesting)
        .or_else(|| syslog::read_versioned(body, reference, nesting))
        .or_else(|| access::read_common(body, reference))
        .unwrap_or_else(|| column::read(body, reference, nesting));
    message::complete(&mut parsed, body);
    parsed
}
