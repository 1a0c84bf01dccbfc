//! Speaking with the data service: the flat record it stores, how a batch is written, and what its answers mean.
//!
//! Two dialects exist. The plan's is `POST /api/logs/batch {"logs":[...]}`; the service that runs today only knows
//! `POST /api/logs/store`, one record a call, and tells a known id by a database error in a 500. So the meaning of an
//! answer is read from status *and* body, here and nowhere else. When to call, retry or give up is the outbox's.
//!
//! The flat record is camelCase; a snake_case name would be dropped there without a word. It has no column for domain
//! or trace: they travel in `metadata`, where our own decoder finds the trace ids again, so that one Sapwood can be
//! the data service of another.

use crate::convert::{JsonValue, entry, list_entry};
use crate::moment::Iso;
use crate::record_view::PatternRef;
use sapwood_engine::record::Record;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// Path of the plan's bulk insert.
pub const BATCH_PATH: &str = "/api/logs/batch";
/// Path that takes one record.
pub const STORE_PATH: &str = "/api/logs/store";

/// A record with what the data service should know of it.
#[derive(Clone, Copy, Debug)]
pub struct DataServiceRecord<'a> {
    /// The record.
    pub record: &'a Record,
    /// The id under which it is stored there: ours or the caller's, the same on every attempt.
    pub id: &'a str,
    /// The domain it belongs to.
    pub domain: &'a str,
    /// The tenant's id, where it differs from the domain.
    pub tenant_id: Option<&'a str>,
    /// The component it is stored under.
    pub component: &'a str,
    /// When it arrived, in milliseconds since the epoch.
    pub received_at_ms: i64,
    /// The pattern it belongs to.
    pub pattern: Option<PatternRef<'a>>,
}

impl DataServiceRecord<'_> {
    /// The record as JSON, the body of one call to [`STORE_PATH`] or an element of [`batch_body`].
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.record.message.len());
        let written = serde_json::to_writer(&mut out, self);
        debug_assert!(written.is_ok(), "a record has text keys and finite numbers, and a Vec takes every byte");
        out
    }
}

impl Serialize for DataServiceRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        // An integer: text is stored as text there, and sorts above every number.
        map.serialize_entry("timestamp", &record.timestamp.0)?;
        map.serialize_entry("severity", record.level.class().word())?;
        map.serialize_entry("category", &record.category)?;
        map.serialize_entry("source", record.source.word())?;
        map.serialize_entry("component", self.component)?;
        entry(&mut map, "endpoint", record.endpoint.as_ref())?;
        map.serialize_entry("environment", &record.environment)?;
        map.serialize_entry("message", &record.message)?;
        map.serialize_entry("errorType", record.error_type.word())?;
        entry(&mut map, "errorCode", record.error_code.as_ref())?;
        entry(&mut map, "stackTrace", record.stack_trace.as_ref())?;
        entry(&mut map, "userId", record.user_id.as_ref())?;
        entry(&mut map, "sessionId", record.session_id.as_ref())?;
        entry(&mut map, "requestId", record.request_id.as_ref())?;
        entry(&mut map, "ipAddress", record.ip.as_ref())?;
        entry(&mut map, "userAgent", record.user_agent.as_ref())?;
        map.serialize_entry("metadata", &Metadata(self))?;
        map.serialize_entry("tags", &record.tags)?;
        entry(&mut map, "duration", record.duration_ms.as_ref())?;
        entry(&mut map, "memoryUsage", record.memory_usage.as_ref())?;
        entry(&mut map, "feature", record.feature.as_ref())?;
        entry(&mut map, "workflow", record.workflow.as_ref())?;
        entry(&mut map, "version", record.release.as_ref())?;
        map.serialize_entry("processedAt", &Iso(self.received_at_ms))?;
        map.serialize_entry("categorizationConfidence", &(f64::from(record.categorization_confidence) / 100.0))?;
        list_entry(&mut map, "patterns", self.pattern.as_slice(), JsonPattern)?;
        map.serialize_entry("triageLevel", record.triage.level.word())?;
        map.serialize_entry("triageActions", &record.triage.actions)?;
        map.end()
    }
}

/// Names in `metadata` that are ours to say.
const OWN_NAMES: [&str; 10] = [
    "domain",
    "tenantId",
    "traceId",
    "spanId",
    "service",
    "componentDerived",
    "levelNumber",
    "url",
    "method",
    "priority",
];

/// The attributes, and what has no column. An attribute that has one of our names is sent as `attributes.<name>`, so
/// that nobody can claim another domain through it.
struct Metadata<'a>(&'a DataServiceRecord<'a>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let DataServiceRecord { record, domain, tenant_id, component, .. } = *self.0;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &record.attributes {
            match OWN_NAMES.contains(&name.as_str()) {
                true => map.serialize_entry(&format!("attributes.{name}"), &JsonValue(value))?,
                false => map.serialize_entry(name, &JsonValue(value))?,
            }
        }
        map.serialize_entry("domain", domain)?;
        entry(&mut map, "tenantId", tenant_id)?;
        entry(&mut map, "traceId", record.trace_id.as_ref())?;
        entry(&mut map, "spanId", record.span_id.as_ref())?;
        entry(&mut map, "service", record.service.as_ref())?;
        let derived = Some(&record.component).filter(|derived| *derived != component && !derived.is_empty());
        entry(&mut map, "componentDerived", derived)?;
        map.serialize_entry("levelNumber", &record.level.number())?;
        entry(&mut map, "url", record.url.as_ref())?;
        entry(&mut map, "method", record.method.as_ref())?;
        map.serialize_entry("priority", &record.priority)?;
        map.end()
    }
}

/// The record's pattern in the prototype's shape of a finding.
struct JsonPattern<'a>(&'a PatternRef<'a>);

impl Serialize for JsonPattern<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "template")?;
        map.serialize_entry("name", self.0.id)?;
        entry(&mut map, "description", self.0.template)?;
        map.end()
    }
}

/// The body of one call to [`BATCH_PATH`], from records that were written by [`DataServiceRecord::to_json`].
pub fn batch_body<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = b"{\"logs\":[".to_vec();
    for (index, record) in records.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.extend_from_slice(b"]}");
    body
}

/// `path` (from the root, such as [`STORE_PATH`]) below a configured base URL. Tolerates a trailing `/` and a base that
/// ends in `/api`, as the prototype's set-up notes have it.
pub fn join_url(base: &str, path: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    let path = path.trim_start_matches('/');
    let base = match base.strip_suffix("/api") {
        Some(root) if path.starts_with("api/") => root.trim_end_matches('/'),
        _ => base,
    };
    format!("{base}/{path}")
}

/// What an answer of the data service means for the record or batch that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataServiceOutcome {
    /// Stored now.
    Stored,
    /// Stored before, by an attempt whose answer was lost.
    Duplicate,
    /// There is no such route: fall back from batch to store, and probe again some minutes later.
    NoSuchRoute,
    /// The credential is refused: a matter of configuration. Stop and say so; nothing will be stored until it changes.
    Unauthorized,
    /// This record will never be stored as it is: set it aside, so that it does not block those behind it.
    BadRecord(String),
    /// Try again later; why.
    Retry(String),
}

/// The meaning of an answer to one record sent to [`STORE_PATH`].
pub fn interpret(status: u16, body: &[u8]) -> DataServiceOutcome {
    use DataServiceOutcome::*;
    match status {
        200..=299 => Stored,
        401 | 403 => Unauthorized,
        404 | 405 | 501 => NoSuchRoute,
        // Repeating cannot help: the body itself is refused.
        400 | 413 | 414 | 415 | 422 => BadRecord(excerpt(status, body)),
        409 => Duplicate,
        500 if contains(body, "UNIQUE constraint failed: logs.id") => Duplicate,
        500 if ["D1_TYPE_ERROR", "SQLITE_TOOBIG", "string or blob too big"].iter().any(|word| contains(body, word)) => {
            BadRecord(excerpt(status, body))
        }
        _ => Retry(excerpt(status, body)),
    }
}

/// What an answer to a batch means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// One meaning for every record.
    All(DataServiceOutcome),
    /// One meaning for each record, in the order sent.
    Each(Vec<DataServiceOutcome>),
    /// The batch was refused because of one of its records, and the answer does not say which: send them one by one.
    Split,
}

/// The meaning of an answer to `count` records sent to [`BATCH_PATH`]. Where the answer lists refused records by
/// `index`, as another Sapwood does, the others are stored.
pub fn interpret_batch(status: u16, body: &[u8], count: usize) -> BatchOutcome {
    use DataServiceOutcome::*;
    match interpret(status, body) {
        Stored => match serde_json::from_slice::<BatchAnswer>(body) {
            Ok(answer) if answer.counts_refusals() => answer.outcomes(count),
            _ => BatchOutcome::All(Stored),
        },
        // A bulk insert is one transaction there: a known id or a bad record undid all of it.
        Duplicate | BadRecord(_) if count > 1 => BatchOutcome::Split,
        outcome => BatchOutcome::All(outcome),
    }
}

/// The part of a batch's answer that names refused records.
#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    rejected: u64,
    #[serde(default)]
    errors: Vec<BatchAnswerError>,
}

#[derive(Deserialize)]
struct BatchAnswerError {
    index: usize,
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

impl BatchAnswer {
    fn counts_refusals(&self) -> bool {
        self.rejected > 0 || !self.errors.is_empty()
    }

    fn outcomes(self, count: usize) -> BatchOutcome {
        // More were refused than are listed: which ones is not known.
        if self.rejected > self.errors.len() as u64 {
            return if count > 1 { BatchOutcome::Split } else { BatchOutcome::All(bad_record("rejected", "")) };
        }
        let mut outcomes = vec![DataServiceOutcome::Stored; count];
        for error in self.errors {
            if let Some(slot) = outcomes.get_mut(error.index) {
                *slot = bad_record(&error.code, &error.detail);
            }
        }
        BatchOutcome::Each(outcomes)
    }
}

fn bad_record(code: &str, detail: &str) -> DataServiceOutcome {
    DataServiceOutcome::BadRecord(excerpt_of(&format!("{code}: {detail}")))
}

fn contains(body: &[u8], words: &str) -> bool {
    body.windows(words.len()).any(|window| window == words.as_bytes())
}

/// Status and the beginning of the body, for people.
fn excerpt(status: u16, body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    excerpt_of(&format!("{status} {}", start.trim()))
}

fn excerpt_of(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_real_service_are_understood() {
        use DataServiceOutcome::*;
        let check =
            |status, body: &str, expected| assert_eq!(interpret(status, body.as_bytes()), expected, "{status} {body}");
        check(201, r#"{"success":true,"data":{"id":"a","stored":true}}"#, Stored);
        check(
            500,
            r#"{"error":"Failed to store log","message":"D1_ERROR: UNIQUE constraint failed: logs.id: SQLITE_CONSTRAINT"}"#,
            Duplicate,
        );
        check(409, "", Duplicate);
        check(401, r#"{"success":false,"error":"Invalid service key"}"#, Unauthorized);
        check(403, "", Unauthorized);
        check(404, r#"{"success":false,"error":"Log endpoint not found"}"#, NoSuchRoute);
        check(405, "", NoSuchRoute);
        check(
            400,
            "Missing required fields: id, message",
            BadRecord("400 Missing required fields: id, message".to_owned()),
        );
        for word in ["D1_TYPE_ERROR: Type 'object' not supported", "D1_ERROR: string or blob too big: SQLITE_TOOBIG"] {
            check(500, word, BadRecord(format!("500 {word}")));
        }
        check(500, "D1_ERROR: database is locked\n", Retry("500 D1_ERROR: database is locked".to_owned()));
        for status in [302, 408, 425, 429, 500, 502, 503, 504, 522] {
            assert!(matches!(interpret(status, b""), Retry(_)), "{status}");
        }
        assert!(matches!(interpret(500, &[b'x'; 10_000]), Retry(reason) if reason.len() == 200));
    }

    #[test]
    fn a_batch_is_understood_as_a_whole_record_by_record_or_not_at_all() {
        use DataServiceOutcome::*;
        let check = |status, body: &str, count, expected| {
            assert_eq!(interpret_batch(status, body.as_bytes(), count), expected, "{status} {body}");
        };
        check(201, "", 3, BatchOutcome::All(Stored));
        check(202, r#"{"total":3,"accepted":2,"duplicate":1,"rejected":0,"errors":[]}"#, 3, BatchOutcome::All(Stored));
        check(
            202,
            r#"{"accepted":2,"rejected":1,"errors":[{"index":1,"code":"unknown_level","detail":"loud"}]}"#,
            3,
            BatchOutcome::Each(vec![Stored, BadRecord("unknown_level: loud".to_owned()), Stored]),
        );
        check(202, r#"{"rejected":2,"errors":[{"index":1}]}"#, 3, BatchOutcome::Split);
        check(202, r#"{"rejected":1}"#, 1, BatchOutcome::All(BadRecord("rejected: ".to_owned())));
        check(202, r#"{"rejected":1,"errors":[{"index":9}]}"#, 1, BatchOutcome::Each(vec![Stored]));
        check(500, "UNIQUE constraint failed: logs.id", 3, BatchOutcome::Split);
        check(500, "UNIQUE constraint failed: logs.id", 1, BatchOutcome::All(Duplicate));
        check(400, "", 3, BatchOutcome::Split);
        check(404, "", 3, BatchOutcome::All(NoSuchRoute));
        check(503, "", 3, BatchOutcome::All(Retry("503 ".to_owned())));
    }

    #[test]
    fn any_reasonable_base_url_leads_to_the_same_place() {
        for base in ["https://d.example", "https://d.example/", "https://d.example/api", " https://d.example/api// "] {
            assert_eq!(join_url(base, STORE_PATH), "https://d.example/api/logs/store", "{base}");
        }
        assert_eq!(join_url("https://d.example/v1", BATCH_PATH), "https://d.example/v1/api/logs/batch");
        assert_eq!(join_url("https://d.example/api", "/health"), "https://d.example/api/health");
    }

    #[test]
    fn a_batch_is_its_records_in_order() {
        assert_eq!(batch_body([]), b"{\"logs\":[]}");
        assert_eq!(batch_body([&b"{\"id\":1}"[..], b"{\"id\":2}"]), b"{\"logs\":[{\"id\":1},{\"id\":2}]}");
    }

    #[test]
    fn an_attribute_cannot_claim_another_domain() {
        use sapwood_engine::value::Value;
        let attributes = vec![("domain".to_owned(), Value::Text("victim".to_owned())), ("k".to_owned(), Value::Int(1))];
        let record = Record { attributes, ..Record::default() };
        let sent = DataServiceRecord {
            record: &record,
            id: "1",
            domain: "example.com",
            tenant_id: None,
            component: "c",
            received_at_ms: 0,
            pattern: None,
        };
        let json: serde_json::Value = serde_json::from_slice(&sent.to_json()).unwrap();
        assert_eq!(json["metadata"]["domain"], "example.com");
        assert_eq!(json["metadata"]["attributes.domain"], "victim");
        assert_eq!(json["metadata"]["k"], 1);
    }
}
