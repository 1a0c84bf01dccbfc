//! API keys that can be told by their looks.
//!
//! Issuers give their keys a prefix so that leaks can be found; the table below is what they publish, plus our own
//! `sw_`. A shape is a prefix, the characters that may follow, how many at least, and whether those must look random:
//! short prefixes are also the beginnings of ordinary snake_case and kebab-case names (`sk-loading-dots`), and a key
//! without a single digit or change of case does not happen.
//!
//! Left out: keys without a shape (AWS secret keys, hex strings); only the name beside them gives them away.

use super::Found;
use super::view::View;
use crate::record::RedactionKind::ApiKey;

/// Characters that may follow a prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    /// Digits and upper-case letters.
    Upper,
    /// Hex digits.
    Hex,
    /// Digits and letters.
    Alnum,
    /// Base64url: digits, letters, `_`, `-`.
    Url,
    /// Base64url and dots.
    Dotted,
    /// Base64 and base64url.
    Base64,
}

impl Alphabet {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'='),
        }
    }
}

/// How long the rest must be.
#[derive(Clone, Copy)]
enum Rest {
    /// At least so many characters.
    Least(usize),
    /// At least so many, among them a digit or letters of both cases.
    Random(usize),
    /// Exactly so many.
    Exact(usize),
}

use Alphabet::{Alnum, Base64, Dotted, Hex, Upper, Url};
use Rest::{Exact, Least, Random};

/// Bytes of a key that are looked at to decide whether it is one.
const DECISION_BYTES_MAX: usize = 128;

type Shape = (&'static str, Alphabet, Rest);

/// Shapes by the first letter of the prefix.
const fn shapes(first: u8) -> &'static [Shape] {
    match first {
        b'A' => &[
            ("AKIA", Upper, Exact(16)),
            ("ASIA", Upper, Exact(16)),
            ("AIza", Url, Least(35)),
            ("ATATT3", Base64, Random(40)),
            ("AGE-SECRET-KEY-1", Upper, Least(40)),
        ],
        b'E' => &[("EAA", Alnum, Random(40))],
        b'P' => &[("PMAK-", Url, Random(32))],
        b'S' => &[("SG.", Dotted, Random(32)), ("SK", Hex, Exact(32))],
        b'a' => &[("atlasv1.", Dotted, Random(40))],
        b'c' => &[("cfat_", Url, Random(32)), ("cfut_", Url, Random(32))],
        b'd' => &[
            ("dop_v1_", Hex, Least(32)),
            ("doo_v1_", Hex, Least(32)),
            ("dor_v1_", Hex, Least(32)),
            ("dapi", Hex, Exact(32)),
            ("dckr_pat_", Url, Least(20)),
        ],
        b'f' => &[("figd_", Url, Random(20))],
        b'g' => &[
            ("ghp_", Alnum, Least(20)),
            ("gho_", Alnum, Least(20)),
            ("ghu_", Alnum, Least(20)),
            ("ghs_", Dotted, Least(20)),
            ("ghr_", Alnum, Least(20)),
            ("github_pat_", Url, Least(20)),
            ("glpat-", Dotted, Least(20)),
            ("gldt-", Url, Least(20)),
            ("glrt-", Url, Least(20)),
            ("glsa_", Url, Random(20)),
            ("glc_", Base64, Random(32)),
            ("gsk_", Alnum, Random(32)),
        ],
        b'h' => &[("hf_", Alnum, Random(30)), ("hvs.", Url, Random(24)), ("hvb.", Url, Random(24))],
        b'k' => &[("key-", Hex, Random(32))],
        b'l' => &[("lin_api_", Alnum, Random(32))],
        b'n' => &[("npm_", Alnum, Random(32)), ("nvapi-", Url, Random(32))],
        b'p' => &[
            ("pk_live_", Alnum, Least(16)),
            ("pk_test_", Alnum, Least(16)),
            ("pypi-", Url, Random(32)),
            ("pul-", Hex, Random(40)),
        ],
        b'r' => &[("rk_live_", Alnum, Least(16)), ("rk_test_", Alnum, Least(16)), ("rubygems_", Hex, Least(40))],
        b's' => &[
            ("sw_", Dotted, Random(20)),
            ("sk_live_", Alnum, Least(16)),
            ("sk_test_", Alnum, Least(16)),
            ("sk-", Url, Random(20)),
            ("shpat_", Alnum, Least(20)),
            ("shpss_", Alnum, Least(20)),
            ("shpca_", Alnum, Least(20)),
            ("shppa_", Alnum, Least(20)),
            ("sntrys_", Base64, Random(40)),
            ("sntryu_", Hex, Random(40)),
            ("sq0atp-", Url, Least(20)),
            ("sq0csp-", Url, Least(20)),
            ("sbp_", Hex, Random(40)),
        ],
        b't' => &[("tskey-", Url, Random(20))],
        b'w' => &[("whsec_", Base64, Least(16))],
        b'x' => &[
            ("xoxa-", Url, Random(10)),
            ("xoxb-", Url, Random(10)),
            ("xoxp-", Url, Random(10)),
            ("xoxr-", Url, Random(10)),
            ("xoxs-", Url, Random(10)),
            ("xoxe-", Url, Random(10)),
            ("xoxe.xox", Dotted, Random(10)),
            ("xapp-", Url, Random(10)),
            ("xai-", Alnum, Random(40)),
        ],
        b'y' => &[("ya29.", Dotted, Random(20))],
        _ => &[],
    }
}

/// Hosts of webhooks, whose paths are secret.
const SLACK: &str = "hooks.slack.com/";
const DISCORD: &str = "discord.com/api/";
const DISCORD_APP: &str = "discordapp.com/api/";

/// What everything that [`at`] finds and that begins with `first` begins with; for the table of the scan.
pub(super) const fn may_begin(first: u8, second: u8) -> bool {
    let mut rest = shapes(first);
    while let Some(((prefix, _, _), others)) = rest.split_first() {
        if begins(prefix, first, second) {
            return true;
        }
        rest = others;
    }
    begins(SLACK, first, second) || begins(DISCORD, first, second) || begins(DISCORD_APP, first, second)
}

/// Whether `text` begins with these two bytes.
const fn begins(text: &str, first: u8, second: u8) -> bool {
    matches!(text.as_bytes(), [one, two, ..] if *one == first && *two == second)
}

/// The key that begins at `start`, where a word begins.
pub(super) fn at(view: &View<'_>, start: usize) -> Option<Found> {
    let first = view.at(start);
    let second = view.at(start + 1);
    let may_be = |shape: &&Shape| begins(shape.0, first, second);
    let key = shapes(first).iter().filter(may_be).find_map(|shape| of_shape(view, start, *shape));
    key.or_else(|| match first {
        b'h' => webhook(view, start, SLACK, 3),
        b'd' => webhook(view, start, DISCORD, 1).or_else(|| webhook(view, start, DISCORD_APP, 1)),
        _ => None,
    })
}

fn of_shape(view: &View<'_>, start: usize, (prefix, alphabet, rest): Shape) -> Option<Found> {
    if !view.is_at(start, prefix.as_bytes()) {
        return None;
    }
    let body = start + prefix.len();
    let mut end = view.run_end_within(body, DECISION_BYTES_MAX, |byte| alphabet.holds(byte));
    let is_cut = end == body + DECISION_BYTES_MAX;
    // A full stop that ends the sentence is not part of the key.
    while end > body && view.before(end) == b'.' {
        end -= 1;
    }
    let text = view.slice(body, end);
    let is_key = match rest {
        Least(least) => text.len() >= least,
        Random(least) => text.len() >= least && looks_random(text),
        Exact(length) => text.len() == length && !view.at(end).is_ascii_alphanumeric(),
    };
    if is_key && is_cut {
        end = view.run_end(end, |byte| alphabet.holds(byte));
    }
    is_key.then_some(Found { start, end, kind: ApiKey })
}

/// Whether `text` holds a digit, or letters of both cases other than at the start of words.
pub(super) fn looks_random(text: &[u8]) -> bool {
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let has_hump =
        text.windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    has_digit || has_hump
}

/// The secret part of a webhook's address: what follows `prefix`, from its path segment `from` on if it is numeric.
fn webhook(view: &View<'_>, start: usize, prefix: &str, segments: usize) -> Option<Found> {
    if !view.is_at(start, prefix.as_bytes()) {
        return None;
    }
    let path = start + prefix.len();
    let end = view.run_end(path, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-'));
    let text = view.slice(path, end);
    const DOORS: [&[u8]; 4] = [b"services/", b"workflows/", b"triggers/", b"webhooks/"];
    let (at, door) =
        DOORS.iter().find_map(|door| text.windows(door.len()).position(|part| part == *door).map(|at| (at, door)))?;
    let secret = path + at + door.len();
    let slashes = view.slice(secret, end).iter().filter(|&&byte| byte == b'/').count();
    (slashes + 1 >= segments && end >= secret + 16).then_some(Found { start: secret, end, kind: ApiKey })
}

/// A Telegram bot's token, `123456789:AA...`, given its colon.
pub(super) fn at_colon(view: &View<'_>, colon: usize) -> Option<Found> {
    if !view.is_at(colon + 1, b"AA") || !view.before(colon).is_ascii_digit() {
        return None;
    }
    let digits =
        view.slice(colon.saturating_sub(11), colon).iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let end = view.run_end(colon + 1, |byte| Url.holds(byte));
    ((8..=10).contains(&digits) && end > colon + 35).then_some(Found { start: colon - digits, end, kind: ApiKey })
}

/// Everything that a key or a webhook may begin with, for tests.
#[cfg(test)]
pub(super) fn prefixes() -> impl Iterator<Item = &'static str> {
    let keys = (0..=u8::MAX).flat_map(|first| shapes(first).iter().map(|(prefix, _, _)| *prefix));
    keys.chain([SLACK, DISCORD, DISCORD_APP, "hooks.slack.com/services/", "discord.com/api/webhooks/"])
}
