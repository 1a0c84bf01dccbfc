//! `GET /health`: what this service depends on, each tried for real with a short time limit.
//!
//! Open to everybody, so it tells states and never values: of a wrong configuration the names of keys. The shape is the
//! prototype's. 200 while everything answers, 503 otherwise; intake goes on through most of what makes it 503.

mod report;

pub use report::{Check, State, overall};

use super::{Answer, Outcome, json};
use crate::edge::domain_view::{KV, within};
use crate::edge::flood;
use crate::edge::request::RequestHead;
use crate::processors::outgoing;
use crate::processors::stubs::Stubs;
use report::{Report, Service};
use sapwood_engine::config::{Config, StorageMode};
use sapwood_engine::time::{Millis, Timestamp};
use std::cell::Cell;
use worker::{Env, Method};

/// How long a dependency may take.
const TIMEOUT: Millis = Millis::from_secs(2);
/// A domain that cannot be anybody's (RFC 2606): its object exists to be asked whether objects answer.
const PROBE_DOMAIN: &str = "health.invalid";
/// Binding of the database.
const D1: &str = "LOGS_DB";

thread_local! {
    static STARTED_AT: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// The state of a service that is configured.
pub async fn health(env: &Env, config: &Config, head: &RequestHead, now: Timestamp) -> Outcome {
    let caller = head.header("CF-Connecting-IP").unwrap_or_default();
    flood::check(env, &format!("health:{caller}")).await?;
    let (kv, d1, objects, data_service) =
        futures::join!(try_kv(env), try_d1(env, config), try_objects(env), try_data_service(config));
    let checks = vec![
        ("kv_storage", kv),
        ("d1_database", d1),
        ("objects", objects),
        ("configuration", Check::healthy("all keys are in order")),
        ("dependencies", data_service),
    ];
    let service =
        Service { name: config.service_name(), environment: config.environment().word(), uptime: uptime(now) };
    answer(&service, checks, head, now)
}

/// The state of a service that is not: which keys are wrong.
pub fn misconfigured(keys: &[String], head: &RequestHead, now: Timestamp) -> Outcome {
    let check = Check::unhealthy(&format!("put these keys right: {}", keys.join(", ")));
    let service = Service { name: "sapwood", environment: "unknown", uptime: uptime(now) };
    answer(&service, vec![("configuration", check)], head, now)
}

fn answer(service: &Service<'_>, checks: Vec<(&'static str, Check)>, head: &RequestHead, now: Timestamp) -> Outcome {
    let responded_at = clock();
    let report = Report { service, checks: &checks, request_id: &head.request_id, asked_at: now, responded_at };
    Ok(Answer::Health { status: overall(&checks).word(), body: json(&report)? })
}

fn clock() -> Timestamp {
    Timestamp(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// How long this isolate has been up, counted from its first look at health.
fn uptime(now: Timestamp) -> Millis {
    STARTED_AT.with(|started| {
        let since = started.get().unwrap_or(now);
        started.set(Some(since));
        now.since(since)
    })
}

/// Tries something, and measures it.
async fn tried(work: impl Future<Output = Result<String, String>>) -> Check {
    let before = clock();
    let check = match within(TIMEOUT, work).await {
        Some(Ok(message)) => Check::healthy(&message),
        Some(Err(message)) => Check::degraded(&message),
        None => Check::degraded(&format!("no answer within {} ms", TIMEOUT.0)),
    };
    Check { response_time: Some(clock().since(before)), ..check }
}

async fn try_kv(env: &Env) -> Check {
    tried(async {
        let kv = env.kv(KV).map_err(|_| "the binding is missing".to_owned())?;
        kv.get("health").text().await.map_err(|_| "a key cannot be read".to_owned())?;
        Ok("a key can be read".to_owned())
    })
    .await
}

async fn try_d1(env: &Env, config: &Config) -> Check {
    if config.storage_mode() == StorageMode::Local {
        return Check::healthy("not used in storage mode local");
    }
    tried(async {
        let d1 = env.d1(D1).map_err(|_| "the binding is missing".to_owned())?;
        // A table of ours, since a database that was never migrated answers any other question.
        let query = d1.prepare("SELECT count(*) AS epochs FROM epoch");
        let answer = query.first::<f64>(Some("epochs")).await;
        answer.map_err(|_| "a query fails; were its migrations applied?".to_owned())?;
        Ok("a query is answered".to_owned())
    })
    .await
}

/// Without objects nothing can be taken in or read.
async fn try_objects(env: &Env) -> Check {
    let check = tried(async {
        let answer = Stubs::new(env, TIMEOUT).domain_status(PROBE_DOMAIN).await;
        answer.map(|_| "an object answers".to_owned()).map_err(|_| "an object does not answer".to_owned())
    })
    .await;
    if check.state == State::Healthy { check } else { Check { state: State::Unhealthy, ..check } }
}

async fn try_data_service(config: &Config) -> Check {
    let base = config.data_service_url().filter(|_| config.storage_mode() != StorageMode::Local);
    let Some(base) = base else { return Check::healthy("no data service is used") };
    tried(async {
        match outgoing::send(Method::Get, &format!("{base}/health"), &[], None, TIMEOUT).await {
            Ok(answer) if answer.status == 200 => Ok("the data service answers".to_owned()),
            Ok(answer) => Err(format!("the data service answers {}", answer.status)),
            Err(_) => Err("the data service does not answer".to_owned()),
        }
    })
    .await
}
