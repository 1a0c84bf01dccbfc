//! A line that is a JSON object: its top-level members, and the strings in it.
//!
//! This is a scanner and not a JSON library: it finds members and their ends and leaves validation of what is nested
//! inside them to whoever wants more. What is not an object from the first brace to the last is not one at all, and
//! the line is read as text.
//!
//! Invariant: linear time and constant depth of the stack, however deeply the line nests.

use crate::parse::header::{self, PAIRS_MAX, ParsedLine};
use crate::parse::member::{self, Role};
use crate::parse::timestamp;
use crate::time::Timestamp;
use std::borrow::Cow;

/// The value of a member, as it stands in the line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Raw<'a> {
    /// A string, without its quotes, still escaped.
    Text(&'a str),
    /// A number, true, false or null.
    Word(&'a str),
    /// An object or an array with its brackets.
    Nested(&'a str),
}

/// The record in a line that is one JSON object. A message that carries a line of its own (a container's `log`) is
/// parsed as one when the object says nothing about the level.
pub(crate) fn read<'a>(body: &'a str, reference: Timestamp, nesting: u8) -> Option<ParsedLine<'a>> {
    let members = members(body)?;
    let mut parsed = ParsedLine::default();
    let mut message = None;
    for (key, raw) in &members {
        take(&mut parsed, &mut message, key, *raw, reference);
    }
    // Some loggers put the message one level down (`fields.message`).
    if message.is_none() || parsed.level.is_none() {
        for inner in members.iter().filter_map(|(_, raw)| nested_members(*raw)) {
            for (key, raw) in inner {
                deepen(&mut parsed, &mut message, key, raw);
            }
        }
    }
    match message {
        Some(text) if !text.trim().is_empty() => carry(&mut parsed, text, reference, nesting),
        _ => parsed.message = Cow::Borrowed(body),
    }
    Some(parsed)
}

/// Whether `body` is one object from end to end.
pub(crate) fn spans(body: &str) -> bool {
    members(body).is_some()
}

/// One top-level member.
fn take<'a>(
    parsed: &mut ParsedLine<'a>,
    message: &mut Option<Cow<'a, str>>,
    key: &'a str,
    raw: Raw<'a>,
    reference: Timestamp,
) {
    let role = member::role(key);
    match raw {
        Raw::Word("null") => {}
        Raw::Text(text) if role == Some(Role::Message) && message.is_none() => *message = Some(unescape(text)),
        Raw::Text(text) => member::apply(parsed, key, unescape(text), reference),
        Raw::Word(text) => member::apply(parsed, key, Cow::Borrowed(text), reference),
        Raw::Nested(text) => {
            // Extended JSON wraps a time in an object with one member, `{"$date": ...}`.
            if role == Some(Role::Time)
                && parsed.timestamp.is_none()
                && let Some([(_, Raw::Text(inner) | Raw::Word(inner))]) = members(text).as_deref()
            {
                parsed.timestamp = timestamp::read(inner, reference);
                return;
            }
            parsed.push_field(key, Cow::Borrowed(text));
        }
    }
}

/// The members of a nested object, if it is one.
fn nested_members<'a>(raw: Raw<'a>) -> Option<Vec<(&'a str, Raw<'a>)>> {
    match raw {
        Raw::Nested(text) => members(text),
        _ => None,
    }
}

/// What a nested member adds where the top level was silent.
fn deepen<'a>(parsed: &mut ParsedLine<'a>, message: &mut Option<Cow<'a, str>>, key: &'a str, raw: Raw<'a>) {
    let (Raw::Text(text) | Raw::Word(text)) = raw else { return };
    match member::role(key) {
        Some(Role::Message) if message.is_none() && matches!(raw, Raw::Text(_)) => *message = Some(unescape(text)),
        Some(Role::Level) if parsed.level.is_none() && matches!(raw, Raw::Text(_)) => {
            parsed.level = member::level(key, &unescape(text));
        }
        _ => {}
    }
}

/// Gives `parsed` its message, which may be a line of another kind.
fn carry<'a>(parsed: &mut ParsedLine<'a>, text: Cow<'a, str>, reference: Timestamp, nesting: u8) {
    if parsed.level.is_some() || nesting == 0 {
        parsed.message = trimmed(text);
        return;
    }
    match text {
        Cow::Borrowed(text) => parsed.absorb(header::parse_nested(text, reference, nesting - 1)),
        // What was unescaped lives only here: the words that say where it came from cannot be borrowed from it.
        Cow::Owned(text) => {
            let inner = header::parse_nested(&text, reference, nesting - 1);
            parsed.level = inner.level;
            parsed.timestamp = parsed.timestamp.or(inner.timestamp);
            parsed.is_continuation = inner.is_continuation;
            let message = inner.message.into_owned();
            parsed.message = Cow::Owned(message);
        }
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The members of the object that is the whole of `body`; keys as written. Beyond a few times [`PAIRS_MAX`] only
/// members with a role are kept.
fn members(body: &str) -> Option<Vec<(&str, Raw<'_>)>> {
    let mut found = Vec::new();
    let mut rest = skip_space(body.strip_prefix('{')?);
    if let Some(end) = rest.strip_prefix('}') {
        return end.trim().is_empty().then_some(found);
    }
    loop {
        let inner = rest.strip_prefix('"')?;
        let end = string_end(inner)?;
        let key = inner.get(..end)?;
        rest = skip_space(skip_space(inner.get(end + 1..)?).strip_prefix(':')?);
        let (raw, len) = value(rest)?;
        if found.len() < PAIRS_MAX * 4 || member::role(key).is_some() {
            found.push((key, raw));
        }
        rest = skip_space(rest.get(len..)?);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip_space(after),
            None => return rest.strip_prefix('}')?.trim().is_empty().then_some(found),
        }
    }
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// The value at the start of `text`, and its bytes.
fn value(text: &str) -> Option<(Raw<'_>, usize)> {
    match text.bytes().next()? {
        b'"' => {
            let inner = text.get(1..)?;
            let end = string_end(inner)?;
            Some((Raw::Text(inner.get(..end)?), end + 2))
        }
        b'{' | b'[' => {
            let len = nested_len(text)?;
            Some((Raw::Nested(text.get(..len)?), len))
        }
        _ => {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
            let len = text.bytes().take_while(|byte| is_word(*byte)).count();
            let word = text.get(..len)?;
            let is_known = matches!(word, "true" | "false" | "null")
                || word.bytes().next().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
            is_known.then_some((Raw::Word(word), len))
        }
    }
}

/// Bytes of the object or array at the start of `text`: brackets are counted, strings are stepped over.
fn nested_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at += string_end(text.get(at + 1..)?)? + 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the string that starts before `inner` ends: the offset of its closing quote.
pub(crate) fn string_end(inner: &str) -> Option<usize> {
    let mut escaped = false;
    inner.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A string without its escapes; borrowed if it has none. An escape that is not one of JSON's stays as it is, half of
/// a surrogate pair becomes U+FFFD.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let (character, len) = match escape.as_bytes().get(1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'"') => ('"', 2),
            Some(b'/') => ('/', 2),
            Some(b'\\') => ('\\', 2),
            Some(b']') => (']', 2),
            Some(b'u') => unicode(escape).unwrap_or(('\\', 1)),
            _ => ('\\', 1),
        };
        plain.push(character);
        rest = escape.get(len..).unwrap_or("");
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// `\uXXXX`, and both halves of a surrogate pair; with the bytes taken.
fn unicode(escape: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(2)?;
    if (0xD800..0xDC00).contains(&first)
        && escape.get(6..8) == Some("\\u")
        && let Some(second) = unit(8).filter(|second| (0xDC00..0xE000).contains(second))
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return Some((char::from_u32(code).unwrap_or('\u{fffd}'), 12));
    }
    Some((char::from_u32(first).unwrap_or('\u{fffd}'), 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_whole_or_none() {
        for body in ["{}", "{ }", r#"{"a":1}"#, r#"{"a" : {"b":[1,"]}"]} , "c":null}  "#, r#"{"a":"\""}"#] {
            assert!(spans(body), "{body}");
        }
        for body in
            ["", "{", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1,}"#, r#"{"a":1} x"#, r#"{"a":"}"#, "{a:1}", r#"{"a":[}"#]
        {
            assert!(!spans(body), "{body}");
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let body = format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert!(spans(&body));
    }

    #[test]
    fn escapes_become_characters_and_nonsense_stays() {
        for (raw, expected) in [
            (r#"a\n\t\"\\\/b"#, "a\n\t\"\\/b"),
            (r"\u0041\u00e9", "Aé"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83d x", "\u{fffd} x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\u12 \x \", "\\u12 \\x \\"),
            (r"\b\f\r", "\u{8}\u{c}\r"),
        ] {
            assert_eq!(unescape(raw), expected, "{raw}");
        }
        assert!(matches!(unescape("plain"), Cow::Borrowed(_)));
    }
}
