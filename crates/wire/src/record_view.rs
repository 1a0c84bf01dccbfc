//! How a stored record is shown by the native API: search results, a record by id, a frame of the live tail.
//!
//! Written straight from the engine's record into the output, without a tree in between; what is absent is left out.
//! `component` is the address, what a search by component means; a component that was only derived from the text is
//! shown beside it. Redaction happened long before: nothing is hidden here.

use crate::convert::{JsonFields, JsonFrame, JsonRedaction, entry, list_entry};
use crate::moment::Iso;
use sapwood_engine::record::{Record, Triage};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A record with what is known of it beside its own fields.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The record.
    pub record: &'a Record,
    /// Our id, or the caller's.
    pub id: &'a str,
    /// The domain it belongs to.
    pub domain: &'a str,
    /// The component it is stored under.
    pub component: &'a str,
    /// When it arrived, in milliseconds since the epoch.
    pub received_at_ms: i64,
    /// The pattern it belongs to.
    pub pattern: Option<PatternRef<'a>>,
}

/// A pattern as a record refers to it.
#[derive(Clone, Copy, Debug)]
pub struct PatternRef<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its template, where it is at hand.
    pub template: Option<&'a str>,
    /// What people call it.
    pub name: Option<&'a str>,
}

impl RecordView<'_> {
    /// Appends the record as one JSON object, without white space.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = serde_json::to_writer(&mut *out, self);
        debug_assert!(written.is_ok(), "a record has text keys and finite numbers, and a Vec takes every byte");
    }
}

impl Serialize for RecordView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("timestamp", &record.timestamp.0)?;
        map.serialize_entry("time", &Iso(record.timestamp.0))?;
        map.serialize_entry("received_at", &self.received_at_ms)?;
        map.serialize_entry("level", record.level.class().word())?;
        map.serialize_entry("level_number", &record.level.number())?;
        map.serialize_entry("message", &record.message)?;
        map.serialize_entry("domain", self.domain)?;
        map.serialize_entry("component", self.component)?;
        let derived = Some(&record.component).filter(|derived| *derived != self.component && !derived.is_empty());
        entry(&mut map, "component_derived", derived)?;
        entry(&mut map, "service", record.service.as_ref())?;
        map.serialize_entry("environment", &record.environment)?;
        map.serialize_entry("source", record.source.word())?;
        map.serialize_entry("error_type", record.error_type.word())?;
        entry(&mut map, "error_code", record.error_code.as_ref())?;
        entry(&mut map, "endpoint", record.endpoint.as_ref())?;
        map.serialize_entry("category", &record.category)?;
        map.serialize_entry("priority", &record.priority)?;
        write_correlation(&mut map, record)?;
        write_details(&mut map, record)?;
        if let Some(pattern) = self.pattern {
            map.serialize_entry("pattern_id", pattern.id)?;
            entry(&mut map, "pattern", pattern.template)?;
            entry(&mut map, "pattern_name", pattern.name)?;
        }
        map.serialize_entry("triage", &JsonTriage(&record.triage))?;
        list_entry(&mut map, "defects", &record.defects, |defect| defect.code())?;
        list_entry(&mut map, "redactions", &record.redactions, |redaction| JsonRedaction(*redaction))?;
        map.end()
    }
}

/// What ties a record to others.
fn write_correlation<M: SerializeMap>(map: &mut M, record: &Record) -> Result<(), M::Error> {
    entry(map, "user_id", record.user_id.as_ref())?;
    entry(map, "session_id", record.session_id.as_ref())?;
    entry(map, "request_id", record.request_id.as_ref())?;
    entry(map, "trace_id", record.trace_id.as_ref())?;
    entry(map, "span_id", record.span_id.as_ref())?;
    entry(map, "release", record.release.as_ref())?;
    entry(map, "feature", record.feature.as_ref())?;
    entry(map, "workflow", record.workflow.as_ref())
}

/// What explains a record.
fn write_details<M: SerializeMap>(map: &mut M, record: &Record) -> Result<(), M::Error> {
    entry(map, "duration_ms", record.duration_ms.as_ref())?;
    entry(map, "memory_usage", record.memory_usage.as_ref())?;
    entry(map, "stack_trace", record.stack_trace.as_ref())?;
    list_entry(map, "frames", &record.frames, JsonFrame)?;
    let has_context = [&record.url, &record.method, &record.ip, &record.user_agent].iter().any(|part| part.is_some());
    entry(map, "context", has_context.then_some(&JsonContext(record)))?;
    list_entry(map, "tags", &record.tags, |tag| tag.as_str())?;
    entry(map, "attributes", (!record.attributes.is_empty()).then_some(&JsonFields(&record.attributes)))?;
    entry(map, "message_template", record.message_template.as_ref())
}

struct JsonContext<'a>(&'a Record);

impl Serialize for JsonContext<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entry(&mut map, "url", self.0.url.as_ref())?;
        entry(&mut map, "method", self.0.method.as_ref())?;
        entry(&mut map, "ip", self.0.ip.as_ref())?;
        entry(&mut map, "user_agent", self.0.user_agent.as_ref())?;
        map.end()
    }
}

struct JsonTriage<'a>(&'a Triage);

impl Serialize for JsonTriage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("level", self.0.level.word())?;
        map.serialize_entry("actions", &self.0.actions)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_record_shows_only_what_it_has() {
        let record = Record { message: "m".to_owned(), component: "cart".to_owned(), ..Record::default() };
        let view = RecordView {
            record: &record,
            id: "1",
            domain: "example.com",
            component: "cart",
            received_at_ms: 5,
            pattern: None,
        };
        let mut out = b"x".to_vec();
        view.write_json(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"x{"id":"1","timestamp":0,"time":"1970-01-01T00:00:00.000Z","received_at":5,"level":"info","#,
                r#""level_number":9,"message":"m","domain":"example.com","component":"cart","environment":"","#,
                r#""source":"logic","error_type":"info","category":"","priority":0,"#,
                r#""triage":{"level":"low","actions":[]}}"#
            )
        );
    }

    #[test]
    fn a_derived_component_is_shown_beside_the_address() {
        let record = Record { component: "CartService".to_owned(), ..Record::default() };
        let pattern = Some(PatternRef { id: "p1", template: None, name: Some("Lost") });
        let view =
            RecordView { record: &record, id: "1", domain: "d", component: "default", received_at_ms: 0, pattern };
        let json = serde_json::to_value(view).unwrap();
        assert_eq!((&json["component"], &json["component_derived"]), (&"default".into(), &"CartService".into()));
        assert_eq!((&json["pattern_id"], json.get("pattern")), (&"p1".into(), None));
        assert_eq!(json["pattern_name"], "Lost");
    }
}
