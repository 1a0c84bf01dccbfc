//! Alerts under hostile input: every limit holds, nothing becomes markup.
use super::*;
use proptest::prelude::*;

fn alert() -> AlertView {
    AlertView {
        incident_id: "inc_01".to_owned(),
        kind: AlertKind::NewPattern,
        domain: "example.com".to_owned(),
        component: "checkout".to_owned(),
        environment: "production".to_owned(),
        level: "error".to_owned(),
        title: "payment failed for order <*>".to_owned(),
        pattern_id: Some("p_17".to_owned()),
        pattern_template: Some("payment failed for order <*>".to_owned()),
        expected: None,
        expected_low: None,
        expected_high: None,
        probability: None,
        series: None,
        seen: 37,
        window_ms: 120_000,
        first_seen_ms: 1_795_168_800_000,
        last_seen_ms: 1_795_168_860_000,
        count: 37,
        exemplars: vec![Exemplar {
            id: "01J".to_owned(),
            timestamp_ms: 1_795_168_800_000,
            level: "error".to_owned(),
            message: "payment failed for order 7".to_owned(),
        }],
        release: Some("2026.11.20-3".to_owned()),
        new_in_release: None,
        links: vec![AlertLink { label: "Open".to_owned(), url: "https://logger.example.com/#/i/1".to_owned() }],
    }
}

/// An alert in which every text is `text`.
fn alert_of(text: &str, exemplars: usize) -> AlertView {
    let text = text.to_owned();
    let line = Exemplar { id: text.clone(), timestamp_ms: i64::MIN, level: text.clone(), message: text.clone() };
    AlertView {
        incident_id: text.clone(),
        kind: AlertKind::Burst,
        domain: text.clone(),
        component: text.clone(),
        environment: text.clone(),
        level: text.clone(),
        title: text.clone(),
        pattern_id: Some(text.clone()),
        pattern_template: Some(text.clone()),
        expected: Some(f64::MAX),
        expected_low: Some(1.0),
        expected_high: Some(f64::MAX),
        probability: Some(1e-300),
        series: Some(text.to_owned()),
        seen: u64::MAX,
        window_ms: u64::MAX,
        first_seen_ms: i64::MIN,
        last_seen_ms: i64::MAX,
        count: u64::MAX,
        exemplars: vec![line; exemplars],
        release: Some(text.clone()),
        new_in_release: Some(text.clone()),
        links: vec![
            AlertLink { label: text.clone(), url: text.clone() },
            AlertLink { label: text.clone(), url: format!("https://e.example/{text}") },
            AlertLink { label: text.clone(), url: "https://e.example/".to_owned() + &"a".repeat(480) },
            AlertLink { label: text.clone(), url: "https://e.example/1".to_owned() },
            AlertLink { label: text, url: "https://e.example/2".to_owned() },
        ],
    }
}

fn units(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.encode_utf16().count())
}

/// Checks every limit of Block Kit and gives back all of the message's texts.
fn check_slack(alert: &AlertView) -> Vec<String> {
    let body = String::from_utf8(slack_message(alert)).unwrap();
    assert!(body.encode_utf16().count() < SLACK_MESSAGE_CHARS_MAX, "{} characters", body.encode_utf16().count());
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&message["unfurl_links"], &message["unfurl_media"]), (&Value::Bool(false), &Value::Bool(false)));
    let mut texts = vec![message["text"].as_str().unwrap().to_owned()];
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let limit = match block["type"].as_str().unwrap() {
            "header" => SLACK_HEADER_CHARS,
            "section" => SLACK_SECTION_CHARS,
            "context" | "actions" => 0,
            other => panic!("unexpected block {other}"),
        };
        assert!(units(&block["text"]["text"]) <= limit);
        texts.extend(block["text"]["text"].as_str().map(str::to_owned));
        let fields = block["fields"].as_array().cloned().unwrap_or_default();
        assert!(fields.len() <= 10);
        for field in fields {
            assert!((1..=SLACK_FIELD_CHARS).contains(&units(&field["text"])));
            texts.push(field["text"].as_str().unwrap().to_owned());
        }
        let elements = block["elements"].as_array().cloned().unwrap_or_default();
        assert!(elements.len() <= 10);
        for element in elements {
            if element["type"] == "button" {
                assert!((1..=SLACK_BUTTON_CHARS).contains(&units(&element["text"]["text"])));
                assert!(units(&element["url"]) <= SLACK_URL_CHARS);
                assert!(element["url"].as_str().unwrap().starts_with("http"));
            } else {
                texts.push(element["text"].as_str().unwrap().to_owned());
            }
        }
    }
    for text in &texts {
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        assert!(!text.contains("@channel") && !text.contains("@here") && !text.contains("@everyone"), "{text}");
        assert!(matches!(text.matches('`').count(), 0 | 6), "only the fences of a code block: {text}");
    }
    texts
}

#[test]
fn a_slack_message_tells_the_whole_story() {
    let texts = check_slack(&alert()).join("\n");
    for part in [
        "New error pattern in checkout",
        "[production] checkout: payment failed for order &lt;∗&gt; (37 in 2 min)",
        "release 2026.11.20-3",
        "never before",
        "2026-11-20T10:00:00.000Z error payment failed for order 7",
        "incident inc＿01, pattern p＿17",
        "Not worth telling? sapwood feedback inc_01 noise",
    ] {
        assert!(texts.contains(part), "{part} in {texts}");
    }
    let bare = AlertView {
        pattern_id: None,
        pattern_template: None,
        exemplars: vec![],
        release: None,
        new_in_release: None,
        links: vec![],
        expected: Some(2.0),
        ..alert()
    };
    let message: Value = serde_json::from_slice(&slack_message(&bare)).unwrap();
    assert_eq!(message["blocks"].as_array().unwrap().len(), 3, "nothing stands empty");
}

#[test]
fn log_text_cannot_leave_its_block_or_ring_anybody() {
    for text in [
        "```\n<!channel> <@U123> <https://evil.example|click> @here *bold* _it_ ~no~ &amp; `x`",
        "@channel@here@everyone",
        "a\u{0}b\u{1b}[31mred\r\nforged line\u{202e}",
    ] {
        for message in check_slack(&alert_of(text, 2)) {
            assert!(!message.chars().any(|letter| letter.is_control() && letter != '\n'), "{message:?}");
            assert!(!message.contains('\u{202e}'));
        }
    }
}

#[test]
fn every_limit_holds_under_the_longest_and_widest_texts() {
    for unit in ["a", "&", "<", "\"", "\\", "\u{0}", "\n", "`", "é", "\u{1F600}", "@channel", "…"] {
        for length in [1, 60, 75, 150, 400, 3_000, 70_000] {
            let hostile = alert_of(&unit.repeat(length), if length > 3_000 { 3 } else { 12 });
            check_slack(&hostile);
            let body = webhook_payload(&hostile, i64::MAX);
            assert!(body.len() < WEBHOOK_BODY_BYTES_MAX, "{} bytes of {unit:?} x {length}", body.len());
            let payload: Value = serde_json::from_slice(&body).unwrap();
            let data = &payload["data"];
            let shown = data["exemplars"].as_array().unwrap().len() as u64;
            assert_eq!(shown + data["exemplars_omitted"].as_u64().unwrap(), hostile.exemplars.len() as u64);
            assert!(shown > 0, "some example is shown");
        }
    }
}

#[test]
fn a_webhook_says_what_standard_webhooks_wants() {
    let payload: Value = serde_json::from_slice(&webhook_payload(&alert(), 1_795_168_861_000)).unwrap();
    assert_eq!((&payload["type"], &payload["timestamp"]), (&"alert.opened".into(), &"2026-11-20T10:01:01.000Z".into()));
    let data = &payload["data"];
    assert_eq!((&data["kind"], &data["expected"], &data["seen"]), (&"new_pattern".into(), &Value::Null, &37.into()));
    assert_eq!(data["exemplars"][0]["message"], "payment failed for order 7");
    assert_eq!((&data["pattern"], &data["pattern_id"]), (&"payment failed for order <*>".into(), &"p_17".into()));
    assert_eq!(webhook_payload(&alert(), 5), webhook_payload(&alert(), 5), "the same on every attempt");
}

#[test]
fn the_signed_bytes_are_those_of_the_standard() {
    let body = br#"{"type":"alert.opened","timestamp":"2023-11-14T22:13:20Z","data":{"id":"a1"}}"#;
    let expected =
        br#"msg_01TEST.1700000000.{"type":"alert.opened","timestamp":"2023-11-14T22:13:20Z","data":{"id":"a1"}}"#;
    assert_eq!(signing_input("msg_01TEST", 1_700_000_000, body), expected);
}

#[test]
fn cut_texts_end_in_an_ellipsis_and_within_their_size() {
    for (text, max, expected) in [
        ("abc", 3, "abc"),
        ("abcdef", 5, "ab…"),
        ("\"\"\"\"", 7, "\"\"…"),
        ("\u{1}\u{1}", 11, "\u{1}…"),
        ("éééé", 7, "éé…"),
    ] {
        assert_eq!(cut_json(text, max), expected, "{text:?}");
        assert!(json_bytes(&cut_json(text, max)) <= max);
    }
}

#[test]
fn answers_of_targets_are_understood_by_their_rules() {
    use Delivery::*;
    use TargetKind::{Slack, Webhook};
    let now = 1_795_168_800_000;
    let later = |after_seconds| Retry { after_seconds };
    for (kind, status, retry_after, expected) in [
        (Webhook, 200, None, Delivered),
        (Webhook, 204, None, Delivered),
        (Webhook, 301, None, later(None)),
        (Webhook, 400, None, Refused),
        (Webhook, 401, None, later(None)),
        (Webhook, 404, None, later(None)),
        (Webhook, 410, None, Gone),
        (Webhook, 413, None, Refused),
        (Webhook, 429, Some("7"), later(Some(7))),
        (Webhook, 503, Some("Fri, 20 Nov 2026 10:00:30 GMT"), later(Some(31))),
        (Webhook, 503, Some("Fri, 20 Nov 2026 09:00:00 GMT"), later(Some(0))),
        (Webhook, 503, Some("999999999"), later(Some(86_400))),
        (Webhook, 503, Some("-5"), later(Some(0))),
        (Webhook, 503, Some("soon"), later(None)),
        (Webhook, 500, None, later(None)),
        (Slack, 200, None, Delivered),
        (Slack, 400, None, Refused),
        (Slack, 403, None, Gone),
        (Slack, 404, None, Gone),
        (Slack, 410, None, Gone),
        (Slack, 429, Some("1"), later(Some(1))),
        (Slack, 500, None, later(None)),
    ] {
        assert_eq!(interpret_delivery(kind, status, retry_after, now), expected, "{kind:?} {status} {retry_after:?}");
    }
}

#[test]
fn spans_are_said_in_the_unit_people_use() {
    for (ms, words) in [(999, "999 ms"), (90_000, "90 s"), (300_000, "5 min"), (7_200_000, "2 h")] {
        assert_eq!(span_words(ms), words);
    }
}

proptest! {
    #[test]
    fn any_alert_survives_the_outbox_and_fits_its_targets(text in "\\PC{0,200}", seen: u64, first: i64, count in 0usize..9, expected in proptest::option::of(0.0..1e12f64)) {
        let alert = AlertView { seen, first_seen_ms: first, expected, ..alert_of(&text, count) };
        let stored = serde_json::to_string(&alert).unwrap();
        prop_assert_eq!(serde_json::from_str::<AlertView>(&stored).unwrap(), alert.clone());
        check_slack(&alert);
        prop_assert!(webhook_payload(&alert, first).len() < WEBHOOK_BODY_BYTES_MAX);
    }
}

#[test]
fn a_probability_is_said_in_two_digits_that_say_something() {
    for (chance, words) in [
        (0.5, "0.50"),
        (0.034, "0.034"),
        (0.000_42, "0.00042"),
        (1.5e-9, "0.0000000015"),
        (1e-12, "less than 0.000000001"),
        (f64::NAN, "less than 0.000000001"),
        (1.0, "1"),
        (7.0, "1"),
    ] {
        assert_eq!(probability_words(chance), words, "{chance}");
    }
}

#[test]
fn a_deviation_is_shown_with_its_band_and_its_probability() {
    let deviation = AlertView {
        kind: AlertKind::Drop,
        expected: Some(210.0),
        expected_low: Some(170.0),
        expected_high: Some(250.0),
        probability: Some(0.000_3),
        series: Some("total".into()),
        ..alert()
    };
    let slack = String::from_utf8(slack_message(&deviation)).unwrap();
    assert!(
        slack.contains("210.0 (170.0 to 250.0)") && slack.contains("0.00030") && slack.contains("Drop in "),
        "{slack}"
    );
    let hook: Value = serde_json::from_slice(&webhook_payload(&deviation, 0)).unwrap();
    let data = &hook["data"];
    assert_eq!((&data["kind"], &data["series"]), (&json!("drop"), &json!("total")));
    assert_eq!(
        (&data["expected_low"], &data["expected_high"], &data["probability"]),
        (&json!(170.0), &json!(250.0), &json!(0.0003))
    );
    assert!(
        serde_json::from_slice::<Value>(&webhook_payload(&alert(), 0)).unwrap()["data"].get("probability").is_none()
    );
}
