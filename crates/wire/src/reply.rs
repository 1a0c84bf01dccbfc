//! What an intake answers: the fate of every line sent, in sums and, for refused ones, one by one.
//!
//! `accepted + duplicate + counted_only + rejected = total`, always; [`IngestReply::total`] is computed, never sent in.
//! The prototype's routes answer in the prototype's envelopes, at the end of this file.

use crate::limits::ERRORS_LISTED_MAX;
use crate::moment::Iso;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// One thing that is wrong with a request: with a record of it, or with a parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Which record, from 0, in the order sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// JSON pointer to the field, from the root of the body (of the line, when one object a line was sent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Stable code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What is wrong and what would be right, for a person.
    pub detail: String,
}

/// The answer to an ingest request: 202, and inside a 503 when only some components could be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IngestReply {
    /// Durable now.
    pub accepted: u64,
    /// Known already by their id or by the batch's key.
    pub duplicate: u64,
    /// Counted and their text dropped, because the domain is over its quota of records.
    pub counted_only: u64,
    /// Refused, see `errors`.
    pub rejected: u64,
    /// The first refused records, in order; at most `limits::ERRORS_LISTED_MAX`.
    #[serde(default)]
    pub errors: Vec<FieldError>,
    /// Refused records that are not listed.
    #[serde(default)]
    pub errors_omitted: u64,
    /// The ids under which accepted records can be read, in the order sent, where the caller asked for them; null for
    /// a record that was not accepted.
    #[serde(default)]
    pub ids: Option<Vec<Option<String>>>,
    /// The parts, when they fared differently.
    #[serde(default)]
    pub components: Vec<ComponentReply>,
}

impl IngestReply {
    /// Every line of the request.
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.counted_only + self.rejected
    }

    /// Counts one refused record and lists it while there is room.
    pub fn reject(&mut self, error: FieldError) {
        self.rejected += 1;
        if self.errors.len() < ERRORS_LISTED_MAX {
            self.errors.push(error);
        } else {
            self.errors_omitted += 1;
        }
    }
}

impl Serialize for IngestReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_struct("IngestReply", 9)?;
        reply.serialize_field("total", &self.total())?;
        reply.serialize_field("accepted", &self.accepted)?;
        reply.serialize_field("duplicate", &self.duplicate)?;
        reply.serialize_field("counted_only", &self.counted_only)?;
        reply.serialize_field("rejected", &self.rejected)?;
        reply.serialize_field("errors", &self.errors)?;
        if self.errors_omitted > 0 {
            reply.serialize_field("errors_omitted", &self.errors_omitted)?;
        }
        if let Some(ids) = &self.ids {
            reply.serialize_field("ids", ids)?;
        }
        if !self.components.is_empty() {
            reply.serialize_field("components", &self.components)?;
        }
        reply.end()
    }
}

/// How one component's part of a batch fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentReply {
    /// The component, as addressed.
    pub component: String,
    /// The status that this part alone would have had: 202, or what its failure maps to.
    pub status: u16,
    /// Records of this part in the request.
    pub records: u64,
    /// Durable now.
    pub accepted: u64,
    /// Known already.
    pub duplicate: u64,
    /// Counted, text dropped.
    pub counted_only: u64,
    /// Why it failed: a code of `problem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl ComponentReply {
    /// Whether every record of this part has its outcome.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The prototype's envelope of success.
#[derive(Clone, Debug, PartialEq)]
pub struct PrototypeSuccess<T> {
    /// What was asked for.
    pub data: T,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
}

impl<T: Serialize> Serialize for PrototypeSuccess<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("PrototypeSuccess", 3)?;
        envelope.serialize_field("success", &true)?;
        envelope.serialize_field("data", &self.data)?;
        envelope.serialize_field("timestamp", &Iso(self.now_ms))?;
        envelope.end()
    }
}

/// `data` of the prototype's `POST /logs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSubmitted<'a> {
    /// The record's id.
    pub log_id: &'a str,
    /// Its category, as derived.
    pub category: &'a str,
    /// Its level as a word.
    pub severity: &'a str,
    /// What triage suggests.
    pub triage_actions: &'a [String],
}

impl Serialize for LogSubmitted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_struct("LogSubmitted", 5)?;
        data.serialize_field("logId", self.log_id)?;
        data.serialize_field("message", "Log submitted successfully")?;
        data.serialize_field("category", self.category)?;
        data.serialize_field("severity", self.severity)?;
        data.serialize_field("triageActions", self.triage_actions)?;
        data.end()
    }
}

/// The prototype's envelope of failure. Its `errorId` is also sent as `X-Error-ID`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrototypeFailure<'a> {
    /// One of the prototype's codes, see `problem::ProblemCode::prototype_code`.
    pub code: &'a str,
    /// What is wrong, for a person.
    pub message: &'a str,
    /// Under which our own telemetry knows this failure; the prototype sends none with 401, 404 and 429.
    pub error_id: Option<&'a str>,
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// Field by field, which the prototype computed and never sent.
    pub details: &'a [FieldError],
    /// Seconds to wait, with 429.
    pub retry_after_seconds: Option<u32>,
}

impl Serialize for PrototypeFailure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("PrototypeFailure", 2)?;
        envelope.serialize_field("success", &false)?;
        envelope.serialize_field("error", &PrototypeErrorBody(self))?;
        envelope.end()
    }
}

struct PrototypeErrorBody<'a>(&'a PrototypeFailure<'a>);

impl Serialize for PrototypeErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failure = self.0;
        let mut error = serializer.serialize_struct("error", 6)?;
        error.serialize_field("code", failure.code)?;
        error.serialize_field("message", failure.message)?;
        if let Some(error_id) = failure.error_id {
            error.serialize_field("errorId", error_id)?;
        }
        error.serialize_field("timestamp", &Iso(failure.now_ms))?;
        if let Some(seconds) = failure.retry_after_seconds {
            error.serialize_field("retryAfter", &seconds)?;
        }
        if !failure.details.is_empty() {
            error.serialize_field("details", failure.details)?;
        }
        error.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_lists_the_first_refusals_and_counts_the_rest() {
        let mut reply = IngestReply { accepted: 3, duplicate: 2, counted_only: 1, ..IngestReply::default() };
        for index in 0..ERRORS_LISTED_MAX + 5 {
            reply.reject(FieldError { index: Some(index), detail: "no message".to_owned(), ..FieldError::default() });
        }
        assert_eq!((reply.errors.len(), reply.errors_omitted, reply.rejected), (100, 5, 105));
        let json = serde_json::to_value(&reply).unwrap();
        assert_eq!(json["total"], 111);
        assert_eq!(json["errors"][99]["index"], 99);
        assert_eq!(serde_json::from_value::<IngestReply>(json).unwrap(), reply);
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let text = serde_json::to_string(&IngestReply { accepted: 1, ..IngestReply::default() }).unwrap();
        assert_eq!(text, r#"{"total":1,"accepted":1,"duplicate":0,"counted_only":0,"rejected":0,"errors":[]}"#);
        let all = IngestReply {
            ids: Some(vec![Some("a".to_owned()), None]),
            components: vec![ComponentReply { component: "cart".to_owned(), status: 202, ..ComponentReply::default() }],
            ..IngestReply::default()
        };
        assert_eq!(serde_json::from_str::<IngestReply>(&serde_json::to_string(&all).unwrap()).unwrap(), all);
        assert!(all.components[0].is_done() && !ComponentReply { status: 503, ..ComponentReply::default() }.is_done());
    }

    #[test]
    fn prototype_envelopes_keep_their_shape() {
        let actions = ["alert_dba".to_owned()];
        let data = LogSubmitted { log_id: "01J", category: "database", severity: "error", triage_actions: &actions };
        assert_eq!(
            serde_json::to_string(&PrototypeSuccess { data, now_ms: 0 }).unwrap(),
            r#"{"success":true,"data":{"logId":"01J","message":"Log submitted successfully","category":"database","severity":"error","triageActions":["alert_dba"]},"timestamp":"1970-01-01T00:00:00.000Z"}"#
        );
        let plain = PrototypeFailure {
            code: "NOT_FOUND",
            message: "Endpoint not found: GET /x",
            error_id: None,
            now_ms: 0,
            details: &[],
            retry_after_seconds: None,
        };
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"success":false,"error":{"code":"NOT_FOUND","message":"Endpoint not found: GET /x","timestamp":"1970-01-01T00:00:00.000Z"}}"#
        );
        let details =
            [FieldError { code: "unknown_level".to_owned(), detail: "d".to_owned(), ..FieldError::default() }];
        let full = PrototypeFailure { error_id: Some("e1"), details: &details, retry_after_seconds: Some(2), ..plain };
        let json = serde_json::to_value(full).unwrap();
        assert_eq!((&json["error"]["errorId"], &json["error"]["retryAfter"]), (&"e1".into(), &2.into()));
        assert_eq!(json["error"]["details"][0]["code"], "unknown_level");
    }
}
