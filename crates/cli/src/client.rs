//! The public door of a service over HTTP: one request, one answer, and what a refusal means for the person who typed
//! the command. Retrying is the caller's: only the player may repeat what it sends.

use crate::endpoint::Endpoint;
use crate::replies::IngestReply;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use ureq::http::Response;
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder};

/// Longest wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Bytes of the longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A connection to one service.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    endpoint: Endpoint,
}

/// Problem details (RFC 9457) as far as a person wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub title: String,
    pub detail: String,
    pub code: String,
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FieldProblem {
    pub pointer: String,
    pub parameter: String,
    pub detail: String,
}

/// Why a request had no useful answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// No answer at all.
    Unreachable { url: String, reason: String },
    /// An answer that is not a success.
    Refused { status: u16, problem: Problem, retry_after: Option<Duration> },
    /// A success that makes no sense to this version.
    Unreadable { path: String, reason: String },
}

impl ClientFault {
    /// Whether the same request may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            Self::Unreadable { .. } => false,
        }
    }

    /// How long the service asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { url, reason } => {
                write!(f, "no answer from {url} ({reason}): is it running? scripts/dev starts one on this machine")
            }
            Self::Refused { status, problem, .. } => {
                write!(f, "the service answered {status}")?;
                for part in [&problem.title, &problem.detail] {
                    if !part.is_empty() {
                        write!(f, ": {part}")?;
                    }
                }
                for error in &problem.errors {
                    write!(f, "; {}{}: {}", error.pointer, error.parameter, error.detail)?;
                }
                match status {
                    401 => f.write_str(". The key is not one of this service: give --key or SAPWOOD_KEY"),
                    403 => f.write_str(
                        ". The key lacks the scope: use one with ingest for play, admin for teach, read for all else",
                    ),
                    404 if problem.code.is_empty() => {
                        f.write_str(". Is --url the address of a Sapwood service, and is it this version?")
                    }
                    429 => f.write_str(". Too much at once: wait, or send less"),
                    _ => Ok(()),
                }
            }
            Self::Unreadable { path, reason } => {
                write!(
                    f,
                    "the answer of {path} is not what this version expects ({reason}): is the service older or newer?"
                )
            }
        }
    }
}

impl Client {
    /// A client of `endpoint`. Nothing is sent yet.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WAIT))
            .user_agent(concat!("sapwood-cli/", env!("CARGO_PKG_VERSION")));
        if is_on_this_machine(&endpoint.url) {
            // A proxy has no way to this machine's loopback.
            config = config.proxy(None);
        }
        Self { agent: config.build().into(), endpoint }
    }

    /// Reads `path` with these parameters.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<T, ClientFault> {
        self.answer(path, self.get(path, parameters).call())
    }

    /// Reads `path`, which answers with a text that is no JSON.
    pub(crate) fn read_text(&self, path: &str, parameters: &[(&str, String)]) -> Result<String, ClientFault> {
        self.text(self.get(path, parameters).call())
    }

    fn get(&self, path: &str, parameters: &[(&str, String)]) -> RequestBuilder<WithoutBody> {
        let request = self.agent.get(format!("{}{path}", self.endpoint.url)).header("X-API-Key", &self.endpoint.key);
        parameters.iter().fold(request, |request, (name, value)| request.query(name, value))
    }

    /// Sends one batch to `path`: NDJSON, already compressed. `key` makes a repetition free.
    pub(crate) fn send(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        gzipped_lines: &[u8],
        key: &str,
    ) -> Result<IngestReply, ClientFault> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.endpoint.url))
            .header("X-API-Key", &self.endpoint.key)
            .header("Content-Type", "application/x-ndjson")
            .header("Content-Encoding", "gzip")
            .header("Idempotency-Key", key);
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        self.answer(path, request.send(gzipped_lines))
    }

    /// Sends one JSON body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> Result<T, ClientFault> {
        let request = self
            .agent
            .post(format!("{}{path}", self.endpoint.url))
            .header("X-API-Key", &self.endpoint.key)
            .header("Content-Type", "application/json");
        self.answer(path, request.send(body.to_string()))
    }

    /// Removes what is at `path`.
    pub(crate) fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<T, ClientFault> {
        let mut request = self.agent.delete(format!("{}{path}", self.endpoint.url));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        self.answer(path, request.header("X-API-Key", &self.endpoint.key).call())
    }

    fn answer<T: DeserializeOwned>(
        &self,
        path: &str,
        outcome: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientFault> {
        let text = self.text(outcome)?;
        serde_json::from_str(&text)
            .map_err(|error| ClientFault::Unreadable { path: path.to_owned(), reason: error.to_string() })
    }

    fn text(&self, outcome: Result<Response<Body>, ureq::Error>) -> Result<String, ClientFault> {
        let unreachable =
            |error: ureq::Error| ClientFault::Unreachable { url: self.endpoint.url.clone(), reason: error.to_string() };
        let mut response = outcome.map_err(unreachable)?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(unreachable)?;
        if !(200..300).contains(&status) {
            let problem = serde_json::from_str(&text).unwrap_or_default();
            return Err(ClientFault::Refused { status, problem, retry_after });
        }
        Ok(text)
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};

    #[test]
    fn a_read_carries_key_and_parameters() {
        let server = Server::scripted([Answer::new(200, r#"{"a":1}"#)]);
        let parameters = [("q", "disk full & more".to_owned()), ("limit", "5".to_owned())];
        let value: serde_json::Value = server.client().read("/api/x", &parameters).unwrap();
        assert_eq!(value["a"], 1);
        let asked = &server.asked()[0];
        assert_eq!((asked.method.as_str(), asked.header("x-api-key")), ("GET", Some("test-key")));
        assert!(asked.path == "/api/x?q=disk%20full%20%26%20more&limit=5", "{}", asked.path);
    }

    #[test]
    fn refusals_are_told_with_their_reason_and_a_way_out() {
        let problem = r#"{"title":"Not for you","detail":"revoked on Monday","code":"key_revoked"}"#;
        let server = Server::scripted([
            Answer::new(401, problem),
            Answer::new(503, "<html>").with("Retry-After", "7"),
            Answer::new(200, "[]"),
        ]);
        let client = server.client();
        let read = || client.read::<IngestReply>("/x", &[]).unwrap_err();
        let unknown = read();
        assert!(!unknown.is_temporary());
        let text = unknown.to_string();
        assert!(text.contains("Not for you: revoked on Monday") && text.contains("SAPWOOD_KEY"), "{text}");
        let busy = read();
        assert!(busy.is_temporary());
        assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
        let odd = read();
        assert!(!odd.is_temporary() && odd.retry_after().is_none());
        assert!(odd.to_string().contains("older or newer"), "{odd}");
    }

    #[test]
    fn a_service_that_is_not_there_is_named() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(Endpoint { url: format!("http://127.0.0.1:{port}"), key: "k".into() });
        let fault = client.read::<IngestReply>("/x", &[]).unwrap_err();
        assert!(fault.is_temporary() && fault.to_string().contains("scripts/dev"), "{fault}");
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (url, expected) in
            [("http://127.0.0.1:1", true), ("http://localhost", true), ("http://[::1]:9", true), ("https://a.b", false)]
        {
            assert_eq!(is_on_this_machine(url), expected, "{url}");
        }
    }
}
