//! The small JSON bodies of administrative routes.

use super::Refusal;
use crate::edge::body;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde_json::{Map, Value};
use worker::Request;

/// Bytes of such a body. The largest is a domain's configuration: some dozens of short values.
const BYTES_MAX: usize = 64 * 1024;

/// Reads a body that is one JSON object.
///
/// # Errors
/// 413 for a larger body, 400 for anything but an object.
pub async fn object(request: &mut Request, declared: Option<&str>) -> Result<Map<String, Value>, Refusal> {
    object_within(request, declared, BYTES_MAX).await
}

/// As [`object`], for a body of at most `bytes`.
///
/// # Errors
/// As [`object`].
pub async fn object_within(
    request: &mut Request,
    declared: Option<&str>,
    bytes: usize,
) -> Result<Map<String, Value>, Refusal> {
    let declared = body::check_declared(declared, bytes)?;
    Ok(parse(&body::read(request, declared, bytes).await?)?)
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(ProblemCode::EmptyBody, "a JSON object is expected"));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::new(ProblemCode::WrongTopLevel, "a JSON object is expected")),
        Err(error) => {
            let place = (error.line() > 0).then(|| (error.line(), error.column()));
            let detail = "the body is not JSON; nothing was changed";
            Err(Problem {
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                ..Problem::new(ProblemCode::InvalidJson, detail)
            })
        }
    }
}

/// What is wrong with a field of such a body.
pub fn error(field: &str, code: &str, detail: impl Into<String>) -> FieldError {
    let pointer = field.replace('~', "~0").replace('/', "~1");
    FieldError {
        pointer: Some(format!("/{pointer}")),
        code: code.to_owned(),
        detail: detail.into(),
        ..FieldError::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_read() {
        let code = |bytes: &[u8]| parse(bytes).unwrap_err().code;
        assert_eq!(parse(b" {\"a\":1}").unwrap().len(), 1);
        assert_eq!(
            (code(b" \n"), code(b"[1]"), code(b"{")),
            ("empty_body".into(), "wrong_top_level".into(), "invalid_json".into())
        );
        let broken = parse(b"{\n\"a\" 1}").unwrap_err();
        assert_eq!((broken.line, broken.column), (Some(2), Some(5)));
    }

    #[test]
    fn a_field_is_named_by_a_pointer() {
        assert_eq!(error("a/b~", "c", "d").pointer.as_deref(), Some("/a~1b~0"));
    }
}
