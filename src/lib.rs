//! The Worker: an edge that anyone may call, in front of one Durable Object per component and one per domain.
//!
//! This crate is a shell. In scope: HTTP, credentials, bindings, SQL, and moving bytes between them. Out of scope, and
//! in the crates it uses: what a line means and what follows from it (`sapwood_engine`), and the shapes of requests and
//! replies (`sapwood_wire`).
//!
//! A request enters at `fetch`, is understood by [`edge`] (which route, who, from where), answered by one file of
//! [`handlers`], which calls the objects of [`processors`] by typed stubs, and leaves through `edge::reply`, the only
//! place that knows HTTP statuses. [`config`] alone reads variables and secrets; [`monitoring`] is our own telemetry.

pub mod config;
pub mod edge;
pub mod handlers;
pub mod monitoring;
pub mod processors;
pub mod storage;

use worker::{Context, Env, Request, Response, event};

/// Runs once in each wasm instance, before its first event. The hook only writes to the console: it may run in the
/// middle of anything, so it must not call back into JavaScript for more.
#[event(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        monitoring::report("Panicked", &[("place", &place)]);
    }));
}

/// A request of the outside.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    edge::answer(request, env, context).await
}
