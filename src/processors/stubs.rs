//! Typed calls to the objects: binding, method and object name in one place, with a timeout and a typed error.
//!
//! A call that times out may or may not have been carried out; callers that must know use an idempotency key. After an
//! exception a stub is broken, so each call takes a new one.

use super::calls::{
    AlertCall, AlertEntry, AppendAnswer, AppendCall, AuditView, BaselineAnswer, BaselineCall, CleanupAnswer,
    CleanupCall, CountsAnswer, CountsCall, CreateKeyCall, DeployedCall, DeploymentView, DirectoryAnswer, DomainStatus,
    EraseAnswer, EraseCall, EraseUserAnswer, EraseUserCall, ErasureAnswer, ErasureCall, FeedbackCall, FeedbackOutcome,
    FeedbackView, HeardCall, HeatCall, IncidentView, KeyView, LendCall, LessonsAnswer, NO_ROOM, PatternView,
    PatternsCall, ReceiptView, RecordCall, RegisterCall, ReplayAnswer, ReplayCall, SearchAnswer, SearchCall,
    SpreadAnswer, StatusAnswer, StreamAddress, TailCall, TeachAnswer, TeachCall, VariablesCall, VariablesView,
    WindowsAnswer, WindowsCall,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::{Either, select};
use sapwood_engine::machine::stream::{DomainView, Lease, Told, decode_told, encode_told};
use sapwood_engine::pattern::lesson::Lessons;
use sapwood_engine::shard::ShardMap;
use sapwood_engine::time::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::pin;
use std::time::Duration;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Stub, web_sys};

/// Binding of the stream objects.
const STREAM: &str = "STREAM";
/// Binding of the domain objects.
const DOMAIN: &str = "DOMAIN";
/// Who caused a call that is audited.
pub const ACTOR_HEADER: &str = "x-sapwood-actor";

/// Why a call to an object failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No answer in time. It may have been carried out.
    Timeout,
    /// The platform says that the object has more to do than it can: do not retry at once.
    Overloaded,
    /// The object or the way to it failed. It may have been carried out.
    Failed(String),
    /// The object refused: status and body.
    Refused(u16, String),
    /// The answer could not be read.
    Unreadable(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the object did not answer in time"),
            Self::Overloaded => f.write_str("the object is overloaded"),
            Self::Failed(why) => write!(f, "the object failed: {why}"),
            Self::Refused(status, why) => write!(f, "the object refused with {status}: {why}"),
            Self::Unreadable(why) => write!(f, "the object's answer could not be read: {why}"),
        }
    }
}

/// Calls objects of this Worker.
#[derive(Clone)]
pub struct Stubs<'a> {
    env: &'a Env,
    timeout: Millis,
}

impl<'a> Stubs<'a> {
    /// Calls through the bindings of `env`, each given `timeout`.
    pub fn new(env: &'a Env, timeout: Millis) -> Self {
        Self { env, timeout }
    }

    /// A stub of an object; after an exception it is broken, so it serves one call.
    fn stub(&self, binding: &str, name: &str) -> Result<Stub, CallError> {
        let failed = |error: worker::Error| classify(&error.to_string());
        self.env.durable_object(binding).map_err(failed)?.get_by_name(name).map_err(failed)
    }

    /// Waits for a call, but not for longer than the timeout.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let timer = pin!(worker::Delay::from(Duration::from_millis(self.timeout.0.max(1) as u64)));
        match select(pin!(call), timer).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(CallError::Timeout),
        }
    }

    async fn bytes(&self, binding: &str, name: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, CallError> {
        let stub = self.stub(binding, name)?;
        self.in_time(exchange(stub, path, body, None)).await
    }

    async fn json<I: Serialize, O: DeserializeOwned>(
        &self,
        binding: &str,
        name: &str,
        path: &str,
        input: &I,
    ) -> Result<O, CallError> {
        let body = serde_json::to_vec(input).map_err(|error| CallError::Unreadable(error.to_string()))?;
        let answer = self.bytes(binding, name, path, &body).await?;
        serde_json::from_slice(&answer).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    async fn audited<I: Serialize, O: DeserializeOwned>(
        &self,
        domain: &str,
        path: &str,
        actor: &str,
        input: &I,
    ) -> Result<O, CallError> {
        let body = serde_json::to_vec(input).map_err(|error| CallError::Unreadable(error.to_string()))?;
        let stub = self.stub(DOMAIN, domain)?;
        let body = self.in_time(exchange(stub, path, &body, Some(actor))).await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// Stores records.
    pub async fn append(&self, call: &AppendCall) -> Result<AppendAnswer, CallError> {
        let answer = self.bytes(STREAM, &call.address.name(), "/append", &call.encode()).await?;
        AppendAnswer::decode(&answer).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// One object's part of a search page.
    pub async fn search(&self, to: &StreamAddress, call: &SearchCall) -> Result<SearchAnswer, CallError> {
        self.json(STREAM, &to.name(), "/search", call).await
    }

    /// One record as it is shown; the newest if several have this foreign id.
    pub async fn record(
        &self,
        to: &StreamAddress,
        call: &RecordCall,
    ) -> Result<Option<Box<serde_json::value::RawValue>>, CallError> {
        self.json(STREAM, &to.name(), "/record", call).await
    }

    /// Counts over time.
    pub async fn counts(&self, to: &StreamAddress, call: &CountsCall) -> Result<CountsAnswer, CallError> {
        self.json(STREAM, &to.name(), "/counts", call).await
    }

    /// All patterns, most frequent first.
    pub async fn patterns(&self, to: &StreamAddress) -> Result<Vec<PatternView>, CallError> {
        self.json(STREAM, &to.name(), "/patterns", &PatternsCall { is_brief: false }).await
    }

    /// What patterns there are, without where they were seen and what shows them.
    pub async fn patterns_in_brief(&self, to: &StreamAddress) -> Result<Vec<PatternView>, CallError> {
        self.json(STREAM, &to.name(), "/patterns", &PatternsCall { is_brief: true }).await
    }

    /// What stood in the places of some patterns.
    pub async fn variables(&self, to: &StreamAddress, call: &VariablesCall) -> Result<Vec<VariablesView>, CallError> {
        self.json(STREAM, &to.name(), "/variables", call).await
    }

    /// What a stretch of its journal would have raised under other settings.
    pub async fn replay(&self, to: &StreamAddress, call: &ReplayCall) -> Result<ReplayAnswer, CallError> {
        self.json(STREAM, &to.name(), "/replay", call).await
    }

    /// All incidents, newest first.
    pub async fn incidents(&self, to: &StreamAddress) -> Result<Vec<IncidentView>, CallError> {
        self.json(STREAM, &to.name(), "/incidents", &()).await
    }

    /// Counts in windows of one width.
    pub async fn windows(&self, to: &StreamAddress, call: &WindowsCall) -> Result<WindowsAnswer, CallError> {
        self.json(STREAM, &to.name(), "/windows", call).await
    }

    /// The deployments it knows of, newest first.
    pub async fn deployments(&self, to: &StreamAddress) -> Result<Vec<DeploymentView>, CallError> {
        self.json(STREAM, &to.name(), "/deployments", &()).await
    }

    /// Says that a release was deployed.
    pub async fn deployed(&self, to: &StreamAddress, call: &DeployedCall) -> Result<(), CallError> {
        self.json(STREAM, &to.name(), "/deployed", call).await
    }

    /// What people said of its incidents, newest first.
    pub async fn feedback(&self, to: &StreamAddress) -> Result<Vec<FeedbackView>, CallError> {
        self.json(STREAM, &to.name(), "/feedback", &()).await
    }

    /// Says what an incident was, or takes that back.
    pub async fn give_feedback(&self, to: &StreamAddress, call: &FeedbackCall) -> Result<FeedbackOutcome, CallError> {
        self.json(STREAM, &to.name(), "/feedback/give", call).await
    }

    /// What is usual of its series.
    pub async fn baseline(&self, to: &StreamAddress, call: &BaselineCall) -> Result<BaselineAnswer, CallError> {
        self.json(STREAM, &to.name(), "/baseline", call).await
    }

    /// What the object knows about itself.
    pub async fn status(&self, to: &StreamAddress) -> Result<StatusAnswer, CallError> {
        self.json(STREAM, &to.name(), "/status", &()).await
    }

    /// Tells a stream the domain's view, and its lessons where they changed.
    pub async fn configure(
        &self,
        to: &StreamAddress,
        view: &DomainView,
        lessons: Option<&Lessons>,
        map: Option<&ShardMap>,
    ) -> Result<(), CallError> {
        self.bytes(STREAM, &to.name(), "/configure", &encode_told(view, lessons, None, map)).await.map(|_| ())
    }

    /// Sends everything to D1 again.
    pub async fn clean_up(&self, to: &StreamAddress, call: &CleanupCall) -> Result<CleanupAnswer, CallError> {
        self.json(STREAM, &to.name(), "/cleanup", call).await
    }

    /// Erases the object, or counts what is there.
    pub async fn erase(&self, call: &EraseCall) -> Result<EraseAnswer, CallError> {
        self.json(STREAM, &call.address.name(), "/erase", call).await
    }

    /// Erases a slice of one user's records, or counts them.
    pub async fn erase_user(&self, call: &EraseUserCall) -> Result<EraseUserAnswer, CallError> {
        self.json(STREAM, &call.address.name(), "/erase-user", call).await
    }

    /// Which of these ids still lead to a record.
    pub async fn present(&self, to: &StreamAddress, ids: &[String]) -> Result<Vec<String>, CallError> {
        self.json(STREAM, &to.name(), "/present", &ids).await
    }

    /// Has the object send all that it has to D1 again.
    pub async fn rebuild_d1(&self, to: &StreamAddress) -> Result<(), CallError> {
        self.json(STREAM, &to.name(), "/rebuild-d1", &()).await
    }

    /// Has the object break where `at` says.
    #[cfg(feature = "fault-injection")]
    pub async fn panic(&self, to: &StreamAddress, at: &str) -> Result<Vec<u8>, CallError> {
        self.bytes(STREAM, &to.name(), "/panic", at.as_bytes()).await
    }

    /// Registers a stream; `None` if the domain has no room for it.
    pub async fn register(&self, call: &RegisterCall) -> Result<Option<Told>, CallError> {
        let body = serde_json::to_vec(call).map_err(|error| CallError::Unreadable(error.to_string()))?;
        match self.bytes(DOMAIN, &call.domain, "/register", &body).await {
            Ok(told) => decode_told(&told).map(Some).map_err(|error| CallError::Unreadable(error.to_string())),
            Err(CallError::Refused(NO_ROOM, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks the domain for records: day, general, errors, is spent.
    pub async fn lease(&self, domain: &str, wanted: u64) -> Result<Lease, CallError> {
        let (day, general, errors, is_spent) = self.json(DOMAIN, domain, "/lease", &wanted).await?;
        Ok(Lease { day, general, errors, is_spent })
    }

    /// Hands an alert to the domain object: its id, its JSON, and the version of the view under which that is done.
    pub async fn alert(&self, domain: &str, id: &str, alert: &str, version: u64) -> Result<(), CallError> {
        self.json(DOMAIN, domain, "/alert", &AlertCall { id: id.to_owned(), alert: alert.to_owned(), version }).await
    }

    /// Tells the lead what came to one of its shards; true if the lead wants to be shown all patterns again.
    pub async fn heard(&self, lead: &StreamAddress, call: &HeardCall) -> Result<bool, CallError> {
        let answer = self.bytes(STREAM, &lead.name(), "/heard", &call.encode()).await?;
        serde_json::from_slice(&answer).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// Tells the domain how hot a shard is.
    pub async fn heat(&self, domain: &str, call: &HeatCall) -> Result<(), CallError> {
        self.json(DOMAIN, domain, "/heat", call).await
    }

    /// Spreads a component over so many objects.
    pub async fn spread(
        &self,
        domain: &str,
        actor: &str,
        component: &str,
        shards: u16,
    ) -> Result<SpreadAnswer, CallError> {
        self.audited(domain, "/spread", actor, &(domain, component, shards)).await
    }

    /// Lends the domain's newcomers what this component has learned.
    pub async fn lend(&self, domain: &str, call: &LendCall) -> Result<(), CallError> {
        self.json(DOMAIN, domain, "/lend", call).await
    }

    /// Hands records to the domain's live tail; `false` if nobody watches any more.
    pub async fn tail(&self, domain: &str, call: &TailCall) -> Result<bool, CallError> {
        self.json(DOMAIN, domain, "/tail-records", call).await
    }

    /// Opens a live tail: the upgrade request goes to the domain object as it is, with the checked filter.
    pub async fn open_tail(&self, domain: &str, filter: &str) -> Result<Response, CallError> {
        let failed = |error: worker::Error| CallError::Failed(error.to_string());
        let headers = Headers::new();
        headers.set("upgrade", "websocket").map_err(failed)?;
        // A header takes bytes of ASCII only; a filter may hold any text.
        headers.set("x-sapwood-filter", &URL_SAFE_NO_PAD.encode(filter)).map_err(failed)?;
        headers.set("x-sapwood-domain", domain).map_err(failed)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Get).with_headers(headers);
        let request = Request::new_with_init("https://object/tail", &init).map_err(failed)?;
        let stub = self.stub(DOMAIN, domain)?;
        self.in_time(async { stub.fetch_with_request(request).await.map_err(failed) }).await
    }

    /// The domain's components, revoked keys and configuration.
    pub async fn directory(&self, domain: &str) -> Result<DirectoryAnswer, CallError> {
        self.json(DOMAIN, domain, "/directory", &domain).await
    }

    /// How the domain's deliveries fare.
    pub async fn domain_status(&self, domain: &str) -> Result<DomainStatus, CallError> {
        self.json(DOMAIN, domain, "/status", &domain).await
    }

    /// Alerts sent and waiting, newest first.
    pub async fn alerts(&self, domain: &str) -> Result<Vec<AlertEntry>, CallError> {
        self.json(DOMAIN, domain, "/alerts", &domain).await
    }

    /// Makes a key known.
    pub async fn create_key(&self, domain: &str, actor: &str, call: &CreateKeyCall) -> Result<KeyView, CallError> {
        self.audited(domain, "/keys/create", actor, &(domain, call)).await
    }

    /// All keys.
    pub async fn keys(&self, domain: &str) -> Result<Vec<KeyView>, CallError> {
        self.json(DOMAIN, domain, "/keys", &domain).await
    }

    /// Revokes a key; `false` if there is none with this id.
    pub async fn revoke_key(&self, domain: &str, actor: &str, id: &str) -> Result<bool, CallError> {
        self.audited(domain, "/keys/revoke", actor, &(domain, id)).await
    }

    /// Replaces the domain's configuration, which the caller has checked.
    pub async fn configure_domain(
        &self,
        domain: &str,
        actor: &str,
        overrides: &[(String, String)],
    ) -> Result<u64, CallError> {
        self.audited(domain, "/configure", actor, &(domain, overrides)).await
    }

    /// Teaches, or says whether it could be taught.
    pub async fn teach(&self, domain: &str, actor: &str, call: &TeachCall) -> Result<TeachAnswer, CallError> {
        self.audited(domain, "/lessons/teach", actor, &(domain, call)).await
    }

    /// Undoes a lesson.
    pub async fn undo_lesson(&self, domain: &str, actor: &str, id: u64) -> Result<TeachAnswer, CallError> {
        self.audited(domain, "/lessons/undo", actor, &(domain, id)).await
    }

    /// Everything taught.
    pub async fn lessons(&self, domain: &str) -> Result<LessonsAnswer, CallError> {
        self.json(DOMAIN, domain, "/lessons", &domain).await
    }

    /// Begins an erasure.
    pub async fn start_erasure(
        &self,
        domain: &str,
        actor: &str,
        call: &ErasureCall,
    ) -> Result<ErasureAnswer, CallError> {
        self.audited(domain, "/erasures/start", actor, &(domain, call)).await
    }

    /// Receipts of erasures, newest first.
    pub async fn erasures(&self, domain: &str) -> Result<Vec<ReceiptView>, CallError> {
        self.json(DOMAIN, domain, "/erasures", &domain).await
    }

    /// The audit log, newest first.
    pub async fn audit(&self, domain: &str) -> Result<Vec<AuditView>, CallError> {
        self.json(DOMAIN, domain, "/audit", &domain).await
    }

    /// Books an action that another object carries out.
    pub async fn book(&self, domain: &str, actor: &str, action: &str, detail: &str) -> Result<(), CallError> {
        self.audited(domain, "/audit/book", actor, &(domain, action, detail)).await
    }
}

#[wasm_bindgen]
extern "C" {
    /// A stub as JavaScript sees it. The binding's own way makes a `Request` first and reads the answer through a
    /// stream reader, which took a fifth of a call's processor time.
    type Fetcher;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Fetcher, url: &str, init: &web_sys::RequestInit) -> Result<Promise, JsValue>;
}

/// Sends a body to an object and reads the whole answer.
async fn exchange(stub: Stub, path: &str, body: &[u8], actor: Option<&str>) -> Result<Vec<u8>, CallError> {
    let failed = |error: JsValue| classify(&worker::Error::from(error).to_string());
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&Uint8Array::from(body));
    if let Some(actor) = actor {
        let headers = web_sys::Headers::new().map_err(failed)?;
        headers.set(ACTOR_HEADER, actor).map_err(failed)?;
        init.set_headers(&headers);
    }
    let answered = stub.into_rpc::<Fetcher>().fetch(&format!("https://object{path}"), &init).map_err(failed)?;
    let response: web_sys::Response = JsFuture::from(answered).await.map_err(failed)?.unchecked_into();
    let whole = JsFuture::from(response.array_buffer().map_err(failed)?).await.map_err(failed)?;
    let body = Uint8Array::new(&whole).to_vec();
    match response.status() {
        200..=299 => Ok(body),
        status => Err(CallError::Refused(status, String::from_utf8_lossy(&body).into_owned())),
    }
}

/// The platform tells overload only in words.
fn classify(message: &str) -> CallError {
    let is_overload = ["overloaded", "Too many requests", "queued for too long", "Too much data"]
        .iter()
        .any(|words| message.contains(words));
    if is_overload { CallError::Overloaded } else { CallError::Failed(message.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_is_told_from_failure() {
        assert_eq!(classify("Durable Object is overloaded. Too many requests queued."), CallError::Overloaded);
        assert_eq!(classify("Network connection lost."), CallError::Failed("Network connection lost.".into()));
    }
}
