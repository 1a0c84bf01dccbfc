//! What a body decodes to, case by case; the table of `docs/api` has the same rows.
use super::*;
use crate::limits::NESTING_DEPTH_MAX;
use sapwood_engine::value::field;

fn decoded(body: &str) -> Decoded {
    decode(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn one(body: &str) -> RawRecord {
    let mut all = decoded(body).records;
    assert_eq!(all.len(), 1, "{body}");
    all.remove(0).unwrap_or_else(|rejection| panic!("{body}: {rejection}"))
}

fn rejected(body: &str) -> Rejection {
    decoded(body).records.into_iter().find_map(Result::err).unwrap_or_else(|| panic!("{body}: nothing was rejected"))
}

fn refused(body: &[u8]) -> DecodeError {
    decode(body).expect_err("refused as a whole")
}

fn messages(decoded: &Decoded) -> Vec<&str> {
    let text = |outcome: &'_ Result<RawRecord, Rejection>| outcome.is_ok();
    assert!(decoded.records.iter().all(text), "{decoded:?}");
    decoded.records.iter().flatten().filter_map(|record| record.message.as_deref()).collect()
}

#[test]
fn every_framing_is_told_by_its_content() {
    for (body, framing, expected) in [
        (r#"{"message":"a"}"#, Framing::Object, vec!["a"]),
        ("\u{FEFF} \r\n{\n \"message\": \"a\"\n}\n", Framing::Object, vec!["a"]),
        (r#"[{"message":"a"},{"message":"b"}]"#, Framing::Array, vec!["a", "b"]),
        ("[]", Framing::Array, vec![]),
        (r#"{"logs":[{"message":"a"},{"message":"b"}]}"#, Framing::Logs, vec!["a", "b"]),
        (r#"{"logs":[]}"#, Framing::Logs, vec![]),
        ("{\"records\":[\n{\"message\":\"a\"}\n]}", Framing::Records, vec!["a"]),
        ("{\"message\":\"a\"}\n\n \r\n{\"message\":\"b\"}\r\n", Framing::Lines, vec!["a", "b"]),
        ("{\"logs\":[1],\"message\":\"a\"}", Framing::Object, vec!["a"]),
        ("{\"message\":\"a\",\"records\":{\"n\":1}}", Framing::Object, vec!["a"]),
    ] {
        let decoded = decoded(body);
        assert_eq!((decoded.framing, messages(&decoded)), (framing, expected), "{body}");
    }
}

#[test]
fn a_record_may_have_a_list_called_logs() {
    let record = one(r#"{"logs":[1,{"a":2}],"message":"a"}"#);
    assert!(matches!(field(&record.attributes, "logs"), Some(Value::List(items)) if items.len() == 2));
}

#[test]
fn a_body_refused_as_a_whole_says_at_which_byte() {
    use DecodeErrorCode::*;
    for (body, code, byte_offset, line, column) in [
        (&b""[..], EmptyBody, 0, 1, 1),
        (b" \r\n\t", EmptyBody, 0, 1, 1),
        (b"\xEF\xBB\xBF", EmptyBody, 3, 1, 1),
        (b"{\"message\": }", InvalidJson, 12, 1, 13),
        (b"{\"message\":\"a\"", InvalidJson, 14, 1, 15),
        (b"[{\"message\":\"a\"},", InvalidJson, 17, 1, 18),
        (b"[{\"message\":\"a\"}\n{\"message\":\"b\"}]", InvalidJson, 17, 2, 1),
        (b"[{\"message\":\"a\"}] x", InvalidJson, 18, 1, 19),
        (b"{\"message\":\"a\"} x", InvalidJson, 16, 1, 17),
        (b"{\n\"logs\":[\n{\"message\":\"a\"},\n{\"message\":\"b\"},\n]}", InvalidJson, 45, 5, 1),
        (b"hello", InvalidJson, 0, 1, 1),
        (b"\x00\x01", InvalidJson, 0, 1, 1),
        (b"{\"a\":\"\xFF\xFF\", x}", InvalidJson, 11, 1, 16),
        (b"{\"a\":\"tab\there\"}", InvalidJson, 9, 1, 10),
        (b"42", WrongTopLevel, 0, 1, 1),
        (b"\"text\"", WrongTopLevel, 0, 1, 1),
        (b"null", WrongTopLevel, 0, 1, 1),
        (b"\"\xFF\"", WrongTopLevel, 0, 1, 1),
        (b"{\"logs\":{\"message\":\"a\"}}", WrongTopLevel, 0, 1, 1),
        (b"{\"logs\":[],\"records\":[]}", WrongTopLevel, 0, 1, 1),
        (b"{\"logs\":[\"\xFF\"],\"records\":[]}", WrongTopLevel, 0, 1, 1),
    ] {
        let error = refused(body);
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (error.code, error.byte_offset, error.line, error.column),
            (code, byte_offset, line, column),
            "{shown}: {error}"
        );
    }
}

#[test]
fn wrong_elements_are_refused_alone_with_their_place() {
    let body = r#"[{"message":"a"},7,{"message":{"x":1}},"t",null,[{"message":"no"}],true,1.5,-1,{"message":["x"],"b":1},{"message":"z"}]"#;
    let decoded = decoded(body);
    let codes: Vec<_> = decoded
        .records
        .iter()
        .enumerate()
        .filter_map(|(index, outcome)| {
            outcome.as_ref().err().map(|refused| (decoded.framing.pointer(index, &refused.field), refused.code))
        })
        .collect();
    use RejectionCode::{NotAnObject, WrongType};
    let expected = [
        ("/1", NotAnObject),
        ("/2/message", WrongType),
        ("/3", NotAnObject),
        ("/4", NotAnObject),
        ("/5", NotAnObject),
        ("/6", NotAnObject),
        ("/7", NotAnObject),
        ("/8", NotAnObject),
        ("/9/message", WrongType),
    ];
    assert_eq!(codes, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    assert_eq!(decoded.records.len(), 11);
    assert!(rejected(r#"[{"message":{}}]"#).reason.contains("object"));
}

#[test]
fn pointers_start_at_the_root_of_the_body() {
    for (framing, expected) in [
        (Framing::Object, "/message"),
        (Framing::Lines, "/message"),
        (Framing::Array, "/3/message"),
        (Framing::Logs, "/logs/3/message"),
        (Framing::Records, "/records/3/message"),
    ] {
        assert_eq!(framing.pointer(3, "/message"), expected);
    }
}

#[test]
fn a_broken_line_is_refused_alone_with_its_byte() {
    for (body, broken, place) in [
        ("{\"message\":\"a\"}\n{\"message\":\n\n{\"message\":\"c\"}", 1, 27),
        ("{\"message\":\"a\"}\n  nonsense\n{\"message\":\"c\"}", 1, 19),
        ("{\"message\": x}\n{\"message\":\"b\"}\n{\"message\":\"c\"}", 0, 12),
        ("{\"message\":\"cut\n{\"message\":\"b\"}\n{\"message\":\"c\"}\n", 0, 15),
        ("plain text\n{\"message\":\"b\"}\n{\"message\":\"c\"}\n", 0, 0),
        ("{\"message\":\"a\"}\n{\"message\":\"b\"}}\n{\"message\":\"c\"}\n", 1, 31),
    ] {
        let decoded = decoded(body);
        assert_eq!((decoded.framing, decoded.records.len()), (Framing::Lines, 3), "{body}");
        for (index, outcome) in decoded.records.iter().enumerate() {
            match outcome {
                Ok(_) => assert_ne!(index, broken, "{body}"),
                Err(rejection) => {
                    assert_eq!((index, rejection.code), (broken, RejectionCode::InvalidJson), "{body}");
                    assert!(rejection.reason.contains(&format!("at byte {place} ")), "{body}: {rejection}");
                }
            }
        }
    }
}

#[test]
fn too_many_records_refuse_the_request_in_every_framing() {
    let most = |item: &str, glue: &str, count: usize| vec![item; count].join(glue);
    for count in [RECORDS_MAX + 1, 100_000] {
        for body in [
            format!("[{}]", most("{}", ",", count)),
            format!("{{\"logs\":[{}]}}", most("0", ",", count)),
            most("{}", "\n", count),
        ] {
            let error = refused(body.as_bytes());
            assert_eq!(error.code, DecodeErrorCode::TooManyRecords);
            assert!(error.reason.contains("10001"), "{error}");
        }
        let mut damaged = format!("[\"?\",{}]", most("{}", ",", count)).into_bytes();
        damaged[2] = 0xFF;
        assert_eq!(refused(&damaged).code, DecodeErrorCode::TooManyRecords);
    }
    assert_eq!(decoded(&format!("[{}]", most("{}", ",", RECORDS_MAX))).records.len(), RECORDS_MAX);
    assert_eq!(decoded(&most("{}", "\n", RECORDS_MAX)).records.len(), RECORDS_MAX);
}

#[test]
fn deep_nesting_is_an_error_of_its_record_only() {
    for levels in [10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
            let deep = format!("{}0{}", open.repeat(levels), close.repeat(levels));
            let record = format!("{{\"message\":\"deep\",\"a~/b\":{deep}}}");
            for body in [
                format!("[{record},{{\"message\":\"ok\"}}]"),
                format!("{{\"logs\":[{record},{{\"message\":\"ok\"}}]}}"),
                format!("{record}\n{{\"message\":\"ok\"}}"),
            ] {
                let decoded = decoded(&body);
                assert_eq!(decoded.records.len(), 2);
                let refused = decoded.records[0].as_ref().unwrap_err();
                assert_eq!((refused.code, refused.field.as_str()), (RejectionCode::TooDeep, "/a~0~1b"));
                assert_eq!(decoded.records[1].as_ref().unwrap().message.as_deref(), Some("ok"));
            }
            assert_eq!(rejected(&record).code, RejectionCode::TooDeep);
            assert_eq!(
                rejected(&format!("[{deep}]")).code,
                if open == "[" { RejectionCode::NotAnObject } else { RejectionCode::TooDeep }
            );
        }
        assert!(decode("[".repeat(levels).as_bytes()).is_err());
        assert!(decode("{\"a\":".repeat(levels).as_bytes()).is_err());
    }
    let allowed = format!(
        "{{\"message\":\"m\",\"a\":{}{}}}",
        "[".repeat(NESTING_DEPTH_MAX - 1),
        "]".repeat(NESTING_DEPTH_MAX - 1)
    );
    one(&allowed);
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_and_the_records_concerned_are_marked() {
    let bodies: [&[u8]; 3] = [
        b"[{\"message\":\"a\"},{\"message\":\"b\xFF\"},{\"message\":\"c\"}]",
        b"{\"message\":\"a\"}\n{\"message\":\"b\xFF\"}\n{\"message\":\"c\"}",
        b"{\"logs\":[{\"message\":\"a\"},{\"message\":\"b\xFF\"},{\"message\":\"c\"}],\"service\":\"s\xFF\"}",
    ];
    for body in bodies {
        let decoded = decode(body).unwrap();
        let marks: Vec<_> = decoded.records.iter().flatten().map(|record| record.defects.as_slice()).collect();
        assert_eq!(marks, [&[][..], &[Defect::InvalidUtf8], &[]]);
        assert_eq!(messages(&decoded), ["a", "b\u{FFFD}", "c"]);
    }
    let alone = decode(b"{\"message\":\"\xC3\x28\"}").unwrap();
    assert_eq!(alone.records[0].as_ref().unwrap().defects, [Defect::InvalidUtf8]);
    assert_eq!(one("{\"message\":\"sent as \u{FFFD}\"}").defects, []);
}

#[test]
fn half_an_emoji_is_replaced_in_its_record() {
    for body in [
        r#"[{"message":"a"},{"message":"cut \ud83d"},{"message":"\ud83d\ude00"}]"#,
        "{\"message\":\"a\"}\n{\"message\":\"cut \\ud83d\"}\n{\"message\":\"\\ud83d\\ude00\"}",
        r#"{"logs":[{"message":"a"},{"message":"cut \ud83d"},{"message":"\ud83d\ude00"}],"service":"\udead"}"#,
    ] {
        let decoded = decoded(body);
        assert_eq!(messages(&decoded), ["a", "cut \u{FFFD}", "\u{1F600}"], "{body}");
        let marked: Vec<_> = decoded.records.iter().flatten().map(|record| record.defects.len()).collect();
        assert_eq!(marked, [0, 1, 0], "{body}");
    }
    assert_eq!(one(r#"{"message":"cut \ud83d"}"#).defects, [Defect::InvalidUtf8]);
}

#[test]
fn a_number_that_cannot_be_held_costs_its_record_only() {
    let decoded = decoded(r#"[{"message":"a"},{"message":"b","big":1e999},{"message":"c"}]"#);
    let refused = decoded.records[1].as_ref().unwrap_err();
    assert_eq!((refused.code, refused.field.as_str()), (RejectionCode::InvalidValue, "/big"));
    assert_eq!(decoded.records.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    let alone = rejected(r#"{"message":"b","big":1e999}"#);
    assert_eq!((alone.code, alone.field.as_str()), (RejectionCode::InvalidValue, "/big"));
}

#[test]
fn known_fields_find_their_places_and_the_rest_becomes_attributes() {
    let record =
        one(r#"{"id":"01J","timestamp":1795168800000,"level":"warn","message":"m","component":"c","service":"s",
        "environment":"production","source":"ui","errorType":"error","errorCode":"E7","endpoint":"/a","category":"auth",
        "priority":2,"userId":"u","sessionId":"se","requestId":"r","traceId":"t","spanId":"sp","release":"1.2",
        "stackTrace":"at f","ipAddress":"192.0.2.1","userAgent":"ua","duration":12.5,"memoryUsage":0.5,"feature":"f",
        "workflow":"w","tags":["x",1,null],"messageTemplate":"m {}","other":{"n":[1,2.5,null]},
        "metadata":{"k":"v"},"context":{"url":"https://a.example/","method":"GET","ip":"192.0.2.9","host":"h"}}"#);
    let text = |value: &str| Some(value.to_owned());
    let expected = RawRecord {
        id: text("01J"),
        timestamp: RawTimestamp::Int(1_795_168_800_000),
        level: text("warn"),
        message: text("m"),
        component: text("c"),
        service: text("s"),
        environment: text("production"),
        source: text("ui"),
        error_type: text("error"),
        error_code: text("E7"),
        endpoint: text("/a"),
        category: text("auth"),
        priority: Some(2),
        user_id: text("u"),
        session_id: text("se"),
        request_id: text("r"),
        trace_id: text("t"),
        span_id: text("sp"),
        release: text("1.2"),
        stack_trace: text("at f"),
        url: text("https://a.example/"),
        method: text("GET"),
        ip: text("192.0.2.1"),
        user_agent: text("ua"),
        duration_ms: Some(12.5),
        memory_usage: Some(0.5),
        feature: text("f"),
        workflow: text("w"),
        tags: vec!["x".to_owned(), "1".to_owned()],
        attributes: vec![
            (
                "other".to_owned(),
                Value::Map(vec![("n".to_owned(), Value::List(vec![Value::Int(1), Value::Float(2.5), Value::Null]))]),
            ),
            ("k".to_owned(), Value::Text("v".to_owned())),
            // The record's own `ipAddress` takes precedence; the other address is kept, not lost.
            ("ip".to_owned(), Value::Text("192.0.2.9".to_owned())),
            ("host".to_owned(), Value::Text("h".to_owned())),
        ],
        message_template: text("m {}"),
        defects: vec![],
    };
    assert_eq!(record, expected);
}

#[test]
fn the_service_is_the_component_of_a_record_that_names_none() {
    assert_eq!(one(r#"{"message":"m","service":"shop"}"#).component.as_deref(), Some("shop"));
    assert_eq!(one(r#"{"message":"m","service":"shop","component":"cart"}"#).component.as_deref(), Some("cart"));
}

#[test]
fn the_short_names_of_compact_log_events_are_understood() {
    let record = one(
        r#"{"@t":"2026-11-20T10:00:00Z","@mt":"Hello, {User}","@m":"Hello, ann","@l":"Warning","@x":"at f","User":"ann"}"#,
    );
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(
        (record.message, record.message_template, record.level, record.stack_trace),
        (text("Hello, ann"), text("Hello, {User}"), text("Warning"), text("at f"))
    );
    assert_eq!(record.timestamp, RawTimestamp::Text("2026-11-20T10:00:00Z".to_owned()));
    assert_eq!(record.attributes, [("User".to_owned(), Value::Text("ann".to_owned()))]);
    let bare = one(r#"{"@t":"2026-11-20T10:00:00Z","@mt":"Hello, {User}","User":"ann"}"#);
    assert_eq!((bare.message, bare.message_template), (None, text("Hello, {User}")), "written from it later");
}

#[test]
fn numbers_and_booleans_become_text_where_text_is_meant() {
    let record = one(
        r#"{"message":404,"level":30,"userId":7,"release":2.5,"feature":true,"priority":"3","duration":"12.5","tags":"a, b,,c"}"#,
    );
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(
        (record.message, record.level, record.user_id, record.release, record.feature),
        (text("404"), text("30"), text("7"), text("2.5"), text("true"))
    );
    assert_eq!((record.priority, record.duration_ms), (Some(3), Some(12.5)));
    assert_eq!(record.tags, ["a", "b", "c"]);
    assert_eq!(one(r#"{"message":"m","priority":2.0}"#).priority, Some(2));
    assert_eq!(record.defects, []);
}

#[test]
fn timestamps_keep_the_form_in_which_they_were_sent() {
    for (sent, expected) in [
        ("1795168800", RawTimestamp::Int(1_795_168_800)),
        ("1795168800.5", RawTimestamp::Float(1_795_168_800.5)),
        ("\"2026-11-20T10:00:00\"", RawTimestamp::Text("2026-11-20T10:00:00".to_owned())),
        ("null", RawTimestamp::Absent),
    ] {
        for name in ["timestamp", "time", "ts", "@timestamp", "date"] {
            assert_eq!(one(&format!("{{\"message\":\"m\",\"{name}\":{sent}}}")).timestamp, expected, "{name} {sent}");
        }
    }
}

#[test]
fn an_unusable_value_is_kept_as_an_attribute() {
    for (name, sent) in [
        ("timestamp", "true"),
        ("timestamp", "{\"seconds\":1}"),
        ("user_id", "{\"id\":7}"),
        ("memory_usage", "{\"rss\":1}"),
        ("duration", "\"12ms\""),
        ("duration", "\"NaN\""),
        ("priority", "\"high\""),
        ("priority", "1.5"),
        ("priority", "1e300"),
        ("tags", "[[1]]"),
        ("tags", "{\"a\":\"b\"}"),
        ("metadata", "\"text\""),
        ("context", "[1]"),
    ] {
        let record = one(&format!("{{\"message\":\"m\",\"{name}\":{sent}}}"));
        assert_eq!(record.defects, [Defect::FieldIgnored], "{name} {sent}");
        assert!(field(&record.attributes, name).is_some(), "{name} {sent}: {:?}", record.attributes);
        let null = one(&format!("{{\"message\":\"m\",\"{name}\":null}}"));
        assert_eq!((null.defects, null.attributes), (vec![], vec![]), "{name} null is absent");
    }
}

#[test]
fn a_key_sent_twice_keeps_its_last_value_and_is_marked() {
    let record = one(r#"{"message":"first","message":"last","a":1,"a":2,"userId":"x","user_id":"y"}"#);
    assert_eq!((record.message.as_deref(), record.user_id.as_deref()), (Some("last"), Some("y")));
    assert_eq!(record.attributes, [("a".to_owned(), Value::Int(2))]);
    assert_eq!(record.defects, [Defect::DuplicateField]);
    for body in [
        r#"{"message":"m","tags":["a"],"tags":["b"]}"#,
        r#"{"message":"m","priority":1,"priority":2}"#,
        r#"{"message":"m","duration":1,"duration":2}"#,
        r#"{"message":"m","memoryUsage":1,"memory_usage":2}"#,
        r#"{"message":"m","timestamp":1,"timestamp":2}"#,
        r#"{"message":"m","metadata":{"a":1},"metadata":{"a":2}}"#,
        r#"{"message":"m","x":{"a":1,"a":2}}"#,
    ] {
        assert_eq!(one(body).defects, [Defect::DuplicateField], "{body}");
    }
}

#[test]
fn the_first_word_for_a_field_wins_in_any_order_and_the_other_is_kept() {
    for body in [
        r#"{"message":"m","msg":"other","level":"warn","severity":"error","timestamp":1,"time":"12:00"}"#,
        r#"{"msg":"other","message":"m","severity":"error","level":"warn","time":"12:00","timestamp":1}"#,
    ] {
        let record = one(body);
        assert_eq!((record.message.as_deref(), record.level.as_deref()), (Some("m"), Some("warn")), "{body}");
        assert_eq!(record.timestamp, RawTimestamp::Int(1));
        for (name, value) in [("msg", "other"), ("severity", "error"), ("time", "12:00")] {
            assert_eq!(field(&record.attributes, name).and_then(Value::as_text), Some(value), "{body} {name}");
        }
        assert_eq!(record.defects, [Defect::FieldIgnored]);
    }
    let dates = one(r#"{"message":"m","ts":1.5,"time":2,"timestamp":"t"}"#);
    assert_eq!(dates.timestamp, RawTimestamp::Text("t".to_owned()));
    assert_eq!(dates.attributes, [("ts".to_owned(), Value::Float(1.5)), ("time".to_owned(), Value::Int(2))]);
}

#[test]
fn sections_do_not_overwrite_each_other() {
    let record = one(
        r#"{"message":"m","status":"ok","metadata":{"status":200,"trace_id":"t"},"attributes":{"status":1,"url":"u"},"context":{"status":2,"metadata.status":3}}"#,
    );
    let names: Vec<_> = record.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["status", "metadata.status", "attributes.status", "url", "context.status", "context.metadata.status"]
    );
    assert_eq!(record.trace_id.as_deref(), Some("t"));
    assert_eq!(record.url, None);
}

#[test]
fn an_envelope_speaks_for_records_that_do_not_say_otherwise() {
    for body in [
        r#"{"service":"shop","env":"staging","host":"h1","tags":["t"],"priority":4,"time":5,"logs":[{"message":"a"},{"message":"b","service":"cart","host":"h2","tags":["x"],"priority":1,"ts":6},7]}"#,
        r#"{"logs":[{"message":"a"},{"message":"b","service":"cart","host":"h2","tags":["x"],"priority":1,"ts":6},7],"service":"shop","env":"staging","host":"h1","tags":["t"],"priority":4,"time":5}"#,
    ] {
        let decoded = decoded(body);
        let [first, second] = [0, 1].map(|index| decoded.records[index].clone().unwrap());
        assert_eq!((first.component.as_deref(), first.environment.as_deref()), (Some("shop"), Some("staging")));
        assert_eq!((second.component.as_deref(), second.service.as_deref()), (Some("cart"), Some("cart")));
        assert_eq!(
            (first.tags, first.priority, first.timestamp),
            (vec!["t".to_owned()], Some(4), RawTimestamp::Int(5))
        );
        assert_eq!(
            (second.tags, second.priority, second.timestamp),
            (vec!["x".to_owned()], Some(1), RawTimestamp::Int(6))
        );
        assert_eq!(first.attributes, [("host".to_owned(), Value::Text("h1".to_owned()))]);
        assert_eq!(second.attributes, [("host".to_owned(), Value::Text("h2".to_owned()))]);
        assert_eq!(decoded.batch_defaults.unwrap().service.as_deref(), Some("shop"));
        assert!(decoded.records[2].is_err());
    }
    assert_eq!(decoded(r#"{"logs":[{"message":"a"}]}"#).batch_defaults, None);
}

#[test]
fn an_envelope_cannot_multiply_a_long_text() {
    let long = "x".repeat(20_000);
    for own in [
        format!("\"service\":\"{long}\""),
        format!("\"k\":{{\"a\":[\"{long}\",true]}}"),
        format!("\"tags\":[\"{long}\"]"),
        format!("\"time\":\"{long}\""),
    ] {
        let body = |count: usize| format!("{{{own},\"logs\":[{}]}}", vec!["{\"message\":\"m\"}"; count].join(","));
        assert_eq!(refused(body(1_000).as_bytes()).code, DecodeErrorCode::WrongTopLevel);
        assert_eq!(decoded(&body(100)).records.len(), 100);
    }
}

#[test]
fn more_values_than_are_kept_are_marked_and_the_record_stays() {
    let keys: String = (0..3_000).map(|n| format!(",\"k{n}\":{n}")).collect();
    let record = one(&format!("{{\"message\":\"m\"{keys}}}"));
    assert_eq!((record.attributes.len(), record.defects), (1_024, vec![Defect::AttributesCut]));
    let list = format!("[{}]", vec!["0"; 400].join(","));
    let many = format!("[{}]", vec![format!("{{\"message\":\"m\",\"l\":{list}}}"); 1_200].join(","));
    let decoded = decoded(&many);
    assert_eq!(decoded.records[0].as_ref().unwrap().defects, []);
    assert_eq!(
        decoded.records[1_199].as_ref().unwrap().defects,
        [Defect::AttributesCut],
        "the request's budget is spent"
    );
}
