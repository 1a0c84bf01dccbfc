//! A row of the data service as a record: snake_case columns, as it answers them, or the camelCase it was sent.

use sapwood_engine::level::Level;
use sapwood_engine::record::{ErrorType, Record, Source};
use sapwood_engine::time::Timestamp;
use sapwood_engine::value::{Fields, Value};
use sapwood_wire::record_view::RecordView;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Rows of one answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<HistoricalRecord>,
}

/// A record that the data service keeps.
#[derive(Debug)]
pub(super) struct HistoricalRecord {
    pub(super) id: String,
    /// Whose it is; nobody's if the row does not say.
    pub(super) domain: Option<String>,
    pub(super) component: String,
    pub(super) record: Record,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    timestamp: serde_json::Value,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default, alias = "errorType")]
    error_type: Option<String>,
    #[serde(default, alias = "errorCode")]
    error_code: Option<String>,
    #[serde(default, alias = "stackTrace")]
    stack_trace: Option<String>,
    #[serde(default, alias = "userId")]
    user_id: Option<String>,
    #[serde(default, alias = "sessionId")]
    session_id: Option<String>,
    #[serde(default, alias = "requestId")]
    request_id: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    metadata: Option<serde_json::Value>,
}

/// A page of rows.
///
/// # Errors
/// The answer is not what the service answers.
pub(super) fn parse_page(body: &[u8]) -> Result<Page, String> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Row>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(Page { records: answer.data.into_iter().map(HistoricalRecord::from).collect() })
}

/// One row, bare or in the service's envelope.
pub(super) fn parse_one(body: &[u8]) -> Option<HistoricalRecord> {
    let mut value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let row = match value.get_mut("data") {
        Some(data) if data.is_object() => data.take(),
        _ => value,
    };
    serde_json::from_value::<Row>(row).ok().map(HistoricalRecord::from)
}

/// The id of a record as shown.
pub(super) fn id_of(record: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(record.get()).ok().map(|named| named.id)
}

impl From<Row> for HistoricalRecord {
    fn from(row: Row) -> Self {
        let metadata = row.metadata.and_then(unquoted).unwrap_or_default();
        let text = |name: &str| metadata.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let own = [
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
        let attributes = metadata.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let attributes: Fields = attributes.map(|(name, value)| (name.clone(), converted(value))).collect();
        let number = metadata.get("levelNumber").and_then(serde_json::Value::as_u64);
        let level = number.and_then(|number| Level::from_number(u8::try_from(number).ok()?));
        let word = row.severity.as_deref().and_then(Level::from_word);
        let component = row.component.unwrap_or_else(|| crate::edge::address::DEFAULT.to_owned());
        let record = Record {
            timestamp: instant(&row.timestamp),
            level: level.or(word).unwrap_or_default(),
            message: row.message,
            component: text("componentDerived").unwrap_or_else(|| component.clone()),
            service: text("service"),
            environment: row.environment.unwrap_or_default(),
            source: row.source.as_deref().and_then(Source::from_word).unwrap_or_default(),
            error_type: row.error_type.as_deref().and_then(ErrorType::from_word).unwrap_or_default(),
            error_code: row.error_code,
            endpoint: row.endpoint,
            category: row.category.unwrap_or_default(),
            priority: metadata.get("priority").and_then(serde_json::Value::as_u64).map_or(3, |it| it.min(5) as u8),
            user_id: row.user_id,
            session_id: row.session_id,
            request_id: row.request_id,
            trace_id: text("traceId"),
            span_id: text("spanId"),
            release: row.version,
            stack_trace: row.stack_trace,
            url: text("url"),
            method: text("method"),
            attributes,
            ..Record::default()
        };
        Self { id: row.id, domain: text("domain"), component, record }
    }
}

impl HistoricalRecord {
    /// The record as it is shown. When it arrived here is not known any more; its own time stands in.
    pub(super) fn show(&self, domain: &str) -> Option<Box<RawValue>> {
        let view = RecordView {
            record: &self.record,
            id: &self.id,
            domain,
            component: &self.component,
            received_at_ms: self.record.timestamp.0,
            pattern: None,
        };
        let mut out = Vec::with_capacity(512);
        view.write_json(&mut out);
        RawValue::from_string(String::from_utf8(out).ok()?).ok()
    }
}

/// Milliseconds, as we send them; a service that was fed by others may hold text.
fn instant(value: &serde_json::Value) -> Timestamp {
    let number = value.as_i64().or_else(|| value.as_f64().map(|float| float as i64));
    let text = || value.as_str().and_then(sapwood_wire::moment::parse_rfc3339);
    Timestamp(number.or_else(text).unwrap_or_default()).clamped()
}

/// `metadata` is an object, or JSON text of one where the service did not parse it.
fn unquoted(value: serde_json::Value) -> Option<serde_json::Map<String, serde_json::Value>> {
    match value {
        serde_json::Value::Object(map) => Some(map),
        serde_json::Value::String(text) => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

fn converted(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(converted).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.iter().map(|(name, value)| (name.clone(), converted(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_the_record_that_was_sent() {
        let body = serde_json::json!({"success": true, "data": [{
            "id": "i1", "timestamp": 1763632800000_i64, "severity": "error", "message": "m", "component": "cart",
            "error_type": "exception", "user_id": "u", "version": "1.2",
            "metadata": "{\"domain\":\"a.com\",\"levelNumber\":18,\"traceId\":\"t\",\"note\":[1,2.5,null,true,{\"k\":\"v\"}]}"
        }]});
        let page = parse_page(body.to_string().as_bytes()).unwrap();
        let found = &page.records[0];
        assert_eq!(
            (found.id.as_str(), found.domain.as_deref(), found.component.as_str()),
            ("i1", Some("a.com"), "cart")
        );
        assert_eq!((found.record.level.number(), found.record.error_type), (18, ErrorType::Exception));
        assert_eq!((found.record.trace_id.as_deref(), found.record.attributes.len()), (Some("t"), 1));
        let shown = found.show("a.com").unwrap();
        assert_eq!(id_of(&shown).as_deref(), Some("i1"));
        assert!(shown.get().contains(r#""note":[1,2.5,null,true,{"k":"v"}]"#), "{}", shown.get());
    }

    #[test]
    fn one_row_is_read_bare_or_enveloped_and_times_of_any_kind() {
        for body in [
            r#"{"id":"i","timestamp":"2025-11-20T10:00:00Z","message":"m"}"#,
            r#"{"success":true,"data":{"id":"i","timestamp":1763632800000.0,"message":"m"}}"#,
        ] {
            let found = parse_one(body.as_bytes()).unwrap();
            assert_eq!((found.record.timestamp, found.component.as_str()), (Timestamp(1_763_632_800_000), "default"));
        }
        assert!(parse_one(b"{\"error\":\"x\"}").is_none() && parse_page(b"[]").is_err());
    }
}
