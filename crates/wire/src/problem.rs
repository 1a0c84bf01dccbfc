//! Whole-request refusals of the native API: problem details of RFC 9457, from one table of codes.
//!
//! A code is stable and is what programs branch on; title and detail are for people and may change. `type` is a
//! reference relative to the service's own documentation. What is wrong inside is never told: detail is neutral for
//! `internal`. Mapping an error to a code is the shell's, in one place.

use crate::reply::{FieldError, IngestReply};
use serde::{Deserialize, Serialize};

/// Media type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// What a caller should do about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will be refused again: change it.
    Never,
    /// Repeat it later, with growing pauses, and with the same `Idempotency-Key` if it was sent with one.
    Later,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal, $retry:ident, $prototype:literal;)*) => {
        /// Stable codes of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $name,)* }

        impl ProblemCode {
            /// All codes, in order of status.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name, `snake_case`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short summary that does not change from occurrence to occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Whether repeating the request can help.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// The code under which the prototype's clients know it.
            pub const fn prototype_code(self) -> &'static str {
                match self { $(Self::$name => $prototype,)* }
            }

            /// `type` of the problem: a reference to its documentation.
            pub const fn type_reference(self) -> &'static str {
                match self { $(Self::$name => concat!("/problems/", $code),)* }
            }
        }
    };
}

problems! {
    /// The body is empty or white space.
    EmptyBody = "empty_body", 400, "The body is empty", Never, "VALIDATION_ERROR";
    /// The body is not JSON from a certain byte on.
    InvalidJson = "invalid_json", 400, "The body is not JSON", Never, "VALIDATION_ERROR";
    /// The body is JSON, but neither records nor a list of them.
    WrongTopLevel = "wrong_top_level", 400, "The body is not a record or a list of records", Never, "VALIDATION_ERROR";
    /// A compressed body ends too early or is damaged.
    TruncatedBody = "truncated_body", 400, "The compressed body is damaged or cut off", Never, "VALIDATION_ERROR";
    /// No record of the request could be accepted.
    RecordsRejected = "records_rejected", 400, "No record could be accepted", Never, "VALIDATION_ERROR";
    /// A query parameter is unknown or cannot be read.
    InvalidQuery = "invalid_query", 400, "A parameter is unknown or unreadable", Never, "VALIDATION_ERROR";
    /// The `Idempotency-Key` header is not a key.
    InvalidIdempotencyKey = "invalid_idempotency_key", 400, "The Idempotency-Key is malformed", Never, "VALIDATION_ERROR";
    /// No credential, or one that is not ours.
    Unauthorized = "unauthorized", 401, "A valid key is required", Never, "UNAUTHORIZED";
    /// The key was revoked.
    KeyRevoked = "key_revoked", 401, "The key was revoked", Never, "AUTHENTICATION_ERROR";
    /// The key or token ran out.
    KeyExpired = "key_expired", 401, "The key has expired", Never, "AUTHENTICATION_ERROR";
    /// The credential lacks the scope.
    ForbiddenScope = "forbidden_scope", 403, "The key may not do this", Never, "AUTHORIZATION_ERROR";
    /// The credential belongs to another domain.
    ForbiddenDomain = "forbidden_domain", 403, "The key belongs to another domain", Never, "AUTHORIZATION_ERROR";
    /// The credential is bound to another component.
    ForbiddenComponent = "forbidden_component", 403, "The key is bound to another component", Never, "AUTHORIZATION_ERROR";
    /// The browser's origin is not allowed.
    ForbiddenOrigin = "forbidden_origin", 403, "This origin is not allowed", Never, "CORS_ERROR";
    /// Nothing lives at this path, or under this id.
    NotFound = "not_found", 404, "Not found", Never, "NOT_FOUND";
    /// The path exists, the method does not; `Allow` names those that do.
    MethodNotAllowed = "method_not_allowed", 405, "This method is not allowed here", Never, "NOT_FOUND";
    /// A request with the same `Idempotency-Key` is still being worked on.
    IdempotencyInProgress = "idempotency_in_progress", 409, "The first request with this key is still running", Later, "VALIDATION_ERROR";
    /// The domain has no room for another key.
    TooManyKeys = "too_many_keys", 409, "The domain has as many keys as it may have", Never, "VALIDATION_ERROR";
    /// A component was spread over other numbers of objects too often of late.
    SpreadTooOften = "spread_too_often", 409, "The component was spread anew too often", Later, "VALIDATION_ERROR";
    /// The body as sent is larger than allowed.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large", Never, "PAYLOAD_TOO_LARGE";
    /// The body once inflated is larger than allowed.
    InflatedTooLarge = "inflated_too_large", 413, "The inflated body is too large", Never, "PAYLOAD_TOO_LARGE";
    /// More records than allowed.
    TooManyRecords = "too_many_records", 413, "Too many records in one request", Never, "PAYLOAD_TOO_LARGE";
    /// A `Content-Encoding` that is not understood.
    UnsupportedEncoding = "unsupported_encoding", 415, "This Content-Encoding is not supported", Never, "VALIDATION_ERROR";
    /// A `Content-Type` that cannot hold records, such as an image or a form with files.
    UnsupportedMediaType = "unsupported_media_type", 415, "This Content-Type is not supported", Never, "VALIDATION_ERROR";
    /// The `Idempotency-Key` came before with another body.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key was used for another request", Never, "VALIDATION_ERROR";
    /// What was to be taught, or undone, cannot stand beside the other lessons or the patterns.
    LessonRefused = "lesson_refused", 422, "The lesson cannot stand", Never, "VALIDATION_ERROR";
    /// The route speaks WebSocket only.
    UpgradeRequired = "upgrade_required", 426, "A WebSocket upgrade is required", Never, "VALIDATION_ERROR";
    /// A flood: more requests than the domain or key may make.
    RateLimited = "rate_limited", 429, "Too many requests", Later, "RATE_LIMIT_EXCEEDED";
    /// A fault of ours.
    Internal = "internal", 500, "Something went wrong on our side", Later, "INTERNAL_ERROR";
    /// The component's object has more waiting than it can take.
    Overloaded = "overloaded", 503, "Too busy at the moment", Later, "INTERNAL_ERROR";
    /// Some components took their part of the batch and others did not.
    PartialFailure = "partial_failure", 503, "Only part of the batch could be stored", Later, "INTERNAL_ERROR";
    /// Storage or another part of the platform does not answer.
    Unavailable = "unavailable", 503, "A part of the service is unavailable", Later, "INTERNAL_ERROR";
    /// A part of the service did not answer in time; whether it did its work is not known.
    UpstreamTimeout = "upstream_timeout", 504, "A part of the service did not answer in time", Later, "INTERNAL_ERROR";
}

/// A problem, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Reference to the documentation of the code.
    #[serde(rename = "type")]
    pub type_reference: String,
    /// Short summary of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// What is wrong this time, for a person.
    pub detail: String,
    /// This occurrence: the id under which our telemetry knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Everything that is wrong, place by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Where a body stopped making sense: bytes from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_offset: Option<usize>,
    /// The same place as a line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The same place as a byte of that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The limit that was exceeded, in the unit that `detail` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Seconds to wait; the same as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of this code. The title stands in for a detail that has nothing to add.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            type_reference: code.type_reference().to_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.code().to_owned(),
            detail: if detail.is_empty() { code.title().to_owned() } else { detail },
            ..Self::default()
        }
    }

    /// The same problem, place by place.
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// The same problem with the limit that was exceeded.
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same problem with a time to wait, in seconds.
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

/// 503: some components took their part of a batch and others did not. The caller repeats the request with the same
/// `Idempotency-Key`; what is done is then counted as duplicate, and the rest is completed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartialFailure {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    reply: IngestReply,
}

impl PartialFailure {
    /// The answer for `reply`, whose `components` tell the parts that failed; `retry_after` is in seconds.
    pub fn new(reply: IngestReply, retry_after: u32) -> Self {
        let failed = reply.components.iter().filter(|part| !part.is_done()).count();
        let detail = format!(
            "{failed} of {} components did not store their part; repeat the request with the same Idempotency-Key",
            reply.components.len()
        );
        Self { problem: Problem::new(ProblemCode::PartialFailure, detail).with_retry_after(retry_after), reply }
    }

    /// The HTTP status, 503.
    pub fn status(&self) -> u16 {
        self.problem.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ComponentReply;

    #[test]
    fn codes_are_unique_and_their_rows_are_sound() {
        let mut codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ProblemCode::ALL.len());
        assert!(ProblemCode::ALL.is_sorted_by_key(|code| code.status()));
        for code in ProblemCode::ALL {
            assert!((400..600).contains(&code.status()));
            assert!(code.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert_eq!(code.type_reference(), format!("/problems/{}", code.code()));
            assert!(!code.title().is_empty() && !code.title().ends_with('.'));
            assert!(code.prototype_code().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
            // Of the conflicts these end by themselves.
            let ends = matches!(code, ProblemCode::IdempotencyInProgress | ProblemCode::SpreadTooOften);
            let may_pass_later = ends || matches!(code.status(), 429 | 500..=599);
            assert_eq!(code.retry() == Retry::Later, may_pass_later, "{code:?}");
        }
    }

    #[test]
    fn a_problem_says_only_what_it_knows() {
        let problem = Problem::new(ProblemCode::Unauthorized, "");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"type":"/problems/unauthorized","title":"A valid key is required","status":401,"code":"unauthorized","detail":"A valid key is required"}"#
        );
        let full = Problem::new(ProblemCode::RateLimited, "1,000 requests a minute")
            .with_limit(1_000)
            .with_retry_after(7)
            .with_errors(vec![FieldError { parameter: Some("limit".to_owned()), ..FieldError::default() }]);
        let json = serde_json::to_string(&full).unwrap();
        assert!(json.contains(r#""limit":1000,"retry_after":7"#), "{json}");
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), full);
    }

    #[test]
    fn a_partial_failure_is_a_problem_with_the_sums_and_the_parts() {
        let part = |component: &str, status| ComponentReply {
            component: component.to_owned(),
            status,
            records: 2,
            accepted: if status == 202 { 2 } else { 0 },
            code: (status != 202).then(|| "upstream_timeout".to_owned()),
            ..ComponentReply::default()
        };
        let reply =
            IngestReply { accepted: 2, components: vec![part("a", 202), part("b", 504)], ..IngestReply::default() };
        let failure = PartialFailure::new(reply, 1);
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(failure.status(), 503);
        assert_eq!(
            (&json["status"], &json["code"], &json["retry_after"]),
            (&503.into(), &"partial_failure".into(), &1.into())
        );
        assert_eq!((&json["accepted"], &json["components"][1]["status"]), (&2.into(), &504.into()));
        assert!(json["detail"].as_str().unwrap().starts_with("1 of 2 components"));
    }
}
