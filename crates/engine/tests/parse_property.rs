//! What the header parser promises for any text: it returns, the message is never lost and is made of the line, and
//! neither length nor shape makes it slow.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::level::Level;
use sapwood_engine::parse::parse_line;
use sapwood_engine::parse::timestamp::{from_float, from_int, read, read_prefix};
use sapwood_engine::time::Timestamp;

const REFERENCE: Timestamp = Timestamp(1_763_632_800_000);

/// Text made of the tokens that headers are made of, in any order: far more likely to reach the corners of the grammar
/// than random characters.
fn header_soup() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("2025-11-19T08:15:01.123Z"),
        Just("2025-11-19 08:15:01,978"),
        Just("Nov 19 08:15:01"),
        Just("10/Oct/2000:13:55:36 -0700"),
        Just("081109 203615"),
        Just("1117838570"),
        Just("2005.06.03"),
        Just("18:01:47.978"),
        Just("I1119 08:15:01.678901"),
        Just("INFO"),
        Just("error"),
        Just("Warning"),
        Just("<34>"),
        Just("1 "),
        Just("[main]"),
        Just("[client 10.0.0.1]"),
        Just("[error]"),
        Just("[pid 1:tid 2]"),
        Just("a.b.C:"),
        Just("box"),
        Just("sshd[12]:"),
        Just("key=value"),
        Just("msg=\"a \\\" b\""),
        Just("level=warn"),
        Just("\"GET /x HTTP/1.1\" 500 12"),
        Just("{\"level\":\"info\",\"msg\":\"a\\nb\"}"),
        Just("{\"a\":"),
        Just("stdout F"),
        Just("span{a=1}:"),
        Just("\u{1b}[31m"),
        Just("\u{1b}["),
        Just(" - "),
        Just(" | "),
        Just("---"),
        Just("\t"),
        Just("  "),
        Just(":"),
        Just("["),
        Just("]"),
        Just("\""),
        Just("é"),
        Just("\u{202f}"),
        Just("1234"),
        Just("words of a message"),
    ];
    proptest::collection::vec((token, prop_oneof![Just(" "), Just("")]), 0..16)
        .prop_map(|tokens| tokens.into_iter().flat_map(|(token, gap)| [token, gap]).collect())
}

/// The promises about one line.
fn check(line: &str) {
    let parsed = parse_line(line, REFERENCE);
    assert_eq!(parsed, parse_line(line, REFERENCE), "the same line gives the same answer");
    let is_blank = line.trim_start_matches('\u{feff}').trim().is_empty();
    assert_eq!(parsed.message.trim().is_empty(), is_blank, "{line:?} gave {:?}", parsed.message);
    let escapes = line.contains('\\') || line.contains('\u{1b}');
    for word in parsed.message.split_whitespace().filter(|_| !escapes) {
        assert!(line.contains(word), "{word:?} is not from {line:?}");
    }
    let body = line.trim_start_matches('\u{feff}').trim();
    assert!(body.starts_with(parsed.header), "{:?} does not open {line:?}", parsed.header);
    let parts = [parsed.host, parsed.process, parsed.pid, parsed.thread, parsed.logger, parsed.client_ip];
    for part in parts.into_iter().chain([parsed.method, parsed.path]).flatten() {
        assert!(!part.is_empty() && line.contains(part), "{part:?} is not from {line:?}");
    }
    if let Some(time) = parsed.timestamp {
        assert_eq!(time.timestamp, time.timestamp.clamped());
    }
    assert!(parsed.duration_ms.is_none_or(|duration| duration.is_finite() && duration >= 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed(line in any::<String>()) {
        check(&line);
    }

    #[test]
    fn any_order_of_header_tokens_is_parsed(line in header_soup()) {
        check(&line);
    }

    #[test]
    fn any_printable_text_is_parsed(line in "[ -~]{0,200}") {
        check(&line);
    }

    #[test]
    fn any_text_may_follow_a_header(message in "[a-z][a-z ]{0,60}[a-z]") {
        let line = format!("2025-11-19 08:15:01,978 INFO [main] com.acme.Cart: {message}");
        let parsed = parse_line(&line, REFERENCE);
        prop_assert_eq!(parsed.message.as_ref(), message.trim());
        prop_assert_eq!(parsed.level, Some(Level::INFO));
    }

    #[test]
    fn small_words_alone_are_all_message(words in proptest::collection::vec("[a-z]{1,12}", 1..8)) {
        let line = words.join(" ");
        let parsed = parse_line(&line, REFERENCE);
        prop_assert_eq!(parsed.message.as_ref(), line.as_str());
        prop_assert_eq!(parsed.timestamp, None);
    }

    #[test]
    fn any_instant_is_read_back_from_its_rfc_3339_form(millis in Timestamp::MIN.0..=Timestamp::MAX.0) {
        let text = Timestamp(millis).to_string();
        let found = read(&text, REFERENCE).expect("RFC 3339");
        prop_assert_eq!(found.timestamp, Timestamp(millis));
        prop_assert!(!found.zone_assumed && !found.year_assumed);
    }

    #[test]
    fn any_text_is_a_timestamp_or_none(text in any::<String>(), reference in any::<i64>()) {
        if let Some((found, taken)) = read_prefix(&text, Timestamp(reference)) {
            prop_assert!(text.is_char_boundary(taken) && taken > 0);
            prop_assert_eq!(found.timestamp, found.timestamp.clamped());
        }
        let _ = read(&text, Timestamp(reference));
    }

    #[test]
    fn any_number_is_an_instant_in_range(int in any::<i64>(), float in any::<f64>()) {
        prop_assert_eq!(from_int(int), from_int(int).clamped());
        prop_assert_eq!(from_float(float).is_some(), float.is_finite());
        prop_assert!(from_float(float).is_none_or(|found| found == found.clamped()));
    }

    #[test]
    fn the_units_of_one_instant_agree(seconds in 1_000_000_000i64..4_000_000_000) {
        let expected = Timestamp(seconds * 1_000);
        for unit in [1, 1_000, 1_000_000, 1_000_000_000] {
            prop_assert_eq!(from_int(seconds * unit), expected);
        }
        prop_assert_eq!(read(&format!("{seconds}.250"), REFERENCE).map(|found| found.timestamp.0), Some(expected.0 + 250));
    }
}

#[test]
fn shapes_that_invite_searching_again_and_again_stay_linear() {
    // Quadratic work on this size would be minutes; the sum over all shapes is what bounds it from above.
    const SIZE: usize = 250_000;
    let heads =
        ["", "2025-11-19 08:15:01 ", "2025-11-19 08:15:01 INFO ", "<13>Nov 19 08:15:01 box app: ", "{\"msg\":\""];
    let pieces = [
        "[",
        "]",
        "[]",
        "[a",
        "{",
        "{\"a\":",
        "\"",
        "\\\"",
        "\\",
        "a=",
        "a=\"",
        "a=\"\\",
        "a=,",
        "a=)",
        "k=v ",
        "- ",
        "--- ",
        "|",
        "a|",
        ": ",
        "a: ",
        "1",
        "1.",
        "1:",
        "Nov ",
        "INFO ",
        "\u{1b}[0m",
        "\u{1b}[",
        " ",
        "\t",
        "a",
        "é",
        "in 1",
        "\"GET / HTTP/1.1\" ",
        "client: ",
        "2025-11-19 ",
        "\\u00e9",
        "[1] ",
        "<1> ",
        "a{",
        "\u{feff}",
    ];
    for head in heads {
        for piece in pieces {
            let line = format!("{head}{}", piece.repeat(SIZE / piece.len()));
            let parsed = parse_line(&line, REFERENCE);
            let is_blank = line.trim_start_matches('\u{feff}').trim().is_empty();
            assert_eq!(parsed.message.trim().is_empty(), is_blank, "{head:?} and {piece:?}");
        }
    }
}

#[test]
fn a_megabyte_of_message_arrives_whole() {
    let message = "word ".repeat(200_000);
    let line = format!("2025-11-19T08:15:01Z ERROR [main] a.b.C - {message}");
    let parsed = parse_line(&line, REFERENCE);
    assert_eq!(parsed.message, message.trim());
    assert_eq!(parsed.level, Some(Level::ERROR));
}
