//! The only place that knows HTTP statuses and headers: what a handler came to becomes a response.
//!
//! Errors are problem details (RFC 9457), on the prototype's routes the prototype's envelope. Every reply carries the
//! request's id and the CORS headers, errors included, and is not to be cached. What is wrong inside is told to our
//! telemetry under that id, and to the caller only as a neutral sentence.

use super::auth::AuthError;
use super::cors::Header;
use crate::handlers::{Answer, Outcome, Refusal};
use crate::monitoring::report;
use crate::processors::stubs::CallError;
use sapwood_wire::problem::{PROBLEM_CONTENT_TYPE, Problem, ProblemCode};
use sapwood_wire::reply::{FieldError, LogSubmitted, PrototypeFailure, PrototypeSuccess};
use serde::Serialize;
use worker::{Headers, Response, ResponseBuilder};

/// Seconds after which a fault may be tried again.
const RETRY_AFTER_SECONDS: u32 = 1;
/// What may be sent as `Content-Encoding` (RFC 7694: said where another was refused).
const ENCODINGS: &str = "gzip, deflate, identity";

/// What of the request a reply depends on.
#[derive(Clone, Debug, Default)]
pub struct ReplyContext {
    /// The request's id.
    pub request_id: String,
    /// Whether the route belongs to the prototype's API.
    pub is_prototype: bool,
    /// Whether only the head of the reply is wanted.
    pub is_head: bool,
    /// When the request arrived, ms.
    pub now_ms: i64,
    /// Headers that let a page of another origin read the reply.
    pub cors: Vec<Header>,
}

/// A reply before it is handed to the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// Status.
    pub status: u16,
    /// Headers; a name may come twice.
    pub headers: Vec<Header>,
    /// Body.
    pub body: Vec<u8>,
}

/// The response for an outcome.
///
/// # Errors
/// The platform refuses a header or a body, which it has no reason to.
pub fn respond(outcome: Outcome, context: &ReplyContext) -> worker::Result<Response> {
    let shaped = match outcome {
        Ok(Answer::Socket(response, protocol)) => return socket(*response, protocol, context),
        Ok(answer) => shape(answer, context),
        Err(refusal) => refuse(refusal, context),
    };
    send(shaped)
}

/// 204 for a preflight.
///
/// # Errors
/// As [`respond`].
pub fn preflight(context: &ReplyContext) -> worker::Result<Response> {
    send(finish(204, Vec::new(), Vec::new(), context))
}

fn send(shaped: Shaped) -> worker::Result<Response> {
    let headers = Headers::new();
    for (name, value) in &shaped.headers {
        headers.append(name, value)?;
    }
    let builder = ResponseBuilder::new().with_status(shaped.status).with_headers(headers);
    Ok(if shaped.body.is_empty() { builder.empty() } else { builder.fixed(shaped.body) })
}

/// The domain object's 101 with our headers; its socket moves along.
fn socket(response: Response, protocol: Option<&str>, context: &ReplyContext) -> worker::Result<Response> {
    let status = response.status_code();
    let Some(socket) = response.websocket() else {
        let busy = Problem::new(ProblemCode::Overloaded, "as many viewers as there may be").with_retry_after(10);
        let failed = Problem::new(ProblemCode::Unavailable, "the live tail cannot be opened").with_retry_after(1);
        return send(refuse(Refusal::from(if status == 503 { busy } else { failed }), context));
    };
    let mut own = Vec::new();
    if let Some(protocol) = protocol {
        own.push(("Sec-WebSocket-Protocol", protocol.to_owned()));
    }
    let headers = Headers::new();
    for (name, value) in finish(101, own, Vec::new(), context).headers {
        headers.append(name, &value)?;
    }
    Ok(Response::from_websocket(socket)?.with_headers(headers))
}

/// An answer as status, headers and body. Sockets have no body; they are not shaped here.
pub fn shape(answer: Answer, context: &ReplyContext) -> Shaped {
    let mut headers: Vec<Header> = Vec::new();
    match answer {
        Answer::Json(body) => typed(200, "application/json", headers, body, context),
        Answer::Created(body) => typed(201, "application/json", headers, body, context),
        Answer::Accepted(body) => typed(202, "application/json", headers, body, context),
        Answer::Ingested { reply, is_replay, has_representation } => {
            if has_representation {
                headers.push(("Preference-Applied", "return=representation".to_owned()));
            }
            mark_replay(&mut headers, is_replay);
            typed(202, "application/json", headers, written(&reply), context)
        }
        Answer::Partial(failure) => {
            headers.push(("Retry-After", RETRY_AFTER_SECONDS.to_string()));
            typed(failure.status(), PROBLEM_CONTENT_TYPE, headers, written(&failure), context)
        }
        Answer::Submitted { id, understanding, is_replay } => {
            mark_replay(&mut headers, is_replay);
            let data = LogSubmitted {
                log_id: &id,
                category: &understanding.category,
                severity: understanding.severity,
                triage_actions: &understanding.actions,
            };
            let envelope = PrototypeSuccess { data, now_ms: context.now_ms };
            typed(201, "application/json", headers, written(&envelope), context)
        }
        Answer::Text(media, text) => typed(200, media, headers, text.into_bytes(), context),
        Answer::Health { status, body } => {
            headers.push(("X-Health-Status", status.to_owned()));
            let code = if status == "healthy" { 200 } else { 503 };
            typed(code, "application/json", headers, body, context)
        }
        Answer::Socket(..) => finish(101, headers, Vec::new(), context),
    }
}

fn mark_replay(headers: &mut Vec<Header>, is_replay: bool) {
    if is_replay {
        headers.push(("Idempotency-Replayed", "true".to_owned()));
    }
}

/// A refusal as status, headers and body.
pub fn refuse(refusal: Refusal, context: &ReplyContext) -> Shaped {
    let mut headers: Vec<Header> = Vec::new();
    if let Refusal::OtherMethods(methods) = &refusal {
        headers.push(("Allow", methods.join(", ")));
    }
    if let Refusal::Fault(error) = &refusal {
        report("RequestFailed", &[("request", &context.request_id), ("error", error)]);
    }
    let problem = problem(refusal);
    match problem.status {
        401 => headers.push(("WWW-Authenticate", "Bearer".to_owned())),
        415 if problem.code == ProblemCode::UnsupportedEncoding.code() => {
            headers.push(("Accept-Encoding", ENCODINGS.to_owned()));
        }
        426 => headers.push(("Upgrade", "websocket".to_owned())),
        _ => {}
    }
    if let Some(seconds) = problem.retry_after {
        headers.push(("Retry-After", seconds.to_string()));
    }
    if context.is_prototype {
        return prototype_failure(&problem, headers, context);
    }
    let problem = Problem { instance: Some(context.request_id.clone()), ..problem };
    typed(problem.status, PROBLEM_CONTENT_TYPE, headers, written(&problem), context)
}

/// The prototype's envelope. It gives no id with 401, 404 and 429.
fn prototype_failure(problem: &Problem, mut headers: Vec<Header>, context: &ReplyContext) -> Shaped {
    let known = ProblemCode::ALL.iter().find(|code| code.code() == problem.code);
    let code = known.map_or(ProblemCode::Internal.prototype_code(), |code| code.prototype_code());
    let error_id = (!matches!(problem.status, 401 | 404 | 429)).then_some(context.request_id.as_str());
    if let Some(id) = error_id {
        headers.push(("X-Error-ID", id.to_owned()));
    }
    let failure = PrototypeFailure {
        code,
        message: &problem.detail,
        error_id,
        now_ms: context.now_ms,
        details: &problem.errors,
        retry_after_seconds: problem.retry_after,
    };
    typed(problem.status, "application/json", headers, written(&failure), context)
}

fn problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NoSuchPath => Problem::new(ProblemCode::NotFound, "nothing lives at this path"),
        Refusal::OtherMethods(methods) => {
            Problem::new(ProblemCode::MethodNotAllowed, format!("allowed here are {}", methods.join(", ")))
        }
        Refusal::ForeignOrigin => Problem::new(ProblemCode::ForbiddenOrigin, ""),
        Refusal::NotAuthorized(error) => not_authorized(error),
        Refusal::Misconfigured(keys) => {
            let detail = format!("the service is not configured; see the keys {} in /health", keys.join(", "));
            Problem::new(ProblemCode::Unavailable, detail)
        }
        Refusal::Fault(error) => fault(&error),
        Refusal::Problem(problem) => *problem,
    }
}

fn not_authorized(error: AuthError) -> Problem {
    let code = match error {
        AuthError::MissingCredential
        | AuthError::Malformed(_)
        | AuthError::UnknownCredential
        | AuthError::BadSignature
        | AuthError::NotYetValid
        | AuthError::WrongAudience => ProblemCode::Unauthorized,
        AuthError::Expired => ProblemCode::KeyExpired,
        AuthError::Revoked => ProblemCode::KeyRevoked,
        AuthError::WrongScope(_) => ProblemCode::ForbiddenScope,
        AuthError::WrongDomain | AuthError::NoDomain => ProblemCode::ForbiddenDomain,
        AuthError::DomainRequired | AuthError::InvalidDomain | AuthError::InvalidServiceName => {
            ProblemCode::InvalidQuery
        }
    };
    let problem = Problem::new(code, error.detail());
    // The finer reason, which programs may show and should not depend on.
    problem.with_errors(vec![FieldError {
        code: error.code().to_owned(),
        detail: error.detail(),
        ..FieldError::default()
    }])
}

fn fault(error: &CallError) -> Problem {
    let code = match error {
        CallError::Timeout => ProblemCode::UpstreamTimeout,
        CallError::Overloaded => ProblemCode::Overloaded,
        CallError::Failed(_) => ProblemCode::Unavailable,
        CallError::Refused(..) | CallError::Unreadable(_) => return Problem::new(ProblemCode::Internal, ""),
    };
    Problem::new(code, "").with_retry_after(RETRY_AFTER_SECONDS)
}

fn typed(status: u16, media: &str, mut headers: Vec<Header>, body: Vec<u8>, context: &ReplyContext) -> Shaped {
    headers.push(("Content-Type", media.to_owned()));
    finish(status, headers, body, context)
}

/// What every reply has.
fn finish(status: u16, mut headers: Vec<Header>, body: Vec<u8>, context: &ReplyContext) -> Shaped {
    headers.push(("X-Request-ID", context.request_id.clone()));
    headers.push(("Cache-Control", "no-store".to_owned()));
    headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
    headers.extend(context.cors.iter().cloned());
    Shaped { status, headers, body: if context.is_head { Vec::new() } else { body } }
}

/// JSON of a reply. Our replies have text keys and finite numbers, so that writing cannot fail.
fn written<T: Serialize>(reply: &T) -> Vec<u8> {
    let written = serde_json::to_vec(reply);
    debug_assert!(written.is_ok(), "a reply can be written");
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::key::Scopes;
    use crate::handlers::ingest::Understanding;
    use sapwood_wire::problem::PartialFailure;
    use sapwood_wire::reply::{ComponentReply, IngestReply};
    use serde_json::Value;

    fn context() -> ReplyContext {
        ReplyContext {
            request_id: "r1".into(),
            cors: vec![("Access-Control-Allow-Origin", "https://a.com".into())],
            ..ReplyContext::default()
        }
    }

    fn prototype() -> ReplyContext {
        ReplyContext { is_prototype: true, ..context() }
    }

    fn header<'a>(shaped: &'a Shaped, name: &str) -> Option<&'a str> {
        shaped.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn body(shaped: &Shaped) -> Value {
        serde_json::from_slice(&shaped.body).unwrap()
    }

    #[test]
    fn every_reply_has_its_id_its_cors_headers_and_is_not_cached() {
        let refused = refuse(Refusal::NoSuchPath, &context());
        let answered = shape(Answer::Json(b"{}".to_vec()), &context());
        let enveloped = refuse(Refusal::ForeignOrigin, &prototype());
        for shaped in [refused, answered, enveloped] {
            assert_eq!(header(&shaped, "X-Request-ID"), Some("r1"));
            assert_eq!(header(&shaped, "Access-Control-Allow-Origin"), Some("https://a.com"));
            assert_eq!(header(&shaped, "Cache-Control"), Some("no-store"));
        }
    }

    #[test]
    fn head_gets_the_headers_and_nothing_else() {
        let shaped = shape(Answer::Json(b"{}".to_vec()), &ReplyContext { is_head: true, ..context() });
        assert_eq!(
            (shaped.status, shaped.body.len(), header(&shaped, "Content-Type")),
            (200, 0, Some("application/json"))
        );
    }

    #[test]
    fn intake_answers_202_and_says_what_was_special() {
        let answer = |is_replay, has_representation| {
            shape(Answer::Ingested { reply: IngestReply::default(), is_replay, has_representation }, &context())
        };
        let plain = answer(false, false);
        assert_eq!((plain.status, body(&plain)["total"].as_u64()), (202, Some(0)));
        assert_eq!((header(&plain, "Idempotency-Replayed"), header(&plain, "Preference-Applied")), (None, None));
        let special = answer(true, true);
        assert_eq!(header(&special, "Idempotency-Replayed"), Some("true"));
        assert_eq!(header(&special, "Preference-Applied"), Some("return=representation"));
    }

    #[test]
    fn a_partial_failure_is_a_503_that_may_be_repeated() {
        let part = ComponentReply { component: "a".into(), status: 504, ..ComponentReply::default() };
        let reply = IngestReply { components: vec![part], ..IngestReply::default() };
        let shaped = shape(Answer::Partial(Box::new(PartialFailure::new(reply, 1))), &context());
        assert_eq!((shaped.status, header(&shaped, "Retry-After")), (503, Some("1")));
        assert_eq!(header(&shaped, "Content-Type"), Some(PROBLEM_CONTENT_TYPE));
    }

    #[test]
    fn the_prototype_s_client_gets_its_envelopes() {
        let understanding =
            Understanding { category: "database".into(), severity: "error", actions: vec!["alert_dba".into()] };
        let shaped = shape(Answer::Submitted { id: "i".into(), understanding, is_replay: false }, &prototype());
        let envelope = body(&shaped);
        assert_eq!((shaped.status, &envelope["success"], &envelope["data"]["logId"]), (201, &true.into(), &"i".into()));
        assert_eq!(envelope["data"]["triageActions"][0], "alert_dba");

        let errors = vec![FieldError { pointer: Some("/message".into()), ..FieldError::default() }];
        let problem = Problem::new(ProblemCode::RecordsRejected, "no message").with_errors(errors);
        let refused = refuse(problem.into(), &prototype());
        let envelope = body(&refused);
        assert_eq!((refused.status, header(&refused, "X-Error-ID")), (400, Some("r1")));
        assert_eq!(
            (&envelope["error"]["code"], &envelope["error"]["errorId"]),
            (&"VALIDATION_ERROR".into(), &"r1".into())
        );
        assert_eq!(envelope["error"]["details"][0]["pointer"], "/message");

        let limited = Problem::new(ProblemCode::RateLimited, "").with_retry_after(10);
        let refused = refuse(limited.into(), &prototype());
        assert_eq!((header(&refused, "X-Error-ID"), header(&refused, "Retry-After")), (None, Some("10")));
        assert_eq!(body(&refused)["error"]["retryAfter"], 10);
    }

    #[test]
    fn each_refusal_has_its_status_and_code() {
        let auth = Refusal::NotAuthorized;
        let fault = |error| Refusal::Fault(error);
        for (refusal, status, code) in [
            (Refusal::NoSuchPath, 404, "not_found"),
            (Refusal::OtherMethods(vec!["GET"]), 405, "method_not_allowed"),
            (Refusal::ForeignOrigin, 403, "forbidden_origin"),
            (Refusal::Misconfigured(vec!["KEY_SIGNING_SECRET".into()]), 503, "unavailable"),
            (auth(AuthError::MissingCredential), 401, "unauthorized"),
            (auth(AuthError::Malformed("it is empty")), 401, "unauthorized"),
            (auth(AuthError::UnknownCredential), 401, "unauthorized"),
            (auth(AuthError::BadSignature), 401, "unauthorized"),
            (auth(AuthError::NotYetValid), 401, "unauthorized"),
            (auth(AuthError::WrongAudience), 401, "unauthorized"),
            (auth(AuthError::Expired), 401, "key_expired"),
            (auth(AuthError::Revoked), 401, "key_revoked"),
            (auth(AuthError::WrongScope(Scopes::ADMIN)), 403, "forbidden_scope"),
            (auth(AuthError::WrongDomain), 403, "forbidden_domain"),
            (auth(AuthError::NoDomain), 403, "forbidden_domain"),
            (auth(AuthError::DomainRequired), 400, "invalid_query"),
            (auth(AuthError::InvalidDomain), 400, "invalid_query"),
            (auth(AuthError::InvalidServiceName), 400, "invalid_query"),
            (fault(CallError::Timeout), 504, "upstream_timeout"),
            (fault(CallError::Overloaded), 503, "overloaded"),
            (fault(CallError::Failed("secret inside".into())), 503, "unavailable"),
            (fault(CallError::Refused(500, "secret inside".into())), 500, "internal"),
            (fault(CallError::Unreadable("secret inside".into())), 500, "internal"),
        ] {
            let status_of_error = match &refusal {
                Refusal::NotAuthorized(error) => Some(error.status()),
                _ => None,
            };
            let shaped = refuse(refusal, &context());
            let problem = body(&shaped);
            assert_eq!((shaped.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
            assert!(status_of_error.is_none_or(|known| known == status), "{problem}");
            assert_eq!(problem["instance"], "r1");
            assert!(!problem.to_string().contains("secret inside"));
            assert_eq!(header(&shaped, "WWW-Authenticate").is_some(), status == 401);
        }
    }

    #[test]
    fn headers_tell_what_would_be_right() {
        let methods = refuse(Refusal::OtherMethods(vec!["GET", "POST"]), &context());
        assert_eq!(header(&methods, "Allow"), Some("GET, POST"));
        let encoding = refuse(Problem::new(ProblemCode::UnsupportedEncoding, "").into(), &context());
        assert_eq!(header(&encoding, "Accept-Encoding"), Some(ENCODINGS));
        let media = refuse(Problem::new(ProblemCode::UnsupportedMediaType, "").into(), &context());
        assert_eq!(header(&media, "Accept-Encoding"), None);
        let upgrade = refuse(Problem::new(ProblemCode::UpgradeRequired, "").into(), &context());
        assert_eq!(header(&upgrade, "Upgrade"), Some("websocket"));
    }

    #[test]
    fn health_is_200_only_if_all_is_well() {
        for (status, code) in [("healthy", 200), ("degraded", 503), ("unhealthy", 503)] {
            let shaped = shape(Answer::Health { status, body: b"{}".to_vec() }, &context());
            assert_eq!((shaped.status, header(&shaped, "X-Health-Status")), (code, Some(status)));
        }
    }
}
