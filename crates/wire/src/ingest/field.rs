//! The names under which a record's fields may be sent.
//!
//! `camelCase`, `snake_case` and any other mixture of case and inner underscores are folded into one spelling before
//! the look-up, so that both spellings of a field cannot come to mean different things. Different *words* for one
//! field (`level`, `severity`, `lvl`) are listed in order of precedence.

/// A field of a record that has a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Id,
    Timestamp,
    Level,
    Message,
    Component,
    Service,
    Environment,
    Source,
    ErrorType,
    ErrorCode,
    Endpoint,
    Category,
    Priority,
    UserId,
    SessionId,
    RequestId,
    TraceId,
    SpanId,
    Release,
    StackTrace,
    Ip,
    UserAgent,
    Duration,
    MemoryUsage,
    Feature,
    Workflow,
    Tags,
    MessageTemplate,
    Attributes,
    Metadata,
    Context,
}

impl Field {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Context as usize + 1;
}

/// A name that was understood: the field, and which of its words it was (0 takes precedence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) field: Field,
    pub(super) rank: u8,
}

/// Longest folded name, `messagetemplate`.
const NAME_BYTES_MAX: usize = 15;

/// The field that `key` names. A leading underscore makes a name private to its sender (`_id`, GELF's `_foo`).
pub(super) fn known_field(key: &str) -> Option<Known> {
    let bytes = key.as_bytes();
    if bytes.len() > NAME_BYTES_MAX + 2 || bytes.first() == Some(&b'_') {
        return None;
    }
    let mut folded = [0u8; NAME_BYTES_MAX + 2];
    let mut length = 0;
    for byte in bytes {
        if *byte != b'_'
            && let Some(slot) = folded.get_mut(length)
        {
            *slot = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    let (field, rank) = match folded.get(..length)? {
        b"id" => (Field::Id, 0),
        b"timestamp" => (Field::Timestamp, 0),
        b"@timestamp" => (Field::Timestamp, 1),
        b"time" => (Field::Timestamp, 2),
        b"ts" => (Field::Timestamp, 3),
        b"date" => (Field::Timestamp, 4),
        b"level" => (Field::Level, 0),
        b"severity" => (Field::Level, 1),
        b"lvl" => (Field::Level, 2),
        b"message" => (Field::Message, 0),
        b"msg" => (Field::Message, 1),
        b"component" => (Field::Component, 0),
        b"service" => (Field::Service, 0),
        b"environment" => (Field::Environment, 0),
        b"env" => (Field::Environment, 1),
        b"source" => (Field::Source, 0),
        b"errortype" => (Field::ErrorType, 0),
        b"errorcode" => (Field::ErrorCode, 0),
        b"endpoint" => (Field::Endpoint, 0),
        b"category" => (Field::Category, 0),
        b"priority" => (Field::Priority, 0),
        b"userid" => (Field::UserId, 0),
        b"sessionid" => (Field::SessionId, 0),
        b"requestid" => (Field::RequestId, 0),
        b"traceid" => (Field::TraceId, 0),
        b"spanid" => (Field::SpanId, 0),
        b"release" => (Field::Release, 0),
        b"version" => (Field::Release, 1),
        b"stacktrace" => (Field::StackTrace, 0),
        b"stack" => (Field::StackTrace, 1),
        b"ipaddress" => (Field::Ip, 0),
        b"ip" => (Field::Ip, 1),
        b"useragent" => (Field::UserAgent, 0),
        b"duration" => (Field::Duration, 0),
        b"durationms" => (Field::Duration, 1),
        b"memoryusage" => (Field::MemoryUsage, 0),
        b"feature" => (Field::Feature, 0),
        b"workflow" => (Field::Workflow, 0),
        b"tags" => (Field::Tags, 0),
        b"messagetemplate" => (Field::MessageTemplate, 0),
        b"attributes" => (Field::Attributes, 0),
        b"metadata" => (Field::Metadata, 0),
        b"context" => (Field::Context, 0),
        _ => return None,
    };
    Some(Known { field, rank })
}

/// The word under which a value is kept as an attribute when another word for the same field took precedence, and
/// the name shown in errors.
pub(super) fn word(known: Known) -> &'static str {
    match (known.field, known.rank) {
        (Field::Id, _) => "id",
        (Field::Timestamp, 0) => "timestamp",
        (Field::Timestamp, 1) => "@timestamp",
        (Field::Timestamp, 2) => "time",
        (Field::Timestamp, 3) => "ts",
        (Field::Timestamp, _) => "date",
        (Field::Level, 0) => "level",
        (Field::Level, 1) => "severity",
        (Field::Level, _) => "lvl",
        (Field::Message, 0) => "message",
        (Field::Message, _) => "msg",
        (Field::Component, _) => "component",
        (Field::Service, _) => "service",
        (Field::Environment, 0) => "environment",
        (Field::Environment, _) => "env",
        (Field::Source, _) => "source",
        (Field::ErrorType, _) => "error_type",
        (Field::ErrorCode, _) => "error_code",
        (Field::Endpoint, _) => "endpoint",
        (Field::Category, _) => "category",
        (Field::Priority, _) => "priority",
        (Field::UserId, _) => "user_id",
        (Field::SessionId, _) => "session_id",
        (Field::RequestId, _) => "request_id",
        (Field::TraceId, _) => "trace_id",
        (Field::SpanId, _) => "span_id",
        (Field::Release, 0) => "release",
        (Field::Release, _) => "version",
        (Field::StackTrace, 0) => "stack_trace",
        (Field::StackTrace, _) => "stack",
        (Field::Ip, 0) => "ip_address",
        (Field::Ip, _) => "ip",
        (Field::UserAgent, _) => "user_agent",
        (Field::Duration, 0) => "duration",
        (Field::Duration, _) => "duration_ms",
        (Field::MemoryUsage, _) => "memory_usage",
        (Field::Feature, _) => "feature",
        (Field::Workflow, _) => "workflow",
        (Field::Tags, _) => "tags",
        (Field::MessageTemplate, _) => "message_template",
        (Field::Attributes, _) => "attributes",
        (Field::Metadata, _) => "metadata",
        (Field::Context, _) => "context",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_field() {
        let mut seen = [false; Field::COUNT];
        for name in [
            "id",
            "timestamp",
            "@timestamp",
            "time",
            "ts",
            "date",
            "level",
            "severity",
            "lvl",
            "message",
            "msg",
            "component",
            "service",
            "environment",
            "env",
            "source",
            "error_type",
            "error_code",
            "endpoint",
            "category",
            "priority",
            "user_id",
            "session_id",
            "request_id",
            "trace_id",
            "span_id",
            "release",
            "version",
            "stack_trace",
            "stack",
            "ip_address",
            "ip",
            "user_agent",
            "duration",
            "duration_ms",
            "memory_usage",
            "feature",
            "workflow",
            "tags",
            "message_template",
            "attributes",
            "metadata",
            "context",
        ] {
            let known = known_field(name).unwrap_or_else(|| panic!("{name} is known"));
            assert_eq!(word(known), name);
            seen[known.field as usize] = true;
        }
        assert!(seen.iter().all(|was| *was), "every field has a name");
    }

    #[test]
    fn case_and_underscores_do_not_matter() {
        for (one, other) in [
            ("userId", "user_id"),
            ("errorType", "error_type"),
            ("stackTrace", "stack_trace"),
            ("durationMs", "duration_ms"),
            ("messageTemplate", "message_template"),
            ("Level", "level"),
            ("MessageTemplate", "MESSAGE_TEMPLATE"),
        ] {
            assert_eq!(known_field(one), known_field(other));
            assert!(known_field(one).is_some(), "{one}");
        }
    }

    #[test]
    fn other_keys_are_attributes() {
        for key in ["", "_", "_id", "__id", "user", "user-id", "log.level", "@version", "messagetemplates", "é", "idé"]
        {
            assert_eq!(known_field(key), None, "{key}");
        }
        assert_eq!(known_field(&"message".repeat(10)), None);
    }
}
