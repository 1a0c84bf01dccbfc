//! Every dimension of a record, given and derived, through the one door `normalize`.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::level::Level;
use sapwood_engine::normalize::{NormalizeContext, normalize};
use sapwood_engine::record::{Defect, ErrorType, RawRecord, RawTimestamp, Record, RejectionCode, Source, TriageLevel};
use sapwood_engine::time::Timestamp;
use sapwood_engine::value::{Value, field};

const NOW: Timestamp = Timestamp(1_763_632_800_000);
const CTX: NormalizeContext<'static> =
    NormalizeContext { now: NOW, default_environment: "production", key_component: None };

fn raw(message: &str) -> RawRecord {
    RawRecord { message: Some(message.into()), ..RawRecord::default() }
}

fn read(raw: RawRecord) -> Record {
    normalize(raw, &CTX).expect("accepted")
}

fn text(content: &str) -> Option<String> {
    Some(content.to_string())
}

#[test]
fn what_is_given_is_believed() {
    let record = read(RawRecord {
        id: text("a-1"),
        timestamp: RawTimestamp::Int(1_763_632_000_000),
        level: text("error"),
        component: text("Cart"),
        service: text("shop"),
        environment: text("stage"),
        source: text("ui"),
        error_type: text("warning"),
        error_code: text("E42"),
        endpoint: text("/users/17"),
        category: text("Data"),
        priority: Some(4),
        user_id: text("u1"),
        session_id: text("s1"),
        request_id: text("r1"),
        trace_id: text("0AF7651916CD43DD8448EB211C80319C"),
        span_id: text("b7ad6b7169203331"),
        release: text("1.2.3"),
        url: text("https://shop.example/other/1"),
        method: text("get"),
        ip: text("192.0.2.7:1234"),
        user_agent: text("agent"),
        duration_ms: Some(12.5),
        memory_usage: Some(0.5),
        feature: text("f"),
        workflow: text("w"),
        tags: vec!["t".into()],
        attributes: vec![("k".into(), Value::Int(1))],
        message_template: text("login of {user}"),
        ..raw("login of bob on localhost")
    });
    assert_eq!(record.id.as_deref(), Some("a-1"));
    assert_eq!(record.timestamp, Timestamp(1_763_632_000_000));
    assert_eq!((record.level, record.priority), (Level::ERROR, 4));
    assert_eq!((record.component.as_str(), record.service.as_deref()), ("Cart", Some("shop")));
    assert_eq!((record.environment.as_str(), record.source), ("staging", Source::Ui));
    assert_eq!((record.error_type, record.error_code.as_deref()), (ErrorType::Warning, Some("E42")));
    assert_eq!((record.endpoint.as_deref(), record.category.as_str()), (Some("/users/{id}"), "data"));
    assert_eq!(record.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(record.span_id.as_deref(), Some("b7ad6b7169203331"));
    assert_eq!((record.user_id.as_deref(), record.session_id.as_deref()), (Some("u1"), Some("s1")));
    assert_eq!((record.request_id.as_deref(), record.release.as_deref()), (Some("r1"), Some("1.2.3")));
    assert_eq!((record.method.as_deref(), record.ip.as_deref()), (Some("GET"), Some("192.0.2.7")));
    assert_eq!((record.user_agent.as_deref(), record.url.is_some()), (Some("agent"), true));
    assert_eq!((record.duration_ms, record.memory_usage), (Some(12.5), Some(0.5)));
    assert_eq!((record.feature.as_deref(), record.workflow.as_deref()), (Some("f"), Some("w")));
    assert_eq!((record.tags.len(), record.attributes.len()), (1, 1));
    assert_eq!(record.message_template.as_deref(), Some("login of {user}"));
    assert_eq!(record.categorization_confidence, 100);
    assert_eq!(record.defects, []);
}

#[test]
fn what_is_not_given_is_derived() {
    let stack = "TypeError: x\n    at Cart.add (/srv/cart.js:3:7)\n    at main (node:internal/main:1:1)";
    let record = read(RawRecord { stack_trace: text(stack), ..raw("ERROR: POST /users/17 request failed on staging") });
    assert_eq!(record.level, Level::ERROR);
    assert_eq!(record.error_type, ErrorType::Exception);
    assert_eq!(record.environment, "staging");
    assert_eq!(record.source, Source::Backend);
    assert_eq!(record.component, "Cart");
    assert_eq!(record.endpoint.as_deref(), Some("/users/{id}"));
    assert_eq!(record.category, "api");
    assert_eq!(record.priority, 2);
    assert_eq!(field(&record.attributes, "exception.type"), Some(&Value::Text("TypeError".into())));
    assert_eq!(record.frames.len(), 2);
    assert_eq!(record.categorization_confidence, 100);
    assert!(record.defects.contains(&Defect::LevelAssumed));
}

#[test]
fn what_cannot_be_derived_has_stated_defaults() {
    let record = read(raw("hello"));
    assert_eq!((record.level, record.error_type, record.source), (Level::INFO, ErrorType::Info, Source::Logic));
    assert_eq!((record.component.as_str(), record.environment.as_str()), ("unknown", "production"));
    assert_eq!((record.category.as_str(), record.endpoint), ("general", None));
    assert_eq!((record.priority, record.triage.level), (4, TriageLevel::Low));
    assert_eq!((record.timestamp, record.categorization_confidence), (NOW, 0));
    assert_eq!(record.defects, [Defect::LevelAssumed, Defect::TimestampAbsent]);
}

#[test]
fn the_component_is_given_or_the_service_or_the_keys_or_derived() {
    let with_key = NormalizeContext { key_component: Some("edge"), ..CTX };
    let component = |raw: RawRecord, ctx| normalize(raw, ctx).expect("accepted").component;
    let message = "PaymentService failed";
    assert_eq!(component(RawRecord { component: text("a"), service: text("b"), ..raw(message) }, &with_key), "a");
    assert_eq!(component(RawRecord { component: text(" "), service: text("b"), ..raw(message) }, &with_key), "b");
    assert_eq!(component(raw(message), &with_key), "edge");
    assert_eq!(component(raw(message), &CTX), "PaymentService");
}

#[test]
fn the_endpoint_comes_from_the_url_where_none_is_sent() {
    let endpoint = |url: &str| read(RawRecord { url: text(url), ..raw("x") }).endpoint;
    assert_eq!(endpoint("https://shop.example/users/17?token=1").as_deref(), Some("/users/{id}"));
    assert_eq!(endpoint("https://shop.example"), None);
}

#[test]
fn words_that_only_contain_a_known_word_change_nothing() {
    for message in [
        "the author of the build guide",
        "authoring reproduction of the latest contest",
        "uid 4711 delivered a parcel",
        "circuit suite fluid rapid therapist capital",
        "prodigy livestock attested protest",
        "devices stagecoach equality aqua",
        "componentry viewer overview",
        "slowcooker memorial heaped",
        "unattackable? no: attache",
        "microservices mishandler",
        "exceptional throne",
        "externally upstreamed",
        "dbase nosqlite",
        "apiary requester",
        "loginless logistics",
        "invalidity schematic",
        "cssified domino",
        "serverless workerbee",
        "paymentless checkouts",
        "configurable deployer",
    ] {
        let record = read(raw(message));
        assert_eq!((record.environment.as_str(), record.component.as_str()), ("production", "unknown"), "{message}");
        assert_eq!((record.level, record.error_type), (Level::INFO, ErrorType::Info), "{message}");
        assert_eq!((record.category.as_str(), record.source), ("general", Source::Logic), "{message}");
        assert_eq!((record.triage.level, record.categorization_confidence), (TriageLevel::Low, 0), "{message}");
    }
}

#[test]
fn a_refused_connection_is_no_database() {
    let record = read(RawRecord { level: text("error"), ..raw("connection refused") });
    assert_eq!((record.category.as_str(), record.triage.level), ("api", TriageLevel::High));
}

#[test]
fn only_a_missing_message_and_an_unknown_level_refuse() {
    let code = |raw: RawRecord| normalize(raw, &CTX).map(drop).map_err(|refused| (refused.code, refused.field));
    assert_eq!(code(RawRecord::default()), Err((RejectionCode::MissingMessage, "/message".into())));
    assert_eq!(code(raw(" \n")), Err((RejectionCode::EmptyMessage, "/message".into())));
    let loud = RawRecord { level: text("loud"), ..raw("x") };
    assert_eq!(code(loud), Err((RejectionCode::UnknownLevel, "/level".into())));
    let worst = RawRecord {
        timestamp: RawTimestamp::Float(f64::NEG_INFINITY),
        level: text("0"),
        source: text("moon"),
        error_type: text("odd"),
        priority: Some(-7),
        trace_id: text("zz"),
        span_id: text("zz"),
        ip: text("nowhere"),
        duration_ms: Some(f64::NAN),
        memory_usage: Some(-1.0),
        id: text(&"x".repeat(5_000)),
        ..raw("x")
    };
    let record = read(worst);
    for name in ["source", "error_type", "priority", "trace_id", "span_id", "ip", "duration_ms", "memory_usage", "id"] {
        assert!(field(&record.attributes, name).is_some(), "{name} is kept");
    }
    assert_eq!(record.defects, [Defect::FieldIgnored, Defect::LevelAssumed, Defect::TimestampUnreadable]);
    assert_eq!((record.id, record.priority), (None, 4));
}

#[test]
fn a_value_set_aside_does_not_replace_an_attribute_of_that_name() {
    let sent = vec![("ip".to_string(), Value::Int(7))];
    let record = read(RawRecord { ip: text("nowhere"), attributes: sent.clone(), ..raw("x") });
    assert_eq!(record.attributes, sent);
}

#[test]
fn a_status_decides_where_no_level_is_sent() {
    let level = |name: &str, status: i64| {
        read(RawRecord { attributes: vec![(name.into(), Value::Int(status))], ..raw("done") }).level
    };
    assert_eq!(level("http.response.status_code", 503), Level::ERROR);
    assert_eq!(level("status", 404), Level::WARN);
    assert_eq!(level("status", 200), Level::INFO);
    assert_eq!(level("count", 503), Level::INFO);
}

#[test]
fn triage_and_priority_follow_level_and_claims() {
    for (level, message, triage, priority) in [
        ("fatal", "x", TriageLevel::Critical, 1),
        ("critical", "x", TriageLevel::Critical, 1),
        ("warn", "disk full", TriageLevel::Critical, 1),
        ("error", "payment failed", TriageLevel::High, 2),
        ("error", "x", TriageLevel::Medium, 2),
        ("warn", "x", TriageLevel::Medium, 3),
        ("info", "no data loss", TriageLevel::Low, 4),
        ("debug", "service down", TriageLevel::Low, 5),
    ] {
        let record = read(RawRecord { level: text(level), ..raw(message) });
        assert_eq!((record.triage.level, record.priority), (triage, priority), "{level} {message}");
    }
}

#[test]
fn a_forged_line_stays_inside_its_own() {
    let record = read(raw("login failed\r\n2026-11-20T10:00:00Z INFO all is well\u{1b}[2K\u{1b}[1A\u{202e}"));
    assert_eq!(record.message, "login failed\\n2026-11-20T10:00:00Z INFO all is well\\u{202e}");
    assert!(record.defects.contains(&Defect::ControlCharacters));
}

#[test]
fn a_message_of_a_megabyte_is_cut_and_marked() {
    let record = read(raw(&"x".repeat(1 << 20)));
    assert_eq!(record.message.len(), 64 * 1024 - 35 + "…[cut 983075 bytes]".len());
    assert!(record.message.ends_with("…[cut 983075 bytes]"));
    assert!(record.defects.contains(&Defect::MessageCut));
}
