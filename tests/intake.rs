//! The table of `docs/api/ingest.md`: what a request is answered, and what of it is stored. Each row of the page is
//! played through the pure stages of intake, in the order in which the Worker runs them, and the page and this file
//! must name the same rows. Reading a body from a socket and storing it are left to the end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use flate2::Compression;
use flate2::write::GzEncoder;
use sapwood::edge::auth::{AuthError, AuthSettings, authenticate};
use sapwood::edge::body::{Encoding, check_content_type, check_declared, inflate};
use sapwood::edge::key::{KeyClaims, KeyId, Scopes, SigningSecrets, mint};
use sapwood::edge::known::{DomainKnowledge, PublishedView};
use sapwood::edge::reply::{ReplyContext, Shaped, refuse, shape};
use sapwood::handlers::ingest::assemble::{Assembled, PartFate, assemble};
use sapwood::handlers::ingest::prepare::{Intake, Prepared, prepare};
use sapwood::handlers::{Answer, Refusal};
use sapwood_engine::address::Domain;
use sapwood_engine::config::{Config, Provenance, RawConfig, Secret};
use sapwood_engine::machine::row::{Place, Receipt};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use sapwood_wire::problem::{Problem, ProblemCode};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::rc::Rc;

const PAGE: &str = include_str!("../docs/api/ingest.md");
const NOW: Timestamp = Timestamp(1_763_632_800_000);
const SECRET: &str = "k3y-s1gn1ng-s3cr3t-of-th3-t3sts-0123456789";

fn config() -> Rc<Config> {
    let mut raw = RawConfig::new();
    raw.say("ENVIRONMENT", "production", Provenance::Var);
    raw.say("KEY_SIGNING_SECRET", SECRET, Provenance::Secret);
    Rc::new(Config::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn key(secret: &str, scopes: Scopes) -> String {
    let claims = KeyClaims {
        key_id: KeyId::new([7; 9]),
        domain: Domain::parse("example.com").unwrap(),
        scopes,
        component: None,
    };
    mint(&claims, SigningSecrets { current: &Secret::new(secret), previous: None }).unwrap()
}

/// A request, as far as intake looks at it.
struct Sent {
    headers: BTreeMap<&'static str, String>,
    body: Vec<u8>,
    is_revoked: bool,
}

fn sent(body: impl Into<Vec<u8>>) -> Sent {
    let headers = BTreeMap::from([("X-API-Key", key(SECRET, Scopes::INGEST))]);
    Sent { headers, body: body.into(), is_revoked: false }
}

impl Sent {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn revoked(self) -> Self {
        Self { is_revoked: true, ..self }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// What would be stored, and what it is answered.
fn take_in(sent: Sent) -> (Shaped, Vec<Record>) {
    let mut stored = Vec::new();
    let shaped = match run(sent, &mut stored) {
        Ok(Assembled::Done { reply, is_replay }) => {
            shape(Answer::Ingested { reply, is_replay, has_representation: false }, &ReplyContext::default())
        }
        Ok(Assembled::Partial(failure)) => shape(Answer::Partial(Box::new(failure)), &ReplyContext::default()),
        Ok(Assembled::Refused(problem)) => refuse(problem.into(), &ReplyContext::default()),
        Err(refusal) => refuse(refusal, &ReplyContext::default()),
    };
    (shaped, stored)
}

fn run(sent: Sent, stored: &mut Vec<Record>) -> Result<Assembled, Refusal> {
    let config = config();
    let header = |name: &str| sent.headers.get(name).cloned();
    let principal = authenticate(header, "logger.example.com", AuthSettings::of(&config), NOW)?;
    principal.require(Scopes::INGEST)?;
    let cap = config.body_bytes_max();
    check_content_type(header("Content-Type").as_deref())?;
    let encoding = Encoding::of(header("Content-Encoding").as_deref())?;
    let length = header("Content-Length").unwrap_or_else(|| sent.body.len().to_string());
    check_declared(Some(&length), cap)?;
    let revoked = if sent.is_revoked { vec![KeyId::new([7; 9]).to_string()] } else { Vec::new() };
    let known = DomainKnowledge::new(&config, &PublishedView { version: 1, revoked, ..PublishedView::default() });
    if principal.key_id.is_some_and(|id| known.is_revoked(&id.to_string())) {
        return Err(AuthError::Revoked.into());
    }
    let body = inflate(sent.body, encoding, cap)?;
    let intake = Intake {
        now: NOW,
        default_environment: config.environment().word(),
        key_component: None,
        redactor: &known.redactor,
        records_max: config.request_records_max(),
        wants_ids: false,
    };
    let mut prepared = prepare(&body, intake)?;
    let fates = store(&prepared, stored);
    let parts = std::mem::take(&mut prepared.parts);
    Ok(assemble(prepared, parts.into_iter().zip(fates).collect()))
}

/// An object that accepts everything.
fn store(prepared: &Prepared, stored: &mut Vec<Record>) -> Vec<PartFate> {
    let accept = |part: &sapwood::handlers::ingest::prepare::Part| {
        stored.extend(part.segments.iter().flat_map(|segment| segment::decode(segment).unwrap()));
        let accepted = u16::try_from(part.count).unwrap();
        let receipt = Receipt {
            at: NOW,
            accepted: u32::from(accepted),
            places: vec![Place { seq: 1, first: 0, count: accepted }],
            ..Receipt::default()
        };
        PartFate::Done { receipt, is_replay: false, component: part.component.clone(), shard: 0 }
    };
    prepared.parts.iter().map(accept).collect()
}

/// The rows: a name, and what is sent.
fn rows() -> Vec<(&'static str, Sent)> {
    let hello = r#"{"message":"hello"}"#;
    let at = |timestamp: &str| sent(format!(r#"{{"message":"hello","timestamp":{timestamp}}}"#));
    let nested = |depth: usize| format!("{{\"message\":\"deep\",\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let mut cut = gzip(hello.as_bytes());
    cut.truncate(cut.len() - 9);
    vec![
        ("one record", sent(hello)),
        ("an array", sent(format!("[{hello},{hello}]"))),
        ("an envelope", sent(format!("{{\"logs\":[{hello},{hello}]}}"))),
        ("lines", sent(format!("{hello}\n\n{hello}\n"))),
        ("gzip", sent(gzip(hello.as_bytes())).with("Content-Encoding", "gzip")),
        ("an empty array", sent("[]")),
        ("no key", sent(hello).without("X-API-Key")),
        ("a foreign key", sent(hello).with("X-API-Key", key("an0th3r-s1gn1ng-s3cr3t-0123456789-abcdef", Scopes::ALL))),
        ("a revoked key", sent(hello).revoked()),
        ("a key without the scope", sent(hello).with("X-API-Key", key(SECRET, Scopes::READ))),
        ("broken JSON", sent(r#"{"message":"a",}"#)),
        ("broken JSON among lines", sent(format!("{hello}\n{{\"message\":\n{hello}"))),
        ("JSON that is no record", sent("42")),
        ("an empty body", sent("")),
        ("white space", sent(" \n\t")),
        ("a message of the wrong type", sent(r#"{"message":{"a":1}}"#)),
        ("no message", sent(r#"{"level":"info"}"#)),
        ("a blank message", sent(r#"{"message":"  "}"#)),
        ("an unknown level", sent(r#"{"message":"a","level":"loud"}"#)),
        ("one bad record of three", sent(format!("[{hello},{{\"level\":\"info\"}},{hello}]"))),
        ("a line of 1 MB", sent(format!(r#"{{"message":"{}"}}"#, "a ".repeat(500_000)))),
        ("10,000 nested levels", sent(nested(10_000))),
        ("20 nested levels", sent(nested(20))),
        ("invalid UTF-8", sent(b"{\"message\":\"a \xff\xfe b\"}".as_slice())),
        ("NUL and control bytes", sent("{\"message\":\"a\\u0000b\\u001b[31mc\\r\\nd\"}")),
        ("a gzip bomb", sent(gzip(&vec![b' '; 20_000_000])).with("Content-Encoding", "gzip")),
        ("a truncated gzip", sent(cut).with("Content-Encoding", "gzip")),
        ("gzip that is none", sent(hello).with("Content-Encoding", "gzip")),
        ("an unknown encoding", sent(hello).with("Content-Encoding", "br")),
        ("an image", sent(hello).with("Content-Type", "image/png")),
        ("a form with files", sent(hello).with("Content-Type", "multipart/form-data; boundary=x")),
        ("JSON labelled as a form", sent(hello).with("Content-Type", "application/x-www-form-urlencoded")),
        ("an oversize body", sent(hello).with("Content-Length", "10485761")),
        ("10,000 tiny records", sent("{\"message\":\"a\"}\n".repeat(10_000))),
        ("100,000 tiny records", sent("{\"message\":\"a\"}\n".repeat(100_000))),
        ("a timestamp in seconds", at("1763632799")),
        ("a timestamp in milliseconds", at("1763632799000")),
        ("a timestamp in microseconds", at("1763632799000000")),
        ("a timestamp in nanoseconds", at("1763632799000000000")),
        ("an ISO timestamp with a zone", at("\"2025-11-20T10:59:59+01:00\"")),
        ("an ISO timestamp without a zone", at("\"2025-11-20T09:59:59\"")),
        ("a timestamp in the far future", at("\"2099-01-01T00:00:00Z\"")),
        ("a timestamp in the far past", at("\"1970-01-02T00:00:00Z\"")),
        ("an unreadable timestamp", at("\"yesterday\"")),
    ]
}

/// What a row says beside its name: status, code, and what is stored with which defects.
fn observed(sent: Sent) -> (String, String, String) {
    let (shaped, stored) = take_in(sent);
    let body: serde_json::Value = serde_json::from_slice(&shaped.body).unwrap();
    let code = body["code"].as_str().or_else(|| body["errors"][0]["code"].as_str()).unwrap_or("").to_owned();
    let code = match (shaped.status, body["errors"][0]["code"].as_str()) {
        (400, Some(first)) if code == ProblemCode::RecordsRejected.code() => format!("{code}: {first}"),
        _ => code,
    };
    let defects: BTreeSet<&str> =
        stored.iter().flat_map(|record| &record.defects).map(|defect| defect.code()).collect();
    let mut what = vec![stored.len().to_string()];
    what.extend(defects.into_iter().filter(|code| !is_usual(code)).map(str::to_owned));
    let what = if stored.is_empty() { "nothing".to_owned() } else { what.join(", ") };
    (shaped.status.to_string(), code, what)
}

/// Defects of every record that says as little as those above.
fn is_usual(code: &str) -> bool {
    matches!(code, "timestamp_absent" | "level_assumed")
}

/// The lines of the page's table.
fn page_lines() -> Vec<&'static str> {
    let table =
        PAGE.split("<!-- table: intake -->").nth(1).expect("the page has the table").split("<!-- end -->").next();
    table.unwrap().lines().filter(|line| line.starts_with("| ")).skip(1).collect()
}

#[test]
fn every_row_of_the_page_is_what_happens() {
    let seen: Vec<String> = rows()
        .into_iter()
        .map(|(name, sent)| {
            let (status, code, stored) = observed(sent);
            let code = if code.is_empty() { String::new() } else { format!(" `{code}`") };
            format!("| {name} | {status} |{code} | {stored} |")
        })
        .collect();
    assert_eq!(page_lines(), seen, "what happens is:\n{}", seen.join("\n"));
}

#[test]
fn every_unit_of_time_means_the_same_instant() {
    for (name, sent) in rows().into_iter().filter(|(name, _)| name.contains("timestamp in ") || name.contains("ISO")) {
        let (_, stored) = take_in(sent);
        match name {
            "a timestamp in the far future" => assert_eq!(stored[0].timestamp, NOW, "{name}"),
            "a timestamp in the far past" => assert_eq!(stored[0].timestamp, Timestamp(86_400_000), "{name}"),
            _ => assert_eq!(stored[0].timestamp, Timestamp(1_763_632_799_000), "{name}"),
        }
    }
}

#[test]
fn a_refused_request_says_where_and_repeats_no_secret() {
    let (shaped, stored) = take_in(sent("{\"message\":\"a\",\"password\":\"hunter2\",}"));
    let problem: Problem = serde_json::from_slice(&shaped.body).unwrap();
    assert_eq!((problem.byte_offset, problem.line, stored.len()), (Some(36), Some(1), 0));
    let (shaped, _) = take_in(sent(r#"{"message":"a","level":"password=hunter2"}"#));
    assert!(!String::from_utf8_lossy(&shaped.body).contains("hunter2"));
}

#[test]
fn the_page_of_problems_lists_every_code_as_it_is() {
    let page = include_str!("../docs/api/problems.md");
    let listed = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(listed, ProblemCode::ALL.len());
    for code in ProblemCode::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | {} |", code.code(), code.status())));
        let row = row.unwrap_or_else(|| panic!("{} is missing", code.code()));
        assert!(row.ends_with(&format!("| `{}` |", code.prototype_code())), "{row}");
        assert_eq!(row.contains("| yes |"), code.retry() == sapwood_wire::problem::Retry::Later, "{row}");
    }
}
