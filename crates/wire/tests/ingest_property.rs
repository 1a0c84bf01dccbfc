//! What must hold for any body: it decodes without a panic, the same whatever the spelling and whichever path.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::record::{RawRecord, RejectionCode};
use sapwood_wire::ingest::{Decoded, Framing, decode};

/// JSON values of every kind, a few levels deep, as text.
fn json_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no NaN", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "\\PC{0,12}".prop_map(|text| json_text(&text)),
        Just(r#""\u0000\u001b \ud83d\ude00""#.to_owned()),
        Just(r#""2026-11-20T10:00:00Z""#.to_owned()),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((key(), inner), 0..5).prop_map(|fields| object(&fields)),
        ]
    })
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{}:{value}", json_text(key))).collect();
    format!("{{{}}}", fields.join(","))
}

const SPELLINGS: &[(&str, &str)] = &[
    ("error_type", "errorType"),
    ("error_code", "errorCode"),
    ("stack_trace", "stackTrace"),
    ("user_id", "userId"),
    ("session_id", "sessionId"),
    ("request_id", "requestId"),
    ("trace_id", "traceId"),
    ("span_id", "spanId"),
    ("ip_address", "ipAddress"),
    ("user_agent", "userAgent"),
    ("memory_usage", "memoryUsage"),
    ("duration_ms", "durationMs"),
    ("message_template", "messageTemplate"),
    ("timestamp", "timestamp"),
    ("level", "level"),
    ("message", "message"),
    ("metadata", "metadata"),
    ("context", "context"),
    ("tags", "tags"),
    ("priority", "priority"),
];

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(SPELLINGS).prop_map(|(snake, _)| snake.to_owned()),
        1 => prop::sample::select(vec!["msg", "severity", "time", "ts", "stack", "ip", "logs", "url", "status", "service"])
            .prop_map(str::to_owned),
        1 => "[a-z~/]{0,6}",
    ]
}

fn record() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((key(), json_value()), 0..12)
}

/// A body of any framing, from records.
fn framed(records: &[Vec<(String, String)>], framing: Framing) -> String {
    let objects: Vec<_> = records.iter().map(|fields| object(fields)).collect();
    match framing {
        Framing::Array => format!("[{}]", objects.join(",")),
        Framing::Logs => format!("{{\"logs\":[{}]}}", objects.join(",")),
        Framing::Records => format!("{{\"records\":[{}]}}", objects.join(",")),
        Framing::Lines => objects.join("\n") + "\n",
        Framing::Object => objects.first().cloned().unwrap_or_default(),
    }
}

/// As text, so that two floats that are both `-0.0` are equal and the difference can be read.
fn shown(decoded: &Decoded) -> String {
    format!("{:#?}", decoded.records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_decode_or_are_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(error) = decode(&body) {
            prop_assert!(error.byte_offset <= body.len());
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    #[test]
    fn a_damaged_body_decodes_or_is_refused(
        records in prop::collection::vec(record(), 1..5),
        framing in prop::sample::select(vec![Framing::Object, Framing::Array, Framing::Logs, Framing::Records, Framing::Lines]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = framed(&records, framing).into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for end in [cut.index(body.len() + 1), body.len()] {
            if let Err(error) = decode(&body[..end]) {
                prop_assert!(error.byte_offset <= end, "{error}");
            }
        }
    }

    #[test]
    fn every_framing_gives_the_same_records(records in prop::collection::vec(record(), 2..5)) {
        let reference = decode(framed(&records, Framing::Array).as_bytes()).expect("well-formed");
        prop_assert_eq!(reference.records.len(), records.len());
        for framing in [Framing::Logs, Framing::Records, Framing::Lines] {
            let decoded = decode(framed(&records, framing).as_bytes()).expect("well-formed");
            prop_assert_eq!(decoded.framing, framing);
            prop_assert_eq!(shown(&decoded), shown(&reference));
        }
    }

    #[test]
    fn the_careful_path_gives_the_records_of_the_fast_one(records in prop::collection::vec(record(), 1..5)) {
        // A number too large for a float makes the fast path give up, whatever comes before it.
        let with_poison = |framing| {
            let mut all = records.clone();
            all.push(vec![("message".to_owned(), "\"m\"".to_owned()), ("n".to_owned(), "1e999".to_owned())]);
            framed(&all, framing)
        };
        for framing in [Framing::Array, Framing::Logs] {
            let fast = decode(framed(&records, framing).as_bytes()).expect("well-formed");
            let mut careful = decode(with_poison(framing).as_bytes()).expect("well-formed");
            let poison = careful.records.pop().expect("the last record").expect_err("cannot be held");
            prop_assert_eq!(poison.code, RejectionCode::InvalidValue);
            prop_assert_eq!(shown(&careful), shown(&fast));
        }
    }

    #[test]
    fn camel_case_and_snake_case_decode_equal(fields in record()) {
        let camel: Vec<_> = fields
            .iter()
            .map(|(key, value)| {
                let other = SPELLINGS.iter().find(|(snake, _)| snake == key).map_or(key.as_str(), |(_, camel)| camel);
                (other.to_owned(), value.clone())
            })
            .collect();
        // Names inside values stay as they are: only a record's own fields have two spellings.
        let [one, other] = [&fields, &camel].map(|fields| decode(format!("[{}]", object(fields)).as_bytes()).expect("well-formed"));
        prop_assert_eq!(shown(&one), shown(&other));
    }

    #[test]
    fn nothing_sent_is_lost(fields in prop::collection::vec(("[a-z]{9,12}", json_value()), 0..12)) {
        let body = object(&fields);
        let decoded = decode(format!("[{body}]").as_bytes()).expect("well-formed");
        let record: &RawRecord = decoded.records[0].as_ref().expect("unknown keys refuse nothing");
        for (key, _) in &fields {
            prop_assert!(record.attributes.iter().any(|(name, _)| name == key) || key == "timestamp" || key == "component", "{key}");
        }
    }
}
