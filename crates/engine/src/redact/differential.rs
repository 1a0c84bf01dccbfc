//! The tables that spare the detectors most words, held to a scan that asks every detector at every word and looks at
//! every name: both find the same, to the byte.

use super::*;
use proptest::prelude::*;

/// A redactor that asks every detector at every word and looks at every name.
fn asking_everywhere(config: &RedactConfig) -> Redactor {
    let mut redactor = Redactor::new(config);
    redactor.names.asks_everywhere = true;
    redactor
}

fn check_same(config: &RedactConfig, text: &str) {
    let (fast, slow) = (Redactor::new(config), asking_everywhere(config));
    for is_template in [false, true] {
        let of = |redactor: &Redactor| redactor.search(is_template).find(text.as_bytes()).0;
        assert_eq!(of(&fast), of(&slow), "{text:?}");
    }
}

/// Beginnings, names and separators of secrets, whole and cut, between other words.
fn pieces() -> Vec<String> {
    let mut pieces: Vec<String> = key_shape::prefixes()
        .flat_map(|prefix| {
            let body = "A1b2C3d4E5f6A7B8C9D0E1F2a3b4c5d6E7F8A9B0C1D2";
            [
                prefix.to_owned(),
                format!("{prefix}{body}"),
                format!("{prefix}{}", &body[..20]),
                prefix.chars().skip(1).collect(),
            ]
        })
        .collect();
    pieces.extend(names::spellings());
    let others = [
        "=",
        ":",
        ": ",
        " ",
        " ",
        " ",
        "\n",
        "\\n",
        "\"",
        "'",
        "\\\"",
        ",",
        "[",
        "]",
        "<",
        ">",
        "</",
        "--",
        "-",
        "_",
        ".",
        "/",
        "@",
        "?",
        "&",
        "%3D",
        "%22",
        "%41",
        "\\u0041",
        "\\u003d",
        "&#61;",
        "&quot;",
        "{",
        "}",
        "é",
        "пароль",
        "😀",
        "\0",
        "hunter2",
        "x",
        "a",
        "1",
        "42",
        "2",
        "10:30:00",
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "Bearer ",
        "bearer ",
        "BASIC ",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Digest username=",
        "digest ",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "eyJ",
        "eyJhIjoxfQ",
        "YWxpY2VAZXhhbXBsZS5jb20",
        "cGFzc3dvcmQ9aHVudGVyMg==",
        "/usr/lib/cGFzc3dvcmQ9aHVudGVyMg/x",
        "-----BEGIN RSA PRIVATE KEY-----",
        "----- BEGIN",
        "-----END RSA PRIVATE KEY-----",
        "curl ",
        "curl -u ",
        "-u u:p ",
        "--password ",
        "alice@example.com",
        "https://u:p@h/x",
        "postgres://",
        "://",
        "1.2.3.4",
        "::1",
        "fe80::1",
        "AAabc",
        "123456789:AA",
        "123456789:AAabcdefghijklmnopqrstuvwxyz012345678",
        "max_",
        "user",
        "Number",
        "patient",
        "7",
        "z9",
        "password_base64",
        "tokenBase64",
        "base64",
        "64",
    ];
    pieces.extend(others.map(str::to_owned));
    pieces
}

#[test]
fn every_name_and_every_prefix_is_found_by_the_tables_as_it_is_without_them() {
    let config = RedactConfig { redact_ip: true, ..RedactConfig::default() };
    for piece in pieces() {
        for (before, after) in [
            ("", ""),
            ("", "=hunter2"),
            ("a_", ": hunter2 b"),
            // Words that are looked through stand behind a secret name.
            ("db_password_", "=hunter2 b"),
            ("the ", "2 = x"),
            ("{\"", "\":\"v\"}"),
            ("x/", "/y"),
        ] {
            let text = format!("{before}{piece}{after}");
            check_same(&config, &text);
            check_same(&config, &text.to_uppercase());
        }
    }
}

/// Secrets that are found wherever a word may begin, or beside their name.
const SECRETS: [&str; 14] = [
    "4111111111111111",
    "4222222222222",
    "4111 1111 1111 1111",
    "4111\u{a0}1111\u{a0}1111\u{a0}1111",
    "3782-822463-10005",
    "4111\u{2013}1111\u{2013}1111\u{2013}1111",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "cGFzc3dvcmQ9aHVudGVyMg",
    "YWxpY2VAZXhhbXBsZS5jb20=",
    "password=hunter2",
    "password_base64=aHVudGVyMg",
    "--password hunter2",
    "alice@example.com",
];

#[test]
fn a_secret_at_any_distance_and_behind_any_byte_is_found_as_without_the_tables() {
    let config = RedactConfig::default();
    let neighbours = (0..128u8).map(char::from).chain(['é', '…', '\u{a0}', '😀']);
    for before in neighbours {
        for secret in SECRETS {
            for distance in [0, 1, 2, 5, 7, 8, 15, 16] {
                for after in ["", " x", "/a-b_c+d", "."] {
                    check_same(&config, &format!("{}{before}{secret}{after}", "w".repeat(distance)));
                }
            }
        }
    }
}

#[test]
fn a_secret_in_an_ordinary_line_is_gone_wherever_it_stands() {
    let redactor = Redactor::default();
    let line = "2024-11-20 00:00:04,288 INFO [exec-8] GET /api/x?y=1 HTTP/1.1 201 396 \"Mozilla/5.0 (X11)\" took 1.5 s";
    for (at, _) in line.match_indices(' ') {
        for secret in SECRETS {
            let text = format!("{} {secret} {}", &line[..at], &line[at + 1..]);
            let redacted = redactor.redact_text(&text);
            for part in ["4111", "4222", "8224", "AKIA", "eyJ", "cGFz", "YWxp", "hunter2", "aHVu", "alice"] {
                assert!(!redacted.contains(part), "{text}\n{redacted}");
            }
            assert!(redacted.starts_with("2024-11-20 ") && redacted.ends_with(" s"), "{redacted}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_find_what_is_found_without_them(
        text in proptest::collection::vec(prop_oneof![6 => proptest::sample::select(pieces()), 1 => ".{0,8}"], 0..16),
        extra in 0usize..4,
    ) {
        let extra_names = [vec![], vec!["Patient-Number".to_owned(), "пароль".to_owned()], vec!["z9".to_owned()], vec!["x".to_owned()]];
        let config = RedactConfig { redact_ip: extra % 2 == 0, redact_email: true, extra_names: extra_names[extra].clone() };
        check_same(&config, &text.concat());
    }
}
