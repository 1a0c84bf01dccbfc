//! Where a value begins and ends, once a name has said that it is secret.
//!
//! Quoted values end at their own closing quote: the one behind as many backslashes as the opening one and, where the
//! text was decoded, escaped as often. So `\"a\\\"b\"` is one value at every level of nesting. Unquoted values end at
//! white space, or at a delimiter after which something else begins: `a,b` is one password, `a, user=b` is not.
//!
//! Left out: what the value means. A value cut off by the end of the text is secret to the end of its line.

use super::view::View;
use super::{Found, is_marker_at};
use crate::record::RedactionKind::NamedField;

/// Words that follow a name and a separator in prose (`token: expired`), and are not taken for its value.
const PROSE: &[&str] = &[
    "required",
    "missing",
    "invalid",
    "expired",
    "incorrect",
    "wrong",
    "rejected",
    "mismatch",
    "failed",
    "must",
    "should",
    "cannot",
    "not",
    "is",
    "was",
    "has",
    "does",
    "too",
    "expected",
    "unexpected",
    "malformed",
    "revoked",
];

/// Values that say there is none.
const NOTHING: &[&str] = &["null", "none", "nil", "undefined", "true", "false", "empty"];

/// Schemes after which the credential is the next word.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "digest",
    "token",
    "negotiate",
    "ntlm",
    "apikey",
    "api-key",
    "hawk",
    "oauth",
    "signature",
    "dpop",
    "sharedkey",
    "sharedkeylite",
    "aws4-hmac-sha256",
    "key",
    "bot",
    "splunk",
    "mac",
    "jwt",
    "genielkey",
];

/// What stands between the name and its value, as far as it decides where the value ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// First byte after the separator.
    pub(super) after: usize,
    /// The separator was a colon: prose is possible.
    pub(super) is_colon: bool,
    /// How often the separator was decoded; deeper delimiters belong to the value.
    pub(super) depth: u8,
    /// The name stood in quotes, as in JSON: the value may be a list or an object.
    pub(super) is_quoted_name: bool,
    /// `{name}` is the name of a parameter, not its value.
    pub(super) is_template: bool,
}

/// The value of a secret name: one word, one quoted string, one JSON list or object, or a scheme with its credential.
pub(super) fn secret(view: &View<'_>, setting: Setting) -> Option<Found> {
    let start = skip_space(view, setting.after, setting.is_quoted_name);
    if let Some(found) = quoted(view, start) {
        return found.filter(|found| !says_nothing(view.slice(found.start, found.end)));
    }
    if is_marker_at(view, start) {
        return None;
    }
    if let Some(end) = super::private_key::begins_at(view, start) {
        return Some(Found { start, end, kind: NamedField });
    }
    if setting.is_quoted_name && matches!(view.at(start), b'{' | b'[') {
        return Some(Found { start, end: nested_end(view, start), kind: NamedField });
    }
    unquoted(view, start, setting)
}

/// The value of an authorization header: the scheme, its credential, and the parameters that commas add.
pub(super) fn authorization(view: &View<'_>, setting: Setting) -> Option<Found> {
    let found = secret(view, setting)?;
    if is_quote(view.before(found.start)) {
        return Some(found);
    }
    Some(Found { end: more_parameters_end(view, found.end), ..found })
}

/// End of the list of parameters, `name=value, name="value"`, that begins at `start`.
pub(super) fn parameters_end(view: &View<'_>, start: usize) -> usize {
    more_parameters_end(view, parameter_end(view, start))
}

/// End of the parameters that follow the one which ends at `end`, each behind a comma.
fn more_parameters_end(view: &View<'_>, end: usize) -> usize {
    let mut end = end;
    loop {
        let comma = if view.before(end) == b',' { end - 1 } else { end };
        let next = skip_space(view, comma + 1, false);
        let next_end = parameter_end(view, next);
        if view.at(comma) != b',' || next_end == next {
            return end;
        }
        end = next_end;
    }
}

/// End of `name=value` or `name="quoted value"` in a header.
fn parameter_end(view: &View<'_>, start: usize) -> usize {
    let name_end = view.run_end(start, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if view.at(name_end) != b'=' {
        return start;
    }
    match quoted(view, name_end + 1) {
        Some(Some(found)) => closing_end(view, found.end),
        Some(None) => name_end + 3,
        None => view.run_end(name_end + 1, |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b',')),
    }
}

/// First byte after the closing quote (and its backslashes) at `index`.
fn closing_end(view: &View<'_>, index: usize) -> usize {
    let mut end = index;
    while view.at(end) == b'\\' {
        end += 1;
    }
    if is_quote(view.at(end)) { end + 1 } else { index }
}

/// The value of a cookie header: everything up to the last semicolon of its line, and the word after it.
pub(super) fn cookie(view: &View<'_>, setting: Setting) -> Option<Found> {
    let found = secret(view, setting)?;
    if is_quote(view.before(found.start)) || matches!(view.at(found.start), b'{' | b'[') {
        return Some(found);
    }
    if found.end < view.no_semicolon_to.get() {
        return Some(found);
    }
    let line_end = view.run_end(found.end, |byte| byte >= b' ' && !matches!(byte, b'"' | b'\'' | b'`'));
    let Some(last) = view.slice(found.end, line_end).iter().rposition(|&byte| byte == b';') else {
        view.no_semicolon_to.set(line_end);
        return Some(found);
    };
    let start = skip_space(view, found.end + last + 1, false);
    let end = view.run_end(start, |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`')).min(line_end);
    Some(Found { end: end.max(found.end), ..found })
}

/// A connection string, if it holds a password before an `@`. Otherwise where it ends, so that it is read once only.
pub(super) fn connection(view: &View<'_>, setting: Setting) -> Result<Found, usize> {
    let Some(found) = secret(view, setting) else { return Err(setting.after) };
    view.spend(found.end - found.start);
    if holds_password(view.slice(found.start, found.end)) { Ok(found) } else { Err(found.end) }
}

/// Whether `text` reads `user:password@...`, without a scheme in front.
pub(super) fn holds_password(text: &[u8]) -> bool {
    let colon = text.iter().position(|&byte| byte == b':');
    let at = text.iter().rposition(|&byte| byte == b'@');
    match (colon, at) {
        (Some(colon), Some(at)) => colon + 1 < at && !text.get(colon..).unwrap_or_default().starts_with(b"://"),
        _ => false,
    }
}

/// The text of an XML element, from behind its start tag to the next tag.
pub(super) fn element(view: &View<'_>, start: usize) -> Option<Found> {
    let end = view.run_end(start, |byte| byte != b'<');
    let is_value = end > start && view.is_at(end, b"<") && !is_marker_at(view, start);
    (is_value && view.slice(start, end).iter().any(|byte| !byte.is_ascii_whitespace())).then_some(Found {
        start,
        end,
        kind: NamedField,
    })
}

/// First byte at or after `start` that is no blank; line ends are skipped too where JSON may break its lines.
pub(super) fn skip_space(view: &View<'_>, start: usize, over_lines: bool) -> usize {
    view.run_end(start, |byte| matches!(byte, b' ' | b'\t') || (over_lines && matches!(byte, b'\r' | b'\n')))
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// The inside of the quoted string that begins at `start`; the outer `None` if none begins there, the inner if it is
/// empty or was removed before.
fn quoted(view: &View<'_>, start: usize) -> Option<Option<Found>> {
    let mut quote = start;
    // A one-letter prefix, as in Python's b'...' and C#'s @"...".
    if matches!(view.at(quote), b'b' | b'B' | b'u' | b'U' | b'r' | b'R' | b'f' | b'F' | b'@' | b'L')
        && is_quote(view.at(quote + 1))
    {
        quote += 1;
    }
    let slashes_from = quote;
    while view.at(quote) == b'\\' {
        quote += 1;
    }
    let slashes = quote - slashes_from;
    let mark = view.at(quote);
    view.spend(slashes);
    if !is_quote(mark) {
        return None;
    }
    let mut inside = quote + 1;
    // Three in a row open a string that three close; two are an empty one.
    let is_triple = slashes == 0 && view.at(inside) == mark && view.at(inside + 1) == mark;
    if is_triple {
        inside += 2;
    }
    if is_marker_at(view, inside) {
        return Some(None);
    }
    let end = closing_quote(view, inside, Quote { mark, slashes, is_triple, depth: view.depth(quote) });
    Some((end > inside).then_some(Found { start: inside, end, kind: NamedField }))
}

/// A quote that opened a string: what closes it is written the same way.
#[derive(Clone, Copy)]
struct Quote {
    mark: u8,
    /// Backslashes before it.
    slashes: usize,
    /// It stood three times.
    is_triple: bool,
    /// How often it was decoded.
    depth: u8,
}

/// Where the string that began before `start` ends: before the backslashes of its closing quote, or with the line.
///
/// A quote that needs `k` backslashes at its level of nesting closes where the run before it leaves `k` over, modulo
/// `2 (k + 1)`: every backslash of the string itself takes `2 (k + 1)` of them.
fn closing_quote(view: &View<'_>, start: usize, quote: Quote) -> usize {
    let Quote { mark, slashes, is_triple, depth } = quote;
    let mut index = start;
    let mut run = 0;
    let mut line_end = None;
    while index < view.len() {
        let byte = view.at(index);
        if byte == mark && view.depth(index) == depth && run % (2 * (slashes + 1)) == slashes {
            let is_doubled = slashes == 0 && index > start && view.at(index + 1) == mark;
            let closes = if is_triple { is_doubled && view.at(index + 2) == mark } else { !is_doubled };
            if closes {
                view.spend(index - start);
                return index - slashes;
            }
            index += usize::from(is_doubled);
        } else if byte == b'\n' && line_end.is_none() {
            line_end = Some(index);
        }
        run = if byte == b'\\' { run + 1 } else { 0 };
        index += 1;
    }
    view.spend(index - start);
    line_end.unwrap_or(index)
}

/// End of the JSON list or object that begins at `start`; the end of the text if it was cut off.
fn nested_end(view: &View<'_>, start: usize) -> usize {
    let mut depth = 0usize;
    let mut index = start;
    let mut string: Option<usize> = None;
    while index < view.len() {
        let byte = view.at(index);
        match (string, byte) {
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    index += 1;
                    break;
                }
            }
            // Only a quote written like the one that opened it closes: its backslashes are the same in number.
            (None, b'"') => string = Some(slashes_before(view, index)),
            (Some(slashes), b'"') if slashes_before(view, index) % (2 * (slashes + 1)) == slashes => string = None,
            _ => {}
        }
        index += 1;
    }
    view.spend(index - start);
    index
}

/// Backslashes before `index`, at most 63: five levels of nesting.
fn slashes_before(view: &View<'_>, index: usize) -> usize {
    let from = index.saturating_sub(63);
    view.slice(from, index).iter().rev().take_while(|&&byte| byte == b'\\').count()
}

/// The word at `start`, with the next one if it is a scheme.
fn unquoted(view: &View<'_>, start: usize, setting: Setting) -> Option<Found> {
    let end = word_end(view, start, setting.depth);
    let word = view.slice(start, end);
    let has_space = view.at(setting.after) == b' ';
    let nothing_there = word.is_empty()
        || says_nothing(word)
        || (setting.is_colon && has_space && is_any(word, PROSE))
        || (setting.is_template && is_parameter(view.slice(start, end + usize::from(view.at(end) == b'}'))));
    if nothing_there {
        return None;
    }
    let mut found = Found { start, end, kind: NamedField };
    if is_any(word, SCHEMES) {
        let next = skip_space(view, end, false);
        // The first parameter of a digest may hold blanks in quotes.
        let next_end = word_end(view, next, setting.depth).max(parameter_end(view, next));
        if next > end && next_end > next && !is_any(view.slice(next, next_end), PROSE) {
            found.end = next_end;
        }
    }
    // A full stop that ends the sentence is not part of the value.
    while found.end > found.start + 1 && matches!(view.before(found.end), b'.' | b':') {
        found.end -= 1;
    }
    Some(found)
}

/// `{name}`, `{}`, `<*>`: the place of a parameter in a template.
fn is_parameter(word: &[u8]) -> bool {
    match word {
        [b'{', inner @ .., b'}'] => inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.:$@".contains(byte)),
        b"<*>" | b"%s" | b"%d" | b"%v" | b"?" => true,
        _ => false,
    }
}

fn is_any(word: &[u8], list: &[&str]) -> bool {
    let word = word.strip_suffix(b".").or_else(|| word.strip_suffix(b":")).unwrap_or(word);
    list.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(word))
}

/// A value that says there is none, or that somebody masked before.
fn says_nothing(word: &[u8]) -> bool {
    is_any(word, NOTHING) || word.iter().all(|&byte| byte == b'*')
}

/// End of the unquoted value that begins at `start`.
fn word_end(view: &View<'_>, start: usize, depth: u8) -> usize {
    let mut index = start;
    while index < view.len() {
        let byte = view.at(index);
        // Only backslashes count their run, and a run is passed at once, so that it is counted once.
        if byte == b'\\' && view.depth(index) <= depth {
            let run_end = view.run_end(index, |byte| byte == b'\\');
            if ends_at_backslash(view, run_end) {
                break;
            }
            index = run_end;
            continue;
        }
        if view.depth(index) <= depth && ends_value(view, index, byte) {
            break;
        }
        index += 1;
    }
    view.spend(index - start);
    index
}

/// Whether backslashes that end at `run_end` end the value: before a closing quote, or before an escaped line end.
fn ends_at_backslash(view: &View<'_>, run_end: usize) -> bool {
    let after = view.at(run_end + 1);
    match view.at(run_end) {
        byte if is_quote(byte) => ends_after_quote(view, run_end),
        b'n' | b'r' => matches!(after, 0 | b' ' | b'\\' | b'"' | b'\'') || is_name_ahead(view, run_end + 1),
        _ => false,
    }
}

fn ends_value(view: &View<'_>, index: usize, byte: u8) -> bool {
    match byte {
        0..=b' ' | 0x7f => true,
        b',' | b';' | b'&' | b'|' => {
            let next = view.at(index + 1);
            matches!(next, 0..=b' ' | b',' | b';' | b'&' | b'|' | b'"' | b'\'' | b'`' | b')' | b']' | b'}')
                || is_name_ahead(view, index + 1)
                || (byte == b'&' && is_entity_ahead(view, index + 1))
        }
        b'"' | b'\'' | b'`' => ends_after_quote(view, index),
        b')' | b']' | b'}' | b'>' => {
            let next = view.at(index + 1);
            matches!(
                next,
                0..=b' '
                    | b','
                    | b';'
                    | b'.'
                    | b':'
                    | b'&'
                    | b'"'
                    | b'\''
                    | b'`'
                    | b'\\'
                    | b')'
                    | b']'
                    | b'}'
                    | b'>'
                    | b'<'
            )
        }
        b'<' => view.at(index + 1) == b'/' || view.is_at(index, b"<br"),
        _ => false,
    }
}

/// Whether the quote at `index` closes something around the value, rather than being part of it.
fn ends_after_quote(view: &View<'_>, index: usize) -> bool {
    matches!(
        view.at(index + 1),
        0..=b' '
            | b','
            | b';'
            | b'.'
            | b':'
            | b'&'
            | b')'
            | b']'
            | b'}'
            | b'>'
            | b'<'
            | b'"'
            | b'\''
            | b'`'
            | b'\\'
            | b'/'
            | b'|'
    )
}

/// Whether a name with its separator begins at `start`: `user=`, `"user":`, `data[user]=`.
fn is_name_ahead(view: &View<'_>, start: usize) -> bool {
    if !(view.at(start).is_ascii_alphabetic() || matches!(view.at(start), b'_' | b'$')) {
        return false;
    }
    let mut end = start;
    while end < start + 64
        && (view.at(end).is_ascii_alphanumeric()
            || matches!(view.at(end), b'_' | b'-' | b'.' | b'[' | b']' | b'$' | b'%'))
    {
        end += 1;
    }
    view.spend(end - start);
    match view.at(end) {
        b'=' => true,
        b':' => view.slice(start, end).iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-')),
        _ => false,
    }
}

/// Whether `amp;`, `quot;` or `#34;` begins at `start`.
fn is_entity_ahead(view: &View<'_>, start: usize) -> bool {
    let digits = start + usize::from(view.at(start) == b'#');
    let mut end = digits;
    while end < digits + 8 && view.at(end).is_ascii_alphanumeric() {
        end += 1;
    }
    end > digits && view.at(end) == b';'
}
