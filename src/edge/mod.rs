//! A request arrives.
//!
//! In this order, and the first that refuses decides: is the service configured at all; may a page of that origin call
//! us ([`cors`]); is there such a route ([`router`]); who calls ([`auth`], with [`key`] and [`jwt`]) and may they do
//! this; then the route's handler, which is given everything but the body and reads that itself, under a cap
//! ([`body`]). What comes of it leaves through [`reply`].
//!
//! [`known`] and [`domain_view`] remember, per isolate, what intake has to know of a domain; [`address`] names
//! components; [`flood`] sheds floods.

pub mod address;
pub mod auth;
pub mod body;
pub mod cors;
pub mod domain_view;
pub mod flood;
pub mod jwt;
pub mod key;
pub mod known;
pub mod random;
pub mod reply;
pub mod request;
pub mod router;

use crate::config;
use crate::handlers::{self, Call, Outcome, Refusal};
use auth::AuthSettings;
use cors::{CorsDecision, CorsPolicy, CorsRequest};
use reply::ReplyContext;
use request::RequestHead;
use router::{Miss, Route};
use sapwood_engine::config::Config;
use sapwood_engine::time::Timestamp;
use std::rc::Rc;
use worker::{Context, Env, Request, Response};

/// How much of a body is read after the request was refused without a look at the configuration, in bytes.
const DRAIN_WITHOUT_CONFIG: usize = 1024 * 1024;

/// Answers a request.
///
/// # Errors
/// The platform refuses to be given a response, which it has no reason to.
pub async fn answer(mut request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let now = Timestamp(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX));
    let head = RequestHead::of(&request)?;
    let mut shape = ReplyContext {
        request_id: head.request_id.clone(),
        is_prototype: head.is_prototype(),
        is_head: head.method == "HEAD",
        now_ms: now.0,
        cors: vec![("Vary", "Origin".to_owned())],
    };
    let config = match config::of(&env) {
        Ok(config) => config,
        Err(problems) => {
            body::drain(&mut request, DRAIN_WITHOUT_CONFIG).await;
            let keys: Vec<String> = problems.iter().map(|problem| problem.key.clone()).collect();
            let outcome = match router::find(&head.method, head.path()) {
                Ok(Route::Health) => handlers::health::misconfigured(&keys, &head, now),
                _ => Err(Refusal::Misconfigured(keys)),
            };
            return reply::respond(outcome, &shape);
        }
    };
    let decision = {
        let (origin, own) = (head.header("Origin"), head.own_origin());
        let method = head.header("Access-Control-Request-Method");
        let headers = head.header("Access-Control-Request-Headers");
        let asked = CorsRequest {
            method: &head.method,
            origin: origin.as_deref(),
            own_origin: &own,
            requested_method: method.as_deref(),
            requested_headers: headers.as_deref(),
        };
        cors::decide(asked, CorsPolicy::of(&config))
    };
    let refused = match decision {
        CorsDecision::Allowed(headers) => {
            shape.cors = headers;
            None
        }
        CorsDecision::Preflight(headers) => {
            shape.cors = headers;
            return reply::preflight(&shape);
        }
        CorsDecision::MethodRefused(headers) => {
            shape.cors = headers.into_iter().filter(|(name, _)| *name != "Allow").collect();
            Some(Refusal::OtherMethods(cors::METHODS.to_vec()))
        }
        CorsDecision::Refused(headers) => {
            shape.cors = headers;
            Some(Refusal::ForeignOrigin)
        }
    };
    let cap = config.body_bytes_max();
    let outcome = match refused {
        Some(refusal) => Err(refusal),
        None => serve(&mut request, &env, &context, config, &head, now).await,
    };
    if outcome.is_err() {
        // Nothing is left of a body that was read; of one that was not, enough is for the reply to get through.
        body::drain(&mut request, cap).await;
    }
    reply::respond(outcome, &shape)
}

/// Finds the route, the caller, and the handler.
async fn serve(
    request: &mut Request,
    env: &Env,
    context: &Context,
    config: Rc<Config>,
    head: &RequestHead,
    now: Timestamp,
) -> Outcome {
    let route = router::find(&head.method, head.path()).map_err(|miss| match miss {
        Miss::NoSuchPath => Refusal::NoSuchPath,
        Miss::OtherMethods(methods) => Refusal::OtherMethods(methods),
    })?;
    let Some(scope) = route.scope() else {
        return handlers::health::health(env, &config, head, now).await;
    };
    let offered = match route {
        Route::Tail => head.header("Sec-WebSocket-Protocol"),
        _ => None,
    };
    let offered = offered.as_deref().and_then(handlers::tail::offered_key);
    let header = |name: &str| head.header(name).or_else(|| offered.filter(|_| name == "X-API-Key").map(str::to_owned));
    let principal = auth::authenticate(header, &head.host(), AuthSettings::of(&config), now)?;
    principal.require(scope)?;
    let call = Call { env, context, config, principal, head, now };
    match route {
        Route::Ingest => handlers::ingest::ingest(&call, request).await,
        Route::Submit => handlers::ingest::submit(&call, request).await,
        Route::Search => handlers::search::search(&call).await,
        Route::Record(id) => handlers::record::record(&call, &id).await,
        Route::Tail => handlers::tail::tail(&call).await,
        Route::CreateKey => handlers::keys::create(&call, request).await,
        Route::Keys => handlers::keys::list(&call).await,
        Route::RevokeKey(id) => handlers::keys::revoke(&call, &id).await,
        Route::Configuration => handlers::configuration::show(&call).await,
        Route::Configure => handlers::configuration::replace(&call, request).await,
        Route::Audit => handlers::audit::audit(&call).await,
        Route::Cleanup => handlers::cleanup::cleanup(&call).await,
        Route::SpreadComponent(component) => handlers::shards::spread(&call, &component, request).await,
        Route::EraseComponent(component) => handlers::erase::component(&call, &component).await,
        Route::EraseDomain(domain) => handlers::erase::domain(&call, &domain).await,
        Route::EraseUser => handlers::erase::user(&call).await,
        Route::Erasures => handlers::erase::list(&call).await,
        Route::Erasure(id) => handlers::erase::one(&call, &id).await,
        Route::Export => handlers::transfer::export(&call).await,
        Route::Import => handlers::transfer::import(&call, request).await,
        Route::RebuildD1 => handlers::audit::rebuild_d1(&call).await,
        Route::Summary => handlers::summary::summary(&call).await,
        Route::Patterns => handlers::patterns::patterns(&call).await,
        Route::SimilarPatterns => handlers::patterns::similar(&call).await,
        Route::Teach => handlers::lessons::teach(&call, request).await,
        Route::Lessons => handlers::lessons::list(&call).await,
        Route::UndoLesson(id) => handlers::lessons::undo(&call, &id).await,
        Route::AnalyzePatterns => handlers::patterns::analyze(&call, request).await,
        Route::Components => handlers::lists::components(&call).await,
        Route::Replay => handlers::replay::replay(&call, request).await,
        Route::Baseline(component) => handlers::baseline::baseline(&call, &component).await,
        Route::Incidents => handlers::lists::incidents(&call).await,
        Route::Feedback => handlers::feedback::list(&call).await,
        Route::GiveFeedback(id) => handlers::feedback::give(&call, &id, request).await,
        Route::UndoFeedback(id) => handlers::feedback::undo(&call, &id).await,
        Route::Chart(component) => handlers::baseline::chart(&call, &component).await,
        Route::Windows(component) => handlers::windows::windows(&call, &component).await,
        Route::Deployments => handlers::deployments::list(&call).await,
        Route::Deploy => handlers::deployments::announce(&call, request).await,
        Route::Alerts => handlers::lists::alerts(&call).await,
        Route::Metrics => handlers::metrics::metrics(&call).await,
        // Answered above, before anybody was asked who they are.
        Route::Health => handlers::health::health(env, &call.config, head, now).await,
        #[cfg(feature = "fault-injection")]
        Route::Fault { in_object } => handlers::fault::panic(&call, in_object).await,
    }
}
