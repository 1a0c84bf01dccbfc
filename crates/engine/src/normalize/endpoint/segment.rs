//! One segment of a path: a name, a version, a parameter, a file, or something that varies.

use super::opaque::{date_size, is_email, is_integer, is_opaque_word, is_short_hash, is_token, is_uuid};
use std::borrow::Cow;

/// A longer segment is a text of somebody's, not a name of a route.
const NAME_BYTES_MAX: usize = 96;
/// Digits from which a number inside a segment (`order-12345`) varies; `iso-8859` and `covid-19` are names.
const DIGITS_INSIDE_MIN: usize = 5;

/// Bytes of a UUID: the only thing that varies and may have neither a digit nor a sign other than a dash.
const UUID_BYTES: usize = 36;

/// The template of a segment; `before` is the segment before it as it was sent. Empty if nothing is left of it.
pub(super) fn template_segment<'a>(raw: &'a str, before: &str) -> Cow<'a, str> {
    if is_plain_name(raw) {
        return Cow::Borrowed(raw);
    }
    // The usual ids; a number of one or two digits may be a version.
    if (raw.len() > 2 && raw.bytes().all(|byte| byte.is_ascii_digit())) || (raw.len() == UUID_BYTES && is_uuid(raw)) {
        return Cow::Borrowed("{id}");
    }
    if raw.contains(['{', '}']) {
        return Cow::Owned(template_without_braces(&with_parameters(raw), before).into_owned());
    }
    template_without_braces(raw, before)
}

/// Whether a segment is a name by its letters alone, as most are: what varies and is not as long as a UUID has a digit or
/// another sign.
fn is_plain_name(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.');
    segment.len() < UUID_BYTES && segment.bytes().all(is_plain)
}

/// The same, of a segment without braces but those of [`with_parameters`].
fn template_without_braces<'a>(segment: &'a str, before: &str) -> Cow<'a, str> {
    // `;jsessionid=...` is no part of a name, and a question mark that turned out not to be inside a parameter was
    // a query's after all.
    let segment = segment.split([';', '?', '#']).next().unwrap_or_default();
    if let Some(name) = parameter(segment) {
        return Cow::Owned(format!("{{{name}}}"));
    }
    if segment.len() > NAME_BYTES_MAX {
        return Cow::Borrowed("{id}");
    }
    if segment.contains('{') || is_version(segment, before) {
        return Cow::Borrowed(segment);
    }
    if let Some(kind) = kind(segment) {
        return Cow::Borrowed(kind);
    }
    // `123:cancel`: a verb behind what it acts on.
    if let Some((thing, verb)) = segment.split_once(':')
        && !thing.is_empty()
    {
        return Cow::Owned(format!("{}:{}", kind(thing).unwrap_or(thing), words(verb, "{id}", false)));
    }
    match segment.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && is_extension(extension) => {
            let stem = kind(stem).map_or_else(|| words(stem, "{hash}", true), str::to_owned);
            Cow::Owned(format!("{stem}.{extension}"))
        }
        _ => Cow::Owned(words(segment, "{id}", false)),
    }
}

/// What a whole segment is, if it varies.
fn kind(segment: &str) -> Option<&'static str> {
    if date_size(segment) == segment.len() && !segment.is_empty() {
        return Some("{date}");
    }
    if is_email(segment) {
        return Some("{email}");
    }
    let is_dotted_number = segment.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && segment.bytes().any(|byte| byte.is_ascii_digit());
    let is_file = segment.rsplit_once('.').is_some_and(|(_, extension)| is_extension(extension));
    let varies = is_integer(segment)
        || is_dotted_number
        || is_uuid(segment)
        || is_opaque_word(segment)
        || (!is_file && is_token(segment));
    varies.then_some("{id}")
}

/// `v1`, `v2.1`, `v1beta1` anywhere; `2.0` and `2` only behind `api`.
fn is_version(segment: &str, before: &str) -> bool {
    if let Some(number) = segment.strip_prefix(['v', 'V']) {
        let (major, rest) = number.split_at(number.bytes().take_while(u8::is_ascii_digit).count());
        let stage = rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let stage = stage.trim_end_matches(|letter: char| letter.is_ascii_digit());
        return (1..=3).contains(&major.len()) && rest.len() <= 8 && matches!(stage, "" | "alpha" | "beta" | "rc");
    }
    let mut parts = segment.split('.');
    let are_small =
        parts.clone().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    let is_number = are_small && parts.by_ref().count() <= 3 && (segment.contains('.') || segment.len() <= 2);
    is_number && before.eq_ignore_ascii_case("api")
}

/// The name of a segment that is one parameter of a router: `:id`, `<int:id>`, `[id]`, `[...path]`, `{id}`, `*path`.
fn parameter(segment: &str) -> Option<String> {
    if let Some(name) = segment.strip_prefix(':') {
        let name = name.split(['(', '?', '*', '+', '.']).next().unwrap_or_default();
        return (!name.is_empty()).then(|| parameter_name(name));
    }
    if let Some(inside) = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        return Some(parameter_name(inside.rsplit(':').next().unwrap_or(inside)));
    }
    if let Some(inside) = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let inside = inside.trim_start_matches(['[', '.']).trim_end_matches(']');
        return Some(parameter_name(inside.split('=').next().unwrap_or(inside)));
    }
    segment.strip_prefix('*').filter(|name| !name.is_empty()).map(parameter_name)
}

/// The segment with the parameters in braces among its text (`{id}.json`, `app.{hash}.js`) reduced to their names,
/// and without braces that stand alone: no URL has such, and they must not be taken for ours.
fn with_parameters(segment: &str) -> String {
    let is_brace = ['{', '}'];
    let mut template = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((inside, after)) = behind.split_once('}') else { break };
        template.extend(before.split(is_brace));
        // `{id:int?}`, `{*path}`, `{path...}`, `{id=7}`: constraints and defaults are not part of the name.
        let name = inside.trim_start_matches(['*', '{']).split([':', '=', '?']).next().unwrap_or_default();
        template.push('{');
        template.push_str(&parameter_name(name));
        template.push('}');
        rest = after;
    }
    template.extend(rest.split(is_brace));
    template
}

/// The letters of a parameter's name. A value in a parameter's place (`{123}`) is an `id`.
fn parameter_name(text: &str) -> String {
    let name: String =
        text.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')).take(32).collect();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if is_name && !is_short_hash(&name) && !is_uuid(&name) { name } else { "id".to_owned() }
}

/// `js`, `html`, `mp3`: a letter first, at most five.
fn is_extension(text: &str) -> bool {
    (1..=5).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The words of a segment, those that vary replaced: opaque ones by `opaque`, long numbers by `{id}`, dates by
/// `{date}`. Percent-encoded bytes separate words, so that their digits are nobody's number.
fn words(segment: &str, opaque: &str, is_file: bool) -> String {
    let mut template = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(first) = rest.chars().next() {
        let size = date_size(rest);
        let uuid = rest.get(..36).filter(|text| is_uuid(text));
        if size > 7 {
            template.push_str("{date}");
            rest = rest.get(size..).unwrap_or_default();
        } else if let Some(uuid) = uuid {
            template.push_str("{id}");
            rest = rest.get(uuid.len()..).unwrap_or_default();
        } else if first == '%' {
            let size = rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at);
            let (encoded, behind) = rest.split_at_checked(size).unwrap_or((rest, ""));
            template.push_str(encoded);
            rest = behind;
        } else if !first.is_alphanumeric() {
            template.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        } else {
            let end = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let is_number = word.len() >= DIGITS_INSIDE_MIN && word.bytes().all(|byte| byte.is_ascii_digit());
            let is_hash = is_opaque_word(word) || (is_file && is_short_hash(word));
            template.push_str(match (is_number, is_hash) {
                (true, _) => "{id}",
                (_, true) => opaque,
                _ => word,
            });
            rest = behind;
        }
    }
    template
}
