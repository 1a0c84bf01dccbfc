//! The Durable Object that will list all domains of a deployment.
//!
//! Its class is part of the first migration because a class that is added later cannot be rolled back past. Nothing
//! calls it yet; it answers 404 to everything and stores nothing.

// The attribute macro of the runtime's binding makes public methods without documentation.
#![allow(missing_docs)]

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// The registry's object.
#[durable_object(fetch)]
pub struct RegistryObject {}

impl DurableObject for RegistryObject {
    fn new(_state: State, _env: Env) -> Self {
        Self {}
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        // Drained, whatever the answer: an undrained body breaks the answer.
        let _body = request.bytes().await?;
        Response::error("nothing here", 404)
    }
}
