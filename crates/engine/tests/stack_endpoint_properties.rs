//! What must hold for any text given as an endpoint or a message.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::normalize::endpoint::{
    SEGMENTS_MAX, TEMPLATE_BYTES_MAX, from_message, method_from_message, template,
};

/// Pieces that the rules look for, joined at random, so that they meet in every order.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "/",
        "/",
        "//",
        ".",
        "-",
        "_",
        ":",
        ";",
        "?",
        "#",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        "*",
        "=",
        "%40",
        "%C3",
        "%",
        "@",
        "é",
        "...",
        "users",
        "api",
        "v1",
        "2.0",
        "1",
        "123456",
        "2024-05-03",
        "2024-05",
        "T10:11:12Z",
        "3f2a9c1b",
        "deadbeef",
        "550e8400-e29b-41d4-a716-446655440000",
        "BxK3p9aQ",
        "cus_9s6XKzkNRiz8i3",
        "bob@example.com",
        "example.com",
        "localhost:80",
        "https://",
        "app.js",
        "js",
        "{id}",
        "{hash}",
        "{date}",
        ":id",
        "<int:id>",
        "[id]",
        "GET",
        " ",
        "0x",
        "(",
        ")",
        "\u{7f}",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn check_invariants(input: &str) {
    let Some(once) = template(input) else { return };
    assert!(once.len() <= TEMPLATE_BYTES_MAX && !once.is_empty(), "{input:?}: {once:?}");
    assert!(once.split('/').count() <= SEGMENTS_MAX + 2, "{input:?}: {once:?}");
    assert!(once == "/" || !once.ends_with('/'), "{input:?}: {once:?}");
    assert_eq!(template(&once).as_ref(), Some(&once), "not stable: {input:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_template_of_any_text_is_stable_and_short(input in "\\PC{0,60}") {
        check_invariants(&input);
    }

    #[test]
    fn a_template_of_any_path_is_stable_and_short(input in path()) {
        check_invariants(&input);
        check_invariants(&format!("/{input}"));
    }

    #[test]
    fn integers_and_uuids_never_survive(id in 0_u64.., hex in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}") {
        prop_assert_eq!(template(&format!("/users/{id}/x")), Some("/users/{id}/x".to_owned()));
        prop_assert_eq!(template(&format!("/users/{hex}/x")), Some("/users/{id}/x".to_owned()));
    }

    #[test]
    fn any_message_is_read(input in path(), noise in "\\PC{0,40}") {
        for message in [format!("{noise} GET {input}"), format!("{noise} path={input}"), noise] {
            if let Some(endpoint) = from_message(&message) {
                prop_assert!(endpoint.starts_with('/'));
                check_invariants(&endpoint);
            }
            method_from_message(&message);
        }
    }
}

#[test]
fn hostile_texts_of_full_length_are_read() {
    for piece in ["/", "{", "}", "GET ", "path ", "path=/", ")", ".", "%", "GET /))))", "?", ":", "é"] {
        let text = piece.repeat(64 * 1024 / piece.len());
        check_invariants(&text);
        from_message(&text);
        method_from_message(&text);
    }
}
