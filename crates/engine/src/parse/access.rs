//! Lines about HTTP requests: common and combined access logs, and their relatives with more columns.
//!
//! What they share is a time in brackets and a request in quotes. Their message is the request with its status, since
//! that is what a person calls the event; everything else is in fields.

use crate::level::Level;
use crate::parse::header::ParsedLine;
use crate::parse::{timestamp, word};
use crate::time::Timestamp;
use std::borrow::Cow;

/// How far into the line the time may start.
const TIME_OFFSET_MAX: usize = 256;

/// A request as its first line states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

/// The level of a status: 5xx error, 4xx warn, else info.
pub(crate) fn status_level(status: u16) -> Level {
    match status {
        500.. => Level::ERROR,
        400..=499 => Level::WARN,
        _ => Level::INFO,
    }
}

/// A status at the start of `text`: three digits, 100 to 599, and nothing of a word after them.
pub(crate) fn status(text: &str) -> Option<u16> {
    let word = text.split([' ', '\t', ',', '|', '"', ';']).next()?;
    if word.len() != 3 {
        return None;
    }
    word.parse().ok().filter(|code| (100..=599).contains(code))
}

/// `METHOD target [HTTP/version]`, and nothing else.
pub(crate) fn request(text: &str) -> Option<Request<'_>> {
    let (method, rest) = text.split_once(' ')?;
    let is_method = (3..=16).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let (path, version) = match rest.rsplit_once(' ') {
        Some((path, version)) if version.starts_with("HTTP/") => (path, Some(version)),
        _ => (rest, None),
    };
    let is_target = path.starts_with('/') || path.contains("://") || path == "*" || version.is_some();
    (is_method && is_target && !path.is_empty()).then_some(Request { method, path })
}

/// An access line: words, `[time]`, and a request in quotes with its status near it.
pub(crate) fn read_common<'a>(body: &'a str, reference: Timestamp) -> Option<ParsedLine<'a>> {
    let (before, after_open) = split_at_time(body)?;
    let (time, len) = timestamp::read_prefix(after_open, reference)?;
    let after = after_open.get(len..)?.strip_prefix(']')?;
    let (line, status, rest) = quoted_request(after)?;
    let mut parsed = ParsedLine { timestamp: Some(time), ..ParsedLine::default() };
    parsed.status = Some(status);
    parsed.level = Some(status_level(status));
    if let Some(request) = request(line) {
        (parsed.method, parsed.path) = (Some(request.method), Some(request.path));
    }
    callers(before, &mut parsed);
    responses(rest, &mut parsed);
    parsed.message = Cow::Owned(format!("{} {status}", if line.is_empty() { "-" } else { line }));
    Some(parsed)
}

/// The text before and after the bracket that opens a time written `10/Oct/2000`.
fn split_at_time(body: &str) -> Option<(&str, &str)> {
    let bytes = body.as_bytes();
    let mut open = 0;
    loop {
        open += bytes.get(open..TIME_OFFSET_MAX.min(bytes.len()))?.iter().position(|byte| *byte == b'[')?;
        let is_date = match bytes.get(open + 1..open + 5) {
            Some([day, b'/', month, _] | [day, _, b'/', month]) => day.is_ascii_digit() && month.is_ascii_uppercase(),
            _ => false,
        };
        if is_date {
            break;
        }
        open += 1;
    }
    Some((body.get(..open)?, body.get(open + 1..)?))
}

/// The request in quotes, its status, and the text after the status. The status follows the request, or (where a
/// proxy writes the request last) is the first one before it that a size follows.
fn quoted_request(after: &str) -> Option<(&str, u16, &str)> {
    let start = after.find('"')?;
    let inner = after.get(start + 1..)?;
    let end = quote_end(inner)?;
    let line = inner.get(..end)?;
    let rest = inner.get(end + 1..)?.trim_start();
    let leads = after.get(..start)?.trim();
    if let Some(status) = status(rest).filter(|_| leads.is_empty() || request(line).is_some()) {
        return Some((line, status, rest.get(3..)?));
    }
    request(line)?;
    let words: Vec<&str> = leads.split_ascii_whitespace().take(32).collect();
    let found = words.windows(2).find_map(|pair| match pair {
        [code, size] if word::is_digits(size) => status(code),
        _ => None,
    })?;
    Some((line, found, ""))
}

/// The closing quote; a quote after a backslash does not close.
fn quote_end(inner: &str) -> Option<usize> {
    let mut escaped = false;
    inner.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// `[host] client identity user`, as far as they are there.
fn callers<'a>(before: &'a str, parsed: &mut ParsedLine<'a>) {
    let words: Vec<&str> = before.split_ascii_whitespace().take(8).collect();
    let client = words.iter().position(|word| word::address(word).is_some());
    if let Some(at) = client {
        parsed.client_ip = words.get(at).and_then(|word| word::address(word));
        if at == 1 {
            parsed.host = words.first().copied();
        }
    } else if words.len() == 3 {
        parsed.host = None;
        if let Some(name) = words.first().filter(|name| **name != "-") {
            parsed.push_field("client", Cow::Borrowed(name));
        }
    }
    let user = words.get(client.unwrap_or(0) + 2).filter(|user| **user != "-");
    if let Some(user) = user {
        parsed.push_field("user", Cow::Borrowed(user));
    }
}

/// `size "referer" "agent" ...`, as far as they are there, and a duration with a unit.
fn responses<'a>(rest: &'a str, parsed: &mut ParsedLine<'a>) {
    let rest = rest.trim_start();
    let size = word::next(rest);
    parsed.bytes = size.parse().ok();
    let mut quoted = rest.split('"').skip(1).step_by(2).take(2).filter(|text| *text != "-" && !text.is_empty());
    // With one of the two absent its dash has been filtered, so that position tells only when both are there.
    if let Some(referer) = rest.split('"').nth(1).filter(|text| *text != "-" && !text.is_empty()) {
        parsed.push_field("referer", Cow::Borrowed(referer));
        quoted.next();
    }
    if let Some(agent) = quoted.next() {
        parsed.push_field("user_agent", Cow::Borrowed(agent));
    }
    let last = rest.rsplit(' ').next().unwrap_or("");
    parsed.duration_ms = crate::parse::member::duration_ms(last, "");
}

/// Columns after a time as web servers on Windows write them: an address, a method, a path, and near the end a status
/// followed by at least two more numbers.
pub(crate) fn read_columns<'a>(text: &'a str, parsed: &mut ParsedLine<'a>) -> Option<()> {
    let words: Vec<&str> = text.split_ascii_whitespace().take(64).collect();
    let at = words.iter().take(6).position(|word| {
        (3..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase()) && *word != "TCP"
    })?;
    let (method, path) = (*words.get(at)?, *words.get(at + 1)?);
    if !path.starts_with('/') || !words.iter().take(at).any(|word| word::address(word).is_some()) {
        return None;
    }
    let numbers = words.iter().rev().take_while(|word| word::is_digits(word)).count();
    let tail = words.get(words.len().checked_sub(numbers)?..)?;
    let found = tail.first().and_then(|word| status(word)).filter(|_| numbers >= 3)?;
    (parsed.method, parsed.path, parsed.status) = (Some(method), Some(path), Some(found));
    parsed.level = Some(status_level(found));
    parsed.client_ip = words.iter().skip(at + 2).find_map(|word| word::address(word));
    parsed.host = words.iter().take(at).find_map(|word| word::address(word));
    // The last of four numbers is the time taken, in milliseconds by that format's definition.
    if numbers >= 4 {
        parsed.duration_ms = tail.last().and_then(|word| word.parse().ok());
    }
    parsed.message = Cow::Owned(format!("{method} {path} {found}"));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_method_and_target() {
        for (text, expected) in [
            ("GET / HTTP/1.1", Some(("GET", "/"))),
            ("GET /a b HTTP/1.1", Some(("GET", "/a b"))),
            ("CONNECT host:443 HTTP/1.1", Some(("CONNECT", "host:443"))),
            ("OPTIONS * HTTP/1.0", Some(("OPTIONS", "*"))),
            ("GET http://x/", Some(("GET", "http://x/"))),
            ("HELLO world", None),
            ("get /", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(request(text).map(|request| (request.method, request.path)), expected, "{text}");
        }
    }

    #[test]
    fn a_status_is_three_digits_alone() {
        assert_eq!(status("200 12"), Some(200));
        assert_eq!(status("404"), Some(404));
        for text in ["2000", "99 ", "600", "20x", ""] {
            assert_eq!(status(text), None, "{text}");
        }
        let levels = [200, 302, 404, 500, 599].map(|code| status_level(code).number());
        assert_eq!(levels, [9, 9, 13, 17, 17]);
    }
}
