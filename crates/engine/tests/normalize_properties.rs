//! What holds for every record: normalizing is total, limits are kept, nothing can forge a line.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::limits;
use sapwood_engine::normalize::text::{Breaks, clean};
use sapwood_engine::normalize::words::Words;
use sapwood_engine::normalize::{NormalizeContext, normalize, severity, status};
use sapwood_engine::record::{Defect, RawRecord, RawTimestamp, Record};
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::record::{ACTIONS, triage};
use sapwood_engine::triage::rules::rules;
use sapwood_engine::value::{Fields, Value};

const CTX: NormalizeContext<'static> =
    NormalizeContext { now: Timestamp(1_763_632_800_000), default_environment: "production", key_component: None };

/// Text full of what makes trouble.
fn trouble() -> impl Strategy<Value = String> {
    const PIECES: [&str; 33] = [
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\0",
        "\u{1b}[31m",
        "\u{1b}[",
        "\u{1b}]0;",
        "\u{7}",
        "\u{1b}\\",
        "\u{1b}",
        "\u{9b}31m",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}",
        "\u{2066}",
        "é",
        "東",
        "🚀",
        "\\n",
        "\\x1b",
        "/",
        "://",
        "\u{a0}",
        "’",
        "ERROR: ",
        "service down",
        "    at f (x:1:1)",
        "POST /users/1",
        "localhost",
        "[",
        "%00",
    ];
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9 ]{0,12}",
        1 => any::<char>().prop_map(String::from),
        3 => prop::sample::select(PIECES.as_slice()).prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn long_trouble() -> impl Strategy<Value = String> {
    (trouble(), 0usize..4_000).prop_map(|(text, length)| text.repeat(1 + length / text.len().max(1)))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        trouble().prop_map(Value::Text),
    ];
    leaf.prop_recursive(20, 200, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((trouble(), inner), 0..6).prop_map(Value::Map),
        ]
    })
}

fn timestamp() -> impl Strategy<Value = RawTimestamp> {
    prop_oneof![
        Just(RawTimestamp::Absent),
        any::<i64>().prop_map(RawTimestamp::Int),
        any::<f64>().prop_map(RawTimestamp::Float),
        trouble().prop_map(RawTimestamp::Text),
    ]
}

fn raw() -> impl Strategy<Value = RawRecord> {
    let texts = prop::collection::vec(prop::option::of(trouble()), 22);
    let message = prop::option::weighted(0.95, trouble());
    let attributes = prop::collection::vec((trouble(), value()), 0..8);
    let numbers = (any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<f64>>());
    let tags = prop::collection::vec(trouble(), 0..40);
    (texts, message, timestamp(), attributes, tags, numbers).prop_map(
        |(texts, message, timestamp, attributes, tags, (priority, duration_ms, memory_usage))| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            RawRecord {
                id: next(),
                timestamp,
                level: None,
                message,
                component: next(),
                service: next(),
                environment: next(),
                source: next(),
                error_type: next(),
                error_code: next(),
                endpoint: next(),
                category: next(),
                priority,
                user_id: next(),
                session_id: next(),
                request_id: next(),
                trace_id: next(),
                span_id: next(),
                release: next(),
                stack_trace: next(),
                url: next(),
                method: next(),
                ip: next(),
                user_agent: next(),
                duration_ms,
                memory_usage,
                feature: next(),
                workflow: next(),
                tags,
                attributes,
                message_template: next(),
                defects: vec![],
            }
        },
    )
}

fn is_forgery(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn texts_of(fields: &Fields, into: &mut Vec<String>) {
    for (name, value) in fields {
        into.push(name.clone());
        value_texts(value, into);
    }
}

fn value_texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Text(text) => into.push(text.clone()),
        Value::List(list) => list.iter().for_each(|value| value_texts(value, into)),
        Value::Map(fields) => texts_of(fields, into),
        _ => {}
    }
}

/// Every single-line text of a record.
fn lines_of(record: &Record) -> Vec<String> {
    let always = [&record.message, &record.component, &record.environment, &record.category];
    let optional = [
        &record.id,
        &record.service,
        &record.error_code,
        &record.endpoint,
        &record.user_id,
        &record.session_id,
        &record.request_id,
        &record.trace_id,
        &record.span_id,
        &record.release,
        &record.url,
        &record.method,
        &record.ip,
        &record.user_agent,
        &record.feature,
        &record.workflow,
        &record.message_template,
    ];
    let mut lines: Vec<String> = always.into_iter().chain(optional.into_iter().flatten()).cloned().collect();
    lines.extend(record.tags.iter().cloned());
    for frame in &record.frames {
        lines.extend([&frame.function, &frame.file].into_iter().flatten().cloned());
    }
    texts_of(&record.attributes, &mut lines);
    lines
}

fn count_values(value: &Value) -> usize {
    1 + match value {
        Value::List(list) => list.iter().map(count_values).sum(),
        Value::Map(fields) => fields.iter().map(|(_, value)| count_values(value)).sum(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_sent_can_forge_a_line(raw in raw()) {
        let Ok(record) = normalize(raw, &CTX) else { return Ok(()) };
        for line in lines_of(&record) {
            prop_assert!(!line.contains(is_forgery), "{line:?}");
        }
        let block = record.stack_trace.unwrap_or_default();
        prop_assert!(!block.contains(|c| is_forgery(c) && !matches!(c, '\n' | '\t')), "{block:?}");
    }

    #[test]
    fn every_record_is_within_its_limits(raw in raw()) {
        let Ok(record) = normalize(raw, &CTX) else { return Ok(()) };
        prop_assert!(!record.message.is_empty() && record.message.trim() == record.message);
        prop_assert!(record.message.len() <= limits::MESSAGE_BYTES_MAX);
        prop_assert!(record.component.len() <= limits::COMPONENT_BYTES_MAX && !record.component.is_empty());
        prop_assert!(record.environment.len() <= 50 && record.category.len() <= 50);
        prop_assert!((1..=5).contains(&record.priority));
        prop_assert!(record.categorization_confidence <= 100);
        prop_assert!(record.tags.len() <= limits::TAGS_MAX);
        prop_assert!(record.tags.iter().all(|tag| !tag.is_empty() && tag.len() <= limits::TAG_BYTES_MAX));
        prop_assert!(record.frames.len() <= limits::FRAMES_MAX);
        let values: usize = record.attributes.iter().map(|(_, value)| count_values(value)).sum();
        prop_assert!(values <= limits::ATTRIBUTES_MAX);
        prop_assert!(record.timestamp >= Timestamp::MIN);
        prop_assert!(record.timestamp.0 <= CTX.now.0 + limits::FUTURE_MS_MAX);
        for measure in [record.duration_ms, record.memory_usage].into_iter().flatten() {
            prop_assert!(measure.is_finite() && measure >= 0.0);
        }
        let mut defects = record.defects.clone();
        defects.sort();
        defects.dedup();
        prop_assert_eq!(defects.len(), record.defects.len(), "each defect stands once");
    }

    #[test]
    fn a_record_that_was_accepted_is_accepted_again_unchanged(raw in raw()) {
        let Ok(once) = normalize(raw, &CTX) else { return Ok(()) };
        let again = RawRecord {
            id: once.id.clone(),
            timestamp: RawTimestamp::Text(once.timestamp.to_string()),
            message: Some(once.message.clone()),
            component: Some(once.component.clone()),
            environment: Some(once.environment.clone()),
            category: Some(once.category.clone()),
            stack_trace: once.stack_trace.clone(),
            user_id: once.user_id.clone(),
            tags: once.tags.clone(),
            ..RawRecord::default()
        };
        let twice = normalize(again, &CTX).expect("accepted");
        prop_assert_eq!(&twice.message, &once.message);
        prop_assert_eq!(&twice.stack_trace, &once.stack_trace);
        prop_assert_eq!(&twice.component, &once.component);
        prop_assert_eq!(&twice.environment, &once.environment);
        prop_assert_eq!(&twice.category, &once.category);
        prop_assert_eq!((twice.id, twice.user_id, twice.tags), (once.id, once.user_id, once.tags));
        for defect in [Defect::MessageCut, Defect::FieldCut, Defect::ControlCharacters] {
            prop_assert!(!twice.defects.contains(&defect), "{defect:?}");
        }
    }

    #[test]
    fn cleaning_keeps_the_limit_and_is_done_after_once(text in long_trouble(), limit in 0usize..5_000, block: bool) {
        let breaks = if block { Breaks::Kept } else { Breaks::Escaped };
        let mut once = text.clone();
        let done = clean(&mut once, limit, breaks);
        prop_assert!(once.len() <= limit);
        if !done.controls && !text.contains("\r\n") {
            prop_assert_eq!(done.cut, text.len() > limit, "nothing else changes the length");
        }
        let mut twice = once.clone();
        let again = clean(&mut twice, limit, breaks);
        prop_assert_eq!(&once, &twice);
        prop_assert!(!again.cut && !again.controls);
    }

    #[test]
    fn printable_text_within_the_limit_is_left_alone(text in "[ -~éß東🚀]{0,200}") {
        let mut kept = text.clone();
        clean(&mut kept, 1_000, Breaks::Escaped);
        prop_assert_eq!(kept, text);
    }

    #[test]
    fn words_levels_statuses_and_rules_are_total(text in long_trouble(), escaped: bool) {
        let words = Words::of(&text, escaped);
        let _ = (status::of(&words, &[]), severity::read(&text), severity::of_head(&text));
        let record = Record { message: text, ..Record::default() };
        let found = rules(&record);
        prop_assert!(found.windows(2).all(|pair| pair[0].severity <= pair[1].severity));
        prop_assert!(triage(&record).actions.iter().all(|action| ACTIONS.contains(action)));
    }

    #[test]
    fn triage_of_a_stored_record_is_what_intake_found(message in trouble()) {
        let raw = RawRecord { message: Some(message), ..RawRecord::default() };
        if let Ok(record) = normalize(raw, &CTX) {
            prop_assert_eq!(triage(&record), record.triage);
        }
    }
}
