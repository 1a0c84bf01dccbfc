//! The examples of `docs/api` are true: every request decodes to what the docs say, every reply is what the service
//! writes. `SAPWOOD_WRITE_EXAMPLES=1 cargo test` writes the replies anew; the difference is then reviewed like code.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::level::Level;
use sapwood_engine::record::{
    Defect, ErrorType, Frame, RawRecord, RawTimestamp, Record, Redaction, RedactionKind, Source, Triage, TriageLevel,
};
use sapwood_engine::time::Timestamp;
use sapwood_engine::value::{Value, field};
use sapwood_wire::convert::field_error;
use sapwood_wire::cursor::{Cursor, Order};
use sapwood_wire::data_service::{DataServiceRecord, batch_body};
use sapwood_wire::ingest::{Decoded, Framing, decode};
use sapwood_wire::notify::{AlertKind, AlertLink, AlertView, Exemplar, slack_message, webhook_payload};
use sapwood_wire::problem::{PartialFailure, Problem, ProblemCode};
use sapwood_wire::query::{SearchReply, parse_search};
use sapwood_wire::record_view::{PatternRef, RecordView};
use sapwood_wire::reply::{ComponentReply, IngestReply, LogSubmitted, PrototypeFailure, PrototypeSuccess};
use serde::Deserializer;
use std::path::PathBuf;

/// 2026-11-20T10:00:00.000Z.
const TEN: i64 = 1_795_168_800_000;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/examples").join(name)
}

fn request(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn decoded(name: &str) -> Decoded {
    decode(&request(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn record_at(decoded: &Decoded, index: usize) -> &RawRecord {
    decoded.records[index].as_ref().expect("is accepted")
}

/// JSON with its keys in the order written, so that an example reads as what is sent.
enum InOrder {
    Scalar(serde_json::Value),
    List(Vec<InOrder>),
    Map(Vec<(String, InOrder)>),
}

impl<'de> serde::Deserialize<'de> for InOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?.get();
        let read = match raw.as_bytes().first() {
            Some(b'[') => serde_json::from_str(raw).map(InOrder::List),
            Some(b'{') => serde_json::Deserializer::from_str(raw).deserialize_map(MapInOrder).map(InOrder::Map),
            _ => serde_json::from_str(raw).map(InOrder::Scalar),
        };
        read.map_err(serde::de::Error::custom)
    }
}

struct MapInOrder;

impl<'de> serde::de::Visitor<'de> for MapInOrder {
    type Value = Vec<(String, InOrder)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

impl serde::Serialize for InOrder {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) => serializer.collect_map(fields.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// Asserts that the example `name` is `written`, apart from white space.
fn check(name: &str, written: &[u8]) {
    if std::env::var_os("SAPWOOD_WRITE_EXAMPLES").is_some() {
        let in_order: InOrder = serde_json::from_slice(written).expect("what we write is JSON");
        let pretty = serde_json::to_string_pretty(&in_order).expect("JSON") + "\n";
        std::fs::write(path(name), pretty).expect("the examples can be written");
    }
    let written: serde_json::Value = serde_json::from_slice(written).expect("what we write is JSON");
    let example: serde_json::Value =
        serde_json::from_slice(&request(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(example, written, "{name}");
}

fn check_reply(name: &str, reply: &impl serde::Serialize) {
    check(name, &serde_json::to_vec(reply).expect("a reply is JSON"));
}

#[test]
fn requests_decode_to_what_the_docs_say() {
    let object = decoded("ingest-object.json");
    assert_eq!((object.framing, object.records.len()), (Framing::Object, 1));
    let record = record_at(&object, 0);
    assert_eq!(record.timestamp, RawTimestamp::Text("2026-11-20T10:00:00.123Z".to_owned()));
    assert_eq!(record.url.as_deref(), Some("https://shop.example.com/api/orders/7"));
    assert!(field(&record.attributes, "order").is_some());

    let array = decoded("ingest-array.json");
    assert_eq!((array.framing, array.records.len()), (Framing::Array, 2));
    assert_eq!(record_at(&array, 0).user_id, record_at(&array, 1).user_id, "both spellings");

    let logs = decoded("ingest-logs.json");
    assert_eq!((logs.framing, logs.records.len()), (Framing::Logs, 2));
    assert_eq!(record_at(&logs, 0).component.as_deref(), Some("checkout"), "from the envelope");
    assert_eq!(record_at(&logs, 1).component.as_deref(), Some("cart"), "its own");

    let lines = decoded("ingest-lines.ndjson");
    assert_eq!((lines.framing, lines.records.len()), (Framing::Lines, 3));
    assert_eq!(lines.records.iter().filter(|outcome| outcome.is_ok()).count(), 2, "a broken line costs itself");

    let prototype = decoded("ingest-prototype.json");
    let record = record_at(&prototype, 0);
    assert_eq!((record.level.as_deref(), record.component.as_deref()), (Some("error"), Some("auth-service")));
    assert_eq!(field(&record.attributes, "attempt"), Some(&Value::Int(3)));
}

#[test]
fn replies_are_what_the_service_writes() {
    check_reply("reply-accepted.json", &IngestReply { accepted: 2, ..IngestReply::default() });

    let lines = decoded("ingest-lines.ndjson");
    let mut reply = IngestReply::default();
    for (index, outcome) in lines.records.iter().enumerate() {
        match outcome {
            Ok(_) => reply.accepted += 1,
            Err(rejection) => reply.reject(field_error(rejection, index, lines.framing)),
        }
    }
    assert_eq!(reply.total(), 3);
    check_reply("reply-some-rejected.json", &reply);

    let done = ComponentReply {
        component: "cart".to_owned(),
        status: 202,
        records: 3,
        accepted: 3,
        ..ComponentReply::default()
    };
    let failed = ComponentReply {
        component: "checkout".to_owned(),
        status: 504,
        records: 2,
        code: Some(ProblemCode::UpstreamTimeout.code().to_owned()),
        ..ComponentReply::default()
    };
    let partial = IngestReply { accepted: 3, components: vec![done, failed], ..IngestReply::default() };
    check_reply("reply-partial-failure.json", &PartialFailure::new(partial, 1));

    check_reply("problem-invalid-json.json", &Problem::from(&decode(b"[{\"message\": }]").expect_err("broken")));
    let pairs = [("levle", "error"), ("limit", "5000")];
    let errors = parse_search(pairs, TEN).expect_err("two problems");
    check_reply(
        "problem-invalid-query.json",
        &Problem::new(ProblemCode::InvalidQuery, "2 parameters cannot be used").with_errors(errors),
    );
    check_reply("problem-rate-limited.json", &Problem::new(ProblemCode::RateLimited, "").with_retry_after(2));

    let actions = ["monitor_brute_force".to_owned(), "user_notification".to_owned()];
    let data =
        LogSubmitted { log_id: "01KAEXAMPLE", category: "authentication", severity: "error", triage_actions: &actions };
    check_reply("prototype-201.json", &PrototypeSuccess { data, now_ms: TEN });
    let rejection = decode(br#"{"message":{}}"#).expect("decodes").records.remove(0).expect_err("no text");
    let failure = PrototypeFailure {
        code: ProblemCode::RecordsRejected.prototype_code(),
        message: ProblemCode::RecordsRejected.title(),
        error_id: Some("err_01KAEXAMPLE"),
        now_ms: TEN,
        details: &[field_error(&rejection, 0, Framing::Object)],
        retry_after_seconds: None,
    };
    check_reply("prototype-400.json", &failure);
}

/// A record in which every field is set.
fn full_record() -> Record {
    let text = |value: &str| Some(value.to_owned());
    Record {
        id: text("order-7-failed"),
        timestamp: Timestamp(TEN),
        level: Level::ERROR,
        message: "payment failed for order 7: card [redacted:card]".to_owned(),
        component: "PaymentService".to_owned(),
        service: text("shop"),
        environment: "production".to_owned(),
        source: Source::Backend,
        error_type: ErrorType::Exception,
        error_code: text("E_PAY"),
        endpoint: text("/api/orders/{id}"),
        category: "database".to_owned(),
        priority: 2,
        user_id: text("u-42"),
        session_id: text("s-1"),
        request_id: text("r-9"),
        trace_id: text("0af7651916cd43dd8448eb211c80319c"),
        span_id: text("b7ad6b7169203331"),
        release: text("2026.11.20-3"),
        stack_trace: text("Error: declined\n    at charge (/app/pay.js:10:5)"),
        frames: vec![Frame {
            function: text("charge"),
            file: text("/app/pay.js"),
            line: Some(10),
            column: Some(5),
            in_app: true,
        }],
        fault: None,
        url: text("https://shop.example.com/api/orders/7"),
        method: text("POST"),
        ip: text("192.0.2.1"),
        user_agent: text("example/1.0"),
        duration_ms: Some(812.5),
        memory_usage: Some(0.25),
        feature: text("checkout"),
        workflow: text("order"),
        tags: vec!["eu".to_owned()],
        attributes: vec![
            ("amount".to_owned(), Value::Float(969_156_217_487.882_9)),
            (
                "order".to_owned(),
                Value::Map(vec![("id".to_owned(), Value::Int(7)), ("gift".to_owned(), Value::Bool(false))]),
            ),
            ("parts".to_owned(), Value::List(vec![Value::Null, Value::Text("a".to_owned())])),
        ],
        message_template: text("payment failed for order {order}"),
        triage: Triage { level: TriageLevel::High, actions: vec!["alert_dba", "check_connections"] },
        categorization_confidence: 90,
        defects: vec![Defect::ZoneAssumed],
        redactions: vec![Redaction { kind: RedactionKind::Card, count: 1 }],
    }
}

fn pattern() -> Option<PatternRef<'static>> {
    Some(PatternRef { id: "p_17", template: Some("payment failed for order <*>: card <*>"), name: None })
}

#[test]
fn a_record_is_shown_as_the_docs_show_it() {
    let record = full_record();
    let view = RecordView {
        record: &record,
        id: "01KAEXAMPLE",
        domain: "example.com",
        component: "checkout",
        received_at_ms: TEN + 250,
        pattern: pattern(),
    };
    let mut written = Vec::new();
    view.write_json(&mut written);
    check("record.json", &written);
    let cursor =
        Cursor { order: Order::Desc, timestamp_ms: TEN, component: "checkout".to_owned(), shard: 0, seq: 12, index: 3 };
    let reply = SearchReply {
        records: vec![view],
        total: 37,
        total_is_exact: true,
        next_cursor: Some(cursor.to_string()),
        partial: false,
        failed_components: vec![],
        took_ms: None,
    };
    check_reply("search-reply.json", &reply);
}

#[test]
fn the_data_service_record_is_as_documented_and_comes_back_as_it_left() {
    let record = full_record();
    let sent = DataServiceRecord {
        record: &record,
        id: "order-7-failed",
        domain: "example.com",
        tenant_id: Some("example-main"),
        component: "checkout",
        received_at_ms: TEN + 250,
        pattern: pattern(),
    };
    let json = sent.to_json();
    check("data-service-record.json", &json);

    // One Sapwood is the data service of another: its decoder understands what we send.
    let received = decode(&batch_body([json.as_slice()])).expect("a batch of ours decodes");
    assert_eq!(received.framing, Framing::Logs);
    let back = record_at(&received, 0);
    assert_eq!(back.id, record.id);
    assert_eq!(back.timestamp, RawTimestamp::Int(record.timestamp.0));
    assert_eq!(back.level.as_deref().and_then(Level::from_word), Some(record.level));
    assert_eq!(back.message.as_deref(), Some(record.message.as_str()));
    assert_eq!(back.component.as_deref(), Some("checkout"));
    for (one, other) in [
        (&back.error_code, &record.error_code),
        (&back.endpoint, &record.endpoint),
        (&back.user_id, &record.user_id),
        (&back.session_id, &record.session_id),
        (&back.request_id, &record.request_id),
        (&back.trace_id, &record.trace_id),
        (&back.span_id, &record.span_id),
        (&back.release, &record.release),
        (&back.stack_trace, &record.stack_trace),
        (&back.ip, &record.ip),
        (&back.user_agent, &record.user_agent),
        (&back.feature, &record.feature),
        (&back.workflow, &record.workflow),
    ] {
        assert_eq!(one, other);
    }
    assert_eq!((back.duration_ms, back.memory_usage), (record.duration_ms, record.memory_usage));
    assert_eq!(back.tags, record.tags);
    for (name, value) in &record.attributes {
        assert_eq!(field(&back.attributes, name), Some(value), "{name}");
    }
    assert_eq!(back.defects, []);
}

#[test]
fn alerts_are_sent_as_the_docs_show_them() {
    let alert = AlertView {
        incident_id: "inc_01KAEXAMPLE".to_owned(),
        kind: AlertKind::NewPattern,
        domain: "example.com".to_owned(),
        component: "checkout".to_owned(),
        environment: "production".to_owned(),
        level: "error".to_owned(),
        title: "payment failed for order <*>".to_owned(),
        pattern_id: Some("p_17".to_owned()),
        pattern_template: Some("payment failed for order <*>: card <*>".to_owned()),
        expected_low: None,
        expected_high: None,
        probability: None,
        series: None,
        expected: None,
        seen: 37,
        window_ms: 120_000,
        first_seen_ms: TEN,
        last_seen_ms: TEN + 60_000,
        count: 37,
        exemplars: vec![Exemplar {
            id: "01KAEXAMPLE".to_owned(),
            timestamp_ms: TEN,
            level: "error".to_owned(),
            message: full_record().message,
        }],
        release: Some("2026.11.20-3".to_owned()),
        new_in_release: None,
        links: vec![AlertLink {
            label: "Open the incident".to_owned(),
            url: "https://logger.example.com/#/incidents/inc_01KAEXAMPLE".to_owned(),
        }],
    };
    check("alert-webhook.json", &webhook_payload(&alert, TEN + 61_000));
    check("alert-slack.json", &slack_message(&alert));
}
