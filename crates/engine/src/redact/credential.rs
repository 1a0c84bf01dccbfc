//! Credentials that carry their own sign: `Bearer ...`, `Basic ...`, `Digest ...` and JSON Web Tokens, anywhere in text.
//!
//! The scheme word alone proves nothing (`Basic authentication failed`, `Bearer token missing`), so what follows must
//! look like a credential. After an `Authorization` name nothing needs to look like anything; see `value`.

use super::base64;
use super::key_shape::looks_random;
use super::value::skip_space;
use super::view::View;
use super::{Found, is_marker_at};
use crate::record::RedactionKind::{Bearer, Jwt};

/// Length from which a bearer token of lower-case letters only is still taken for one.
const PLAIN_TOKEN_BYTES_MIN: usize = 24;

/// Bytes of a credential that are looked at to decide whether it is one.
const DECISION_BYTES_MAX: usize = 256;

/// Where the credential that begins at an offset ends, if one does.
type EndOf = fn(&View<'_>, usize) -> Option<usize>;

/// The credential behind the scheme word that begins at `start`.
pub(super) fn at_scheme(view: &View<'_>, start: usize) -> Option<Found> {
    let word = |name: &[u8]| view.slice(start, start + name.len()).eq_ignore_ascii_case(name);
    let (length, credential_end): (usize, EndOf) = if word(b"bearer") {
        (6, bearer_end)
    } else if word(b"basic") {
        (5, basic_end)
    } else if word(b"digest") {
        (6, digest_end)
    } else {
        return None;
    };
    let blank = start + length;
    if !matches!(view.at(blank), b' ' | b'\t' | b'+') {
        return None;
    }
    let value = if view.at(blank) == b'+' { blank + 1 } else { skip_space(view, blank, false) };
    if is_marker_at(view, value) {
        return None;
    }
    credential_end(view, value).map(|end| Found { start: value, end, kind: Bearer })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'|')
}

fn bearer_end(view: &View<'_>, start: usize) -> Option<usize> {
    let decided = view.run_end_within(start, DECISION_BYTES_MAX, is_token);
    let mut end = decided;
    while end > start && view.before(end) == b'.' && !view.is_at(start, b"eyJ") {
        end -= 1;
    }
    let token = view.slice(start, end);
    let is_parameter = token.iter().position(|&byte| byte == b'=').is_some_and(|at| {
        let tail = token.get(at..).unwrap_or_default();
        tail.iter().any(|&byte| byte != b'=') || matches!(view.at(end), b'"' | b'\'') && tail.len() == 1
    });
    let is_long = token.len() >= PLAIN_TOKEN_BYTES_MIN && !token.contains(&b'.') && !token.contains(&b'-');
    let looks_secret = is_long || (token.len() >= 6 && looks_random(token));
    let is_cut = decided == start + DECISION_BYTES_MAX;
    (looks_secret && !is_parameter).then(|| if is_cut { view.run_end(decided, is_token) } else { end })
}

fn basic_end(view: &View<'_>, start: usize) -> Option<usize> {
    let decided = view.run_end_within(start, DECISION_BYTES_MAX, base64::is_digit);
    let decoded = base64::decode(view.slice(start, decided));
    let is_pair =
        decoded.len() >= 3 && decoded.contains(&b':') && decoded.iter().all(|&byte| byte >= b' ' && byte != 0x7f);
    is_pair.then(|| view.run_end(view.run_end(decided, base64::is_digit), |byte| byte == b'='))
}

/// A digest is a list of parameters; it is one only if the first is a name that the scheme knows.
fn digest_end(view: &View<'_>, start: usize) -> Option<usize> {
    const NAMES: [&[u8]; 9] =
        [b"username", b"realm", b"nonce", b"uri", b"response", b"cnonce", b"opaque", b"qop", b"algorithm"];
    let name_end = view.run_end(start, |byte| byte.is_ascii_alphabetic());
    let name = view.slice(start, name_end);
    let is_known = NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    (is_known && view.at(name_end) == b'=').then(|| super::value::parameters_end(view, start))
}

/// The JSON Web Token (signed, unsigned, encrypted or cut off) that begins with the `eyJ` at `start`.
pub(super) fn jwt(view: &View<'_>, start: usize) -> Option<Found> {
    if !view.is_at(start, b"eyJ") {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let header_end = view.token_end(start);
    // The header is a JSON object: `{"` is in `eyJ`, and its last letters must decode to the closing brace.
    let tail = start + (header_end - start).saturating_sub(1) / 4 * 4;
    let closes = base64::decode(view.slice(tail, header_end)).last() == Some(&b'}');
    if !closes || view.at(header_end) != b'.' || !is_part(view.at(header_end + 1)) {
        return None;
    }
    let mut end = view.run_end(header_end, |byte| is_part(byte) || byte == b'.');
    // Three parts may end with a dot (unsigned); more dots are punctuation.
    let dots = view.slice(start, end).iter().filter(|&&byte| byte == b'.').count();
    if dots > 2 || view.slice(header_end + 1, end).iter().rposition(|&byte| byte == b'.').is_none() {
        while view.before(end) == b'.' && view.before(end - 1) == b'.' {
            end -= 1;
        }
    }
    Some(Found { start, end, kind: Jwt })
}
