//! What the message itself tells once the header is cut off: a level it starts with, pairs, a request, a duration.
//! The message keeps all of it.

use crate::level::Level;
use crate::parse::header::ParsedLine;
use crate::parse::member::{self, Role};
use crate::parse::{access, ansi, level_token, pairs, timestamp, word};
use std::borrow::Cow;

/// How far into a message a request, a duration and other facts are looked for, in bytes.
const FACTS_BYTES_MAX: usize = 2048;

/// Trims the message, falls back to the whole line where nothing is left of it, and reads what it tells.
pub(crate) fn complete<'a>(parsed: &mut ParsedLine<'a>, body: &'a str) {
    let plain = match std::mem::take(&mut parsed.message) {
        Cow::Borrowed(text) if parsed.is_continuation => Cow::Borrowed(text.trim_end()),
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text),
    };
    let source = match &plain {
        Cow::Borrowed(text) => Some(*text),
        Cow::Owned(_) => None,
    };
    let shown = match plain {
        Cow::Borrowed(text) => ansi::without_colours(text),
        Cow::Owned(text) => Cow::Owned(ansi::without_colours(&text).into_owned()),
    };
    parsed.message = match shown {
        shown if shown.trim().is_empty() => Cow::Borrowed(body),
        // Without its colours a text may start with a blank that was inside it.
        Cow::Owned(text) if !parsed.is_continuation => Cow::Owned(text.trim().to_owned()),
        shown => shown,
    };
    if let Some(text) = source {
        parsed.header = header_before(text, body);
        let is_plain = parsed.fields.is_empty();
        if is_plain {
            pairs::collect(text, parsed);
        }
        facts(parsed, text);
    }
    if parsed.level.is_none() && !parsed.is_continuation {
        parsed.level = level_hint(&parsed.message).or_else(|| field_level(parsed));
    }
}

/// The text before a message that ends the line; a message that is the whole line, or stands inside it, has none.
fn header_before<'a>(message: &str, body: &'a str) -> &'a str {
    if message.is_empty() { "" } else { body.strip_suffix(message).unwrap_or("") }
}

/// The level that the first words of a message tell.
fn level_hint(message: &str) -> Option<Level> {
    if let Some(token) = level_token::read(message, level_token::Place::Start) {
        return Some(token.level);
    }
    let first = word::next(message);
    if let Some(level) = mnemonic_level(first) {
        return Some(level);
    }
    // `ValueError: x`, `java.lang.IllegalStateException: y`, `com.acme.BrokenException` alone.
    let name = first.trim_end_matches(':');
    let is_named = first.len() > name.len() || first.len() == message.len();
    let is_fault = name.len() > 5 && (name.ends_with("Error") || name.ends_with("Exception"));
    if is_named && is_fault && word::is_name(name) {
        return Some(Level::ERROR);
    }
    if let Some(level) = labelled_level(message) {
        return Some(level);
    }
    let starts = ["Exception in thread ", "Uncaught ", "Unhandled ", "Traceback (most recent"];
    let is_panic = message.starts_with("thread '") && message.contains("' panicked at ");
    (is_panic || starts.iter().any(|start| message.starts_with(start))).then_some(Level::ERROR)
}

/// `Fatal error:`, `PHP Warning:`, `PHP Parse error:`: a level before a colon behind an abbreviation or another level.
fn labelled_level(message: &str) -> Option<Level> {
    let (label, _) = message.split_once(": ").filter(|(label, _)| label.len() <= 32)?;
    let mut words = label.split(' ');
    let first = words.next()?;
    let is_label = word::level_word(first).is_some()
        || ((2..=5).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_uppercase()));
    let last = words.clone().next_back()?;
    (is_label && words.count() <= 2).then(|| word::level_word(last).map(|found| found.level))?
}

/// `%FACILITY-3-NAME:` as network devices write it; the digit is a syslog severity.
fn mnemonic_level(word: &str) -> Option<Level> {
    let inner = word.strip_prefix('%')?.strip_suffix(':')?;
    let mut parts = inner.split('-').skip(1);
    let digit =
        parts.find(|part| part.len() == 1).and_then(|part| part.parse::<u16>().ok()).filter(|digit| *digit < 8)?;
    parts.next().map(|_| crate::parse::syslog::severity(digit))
}

/// A pair such as `level=error` inside the message.
fn field_level(parsed: &ParsedLine<'_>) -> Option<Level> {
    let named = parsed.fields.iter().find(|(key, _)| key.len() > 1 && member::role(key) == Some(Role::Level));
    named.and_then(|(key, value)| if word::is_digits(value) { None } else { member::level(key, value) })
}

/// Facts about a request that sentences state in customary ways.
fn facts<'a>(parsed: &mut ParsedLine<'a>, text: &'a str) {
    let mut end = text.len().min(FACTS_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or("");
    if text.contains('"') {
        quoted_request(parsed, text);
        started_request(parsed, text);
    }
    if let Some((_, rest)) = text.split_once("client: ").filter(|_| parsed.client_ip.is_none()) {
        parsed.client_ip = word::address(word::next(rest));
    }
    if let Some(rest) = text.strip_prefix("Completed ")
        && let Some(status) = access::status(rest)
        && parsed.status.is_none()
    {
        parsed.status = Some(status);
        raise(parsed, status);
    }
    if parsed.duration_ms.is_none() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        parsed.duration_ms = duration(text);
    }
}

/// `1.2.3.4:5 - "GET /x HTTP/1.1" 200 OK`, `request: "GET /x HTTP/1.1"`.
fn quoted_request<'a>(parsed: &mut ParsedLine<'a>, text: &'a str) {
    let mut parts = text.split('"');
    let before = parts.next().unwrap_or("");
    let inner = parts.clone().step_by(2).take(4).find(|part| part.contains(" HTTP/"));
    let Some(request) = inner.and_then(access::request).filter(|_| parsed.method.is_none()) else { return };
    (parsed.method, parsed.path) = (Some(request.method), Some(request.path));
    if parsed.client_ip.is_none() {
        parsed.client_ip = before.split_ascii_whitespace().take(8).find_map(word::address);
    }
    let after = parts.nth(1).unwrap_or("").trim_start();
    if let Some(status) = access::status(after).filter(|_| parsed.status.is_none()) {
        parsed.status = Some(status);
        raise(parsed, status);
    }
}

/// `Started GET "/x" for 1.2.3.4 at TIME`.
fn started_request<'a>(parsed: &mut ParsedLine<'a>, text: &'a str) {
    let Some(rest) = text.strip_prefix("Started ") else { return };
    let mut parts = rest.splitn(3, '"');
    let (Some(method), Some(path), Some(after)) = (parts.next(), parts.next(), parts.next()) else { return };
    let method = method.trim_end();
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || !path.starts_with('/') {
        return;
    }
    (parsed.method, parsed.path) = (Some(method), Some(path));
    if let Some(rest) = after.strip_prefix(" for ") {
        parsed.client_ip = parsed.client_ip.or_else(|| word::address(word::next(rest)));
    }
    if let Some((_, time)) = after.split_once(" at ").filter(|_| parsed.timestamp.is_none()) {
        // The year is written here, so that the reference cannot matter.
        parsed.timestamp = timestamp::read(time, crate::time::Timestamp(0)).filter(|time| !time.year_assumed);
    }
}

/// A failed request is at least as serious as its status, whatever the logger called it.
fn raise(parsed: &mut ParsedLine<'_>, status: u16) {
    let level = access::status_level(status);
    parsed.level = Some(parsed.level.map_or(level, |stated| stated.max(level)));
}

/// `... in 12ms`, `took 1.5 s`, `duration: 12.3 ms`.
fn duration(text: &str) -> Option<f64> {
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let name = word.trim_end_matches([':', '=']);
        if !["in", "took", "duration", "elapsed", "after"].contains(&name) {
            continue;
        }
        let mut ahead = words.clone();
        let Some(number) = ahead.next() else { break };
        if let Some(found) = member::duration_ms(number, "") {
            return Some(found);
        }
        if let Some(unit) = ahead.next()
            && let Some(found) = member::duration_ms(number, unit.trim_end_matches([',', ';', '.', ')']))
        {
            return Some(found);
        }
    }
    None
}
