//! Lines that belong to the record before them: frames of a stack trace, and whatever else is indented.
//!
//! One line is all there is to go by, so that the last line of a Python trace (`ValueError: ...`), which starts like
//! any other, counts as a record of its own.

use crate::parse::{ansi, group, level_token, object, timestamp, word};
use crate::time::Timestamp;

/// Whether `text` (no white space at its end, not blank) continues the record before it.
pub(crate) fn is_continuation(text: &str, reference: Timestamp) -> bool {
    let body = text.trim_start();
    if body.len() < text.len() {
        return !starts_record(body, reference);
    }
    starts_like_trace(body) || body.bytes().all(|byte| matches!(byte, b'}' | b']' | b')' | b',' | b';'))
}

/// Whether an indented line is a record all the same: it starts with a time, a level column or is a whole object.
fn starts_record(body: &str, reference: Timestamp) -> bool {
    let body = body.get(ansi::blank_len(body)..).unwrap_or("");
    let group = word::group(body).map(word::inside);
    timestamp::read_prefix(body, reference).is_some()
        || level_token::starts_padded(body)
        || group.is_some_and(|inner| group::starts_record(inner, reference))
        || object::spans(body)
}

/// Openings that runtimes print within a trace without indenting them.
fn starts_like_trace(body: &str) -> bool {
    const OPENINGS: [&str; 9] = [
        "Caused by: ",
        "Suppressed: ",
        "Traceback (most recent call last)",
        "During handling of the above exception, another exception occurred",
        "The above exception was the direct cause of the following exception",
        "Stack trace:",
        "stack backtrace:",
        "--- End of ",
        "note: run with `RUST_BACKTRACE",
    ];
    if OPENINGS.iter().any(|opening| body.starts_with(opening)) {
        return true;
    }
    // PHP: `#0 /srv/app.php(12): f()`.
    if let Some(rest) = body.strip_prefix('#') {
        let digits = rest.bytes().take(4).take_while(u8::is_ascii_digit).count();
        return digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(' '));
    }
    // Go: `goroutine 1 [running]:`.
    body.strip_prefix("goroutine ").is_some_and(|rest| rest.ends_with("]:"))
}
