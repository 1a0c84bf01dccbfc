//! `key=value`: whole lines of it (logfmt), and single pairs inside a message.

use crate::parse::header::{PAIRS_MAX, ParsedLine};
use crate::parse::member::{self, Role};
use crate::parse::scan::Scan;
use crate::parse::{object, word};
use crate::time::Timestamp;
use std::borrow::Cow;

/// Bytes of a key; anything longer is text.
const KEY_BYTES_MAX: usize = 64;

/// A pair at the start of a text.
struct Pair<'a> {
    key: &'a str,
    value: Cow<'a, str>,
    /// The value was in quotes.
    is_quoted: bool,
    /// Bytes of the whole pair.
    len: usize,
}

/// `key="value"` at the start of `text`, with its length; the value is unescaped.
pub(crate) fn quoted_pair(text: &str) -> Option<(&str, Cow<'_, str>, usize)> {
    let pair = pair(text)?;
    pair.is_quoted.then_some((pair.key, pair.value, pair.len))
}

/// Whether `text` starts with a pair.
pub(crate) fn starts_pair(text: &str) -> bool {
    key(text).is_some()
}

/// A line of pairs. It is one if it has at least two pairs, and either nothing else or a key for time, level or
/// message. Without a message key the message is the text itself.
pub(crate) fn read_record<'a>(text: &'a str, parsed: &mut ParsedLine<'a>, reference: Timestamp) -> Option<()> {
    key(text)?;
    let mut found = ParsedLine::default();
    let (mut pair_count, mut stray_count, mut role_count) = (0usize, 0usize, 0usize);
    let mut message: Option<(usize, usize, Cow<'a, str>)> = None;
    let mut extends_message = false;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with([' ', '\t']) {
            at += 1;
        } else if let Some(pair) = pair(rest) {
            pair_count += 1;
            extends_message = false;
            let role = member::role(pair.key);
            role_count += usize::from(matches!(role, Some(Role::Time | Role::Level | Role::Message)));
            if role == Some(Role::Message) && message.is_none() {
                extends_message = !pair.is_quoted;
                message = Some((at + pair.len - pair.value.len(), at + pair.len, pair.value));
            } else {
                member::apply(&mut found, pair.key, pair.value, reference);
            }
            at += pair.len;
        } else {
            let len = word::next(rest).len().max(rest.chars().next().map_or(1, char::len_utf8));
            at += len;
            // The words after an unquoted message are the rest of it.
            if extends_message {
                if let Some((start, end, value)) = &mut message
                    && let Some(longer) = text.get(*start..at)
                {
                    (*end, *value) = (at, Cow::Borrowed(longer));
                }
            } else {
                stray_count += 1;
            }
        }
    }
    if pair_count < 2 || (stray_count > 0 && role_count == 0) {
        return None;
    }
    // Without a message the header stays in it: the level and the time are also fields of the sentence.
    found.message = match message {
        Some((_, _, value)) if !value.trim().is_empty() => value,
        _ => Cow::Borrowed(text),
    };
    parsed.absorb(found);
    Some(())
}

/// The pairs inside a message, which keeps them.
pub(crate) fn collect<'a>(message: &'a str, parsed: &mut ParsedLine<'a>) {
    if !message.contains('=') {
        return;
    }
    let mut at = 0;
    let mut is_start = true;
    while let Some(rest) = text_from(message, at)
        && parsed.fields.len() < PAIRS_MAX
    {
        if is_start && let Some(pair) = pair(rest) {
            at += pair.len;
            parsed.push_field(pair.key, pair.value);
            is_start = false;
            continue;
        }
        // On to the next place where a key may start.
        let byte = rest.bytes().next().unwrap_or(b' ');
        is_start = matches!(byte, b' ' | b'\t' | b',' | b'(' | b'[' | b'{' | b';');
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
}

fn text_from(text: &str, at: usize) -> Option<&str> {
    text.get(at..).filter(|rest| !rest.is_empty())
}

/// The key at the start of `text`, if an equals sign follows.
fn key(text: &str) -> Option<&str> {
    let first = text.bytes().next()?;
    if !first.is_ascii_alphabetic() && !matches!(first, b'_' | b'@') {
        return None;
    }
    let mut scan = Scan::new(text);
    let key = scan.run(KEY_BYTES_MAX, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@'));
    (scan.eat(b'=') && scan.peek(0) != Some(b'=')).then_some(key)
}

/// The pair at the start of `text`.
fn pair(text: &str) -> Option<Pair<'_>> {
    let key = key(text)?;
    let raw = text.get(key.len() + 1..)?;
    if let Some(inner) = raw.strip_prefix('"')
        && let Some(end) = object::string_end(inner)
    {
        let value = object::unescape(inner.get(..end)?);
        return Some(Pair { key, value, is_quoted: true, len: key.len() + end + 3 });
    }
    // A comma ends a value only where another pair follows it (`user=app,db=shop`).
    let is_end = |(at, byte): (usize, u8)| match byte {
        b' ' | b'\t' | b'\n' | b'\r' => true,
        b',' => raw.get(at + 1..).is_some_and(|rest| self::key(rest).is_some()),
        _ => false,
    };
    let end = raw.bytes().enumerate().position(is_end).unwrap_or(raw.len());
    let value = raw.get(..end)?.trim_end_matches([',', ';', ')', ']', '}']);
    // A list in brackets keeps its end; only an end without a beginning belongs to the sentence.
    let value = if value.contains(['(', '[', '{']) { raw.get(..end)?.trim_end_matches([',', ';']) } else { value };
    Some(Pair { key, value: Cow::Borrowed(value), is_quoted: false, len: key.len() + 1 + value.len() })
}
