//! Brings what an isolate has to know of a domain: from its memory, from KV, from the domain object.
//!
//! Intake takes the first that has it. Everything else asks the domain object, which is the authority, and what it says
//! is remembered on the way. Left out: what is remembered and for how long ([`super::known`]).

use super::known::{DomainKnowledge, Lookup, PublishedView, kv_key, with_memory};
use crate::handlers::{Call, Refusal};
use crate::monitoring::report;
use crate::processors::calls::DirectoryAnswer;
use crate::processors::stubs::{CallError, Stubs};
use futures::future::{Either, select};
use sapwood_engine::config::Config;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_wire::problem::{Problem, ProblemCode};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use worker::Env;

/// Binding of the KV namespace.
pub const KV: &str = "LOGS_KV";
/// How long KV may take before the domain object is asked instead.
const KV_TIMEOUT: Millis = Millis(500);

/// What is known of the caller's domain, for taking in records.
///
/// # Errors
/// 503 if nothing was ever known here and neither KV nor the domain object can tell.
pub async fn for_intake(call: &Call<'_>) -> Result<Rc<DomainKnowledge>, Refusal> {
    match with_memory(|memory| memory.look_up(call.domain(), call.now)) {
        Lookup::Fresh(known) => Ok(known),
        Lookup::Stale(known) => {
            let (env, config) = (call.env.clone(), Rc::clone(&call.config));
            let (domain, now) = (call.domain().to_owned(), call.now);
            call.context.wait_until(async move {
                if let Err(error) = ask(&env, &config, &domain, now).await {
                    report("DomainNotRefreshed", &[("error", &error)]);
                }
            });
            Ok(known)
        }
        Lookup::Unknown => load(call).await,
    }
}

async fn load(call: &Call<'_>) -> Result<Rc<DomainKnowledge>, Refusal> {
    let last = with_memory(|memory| memory.last_known(call.domain()));
    let published = within(KV_TIMEOUT, read_published(call.env, call.domain())).await;
    if let Some(Ok(Some(view))) = &published
        && last.as_ref().is_none_or(|last| last.version <= view.version)
    {
        return Ok(learn(&call.config, call.domain(), view, call.now));
    }
    match ask(call.env, &call.config, call.domain(), call.now).await {
        Ok((directory, known)) => {
            if let Some(Ok(None)) = published {
                let (env, domain) = (call.env.clone(), call.domain().to_owned());
                call.context.wait_until(async move { publish(&env, &domain, &directory).await });
            }
            Ok(known)
        }
        Err(error) => {
            report("DomainNotReached", &[("request", &call.head.request_id), ("error", &error)]);
            let unavailable = || {
                let detail = "this domain's configuration cannot be read at the moment; nothing was stored";
                Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into()
            };
            last.ok_or_else(unavailable)
        }
    }
}

/// The domain's directory as it is now; refuses a caller whose key was taken back.
///
/// # Errors
/// The domain object cannot be reached, or the key was revoked.
pub async fn directory(call: &Call<'_>) -> Result<(DirectoryAnswer, Rc<DomainKnowledge>), Refusal> {
    let (directory, known) = ask(call.env, &call.config, call.domain(), call.now).await?;
    call.check_revocation(&known)?;
    Ok((directory, known))
}

async fn ask(
    env: &Env,
    config: &Rc<Config>,
    domain: &str,
    now: Timestamp,
) -> Result<(DirectoryAnswer, Rc<DomainKnowledge>), CallError> {
    let directory = Stubs::new(env, config.object_timeout()).directory(domain).await?;
    let known = learn(config, domain, &PublishedView::from(&directory), now);
    Ok((directory, known))
}

fn learn(config: &Rc<Config>, domain: &str, view: &PublishedView, now: Timestamp) -> Rc<DomainKnowledge> {
    let known = Rc::new(DomainKnowledge::new(config, view));
    with_memory(|memory| memory.learn(domain, Rc::clone(&known), now));
    known
}

async fn read_published(env: &Env, domain: &str) -> Result<Option<PublishedView>, String> {
    let kv = env.kv(KV).map_err(|error| error.to_string())?;
    kv.get(&kv_key(domain)).json().await.map_err(|error| error.to_string())
}

/// Gives the edges elsewhere a copy. Failing costs them a call to the domain object and nothing else.
pub async fn publish(env: &Env, domain: &str, directory: &DirectoryAnswer) {
    let view = PublishedView::from(directory);
    let put = async {
        let text = serde_json::to_string(&view).map_err(|error| error.to_string())?;
        let kv = env.kv(KV).map_err(|error| error.to_string())?;
        let put = kv.put(&kv_key(domain), text).map_err(|error| error.to_string())?;
        put.execute().await.map_err(|error| error.to_string())
    };
    if let Err(error) = put.await {
        report("DomainNotPublished", &[("error", &error)]);
    }
}

/// What comes of `work`, if it takes no longer than `limit`.
pub async fn within<T>(limit: Millis, work: impl Future<Output = T>) -> Option<T> {
    let timer = pin!(worker::Delay::from(Duration::from_millis(limit.0.max(1).unsigned_abs())));
    match select(pin!(work), timer).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Reads the domain's directory again after it was changed, and gives the edges a copy of it. The change itself is
/// done; failing here costs the edges their own refresh.
pub async fn publish_anew(call: &Call<'_>) {
    match ask(call.env, &call.config, call.domain(), call.now).await {
        Ok((directory, _)) => publish(call.env, call.domain(), &directory).await,
        Err(error) => report("DomainNotPublished", &[("request", &call.head.request_id), ("error", &error)]),
    }
}
