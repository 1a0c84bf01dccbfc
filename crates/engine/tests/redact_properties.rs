//! What holds for redaction whatever the text: it is total, deterministic, the same twice, bounded in what it adds, and
//! touches nothing but what it removes.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::record::RedactionKind;
use sapwood_engine::redact::{RedactConfig, RedactionCounts, Redactor};

/// Pieces that mean something to a detector, so that random texts meet them in every order.
const PIECES: &[&str] = &[
    "password",
    "token",
    "cookie",
    "authorization",
    "dsn",
    "=",
    ":",
    ": ",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\\n",
    "\n",
    " ",
    ",",
    ";",
    "&",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "</",
    "@",
    "a@b.co",
    ".",
    "-",
    "--",
    "%40",
    "%22",
    "%25",
    "%3D",
    "&amp;",
    "&quot;",
    "\\u0040",
    "\\u0022",
    "://",
    "u:p@h",
    "Bearer ",
    "Basic ",
    "dXNlcjpwYXNz",
    "Digest ",
    "realm=",
    "eyJhIjoxfQ",
    "eyJ",
    "YWxpY2VAZXhhbXBsZS5jb20",
    "4111111111111111",
    "4111 ",
    "1111",
    "sk_live_0123456789abcdef",
    "sw_",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "[redacted:field]",
    "[redacted:jwt]",
    "x",
    "é",
    "😀",
    "\0",
    "1.2.3.4",
    "::1",
    "null",
    "signature",
    "?",
    "/",
    "hunter2",
    "a",
    "AKIAIOSFODNN7EXAMPLE",
    "(",
    ")",
    "|",
    "`",
    "+",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,6}"];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn redactor() -> Redactor {
    Redactor::new(&RedactConfig { redact_ip: true, ..RedactConfig::default() })
}

/// The pieces of `redacted` between replacements, in order.
fn kept(redacted: &str) -> Vec<&str> {
    let mut kept = vec![redacted];
    for kind in RedactionKind::ALL {
        let marker = format!("[redacted:{}]", kind.word());
        kept = kept.into_iter().flat_map(|part| part.split(&marker).collect::<Vec<_>>()).collect();
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn twice_is_once(text in text()) {
        let once = redactor().redact_text(&text).into_owned();
        let twice = redactor().redact_text(&once).into_owned();
        prop_assert_eq!(twice, once, "from {:?}", text);
    }

    #[test]
    fn output_is_bounded_and_what_is_kept_stood_there_in_that_order(text in text()) {
        let mut counts = RedactionCounts::default();
        let redacted = redactor().redact_counted(&text, &mut counts).into_owned();
        let removed: u32 = RedactionKind::ALL.into_iter().map(|kind| counts.of(kind)).sum();
        prop_assert!(redacted.len() <= text.len() + 21 * removed as usize);
        prop_assert!(removed > 0 || redacted == text);
        let mut rest = text.as_str();
        for part in kept(&redacted) {
            let at = rest.find(part);
            prop_assert!(at.is_some(), "{:?} is not in {:?} of {:?}", part, rest, text);
            rest = &rest[at.unwrap_or(0) + part.len()..];
        }
    }

    #[test]
    fn any_characters_are_taken_and_give_the_same_again(text in any::<String>()) {
        let redactor = redactor();
        prop_assert_eq!(redactor.redact_text(&text), redactor.redact_text(&text));
    }
}
