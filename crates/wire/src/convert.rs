//! Conversions between the engine's types and what is sent. The engine's types carry no serde, so that a renamed field
//! there cannot change a shape here.

use crate::ingest::{DecodeError, DecodeErrorCode, Framing};
use crate::limits::RECORDS_MAX;
use crate::problem::{Problem, ProblemCode};
use crate::reply::FieldError;
use sapwood_engine::record::{Frame, Redaction, Rejection};
use sapwood_engine::value::Value;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// A refused record as it is listed in a reply. `index` is its place in the request, from 0.
pub fn field_error(rejection: &Rejection, index: usize, framing: Framing) -> FieldError {
    FieldError {
        index: Some(index),
        pointer: Some(framing.pointer(index, &rejection.field)),
        parameter: None,
        code: rejection.code.code().to_owned(),
        detail: rejection.reason.clone(),
    }
}

impl From<&DecodeError> for Problem {
    fn from(error: &DecodeError) -> Self {
        let code = match error.code {
            DecodeErrorCode::EmptyBody => ProblemCode::EmptyBody,
            DecodeErrorCode::InvalidJson => ProblemCode::InvalidJson,
            DecodeErrorCode::WrongTopLevel => ProblemCode::WrongTopLevel,
            DecodeErrorCode::TooManyRecords => ProblemCode::TooManyRecords,
        };
        let problem = Self::new(code, error.reason.clone());
        match error.code {
            DecodeErrorCode::InvalidJson => Self {
                byte_offset: Some(error.byte_offset),
                line: Some(error.line),
                column: Some(error.column),
                ..problem
            },
            DecodeErrorCode::TooManyRecords => problem.with_limit(RECORDS_MAX as u64),
            DecodeErrorCode::EmptyBody | DecodeErrorCode::WrongTopLevel => problem,
        }
    }
}

/// An attribute value as JSON.
pub(crate) struct JsonValue<'a>(pub(crate) &'a Value);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&JsonValue(item))?;
                }
                list.end()
            }
            Value::Map(fields) => JsonFields(fields).serialize(serializer),
        }
    }
}

/// Attributes as a JSON object.
pub(crate) struct JsonFields<'a>(pub(crate) &'a [(String, Value)]);

impl Serialize for JsonFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, &JsonValue(value))?;
        }
        map.end()
    }
}

/// One frame of a stack.
pub(crate) struct JsonFrame<'a>(pub(crate) &'a Frame);

impl Serialize for JsonFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Frame { function, file, line, column, in_app } = self.0;
        entry(&mut map, "function", function.as_ref())?;
        entry(&mut map, "file", file.as_ref())?;
        entry(&mut map, "line", line.as_ref())?;
        entry(&mut map, "column", column.as_ref())?;
        map.serialize_entry("in_app", in_app)?;
        map.end()
    }
}

/// What was removed, and how often.
pub(crate) struct JsonRedaction(pub(crate) Redaction);

impl Serialize for JsonRedaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("kind", self.0.kind.word())?;
        map.serialize_entry("count", &self.0.count)?;
        map.end()
    }
}

/// Writes an entry if there is a value; what is absent is left out.
pub(crate) fn entry<M: SerializeMap, T: Serialize + ?Sized>(
    map: &mut M,
    name: &str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

/// Writes a list of converted items, if there are any.
pub(crate) fn list_entry<'a, M: SerializeMap, I, T: Serialize>(
    map: &mut M,
    name: &str,
    items: &'a [I],
    convert: impl Fn(&'a I) -> T,
) -> Result<(), M::Error> {
    struct List<'a, I, F>(&'a [I], F);
    impl<'a, I, T: Serialize, F: Fn(&'a I) -> T> Serialize for List<'a, I, F> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().map(&self.1))
        }
    }
    if items.is_empty() { Ok(()) } else { map.serialize_entry(name, &List(items, convert)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::record::RejectionCode;

    #[test]
    fn a_refused_body_becomes_a_problem_with_its_place() {
        let problem = |body: &[u8]| Problem::from(&crate::ingest::decode(body).unwrap_err());
        let broken = problem(b"{\"message\": }");
        assert_eq!((broken.status, broken.byte_offset, broken.line, broken.column), (400, Some(12), Some(1), Some(13)));
        assert_eq!((problem(b"").code.as_str(), problem(b"").byte_offset), ("empty_body", None));
        assert_eq!(problem(b"42").code, "wrong_top_level");
        let many = problem(format!("[{}0]", "0,".repeat(RECORDS_MAX)).as_bytes());
        assert_eq!((many.status, many.limit), (413, Some(10_000)));
    }

    #[test]
    fn a_refused_record_points_into_the_body() {
        let rejection =
            Rejection { code: RejectionCode::WrongType, field: "/message".to_owned(), reason: "why".to_owned() };
        let error = field_error(&rejection, 3, Framing::Logs);
        assert_eq!((error.index, error.pointer.as_deref()), (Some(3), Some("/logs/3/message")));
        assert_eq!((error.code.as_str(), error.detail.as_str()), ("wrong_type", "why"));
    }
}
