//! The level of a record: as sent, else derived.
//!
//! Sent as a word: any word that [`Level::from_word`] knows, the numbered short names of OpenTelemetry (`ERROR4`,
//! `SEVERITY_NUMBER_WARN2`) and a few more. Words that mean "no level" count as absent; any other word is refused.
//!
//! Sent as a number: 10, 20, 30, 40, 50 and 60 are pino's and bunyan's levels, as are their custom ones between 25 and
//! 69, rounded down to the next ten; every other number from 1 to 24 is an OpenTelemetry severity. So a bare 10 or 20
//! is `trace` or `debug` and not OpenTelemetry's `INFO2` or `ERROR4`: libraries that send a number as `level` are far
//! more common, and a door that knows its numbers to be OpenTelemetry's passes the short name.
//!
//! Absent: the record's error type, a level word at the head of the message (`ERROR: ...`, `[warn] ...`,
//! `level=error ...`, `TypeError: ...`), the HTTP status (5xx error, 4xx warning), a stack trace or something thrown,
//! else info. Words elsewhere in the message say nothing: `0 errors found` is not an error.

use crate::level::Level;
use crate::record::{ErrorType, Rejection, RejectionCode};

/// Reads a level as sent. `Ok(None)` if it is blank or says that there is none.
pub fn read(sent: &str) -> Result<Option<Level>, Rejection> {
    // What nearly all loggers send.
    match sent {
        "info" | "INFO" => return Ok(Some(Level::INFO)),
        "error" | "ERROR" => return Ok(Some(Level::ERROR)),
        "warn" | "WARN" => return Ok(Some(Level::WARN)),
        "debug" | "DEBUG" => return Ok(Some(Level::DEBUG)),
        _ => {}
    }
    let word = sent.trim();
    if word.is_empty() || is_none(word) {
        return Ok(None);
    }
    match of_number(word).or_else(|| Level::from_word(word)).or_else(|| of_other_word(word)) {
        Some(level) => Ok(Some(level)),
        None => Err(unknown(word)),
    }
}

fn is_none(word: &str) -> bool {
    ["default", "unspecified", "undefined", "unknown", "notset", "none", "null", "0", "severity_number_unspecified"]
        .iter()
        .any(|none| word.eq_ignore_ascii_case(none))
}

fn of_number(word: &str) -> Option<Level> {
    let whole = word.strip_suffix(".0").unwrap_or(word);
    let number: u8 = whole.parse().ok()?;
    match number {
        10 => Some(Level::TRACE),
        20 => Some(Level::DEBUG),
        1..=24 => Level::from_number(number),
        25..=29 => Some(Level::DEBUG),
        30..=39 => Some(Level::INFO),
        40..=49 => Some(Level::WARN),
        50..=59 => Some(Level::ERROR),
        60..=69 => Some(Level::FATAL),
        _ => None,
    }
}

fn of_other_word(word: &str) -> Option<Level> {
    for (known, level) in
        [("success", Level::INFO), ("exception", Level::ERROR), ("dpanic", Level::FATAL), ("assert", Level::FATAL)]
    {
        if word.eq_ignore_ascii_case(known) {
            return Some(level);
        }
    }
    let prefix = "severity_number_";
    let name = match word.get(..prefix.len()) {
        Some(head) if head.eq_ignore_ascii_case(prefix) => word.get(prefix.len()..)?,
        _ => word,
    };
    let base = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let first = ["trace", "debug", "info", "warn", "error", "fatal"]
        .iter()
        .position(|known| base.eq_ignore_ascii_case(known))?;
    let step: u8 = match name.get(base.len()..)? {
        "" => 1,
        "2" => 2,
        "3" => 3,
        "4" => 4,
        _ => return None,
    };
    Level::from_number(u8::try_from(first).ok()? * 4 + step)
}

fn unknown(word: &str) -> Rejection {
    let shown = word.get(..word.floor_char_boundary(40)).unwrap_or_default();
    Rejection {
        code: RejectionCode::UnknownLevel,
        field: "/level".to_string(),
        reason: format!(
            "unknown level {shown:?}; accepted are trace, debug, info, notice, warn, error, critical, fatal and their \
             usual synonyms, the numbers 1 to 24 of OpenTelemetry, and 10, 20, 30, 40, 50, 60 of pino"
        ),
    }
}

/// What a record without a level is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The error type as sent.
    pub error_type: Option<ErrorType>,
    /// The message.
    pub message: &'a str,
    /// The HTTP status.
    pub status: Option<u16>,
    /// There is a stack trace, or words say that something was thrown.
    pub thrown: bool,
}

/// The level that the evidence speaks for.
pub fn derive(evidence: Evidence<'_>) -> Level {
    let said = evidence.error_type.map(|kind| match kind {
        ErrorType::Error | ErrorType::Exception => Level::ERROR,
        ErrorType::Warning => Level::WARN,
        ErrorType::Info => Level::INFO,
    });
    said.or_else(|| of_head(evidence.message))
        .or(match evidence.status {
            Some(500..) => Some(Level::ERROR),
            Some(400..) => Some(Level::WARN),
            _ => None,
        })
        .unwrap_or(if evidence.thrown { Level::ERROR } else { Level::INFO })
}

/// The level named at the head of a message.
pub fn of_head(message: &str) -> Option<Level> {
    let head = message.trim_start();
    let token = head.split(char::is_whitespace).next()?;
    if token.len() > 120 {
        return None;
    }
    if let Some(value) = ["level=", "lvl=", "severity="].iter().find_map(|name| token.strip_prefix(name)) {
        return Level::from_word(value.trim_matches('"'));
    }
    if names_a_throwable(token) {
        return Some(Level::ERROR);
    }
    // A bare word is a header only in capitals, brackets, or with a colon behind it; `Error` alone begins a sentence.
    let bare = token.trim_matches(|mark| matches!(mark, '[' | ']' | '(' | ')' | '<' | '>' | ':' | '|' | '-'));
    let marked =
        token.len() > bare.len() || head.get(token.len()..).is_some_and(|rest| rest.trim_start().starts_with(": "));
    let capitals = bare.len() > 2 && bare.bytes().all(|byte| byte.is_ascii_uppercase());
    if bare.len() < 2 || !(marked || capitals) || is_a_verb_in_disguise(bare, marked) {
        return None;
    }
    Level::from_word(bare)
}

/// `OK`, `LOG`, `HTTP` and `CONFIG` are levels to some systems, but at the head of a message they are mostly what they
/// say; a bracket makes them levels again.
fn is_a_verb_in_disguise(bare: &str, marked: bool) -> bool {
    !marked
        && ["ok", "log", "http", "config", "alert", "fine", "failure"]
            .iter()
            .any(|word| bare.eq_ignore_ascii_case(word))
}

/// Whether a token is the name of an error class in front of its message: `TypeError:`, `java.io.IOException:`.
pub fn names_a_throwable(token: &str) -> bool {
    let Some(name) = token.strip_suffix(':') else { return false };
    let last = name.rsplit(['.', '\\', ':', '$']).next().unwrap_or(name);
    let stem = last.strip_suffix("Error").or_else(|| last.strip_suffix("Exception"));
    stem.is_some_and(|stem| {
        stem.starts_with(|first: char| first.is_ascii_uppercase())
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sent: &str, number: u8) {
        assert_eq!(read(sent).ok().flatten().map(Level::number), Some(number), "{sent}");
    }

    #[test]
    fn words_and_short_names_are_read() {
        for (sent, number) in [
            ("info", 9),
            (" WARN ", 13),
            ("ERROR4", 20),
            ("info2", 10),
            ("SEVERITY_NUMBER_WARN2", 14),
            ("severity_number_error", 17),
            ("success", 9),
            ("DPANIC", 21),
            ("critical", 21),
        ] {
            check(sent, number);
        }
    }

    #[test]
    fn numbers_follow_the_stated_rule() {
        for (sent, number) in [
            ("1", 1),
            ("9", 9),
            ("17", 17),
            ("24", 24),
            ("10", 1),
            ("20", 5),
            ("30", 9),
            ("30.0", 9),
            ("35", 9),
            ("40", 13),
            ("50", 17),
            ("60", 21),
            ("25", 5),
        ] {
            check(sent, number);
        }
    }

    #[test]
    fn no_level_is_not_a_wrong_level() {
        for sent in ["", "  ", "DEFAULT", "0", "unspecified", "none"] {
            assert_eq!(read(sent), Ok(None), "{sent}");
        }
    }

    #[test]
    fn an_unknown_level_is_refused_by_name() {
        for sent in ["loud", "70", "-1", "1.5", "ERROR5", "errors", "warn\u{1b}[31m"] {
            let rejection = read(sent).expect_err(sent);
            assert_eq!((rejection.code, rejection.field.as_str()), (RejectionCode::UnknownLevel, "/level"));
            assert!(rejection.reason.contains("accepted are trace"), "{}", rejection.reason);
            assert!(!rejection.reason.contains('\u{1b}'));
        }
        assert!(read("loud").expect_err("refused").reason.contains("\"loud\""));
        assert!(read(&"é".repeat(500)).expect_err("refused").reason.len() < 400);
    }

    #[test]
    fn the_head_of_a_message_may_name_a_level() {
        for (message, number) in [
            ("ERROR: disk", 17),
            ("error: disk", 17),
            ("[warn] slow", 13),
            ("WARN slow", 13),
            ("<crit> x", 18),
            ("level=error msg=x", 17),
            ("severity=\"info\" x", 9),
            ("TypeError: x is not a function", 17),
            ("java.io.IOException: broken", 17),
            ("PHP\\Foo\\BarException: x", 17),
            ("Fatal : x", 21),
            ("[config] x", 5),
        ] {
            assert_eq!(of_head(message).map(Level::number), Some(number), "{message}");
        }
        for message in [
            "Error handling is on",
            "error budget left",
            "0 errors",
            "info",
            "HTTP server started",
            "OK then",
            "CONFIG loaded",
            "Exception: no stem is no class",
            "A: b",
            "",
            "errors: 0",
            "Terror: a film",
        ] {
            assert_eq!(of_head(message), None, "{message}");
        }
    }

    #[test]
    fn evidence_is_weighed_in_order() {
        let info = Evidence { message: "0 errors found", ..Evidence::default() };
        assert_eq!(derive(info), Level::INFO);
        assert_eq!(derive(Evidence { status: Some(503), ..info }), Level::ERROR);
        assert_eq!(derive(Evidence { status: Some(404), thrown: true, ..info }), Level::WARN);
        assert_eq!(derive(Evidence { status: Some(200), ..info }), Level::INFO);
        assert_eq!(derive(Evidence { thrown: true, ..info }), Level::ERROR);
        assert_eq!(derive(Evidence { message: "WARN: x", status: Some(500), ..info }), Level::WARN);
        for (kind, level) in [
            (ErrorType::Exception, Level::ERROR),
            (ErrorType::Error, Level::ERROR),
            (ErrorType::Warning, Level::WARN),
            (ErrorType::Info, Level::INFO),
        ] {
            assert_eq!(derive(Evidence { error_type: Some(kind), message: "FATAL: x", ..info }), level);
        }
    }
}
