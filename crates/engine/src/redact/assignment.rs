//! `name=value` in all its spellings: configuration lines, JSON inside text, URLs, forms, headers, flags, XML.
//!
//! A separator is found first, then the name before it, then (only if the name is secret) the value after it; so a
//! line without secret names costs a short look back at each separator and nothing else.
//!
//! Left out: names and values that a whole sentence separates. In `the password is hunter2` nothing is removed, because
//! `the password is too short` cannot be told from it; a separator is what makes a value.

use super::Found;
use super::names::{NAME_BYTES_MAX, NameClass, Names};
use super::value::{self, Setting, is_quote, skip_space};
use super::view::View;
use crate::record::RedactionKind::NamedField;

/// Blanks looked over between a name and its separator (aligned configuration files).
const BLANKS_MAX: usize = 16;

/// A name before a separator.
#[derive(Clone, Copy, Debug)]
struct Name {
    start: usize,
    end: usize,
    is_quoted: bool,
}

/// What a separator turned out to be.
pub(super) enum Assignment {
    /// A value to remove.
    Secret(Found),
    /// Not a secret, and read up to here: looking again before would be work for nothing.
    ReadTo(usize),
    /// Nothing.
    Nothing,
}

/// The secret that the separator (`=` or `:`) at `at` assigns. Connection strings before `judged_to` were read before.
pub(super) fn at_separator(
    view: &View<'_>,
    names: &Names,
    at: usize,
    is_template: bool,
    judged_to: usize,
) -> Assignment {
    let is_colon = view.at(at) == b':';
    if is_colon && (view.at(at + 1) == b':' || view.before(at) == b':' || view.is_at(at, b"://")) {
        return Assignment::Nothing;
    }
    if !names.may_end(view.slice(0, at)) {
        return Assignment::Nothing;
    }
    let Some(name) = name_before(view, at) else { return Assignment::Nothing };
    let Some(class) = class_of(view, names, name) else { return Assignment::Nothing };
    let mut after = at + 1;
    // `:=`, `==` and `=>` are one separator.
    while matches!(view.at(after), b'=' | b'>') && after < at + 3 {
        after += 1;
    }
    if is_working_directory(view, name, after) {
        return Assignment::Nothing;
    }
    let depth = view.depth(at);
    let setting = Setting { after, is_colon, depth, is_quoted_name: name.is_quoted, is_template };
    let found = match class {
        NameClass::Secret => value::secret(view, setting),
        NameClass::Authorization => value::authorization(view, setting),
        NameClass::Cookie => value::cookie(view, setting),
        NameClass::UrlParameter if !is_colon && matches!(view.before(name.start), b'?' | b'&' | b';') => {
            value::secret(view, setting)
        }
        NameClass::Connection if at >= judged_to => {
            return value::connection(view, setting).map_or_else(Assignment::ReadTo, Assignment::Secret);
        }
        NameClass::UrlParameter | NameClass::Connection | NameClass::Harmless => None,
    };
    found.map_or(Assignment::Nothing, Assignment::Secret)
}

/// The text of the element whose start tag ends with the `>` at `at`, if its name is secret.
pub(super) fn at_tag_end(view: &View<'_>, names: &Names, at: usize) -> Option<Found> {
    let start = ident_start(view, at, false);
    let prefix = if view.before(start) == b':' { ident_start(view, start - 1, false) } else { start };
    let is_tag = start < at && view.before(prefix) == b'<';
    let class = if is_tag { names.class(view.slice(start, at)) } else { None };
    match class? {
        NameClass::Secret | NameClass::Authorization | NameClass::Cookie => value::element(view, at + 1),
        NameClass::UrlParameter | NameClass::Connection | NameClass::Harmless => None,
    }
}

/// The value of the flag whose name begins at `start`, behind its dashes: `--password hunter2`.
pub(super) fn at_flag(view: &View<'_>, names: &Names, start: usize) -> Option<Found> {
    let dashes = if view.before(start.saturating_sub(1)) == b'-' { 2 } else { 1 };
    let outside = view.before(start.saturating_sub(dashes));
    if !(outside <= b' ' || is_quote(outside) || matches!(outside, b'[' | b'(' | b',')) {
        return None;
    }
    let end = view.run_end(start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    // The name ends with a blank, or (an argument vector) with a quote, a comma and the next quote.
    let next = match view.at(end) {
        b' ' | b'\t' => skip_space(view, end, false),
        byte if is_quote(byte) => skip_space(view, end + 1 + usize::from(view.at(end + 1) == b','), false),
        _ => return None,
    };
    let is_flag_again = view.at(next) == b'-' || (is_quote(view.at(next)) && view.at(next + 1) == b'-');
    if next >= view.len() || is_flag_again {
        return None;
    }
    let is_secret = end - start <= NAME_BYTES_MAX
        && matches!(
            names.class(view.slice(start, end)),
            Some(NameClass::Secret | NameClass::Authorization | NameClass::Cookie)
        );
    let depth = view.depth(end);
    let setting = Setting { after: next, is_colon: false, depth, is_quoted_name: false, is_template: false };
    if is_secret { value::secret(view, setting) } else { None }
}

/// Bytes of a `user:password` that are looked at to decide whether it is one.
const PAIR_BYTES_MAX: usize = 256;

/// The password of `curl -u user:password`, given where the flag's name begins. The caller knows that a `curl` stands
/// before it: other programs use the same flag for other pairs (`docker run -u 1000:1000`).
pub(super) fn at_user_flag(view: &View<'_>, start: usize) -> Option<Found> {
    let is_long = view.before(start.saturating_sub(1)) == b'-';
    let name_end = view.run_end_within(start, NAME_BYTES_MAX, |byte| byte.is_ascii_alphabetic() || byte == b'-');
    let next = match (is_long, view.slice(start, name_end)) {
        (true, b"user" | b"proxy-user") if view.at(name_end) == b'=' => name_end + 1,
        (true, b"user" | b"proxy-user") | (false, b"u" | b"U") => {
            // In an argument vector a quote, a comma and the next quote stand between.
            let is_vector = is_quote(view.at(name_end)) && view.at(name_end + 1) == b',';
            skip_space(view, if is_vector { name_end + 2 } else { name_end }, false)
        }
        // The pair may follow without a blank: `-uuser:password`.
        (false, [b'u' | b'U', ..]) => start + 1,
        _ => return None,
    };
    let quote = Some(view.at(next)).filter(|&byte| is_quote(byte));
    let value = next + usize::from(quote.is_some());
    let is_inside = |byte: u8| quote.map_or(byte > b' ' && !is_quote(byte), |quote| byte != quote && byte >= b' ');
    let decided = view.run_end_within(value, PAIR_BYTES_MAX, is_inside);
    let user_end = value + view.slice(value, decided).iter().position(|&byte| byte == b':')?;
    (user_end > value && user_end + 1 < decided).then(|| Found {
        start: user_end + 1,
        end: view.run_end(decided, is_inside),
        kind: NamedField,
    })
}

/// The password of `scheme://user:password@host`, given the colon of the scheme.
pub(super) fn at_scheme(view: &View<'_>, at: usize) -> Assignment {
    let start = at + 3;
    let is_inside = |byte: u8| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>');
    let authority_end = view.run_end(start, |byte| is_inside(byte) && !matches!(byte, b'/' | b'?' | b'#'));
    let authority = view.slice(start, authority_end);
    let Some(colon) = authority.iter().position(|&byte| byte == b':') else { return Assignment::Nothing };
    let from = start + colon + 1;
    let found = |to: usize| {
        if to <= from || super::is_marker_at(view, from) {
            return Assignment::Nothing;
        }
        Assignment::Secret(Found { start: from, end: to, kind: NamedField })
    };
    if let Some(host) = authority.iter().rposition(|&byte| byte == b'@') {
        return found(start + host);
    }
    // A password may hold a slash or a question mark that nobody escaped; a port may not.
    if view.slice(from, authority_end).iter().all(u8::is_ascii_digit) {
        return Assignment::Nothing;
    }
    let token_end = view.run_end(from, is_inside);
    match view.slice(from, token_end).iter().rposition(|&byte| byte == b'@') {
        Some(host) => found(from + host),
        None => Assignment::ReadTo(token_end),
    }
}

/// The name before the separator at `at`, without its quotes and brackets.
fn name_before(view: &View<'_>, at: usize) -> Option<Name> {
    let mut end = at;
    if view.at(at) == b'=' && view.before(end) == b':' {
        end -= 1;
    }
    let blanks_to = end.saturating_sub(BLANKS_MAX);
    while end > blanks_to && matches!(view.before(end), b' ' | b'\t') {
        end -= 1;
    }
    let is_bracketed = view.before(end) == b']';
    end -= usize::from(is_bracketed);
    let is_quoted = is_quote(view.before(end));
    end -= usize::from(is_quoted);
    let slashes_to = end.saturating_sub(BLANKS_MAX);
    while is_quoted && end > slashes_to && view.before(end) == b'\\' {
        end -= 1;
    }
    let start = ident_start(view, end, is_quoted);
    // `[redacted:jwt]` is not the name `jwt`.
    let stands_in_bracket = !is_bracketed || is_quoted || view.before(start) == b'[';
    (start < end && stands_in_bracket).then_some(Name { start, end, is_quoted })
}

/// Where the name that ends at `end` begins, at most `NAME_BYTES_MAX` bytes before.
fn ident_start(view: &View<'_>, end: usize, with_blanks: bool) -> usize {
    let from = end.saturating_sub(NAME_BYTES_MAX);
    let mut start = end;
    while start > from {
        let byte = view.before(start);
        let is_name = (with_blanks && byte == b' ')
            || byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'.')
            || byte >= 0x80;
        if !is_name {
            break;
        }
        start -= 1;
    }
    view.spend(end - start + 1);
    // The `n` of an escaped line end is not the first letter of the name.
    let is_escape = view.before(start) == b'\\' && matches!(view.at(start), b'n' | b'r' | b't');
    start + usize::from(is_escape && start < end)
}

/// The class of `name`, alone or with up to two words before it (`api key: ...`).
fn class_of(view: &View<'_>, names: &Names, name: Name) -> Option<NameClass> {
    let alone = names.class(view.slice(name.start, name.end));
    if name.is_quoted || view.before(name.start) != b' ' {
        return alone;
    }
    let mut start = name.start;
    for _ in 0..2 {
        if view.before(start) != b' ' {
            break;
        }
        start = ident_start(view, start - 1, false);
    }
    let phrase = names.class(view.slice(start, name.end));
    match (alone, phrase) {
        (_, Some(NameClass::Harmless)) => phrase,
        (Some(_), _) => alone,
        (None, _) => phrase,
    }
}

/// `PWD=/srv/app` in a dump of the environment is where the shell was, not what somebody typed.
fn is_working_directory(view: &View<'_>, name: Name, after: usize) -> bool {
    matches!(view.slice(name.start, name.end), b"PWD" | b"OLDPWD") && view.at(after) == b'/'
}
